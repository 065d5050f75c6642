"""Which workers there are, and which of them this unit's nginx balances over: pure."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence

import telemetry_text
from coordinated_telemetry import addresses, cluster
from coordinated_telemetry.cluster_data import Scheme

_UPSTREAM = re.compile(r'^ *upstream (\S+) \{\n(.*?)^ *\}', re.MULTILINE | re.DOTALL)
_SERVER = re.compile(r'^ *server \[?(\S+?)\]?:\d+ resolve\b', re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a coordinator unit knows of the workers.

    Attributes:
        unit: the unit that answers.
        units: the worker units, those that published nothing included.
        workers: worker unit → what it published.
        scheme: how nginx calls the workers.
        upstreams: role → the hosts that the nginx.conf in use has; None if it cannot be read.
        runs: whether nginx runs.
        awaited: names of units and applications that have not published yet.
        ignored: name of a unit or an application → why it is ignored.
    """

    unit: str
    units: Sequence[str]
    workers: Mapping[str, cluster.Worker]
    scheme: Scheme
    upstreams: Mapping[str, frozenset[str]] | None
    runs: bool
    awaited: Sequence[str] = ()
    ignored: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Listed:
    """A worker unit.

    Attributes:
        roles: what its application published; meta-roles are expanded.
        address: where it serves; '' if it published none that is valid.
        upstreams: the roles for which nginx sends requests to it.
        why: why nginx does not for all of its roles, or for none; ''.
    """

    roles: tuple[str, ...] = ()
    address: str = ''
    upstreams: tuple[str, ...] = ()
    why: str = ''


def upstreams(config: str) -> dict[str, frozenset[str]]:
    """Role → the hosts over which an nginx.conf of this charm balances."""
    return {
        name: frozenset(hosts)
        for name, servers in _UPSTREAM.findall(config)
        if (hosts := _SERVER.findall(servers))
    }


def view(facts: Facts) -> dict[str, Listed]:
    """Worker unit → what is known of it."""
    return {unit: _listed(facts, unit) for unit in facts.units}


def _listed(facts: Facts, unit: str) -> Listed:
    worker = facts.workers.get(unit)
    if worker is None:
        if unit in facts.ignored:
            return Listed(why=f'ignored: {facts.ignored[unit]}')
        return Listed(why='it has not published its address yet')
    found: tuple[str, ...] = ()
    if facts.upstreams is not None:
        found = tuple(
            sorted(role for role, hosts in facts.upstreams.items() if worker.address in hosts)
        )
    why = ''
    if not worker.roles or {*worker.roles} - {*found}:
        why = _why(facts, worker)
    elif not facts.runs:
        why = 'nginx does not run'
    return Listed(worker.roles, worker.address, found, why)


def _why(facts: Facts, worker: cluster.Worker) -> str:
    application = worker.topology.application
    if not worker.roles:
        if application in facts.ignored:
            return f'{application} is ignored: {facts.ignored[application]}'
        if application in facts.awaited:
            return f'{application} has not published its roles yet'
        return f'{application} has no role'
    if facts.upstreams is None:
        return f'the nginx.conf of {facts.unit} cannot be read'
    if facts.scheme not in worker.tls.schemes:
        serves = ' and '.join(worker.tls.schemes) or 'nothing'
        return f'nginx calls workers with {facts.scheme}, and it serves {serves} now'
    return 'the nginx.conf in use lacks it: see the status of ' + facts.unit


def _strangers(facts: Facts) -> list[str]:
    """The hosts that nginx has, and that no worker has now."""
    known = {worker.address for worker in facts.workers.values()}
    found = {host for hosts in (facts.upstreams or {}).values() for host in hosts}
    return sorted(addresses.shorten(host) for host in found - known)


def as_json(facts: Facts) -> str:
    """All of it for programs."""

    def render(units: Mapping[str, Listed], left_out: int) -> str:
        document = {
            'unit': facts.unit,
            'nginx-runs': facts.runs,
            'workers': {unit: dataclasses.asdict(listed) for unit, listed in units.items()},
            'left-out': left_out,
            'outdated-hosts': _strangers(facts),
        }
        return json.dumps(document)

    return telemetry_text.fitting(view(facts), render)


def as_text(facts: Facts) -> str:
    """All of it for people, a line for each unit."""

    def render(units: Mapping[str, Listed], left_out: int) -> str:
        head = ('unit', 'roles', 'address', f'nginx of {facts.unit}')
        rows = [head, *(_row(unit, listed) for unit, listed in units.items())]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        if not units:
            lines = ['There are no workers.']
        if left_out:
            lines.append(f'{left_out} more units')
        if strangers := _strangers(facts):
            lines.append(f'nginx also has hosts that no worker has now: {", ".join(strangers)}')
        return '\n'.join(lines)

    return telemetry_text.fitting(view(facts), render)


def _row(unit: str, listed: Listed) -> tuple[str, str, str, str]:
    sends = f'sends requests as {", ".join(listed.upstreams)}' if listed.upstreams else '-'
    said = f'{sends}; {listed.why}' if listed.why else sends
    return unit, ', '.join(listed.roles) or '-', listed.address or '-', said
