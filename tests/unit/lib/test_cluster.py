"""What the coordinator makes of its workers."""

import json

import hypothesis
import pytest
from hypothesis import strategies as st

import hostile
import juju
from coordinated_telemetry import cluster, cluster_data, topology
from lib.acting import act, related
from lib.clusters import (
    ACROSS,
    COORDINATOR,
    ELSEWHERE,
    OFFERED,
    ROLES,
    encoded,
    read,
    unit_data,
    worker_application,
)


def test_a_worker_is_who_juju_says_in_the_coordinators_model():
    workers, ignored = read(worker_application())
    unit = topology.Topology('m', juju.UUID, 'w', 'w/0', 'w-k8s')
    assert workers == cluster.Workers(
        related=True,
        units=(cluster.Worker(unit, 'w-0.example', ('read', 'write')),),
        applications=(topology.Topology('m', juju.UUID, 'w', '', 'w-k8s'),),
    )
    assert ignored == {}


def test_nobody_is_related():
    assert read() == (cluster.Workers(), {})


def test_workers_are_in_the_order_of_applications_and_numbers():
    workers, _ = read(
        worker_application('b', numbers=(10, 9), id=3), worker_application('a', id=4)
    )
    assert [worker.topology.unit for worker in workers.units] == ['a/0', 'b/9', 'b/10']
    assert [application.application for application in workers.applications] == ['a', 'b']


def test_the_roles_of_a_worker_are_its_applications():
    workers, _ = read(
        worker_application('a', 'read', numbers=(0, 1)), worker_application('b', 'write,read')
    )
    assert [worker.roles for worker in workers.units] == [
        ('read',),
        ('read',),
        ('read', 'write'),
    ]


def test_workers_of_a_role():
    def worker(number, *roles):
        return cluster.Worker(COORDINATOR.for_unit('w', f'w/{number}', 'w-k8s'), 'a', roles)

    first, second, third = worker(0, 'read'), worker(1), worker(2, 'read', 'write')
    assert cluster.Workers(units=(first, second, third)).of_role('read') == [first, third]


@pytest.mark.parametrize(
    ('relation', 'awaited'),
    [
        (worker_application(role=None), ('w',)),
        (worker_application(others={1: {}, 10: {}}), ('w/1', 'w/10')),
        (worker_application(role=None, numbers=(), others={1: {}}), ('w', 'w/1')),
        (worker_application(others={1: {'ingress-address': '10.0.0.1'}}), ('w/1',)),
        (worker_application(numbers=()), ()),
        (worker_application(role='reed'), ()),
        (related('cluster', 'w', {0: unit_data('w/0')}, {'role': '1'}), ()),
        (worker_application(others={1: {'address': '['}}), ()),
    ],
)
def test_who_has_not_published_is_awaited_and_who_is_ignored_is_not(relation, awaited):
    assert read(relation)[0].awaited == awaited


def test_units_are_watched_before_their_roles_are_known_and_serve_nothing():
    workers, ignored = read(worker_application(role=None), worker_application('v', 'reed'))
    assert [(worker.topology.unit, worker.roles) for worker in workers.units] == [
        ('v/0', ()),
        ('w/0', ()),
    ]
    assert ignored == {'v': 'unknown role "reed", known are read, write, all'}


def test_an_application_is_watched_before_its_units_have_published():
    workers, _ = read(worker_application(numbers=(), others={0: {}}))
    assert workers.applications == (topology.Topology('m', juju.UUID, 'w', '', ''),)
    assert workers.units == ()


def test_an_application_that_is_scaled_to_0_is_related_and_not_watched():
    workers, ignored = read(worker_application(numbers=()), worker_application('v'))
    assert workers.related
    assert [application.application for application in workers.applications] == ['v']
    alone, _ = read(worker_application(numbers=()))
    assert alone == cluster.Workers(related=True)
    assert ignored == {}


def test_the_charm_of_an_application_is_that_of_its_first_unit_that_tells():
    others = {0: {}, 1: unit_data('w/1', charm='old-k8s')}
    workers, _ = read(worker_application(numbers=(2,), others=others))
    assert [application.charm for application in workers.applications] == ['old-k8s']
    assert [worker.topology.charm for worker in workers.units] == ['old-k8s', 'w-k8s']


@pytest.mark.parametrize(
    ('claimed', 'why'),
    [
        ({'unit': 'w/0'}, 'claims to be w/0 of w'),
        ({'application': 'v'}, 'claims to be w/1 of v'),
        ({'unit': 'a\n' + 'b' * 100}, f'claims to be a\\n{"b" * 77}...'),
        (
            {'charm_name': 'W"}'},
            'juju_topology.charm_name: expected the name of a charm, got "W"}"',
        ),
        ({'unit': 1}, 'juju_topology.unit: Input should be a valid string'),
    ],
)  # fmt: skip
def test_a_unit_that_claims_what_it_is_not_is_ignored_alone(claimed, why):
    workers, ignored = read(worker_application(others={1: unit_data('w/1', **claimed)}))
    assert [worker.topology.unit for worker in workers.units] == ['w/0']
    assert ignored == {'w/1': why}


@pytest.mark.parametrize('case', hostile.NOT_HOSTS)
def test_a_unit_at_no_host_is_ignored_alone(case):
    bad = unit_data('w/1', address=hostile.NOT_HOSTS[case] or ' ')
    workers, ignored = read(worker_application(others={1: bad}))
    assert [worker.topology.unit for worker in workers.units] == ['w/0']
    assert list(ignored) == ['w/1']


@pytest.mark.parametrize(
    ('addresses', 'kept', 'ignored'),
    [
        ({'w/0': 'a', 'w/1': 'b'}, ['w/0', 'w/1'], {}),
        ({'w/0': 'a', 'w/1': 'a'}, ['w/0'], {'w/1': 'w/0'}),
        ({'w/10': 'a', 'w/9': 'a'}, ['w/9'], {'w/10': 'w/9'}),
        ({'w/0': 'a', 'v/1': 'a'}, ['v/1'], {'w/0': 'v/1'}),
        ({'w/0': 'a.b', 'w/1': 'A.b', 'w/2': 'a.B'}, ['w/0'], {'w/1': 'w/0', 'w/2': 'w/0'}),
        ({'w/0': 'fd00::a', 'w/1': 'FD00::A', 'w/2': 'c'}, ['w/0', 'w/2'], {'w/1': 'w/0'}),
        ({'w/0': 'fd00::a', 'w/1': 'fd00:0::a'}, ['w/0'], {'w/1': 'w/0'}),
        ({'w/0': '10.0.0.1', 'w/1': '::ffff:10.0.0.1'}, ['w/0'], {'w/1': 'w/0'}),
    ],
)
def test_an_address_is_the_first_units_that_has_it(addresses, kept, ignored):
    applications = {unit.partition('/')[0] for unit in addresses}
    relations = [
        worker_application(
            name,
            numbers=(),
            others={
                int(unit.partition('/')[2]): unit_data(unit, address)
                for unit, address in addresses.items()
                if unit.startswith(name)
            },
        )
        for name in applications
    ]
    workers, named = read(*relations)
    assert [worker.topology.unit for worker in workers.units] == kept
    assert named == {unit: f'has the address of {owner}' for unit, owner in ignored.items()}
    # Its application is watched all the same.
    assert {application.application for application in workers.applications} == applications


def test_of_two_relations_with_an_application_the_first_counts():
    workers, ignored = read(
        worker_application(role='write', numbers=(1,), id=4),
        worker_application(role='read', numbers=(0,), id=3),
    )
    assert [(worker.topology.unit, worker.roles) for worker in workers.units] == [
        ('w/0', ('read',))
    ]
    assert ignored == {'w': 'related more than once: the first relation counts'}


@pytest.mark.parametrize(
    ('app', 'model'), [(OFFERED, juju.UUID), (OFFERED, ELSEWHERE), ('w', ELSEWHERE)]
)
def test_workers_in_another_model_are_ignored_whoever_offered(app, model):
    relation = worker_application(app, remote_model_uuid=model)
    assert read(relation) == (cluster.Workers(), {app: ACROSS})
    workers, _ = read(relation, worker_application('v'))
    assert [worker.topology.unit for worker in workers.units] == ['v/0']


def test_nothing_is_published_into_another_model():
    def action(bags, charm):
        cluster.read_workers(bags, 'cluster', COORDINATOR, ROLES)
        return bags.ensure('cluster', charm.app, cluster_data.CoordinatorData(worker_config='x'))

    done = act(action, worker_application('w', remote_model_uuid=ELSEWHERE, id=3))
    assert done.result is False
    assert done.state.get_relation(3).local_app_data == {}


@pytest.mark.parametrize('app', ['remote-write', OFFERED[:-1], f'{OFFERED}-x'])
def test_a_name_that_only_begins_like_one_from_another_model_is_one_of_this(app):
    workers, ignored = read(worker_application(app))
    assert [worker.topology.application for worker in workers.units] == [app]
    assert ignored == {}


topologies = st.fixed_dictionaries(
    {},
    optional={
        'application': st.just('w') | hostile.texts,
        'unit': st.just('w/1') | hostile.texts,
        'charm_name': st.just('w-k8s') | hostile.texts,
    },
)
unit_databags = st.fixed_dictionaries(
    {},
    optional={
        'address': st.sampled_from(list(hostile.HOSTS.values())).map(json.dumps)
        | hostile.raw_values,
        'juju_topology': topologies.map(json.dumps) | hostile.raw_values,
        'foreign': hostile.raw_values,
    },
)


@hypothesis.given(unit_databags, hostile.raw_values)
@hypothesis.settings(max_examples=hostile.examples(100))
def test_whatever_a_worker_publishes_only_what_is_valid_is_used(of_unit, role):
    relation = related('cluster', 'w', {0: unit_data('w/0'), 1: of_unit}, {'role': role})
    workers, ignored = read(relation)
    (first, *others) = workers.units
    assert first.topology.unit == 'w/0'
    assert ignored.keys() <= {'w', 'w/1'}
    for worker in workers.units:
        assert worker.topology.application == 'w'
        assert hostile.is_host(worker.address)
        assert {*worker.roles} <= {'read', 'write'}
    if others:
        who = hostile.decoded(of_unit['juju_topology'])
        assert (who['application'], who['unit']) == ('w', 'w/1') == ('w', others[0].topology.unit)
        assert others[0].address == hostile.decoded(of_unit['address'])
    else:
        assert ('w/1' in ignored) != ('w/1' in workers.awaited)


@pytest.mark.parametrize(
    ('key', 'bad'),
    [
        ('ip_addresses', '10.0.0.1'),
        ('ip_addresses', ['10.0.0.1', 'host']),
        ('ip_addresses', ['fe80::1%eth0']),
        ('ip_addresses', ['10.0.0.1'] * 9),
        ('certificate_signing_request', 'nonsense'),
        ('schemes', ['gopher']),
        ('schemes', 'https'),
        ('certificate_sha256', 'a' * 63),
        ('certificate_sha256', 'A' * 64),
    ],
)
def test_what_makes_no_sense_for_tls_is_ignored_alone(key, bad):
    databag = {**unit_data('w/0'), **encoded(**{key: bad})}
    workers, ignored = read(worker_application('w', others={0: databag}))
    assert [worker.tls for worker in workers.units] == [cluster.WorkerTls()]
    assert key in ignored['w/0']
