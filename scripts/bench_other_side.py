"""Figures against PyPI's coordinated-workers, which needs no Juju here either.

Its side runs in an environment of its own; see tests/unit/other_side/real.py for what of it is
left out: the charm libraries that it wants, S3 and Kubernetes cost it nothing here.
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ops import testing

import bench_testing
import environments
import juju
from bench_figures import Figure, interleaved, paired, seconds_of
from coordinator import scene
from other_side import asking
from worker import scene as worker_scene

UNITS = (1, 10, 100)
ROUNDS = 15
_AT_ONCE = 3  # rounds of the other side for one question

# The charm libraries that coordinated-workers wants; our charm does not look at them.
_STANDINS = """
import sys, time, types
class Standin(types.ModuleType):
    __path__ = []
    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return type(name, (), {})
for name in (
    'charms.catalogue_k8s.v1.catalogue',
    'charms.data_platform_libs.v0.s3',
    'charms.grafana_k8s.v0.grafana_dashboard',
    'charms.istio_beacon_k8s.v0.service_mesh',
    'charms.loki_k8s.v1.loki_push_api',
    'charms.observability_libs.v0.kubernetes_compute_resources_patch',
    'charms.prometheus_k8s.v0.prometheus_scrape',
    'charms.tempo_coordinator_k8s.v0.tracing',
):
    parts = name.split('.')
    for end in range(1, len(parts) + 1):
        sys.modules.setdefault('.'.join(parts[:end]), Standin('.'.join(parts[:end])))
"""


def imports() -> Iterator[Figure]:
    """Importing our charm against importing that library, each in a fresh process."""
    with tempfile.TemporaryDirectory(prefix='bench-') as scratch:
        for side in 'coordinator', 'worker':
            ours = bench_testing.packed(side, Path(scratch, side))
            theirs = environments.other_side_dir() / 'bin' / 'python'

            def own(ours: bench_testing.Packed = ours) -> float:
                return _inner_seconds(ours.python, 'import charm', ours.environment)

            def other(theirs: Path = theirs, side: str = side) -> float:
                return _inner_seconds(theirs, f'from coordinated_workers import {side}', {})

            for write_bytecode in own, other:
                write_bytecode()
            values, baselines = interleaved(own, other, rounds=ROUNDS)
            yield paired(f'against.import.{side}', values, baselines, 's')


def events() -> Iterator[Figure]:
    """A relation-changed in which nothing changes, on either side of `cluster`."""
    with asking.program() as ask:
        for units in UNITS:
            yield from _coordinators(ask, units)
        yield from _workers(ask)


def _coordinators(ask: asking.Ask, units: int) -> Iterator[Figure]:
    unit, state, relation = bench_testing.deployed(units)
    others = [_described(relation)]
    for endpoint, found in ('metrics', scene.scraper()), ('logging', scene.loki()):
        others.append({**_described(found), 'endpoint': endpoint})
    others.append(_described(scene.tempo('charm-tracing')))
    others.append({'endpoint': 's3', 'app': 's3', 'units_data': {0: {}}})
    event = unit.ctx.on.relation_changed(relation, remote_unit=0)
    yield from _compared(
        f'n{units}', lambda: unit.ctx.run(event, state), lambda: _cost(ask, 'coordinator', *others)
    )


def _workers(ask: asking.Ask) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix='bench-') as scratch:
        unit = worker_scene.Worker(Path(scratch))
        relation = worker_scene.coordinator(id=21)
        config = {f'role-{name}': name == 'all' for name in ('all', 'gate', 'vault')}
        state = unit.state(relation, worker_scene.peers(), config=config)
        for _ in range(2):
            state = unit.update_status(state)
        event = unit.ctx.on.relation_changed(state.get_relation(21), remote_unit=0)
        described = _described(relation)
        yield from _compared(
            'worker',
            lambda: unit.ctx.run(event, state),
            lambda: _cost(ask, 'worker', described, roles=['all']),
        )


def _cost(ask: asking.Ask, side: str, *relations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return ask(side, *relations, rounds=_AT_ONCE, **more)


def _compared(
    name: str, run: Callable[[], object], ask: Callable[[], dict[str, Any]]
) -> Iterator[Figure]:
    """Time and hook tools of an event on both sides, which take turns."""
    run()
    values: list[float] = []
    baselines: list[float] = []
    cost: dict[str, Any] = {}
    for _ in range(ROUNDS // _AT_ONCE):
        values += [seconds_of(run) for _ in range(_AT_ONCE)]
        cost = ask()
        baselines += cost['seconds']
    yield paired(f'against.event.{name}', values, baselines, 's')
    with juju.recorded() as calls:
        run()
    for what, logs in ('hooktools', False), ('log', True):
        own, other = (
            sum((tool == 'juju-log') == logs for tool in tools)
            for tools in (calls.hook_tools(), cost['hook_tools'])
        )
        yield Figure(f'against.{what}.{name}', own, 'calls', other)


def _described(relation: testing.Relation) -> dict[str, Any]:
    """A relation as the other side's program is told of it."""
    return {
        'endpoint': relation.endpoint,
        'app': relation.remote_app_name,
        'app_data': dict(relation.remote_app_data),
        'units_data': {n: dict(data) for n, data in relation.remote_units_data.items()},
    }


def _inner_seconds(python: Path, statement: str, environment: dict[str, str]) -> float:
    """How long a statement takes in a fresh process that has imported only what stands in."""
    program = (
        f'import gc; gc.disable()\n{_STANDINS}\nstart = time.perf_counter()\n{statement}\n'
        'print(time.perf_counter() - start)'
    )
    return float(
        subprocess.run(
            [python, '-c', program], env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    )
