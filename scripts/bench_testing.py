"""Figures that need no Juju: imports in fresh processes, events under ops.testing."""

import dataclasses
import functools
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import ops
from ops import testing

import juju
from bench_figures import Figure, compared, interleaved, paired, seconds_of
from coordinator import scene
from coordinator.source import nginx_config, nginx_pod
from coordinator.source import own_workload as workload
from localjuju.common import pythons

ROOT = Path(__file__).resolve().parent.parent
UNITS = (1, 10, 100, 1000)
JOINS = (10, 100, 300)


class NullCharm(ops.CharmBase):
    """A charm that does nothing."""


class Packed(NamedTuple):
    """A packed charm that was extracted.

    Attributes:
        python: of the release that it is packed for.
        environment: with it, that Python imports as `dispatch` lets it.
    """

    python: Path
    environment: dict[str, str]


def packed(charm: str, folder: Path) -> Packed:
    """Extract the packed coordinator or worker into a folder."""
    with zipfile.ZipFile(ROOT / 'build' / f'{charm}-k8s.charm') as archive:
        archive.extractall(folder)
    [packages] = folder.glob('venv/lib/python*/site-packages')
    python = pythons.find(packages.parent.name.removeprefix('python'))
    assert python, f'there is no {packages.parent.name} here, which {charm} is packed for'
    paths = (folder / 'lib', folder / 'src', packages)
    return Packed(python.executable, {'PYTHONPATH': os.pathsep.join(map(str, paths))})


def imports() -> Iterator[Figure]:
    """`import charm` against `import ops`, each in a fresh process, as in the packed charms."""
    with tempfile.TemporaryDirectory(prefix='bench-') as scratch:
        for charm in ('coordinator', 'worker'):
            extracted = packed(charm, Path(scratch, charm))

            def seconds(statement: str, of: Packed = extracted) -> float:
                command = [of.python, '-c', statement]
                return seconds_of(lambda: subprocess.run(command, env=of.environment, check=True))

            # Like charm.py when it is run: it looks for no garbage while it imports.
            of_charm = 'import gc; gc.disable(); import charm'
            for statement in (of_charm, 'import ops'):
                seconds(statement)  # writes the bytecode
            yield compared(
                f'import.{charm}',
                lambda seconds=seconds, of_charm=of_charm: seconds(of_charm),
                lambda seconds=seconds: seconds('import ops'),
                's',
                rounds=21,
            )


def events() -> Iterator[Figure]:
    """One relation-changed of a worker unit, with more and more units beside it."""
    runs: list[Callable[[], float]] = []
    tools: list[Figure] = []
    for units in UNITS:
        unit, state, relation = deployed(units)
        event = unit.ctx.on.relation_changed(relation, remote_unit=0)
        null = testing.Context(NullCharm, app_name=scene.APPLICATION, **scene.SPECIFICATION)
        null_event = null.on.relation_changed(relation, remote_unit=0)
        null_state = dataclasses.replace(state, stored_states=frozenset())
        for run in (
            functools.partial(unit.ctx.run, event, state),
            functools.partial(null.run, null_event, null_state),
        ):
            run()  # the first run imports
            runs.append(functools.partial(seconds_of, run))
        with juju.recorded() as calls:
            unit.ctx.run(event, state)
        first = tools[0].value if tools else None
        tools.append(Figure(f'hooktools.event.n{units}', len(calls.hook_tools()), 'calls', first))
    # All sizes take turns, since they are compared with each other.
    found = interleaved(*runs, rounds=15)
    own, nulls = found[::2], found[1::2]
    for units, values, baselines in zip(UNITS, own, nulls, strict=True):
        yield paired(f'reconcile.n{units}', values, baselines, 's')
    yield paired(f'reconcile.n{UNITS[-1]}.against_n{UNITS[0]}', own[-1], own[0], 's')
    yield from tools


def joins() -> Iterator[Figure]:
    """Hook-tool calls per worker when N workers join one after another."""
    unit, state, _ = deployed(0)
    total = 0
    first: float | None = None
    for joined in range(1, max(JOINS) + 1):
        there = scene.workers('worker', 'all', range(joined), id=11).remote_units_data
        relation = dataclasses.replace(state.get_relation(11), remote_units_data=there)
        state = scene.replaced(state, relation)
        # relation-joined comes first, and ends before ops is imported: see charm.py.
        relation = state.get_relation(11)
        assert isinstance(relation, testing.Relation)
        with juju.recorded() as calls:
            changed = unit.ctx.on.relation_changed(relation, remote_unit=joined - 1)
            state = unit.ctx.run(changed, state)
        total += len(calls.hook_tools())
        if joined in JOINS:
            yield Figure(f'join.n{joined}', total / joined, 'calls', first)
            first = first or total / joined


def sizes() -> Iterator[Figure]:
    """The sizes that a thousand workers cause."""
    _, state, _ = deployed(1000)
    published = next(r for r in state.relations if r.endpoint == 'metrics-endpoint')
    assert isinstance(published, testing.Relation)
    data = sum(len(key) + len(value) for key, value in published.local_app_data.items())
    yield Figure('databag.n1000', data, 'bytes')
    yield Figure('nginx.conf.n1000', len(nginx_conf(1000)), 'bytes')


def nginx_conf(workers: int, resolver: str = '127.0.0.1') -> str:
    """nginx.conf with this many workers of both roles."""
    hosts = [scene.host(f'worker/{number}') for number in range(workers)]
    return nginx_config.config(
        {'frontend': hosts, 'backend': hosts},
        workload=workload.WORKLOAD,
        pod=nginx_pod.Pod((resolver,), ipv6=False),
        log_level='info',
    )


def deployed(units: int) -> tuple[scene.Coordinator, testing.State, testing.Relation]:
    """A leader that has settled with this many workers, a scraper, a log store and Tempo."""
    unit = scene.Coordinator(Path(tempfile.mkdtemp(prefix='bench-')))
    relation = scene.workers('worker', 'all', range(units), id=11)
    state = unit.state(
        relation,
        scene.scraper(id=14),
        scene.loki(id=15),
        scene.tempo('charm-tracing', id=17),
        scene.peers(id=19),
    )
    for _ in range(2):  # the second reads back what the first wrote
        state = unit.ctx.run(unit.ctx.on.config_changed(), state)
    settled = state.get_relation(11)
    assert isinstance(settled, testing.Relation)
    return unit, state, settled
