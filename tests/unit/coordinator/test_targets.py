"""What a scraper GETs."""

import juju
from coordinated_telemetry import cluster, metrics, topology
from coordinator.source import targets, workload

APPLICATION = topology.Topology('m', juju.UUID, 'c', '', 'c-k8s')


def worker(unit, address, charm='w-k8s'):
    application = unit.partition('/')[0]
    return cluster.Worker(APPLICATION.for_unit(application, unit, charm), address, ())


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
