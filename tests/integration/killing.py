"""Killing workloads for good, as no command of Juju does."""

import contextlib
from collections.abc import Iterator

from model import Model

PEBBLE = '/charm/bin/pebble'
PODINFO = '/home/app/podinfo'


@contextlib.contextmanager
def killed(model: Model, *workers: str) -> Iterator[None]:
    """Kill the workload of some units for good: Pebble finds no program to restart."""
    try:
        for unit in workers:
            model.run(unit, f'mv {PODINFO} {PODINFO}.away && {PEBBLE} signal KILL podinfo')
        yield
    finally:
        for unit in workers:
            model.run(unit, f'[ ! -e {PODINFO}.away ] || mv {PODINFO}.away {PODINFO}')
            model.run(unit, PEBBLE, 'start', 'podinfo')
