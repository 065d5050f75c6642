"""What a worker makes of its coordinator, and what it publishes."""

import json

import hypothesis
import pytest
from hypothesis import strategies as st

import authority
import hostile
import juju
from coordinated_telemetry import cluster, cluster_data, cluster_worker, databag, topology
from lib.acting import act, related
from lib.clusters import ACROSS, ELSEWHERE, OFFERED, encoded, read, unit_data, worker_application

CA = authority.authority().certificate
OTHER = authority.authority('other').certificate
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
        lambda bags, _: cluster_worker.read_coordinator(bags, 'cluster', WORKER),
        *relations,
        app='w',
    )
    return done.result, done.ignored()


EMPTY = cluster_worker.Coordinator('c', None, {}, {}, {})


@pytest.mark.parametrize(
    ('databag', 'expected'),
    [
        (encoded(**PUBLISHED), cluster_worker.Coordinator('c', **PUBLISHED)),
        (encoded(worker_config=''), cluster_worker.Coordinator('c', '', {}, {}, {})),
        (
            encoded(ca_cert=CA.replace('\n', '\r\n')),
            cluster_worker.Coordinator('c', None, {}, {}, {}, CA),
        ),
        (
            encoded(receive_ca_certs=CA.rstrip()),
            cluster_worker.Coordinator('c', None, {}, {}, {}, '', CA),
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


@pytest.mark.parametrize(
    ('published', 'trusted'),
    [
        ({'ca_cert': CA, 'server_cert': 'any'}, CA),
        ({'ca_cert': CA, 'server_cert': 'any', 'receive_ca_certs': OTHER}, OTHER),
        ({'ca_cert': CA}, ''),
        ({'server_cert': 'any'}, ''),
    ],
    ids=['theirs', 'theirs, and the CAs of the stores', 'ours', 'half of theirs'],
)
def test_the_cas_of_the_stores_are_those_of_a_coordinator_that_has_one_certificate_for_all(
    published, trusted
):
    found, _ = seen(coordinator(encoded(**published)))
    assert found.receive_ca_certs == trusted
    assert found.ca_cert == published.get('ca_cert', '')


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
    assert found == cluster_worker.Coordinator('c', **{**PUBLISHED, key: rest})
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
        return [
            cluster_worker.ensure_worker_data(bags, 'cluster', charm, worker) for _ in range(2)
        ]

    done = act(action, coordinator({}, id=3), app='w', leader=leader)
    assert done.result == [True, False]
    relation = done.state.get_relation(3)
    assert relation.local_unit_data == unit_data('w/0')
    assert relation.local_app_data == of_application


def test_a_role_that_is_disabled_is_erased():
    def action(bags, charm):
        return [
            cluster_worker.ensure_worker_data(
                bags, 'cluster', charm, cluster.Worker(WORKER, 'a', roles)
            )
            for roles in (('read',), ())
        ]

    done = act(action, coordinator({}, id=3), app='w')
    assert done.result == [True, True]
    assert done.state.get_relation(3).local_app_data == {}


def test_each_side_reads_what_the_other_publishes():
    worker = cluster.Worker(WORKER, 'w-0.example', ('all',))
    of_worker = act(
        lambda bags, charm: cluster_worker.ensure_worker_data(bags, 'cluster', charm, worker),
        coordinator({}, id=3),
        app='w',
    ).state.get_relation(3)
    workers, _ = read(
        related('cluster', 'w', {0: of_worker.local_unit_data}, of_worker.local_app_data)
    )
    assert workers.units == (cluster.Worker(WORKER, 'w-0.example', ('read', 'write')),)
    data = cluster_data.CoordinatorData(**PUBLISHED)
    assert seen(coordinator(databag.encoded(data))) == (
        cluster_worker.Coordinator('c', **PUBLISHED),
        {},
    )


# TLS

REQUEST = authority.request('w-0.example')
TLS = cluster.WorkerTls(('10.0.0.1', 'fd00::1'), REQUEST, ('http', 'https'), 'a' * 64)


@pytest.mark.parametrize('tls', [TLS, cluster.WorkerTls(), cluster.WorkerTls(schemes=())])
def test_the_coordinator_reads_what_a_worker_publishes_for_tls(tls):
    worker = cluster.Worker(WORKER, 'w-0.example', ('all',), tls)
    done = act(
        lambda bags, charm: cluster_worker.ensure_worker_data(bags, 'cluster', charm, worker),
        coordinator({}, id=3),
        app='w',
        leader=True,
    )
    published = done.state.get_relation(3).local_unit_data
    workers, _ = read(worker_application('w', others={0: dict(published)}))
    assert [worker.tls for worker in workers.units] == [tls]


def test_a_worker_reads_its_own_certificate_and_no_other():
    databag = encoded(
        worker_certificates={'w/0': CA, 'w/1': 'nonsense'}, worker_schemes=['http', 'https']
    )
    expected = cluster_worker.Coordinator(
        'c', None, {}, {}, {}, certificate=CA, schemes=('http', 'https')
    )
    assert seen(coordinator(databag)) == (expected, {})


@pytest.mark.parametrize('bad', ['', 'nonsense', 7, None, [CA], CA * 100, CA + 'x'])
def test_a_certificate_that_is_none_is_ignored_alone(bad):
    databag = encoded(worker_config='a', worker_certificates={'w/0': bad})
    found, ignored = seen(coordinator(databag))
    assert found == cluster_worker.Coordinator('c', 'a', {}, {}, {})
    assert bool(ignored) == (bad is not None)
