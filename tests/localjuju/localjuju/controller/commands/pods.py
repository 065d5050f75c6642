"""Access to the pods: running something, connecting, breaking something."""

import signal as signals
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from localjuju.controller.commands.table import command
from localjuju.controller.controller import Controller
from localjuju.model import rollout
from localjuju.model.charmmeta import ModelError
from localjuju.model.unitstate import Event, Life
from localjuju.pods.pods import JUJU_DIR

#: Hooks that `run-hook` can run: they have no parameters.
_PLAIN_HOOKS = ('update-status', 'config-changed', 'start', 'stop', 'upgrade-charm', 'install')


@command('ssh')
def _ssh(
    controller: Controller, unit: str, command: str, container: str = '', stdin: str = ''
) -> dict[str, Any]:
    with controller.changes:
        target = controller.model.unit(unit)
        containers = controller.model.application(target.app).charm.containers
    if container in ('', 'charm'):
        where = None
    elif container in containers:
        where = container
    else:
        known = ', '.join(['charm', *containers])
        raise ModelError(f'container "{container}" must be one of {known}')
    argv = ['sh', '-c', command]
    # A workload's commands start in its image's folder, those of the charm container in Juju's.
    cwd = JUJU_DIR if where is None else None
    done = controller.pods.exec(target.name, where, argv, stdin=stdin.encode('latin-1'), cwd=cwd)
    # Bytes travel as Latin-1: JSON has no bytes.
    return {
        'code': done.returncode,
        'stdout': done.stdout.decode('latin-1'),
        'stderr': done.stderr.decode('latin-1'),
    }


@command('connect')
def _connect(
    controller: Controller,  # noqa: ARG001
    host: str,
    port: int,
    timeout: float,
) -> Any:
    """Connect; the answer carries the file descriptor, or says why there is none."""
    try:
        return socket.create_connection((host, port), timeout)
    except OSError as e:
        return f'cannot connect to {host}:{port}: {e}'


@command('start-in-network')
def _start_in_network(controller: Controller, argv: Sequence[str], output: str) -> int:
    """Start a program of the host in the model's network; return a number to stop it by."""
    try:
        with Path(output).open('wb') as file:
            process = controller.pods.run_in_network(
                argv, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )
    except OSError as e:
        raise ModelError(f'cannot start {argv[0]}: {e}') from e
    with controller.changes:
        controller.programs[process.pid] = process
    return process.pid


@command('stop-in-network')
def _stop_in_network(controller: Controller, number: int, timeout: float) -> int:
    """Interrupt a program, wait at most `timeout` seconds for its end; return its exit code."""
    with controller.changes:
        process = controller.programs.pop(number)
    process.send_signal(signals.SIGINT)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


# Breaking things


@command('delete-pod')
def _delete_pod(controller: Controller, unit: str, kill: bool) -> None:
    with controller.changes:
        target = controller.model.unit(unit)
        if target.life is not Life.ALIVE:
            raise ModelError(f'cannot delete the pod of "{target.name}": it is {target.life}')
        rollout.pod_is_going(target, time.time(), killed=kill)
        controller.changes.announce()


@command('depose-leader')
def _depose_leader(controller: Controller, app: str) -> str:
    with controller.changes:
        leader = controller.model.depose(controller.model.application(app))
        controller.changes.announce()
        return leader


@command('kill-process')
def _kill_process(
    controller: Controller, unit: str, container: str, process: str, signal: int
) -> int:
    with controller.changes:
        target = controller.model.unit(unit)
    return controller.pods.kill(target.name, container, process, signal)


@command('restart-container')
def _restart_container(controller: Controller, unit: str, container: str) -> None:
    with controller.changes:
        target = controller.model.unit(unit)
    controller.pods.restart_container(target.name, container)


@command('run-hook')
def _run_hook(controller: Controller, unit: str, hook: str, later: float = 0.0) -> dict[str, Any]:
    if hook not in _PLAIN_HOOKS:
        raise ModelError(f'cannot run {hook}: not one of {", ".join(_PLAIN_HOOKS)}')
    with controller.changes:
        target = controller.model.unit(unit)
        event = Event(hook)
        target.requested.append(event)
        target.later = later
        controller.changes.announce()
        while any(waiting is event for waiting in target.requested):
            if target.failed == event:
                target.requested = [r for r in target.requested if r is not event]
                break
            controller.changes.wait(controller.changes.generation)
        target.later = 0.0
        entries = [e for e in controller.stats if (e['unit'], e['hook']) == (target.name, hook)]
        return entries[-1]
