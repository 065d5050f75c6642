"""The coordinator's dashboards, read as Grafana reads them: panels, queries, variables.

Shared by the tests of the dashboards and by what draws them. Only the standard library.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployment import ROOT

FOLDER = ROOT / 'coordinator-charm' / 'src' / 'grafana_dashboards'
TOPOLOGY = ('juju_model', 'juju_model_uuid', 'juju_application', 'juju_unit')
"""The variables with which a reader chooses what is shown."""
ALL = '.+'
"""What such a variable stands for when all is chosen; all applications are named instead."""
_VARIABLE = re.compile(r'\$(?:\{(\w+)\}|(\w+))')


@dataclass(frozen=True)
class Query:
    """A query of a panel.

    Attributes:
        language: `prometheus` for PromQL, `loki` for LogQL.
        expression: with variables.
        legend: how a series is named, with labels in double braces; '' for a table.
        ref: its letter in the panel.
    """

    language: str
    expression: str
    legend: str
    ref: str

    def named(self, labels: Mapping[str, str]) -> str:
        """The name of a series with these labels."""
        return re.sub(r'\{\{(\w+)\}\}', lambda label: labels.get(label[1], ''), self.legend)


@dataclass(frozen=True)
class Panel:
    """A panel, rows excepted.

    Attributes:
        kind: what Grafana calls its type, such as `timeseries`.
        unit: Grafana's name of the unit, such as `reqps`.
        place: its `x`, `y`, width and height in units of Grafana's grid, which is 24 wide.
        thresholds: from which value which color counts; None is the smallest value.
        json: all of it.
    """

    id: int
    title: str
    kind: str
    unit: str
    place: tuple[int, int, int, int]
    thresholds: tuple[tuple[float | None, str], ...]
    queries: tuple[Query, ...]
    json: Mapping[str, Any]

    @property
    def has_lines(self) -> bool:
        """Whether it shows log lines, not numbers."""
        return any('maxLines' in target for target in self.json['targets'])


def files() -> list[Path]:
    """The dashboards."""
    return sorted(FOLDER.glob('*.json'))


def read(path: Path) -> dict[str, Any]:
    """A dashboard as its file has it."""
    return json.loads(path.read_text())


def rows(dashboard: Mapping[str, Any]) -> list[tuple[int, str]]:
    """The rows: where each begins on the grid, and its title."""
    return [
        (panel['gridPos']['y'], panel['title'])
        for panel in dashboard['panels']
        if panel['type'] == 'row'
    ]


def panels(dashboard: Mapping[str, Any]) -> list[Panel]:
    """The panels, rows excepted, in their order."""
    return [_panel(panel) for panel in dashboard['panels'] if panel['type'] != 'row']


def offered(dashboard: Mapping[str, Any], variable: str) -> tuple[str, str]:
    """What a variable offers: the values of a label, and the PromQL of the series that have it."""
    (definition,) = [
        one['definition'] for one in dashboard['templating']['list'] if one['name'] == variable
    ]
    parsed = re.fullmatch(r'label_values\((.*), (\w+)\)', definition)
    assert parsed is not None
    return parsed[2], parsed[1]


def substituted(expression: str, values: Mapping[str, str]) -> str:
    """An expression with its variables replaced.

    Raises:
        KeyError: if there is no value for one of them.
    """
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], expression)


def values(
    *, window: str, time_range: str, topology: Mapping[str, Collection[str]] | None = None
) -> dict[str, str]:
    """What the variables stand for.

    Args:
        window: of rates and counts, such as `1m`.
        time_range: the whole time range, such as `1h`.
        topology: variable → the values that are chosen; any value for the others.
    """
    chosen = {
        name: f'({"|".join(map(re.escape, sorted(several)))})'
        for name, several in (topology or {}).items()
    }
    return {
        **dict.fromkeys(TOPOLOGY, ALL),
        # In an expression's string a backslash stands for itself only if it is doubled.
        **{name: value.replace('\\', '\\\\') for name, value in chosen.items()},
        '__rate_interval': window,
        '__auto': window,
        '__range': time_range,
    }


def _panel(panel: Mapping[str, Any]) -> Panel:
    defaults = panel['fieldConfig']['defaults']
    place = panel['gridPos']
    return Panel(
        id=panel['id'],
        title=panel['title'],
        kind=panel['type'],
        unit=defaults['unit'],
        place=(place['x'], place['y'], place['w'], place['h']),
        thresholds=tuple(
            (step['value'], step['color']) for step in defaults['thresholds']['steps']
        ),
        queries=tuple(
            Query(
                target['datasource']['type'],
                target['expr'],
                target.get('legendFormat', ''),
                target['refId'],
            )
            for target in panel['targets']
        ),
        json=panel,
    )
