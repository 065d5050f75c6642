"""The state that Juju keeps for a charm."""

from typing import Any

from localjuju.model.hookcontext import HookContext
from localjuju.model.toolargs import (
    Arguments,
    ToolError,
    parse_mapping,
)
from localjuju.model.tools.table import tool


@tool('state-get', options='format', switches='strict')
def _state_get(context: HookContext, arguments: Arguments) -> Any:
    state = {**context.unit.state, **context.state}
    state = {k: v for k, v in state.items() if v is not None}
    key = arguments.optional(0)
    if key in ('', '-'):
        return state
    if arguments.switch('strict') and key not in state:
        raise ToolError(f'"{key}" not found')
    return state.get(key)


@tool('state-set', options='file')
def _state_set(context: HookContext, arguments: Arguments) -> None:
    values = parse_mapping(arguments.file()) if arguments.text('file') else {}
    context.state.update({**values, **arguments.pairs()})


@tool('state-delete')
def _state_delete(context: HookContext, arguments: Arguments) -> None:
    context.state[arguments.required(0, 'missing required key')] = None
