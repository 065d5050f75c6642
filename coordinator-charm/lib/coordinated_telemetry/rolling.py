"""Rolling restarts: the units of an application restart their workload one after the other.

This needs neither lock nor leader: on the peer relation, each unit publishes a digest of what its
workload runs. All units compute the same wanted digest for a unit, and a unit restarts when none
with a lower number still runs something else, and all with a higher one know that it is not their
turn: one that has not heard of the change may be restarting for the change before. Nothing is
granted, so nothing can stay granted: no unit waits for one that has left, or whose workload does
not run.

(We measured PyPI's charmlibs-rollingops and do not use it: importing it takes 1.5 times as long as
importing ops, its databags hold times, so they differ for the same state, and it leaves a process
behind that dispatches the next hook.)
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ops

from . import databag, databags
from .topology import unit_number

PATIENCE = 300.0
"""Seconds after which a unit restarts anyway: those before it may never be able to."""

UNHEARD_PATIENCE = 60.0
"""Seconds after which it restarts though others have not said that they wait: no restart takes so
long, and a unit whose hooks fail will never say anything."""


class PeerData(databag.Databag):
    """A unit's databag on the peer relation.

    Attributes:
        runs: the digest of what its workload runs; absent while it does not run.
        waits: the digest of what it is to run when it is its turn; absent if it runs that.
    """

    runs: str | None = None
    waits: str | None = None


def digest(definition: Mapping[str, Any]) -> str:
    """A short name for what a workload runs; every unit must compute the same `definition`."""
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:16]


def ahead(
    bags: databags.Databags, endpoint: str, unit: ops.Unit, wanted: Callable[[str], str]
) -> list[str]:
    """The units that change before this one; empty when it is this one's turn.

    Args:
        bags: the databags of this dispatch.
        endpoint: the name of the peer relation's endpoint.
        unit: this unit.
        wanted: gives the digest of what a unit is to run.
    """
    return [
        name
        for name, data in _running(bags, endpoint, lambda number: number < unit_number(unit.name))
        if data.runs != wanted(name)
    ]


def unheard(
    bags: databags.Databags, endpoint: str, unit: ops.Unit, wanted: Callable[[str], str]
) -> list[str]:
    """The units after this one of which it is not known that they wait for their turn.

    Args:
        bags: the databags of this dispatch.
        endpoint: the name of the peer relation's endpoint.
        unit: this unit.
        wanted: gives the digest of what a unit is to run.
    """
    return [
        name
        for name, data in _running(bags, endpoint, lambda number: number > unit_number(unit.name))
        if wanted(name) not in (data.runs, data.waits)
    ]


def ensure_waiting(bags: databags.Databags, endpoint: str, unit: ops.Unit, wanted: str) -> bool:
    """Say that this unit waits for its turn to run `wanted`. True if that was not said yet."""
    own = bags.own(endpoint, unit, PeerData)
    return bags.ensure(endpoint, unit, PeerData(runs=own and own.runs, waits=wanted))


def _running(
    bags: databags.Databags, endpoint: str, counts: Callable[[tuple[str, int]], bool]
) -> Iterator[tuple[str, PeerData]]:
    """The other units whose number counts and whose workload runs, by number."""
    for relation in bags.relations(endpoint):
        for peer in bags.units(relation):
            if counts(unit_number(peer.name)):
                data = bags.load(relation, peer, PeerData)
                if data and data.runs:
                    yield peer.name, data
