"""What the commands of the `juju` program share: registration, the model, output."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from localjuju.cli.commandline import Arguments, Grammar, UsageError
from localjuju.client import Model
from localjuju.common import registry

Command = Callable[[Arguments], None]
#: All commands of the program whose modules are imported.
COMMANDS: dict[str, tuple[Command, Grammar]] = {}


class TasksFailedError(Exception):
    """An action or command failed; its output is already printed."""


def command(*names: str, **grammar: Any) -> Callable[[Command], Command]:
    """Register a command by its names, with the fields of its `Grammar`."""

    def register(function: Command) -> Command:
        for name in names:
            COMMANDS[name] = function, Grammar(**grammar)
        return function

    return register


def chosen_model(arguments: Arguments) -> Model:
    """The model of ``--model``, ``JUJU_MODEL`` or `juju switch`; UsageError if there is none."""
    name = arguments.one('model') or os.environ.get('JUJU_MODEL') or registry.current()
    if not name:
        raise UsageError('no model in focus: use --model, or "juju add-model", or "juju switch"')
    return Model(name)


def show(model: Model, value: Any, form: str) -> None:
    """Print a value as json or yaml; the controller, which has PyYAML, writes the YAML."""
    if form == 'json':
        print(json.dumps(value))
    else:
        sys.stdout.write(model.request('to-yaml', value=value))


def say(text: str) -> None:
    """Print a message for a human, on stderr."""
    print(text, file=sys.stderr)
