"""What can be asked of a running model: one function per request of `client.Model`.

Arguments and results are JSON values. Refusals are raised as ModelError, with Juju's words where
Juju has any.
"""

import dataclasses
import signal as signals
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from localjuju import charmfile, modelconfig, secretcommands, statusview, uniter
from localjuju.charmmeta import Charm, ModelError, action_params, parse_settings
from localjuju.model import Application
from localjuju.unitstate import Event, Life, Task, Unit

if TYPE_CHECKING:
    from localjuju.controller import Controller

Command = Callable[..., Any]
_COMMANDS: dict[str, Command] = {}

#: Hooks that `run-hook` can run: they have no parameters.
_PLAIN_HOOKS = ('update-status', 'config-changed', 'start', 'stop', 'upgrade-charm', 'install')


def _command(name: str) -> Callable[[Command], Command]:
    def register(function: Command) -> Command:
        _COMMANDS[name] = function
        return function

    return register


def run(controller: 'Controller', command: str, arguments: Mapping[str, Any]) -> Any:
    """Do what a request asks for. Raises ModelError when that cannot be done."""
    function = _COMMANDS.get(command) or secretcommands.COMMANDS.get(command)
    if function is None:
        raise ModelError(f'the controller does not know the request "{command}"')
    return function(controller, **arguments)


# Applications


@_command('deploy')
def _deploy(
    controller: 'Controller',
    path: str,
    app: str = '',
    units: int = 1,
    config: Mapping[str, str] | None = None,
    config_file: str = '',
    resources: Mapping[str, str] | None = None,
    trust: bool = False,
    base: str = '',
) -> str:
    charm = _charm(controller, Path(path))
    if base and base != '@'.join(charm.base):
        raise ModelError(f'base "{base}" is not the charm\'s, which is {"@".join(charm.base)}')
    name = app or charm.name
    settings = parse_settings(charm, {**_config_file(config_file, name), **(config or {})})
    images = _images(controller, charm, resources or {}, {})
    with controller.changes:
        if controller.model.destroying:
            raise ModelError(f'model "{controller.model.name}" is being destroyed')
        if name in controller.model.applications:
            raise ModelError(
                f'deploying application "{name}": application already exists: deploy the '
                'application with another name, or use "juju refresh"'
            )
    address = controller.address_of_service(name)
    with controller.changes:
        added = controller.model.add_application(
            name, charm, scale=units, settings=settings, images=images, trust=trust
        )
        added.address = address
        added.since = time.time()
        controller.arrived(name)
        controller.changes.announce()
    return name


def _charm(controller: 'Controller', path: Path) -> Charm:
    """A charm file, read and unpacked."""
    charm = charmfile.read(path)
    return dataclasses.replace(charm, source=str(controller.unpacked(path)))


def _config_file(text: str, app: str) -> dict[str, str]:
    """The settings of an application in the text of a ``--config`` YAML file."""
    try:
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as e:
        raise ModelError(f'cannot parse config: {e}') from e
    if isinstance(data.get(app), dict):
        data = data[app]
    return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in data.items()}


def _images(
    controller: 'Controller', charm: Charm, given: Mapping[str, str], before: Mapping[str, str]
) -> dict[str, str]:
    """The image of each resource: the given one, or the former, or the upstream source."""
    if unknown := sorted(set(given) - set(charm.resources)):
        raise ModelError(f'unrecognized resource "{unknown[0]}"')
    images = {}
    for name, upstream in charm.resources.items():
        image = given.get(name) or before.get(name) or upstream
        if not image:
            raise ModelError(
                f'local charm missing OCI images for: {name}: it has no upstream-source, '
                f'give --resource {name}=<image>'
            )
        controller.find_image(image)
        images[name] = image
    return images


@_command('refresh')
def _refresh(
    controller: 'Controller',
    app: str,
    path: str = '',
    config: Mapping[str, str] | None = None,
    resources: Mapping[str, str] | None = None,
    trust: bool = False,
) -> None:
    with controller.changes:
        application = controller.model.application(app)
    charm = _charm(controller, Path(path)) if path else application.charm
    if charm.name != application.charm.name:
        raise ModelError(
            f'cannot upgrade "{application.charm.name}" to "{charm.name}": names differ'
        )
    settings = parse_settings(charm, config or {})
    images = _images(controller, charm, resources or {}, application.images)
    with controller.changes:
        controller.model.refresh(application, charm)
        application.settings.update(settings)
        application.images = images
        application.trust = application.trust or trust
        controller.changes.announce()


@_command('scale')
def _scale(
    controller: 'Controller', app: str, to: int | None = None, by: int = 0
) -> dict[str, int]:
    with controller.changes:
        application = controller.model.application(app)
        before = application.scale
        controller.model.set_scale(application, before + by if to is None else to)
        controller.changes.announce()
        return {'before': before, 'after': application.scale}


@_command('remove-application')
def _remove_application(controller: 'Controller', app: str, force: bool = False) -> None:
    with controller.changes:
        application = controller.model.application(app)
        controller.model.destroy_application(application)
        if force:
            _force(controller, application)
        controller.changes.announce()


def _force(controller: 'Controller', application: Application) -> None:
    for unit in application.units.values():
        if unit.name in controller.runners:
            controller.runners[unit.name].force()


@_command('config')
def _config(
    controller: 'Controller',
    app: str,
    values: Mapping[str, str] | None = None,
    reset: tuple[str, ...] = (),
    file: str = '',
) -> dict[str, Any]:
    with controller.changes:
        application = controller.model.application(app)
        charm = application.charm
        for name in reset:
            if name not in charm.options:
                raise ModelError(f'unknown option "{name}"')
        texts = {**_config_file(file, app), **(values or {})}
        settings = parse_settings(charm, texts)
        application.settings.update(settings)
        for name in set(reset) - set(settings):
            application.settings.pop(name, None)
        controller.changes.announce()
        return statusview.config(application)


@_command('trust')
def _trust(controller: 'Controller', app: str, trust: bool) -> None:
    with controller.changes:
        controller.model.application(app).trust = trust
        controller.changes.announce()


# Relations


@_command('integrate')
def _integrate(controller: 'Controller', one: str, other: str) -> None:
    with controller.changes:
        controller.model.integrate(one, other)
        controller.changes.announce()


@_command('remove-relation')
def _remove_relation(controller: 'Controller', one: str, other: str = '') -> None:
    with controller.changes:
        model = controller.model
        if other:
            relation = model.find_relation(one, other)
        elif one.isdigit() and int(one) in model.relations:
            relation = model.relations[int(one)]
        else:
            raise ModelError(f'relation "{one}" not found')
        if relation.is_peer:
            raise ModelError(f'cannot destroy relation "{relation}": is a peer relation')
        model.destroy_relation(relation)
        controller.changes.announce()


# Looking


@_command('status')
def _status(controller: 'Controller') -> dict[str, Any]:
    with controller.changes:
        return statusview.status(controller.model, controller.changes.generation)


@_command('relations')
def _relations(controller: 'Controller') -> list[dict[str, str]]:
    with controller.changes:
        return statusview.relations(controller.model)


@_command('show-unit')
def _show_unit(controller: 'Controller', unit: str) -> dict[str, Any]:
    with controller.changes:
        return statusview.show_unit(controller.model, controller.model.unit(unit))


@_command('show-model')
def _show_model(controller: 'Controller') -> dict[str, Any]:
    with controller.changes:
        return statusview.show_model(controller.model)


@_command('debug-log')
def _debug_log(controller: 'Controller', **arguments: Any) -> list[Any]:
    return list(controller.log.read(**arguments))


@_command('stats')
def _stats(controller: 'Controller') -> dict[str, Any]:
    with controller.changes:
        return {'dispatches': list(controller.stats)}


@_command('to-yaml')
def _to_yaml(controller: 'Controller', value: Any) -> str:  # noqa: ARG001
    """For the `juju` program, which has only the standard library."""
    return yaml.safe_dump(value, default_flow_style=False, sort_keys=False)


# Model config


@_command('model-config')
def _model_config(controller: 'Controller') -> dict[str, Any]:
    with controller.changes:
        return {
            name: {
                'Value': value,
                'Source': 'default' if value == modelconfig.DEFAULTS[name] else 'model',
            }
            for name, value in controller.config.items()
        }


@_command('set-model-config')
def _set_model_config(
    controller: 'Controller',
    values: Mapping[str, str] | None = None,
    reset: tuple[str, ...] = (),
) -> None:
    values = {**{name: modelconfig.DEFAULTS.get(name, '') for name in reset}, **(values or {})}
    for name in values:
        if name not in modelconfig.DEFAULTS:
            known = ', '.join(modelconfig.DEFAULTS)
            raise ModelError(f'model config "{name}" is not supported locally (only {known})')
    with controller.changes:
        if text := values.get('logging-config'):
            controller.log.threshold = modelconfig.logging_level(text)
        if text := values.get('update-status-hook-interval'):
            controller.set_update_status_interval(text)
        controller.config.update(values)


# Tasks


@_command('run')
def _run(
    controller: 'Controller', unit: str, action: str, params: Mapping[str, Any], file: str = ''
) -> dict[str, Any]:
    """Queue an action. The answer is the task's, see `task`."""
    given = {**(yaml.safe_load(file) or {}), **params}
    with controller.changes:
        target = controller.model.unit(unit)
        charm = controller.model.application(target.app).charm
        if action not in charm.actions:
            raise ModelError(f'action "{action}" not defined on unit "{target.name}"')
        task = controller.model.add_task(
            target, action, action_params(charm.actions[action], given)
        )
        return _enqueued(controller, task)


@_command('exec')
def _exec(
    controller: 'Controller', command: str, units: tuple[str, ...], timeout: float = 300.0
) -> list[dict[str, Any]]:
    """Queue a command on units. The answer is that of each task, see `task`."""
    with controller.changes:
        targets = [target for name in units for target in _targets(controller, name)]
        model = controller.model
        return [
            _enqueued(controller, model.add_task(t, command=command, timeout=timeout))
            for t in targets
        ]


def _targets(controller: 'Controller', name: str) -> list[Unit]:
    if '/' in name:
        return [controller.model.unit(name)]
    if name:
        return list(controller.model.application(name).units.values())
    return list(controller.model.units())


def _enqueued(controller: 'Controller', task: Task) -> dict[str, Any]:
    task.times['enqueued'] = time.time()
    controller.tasks[task.id] = task
    controller.changes.announce()
    return statusview.task(task)


@_command('task')
def _task(controller: 'Controller', id: int, wait: float) -> dict[str, Any]:
    """A task, as soon as it is finished or the time (seconds) is over."""
    deadline = time.monotonic() + wait
    with controller.changes:
        task = controller.tasks[id]
        while not task.finished and (left := deadline - time.monotonic()) > 0:
            controller.changes.wait(controller.changes.generation, left)
        return statusview.task(task)


@_command('resolved')
def _resolved(controller: 'Controller', unit: str, retry: bool) -> None:
    with controller.changes:
        target = controller.model.unit(unit)
        if target.failed is None:
            raise ModelError(f'unit "{target.name}" is not in an error state')
        uniter.retry_now(target, skip=not retry)
        controller.changes.announce()


# Into the pods


@_command('ssh')
def _ssh(
    controller: 'Controller', unit: str, command: str, container: str = '', stdin: str = ''
) -> dict[str, Any]:
    with controller.changes:
        target = controller.model.unit(unit)
        containers = controller.model.application(target.app).charm.containers
    if container in ('', 'charm'):
        where = None
    elif container in containers:
        where = container
    else:
        raise ModelError(f'container "{container}" not found in unit "{target.name}"')
    argv = ['sh', '-c', command]
    done = controller.pods.exec(target.name, where, argv, stdin=stdin.encode('latin-1'))
    # Bytes travel as Latin-1: JSON has no bytes.
    return {
        'code': done.returncode,
        'stdout': done.stdout.decode('latin-1'),
        'stderr': done.stderr.decode('latin-1'),
    }


@_command('connect')
def _connect(
    controller: 'Controller',  # noqa: ARG001
    host: str,
    port: int,
    timeout: float,
) -> Any:
    """A connection, whose file descriptor travels with the answer; or why there is none."""
    try:
        return socket.create_connection((host, port), timeout)
    except OSError as e:
        return f'cannot connect to {host}:{port}: {e}'


@_command('start-in-network')
def _start_in_network(controller: 'Controller', argv: Sequence[str], output: str) -> int:
    """Start a program of the host in the model's network; its number for `stop-in-network`."""
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


@_command('stop-in-network')
def _stop_in_network(controller: 'Controller', number: int, timeout: float) -> int:
    """Interrupt a program, wait for its end (seconds); its exit code."""
    with controller.changes:
        process = controller.programs.pop(number)
    process.send_signal(signals.SIGINT)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


# Breaking things


@_command('delete-pod')
def _delete_pod(controller: 'Controller', unit: str, kill: bool) -> None:
    with controller.changes:
        target = controller.model.unit(unit)
        if target.life is not Life.ALIVE:
            raise ModelError(f'cannot delete the pod of "{target.name}": it is {target.life}')
        uniter.pod_is_going(target, time.time(), killed=kill)
        controller.changes.announce()


@_command('depose-leader')
def _depose_leader(controller: 'Controller', app: str) -> str:
    with controller.changes:
        leader = controller.model.depose(controller.model.application(app))
        controller.changes.announce()
        return leader


@_command('kill-process')
def _kill_process(
    controller: 'Controller', unit: str, container: str, process: str, signal: int
) -> int:
    with controller.changes:
        target = controller.model.unit(unit)
    return controller.pods.kill(target.name, container, process, signal)


@_command('restart-container')
def _restart_container(controller: 'Controller', unit: str, container: str) -> None:
    with controller.changes:
        target = controller.model.unit(unit)
    controller.pods.restart_container(target.name, container)


@_command('run-hook')
def _run_hook(controller: 'Controller', unit: str, hook: str) -> dict[str, Any]:
    if hook not in _PLAIN_HOOKS:
        raise ModelError(f'cannot run {hook}: not one of {", ".join(_PLAIN_HOOKS)}')
    with controller.changes:
        target = controller.model.unit(unit)
        event = Event(hook)
        target.requested.append(event)
        controller.changes.announce()
        while any(waiting is event for waiting in target.requested):
            if target.failed == event:
                target.requested = [r for r in target.requested if r is not event]
                break
            controller.changes.wait(controller.changes.generation)
        entries = [e for e in controller.stats if (e['unit'], e['hook']) == (target.name, hook)]
        return entries[-1]


@_command('destroy-model')
def _destroy_model(controller: 'Controller', force: bool = False) -> None:
    """Let all applications die. The controller ends when the last one is gone."""
    with controller.changes:
        controller.model.destroying = True
        for application in list(controller.model.applications.values()):
            controller.model.destroy_application(application)
        if force:
            controller.ended.set()
        controller.changes.announce()
