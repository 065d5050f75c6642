"""What a scraper GETs: the exporter of every coordinator unit, and every worker unit."""

import itertools
from collections.abc import Iterable, Mapping, Sequence

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
    scraped = WORKLOAD.scraped
    for worker in workers.units:
        scheme = of_workers[worker.topology.application]
        port = scraped.ports.of(scheme)
        found.append(metrics.Target(worker.topology, worker.address, port, scheme, scraped.path))
    return found


def by_application(workers: cluster.Workers, *, tls: bool) -> dict[str, Scheme]:
    """Worker application → how it is scraped."""
    if not WORKLOAD.scraped.ports.tls:
        return {worker.topology.application: 'http' for worker in workers.units}
    units = itertools.groupby(workers.units, key=lambda worker: worker.topology.application)
    return {
        name: schemes.of_scrape([worker.tls.schemes for worker in of], tls) for name, of in units
    }
