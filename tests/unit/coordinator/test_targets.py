"""What a scraper GETs."""

import dataclasses

import pytest

import juju
from coordinated_telemetry import cluster, metrics, topology
from coordinated_telemetry.workloads import Ports
from coordinator.source import description, targets, workload

APPLICATION = topology.Topology('m', juju.UUID, 'c', '', 'c-k8s')


def worker(unit, address, charm='w-k8s', roles=()):
    application = unit.partition('/')[0]
    return cluster.Worker(APPLICATION.for_unit(application, unit, charm), address, roles)


def test_every_exporter_and_every_worker_is_a_target_with_its_own_topology():
    workers = cluster.Workers(units=(worker('a/0', 'x'), worker('b/1', '::1', 'b-k8s')))
    assert targets.targets(APPLICATION, {'c/0': 'p', 'c/1': 'q'}, workers) == [
        metrics.Target(APPLICATION.for_unit('c', 'c/0', 'c-k8s'), 'p', 9113),
        metrics.Target(APPLICATION.for_unit('c', 'c/1', 'c-k8s'), 'q', 9113),
        metrics.Target(
            APPLICATION.for_unit('a', 'a/0', 'w-k8s'), 'x', workload.WORKLOAD.ports.plain
        ),
        metrics.Target(
            APPLICATION.for_unit('b', 'b/1', 'b-k8s'), '::1', workload.WORKLOAD.ports.plain
        ),
    ]


def test_a_coordinator_that_is_scaled_to_0_leaves_the_workers_watched():
    workers = cluster.Workers(units=(worker('a/0', 'x'),))
    assert [one.topology.unit for one in targets.targets(APPLICATION, {}, workers)] == ['a/0']


def test_without_anybody_there_is_no_target():
    assert targets.targets(APPLICATION, {}, cluster.Workers()) == []


def test_an_application_is_scraped_over_https_once_all_its_units_serve_it():
    def serving(unit, *schemes):
        return worker(unit, unit[0])._replace(tls=cluster.WorkerTls(schemes=schemes))

    workers = cluster.Workers(
        units=(
            serving('a/0', 'http', 'https'),
            serving('b/0', 'https', 'http'),
            worker('b/1', 'b'),
        )
    )
    found = targets.targets(APPLICATION, {'c/0': 'p'}, workers, [('http', 'https')], tls=True)
    assert [(one.topology.unit, one.scheme, one.port) for one in found] == [
        ('c/0', 'https', 9114),
        ('a/0', 'https', workload.WORKLOAD.ports.tls),
        ('b/0', 'http', workload.WORKLOAD.ports.plain),
        ('b/1', 'http', workload.WORKLOAD.ports.plain),
    ]


# Metrics by role

BOTH = ('gate', 'vault')


@pytest.fixture
def own_place(monkeypatch):
    """The role vault serves its metrics elsewhere than gate, and without TLS."""
    of_vault = description.Metrics(Ports(9121), '/scrape')
    of = dataclasses.replace(workload.WORKLOAD, role_metrics={'vault': of_vault})
    monkeypatch.setattr(targets, 'WORKLOAD', of)
    return of_vault


def serving(unit, roles, *schemes):
    return worker(unit, unit, roles=roles)._replace(tls=cluster.WorkerTls(schemes=schemes))


@pytest.mark.usefixtures('own_place')
def test_a_worker_is_a_target_at_each_place_of_its_roles():
    units = (
        worker('a/0', 'a', roles=BOTH), worker('g/0', 'g', roles=('gate',)),
        worker('v/0', 'v', roles=('vault',)), worker('w/0', 'w'),
    )  # fmt: skip
    found = targets.targets(APPLICATION, {}, cluster.Workers(units=units))
    usual = workload.WORKLOAD.ports.plain
    assert [(one.address, one.port, one.path, one.place) for one in found] == [
        ('a', usual, '/metrics', ''),
        ('a', 9121, '/scrape', 'vault'),
        ('g', usual, '/metrics', ''),
        ('v', 9121, '/scrape', 'vault'),
        ('w', usual, '/metrics', ''),
    ]


@pytest.mark.usefixtures('own_place')
def test_a_place_is_a_job_and_all_its_targets_have_one_path_and_scheme():
    units = tuple(serving(f'a/{number}', BOTH, 'https') for number in range(2))
    found = targets.targets(APPLICATION, {}, cluster.Workers(units=units), tls=True)
    usual, own = metrics.scrape_jobs(found, ca='PEM')
    assert (usual['job_name'], usual['metrics_path'], usual['scheme']) == (
        'a',
        '/metrics',
        'https',
    )
    assert (own['job_name'], own['metrics_path']) == ('a_vault', '/scrape')
    assert not {'scheme', 'tls_config'} & own.keys()
    assert [one['targets'] for one in usual['static_configs']] == [
        [f'a/{number}:{workload.WORKLOAD.ports.tls}'] for number in range(2)
    ]
    assert [one['targets'] for one in own['static_configs']] == [['a/0:9121'], ['a/1:9121']]


@pytest.mark.usefixtures('own_place')
def test_a_further_role_leaves_the_job_of_the_first_as_it_is():
    def jobs(roles):
        units = (worker('a/0', 'a', roles=roles),)
        found = metrics.scrape_jobs(targets.targets(APPLICATION, {}, cluster.Workers(units=units)))
        return {job['job_name']: job for job in found}

    both = jobs(BOTH)
    for role in BOTH:
        [(name, job)] = jobs((role,)).items()
        assert both[name] == job


@pytest.mark.usefixtures('own_place')
@pytest.mark.parametrize(
    ('roles', 'tls', 'used'),
    [
        (BOTH, True, {'http', 'https'}),
        (('gate',), True, {'https'}),
        (('vault',), True, {'http'}),
        (BOTH, False, {'http'}),
    ],
)
def test_workers_are_scraped_with_what_their_places_can(roles, tls, used):
    workers = cluster.Workers(units=(serving('a/0', roles, 'http', 'https'),))
    assert targets.used(workers, tls=tls) == used
