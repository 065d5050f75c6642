"""Measure the charms, each figure against a baseline in the same run: `make bench`.

Writes build/bench.json (a list of `{"name", "value", "unit", "baseline", "ratio"}`; times in
seconds, sizes in bytes) and build/bench.png (the growth curves), prints a table, and exits 1 if
it misses a bound of `bench_figures.BOUNDS`. The machine may be noisy, so measurements that are
compared take turns, and medians count.

    make bench ARGS=[--offline]

With --offline, it measures only what needs no local Juju.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import bench_figures
from bench_figures import Figure
from terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build'


def main() -> int:
    """Measure, show the figures and check their bounds."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--offline', action='store_true', help='only what needs no local Juju')
    offline = parser.parse_args().offline
    terminal = Terminal()
    BUILD.mkdir(exist_ok=True)
    figures: list[Figure] = []

    def measure(title: str, found: Iterable[Figure]) -> None:
        with terminal.step(title):
            figures.extend(found)
        # Immediately: what follows takes minutes, and may fail.
        bench_figures.write(figures, BUILD / 'bench.json')

    import bench_other_side  # noqa: PLC0415 importing these takes a while
    import bench_testing  # noqa: PLC0415

    measure('Import the charms', bench_testing.imports())
    measure('Dispatch events of 1 to 1000 workers', bench_testing.events())
    measure('Let workers join one after another', bench_testing.joins())
    measure('Measure what is published', bench_testing.sizes())
    measure('Import coordinated-workers', bench_other_side.imports())
    measure('Dispatch events with coordinated-workers', bench_other_side.events())
    if not offline:
        import bench_live  # noqa: PLC0415

        with bench_live.deployment(terminal) as live:
            measure('Dispatch hooks with nothing to do', live.dispatches())
            measure('Reload nginx with 1000 workers', live.reloads(bench_testing.nginx_conf))
            measure('Send requests through the coordinator', live.proxy())
            measure('Send requests with TLS to the workers', live.proxy_tls())
            measure('Follow signals into their stores', live.latencies())
        measure('Run the demo', bench_live.demo())
    bench_figures.plot(figures, BUILD / 'bench.png')
    terminal.heading('Figures')
    terminal.say(bench_figures.table(figures))
    missed = [] if offline else bench_figures.missed(figures)
    for name in missed:
        terminal.say(f' ✗ {name} missed: {bench_figures.IN_THE_WAY.get(name, "no reason known")}')
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
