"""Relations and their databags."""

from typing import Any

from localjuju.model.hookcontext import HookContext
from localjuju.model.toolargs import (
    Arguments,
    ToolError,
    UsageError,
    parse_mapping,
)
from localjuju.model.tools.table import tool
from localjuju.model.unitstate import by_number


@tool('relation-ids', options='format')
def _relation_ids(context: HookContext, arguments: Arguments) -> Any:
    name = arguments.optional(0) or (context.event.subject if context.event.relation else '')
    if not name:
        raise UsageError('no endpoint name specified')
    known = [context.model.relations.get(number) for number in sorted(context.unit.seen)]
    app = context.app.name
    return [f'{name}:{r.id}' for r in known if r and r.end(app).endpoint.name == name]


@tool('relation-list', options='format r relation', switches='app')
def _relation_list(context: HookContext, arguments: Arguments) -> Any:
    relation, seen = context.relation(arguments, refused=True)
    if arguments.switch('app'):
        return relation.remote(context.app.name).app
    return by_number(context.members(relation, seen))


@tool('relation-get', options='format r relation', switches='app')
def _relation_get(context: HookContext, arguments: Arguments) -> Any:
    relation, seen = context.relation(arguments)
    key = arguments.optional(0)
    name = arguments.optional(1)
    app = arguments.switch('app')
    if not name:
        name = '' if app else context.event.remote_unit
        if not name and context.event.remote_app:
            name, app = context.event.remote_app, True
    if not name:
        raise UsageError('no unit or application specified')
    bag = context.settings(relation, seen, name, app=app)
    return bag if key in ('', '-') else bag.get(key)


@tool('relation-set', options='format r relation file', switches='app')
def _relation_set(context: HookContext, arguments: Arguments) -> None:
    relation, _ = context.relation(arguments)
    owner = context.unit.name
    if arguments.switch('app'):
        if not context.leads:
            raise ToolError('cannot write relation settings')
        owner = context.app.name
    values = parse_mapping(arguments.file()) if arguments.text('file') else {}
    values |= arguments.pairs()
    context.writes.setdefault((relation.id, owner), {}).update(values)


@tool('relation-model-get', options='format r relation')
def _relation_model_get(context: HookContext, arguments: Arguments) -> Any:
    relation, _ = context.relation(arguments)
    return {'uuid': relation.across.uuid if relation.across else context.model.uuid}
