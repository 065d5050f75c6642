"""Who a unit is, and where."""

import socket

import ops
import pytest
from cosl import JujuTopology
from scenario import mocking

from coordinated_telemetry import publication, rules, topology, traces
from lib.acting import act

UUID = '12345678-1234-4234-8234-123456789abc'
UNIT = topology.Topology('m', UUID, 'worker', 'worker/3', 'worker-k8s')


def test_a_unit_has_five_labels():
    assert UNIT.labels == {
        'juju_model': 'm',
        'juju_model_uuid': UUID,
        'juju_application': 'worker',
        'juju_unit': 'worker/3',
        'juju_charm': 'worker-k8s',
    }
    assert tuple(UNIT.labels) == topology.LABELS


def test_an_application_has_no_label_of_a_unit():
    labels = UNIT.for_application('other', 'other-k8s').labels
    assert set(labels) == set(topology.LABELS) - {'juju_unit'}
    assert labels['juju_application'] == 'other'


def test_another_unit_is_of_the_same_model():
    other = UNIT.for_unit('nginx', 'nginx/0', 'nginx-k8s')
    assert other == topology.Topology('m', UUID, 'nginx', 'nginx/0', 'nginx-k8s')


def test_matchers_never_name_a_unit():
    assert UNIT.matchers == (
        f'juju_model="m", juju_model_uuid="{UUID}", juju_application="worker"'
    )


def test_units_are_in_the_order_of_their_numbers():
    units = ['b/1', 'a/10', 'a/9', 'a-b/2']
    assert sorted(units, key=topology.unit_number) == ['a/9', 'a/10', 'a-b/2', 'b/1']


def test_names_in_the_model():
    hosts = topology.Hosts('m')
    assert hosts.unit('worker/10') == 'worker-10.worker-endpoints.m.svc.cluster.local'
    assert hosts.unit('a-b/0') == 'a-b-0.a-b-endpoints.m.svc.cluster.local'
    assert hosts.application('a-b') == 'a-b.m.svc.cluster.local'


@pytest.mark.parametrize(
    ('fqdn', 'expected'),
    [
        ('worker-3.worker-endpoints.m.svc.cluster.local', topology.Hosts('m')),
        ('worker-3.worker-endpoints.m.svc.cluster.local.', topology.Hosts('m')),
        (
            'worker-3.worker-endpoints.m.svc.k8s.example.com',
            topology.Hosts('m', 'k8s.example.com'),
        ),
        # The model `controller` is in the namespace of its controller.
        (
            'worker-3.worker-endpoints.controller-lxd.svc.k8s.example.com',
            topology.Hosts('controller-lxd', 'k8s.example.com'),
        ),
        ('worker-3.other-endpoints.n.svc.k8s.example.com', topology.Hosts('m')),
        ('worker-3.worker-endpoints.n.svc.', topology.Hosts('m')),
        ('worker-3.worker-endpoints..svc.cluster.local', topology.Hosts('m')),
        ('worker-3.worker-endpoints.a b.svc.cluster.local', topology.Hosts('m')),
        ('worker-3.worker-endpoints.a.b.svc.cluster.local', topology.Hosts('m')),
        ('worker-3', topology.Hosts('m')),
        ('localhost', topology.Hosts('m')),
        ('', topology.Hosts('m')),
    ],
)
def test_names_are_after_the_pods_own(monkeypatch, fqdn, expected):
    monkeypatch.setattr(socket, 'getfqdn', lambda: fqdn)
    assert topology.Hosts.of(UNIT) == expected


def test_labels_keep_the_models_name_where_the_namespace_has_another(monkeypatch):
    fqdn = 'worker-3.worker-endpoints.controller-lxd.svc.cluster.local'
    monkeypatch.setattr(socket, 'getfqdn', lambda: fqdn)
    hosts = topology.Hosts.of(UNIT)
    assert hosts.unit('worker/0') == 'worker-0.worker-endpoints.controller-lxd.svc.cluster.local'
    assert hosts.application('c') == 'c.controller-lxd.svc.cluster.local'
    assert UNIT.labels['juju_model'] == 'm'


# cosl's JujuTopology is the field's word for the same


@pytest.mark.parametrize('charm', ['worker-k8s', ''])
@pytest.mark.parametrize('unit', ['worker/3', ''])
def test_it_says_the_same_as_cosls(unit, charm):
    uuid = '12345678-1234-4234-8234-123456789abc'
    ours = topology.Topology('m', uuid, 'worker', unit, charm)
    theirs = JujuTopology('m', uuid, 'worker', unit, charm)
    assert ours.matchers == theirs.alert_expression_str
    assert {'juju_unit': unit, **ours.labels} == {'juju_unit': unit, **theirs.label_matcher_dict}
    assert traces.resource_attributes(ours) == theirs.to_baggage()
    group = {'name': 'g', 'rules': []}
    assert rules.render([group], ours)[0]['name'] == f'{theirs.identifier}_g'


def test_a_publication_names_its_publisher_as_cosl_reads_it():
    metadata = publication.Metadata.of(UNIT).model_dump()
    read = JujuTopology.from_dict(metadata)
    assert dict(read.as_dict()) == metadata
    assert read.label_matcher_dict == UNIT.for_application('worker', 'worker-k8s').labels


def test_a_unit_is_who_cosl_says_it_is():
    done = act(lambda _, charm: (topology.Topology.of(charm), JujuTopology.from_charm(charm)))
    ours, theirs = done.result
    assert ours.labels == {**theirs.label_matcher_dict, 'juju_unit': theirs.unit}


def test_the_address_is_what_juju_binds_the_endpoint_to():
    assert act(lambda _, charm: topology.bind_address(charm, 'logging')).result == '192.0.2.0'


def test_a_pod_without_an_address_has_none(monkeypatch):
    def network_get(self, *arguments, **options):
        raise ops.ModelError('no network config found')

    monkeypatch.setattr(mocking._MockModelBackend, 'network_get', network_get)
    assert act(lambda _, charm: topology.bind_address(charm, 'logging')).result == ''
