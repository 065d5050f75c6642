"""Killing workloads for good, as no command of Juju does."""

import contextlib
from collections.abc import Iterator

from deployment import WORKER
from model import Model

PEBBLE = '/charm/bin/pebble'


@contextlib.contextmanager
def killed(model: Model, *workers: str) -> Iterator[None]:
    """Kill the workload of some units for good: Pebble finds no program to restart."""
    programs = {unit: model.program(unit) for unit in workers}
    try:
        for unit in workers:
            hide = f'program=$(command -v {programs[unit]}) && mv $program $program.away'
            model.run(unit, f'{hide} && {PEBBLE} signal KILL {WORKER["name"]}')
        yield
    finally:
        for unit in workers:
            find = f'program=$(command -v {programs[unit]}.away)'
            model.run(unit, f'! {find} || mv $program ${{program%.away}}')
            model.run(unit, PEBBLE, 'start', WORKER['name'])
