"""Draw panels of a dashboard with matplotlib, in the places that the dashboard gives them."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import dates, patches, ticker
from matplotlib import figure as figures
from matplotlib.axes import Axes
from PIL import Image, ImageColor

import grafana
from picture_data import Curve, Found, text_of

mpl.use('Agg')

WIDTH = 9.6
"""Of a picture, in inches; Grafana's grid has 24 columns."""
STEP = 0.27
"""Of a row of that grid, in inches."""
DPI = 200
GAP = 0.05
"""Around each panel, in inches."""
COLORS = 240
"""Of a picture; fewer make a smaller file."""

_BACKGROUND, _PANEL, _BORDER = '#111217', '#181b1f', '#2c3235'
_TEXT, _DIM, _GRID = '#d8d9da', '#9fa7b3', '#2c3235'
_PALETTE = (
    *('#73bf69', '#f2cc0c', '#5794f2', '#ff9830', '#f2495c', '#b877d9', '#8ab8ff', '#96d98d'),
    *('#ffb357', '#ca95e5', '#fade2a', '#c0d8ff'),
)
_NAMED = {'green': '#73bf69', 'orange': '#ff9830', 'red': '#f2495c'}
_SMALL, _NORMAL, _TITLE = 6.4, 7.0, 8.0  # points


def draw(
    title: str,
    panels: Sequence[tuple[grafana.Panel, Found]],
    rows: Mapping[int, str],
    path: Path,
) -> None:
    """Draw panels as one picture.

    Args:
        title: of the dashboard.
        panels: each with what it shows.
        rows: the titles of the rows, by where they begin on the grid.
        path: the PNG to write.
    """
    top = min(rows)
    bottom = max(panel.place[1] + panel.place[3] for panel, _ in panels)
    head = 0.34
    height = (bottom - top) * STEP + head + GAP
    figure = figures.Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=_BACKGROUND)
    canvas = _Canvas(figure, height)
    canvas.text(2 * GAP, head / 2 + GAP, title, size=10, weight='bold')
    for y, name in rows.items():
        middle = head + (y - top + 0.5) * STEP + GAP / 2
        canvas.text(2 * GAP, middle, f'⌄  {name}', size=_TITLE, weight='bold')
    column = (WIDTH - 2 * GAP) / 24
    for panel, found in panels:
        x, y, w, h = panel.place
        box = (
            GAP + x * column + GAP / 2,
            head + (y - top) * STEP + GAP / 2,
            w * column - GAP,
            h * STEP - GAP,
        )
        canvas.box(*box)
        canvas.text(box[0] + 0.09, box[1] + 0.13, panel.title, size=_TITLE)
        inside = (box[0] + 0.09, box[1] + 0.28, box[2] - 0.18, box[3] - 0.34)
        _DRAW[panel.kind](canvas, inside, panel, found)
    figure.savefig(path, facecolor=_BACKGROUND)
    shrink(path)


def shrink(path: Path) -> None:
    """Make a PNG smaller: its most frequent colors, and all that have a meaning, must do."""
    with Image.open(path) as image:
        colored = image.convert('RGB')
    counted = colored.getcolors(colored.width * colored.height) or []
    frequent = [c for _, c in sorted(counted, reverse=True) if isinstance(c, tuple)]
    meant = [ImageColor.getrgb(color) for color in (*_PALETTE, *_NAMED.values())]
    chosen = [*dict.fromkeys([*meant, *frequent])][:COLORS]
    palette = Image.new('P', (1, 1))
    palette.putpalette([part for color in chosen for part in color])
    colored.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)


_Box = tuple[float, float, float, float]
"""Left, top, width and height, in inches from the left and the top of the picture."""


class _Canvas:
    """A picture on which places are in inches from its left and its top."""

    def __init__(self, figure: figures.Figure, height: float) -> None:
        self._figure = figure
        self._height = height

    def text(self, x: float, y: float, text: str, size: float = _NORMAL, **how: Any) -> None:
        how = {'color': _TEXT, 'va': 'center', **how}
        place = (x / WIDTH, 1 - y / self._height)
        self._figure.text(*place, text.replace('$', r'\$'), fontsize=size, **how)

    def box(self, x: float, y: float, w: float, h: float) -> None:
        place = (x / WIDTH, 1 - (y + h) / self._height)
        size = (w / WIDTH, h / self._height)
        self._figure.patches.append(
            patches.Rectangle(
                place,
                *size,
                transform=self._figure.transFigure,
                figure=self._figure,
                facecolor=_PANEL,
                edgecolor=_BORDER,
                zorder=-1,
                linewidth=0.5,
            )
        )

    def axes(self, x: float, y: float, w: float, h: float) -> Axes:
        place = (x / WIDTH, 1 - (y + h) / self._height, w / WIDTH, h / self._height)
        axes = self._figure.add_axes(place, facecolor='none')
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(colors=_DIM, labelsize=_SMALL, length=0, pad=2)
        axes.grid(color=_GRID, linewidth=0.4)
        axes.set_axisbelow(True)
        return axes


def _stat(canvas: _Canvas, box: _Box, panel: grafana.Panel, found: Found) -> None:
    x, y, w, h = box
    value = found.value or 0.0
    color = [_NAMED[name] for limit, name in panel.thresholds if limit is None or value >= limit]
    if found.curves:
        axes = canvas.axes(x - 0.09, y + h * 0.5, w + 0.18, h * 0.5 + 0.06)
        axes.axis('off')
        moments, values = zip(*found.curves[0].points, strict=True)
        axes.fill_between(moments, values, color=color[-1], alpha=0.16, linewidth=0)
        axes.plot(moments, values, color=color[-1], linewidth=0.8)
        axes.margins(x=0)
        axes.set_ylim(0, max(values) * 1.15 or 1)
    text = 'no data' if found.value is None else text_of(value, panel.unit)
    canvas.text(x + w / 2, y + h * 0.36, text, size=15, color=color[-1], ha='center')


def _series(canvas: _Canvas, box: _Box, panel: grafana.Panel, found: Found) -> None:
    x, y, w, h = box
    curves = sorted(found.curves, key=lambda curve: curve.name)
    below = _legend(canvas, (x, y, w, h), curves, panel.unit)
    axes = canvas.axes(x + 0.5, y, w - 0.58, h - below - 0.16)
    custom = panel.json['fieldConfig']['defaults']['custom']
    stacked = custom['stacking']['mode'] == 'normal'
    moments = sorted({moment for curve in curves for moment, _ in curve.points})
    times = [_day(moment) for moment in moments]
    base = [0.0] * len(moments)
    for number, curve in enumerate(curves):
        color = _PALETTE[number % len(_PALETTE)]
        known = dict(curve.points)
        values = [known.get(moment, 0.0 if stacked else float('nan')) for moment in moments]
        tops = [a + b for a, b in zip(base, values, strict=True)] if stacked else values
        if custom['drawStyle'] == 'bars':
            width = (moments[-1] - moments[0]) / len(moments) / 86400 * 0.8 if moments else 1
            axes.bar(times, values, width=width, bottom=base, color=color, alpha=0.75)
        else:
            axes.fill_between(
                times, tops, base, color=color, alpha=0.45 if stacked else 0.07, linewidth=0
            )
            axes.plot(times, tops, color=color, linewidth=1.1)
        if stacked:
            base = tops
    highest = max([*base, *(value for curve in curves for _, value in curve.points), 0.0])
    limits = [limit for limit, _ in panel.thresholds if limit is not None]
    # A threshold far above what is drawn would flatten it.
    shown = [limit for limit in limits if limit <= 3 * highest or highest == 0]
    axes.set_ylim(0, max([highest * 1.12, *(limit * 1.15 for limit in shown)]) or 1)
    for limit, name in panel.thresholds:
        if limit in shown:
            axes.axhline(limit, color=_NAMED[name], linewidth=0.8, linestyle=(0, (4, 3)))
    _label(axes, panel.unit)


def _timeline(canvas: _Canvas, box: _Box, _: grafana.Panel, found: Found) -> None:
    x, y, w, h = box
    curves = sorted(found.curves, key=lambda curve: curve.name, reverse=True)
    left = 0.1 + 0.062 * max((len(curve.name) for curve in curves), default=0)
    axes = canvas.axes(x + left, y, w - left - 0.08, h - 0.16)
    axes.grid(visible=False)
    for number, curve in enumerate(curves):
        for (start, value), after in zip(curve.points, curve.points[1:], strict=False):
            color = _NAMED['green' if value else 'red']
            width = _day(after[0]) - _day(start)
            axes.barh(
                number, width, left=_day(start), height=0.72, color=color, alpha=0.8, linewidth=0
            )
        first = _day(curve.points[0][0])
        text = ' up' if curve.last else ' down'
        axes.text(first, number, text, va='center', fontsize=_SMALL, color='#0b2a12')
    axes.set_yticks(range(len(curves)), [curve.name for curve in curves])
    axes.set_ylim(-0.6, len(curves) - 0.4)
    _clock(axes)


def _heatmap(canvas: _Canvas, box: _Box, panel: grafana.Panel, found: Found) -> None:
    x, y, w, h = box
    axes = canvas.axes(x + 0.5, y, w - 0.58, h - 0.16)
    axes.grid(visible=False)
    buckets = sorted(found.curves, key=lambda curve: float(curve.name))
    moments = sorted({moment for curve in buckets for moment, _ in curve.points})
    times = [_day(moment) for moment in moments]
    cells: list[list[float]] = []
    below = [0.0] * len(moments)
    for curve in buckets:
        known = dict(curve.points)
        values = [known.get(moment, 0.0) for moment in moments]
        # Buckets of a histogram contain those below.
        inside = [max(0.0, a - b) for a, b in zip(values, below, strict=True)]
        cells.append([count**0.5 or float('nan') for count in inside])
        below = values
    used = [number for number, row in enumerate(cells) if any(map(math.isfinite, row))]
    first, last = (used[0], used[-1] + 1) if used else (0, len(cells))
    rows = range(first, last)
    axes.pcolormesh(
        times, [*rows], [cells[row] for row in rows], cmap='inferno', shading='nearest'
    )
    names = ['∞' if b.name == '+Inf' else text_of(float(b.name), panel.unit) for b in buckets]
    axes.set_yticks([*rows], [f'≤ {names[row]}' for row in rows])
    _clock(axes)


def _table(canvas: _Canvas, box: _Box, _: grafana.Panel, found: Found) -> None:
    x, y, w, h = box
    texts = [
        [
            text_of(cell, unit) if isinstance(cell, float) else str(cell)
            for cell, (_, unit) in zip(row, found.columns, strict=True)
        ]
        for row in found.rows
    ]
    titles = [title for title, _ in found.columns]
    lengths = [
        min(34, max(len(title), *(len(row[number]) for row in texts)))
        for number, title in enumerate(titles)
    ]
    total = sum(lengths) + 2 * len(lengths)
    step = 0.185
    for number, length in enumerate(lengths):
        left = x + w * (sum(lengths[:number]) + 2 * number) / total
        canvas.text(left, y + step / 2, titles[number], color=_DIM, size=_NORMAL, weight='bold')
        for line, row in enumerate(texts[: int(h / step) - 1]):
            link = titles[number] == 'Trace' and row[number]
            text = textwrap.shorten(row[number], length + 1, placeholder='…')
            color = '#6e9fff' if link else _TEXT
            canvas.text(left, y + step * (line + 1.5), text, color=color, size=_SMALL)


def _logs(canvas: _Canvas, box: _Box, _: grafana.Panel, found: Found) -> None:
    x, y, w, h = box
    step = 0.165
    room = int(w / 0.0545)
    for line, (moment, text) in enumerate(found.rows[: int(h / step)]):
        middle = y + step * (line + 0.5)
        canvas.text(x, middle, '▍', size=_SMALL, color='#5794f2')
        full = f'{moment}  {" ".join(str(text).split())}'
        cut = full if len(full) <= room else f'{full[: room - 1]}…'
        canvas.text(x + 0.09, middle, cut, size=_SMALL - 0.4, family='monospace')


def _legend(canvas: _Canvas, box: _Box, curves: Sequence[Curve], unit: str) -> float:
    """Write the legend at the bottom of a box; return its height."""
    x, y, w, h = box
    step, most = 0.145, 5
    columns = 1 if len(curves) <= most else 2
    lines = min(most, -(-len(curves) // columns))
    for number, curve in enumerate(curves[: columns * lines]):
        column, line = divmod(number, lines)
        left = x + column * w / columns
        middle = y + h - step * (lines - line) + step / 2
        color = _PALETTE[number % len(_PALETTE)]
        canvas.text(left, middle, '▬', color=color, size=_SMALL)
        room = int(w / columns / 0.052) - len(text_of(curve.last, unit)) - 4
        name = curve.name if len(curve.name) <= room else f'{curve.name[: room - 1]}…'
        canvas.text(left + 0.13, middle, name, size=_SMALL)
        right = left + w / columns - (0.08 if columns > 1 else 0)
        canvas.text(right, middle, text_of(curve.last, unit), size=_SMALL, color=_DIM, ha='right')
    return step * lines + 0.1


def _label(axes: Axes, unit: str) -> None:
    """Write the values and the times at the axes."""
    axes.yaxis.set_major_locator(ticker.MaxNLocator(4))
    axes.yaxis.set_major_formatter(lambda value, _: text_of(value, unit))
    _clock(axes)


def _day(moment: float) -> float:
    """A time in seconds since the epoch as the days since then, in which matplotlib counts."""
    return moment / 86400


def _clock(axes: Axes) -> None:
    axes.margins(x=0)
    first, last = axes.get_xlim()  # in days
    every = max(1, round((last - first) * 24 * 60 / 5))
    axes.xaxis.set_major_locator(dates.MinuteLocator(interval=every))
    axes.xaxis.set_major_formatter(dates.DateFormatter('%H:%M'))


_DRAW = {
    'stat': _stat,
    'timeseries': _series,
    'state-timeline': _timeline,
    'heatmap': _heatmap,
    'table': _table,
    'logs': _logs,
}
