"""The `cluster` relation: what the coordinator makes of its workers, and they of it."""

import json

import hypothesis
import pytest
from hypothesis import strategies as st

import authority
import hostile
import juju
from coordinated_telemetry import cluster, databag, roles, topology
from lib.acting import act, related

ROLES = roles.Roles(
    minimal_deployment={'read': 1, 'write': 1}, meta_roles={'all': ('read', 'write')}
)
COORDINATOR = topology.Topology('m', juju.UUID, 'c', 'c/0', 'c-k8s')
OFFERED = f'remote-{"0123456789abcdef" * 2}'
ELSEWHERE = juju.UUID[::-1]
ACROSS = 'in another model, but "cluster" cannot cross models'


def encoded(**values):
    return {key: json.dumps(value, sort_keys=True) for key, value in values.items()}


def unit_data(unit, /, address=None, charm='w-k8s', **claimed):
    """What a worker unit publishes."""
    application, _, number = unit.partition('/')
    who = {'application': application, 'unit': unit, 'charm_name': charm, **claimed}
    return encoded(address=address or f'{application}-{number}.example', juju_topology=who)


def worker_application(app='w', role: str | None = 'all', numbers=(0,), others=None, **options):
    """A worker application; `others` is what some units published in the place of that."""
    units = {number: unit_data(f'{app}/{number}') for number in numbers}
    databag = {} if role is None else encoded(role=role)
    return related('cluster', app, {**units, **(others or {})}, databag, **options)


def read(*relations):
    """The workers, and the report."""
    done = act(
        lambda bags, _: cluster.read_workers(bags, 'cluster', COORDINATOR, ROLES), *relations
    )
    return done.result, done.ignored()


# The coordinator's side


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
        return bags.ensure('cluster', charm.app, cluster.CoordinatorData(worker_config='x'))

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


# A worker's side

CA = authority.authority().certificate
PUBLISHED = {
    'worker_config': 'a: b',
    'loki_endpoints': {'loki/1': 'http://b/push', 'loki/0': 'http://a/push'},
    'charm_tracing_receivers': {'otlp_http': 'http://t:4318'},
    'workload_tracing_receivers': {'otlp_http': 'http://t:4318', 'otlp_grpc': 't:4317'},
    'ca_cert': CA,
    'receive_ca_certs': CA,
}
WORKER = topology.Topology('m', juju.UUID, 'w', 'w/0', 'w-k8s')


def coordinator(databag, app='c', **options):
    return related('cluster', app, {0: {}}, databag, **options)


def seen(*relations):
    """The coordinator as a worker sees it, and the report."""
    done = act(
        lambda bags, _: cluster.read_coordinator(bags, 'cluster', WORKER), *relations, app='w'
    )
    return done.result, done.ignored()


EMPTY = cluster.Coordinator('c', None, {}, {}, {})


@pytest.mark.parametrize(
    ('databag', 'expected'),
    [
        (encoded(**PUBLISHED), cluster.Coordinator('c', **PUBLISHED)),
        (encoded(worker_config=''), cluster.Coordinator('c', '', {}, {}, {})),
        (
            encoded(ca_cert=CA.replace('\n', '\r\n')),
            cluster.Coordinator('c', None, {}, {}, {}, CA),
        ),
        (
            encoded(receive_ca_certs=CA.rstrip()),
            cluster.Coordinator('c', None, {}, {}, {}, '', CA),
        ),
        (encoded(loki_endpoints={}), EMPTY),
        (encoded(worker_config=None, s3_config=1), EMPTY),
        (encoded(s3_config=1), None),
        ({'egress-subnets': '10.0.0.1/32'}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_the_coordinators_data_is_read_once_it_is_there(databag, expected):
    assert seen(coordinator(databag)) == (expected, {})


def test_urls_are_in_the_order_of_their_names():
    unsorted = {key: json.dumps(value) for key, value in PUBLISHED.items()}
    found, _ = seen(coordinator(unsorted))
    assert list(found.loki_endpoints) == ['loki/0', 'loki/1']
    assert list(found.workload_tracing_receivers) == ['otlp_grpc', 'otlp_http']


def test_without_a_relation_there_is_no_coordinator():
    assert seen() == (None, {})


@pytest.mark.parametrize('key', PUBLISHED)
def test_a_key_that_makes_no_sense_is_ignored_alone(key):
    found, ignored = seen(coordinator({**encoded(**PUBLISHED), key: '[1]'}))
    without, _ = seen(coordinator(encoded(**{**PUBLISHED, key: None})))
    assert found == without
    assert list(ignored) == ['c']
    assert ignored['c'].startswith(f'{key}: ')


@pytest.mark.parametrize(
    ('key', 'name', 'bad'),
    [
        ('loki_endpoints', 'loki/9', 'ftp://a'),
        ('loki_endpoints', 'loki/9', 'a:80'),
        ('loki_endpoints', 'loki/9', None),
        ('charm_tracing_receivers', 'otlp_http', 't:4318'),
        ('workload_tracing_receivers', 'otlp_http', ['http://a']),
        ('workload_tracing_receivers', 'otlp_grpc', 'http://t:4317'),
    ],
)
def test_a_url_that_is_none_is_ignored_alone_and_named(key, name, bad):
    databag = encoded(**{**PUBLISHED, key: {**PUBLISHED[key], name: bad}})
    found, ignored = seen(coordinator(databag))
    rest = {other: url for other, url in PUBLISHED[key].items() if other != name}
    assert found == cluster.Coordinator('c', **{**PUBLISHED, key: rest})
    assert list(ignored) == [f'c {key} {name}']


@pytest.mark.parametrize('model', [juju.UUID, ELSEWHERE])
def test_a_coordinator_in_another_model_is_ignored_whoever_offered(model):
    relation = coordinator(encoded(**PUBLISHED), OFFERED, remote_model_uuid=model)
    assert seen(relation) == (None, {OFFERED: ACROSS})
    relation = coordinator(encoded(**PUBLISHED), remote_model_uuid=ELSEWHERE)
    assert seen(relation) == (None, {'c': ACROSS})


@hypothesis.given(st.dictionaries(st.sampled_from([*PUBLISHED]), hostile.raw_values, max_size=5))
@hypothesis.settings(max_examples=hostile.examples(100))
def test_whatever_a_coordinator_publishes_only_what_is_valid_is_used(databag):
    found, ignored = seen(coordinator(databag))
    assert {name.partition(' ')[0] for name in ignored} <= {'c'}
    if found is None:
        assert bool(ignored) == bool(databag)
        return
    assert all(hostile.is_url(url) for url in found.loki_endpoints.values())
    for receivers in (found.charm_tracing_receivers, found.workload_tracing_receivers):
        for protocol, url in receivers.items():
            check = hostile.is_host_port if protocol == 'otlp_grpc' else hostile.is_url
            assert check(url)
    assert found.ca_cert == found.receive_ca_certs == ''  # none of these is a certificate


# Publishing


@pytest.mark.parametrize(
    ('roles', 'leader', 'of_application'),
    [
        (('read', 'write'), True, {'role': '"read,write"'}),
        (('all',), True, {'role': '"all"'}),
        ((), True, {}),
        (('all',), False, {}),
    ],
)
def test_a_worker_publishes_itself_and_the_leader_the_roles(roles, leader, of_application):
    worker = cluster.Worker(WORKER, 'w-0.example', roles)

    def action(bags, charm):
        return [cluster.ensure_worker_data(bags, 'cluster', charm, worker) for _ in range(2)]

    done = act(action, coordinator({}, id=3), app='w', leader=leader)
    assert done.result == [True, False]
    relation = done.state.get_relation(3)
    assert relation.local_unit_data == unit_data('w/0')
    assert relation.local_app_data == of_application


def test_a_role_that_is_disabled_is_erased():
    def action(bags, charm):
        return [
            cluster.ensure_worker_data(bags, 'cluster', charm, cluster.Worker(WORKER, 'a', roles))
            for roles in (('read',), ())
        ]

    done = act(action, coordinator({}, id=3), app='w')
    assert done.result == [True, True]
    assert done.state.get_relation(3).local_app_data == {}


def test_each_side_reads_what_the_other_publishes():
    worker = cluster.Worker(WORKER, 'w-0.example', ('all',))
    of_worker = act(
        lambda bags, charm: cluster.ensure_worker_data(bags, 'cluster', charm, worker),
        coordinator({}, id=3),
        app='w',
    ).state.get_relation(3)
    workers, _ = read(
        related('cluster', 'w', {0: of_worker.local_unit_data}, of_worker.local_app_data)
    )
    assert workers.units == (cluster.Worker(WORKER, 'w-0.example', ('read', 'write')),)
    data = cluster.CoordinatorData(**PUBLISHED)
    assert seen(coordinator(databag.encoded(data))) == (cluster.Coordinator('c', **PUBLISHED), {})
