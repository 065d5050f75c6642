"""The unit and its application: config, status, network, and whatever else Juju knows of them."""

from typing import Any

from localjuju.model.hookcontext import HookContext
from localjuju.model.toolargs import (
    Arguments,
    ToolError,
    UsageError,
    rfc3339,
)
from localjuju.model.tools.table import tool
from localjuju.model.unitstate import Life, Status, Unit

_STATUSES = ('maintenance', 'blocked', 'waiting', 'active')


@tool('config-get', options='format', switches='a all')
def _config_get(context: HookContext, arguments: Arguments) -> Any:
    config = context.fingerprint['config']
    key = arguments.optional(0)
    return config.get(key) if key else config


@tool('is-leader', options='format')
def _is_leader(context: HookContext, _: Arguments) -> Any:
    return context.leads


@tool('status-get', options='format', switches='application service include-data')
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


@tool('status-set', switches='application service')
def _status_set(context: HookContext, arguments: Arguments) -> None:
    status = arguments.required(0, 'invalid args, require <status> [message]')
    if status not in _STATUSES:
        raise UsageError(f'invalid status "{status}", expected one of [{" ".join(_STATUSES)}]')
    app = arguments.switch('application') or arguments.switch('service')
    context.set_status(status, ' '.join(arguments.positional[1:]), app=app)


@tool('application-version-set')
def _application_version_set(context: HookContext, arguments: Arguments) -> None:
    context.app.workload_version = arguments.required(0, 'no version specified')


@tool('juju-log', options='log-level l format', switches='debug')
def _juju_log(context: HookContext, arguments: Arguments) -> None:
    level = arguments.text('log-level') or arguments.text('l') or 'INFO'
    level = 'DEBUG' if arguments.switch('debug') else level.upper()
    arguments.required(0, 'no message specified')
    context.log(level, ' '.join(arguments.positional))


@tool('goal-state', options='format')
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


@tool(
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


@tool('unit-get', options='format')
def _unit_get(context: HookContext, arguments: Arguments) -> Any:
    key = arguments.required(0, 'no setting specified')
    if key not in ('private-address', 'public-address'):
        raise UsageError(f'unknown setting "{key}"')
    return context.unit.address


@tool('resource-get')
def _resource_get(context: HookContext, arguments: Arguments) -> Any:
    name = arguments.required(0, 'missing required resource name')
    if name not in context.app.charm.resources:
        raise ToolError(f'could not download resource: resource "{name}" not found')
    return context.resource_path(name)


@tool('credential-get', options='format')
def _credential_get(*_: object) -> Any:
    raise ToolError('cannot access cloud credentials: not supported by the local Juju')


@tool('juju-reboot', switches='now')
def _juju_reboot(*_: object) -> Any:
    raise ToolError('juju-reboot is not supported when running units on Kubernetes')
