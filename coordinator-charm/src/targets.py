"""What a scraper GETs: the exporter of every coordinator unit, and every worker unit."""

from collections.abc import Mapping

import exporter
import workload
from coordinated_telemetry import cluster, metrics
from coordinated_telemetry.topology import Topology


def targets(
    coordinator: Topology, coordinators: Mapping[str, str], workers: cluster.Workers
) -> list[metrics.Target]:
    """All scrape targets, each with the topology of its own unit.

    Args:
        coordinator: the coordinator's topology as an application.
        coordinators: coordinator unit → its address.
        workers: the worker side of the cluster.
    """
    exporters = [
        metrics.Target(
            coordinator.for_unit(coordinator.application, unit, coordinator.charm),
            address,
            exporter.PORT,
        )
        for unit, address in coordinators.items()
    ]
    return exporters + [
        metrics.Target(worker.topology, worker.address, workload.PORT) for worker in workers.units
    ]
