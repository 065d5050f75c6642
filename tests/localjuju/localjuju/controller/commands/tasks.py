"""Actions, commands on units, and `juju resolved`."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from localjuju.controller import actionparams, statusview
from localjuju.controller.commands.table import command
from localjuju.controller.controller import Controller
from localjuju.model import record
from localjuju.model.charmmeta import ModelError
from localjuju.model.unitstate import Task, Unit


@command('run')
def _run(
    controller: Controller,
    unit: str,
    action: str,
    params: Mapping[str, Any] | None = None,
    file: str = '',
    texts: Sequence[tuple[Sequence[str], str]] = (),
    raw: bool = False,
) -> dict[str, Any]:
    """Queue an action; the answer describes its task, like `task`.

    `texts` and `raw` are as for `actionparams.collect`; `params` have their types already.
    """
    given = {**actionparams.collect(file, texts, raw=raw), **(params or {})}
    with controller.changes:
        target = controller.model.unit(unit)
        charm = controller.model.application(target.app).charm
        if action not in charm.actions:
            raise ModelError(f'action "{action}" not defined on unit "{target.name}"')
        complete = actionparams.complete(charm.actions[action], given)
        return _enqueued(controller, controller.model.add_task(target, action, complete))


@command('exec')
def _exec(
    controller: Controller, command: str, units: tuple[str, ...], timeout: float = 300.0
) -> list[dict[str, Any]]:
    """Queue a command on units; the answer describes each task, like `task`."""
    with controller.changes:
        targets = [target for name in units for target in _targets(controller, name)]
        model = controller.model
        return [
            _enqueued(controller, model.add_task(t, command=command, timeout=timeout))
            for t in targets
        ]


def _targets(controller: Controller, name: str) -> list[Unit]:
    if '/' in name:
        return [controller.model.unit(name)]
    if name:
        return list(controller.model.application(name).units.values())
    return list(controller.model.units())


def _enqueued(controller: Controller, task: Task) -> dict[str, Any]:
    task.times['enqueued'] = time.time()
    controller.tasks[task.id] = task
    controller.changes.announce()
    return statusview.task(task)


@command('task')
def _task(controller: Controller, id: int, wait: float) -> dict[str, Any]:
    """Wait until a task has finished, at most so many seconds, and describe it."""
    deadline = time.monotonic() + wait
    with controller.changes:
        if id not in controller.tasks:
            raise ModelError(f'task "{id}" not found')
        task = controller.tasks[id]
        while not task.finished and (left := deadline - time.monotonic()) > 0:
            controller.changes.wait(controller.changes.generation, left)
        return statusview.task(task)


@command('resolved')
def _resolved(controller: Controller, unit: str, retry: bool) -> None:
    with controller.changes:
        target = controller.model.unit(unit)
        if target.failed is None:
            raise ModelError(f'unit "{target.name}" is not in an error state')
        record.retry_now(target, skip=not retry)
        controller.changes.announce()
