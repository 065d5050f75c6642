"""What the bench measures: figures, their bounds, and how both are shown."""

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measured value and, if there is one, its baseline from the same run.

    Attributes:
        name: dotted.
        value: in `unit`.
        unit: s (seconds), bytes, calls, requests/s or s/request.
        baseline: in the same unit, or None.
    """

    name: str
    value: float
    unit: str
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        """Value divided by baseline, or None without a baseline."""
        return self.value / self.baseline if self.baseline else None

    def as_dict(self) -> dict[str, str | float | None]:
        """The figure as bench.json holds it."""
        return {**dataclasses.asdict(self), 'ratio': self.ratio}


@dataclasses.dataclass(frozen=True)
class Bound:
    """A bound on the ratio of a figure: absolute times differ between machines.

    Attributes:
        limit: the worst accepted ratio.
        least: True if more is better.
    """

    limit: float
    least: bool = False

    def holds(self, figure: Figure) -> bool:
        """Whether the figure is within the bound; without a ratio it is not."""
        if figure.ratio is None:
            return False
        return figure.ratio >= self.limit if self.least else figure.ratio <= self.limit

    def __str__(self) -> str:
        return f'ratio {"≥" if self.least else "≤"} {self.limit:g}'


BOUNDS = {
    'dispatch.coordinator.noop': Bound(1.5),
    'dispatch.worker.noop': Bound(1.5),
    'import.coordinator': Bound(1.15),
    'import.worker': Bound(1.15),
    'reconcile.n1': Bound(3),
    # Against n1: unchanged databags are not read again.
    'reconcile.n1000.against_n1': Bound(4),
    # Against n1: it must not grow.
    'hooktools.event.n10': Bound(1),
    'hooktools.event.n100': Bound(1),
    'hooktools.event.n1000': Bound(1),
    # Calls for each unit that joins, against n10: the total grows linearly.
    'join.n100': Bound(1.05),
    'join.n300': Bound(1.05),
    'proxy.rps': Bound(0.95, least=True),
    'proxy.p99': Bound(1.05),
    'proxy.cpu': Bound(1.1),
    # Against plain HTTP to the workers, where all programs share two processors: TLS costs nginx
    # 18 µs and a workload 19 µs of CPU time for a request of 270 µs, none of it for handshakes.
    'proxy.tls': Bound(0.8, least=True),
}

_MORE_THAN_MINIMAL = (
    "of nginx's own instructions for a request, counted with callgrind, 3.7 % let WebSockets "
    'through, 1.6 % pass tracestate on, 0.5 % share what is known of the workers between processes'
)
IN_THE_WAY = {'proxy.rps': _MORE_THAN_MINIMAL, 'proxy.cpu': _MORE_THAN_MINIMAL}
"""Why a bound is still missed after honest work; shown below the table."""


def verdict(figure: Figure) -> str:
    """What the table says about a figure: its bound, and whether the figure is within it."""
    bound = BOUNDS.get(figure.name)
    if bound is None:
        return ''
    return f'{"✓" if bound.holds(figure) else "✗"} {bound}'


def table(figures: Iterable[Figure]) -> str:
    """All figures as an aligned table."""
    rows = [('figure', 'value', 'baseline', 'unit', 'ratio', 'bound')]
    for figure in figures:
        ratio = '' if figure.ratio is None else f'{figure.ratio:.2f}'
        baseline = '' if figure.baseline is None else _short(figure.baseline)
        rows.append(
            (figure.name, _short(figure.value), baseline, figure.unit, ratio, verdict(figure))
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return '\n'.join(f' {line}'.rstrip() for line in lines)


def missed(figures: Iterable[Figure]) -> list[str]:
    """The names of the missed bounds; a figure that was not measured misses its bound."""
    by_name = {figure.name: figure for figure in figures}
    return [
        name
        for name, bound in BOUNDS.items()
        if name not in by_name or not bound.holds(by_name[name])
    ]


def write(figures: Iterable[Figure], path: Path) -> None:
    """Write bench.json."""
    path.write_text(json.dumps([figure.as_dict() for figure in figures], indent=1) + '\n')


def plot(figures: Iterable[Figure], path: Path) -> None:
    """Draw the growth curves: figures that end in `.n<units>`, one panel per name before it."""
    import matplotlib as mpl  # noqa: PLC0415 slow, and only this function needs it

    mpl.use('Agg')
    from matplotlib import pyplot as plt  # noqa: PLC0415

    curves: dict[str, list[tuple[int, Figure]]] = {}
    for figure in figures:
        name, dot, units = figure.name.rpartition('.n')
        if dot and units.isdecimal():
            curves.setdefault(name, []).append((int(units), figure))
    curves = {name: points for name, points in curves.items() if len(points) > 1}
    _, panels = plt.subplots(1, len(curves), figsize=(5 * len(curves), 4))
    for panel, (name, points) in zip(panels, curves.items(), strict=True):
        panel.plot([n for n, _ in points], [figure.value for _, figure in points], 'o-')
        panel.set(title=name, xlabel='worker units', xscale='log', ylabel=points[0][1].unit)
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
    plt.tight_layout()
    plt.savefig(path, dpi=100)


def interleaved(*measurements: Callable[[], float], rounds: int) -> list[list[float]]:
    """The values of each measurement; they take turns, so a noisy machine affects them all.

    Every other round runs in reverse, so none is always first.
    """
    found: list[list[float]] = [[] for _ in measurements]
    turns = list(zip(measurements, found, strict=True))
    for _ in range(rounds):
        for measure, values in turns:
            values.append(measure())
        turns.reverse()
    return found


def compared(
    name: str,
    measure: Callable[[], float],
    baseline: Callable[[], float],
    unit: str,
    *,
    rounds: int,
) -> Figure:
    """A figure and its baseline, measured in turns and compared round by round."""
    found: list[list[float]] = [[], []]

    def more() -> list[Figure]:
        for values, new in zip(found, interleaved(measure, baseline, rounds=rounds), strict=True):
            values += new
        return [paired(name, found[0], found[1], unit)]

    [figure] = measured_long(more)
    return figure


def measured_long(more: Callable[[], list[Figure]]) -> list[Figure]:
    """Figures that are measured up to four times as long before they count as missed.

    The median of four times as many rounds strays half as far on a noisy machine.

    Args:
        more: measures some rounds more, and returns the figures of all rounds so far.
    """
    figures = more()
    for _ in range(3):
        if all(BOUNDS[of.name].holds(of) for of in figures if of.name in BOUNDS):
            break
        figures = more()
    return figures


def paired(name: str, values: Sequence[float], baselines: Sequence[float], unit: str) -> Figure:
    """A figure whose ratio is the median of those of runs that followed each other.

    A machine that others use is as slow for both of a pair, and another time for the next pair.
    """
    ratio = statistics.median(
        value / baseline for value, baseline in zip(values, baselines, strict=True)
    )
    value = statistics.median(values)
    return Figure(name, value, unit, value / ratio)


def seconds_of(action: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _short(number: float) -> str:
    return f'{number:,.0f}' if number >= 100 else f'{number:.4g}'
