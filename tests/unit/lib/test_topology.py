"""Who a unit is, and where."""

import socket

import pytest

from coordinated_telemetry import topology

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
