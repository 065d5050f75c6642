"""The coordinator's alert rules: nginx's own, the workers', and those of every application.

Each kind has a folder: `nginx` is rendered for the coordinator, `workers` for each worker
application, `generic` for all of them.
"""

import pathlib
from collections.abc import Sequence

from coordinated_telemetry import rules
from coordinated_telemetry.topology import Topology

_SOURCE = pathlib.Path(__file__).parent


def prometheus_rules(
    coordinators: Sequence[Topology], workers: Sequence[Topology]
) -> tuple[list[rules.Group], list[str]]:
    """Rules on metrics.

    Args:
        coordinators: the coordinator's topology as an application; empty if it is scaled to 0.
        workers: the topology of each worker application.

    Returns:
        The groups, and a line for each group or file that is ignored.
    """
    return _rendered('prometheus_alert_rules', coordinators, workers)


def loki_rules(
    coordinators: Sequence[Topology], workers: Sequence[Topology]
) -> tuple[list[rules.Group], list[str]]:
    """Rules on logs; arguments and result as for `prometheus_rules`."""
    return _rendered('loki_alert_rules', coordinators, workers)


def _rendered(
    kind: str, coordinators: Sequence[Topology], workers: Sequence[Topology]
) -> tuple[list[rules.Group], list[str]]:
    of_nginx, of_workers, generic = (
        rules.load(_SOURCE / kind / folder) for folder in ('nginx', 'workers', 'generic')
    )
    groups: list[rules.Group] = []
    for application in coordinators:
        groups += rules.render((*of_nginx.groups, *generic.groups), application)
    for application in workers:
        groups += rules.render((*of_workers.groups, *generic.groups), application)
    faults = (*of_nginx.faults, *of_workers.faults, *generic.faults)
    return groups, [f'[rules] {fault}' for fault in faults]
