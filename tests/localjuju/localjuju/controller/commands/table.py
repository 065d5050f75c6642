"""The table of all requests; each module of commands adds its own."""

from collections.abc import Callable
from typing import Any

Command = Callable[..., Any]
#: By the request's name; a command takes the controller and the request's arguments.
COMMANDS: dict[str, Command] = {}


def command(name: str) -> Callable[[Command], Command]:
    """Register a command."""

    def register(function: Command) -> Command:
        COMMANDS[name] = function
        return function

    return register
