"""Alert rules in a databag: who publishes them, and what happens when they do not all fit.

`prometheus_scrape` and `loki_push_api` carry them in application databags of the same kind, and
`otlp` in one of its own (`otlp.py`).
"""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import ops
import pydantic_core

from . import databag, databags, report, rules
from .topology import Topology

MAX_BYTES = 4 * 1024 * 1024
"""The largest databag with rules. Juju accepts 16 MiB at most, and a collector publishes what it
gathers from several applications in one databag of its own."""


_REMEDY = 'divide the workers among several coordinators'


class Metadata(databag.Databag):
    """Who publishes jobs and rules: stores name rule files after it, scrapers default to it."""

    model: str
    model_uuid: str
    application: str
    unit: str
    charm_name: str

    @classmethod
    def of(cls, publisher: Topology) -> 'Metadata':
        """The metadata of an application, published by its leader."""
        return cls(
            model=publisher.model,
            model_uuid=publisher.model_uuid,
            application=publisher.application,
            # The leader's own name would change every alert rule's source at each election.
            unit=f'{publisher.application}/0',
            charm_name=publisher.charm,
        )


class Publication(databag.Databag):
    """An application databag that holds alert rules."""

    max_bytes = MAX_BYTES
    remedy = _REMEDY

    alert_rules: dict[str, list[rules.Group]]


def published(groups: list[rules.Group]) -> dict[str, list[rules.Group]]:
    """Rule groups in the form that stores read from a databag."""
    return {'groups': groups} if groups else {}


def ensure(
    bags: databags.Databags, endpoint: str, application: ops.Application, wanted: Publication
) -> bool:
    """Publish on every relation of an endpoint; leader only. True if anything was changed.

    Everything else goes before rules. If not all rules fit, some applications' rules are left out,
    each application's as a whole, and the report blocks and names these applications. Those whose
    rules are already in the databag keep them as long as these fit.
    """
    relations = bags.relations(endpoint)
    if not relations:
        return False
    values: dict[str, str] | None = databag.encoded(wanted)
    size = databag.size_of(values)
    if size > wanted.max_bytes:
        bare = wanted.model_copy(update={'alert_rules': published([])})
        room = wanted.max_bytes - databag.size_of(databag.encoded(bare))
        before = bags.content(relations[0], application).get('alert_rules', '')
        groups = wanted.alert_rules.get('groups', [])
        fitting, without = fit(groups, room, _applications(before))
        if room > 0:  # otherwise the rules are not what is too large
            wanted = bare.model_copy(update={'alert_rules': published(fitting)})
            values = None
            block(bags.report, endpoint, without, size, wanted.max_bytes)
    return bags.ensure(endpoint, application, wanted, values)


def block(
    found: report.Report, endpoint: str, without: Sequence[str], size: int, room: int
) -> None:
    """Say which applications' rules are left out.

    Args:
        found: the report that says so.
        endpoint: the endpoint that has no room for them.
        without: the names of these applications.
        size: how many bytes all rules take.
        room: how many they may take.
    """
    found.blocked.append(
        f'[{endpoint}] no room for the alert rules of {report.first(without)}, {size} bytes where '
        f'{room} may be: {_REMEDY}'
    )


def fit(
    groups: Iterable[rules.Group], room: int, first: Collection[str] = ()
) -> tuple[list[rules.Group], list[str]]:
    """The groups of the applications whose rules fit, and the names of the other applications.

    Args:
        groups: rendered, in the order of preference, which is kept.
        room: bytes available.
        first: applications that come before all others.
    """
    of: dict[str, list[rules.Group]] = {}
    for group in groups:
        of.setdefault(_application(group), []).append(group)
    room -= len(json.dumps(published([{}])))
    left_out: list[str] = []
    for application in sorted(of, key=lambda name: name not in first):  # keeps the order otherwise
        size = sum(len(json.dumps(group)) + len(', ') for group in of[application])
        if size <= room:
            room -= size
        else:
            left_out.append(application)
    kept = [group for name, own in of.items() if name not in left_out for group in own]
    return kept, left_out


def _application(group: Any) -> str:
    return group['rules'][0]['labels']['juju_application']


def applications_of(published: Any) -> set[str]:
    """The applications of published rule groups.

    Raises:
        LookupError, TypeError: if these are no rule groups.
    """
    return {_application(group) for group in published.get('groups', [])}


def _applications(alert_rules: str) -> set[str]:
    """The applications whose rules are in a databag that any revision of this charm wrote."""
    try:
        return applications_of(pydantic_core.from_json(alert_rules))
    except (ValueError, LookupError, TypeError, AttributeError):
        return set()
