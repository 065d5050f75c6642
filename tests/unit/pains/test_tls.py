"""TLS, to clients and to the stores of traces: pains 19 and 20."""

import dataclasses
import hashlib
import re
from unittest import mock

import ops
import pytest
from ops import testing

import juju
from coordinator import scene as coordinators
from coordinator.serving import (
    CA,
    SERVICE,
    commands,
    expired,
    files,
    is_tls,
    outcome,
    request,
    server,
    with_fresh_pod,
)
from coordinator.source import nginx
from worker import scene as workers

# 19. TLS falls back to plain HTTP whenever a worker is added, until the CA re-issues; the key is
# world-readable; TLS 1.0 is on.


def test_pain_19_it_serves_plain_http_until_there_is_a_certificate(unit, plain):
    assert not any('ssl' in line for line in server(unit))
    assert files(unit) == {}
    assert 'ca_cert' not in plain.get_relation(11).local_app_data
    assert plain.unit_status == testing.WaitingStatus(
        '[certificates] serving plain HTTP until ca issues a certificate'
    )


def test_pain_19_tls_1_2_and_newer_on_the_same_port_and_plain_http_is_sent_there(unit, served):
    ((name, content),) = files(unit).items()
    assert [line for line in server(unit) if '[::]' not in line] == [
        'listen 8080 ssl',
        'http2 on',
        f'ssl_certificate /etc/nginx/{name}',
        f'ssl_certificate_key /etc/nginx/{name}',
        'ssl_protocols TLSv1.2 TLSv1.3',
        'error_page 497 =308 https://$host:8080$request_uri',
    ]
    assert re.findall('BEGIN ([A-Z ]+)-', content) == [
        'CERTIFICATE',
        'CERTIFICATE',
        'RSA PRIVATE KEY',
    ]
    assert isinstance(served.unit_status, testing.ActiveStatus)


def test_pain_19_nobody_else_reads_the_key_and_nothing_else_has_it(unit, plain, calls):
    after = coordinators.answered(unit, plain)
    ((name, content),) = files(unit).items()
    assert (unit.folder / name).stat().st_mode & 0o777 == 0o600
    key = content.partition('-----BEGIN RSA PRIVATE KEY-----')[2][:60]
    databags = [{**r.local_unit_data, **r.local_app_data} for r in after.relations]
    assert key
    assert key not in str(databags)
    assert key not in str(calls.of('juju-log'))
    assert sorted(path for path, text in calls.of('pebble push') if key in text) == [
        '/etc/nginx-prometheus-exporter/tls.pem',
        f'/etc/nginx/{name}',
    ]
    exporters = unit.exporter_folder / 'tls.pem'
    assert exporters.stat().st_mode & 0o777 == 0o600


def test_pain_19_a_worker_that_is_added_touches_neither_tls_nor_the_request(unit, served, calls):
    before, asked = outcome(unit, served), request(served)
    calls.clear()
    grown = coordinators.workers('w', units=[0, 1], id=11)
    state = coordinators.replaced(
        served, dataclasses.replace(grown, local_app_data=served.get_relation(11).local_app_data)
    )
    for kind in ('joined', 'changed'):
        event = getattr(unit.ctx.on, f'relation_{kind}')(state.get_relation(11), remote_unit=1)
        with unit.ctx(event, state) as manager:
            state = manager.run()
            assert '_requirer' not in vars(manager.charm)  # nobody was even asked
        assert outcome(unit, state) == before
    assert coordinators.host('w/1') in unit.config
    assert request(state) == asked
    assert [tool for tool, _ in calls if tool.startswith('secret-')] == []
    assert [path for path, _ in calls.of('pebble push') if 'tls-' in path] == []


def test_pain_19_nor_does_one_that_is_added_while_a_new_certificate_is_awaited(unit, served):
    before = outcome(unit, served)
    renewing = expired(unit, served)
    grown = coordinators.workers('w', units=[0, 1], id=11)
    state = coordinators.replaced(
        renewing,
        dataclasses.replace(grown, local_app_data=renewing.get_relation(11).local_app_data),
    )
    event = unit.ctx.on.relation_joined(state.get_relation(11), remote_unit=1)
    after = unit.ctx.run(event, state)
    assert outcome(unit, after) == before
    assert request(after) == request(renewing)
    assert coordinators.host('w/1') in unit.config


def test_pain_19_the_old_certificate_serves_until_the_new_one_is_there(unit, served):
    before = outcome(unit, served)
    renewing = expired(unit, served)
    assert request(renewing) != request(served)
    assert outcome(unit, renewing) == before
    assert renewing.unit_status == testing.ActiveStatus(
        '1 worker (gate 1, vault 1); serving the previous certificate until ca issues a new one'
    )
    unit.ctx.exec_history.clear()
    after = coordinators.answered(unit, renewing)
    assert is_tls(unit)
    assert files(unit).keys().isdisjoint(before[1])
    assert commands(unit) == ['nginx -t', 'nginx -s']
    assert after.unit_status == testing.ActiveStatus('1 worker (gate 1, vault 1)')


@pytest.mark.parametrize('databag', [{}, {'certificates': '[]'}], ids=['empty', 'no certificate'])
def test_pain_19_a_ca_that_has_nothing_for_a_moment_takes_nothing_away(unit, served, databag):
    before, asked = outcome(unit, served), request(served)
    after = coordinators.answered(unit, served, databag)
    assert outcome(unit, after) == before
    assert request(after) == asked


def test_pain_19_a_new_pod_in_the_middle_of_a_renewal_serves_what_the_old_one_did(unit, served):
    before = outcome(unit, served)
    state = with_fresh_pod(unit, expired(unit, served))
    down = [dataclasses.replace(container, can_connect=False) for container in state.containers]
    up = state.containers
    state = dataclasses.replace(state, containers=down)
    for event in (unit.ctx.on.upgrade_charm(), unit.ctx.on.config_changed(), unit.ctx.on.start()):
        state = unit.ctx.run(event, state)
    state = dataclasses.replace(state, containers=up)
    event = unit.ctx.on.pebble_ready(state.get_container('nginx'))
    assert outcome(unit, unit.ctx.run(event, state)) == before


def test_pain_19_a_new_pod_has_the_certificate_again_without_the_ca(unit, served):
    before = outcome(unit, served)
    state = with_fresh_pod(unit, coordinators.answered(unit, served, {}))
    assert outcome(unit, unit.update_status(state)) == before


def test_pain_19_nginx_decides_and_what_it_refuses_takes_nothing_away(unit, served, monkeypatch):
    """Not even the workers that change meanwhile."""
    before = outcome(unit, served)
    ensure_running = nginx.ensure_running

    def refusing(container, wanted, *, ready):
        if not any(name in wanted for name in before[1]):
            raise nginx.ConfigError('ee key too small')
        return ensure_running(container, wanted, ready=ready)

    renewing = expired(unit, served)
    monkeypatch.setattr(nginx, 'ensure_running', refusing)
    grown = coordinators.workers('w', units=[0, 1], id=11)
    state = coordinators.replaced(
        renewing,
        dataclasses.replace(grown, local_app_data=renewing.get_relation(11).local_app_data),
    )
    after = coordinators.answered(unit, state)
    assert outcome(unit, after) == before
    assert coordinators.host('w/1') in unit.config
    assert 'ignored: ca (cannot serve its certificate: ee key too small)' in (
        after.unit_status.message
    )
    assert 'ignored: ca (cannot serve its certificate: ee key too small)' in (
        juju.warnings(unit.ctx)
    )


def test_pain_19_without_the_ca_it_is_plain_http_and_nothing_is_left(unit, served):
    state = unit.ctx.run(unit.ctx.on.relation_broken(served.get_relation(20)), served)
    assert is_tls(unit)  # and plain HTTP, until all have followed
    peers = dataclasses.replace(
        state.get_relation(19), peers_data={1: coordinators.encoded(address='a')}
    )
    relations = [other for other in state.relations if other.id not in (19, 20)]
    state = dataclasses.replace(state, relations=[*relations, peers])
    after = unit.update_status(state)
    assert outcome(unit, after) == (server(unit), {}, None, None)
    assert not any('ssl' in line for line in server(unit))
    # ops.testing has no secret-ids, by which the library finds the certificate's.
    assert not any('private-key' in (secret.label or '') for secret in after.secrets)
    assert isinstance(after.unit_status, testing.ActiveStatus)


def environment(state):
    """The environment of a worker's workload."""
    return workers.service(state)['environment']


def trusting(worker, ca: str | None = CA.certificate):
    """The state of a worker whose coordinator serves TLS."""
    relation = workers.coordinator(workers.published(ca_cert=ca), id=21)
    return worker.update_status(worker.state(relation, workers.peers(id=22)))


def test_pain_19_a_worker_calls_https_and_trusts_the_ca(worker):
    after = trusting(worker)
    assert (worker.folder / 'ca' / 'ca.pem').read_text() == CA.certificate
    found = environment(after)
    assert found['TRUSTS'] == '/etc/imagined/ca/ca.pem'
    assert found['CA_SHA256'] == hashlib.sha256(CA.certificate.encode()).hexdigest()
    command = workers.service(after)['command']
    assert f'--calls=https://{SERVICE}:8080/vault/' in command


# 20. Traces to https without a CA: error storms.


def test_pain_20_traces_to_tls_without_a_ca_are_not_sent_and_the_status_says_so(unit, worker):
    https = {'otlp_http': 'https://tempo:4318', 'otlp_grpc': 'tempo:4317'}
    tempo = coordinators.tempo('charm-tracing', [coordinators.receiver('otlp_http', 'https://t')])
    databag = workers.published(charm_tracing_receivers=https, workload_tracing_receivers=https)
    with mock.patch.object(ops.tracing, 'set_destination', autospec=True) as set_destination:
        coordinator = unit.update_status(unit.state(coordinators.workers('w'), tempo))
        running = worker.update_status(worker.state(workers.coordinator(databag)))
    assert set_destination.mock_calls == [mock.call(url=None, ca=None)] * 2
    assert 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT' not in workers.service(running)['environment']
    assert 'charm traces are not sent: no CA certificate' in coordinator.unit_status.message
    assert 'charm traces are not sent: no CA certificate' in running.unit_status.message
    assert 'workload traces are not sent: no CA certificate' in running.unit_status.message


def test_pain_20_that_traces_are_not_sent_is_said_once(unit, worker):
    https = {'otlp_http': 'https://tempo:4318', 'otlp_grpc': 'tempo:4317'}
    tempo = coordinators.tempo('charm-tracing', [coordinators.receiver('otlp_http', 'https://t')])
    databag = workers.published(charm_tracing_receivers=https, workload_tracing_receivers=https)
    for charm, state, said in (
        (unit, unit.state(tempo), 'charm traces are not sent: no CA certificate for https://t'),
        (
            worker,
            worker.state(workers.coordinator(databag)),
            (
                'charm traces are not sent: no CA certificate for https://tempo:4318; '
                'workload traces are not sent: no CA certificate for tempo:4317'
            ),
        ),
    ):
        for _ in range(3):
            state = charm.update_status(state)
        assert juju.warnings(charm.ctx) == [said]
