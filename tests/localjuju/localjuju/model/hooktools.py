"""The hook tools: one function per tool over the context of one running hook.

Words and exit codes are Juju's, because charms match them: ``ERROR `` and the reason on stderr;
1 when the tool fails, 2 when its arguments are wrong.
"""

import dataclasses
import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from localjuju.model import secrettools
from localjuju.model.hookcontext import HookContext
from localjuju.model.toolargs import (
    Arguments,
    Flags,
    ToolError,
    UsageError,
    parse_mapping,
    render,
    rfc3339,
)
from localjuju.model.unitstate import Life, Status, Unit, by_number

#: Tools that print nothing but still take ``--format``.
_DEPRECATED_FORMAT = ('relation-set', 'juju-log', 'open-port', 'close-port')
_STATUSES = ('maintenance', 'blocked', 'waiting', 'active')
_ACTION_KEY = re.compile(r'^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$')
_RESERVED_RESULTS = ('stdout', 'stdout-encoding', 'stderr', 'stderr-encoding', 'return-code')
_PORTS = re.compile(r'^(?:(\d+)(?:-(\d+))?(?:/(tcp|udp))?|icmp)$')


@dataclasses.dataclass(frozen=True)
class Result:
    """What a hook tool gives its caller."""

    code: int
    stdout: str = ''
    stderr: str = ''


Tool = Callable[[HookContext, Arguments], Any]
_TOOLS: dict[str, tuple[Tool, Flags]] = {}


def _tool(name: str, *, options: str = '', switches: str = '') -> Callable[[Tool], Tool]:
    """Register a tool with its options (which take a value) and switches (which do not)."""
    flags = Flags(frozenset(options.split()), frozenset(switches.split()))

    def register(function: Tool) -> Tool:
        _TOOLS[name] = function, flags
        return function

    return register


def run(
    context: HookContext,
    tool: str,
    argv: Sequence[str],
    stdin: str = '',
    files: Mapping[str, str] | None = None,
) -> Result:
    """Run a hook tool. The caller holds the model's lock.

    Args:
        context: of the hook that calls it.
        tool: its name.
        argv: its arguments, without the name.
        stdin: what it reads for ``--file -``.
        files: the content of each other file that its arguments name.
    """
    context.calls[tool] += 1
    if tool not in _TOOLS:
        return Result(1, stderr=f'ERROR {tool} is not supported by the local Juju\n')
    function, flags = _TOOLS[tool]
    try:
        arguments = Arguments.parse(argv, flags, stdin, files or {})
        output = function(context, arguments)
        if output is None and not (arguments.formatted and tool not in _DEPRECATED_FORMAT):
            return Result(0)
        return Result(0, render(output, arguments.text('format')))
    except UsageError as e:
        return Result(2, stderr=f'ERROR {e}\n')
    except ToolError as e:
        return Result(1, stderr=f'ERROR {e}\n')


# Relations


@_tool('relation-ids', options='format')
def _relation_ids(context: HookContext, arguments: Arguments) -> Any:
    name = arguments.optional(0) or (context.event.subject if context.event.relation else '')
    if not name:
        raise UsageError('no endpoint name specified')
    known = [context.model.relations.get(number) for number in sorted(context.unit.seen)]
    app = context.app.name
    return [f'{name}:{r.id}' for r in known if r and r.end(app).endpoint.name == name]


@_tool('relation-list', options='format r relation', switches='app')
def _relation_list(context: HookContext, arguments: Arguments) -> Any:
    relation, seen = context.relation(arguments)
    if arguments.switch('app'):
        return relation.remote(context.app.name).app
    return by_number(context.members(relation, seen))


@_tool('relation-get', options='format r relation', switches='app')
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


@_tool('relation-set', options='format r relation file', switches='app')
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


@_tool('relation-model-get', options='format r relation')
def _relation_model_get(context: HookContext, arguments: Arguments) -> Any:
    context.relation(arguments)
    return {'uuid': context.model.uuid}


# The unit and its application


@_tool('config-get', options='format', switches='a all')
def _config_get(context: HookContext, arguments: Arguments) -> Any:
    config = context.fingerprint['config']
    key = arguments.optional(0)
    return config.get(key) if key else config


@_tool('is-leader', options='format')
def _is_leader(context: HookContext, _: Arguments) -> Any:
    return context.leads


@_tool('status-get', options='format', switches='application service include-data')
def _status_get(context: HookContext, arguments: Arguments) -> Any:
    if not (arguments.switch('application') or arguments.switch('service')):
        return (
            _status_data(context.unit.workload)
            if _detailed(arguments)
            else (context.unit.workload.current)
        )
    if not context.leads:
        raise ToolError('finding application status: this unit is not the leader')
    status = _status_data(context.app.status or Status('unknown'))
    status['units'] = {u.name: _status_data(u.workload) for u in context.app.units.values()}
    return {'application-status': status}


def _detailed(arguments: Arguments) -> bool:
    return arguments.switch('include-data') or arguments.formatted


def _status_data(status: Status) -> dict[str, Any]:
    return {'message': status.message, 'status': status.current, 'status-data': {}}


@_tool('status-set', switches='application service')
def _status_set(context: HookContext, arguments: Arguments) -> None:
    status = arguments.required(0, 'invalid args, require <status> [message]')
    if status not in _STATUSES:
        raise UsageError(f'invalid status "{status}", expected one of [{" ".join(_STATUSES)}]')
    app = arguments.switch('application') or arguments.switch('service')
    context.set_status(status, ' '.join(arguments.positional[1:]), app=app)


@_tool('application-version-set')
def _application_version_set(context: HookContext, arguments: Arguments) -> None:
    context.app.workload_version = arguments.required(0, 'no version specified')


@_tool('juju-log', options='log-level l format', switches='debug')
def _juju_log(context: HookContext, arguments: Arguments) -> None:
    level = arguments.text('log-level') or arguments.text('l') or 'INFO'
    level = 'DEBUG' if arguments.switch('debug') else level.upper()
    arguments.required(0, 'no message specified')
    context.log(level, ' '.join(arguments.positional))


@_tool('goal-state', options='format')
def _goal_state(context: HookContext, _: Arguments) -> Any:
    def goal(unit: Unit) -> dict[str, str]:
        status = 'dying' if unit.life is not Life.ALIVE else unit.workload.current
        return {'status': status, 'since': rfc3339(unit.workload.since)}

    units = {name: goal(unit) for name, unit in context.app.units.items()}
    relations: dict[str, dict[str, Any]] = {}
    for relation in context.model.relations_of(context.app.name):
        end = relation.remote(context.app.name)
        if relation.is_peer or end.app not in context.model.applications:
            continue
        remote = context.model.application(end.app)
        life = 'joined' if relation.life is Life.ALIVE else 'dying'
        goals = relations.setdefault(relation.end(context.app.name).endpoint.name, {})
        goals[end.app] = {'status': life, 'since': rfc3339(remote.since)}
        goals |= {name: goal(unit) for name, unit in remote.units.items()}
    return {'units': units, 'relations': relations}


@_tool(
    'network-get',
    options='format r relation',
    switches='bind-address ingress-address egress-subnets primary-address',
)
def _network_get(context: HookContext, arguments: Arguments) -> Any:
    binding = arguments.required(0, 'no arguments specified')
    if arguments.text('r') or arguments.text('relation'):
        context.relation(arguments)
    if binding not in context.app.charm.endpoints and binding != 'juju-info':
        raise ToolError(f'no network config found for binding "{binding}"')
    address = context.unit.address
    ingress = context.app.address or address
    chosen = {
        'bind-address': address,
        'primary-address': address,
        'ingress-address': ingress,
        'egress-subnets': f'{ingress}/32',
    }
    wanted = [value for name, value in chosen.items() if arguments.switch(name)]
    if wanted:
        return wanted[0]
    addresses = [{'hostname': '', 'value': address, 'cidr': ''}]
    return {
        'bind-addresses': [{'mac-address': '', 'interface-name': 'eth0', 'addresses': addresses}],
        'egress-subnets': [f'{ingress}/32'],
        'ingress-addresses': [ingress],
    }


@_tool('unit-get', options='format')
def _unit_get(context: HookContext, arguments: Arguments) -> Any:
    key = arguments.required(0, 'no setting specified')
    if key not in ('private-address', 'public-address'):
        raise UsageError(f'unknown setting "{key}"')
    return context.unit.address


@_tool('resource-get')
def _resource_get(context: HookContext, arguments: Arguments) -> Any:
    name = arguments.required(0, 'missing required resource name')
    if name not in context.app.charm.resources:
        raise ToolError(f'could not download resource: resource "{name}" not found')
    return context.resource_path(name)


@_tool('credential-get', options='format')
def _credential_get(*_: object) -> Any:
    raise ToolError('cannot access cloud credentials: not supported by the local Juju')


@_tool('juju-reboot', switches='now')
def _juju_reboot(*_: object) -> Any:
    raise ToolError('juju-reboot is not supported when running units on Kubernetes')


# Ports


def _port_range(arguments: Arguments) -> str:
    text = arguments.required(0, 'no port or range specified')
    match = _PORTS.match(text.lower())
    if match is None:
        raise UsageError(f'invalid port range "{text}"')
    if text.lower() == 'icmp':
        return 'icmp'
    first, last, protocol = int(match[1]), int(match[2] or match[1]), match[3] or 'tcp'
    if not 0 < first <= last < 65536:
        raise UsageError(f'invalid port range "{text}"')
    return f'{first}/{protocol}' if first == last else f'{first}-{last}/{protocol}'


def _set_ports(context: HookContext, arguments: Arguments, *, is_open: bool) -> None:
    ports = _port_range(arguments)
    endpoints = arguments.text('endpoints')
    for endpoint in endpoints.split(',') if endpoints else ['*']:
        if endpoint != '*' and endpoint not in context.app.charm.endpoints:
            raise ToolError(f'endpoint "{endpoint}" not found')
        context.ports[ports, endpoint] = is_open


@_tool('open-port', options='endpoints format')
def _open_port(context: HookContext, arguments: Arguments) -> None:
    _set_ports(context, arguments, is_open=True)


@_tool('close-port', options='endpoints format')
def _close_port(context: HookContext, arguments: Arguments) -> None:
    _set_ports(context, arguments, is_open=False)


@_tool('opened-ports', options='format', switches='endpoints')
def _opened_ports(context: HookContext, arguments: Arguments) -> Any:
    ranges: dict[str, list[str]] = {}
    for ports, endpoint in sorted(context.unit.ports, key=_port_order):
        ranges.setdefault(ports, []).append(endpoint)
    if arguments.switch('endpoints'):
        return [f'{ports} ({", ".join(endpoints)})' for ports, endpoints in ranges.items()]
    return list(ranges)


def _port_order(opened: tuple[str, str]) -> tuple[int, str, str]:
    digits = re.match(r'\d+', opened[0])
    return int(digits[0]) if digits else 0, *opened


# State that Juju keeps for the charm


@_tool('state-get', options='format', switches='strict')
def _state_get(context: HookContext, arguments: Arguments) -> Any:
    state = {**context.unit.state, **context.state}
    state = {k: v for k, v in state.items() if v is not None}
    key = arguments.optional(0)
    if key in ('', '-'):
        return state
    if arguments.switch('strict') and key not in state:
        raise ToolError(f'"{key}" not found')
    return state.get(key)


@_tool('state-set', options='file')
def _state_set(context: HookContext, arguments: Arguments) -> None:
    values = parse_mapping(arguments.file()) if arguments.text('file') else {}
    context.state.update({**values, **arguments.pairs()})


@_tool('state-delete')
def _state_delete(context: HookContext, arguments: Arguments) -> None:
    context.state[arguments.required(0, 'missing required key')] = None


# Storage: no charm with storage can be deployed, so that there never is any


@_tool('storage-list', options='format')
def _storage_list(*_: object) -> Any:
    return []


@_tool('storage-get', options='format s')
def _storage_get(_: HookContext, arguments: Arguments) -> Any:
    raise ToolError(f'storage "{arguments.text("s")}" not found')


@_tool('storage-add')
def _storage_add(*_: object) -> Any:
    raise ToolError('cannot add storage: not supported by the local Juju')


# Actions


def _action(context: HookContext, tool: str) -> Any:
    if context.event.task is None or not context.event.task.action:
        raise ToolError(f'{tool}: not running an action')
    return context.event.task


@_tool('action-get', options='format')
def _action_get(context: HookContext, arguments: Arguments) -> Any:
    value: Any = _action(context, 'action-get').params
    for key in filter(None, arguments.optional(0).split('.')):
        value = value.get(key) if isinstance(value, dict) else None
    return value


@_tool('action-set')
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


@_tool('action-log')
def _action_log(context: HookContext, arguments: Arguments) -> None:
    task = _action(context, 'action-log')
    stamp = datetime.datetime.now(datetime.UTC).strftime('%Y-%m-%d %H:%M:%S +0000 UTC')
    message = ' '.join(arguments.positional)
    task.log.append(f'{stamp} {message}')


@_tool('action-fail')
def _action_fail(context: HookContext, arguments: Arguments) -> None:
    task = _action(context, 'action-fail')
    task.status = 'failing'
    task.message = arguments.optional(0) or 'action failed without reason given, check action logs'


_SECRET_OPTIONS = 'label description expire rotate owner file format'
_tool('secret-add', options=_SECRET_OPTIONS)(secrettools.secret_add)
_tool('secret-set', options=_SECRET_OPTIONS)(secrettools.secret_set)
_tool('secret-get', options='format label', switches='refresh peek')(secrettools.secret_get)
_tool('secret-info-get', options='format label')(secrettools.secret_info_get)
_tool('secret-ids', options='format')(secrettools.secret_ids)
_tool('secret-grant', options='relation r unit')(secrettools.secret_grant)
_tool('secret-revoke', options='relation r unit app application')(secrettools.secret_revoke)
_tool('secret-remove', options='revision')(secrettools.secret_remove)

#: The names of all tools, for the links in a charm's container.
NAMES = tuple(sorted(_TOOLS))
