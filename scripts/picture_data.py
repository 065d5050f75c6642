"""What the panels of a dashboard show, asked of live stores; standard library only."""

import dataclasses
import datetime
import json
import math
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import grafana
from clients import LocalStores

ROWS = 32
"""How many rows of Grafana's grid a picture has at most."""
POINTS = 60
"""How many values a curve has."""
WINDOW = '20s'
"""Of rates and counts, as the stores' charms scrape every two seconds."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """A series over time: a name, and pairs of a time in seconds and a value."""

    name: str
    points: Sequence[tuple[float, float]]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]


@dataclasses.dataclass(frozen=True)
class Found:
    """What a panel shows.

    Attributes:
        value: of a stat.
        curves: of what goes over time, and of a stat's background.
        columns: of a table: title and unit.
        rows: of a table, or the lines of a log: texts and numbers.
    """

    value: float | None = None
    curves: Sequence[Curve] = ()
    columns: Sequence[tuple[str, str]] = ()
    rows: Sequence[Sequence[str | float]] = ()


def divided(dashboard: Mapping[str, Any]) -> list[list[tuple[int, int, str]]]:
    """The rows of each picture: where on the grid a row begins and ends, and its title."""
    starts = grafana.rows(dashboard)
    bottom = max(p.place[1] + p.place[3] for p in grafana.panels(dashboard))
    ends = [*(first for first, _ in starts[1:]), bottom]
    pictures: list[list[tuple[int, int, str]]] = []
    for (first, name), last in zip(starts, ends, strict=True):
        if not pictures or last - pictures[-1][0][0] > ROWS:
            pictures.append([])
        pictures[-1].append((first, last, name))
    return pictures


def applications(stores: LocalStores, dashboard: Mapping[str, Any]) -> set[str]:
    """The applications that a dashboard is about."""
    label, series = grafana.offered(dashboard, 'juju_application')
    everything = grafana.values(window=WINDOW, time_range='1h')
    expression = f'group by ({label}) ({grafana.substituted(series, everything)})'
    return {one.labels[label] for one in stores.vector(expression)}


def found(
    stores: LocalStores,
    panel: grafana.Panel,
    chosen: Collection[str],
    start: float,
    end: float,
) -> Found:
    """Ask the stores what a panel shows of these applications."""
    values = grafana.values(
        window=WINDOW,
        time_range=f'{math.ceil(end - start)}s',
        topology={'juju_application': chosen},
    )
    expressions = [
        (query, grafana.substituted(query.expression, values)) for query in panel.queries
    ]
    if panel.has_lines:
        lines = stores.log_lines(expressions[0][1], limit=40)
        newest = [(clock(line.time), line.text, line.labels) for line in reversed(lines)]
        if panel.kind == 'logs':
            return Found(rows=[(moment, text) for moment, text, _ in newest])
        columns = columns_of(panel)
        cells = [{'Time': moment, **labels, **parsed(text)} for moment, text, labels in newest]
        return Found(columns=[*columns.values()], rows=rows_of(cells, columns))
    if panel.kind == 'table':
        columns = columns_of(panel)
        merged: dict[frozenset[str], dict[str, Any]] = {}
        for query, expression in expressions:
            for labels, value in now(stores, query, expression):
                unit = {labels.get(key, '') for key in ('upstream', 'juju_unit')}
                cell = merged.setdefault(frozenset(unit), {})
                cell |= {**labels, f'Value #{query.ref}': value}
        cells = [merged[key] for key in sorted(merged, key=sorted)]
        return Found(columns=[*columns.values()], rows=rows_of(cells, columns))
    curves = []
    step = (end - start) / POINTS
    instant = panel.json['targets'][0]
    over_time = instant.get('range') or instant.get('queryType') == 'range'
    for query, expression in expressions if over_time else ():
        curves += history(stores, query, expression, start, end, step)
    if panel.kind == 'stat':
        last = [value for _, value in now(stores, *expressions[0])]
        return Found(value=last[0] if last else None, curves=curves)
    return Found(curves=curves)


def now(
    stores: LocalStores, query: grafana.Query, expression: str
) -> list[tuple[Mapping[str, str], float]]:
    """The series that an expression gives now."""
    ask = stores.vector if query.language == 'prometheus' else stores.log_vector
    return [(one.labels, one.value) for one in ask(expression) if math.isfinite(one.value)]


def history(
    stores: LocalStores,
    query: grafana.Query,
    expression: str,
    start: float,
    end: float,
    step: float,
) -> list[Curve]:
    """The series that an expression gave over time; VictoriaLogs is asked time after time."""
    if query.language == 'prometheus':
        series = stores.history(expression, start, end, step)
        every = [
            (labels, [(moment, value) for moment, value in points if math.isfinite(value)])
            for labels, points in series
        ]
    else:
        known: dict[frozenset[tuple[str, str]], list[tuple[float, float]]] = {}
        for number in range(POINTS + 1):
            moment = start + number * step
            for one in stores.log_vector(expression, at=moment):
                key = frozenset(one.labels.items())
                known.setdefault(key, []).append((moment, one.value))
        every = [(dict(key), points) for key, points in known.items()]
    return [Curve(query.named(labels), points) for labels, points in every if points]


def columns_of(panel: grafana.Panel) -> dict[str, tuple[str, str]]:
    """Field → title and unit, in the order of a table's columns."""
    options = panel.json['transformations'][-1]['options']
    units = {
        override['matcher']['options']: prop['value']
        for override in panel.json['fieldConfig']['overrides']
        for prop in override['properties']
        if prop['id'] == 'unit'
    }
    fields = sorted(options['renameByName'], key=options['indexByName'].__getitem__)
    titles = {field: options['renameByName'][field] for field in fields}
    return {field: (title, units.get(title, panel.unit)) for field, title in titles.items()}


def rows_of(
    cells: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[str, str]]
) -> list[list[str | float]]:
    """The rows of a table; a number of a column without a unit is a text."""
    return [
        [
            float(cell[field])
            if field in cell and unit != 'none'
            else str(cell.get(field, '' if unit == 'none' else 0))
            for field, (_, unit) in columns.items()
        ]
        for cell in cells
    ]


def parsed(text: str) -> dict[str, Any]:
    """A line that is JSON, by its fields; nothing of another one."""
    try:
        fields = json.loads(text)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def clock(nanoseconds: int) -> str:
    """The time of the day, in UTC."""
    moment = datetime.datetime.fromtimestamp(nanoseconds / 1e9, datetime.UTC)
    return moment.strftime('%H:%M:%S.%f')[:-3]


def text_of(value: float, unit: str) -> str:
    """A value as Grafana writes it, with three digits.

    Args:
        value: the value.
        unit: Grafana's name of the unit; one that is unknown here is left out.
    """
    if unit == 'dateTimeFromNow':
        seconds = time.time() - value / 1000
        return f'{seconds:.0f} s ago' if seconds < 120 else f'{seconds / 60:.0f} min ago'
    if unit == 'percentunit':
        return f'{_digits(value * 100)} %'
    if unit == 's':
        scales = ((1, 's'), (1e-3, 'ms'), (1e-6, 'µs'))
        scale, name = next((one for one in scales if abs(value) >= one[0]), scales[0])
        return f'{_digits(value / scale)} {name}'
    if unit == 'bytes':
        scales = ((2**30, 'GiB'), (2**20, 'MiB'), (2**10, 'KiB'))
        scale, name = next((one for one in scales if abs(value) >= one[0]), (1, 'B'))
        return f'{_digits(value / scale)} {name}'
    names = {'reqps': 'req/s', 'cps': 'c/s'}
    return f'{_digits(value)} {names.get(unit, "")}'.rstrip()


def _digits(value: float) -> str:
    if value == int(value) and abs(value) < 1000:
        return str(int(value))
    return f'{value:.3g}' if abs(value) < 1000 else f'{value:,.0f}'
