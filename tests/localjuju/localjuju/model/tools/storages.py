"""Storage."""

from typing import Any

from localjuju.model.hookcontext import HookContext
from localjuju.model.storage import Instance
from localjuju.model.toolargs import Arguments, ToolError, UsageError
from localjuju.model.tools.table import tool


@tool('storage-list', options='format')
def _storage_list(context: HookContext, arguments: Arguments) -> Any:
    wanted = arguments.optional(0)
    instances = context.model.storages.of(context.unit.name)
    return [i.id for i in instances if wanted in ('', i.store.name)]


@tool('storage-get', options='format s')
def _storage_get(context: HookContext, arguments: Arguments) -> Any:
    identity = arguments.text('s') or context.event.storage
    if not identity:
        raise UsageError('no storage instance specified')
    instance = _instance(context, identity)
    values = {'kind': 'filesystem', 'location': instance.location}
    key = arguments.optional(0)
    if not key:
        return values
    if key not in values:
        raise ToolError(f'invalid storage attribute "{key}"')
    return values[key]


def _instance(context: HookContext, identity: str) -> Instance:
    for instance in context.model.storages.of(context.unit.name):
        if instance.id == identity:
            return instance
    raise UsageError(f'invalid value "{identity}" for option -s: storage not found')


@tool('storage-add')
def _storage_add(_: HookContext, arguments: Arguments) -> None:
    arguments.required(0, 'storage add requires a storage directive')
    raise ToolError('cannot add storage: not supported in a model on Kubernetes')
