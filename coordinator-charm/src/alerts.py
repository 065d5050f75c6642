"""The coordinator's alert rules: nginx's own, the workers', and those of every application.

Two kinds have a folder: `nginx` is rendered for the coordinator, `workers` for each worker
application. The generic ones, for all of them, are cosl's.
"""

import importlib.metadata
import json
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from coordinated_telemetry import rules
from coordinated_telemetry.topology import Topology

_SOURCE = pathlib.Path(__file__).parent

_UP = re.compile(r'\bup\b(?!\{)')

# cosl's texts name a target by its `instance`, which all units of an application share.
_TEXTS = {
    'HostDown': {
        'summary': '{{ $labels.juju_unit }} cannot be scraped.',
        'description': (
            'Its metrics address does not answer. Check that it runs '
            '(`juju status {{ $labels.juju_application }}`) and that the scraper reaches it.'
        ),
    },
    # For a whole application: no series is left to name the unit.
    'HostMetricsMissing': {
        'summary': 'No unit of {{ $labels.juju_application }} is scraped.',
        'description': (
            'No metrics of {{ $labels.juju_application }} arrive, not even of a failed scrape. '
            'Check the scraper: its status, its targets, and the store it writes to.'
        ),
    },
}


def generic_version() -> str:
    """Of which version of cosl `generic_groups` are."""
    return importlib.metadata.version('cosl')


def generic_groups() -> str:
    """COS's rules for every scraped target, as cosl has them, in JSON.

    Importing cosl takes long, so what this returns is worth keeping.
    """
    import cosl.rules  # noqa: PLC0415 only a leader needs it, and once for each version

    groups: Any = cosl.rules.generic_alert_groups.application_rules.get('groups', [])
    return json.dumps(groups, sort_keys=True)


def prometheus_rules(
    coordinators: Sequence[Topology], workers: Sequence[Topology], generic: str
) -> tuple[list[rules.Group], list[str]]:
    """Rules on metrics.

    Args:
        coordinators: the coordinator's topology as an application; empty if it is scaled to 0.
        workers: the topology of each worker application.
        generic: from `generic_groups`.

    Returns:
        The groups, and a line for each group or file that is ignored.
    """
    return _rendered('prometheus_alert_rules', coordinators, workers, _scoped(generic))


def loki_rules(
    coordinators: Sequence[Topology], workers: Sequence[Topology]
) -> tuple[list[rules.Group], list[str]]:
    """Rules on logs; the same arguments and result as for `prometheus_rules`."""
    return _rendered('loki_alert_rules', coordinators, workers, rules.Rules())


def _scoped(generic: str) -> rules.Rules:
    """cosl's groups with a place for the label matchers, and with texts of ours."""
    groups = json.loads(generic)
    for group in groups:
        for rule in group['rules']:
            rule['expr'] = _UP.sub(f'up{{{rules.PLACEHOLDER}}}', rule['expr'])
            rule['annotations'] = _TEXTS.get(rule['alert'], rule['annotations'])
    return rules.check(groups, 'of cosl')


def _rendered(
    kind: str,
    coordinators: Sequence[Topology],
    workers: Sequence[Topology],
    generic: rules.Rules,
) -> tuple[list[rules.Group], list[str]]:
    of_nginx, of_workers = (rules.load(_SOURCE / kind / folder) for folder in ('nginx', 'workers'))
    groups: list[rules.Group] = []
    for application in coordinators:
        groups += rules.render((*of_nginx.groups, *generic.groups), application)
    for application in workers:
        groups += rules.render((*of_workers.groups, *generic.groups), application)
    faults = (*of_nginx.faults, *of_workers.faults, *generic.faults)
    return groups, [f'[rules] {fault}' for fault in faults]
