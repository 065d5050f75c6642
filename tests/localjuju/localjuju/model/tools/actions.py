"""Actions."""

import datetime
import re
from typing import Any

from localjuju.model.hookcontext import HookContext
from localjuju.model.toolargs import (
    Arguments,
    ToolError,
    UsageError,
)
from localjuju.model.tools.table import tool

_ACTION_KEY = re.compile(r'^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$')
_RESERVED_RESULTS = ('stdout', 'stdout-encoding', 'stderr', 'stderr-encoding', 'return-code')


def _action(context: HookContext, tool: str) -> Any:
    if context.event.task is None or not context.event.task.action:
        raise ToolError(f'{tool}: not running an action')
    return context.event.task


@tool('action-get', options='format')
def _action_get(context: HookContext, arguments: Arguments) -> Any:
    value: Any = _action(context, 'action-get').params
    for key in filter(None, arguments.optional(0).split('.')):
        value = value.get(key) if isinstance(value, dict) else None
    return value


@tool('action-set')
def _action_set(context: HookContext, arguments: Arguments) -> None:
    task = _action(context, 'action-set')
    for key, value in arguments.pairs().items():
        if key in _RESERVED_RESULTS:
            raise ToolError(f'cannot set reserved action key "{key}"')
        *parents, last = key.split('.')
        if not all(_ACTION_KEY.match(part) for part in (*parents, last)):
            raise UsageError(
                f'key "{key}" must start and end with lowercase alphanumeric, '
                'and contain only lowercase alphanumeric, hyphens and periods'
            )
        target = task.results
        for parent in parents:
            if not isinstance(target.get(parent), dict):
                target[parent] = {}
            target = target[parent]
        target[last] = value


@tool('action-log')
def _action_log(context: HookContext, arguments: Arguments) -> None:
    task = _action(context, 'action-log')
    stamp = datetime.datetime.now(datetime.UTC).strftime('%Y-%m-%d %H:%M:%S +0000 UTC')
    message = ' '.join(arguments.positional)
    task.log.append(f'{stamp} {message}')


@tool('action-fail')
def _action_fail(context: HookContext, arguments: Arguments) -> None:
    task = _action(context, 'action-fail')
    task.status = 'failing'
    task.message = arguments.optional(0) or 'action failed without reason given, check action logs'
