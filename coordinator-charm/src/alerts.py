"""The coordinator's alert rules: nginx's own, and the workers' once for each application."""

import pathlib

from coordinated_telemetry import rules
from coordinated_telemetry.topology import Topology

_SOURCE = pathlib.Path(__file__).parent


def prometheus_rules(
    coordinator: Topology, workers: list[Topology]
) -> tuple[list[rules.Group], list[str]]:
    """Rules on metrics, COS's generic ones for a scraped application included.

    Args:
        coordinator: the coordinator's topology as an application.
        workers: that of each worker application.

    Returns:
        The groups, and a line for each that had to be left out.
    """
    return _rendered('prometheus_alert_rules', coordinator, workers, rules.generic())


def loki_rules(
    coordinator: Topology, workers: list[Topology]
) -> tuple[list[rules.Group], list[str]]:
    """Rules on logs; arguments and result as for `prometheus_rules`."""
    return _rendered('loki_alert_rules', coordinator, workers, rules.Rules())


def _rendered(
    folder: str, coordinator: Topology, workers: list[Topology], generic: rules.Rules
) -> tuple[list[rules.Group], list[str]]:
    of_nginx = rules.load(_SOURCE / folder / 'nginx')
    of_workers = rules.load(_SOURCE / folder / 'workers')
    groups = rules.render((*of_nginx.groups, *generic.groups), coordinator)
    for application in workers:
        groups += rules.render((*of_workers.groups, *generic.groups), application)
    return groups, [f'[rules] {fault}' for fault in (*of_nginx.faults, *of_workers.faults)]
