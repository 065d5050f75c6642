"""Rolling restarts: the units of an application restart their workload one after the other.

This needs neither lock nor leader: on the peer relation, each unit publishes a digest of what its
workload runs. All units compute the same wanted digest for a unit, and a unit restarts when none
with a lower number still runs something else. Nothing is granted, so nothing can stay granted: no
unit waits for one that has left, or whose workload does not run.

(We measured PyPI's charmlibs-rollingops and do not use it: importing it takes 1.5 times as long as
importing ops, its databags hold times, so they differ for the same state, and it leaves a process
behind that dispatches the next hook.)
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import ops

from . import databag, databags
from .topology import unit_number

PATIENCE = 300.0
"""Seconds after which a unit restarts anyway: those before it may never be able to."""


class PeerData(databag.Databag):
    """A unit's databag on the peer relation; `runs` is absent while its workload does not run."""

    runs: str | None = None


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
    own_number = unit_number(unit.name)
    waiting_for: list[str] = []
    for relation in bags.relations(endpoint):
        for peer in bags.units(relation):
            if unit_number(peer.name) > own_number:
                break
            data = bags.load(relation, peer, PeerData)
            if data and data.runs and data.runs != wanted(peer.name):
                waiting_for.append(peer.name)
    return waiting_for
