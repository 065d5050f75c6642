"""The table of all hook tools; each module of tools adds its own."""

from collections.abc import Callable
from typing import Any

from localjuju.model.hookcontext import HookContext
from localjuju.model.toolargs import Arguments, Flags

Tool = Callable[[HookContext, Arguments], Any]
#: By the tool's name; each with its flags.
TOOLS: dict[str, tuple[Tool, Flags]] = {}


def tool(name: str, *, options: str = '', switches: str = '') -> Callable[[Tool], Tool]:
    """Register a tool with its options (which take a value) and switches (which do not)."""
    flags = Flags(frozenset(options.split()), frozenset(switches.split()))

    def register(function: Tool) -> Tool:
        TOOLS[name] = function, flags
        return function

    return register
