"""Our worker with a coordinator that is made with coordinated-workers."""

import dataclasses
import json

import pytest
from ops import testing

import juju
from worker import scene

LOKI = 'http://loki:3100/loki/api/v1/push'
GRPC = {'protocol': {'name': 'otlp_grpc', 'type': 'grpc'}, 'url': 'tempo:4317'}
HTTP = {'protocol': {'name': 'otlp_http', 'type': 'http'}, 'url': 'http://tempo:4318'}
TLS = {**HTTP, 'url': 'https://tempo:4318'}
TRACES = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'
HTTP_ONLY = 'serving HTTP only: real has one key for all its workers, none for each'


@pytest.fixture
def unit(tmp_path):
    return scene.Worker(tmp_path)


def loki(url=LOKI):
    databag = scene.encoded(endpoint={'url': url})
    return {'endpoint': 'logging', 'app': 'loki', 'units_data': {0: databag}}


def tempo(kind, *receivers):
    databag = scene.encoded(receivers=receivers)
    return {'endpoint': kind, 'app': 'tempo', 'app_data': databag, 'units_data': {0: {}}}


CA = {'endpoint': 'certificates', 'app': 'ca', 'units_data': {0: {}}}
PLAIN = (loki(), tempo('charm-tracing', HTTP), tempo('workload-tracing', GRPC, HTTP))
SECURE = (
    loki(LOKI.replace('http:', 'https:')),
    tempo('charm-tracing', TLS),
    tempo('workload-tracing', GRPC, TLS),
    CA,
)


@pytest.fixture
def meet(unit, ask):
    """Gives our worker's state, and what the coordinator answered, once they know each other."""

    def meet(*stores, roles=('all',), proxy=False):
        config = {f'role-{name}': name in roles for name in ('all', 'gate', 'vault')}
        related = scene.coordinator({}, app='real', id=21)
        state = unit.update_status(unit.state(related, config=config))
        ours = state.get_relation(21)
        answer = ask(
            'coordinator',
            {
                'endpoint': 'cluster',
                'app': scene.APPLICATION,
                'app_data': ours.local_app_data,
                'units_data': {0: ours.local_unit_data},
            },
            {'endpoint': 's3', 'app': 's3', 'units_data': {0: {}}},
            *stores,
            proxy=proxy,
        )
        databag, _ = answer['published'][scene.APPLICATION]
        known = dataclasses.replace(ours, remote_app_data=databag)
        return unit.update_status(dataclasses.replace(state, relations=[known])), answer

    return meet


def test_all_three_signals_go_where_it_says(unit, meet, log, set_destination):
    state, _ = meet(*PLAIN)
    assert state.unit_status == testing.ActiveStatus('ready: all')
    assert unit.config == scene.CONFIG
    assert set(juju.enabled_log_targets(state.get_container('workload'))) == {LOKI}
    assert set(log._kept.endpoints) == {LOKI}
    set_destination.assert_called_with(url='http://tempo:4318/v1/traces', ca=None)
    service = scene.service(state)
    assert service['environment'][TRACES] == 'http://tempo:4317'
    assert '--calls=http://real.m.svc' in service['command']


@pytest.mark.parametrize('roles', [('all',), ('gate', 'vault')])
def test_it_reads_roles_and_address_and_scrapes_with_the_workers_own_labels(meet, roles):
    state, answer = meet(roles=roles)
    address = json.loads(state.get_relation(21).local_unit_data['address'])
    assert answer['status'] == ['active', '']
    assert answer['roles'] == {'gate': 1, 'vault': 1}
    assert answer['addresses'] == {'gate': [address], 'vault': [address]}
    (job,) = answer['scrape_jobs']
    assert job['static_configs'] == [{'targets': [f'{address}:7070']}]
    assert {one['target_label']: one['replacement'] for one in job['relabel_configs']} == {
        'juju_application': 'worker',
        'juju_charm': 'worker-k8s',
        'juju_model': 'm',
        'juju_model_uuid': juju.UUID,
        'juju_unit': 'worker/0',
    }


def test_a_worker_waits_while_roles_are_missing(meet):
    state, answer = meet(roles=('gate',))
    assert answer['status'] == ['blocked', '[consistency] Cluster inconsistent.']
    assert state.unit_status == testing.WaitingStatus(
        "[cluster] waiting for the coordinator's configuration"
    )


def test_traces_that_the_workload_cannot_send_are_noted(meet):
    state, _ = meet(tempo('workload-tracing', HTTP))
    assert state.unit_status == testing.ActiveStatus(
        'ready: all; workload traces are not sent: no otlp_grpc receiver, only otlp_http'
    )
    assert TRACES not in scene.service(state)['environment']


def test_with_tls_its_one_ca_vouches_for_the_stores_too(unit, meet, log, set_destination):
    state, _ = meet(*SECURE)
    ca = json.loads(state.get_relation(21).remote_app_data['ca_cert']) + '\n'
    assert state.unit_status == testing.ActiveStatus(f'ready: all; {HTTP_ONLY}')
    (url,) = juju.enabled_log_targets(state.get_container('workload'))
    assert url == LOKI.replace('http:', 'https:')
    assert (unit.certs / 'coordinated-telemetry.pem').read_text() == ca
    assert (set(log._kept.endpoints), log._kept.ca) == ({url}, ca)
    set_destination.assert_called_with(url='https://tempo:4318/v1/traces', ca=ca)
    assert scene.service(state)['environment'][TRACES] == 'https://tempo:4317'
    assert (unit.folder / 'traces-ca.pem').read_text() == ca


def test_with_tls_it_looks_for_https_where_the_worker_serves_http(meet):
    """So such a pair works without TLS only, which the worker's status says."""
    state, answer = meet(CA)
    assert [job['scheme'] for job in answer['scrape_jobs']] == ['https']
    service = scene.service(state)
    assert '--plain=7070' in service['command']
    assert '--tls' not in service['command']
    assert '--calls=https://real.m.svc' in service['command']
    assert HTTP_ONLY in state.unit_status.message


@pytest.mark.parametrize('secure', [False, True], ids=['plain', 'TLS'])
def test_logs_and_charm_traces_go_through_its_proxy(meet, log, set_destination, secure):
    """It takes no gRPC, and has the certificate of the coordinator itself."""
    stores = (loki(), tempo('charm-tracing', HTTP), tempo('workload-tracing', HTTP))
    state, answer = meet(*stores, *([CA] if secure else []), proxy=True)
    base = f'{"https" if secure else "http"}://real.m.svc.cluster.local:{3300 + secure}/proxy'
    logs = {f'{base}/loki/loki-0/push'}
    assert set(juju.enabled_log_targets(state.get_container('workload'))) == logs
    assert set(log._kept.endpoints) == logs
    url = f'{base}/charm-tracing/otlp_http/v1/traces'
    assert set_destination.mock_calls[-1].kwargs['url'] == url
    assert TRACES not in scene.service(state)['environment']
    assert (
        'workload traces are not sent: no otlp_grpc receiver, only otlp_http'
        in state.unit_status.message
    )
    (job,) = answer['scrape_jobs']
    assert job['metrics_path'] == '/proxy/worker/worker-0/metrics'


def test_without_tls_no_ca_is_there_to_vouch_for_a_store(meet, set_destination):
    state, _ = meet(*SECURE[:-1])
    assert juju.enabled_log_targets(state.get_container('workload')) == {}
    set_destination.assert_called_with(url=None, ca=None)
    assert TRACES not in scene.service(state)['environment']
    for signal in 'logs', 'charm traces', 'workload traces':
        assert f'{signal} are not sent' in state.unit_status.message
