"""The hook tools: one function per tool over the context of one running hook.

A `HookContext` buffers what a hook writes: databags, ports, secrets, state. The hook reads its
own writes; everyone else sees them only after `flush`, which the controller calls when the hook
exited with 0. Statuses, logs, the workload version and action results take effect at once.

Words and exit codes are Juju's, because charms match them: ``ERROR `` and the reason on stderr;
1 when the tool fails, 2 when its arguments are wrong.
"""

import collections
import dataclasses
import datetime
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from localjuju import secrettools
from localjuju.model import (
    Application,
    Databag,
    Event,
    Life,
    Model,
    Relation,
    Seen,
    Status,
    Unit,
    app_of,
    by_number,
)
from localjuju.toolargs import Arguments, Flags, ToolError, UsageError, parse_mapping, render

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


class HookContext:
    """What one dispatch may see and do.

    Args:
        model: the model; the caller holds its lock during `call` and `flush`.
        unit: whose hook it is.
        event: what runs.
        identity: the value of JUJU_CONTEXT_ID.
        log: takes level and message of each juju-log.
    """

    def __init__(
        self,
        model: Model,
        unit: Unit,
        event: Event,
        identity: str,
        log: Callable[[str, str], None],
    ):
        self.model = model
        self.unit = unit
        self.event = event
        self.identity = identity
        self.log = log
        #: Gives the path, in the charm's container, of a resource.
        self.resource_path: Callable[[str], str] = '/resources/{}'.format
        #: How often each tool was called.
        self.calls: collections.Counter[str] = collections.Counter()
        self.app: Application = model.application(unit.app)
        self.fingerprint = self.app.fingerprint(unit)
        self.writes: dict[tuple[int, str], Databag] = {}
        self.ports: dict[tuple[str, str], bool] = {}
        self.state: dict[str, str | None] = {}
        self.secrets = secrettools.Changes()
        self._app_settings: dict[int, Databag] = {}

    @property
    def leads(self) -> bool:
        """Whether the unit is the leader at this moment."""
        return self.app.leader == self.unit.name

    def call(
        self,
        tool: str,
        argv: Sequence[str],
        stdin: str = '',
        files: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a hook tool.

        Args:
            tool: its name.
            argv: its arguments, without the name.
            stdin: what it reads for ``--file -``.
            files: the content of each other file that its arguments name.
        """
        self.calls[tool] += 1
        if tool not in _TOOLS:
            return Result(1, stderr=f'ERROR {tool} is not supported by the local Juju\n')
        function, flags = _TOOLS[tool]
        try:
            arguments = Arguments.parse(argv, flags, stdin, files or {})
            output = function(self, arguments)
        except UsageError as e:
            return Result(2, stderr=f'ERROR {e}\n')
        except ToolError as e:
            return Result(1, stderr=f'ERROR {e}\n')
        if output is None and not (arguments.formatted and tool not in _DEPRECATED_FORMAT):
            return Result(0)
        if isinstance(output, str) and not arguments.formatted:
            return Result(0, output + '\n')
        return Result(0, render(output, arguments.text('format')))

    def flush(self, now: float) -> bool:
        """Make what the hook wrote visible; to be called only when it exited with 0.

        Returns:
            Whether anything changed that other units can see.
        """
        changed = False
        for (number, owner), values in self.writes.items():
            relation = self.model.relations.get(number)
            if relation is None or not relation.write(owner, values):
                continue
            changed = True
            # A change is news to the others only.
            if owner == self.app.name and relation.is_peer and number in self.unit.seen:
                self.unit.seen[number].applications[owner] = relation.versions[owner]
        for port, is_open in self.ports.items():
            (self.unit.ports.add if is_open else self.unit.ports.discard)(port)
        for key, value in self.state.items():
            if value is None:
                self.unit.state.pop(key, None)
            else:
                self.unit.state[key] = value
        return self.secrets.flush(self, now) or changed or bool(self.ports)

    # What the tools share

    def relation(self, arguments: Arguments) -> tuple[Relation, Seen]:
        """The relation that ``-r`` or the event names."""
        reference = arguments.text('r') or arguments.text('relation')
        number = self.event.relation
        if reference:
            name, _, digits = reference.rpartition(':')
            if not digits.isdigit():
                raise UsageError(f'invalid value "{reference}" for option -r: invalid relation id')
            number = int(digits)
            known = self.model.relations.get(number)
            if (
                known is None
                or number not in self.unit.seen
                or (name and known.end(self.app.name).endpoint.name != name)
            ):
                raise UsageError(f'invalid value "{reference}" for option -r: relation not found')
        if number is None:
            raise UsageError('no relation id specified')
        if number not in self.model.relations or number not in self.unit.seen:
            raise ToolError('relation not found')
        return self.model.relations[number], self.unit.seen[number]

    def members(self, relation: Relation, seen: Seen) -> set[str]:
        """The remote units that the hook is to see in a relation."""
        members = set(seen.members)
        if self.event.relation == relation.id and self.event.remote_unit:
            if self.event.kind == 'relation-departed':
                members.discard(self.event.remote_unit)
            else:
                members.add(self.event.remote_unit)
        return members

    def own(self, relation: Relation, owner: str) -> Databag:
        """The unit's or its application's databag with the writes of this hook."""
        bag = {**relation.data.get(owner, {}), **self.writes.get((relation.id, owner), {})}
        return {k: v for k, v in bag.items() if v != ''}

    def settings(self, relation: Relation, seen: Seen, name: str, *, app: bool) -> Databag:
        """A databag of a relation, as far as the unit may read it."""
        remote = relation.remote(self.app.name).app
        if app:
            name = app_of(name)
            if name == self.app.name and self.leads:
                return self.own(relation, name)
            if name != remote:
                raise ToolError('permission denied (unauthorized access)')
            return self._app_settings.setdefault(relation.id, dict(relation.data.get(name, {})))
        if '/' not in name:
            raise ToolError(f'expected unit name, got application name "{name}"')
        if name == self.unit.name:
            return self.own(relation, name)
        if app_of(name) != remote:
            raise ToolError('permission denied (unauthorized access)')
        if name not in relation.data:
            raise ToolError(
                f'cannot read settings for unit "{name}" in relation "{relation}": '
                f'unit "{name}": settings not found'
            )
        if name in self.members(relation, seen):
            return seen.settings.setdefault(name, dict(relation.data[name]))
        return relation.data[name]

    def set_status(self, status: str, message: str, *, app: bool) -> None:
        """Set the unit's or (the leader only) its application's status, at once."""
        now = time.time()
        if app:
            if not self.leads:
                raise ToolError('setting application status: this unit is not the leader')
            self.app.status = _status(self.app.status, status, message, now)
        else:
            self.unit.status_set = True
            self.unit.workload = _status(self.unit.workload, status, message, now)


def _status(before: Status | None, current: str, message: str, now: float) -> Status:
    """A status whose ``since`` moves only when something changes."""
    if before and (before.current, before.message) == (current, message):
        return before
    return Status(current, message, now)


Tool = Callable[[HookContext, Arguments], Any]
_TOOLS: dict[str, tuple[Tool, Flags]] = {}


def _tool(name: str, *, options: str = '', switches: str = '') -> Callable[[Tool], Tool]:
    """Register a tool with its options (which take a value) and switches (which do not)."""
    flags = Flags(frozenset(options.split()), frozenset(switches.split()))

    def register(function: Tool) -> Tool:
        _TOOLS[name] = function, flags
        return function

    return register


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


def rfc3339(seconds: float) -> str:
    """A time as Go prints it."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime('%Y-%m-%dT%H:%M:%SZ')


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
