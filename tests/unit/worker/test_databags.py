"""What the worker publishes and configures, byte for byte."""

import dataclasses
import json
import re
from pathlib import Path
from unittest import mock

import ops
import pytest

import authority
import golden
import juju
from coordinated_telemetry import cluster_data, topology
from worker import scene

GOLDEN = Path(__file__).parent / 'golden'
UNIT = topology.Topology('m', juju.UUID, 'worker', 'worker/0', 'worker-k8s')


BOTH = json.dumps(','.join(sorted(('vault', 'gate'))))


@pytest.fixture
def unit(tmp_path):
    return scene.Worker(tmp_path)


@pytest.fixture
def published(unit):
    return unit.update_status(unit.state(*scene.deployment()))


@pytest.mark.parametrize(('relation', 'endpoint'), [(21, 'cluster'), (22, 'peers')])
def test_the_leader_publishes_for_the_application(published, relation, endpoint):
    content = published.get_relation(relation).local_app_data
    golden.check(GOLDEN / f'{endpoint}.app.txt', golden.databag(content))


def test_each_unit_publishes_for_itself(published):
    content = published.get_relation(21).local_unit_data
    golden.check(GOLDEN / 'cluster.unit.txt', golden.databag(content))


def test_each_unit_tells_its_peers_what_it_runs(published):
    assert published.get_relation(22).local_unit_data.keys() == {'runs'}
    assert re.fullmatch(r'"[0-9a-f]{16}"', published.get_relation(22).local_unit_data['runs'])


def test_a_unit_that_does_not_lead_publishes_only_for_itself(unit):
    after = unit.update_status(unit.state(scene.coordinator(id=21), leader=False))
    assert after.get_relation(21).local_app_data == {}
    assert after.get_relation(21).local_unit_data.keys() == {'address', 'juju_topology'}


@pytest.mark.parametrize(
    ('config', 'role'),
    [
        ({}, '"all"'),
        ({'role-all': False, 'role-gate': True}, '"gate"'),
        ({'role-all': False, 'role-vault': True, 'role-gate': True}, BOTH),
        ({'role-vault': True}, json.dumps(','.join(sorted(('all', 'vault'))))),
        ({'role-all': False}, None),
    ],
)
def test_the_roles_are_those_that_are_enabled_and_none_is_no_key(unit, config, role):
    before = unit.update_status(unit.state(scene.coordinator(id=21)))
    state = unit.state(before.get_relation(21), config=config)
    databag = unit.update_status(state).get_relation(21).local_app_data
    assert databag == ({} if role is None else {'role': role})


def test_the_plan(published):
    plan = published.get_container('workload').plan.to_dict()
    golden.check(GOLDEN / 'workload.plan.yaml', golden.layer(plan))


def test_the_plan_without_stores(unit):
    databag = scene.encoded(worker_config=scene.CONFIG)
    after = unit.update_status(
        unit.state(scene.coordinator(databag), config={'role-all': False, 'role-vault': True})
    )
    plan = after.get_container('workload').plan.to_dict()
    golden.check(GOLDEN / 'workload-without-stores.plan.yaml', golden.layer(plan))


def test_the_plan_with_https(unit):
    first = unit.update_status(unit.state(*scene.deployment(worker_schemes=['https'])))
    request = json.loads(first.get_relation(21).local_unit_data['certificate_signing_request'])
    chain = authority.authority().issue(request)
    issued = {'worker/0': chain}
    databag = scene.published(worker_schemes=['https'], worker_certificates=issued)
    relation = dataclasses.replace(first.get_relation(21), remote_app_data=databag)
    others = [other for other in first.relations if other.id != 21]
    after = unit.update_status(dataclasses.replace(first, relations=[relation, *others]))
    plan = golden.layer(after.get_container('workload').plan.to_dict())
    digest = cluster_data.sha256(chain)
    assert plan.count(digest) == 2  # the folder, and what the charm knows it by
    golden.check(GOLDEN / 'workload-with-https.plan.yaml', plan.replace(digest, 'SHA256'))


def test_the_configuration_file_is_the_coordinators(unit, published):
    assert unit.config == scene.CONFIG


def test_the_port_of_the_service_is_open(published):
    assert {(port.protocol, port.port) for port in published.opened_ports} == {('tcp', 7070)}


def test_the_version_of_the_workload_is_set(published):
    assert published.workload_version == '6.9.2'


def test_logs_and_spans_carry_the_same_five_labels(published):
    targets = juju.enabled_log_targets(published.get_container('workload'))
    assert set(targets) == {scene.push_url('loki/0'), scene.push_url('loki/1')}
    assert all(labels == UNIT.labels for labels in targets.values())
    attributes = scene.service(published)['environment']['OTEL_RESOURCE_ATTRIBUTES']
    pairs = [pair.partition('=') for pair in attributes.split(',')]
    assert {key: value for key, _, value in pairs} == UNIT.labels


def flags(state):
    return scene.service(state)['command'].split()


@pytest.mark.parametrize(
    ('config', 'calls_the_vault'),
    [
        ({}, True),
        ({'role-all': False, 'role-gate': True}, True),
        ({'role-all': False, 'role-vault': True}, False),
        ({'role-all': False}, False),
    ],
)
def test_a_gate_calls_the_vault_through_the_coordinator(unit, config, calls_the_vault):
    after = unit.update_status(unit.state(scene.coordinator(app='front'), config=config))
    expected = '--calls=http://front.m.svc.cluster.local:8080/vault/'
    assert (expected in flags(after)) is calls_the_vault


def test_no_worker_calls_itself_without_end(published):
    assert not any('echo' in flag for flag in flags(published))


@pytest.mark.parametrize(
    ('receivers', 'endpoint'),
    [
        ({'otlp_grpc': 't:4317'}, 'http://t:4317'),
        ({'otlp_grpc': '[::1]:4317', 'otlp_http': 'http://t:4318'}, 'http://[::1]:4317'),
        ({'otlp_grpc': 't:4317', 'otlp_http': 'https://t:4318'}, None),
        ({'otlp_http': 'http://t:4318'}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_workload_sends_spans_where_it_can(unit, receivers, endpoint):
    databag = scene.published(workload_tracing_receivers=receivers)
    after = unit.update_status(unit.state(scene.coordinator(databag)))
    environment = scene.service(after)['environment']
    assert environment.get('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') == endpoint
    assert ('OTEL_RESOURCE_ATTRIBUTES' in environment) is (endpoint is not None)
    assert (environment.get('OTEL_SERVICE_NAME') == 'worker') is (endpoint is not None)


@pytest.mark.parametrize(
    ('relations', 'arguments'),
    [
        ([], {'url': None, 'ca': None}),
        ([scene.coordinator()], {'url': 'http://tempo:4318/v1/traces', 'ca': None}),
        (
            [scene.coordinator(scene.published(charm_tracing_receivers=None))],
            {'url': None, 'ca': None},
        ),
        (
            [
                scene.coordinator(
                    scene.published(charm_tracing_receivers={'otlp_http': 'https://t'})
                )
            ],
            {'url': None, 'ca': None},
        ),
    ],
)
def test_the_charm_sends_spans_where_it_can(unit, relations, arguments):
    with mock.patch.object(ops.tracing, 'set_destination', autospec=True) as set_destination:
        unit.update_status(unit.state(*relations))
    set_destination.assert_called_once_with(**arguments)


def test_what_is_published_is_what_the_coordinator_reads(published):
    databag = published.get_relation(21).local_unit_data
    assert {key: json.loads(value) for key, value in databag.items()} == {
        'address': 'worker-0.worker-endpoints.m.svc.cluster.local',
        'juju_topology': {
            'application': 'worker',
            'unit': 'worker/0',
            'charm_name': 'worker-k8s',
        },
    }
