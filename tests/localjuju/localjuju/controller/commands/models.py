"""The model as a whole: its status, its config, its end."""

from collections.abc import Mapping
from typing import Any

import yaml

from localjuju.controller import constraints, modelconfig, statusview, yamltext
from localjuju.controller.commands.table import command
from localjuju.controller.controller import Controller
from localjuju.controller.debuglog import LEVELS
from localjuju.model.charmmeta import ModelError

# Status


@command('status')
def _status(controller: Controller) -> dict[str, Any]:
    with controller.changes:
        return statusview.status(controller.model, controller.changes.generation)


@command('relations')
def _relations(controller: Controller) -> list[dict[str, str]]:
    with controller.changes:
        return statusview.relations(controller.model)


@command('show-unit')
def _show_unit(controller: Controller, unit: str) -> dict[str, Any]:
    with controller.changes:
        return statusview.show_unit(controller.model, controller.model.unit(unit))


@command('show-model')
def _show_model(controller: Controller) -> dict[str, Any]:
    with controller.changes:
        return statusview.show_model(controller.model)


@command('debug-log')
def _debug_log(controller: Controller, level: str = 'TRACE', **arguments: Any) -> list[Any]:
    if level not in LEVELS:
        known = ', '.join(f'"{name}"' for name in LEVELS)
        raise ModelError(f'level value "{level}" is not one of {known}')
    return list(controller.log.read(level=level, **arguments))


@command('stats')
def _stats(controller: Controller) -> dict[str, Any]:
    with controller.changes:
        return {'dispatches': list(controller.stats)}


@command('to-yaml')
def _to_yaml(controller: Controller, value: Any) -> str:  # noqa: ARG001
    """For the `juju` program, which has only the standard library."""
    return yaml.safe_dump(value, default_flow_style=False, sort_keys=False)


#: A shell's exit codes when it cannot run a program, or does not find it.
_NOT_RUN = (126, 127)


@command('hopeless')
def _hopeless(controller: Controller) -> dict[str, str]:
    """The units that will never recover from an error → the reason."""
    with controller.changes:
        found = {}
        exits = {entry['unit']: entry['exit'] for entry in controller.stats}
        for unit in controller.model.units():
            if unit.workload.current == 'error':
                found[unit.name] = unit.workload.message
            elif unit.failed and exits.get(unit.name) in _NOT_RUN:
                found[unit.name] = (
                    f'hook failed: "{unit.failed.hook}": its program or interpreter cannot be run'
                    f' (exit status {exits[unit.name]})'
                )
            elif unit.failed and unit.needs_kubernetes:
                found[unit.name] = statusview.workload_status(unit).message
            elif unit.agent.current == 'failed':
                found[unit.name] = unit.agent.message
        return found


# Model config


@command('model-config')
def _model_config(controller: Controller) -> dict[str, Any]:
    with controller.changes:
        return {
            name: {
                'Value': value,
                'Source': 'default' if value == modelconfig.DEFAULTS[name] else 'model',
            }
            for name, value in controller.config.items()
        }


@command('set-model-config')
def _set_model_config(
    controller: Controller,
    values: Mapping[str, str] | None = None,
    reset: tuple[str, ...] = (),
    file: str = '',
) -> None:
    filed = {name: str(value) for name, value in yamltext.mapping(file, 'model config').items()}
    defaults = {name: modelconfig.DEFAULTS.get(name, '') for name in reset}
    values = {**defaults, **filed, **(values or {})}
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


# Constraints


@command('model-constraints')
def _model_constraints(controller: Controller) -> dict[str, Any]:
    """The constraints, as values and as one line of text."""
    with controller.changes:
        text = constraints.render(controller.constraints)
        return {'values': controller.constraints, 'text': text}


@command('set-model-constraints')
def _set_model_constraints(controller: Controller, texts: tuple[str, ...]) -> None:
    parsed = constraints.parse(texts)
    with controller.changes:
        controller.constraints = parsed


# The end


@command('destroy-model')
def _destroy_model(
    controller: Controller,
    force: bool = False,
    destroy_storage: bool = False,
    release_storage: bool = False,
) -> None:
    """Let all applications die. The controller ends when the last one is gone."""
    with controller.changes:
        if not destroy_storage:
            _check_storage(controller, release_storage)
        controller.model.destroying = True
        for application in list(controller.model.applications.values()):
            controller.model.destroy_application(application, destroy_storage=destroy_storage)
        if force:
            controller.ended.set()
        controller.changes.announce()


def _check_storage(controller: Controller, release: bool) -> None:
    """Refuse to destroy a model whose storage would go with it unless that was said."""
    model = controller.model
    count = len(model.storages.instances)
    if not count:
        return
    if release:
        raise ModelError(
            f'cannot destroy model "{model.name}": --release-storage is not supported locally, '
            'the storage is part of the model; use --destroy-storage'
        )
    raise ModelError(
        f'cannot destroy model "{model.name}"\n\n'
        'The model has persistent storage remaining:\n'
        f'    {count} volume(s)\n'
        f'    {count} filesystem(s)\n\n'
        'To destroy the storage, run the destroy-model\n'
        'command again with the "--destroy-storage" option.\n'
    )
