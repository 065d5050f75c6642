"""Our coordinator with a worker that is made with coordinated-workers."""

import dataclasses
import json

import pytest
from ops import testing

import authority
import juju
import relabelling
from coordinator import scene

CA = authority.authority()
HOST = 'real-0.real-endpoints.m.svc.cluster.local'
LOKI = scene.push_url('loki/0')
TLS = (scene.peers(id=19), scene.certificates(id=20))
HTTPS = scene.receiver('otlp_http', 'https://tempo:4318')
STORES = (
    scene.scraper(id=14),
    scene.loki(id=15),
    scene.tempo('charm-tracing', id=17),
    scene.tempo('workload-tracing', id=18),
)


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


@pytest.fixture
def meet(unit, ask):
    """Gives our coordinator's state, and what the worker answered, once both know of each other.

    With a CA among the relations, the coordinator has its certificate.
    """

    def meet(*relations, roles=('all',)):
        workers = scene.workers('real', role=None, databags={0: {}}, units=(), id=11)
        state = unit.update_status(unit.state(workers, *relations))

        def answered():
            databag = state.get_relation(11).local_app_data
            related = {'app': scene.APPLICATION, 'app_data': databag, 'units_data': {0: {}}}
            return ask('worker', {'endpoint': 'cluster', **related}, roles=roles)

        for _ in range(2):  # it asks for a certificate, and then has one
            app, worker = answered()['published'][scene.APPLICATION]
            known = dataclasses.replace(
                state.get_relation(11), remote_app_data=app, remote_units_data={0: worker}
            )
            state = unit.update_status(scene.replaced(state, known))
            if state.get_relations('certificates'):
                state = unit.update_status(scene.answered(unit, state))
        return state, answered()

    return meet


def scraped(state):
    """Target → Juju's labels, for what our coordinator wants scraped of the worker."""
    found = relabelling.scraped(state.get_relation(14))
    return {target: labels for target, labels in found.items() if target.startswith(HOST)}


def test_all_three_signals_go_where_we_say(meet):
    _, answer = meet(*STORES)
    assert answer['status'] == ['active', '(all roles) ready.']
    assert answer['files']['/etc/worker/config.yaml'] == 'says: info\n'
    assert answer['log_targets'] == [LOKI]
    assert answer['charm_traces'] == [{'url': 'http://tempo:4318/v1/traces', 'ca': None}]
    environment = answer['services']['workload']['environment']
    assert json.loads(environment['TRACES']) == {
        'otlp_grpc': 'tempo:4317',
        'otlp_http': 'http://tempo:4318',
    }


def test_we_serve_and_scrape_it_with_its_own_labels(unit, meet):
    state, _ = meet(*STORES)
    assert state.unit_status == testing.ActiveStatus('1 worker (gate 1, vault 1)')
    assert f'server {HOST}:7070 resolve' in unit.config
    assert scraped(state) == {
        f'{HOST}:7070': {
            'juju_application': 'real',
            'juju_charm': 'real-worker-k8s',
            'juju_model': 'm',
            'juju_model_uuid': juju.UUID,
            'juju_unit': 'real/0',
        }
    }


def test_roles_of_another_workload_serve_nothing_and_are_scraped(unit, meet):
    state, answer = meet(*STORES, roles=('ingester', 'querier'))
    assert answer['status'] == ['active', 'ingester,querier ready.']
    assert 'ignored: real (unknown role "ingester"' in state.unit_status.message
    assert state.unit_status.message.startswith('[cluster] missing roles: gate, vault')
    assert HOST not in unit.config
    assert [*scraped(state)] == [f'{HOST}:7070']


def test_with_tls_it_trusts_our_ca_and_serves_http_which_is_what_we_use(unit, meet):
    state, answer = meet(*STORES, *TLS)
    assert json.loads(state.get_relation(11).local_app_data['ca_cert']) == CA.certificate
    for path in '/etc/worker/ca.cert', '/usr/local/share/ca-certificates/ca.crt':
        assert answer['files'][path] == CA.certificate
    assert '/etc/worker/private.key' not in answer['files']
    assert not answer['serves_tls']
    assert state.unit_status == testing.ActiveStatus('1 worker (gate 1, vault 1)')
    assert f'server {HOST}:7070 resolve' in unit.config
    jobs = json.loads(state.get_relation(14).local_app_data['scrape_jobs'])
    (job,) = [job for job in jobs if HOST in str(job)]
    assert job.get('scheme', 'http') == 'http'


@pytest.mark.parametrize('more', [(), TLS], ids=['plain', 'with TLS'])
def test_it_sends_no_charm_traces_over_https_whichever_ca_we_pass_on(meet, more):
    tempo = scene.tempo('charm-tracing', [HTTPS], id=17)
    state, answer = meet(tempo, scene.store_ca(CA.certificate, id=21), *more)
    assert 'receive_ca_certs' in state.get_relation(11).local_app_data
    assert answer['charm_traces'] == []


def test_it_knows_nothing_of_a_collector(meet):
    state, answer = meet(scene.collector(id=22))
    assert 'otlp_endpoints' in state.get_relation(11).local_app_data
    assert answer['status'] == ['active', '(all roles) ready.']
    assert answer['log_targets'] == []
    assert answer['charm_traces'] == []
