"""Relations that are not what they seem: refused by Juju, without an application, elsewhere."""

import json
import socket

import ops
import pytest
from ops import testing

import juju
from worker import scene

ELSEWHERE = '87654321-1234-4234-8234-123456789abc'
UNRELATED = '[cluster] not related to a coordinator: juju integrate worker:cluster COORDINATOR'
TOOLS = {
    'reads and writes': ('relation_get', 'relation_set', 'relation_model_get'),
    'reads': ('relation_get', 'relation_model_get'),
    'writes': ('relation_set',),
}


@pytest.fixture
def unit(tmp_path):
    return scene.Worker(tmp_path)


@pytest.mark.parametrize('leader', [True, False], ids=['leader', 'follower'])
@pytest.mark.parametrize('error', juju.REFUSALS.values(), ids=juju.REFUSALS)
@pytest.mark.parametrize('tools', TOOLS.values(), ids=TOOLS)
def test_a_coordinator_that_juju_refuses_counts_as_gone(unit, calls, tools, error, leader):
    state = unit.state(scene.coordinator(id=21), scene.peers(id=22), leader=leader)
    with juju.refusing(21, tools, error):
        after = unit.update_status(state)
        assert after.unit_status.name == 'blocked'
        assert after.unit_status.message.startswith(
            f'{UNRELATED}; Juju refuses the relation cluster:21 with coordinator'
        )
        assert unit.config is None
        calls.clear()
        again = unit.update_status(after)
        assert again.unit_status == after.unit_status
        assert [text for level, text in calls.of('juju-log') if level == 'WARNING'] == []


def test_a_workload_runs_on_and_sends_nobody_anything_once_juju_refuses(unit):
    running = unit.update_status(unit.state(scene.coordinator(id=21), scene.peers(id=22)))
    with juju.refusing(21):
        after = unit.update_status(running)
    container = after.get_container('workload')
    assert juju.enabled_log_targets(container) == {}
    assert not any(key.startswith('OTEL_') for key in scene.service(after)['environment'])
    assert unit.config == scene.CONFIG


@pytest.mark.parametrize('tools', TOOLS.values(), ids=TOOLS)
def test_peers_that_juju_refuses_are_not_waited_for(unit, tools):
    state = unit.state(scene.coordinator(id=21), scene.peers({1: 'x'}, id=22))
    with juju.refusing(22, tools):
        after = unit.update_status(state)
    assert unit.config == scene.CONFIG
    assert after.unit_status.message.startswith('ready: all')


def test_a_coordinator_without_an_application_is_skipped(unit, monkeypatch):
    original = ops.Relation.__init__

    def without_application(self, name, *arguments, **options):
        original(self, name, *arguments, **options)
        if name == 'cluster':
            self.app = None
            self.units.clear()

    monkeypatch.setattr(ops.Relation, '__init__', without_application)
    after = unit.update_status(unit.state(scene.coordinator(id=21)))
    assert after.unit_status == testing.BlockedStatus(UNRELATED)


@pytest.mark.parametrize('name', ['far', 'remote-0123456789abcdef0123456789abcdef'])
@pytest.mark.parametrize('leader', [True, False], ids=['leader', 'follower'])
def test_a_coordinator_of_another_model_is_refused_whichever_side_offers(unit, name, leader):
    relation = testing.Relation(
        'cluster',
        interface='coordinator_cluster',
        remote_app_name=name,
        remote_app_data=scene.published(),
        remote_model_uuid=ELSEWHERE,
        local_unit_data={},
        id=21,
    )
    after = unit.update_status(unit.state(relation, leader=leader))
    assert after.unit_status == testing.BlockedStatus(
        f'{UNRELATED}; ignored: {name} (in another model, but "cluster" cannot cross models)'
    )
    assert after.get_relation(21).local_unit_data == {}
    assert after.get_relation(21).local_app_data == {}
    assert unit.config is None


def test_in_the_model_controller_names_are_after_the_pods_own(unit, monkeypatch):
    fqdn = 'worker-0.worker-endpoints.controller-lxd.svc.k8s.example'
    monkeypatch.setattr(socket, 'getfqdn', lambda name='': fqdn)
    after = unit.update_status(unit.state(scene.coordinator(id=21)))
    published = after.get_relation(21).local_unit_data
    assert json.loads(published['address']) == fqdn
    command = scene.service(after)['command']
    assert '--calls=http://coordinator.controller-lxd.svc.k8s.example:8080/' in command
    labels, *_ = juju.enabled_log_targets(after.get_container('workload')).values()
    assert labels['juju_model'] == 'm'


def test_logs_to_https_without_a_ca_are_not_sent_and_the_status_says_so(unit):
    urls = {'loki/0': 'https://a:3100/push', 'loki/1': 'http://b:3100/push'}
    after = unit.update_status(unit.state(scene.coordinator(scene.published(loki_endpoints=urls))))
    assert after.unit_status == testing.ActiveStatus(
        'ready: all; logs are not sent to loki/0: no CA certificate for https://a:3100/push'
    )
    targets = juju.enabled_log_targets(after.get_container('workload'))
    assert list(targets) == ['http://b:3100/push']
