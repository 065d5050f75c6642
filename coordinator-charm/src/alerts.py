"""The coordinator's alert rules: nginx's own, the workers', and those that every application has.

Each is a folder: `nginx` is rendered for the coordinator, `workers` for each worker application,
`generic` for all of them.
"""

import pathlib

from coordinated_telemetry import rules
from coordinated_telemetry.topology import Topology

_SOURCE = pathlib.Path(__file__).parent


def prometheus_rules(
    coordinator: Topology, workers: list[Topology]
) -> tuple[list[rules.Group], list[str]]:
    """Rules on metrics.

    Args:
        coordinator: the coordinator's topology as an application.
        workers: that of each worker application.

    Returns:
        The groups, and a line for each that had to be left out.
    """
    return _rendered('prometheus_alert_rules', coordinator, workers)


def loki_rules(
    coordinator: Topology, workers: list[Topology]
) -> tuple[list[rules.Group], list[str]]:
    """Rules on logs; arguments and result as for `prometheus_rules`."""
    return _rendered('loki_alert_rules', coordinator, workers)


def _rendered(
    kind: str, coordinator: Topology, workers: list[Topology]
) -> tuple[list[rules.Group], list[str]]:
    of_nginx, of_workers, generic = (
        rules.load(_SOURCE / kind / folder) for folder in ('nginx', 'workers', 'generic')
    )
    groups = rules.render((*of_nginx.groups, *generic.groups), coordinator)
    for application in workers:
        groups += rules.render((*of_workers.groups, *generic.groups), application)
    faults = (*of_nginx.faults, *of_workers.faults, *generic.faults)
    return groups, [f'[rules] {fault}' for fault in faults]
