"""What a scraper GETs: the exporter of every coordinator unit, and every worker unit.

A worker whose roles serve metrics at different places is scraped at each of them.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import description
import exporter
import schemes
from coordinated_telemetry import cluster, metrics
from coordinated_telemetry.cluster_data import Scheme
from coordinated_telemetry.topology import Topology
from workload import WORKLOAD

_EXPORTER_PORTS = {'http': exporter.PORT, 'https': exporter.TLS_PORT}


def targets(
    coordinator: Topology,
    coordinators: Mapping[str, str],
    workers: cluster.Workers,
    exporters: Iterable[Sequence[Scheme]] = (),
    *,
    tls: bool = False,
) -> list[metrics.Target]:
    """All scrape targets, each with the topology of its own unit.

    Args:
        coordinator: the coordinator's topology as an application.
        coordinators: coordinator unit → its address.
        workers: the worker side of the cluster.
        exporters: what each of the exporters serves.
        tls: whether an application is scraped over https as soon as all its units serve it.
    """
    scheme = schemes.of_scrape(exporters, tls)
    found = [
        metrics.Target(
            coordinator.for_unit(coordinator.application, unit, coordinator.charm),
            address,
            _EXPORTER_PORTS[scheme],
            scheme,
        )
        for unit, address in coordinators.items()
    ]
    of_workers = by_application(workers, tls=tls)
    for worker in workers.units:
        for name, (place, scheme) in of_workers[worker.topology.application].items():
            port = place.ports.of(scheme)
            found.append(
                metrics.Target(worker.topology, worker.address, port, scheme, place.path, name)
            )
    return found


def by_application(
    workers: cluster.Workers, *, tls: bool
) -> dict[str, dict[str, tuple[description.Metrics, Scheme]]]:
    """Worker application → name of each place where its units serve metrics → it, and how.

    All units of an application have the same roles, and so the same places. One that has no port
    with TLS is scraped over http for good.
    """
    found: dict[str, dict[str, tuple[description.Metrics, Scheme]]] = {}
    units = itertools.groupby(workers.units, key=lambda worker: worker.topology.application)
    for application, group in units:
        of = list(group)
        scheme = schemes.of_scrape([worker.tls.schemes for worker in of], tls)
        places = WORKLOAD.scraped(of[0].roles)
        found[application] = {
            name: (place, scheme if place.ports.tls else 'http') for name, place in places.items()
        }
    return found


def used(workers: cluster.Workers, *, tls: bool) -> set[Scheme]:
    """How workers are scraped, so that they go on serving it."""
    of_workers = by_application(workers, tls=tls).values()
    return {scheme for places in of_workers for _, scheme in places.values()}
