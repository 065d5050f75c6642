"""How `show-telemetry` says what `telemetry_view.py` found, to people and to programs: pure."""

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from coordinated_telemetry.report import first
from telemetry_view import FLOWS, Facts, Flow, Known, view

MAX_BYTES = 100_000
"""Of an answer: Juju gets it as one argument of a process, which has at most 128 KiB."""

_MEANING: dict[Known, str] = {
    'configured': 'as {unit} has it in its containers and in its charm now',
    'published': 'as the databag of whoever acts on it has it now',
    'expected': 'as follows from the relations; the unit itself acts on it',
}


def as_json(facts: Facts, only: str = '') -> str:
    """All of it for programs; `only` names the one unit or application to show, or is ''."""

    def render(units: Mapping[str, Mapping[str, Flow]], left_out: int) -> str:
        shown = {
            unit: {name: _fields(flow) for name, flow in flows.items()}
            for unit, flows in units.items()
        }
        document = {
            'unit': facts.unit,
            'leader': facts.leads,
            'entrypoint': facts.entrypoint,
            'units': shown,
            'left-out': left_out,
            'ignored': dict(sorted(facts.ignored.items())),
            'notes': list(facts.notes),
        }
        return json.dumps(document)

    return fitting(_chosen(view(facts), only), render)


def _fields(flow: Flow) -> dict[str, Any]:
    at = {'at': list(flow.at)} if flow.at else {}
    return {'to': list(flow.to), **at, 'known': flow.known, 'why': flow.why}


def as_text(facts: Facts, only: str = '') -> str:
    """All of it for people; units of an application with the same answer share a line."""

    def render(units: Mapping[str, Mapping[str, Flow]], left_out: int) -> str:
        if facts.leads:
            head = f'Asked {facts.unit}, the leader.'
        else:
            command = f'juju run {facts.application}/leader show-telemetry'
            head = f'Asked {facts.unit}. Only the leader can read what is published: {command}'
        lines = [head, f'Clients reach the workload at {facts.entrypoint}', '']
        for application, names in itertools.groupby(units, key=lambda u: u.partition('/')[0]):
            own = list(names)
            lines.append(f'{application}: {len(own)} unit{"" if len(own) == 1 else "s"}')
            for flow in FLOWS:
                lines += _lines(flow, {unit: units[unit][flow] for unit in own})
            lines.append('')
        if left_out:
            lines += [f'{left_out} more units: name one, or an application, with only=NAME', '']
        lines += [f'note: {note}' for note in facts.notes]
        lines += [f'ignored: {name} ({why})' for name, why in sorted(facts.ignored.items())]
        used = {flow.known for flows in units.values() for flow in flows.values()}
        lines += [
            f'{known}: {meaning.format(unit=facts.unit)}'
            for known, meaning in _MEANING.items()
            if known in used
        ]
        return '\n'.join(lines)

    return fitting(_chosen(view(facts), only), render)


def _lines(name: str, flows: Mapping[str, Flow]) -> list[str]:
    same: dict[Flow, list[str]] = {}
    for unit, flow in flows.items():
        same.setdefault(flow, []).append(unit)
    lines: list[str] = []
    for flow, units in same.items():
        who = 'all units' if len(units) == len(flows) > 1 else first(units)
        if flow.to:
            where = ', '.join(flow.to)
            what = f'{" and ".join(flow.at)} by {where}' if flow.at else where
            what += f' ({flow.known})' + (f'; {flow.why}' if flow.why else '')
        else:
            what = f'- {flow.why}'
        lines.append(f'  {name if not lines else "":<16} {who}: {what}')
    return lines


def _chosen(units: Mapping[str, Mapping[str, Flow]], only: str) -> dict[str, Mapping[str, Flow]]:
    return {
        unit: flows for unit, flows in units.items() if only in ('', unit, unit.partition('/')[0])
    }


def fitting(units: Mapping[str, Any], render: Callable[[Mapping[str, Any], int], str]) -> str:
    """What `render` makes of as many of the first units as an answer has room for.

    Args:
        units: in order.
        render: gets units, and how many others are left out.
    """
    number = len(units)
    while True:
        text = render(dict(itertools.islice(units.items(), number)), len(units) - number)
        if number == 0 or len(text.encode()) <= MAX_BYTES:
            return text
        number = number * 4 // 5
