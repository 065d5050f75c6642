"""The tables that Juju prints for humans, from the JSON that it prints for programs."""

from collections.abc import Sequence
from typing import Any

from localjuju.common import sizes


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Columns two spaces apart, as wide as their widest cell; those in `right` align right.

    Trailing spaces are removed; each line ends with a newline.
    """
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    text = ''
    for line in lines:
        cells = [
            cell.rjust(widths[i]) if i in right else cell.ljust(widths[i])
            for i, cell in enumerate(line)
        ]
        text += '  '.join(cells).rstrip() + '\n'
    return text


def status(shown: dict[str, Any], relations: Sequence[dict[str, str]] = ()) -> str:
    """`juju status` from its JSON, with a table of relations if any are given."""
    model = shown['model']
    place = f'{model["cloud"]}/{model["region"]}'
    header = ('Model', 'Controller', 'Cloud/Region', 'Version', 'SLA', 'Timestamp')
    stamp = shown['controller']['timestamp']
    row = (model['name'], model['controller'], place, model['version'], model['sla'], stamp)
    parts = [table(header, [row])]
    applications = shown['applications']
    consumed = shown.get('application-endpoints', {})
    if not applications and not consumed:
        return parts[0]
    if consumed:
        rows = [_saas(name, saas) for name, saas in consumed.items()]
        parts.append(table(('SAAS', 'Status', 'Store', 'URL'), rows))
    header = (
        'App', 'Version', 'Status', 'Scale', 'Charm', 'Channel', 'Rev', 'Address', 'Exposed',
        'Message',
    )  # fmt: skip
    rows = [_application(name, app) for name, app in applications.items()]
    if rows:
        parts.append(table(header, rows, right=(3, 6)))
    units = [
        _unit(name, unit) for app in applications.values() for name, unit in app['units'].items()
    ]
    if units:
        header = ('Unit', 'Workload', 'Agent', 'Address', 'Ports', 'Message')
        parts.append(table(header, units))
    if offered := shown.get('offers'):
        header = ('Offer', 'Application', 'Charm', 'Rev', 'Connected', *ENDPOINT)
        rows = [row for name, offer in offered.items() for row in _offer(name, offer)]
        parts.append(table(header, rows))
    if relations:
        header = ('Integration provider', 'Requirer', 'Interface', 'Type', 'Message')
        parts.append(table(header, [tuple(relation.values()) for relation in relations]))
    return '\n'.join(parts)


#: The columns that describe an offered endpoint.
ENDPOINT = ('Endpoint', 'Interface', 'Role')


def _saas(name: str, saas: dict[str, Any]) -> tuple[str, ...]:
    store, _, url = saas['url'].partition(':')
    return name, saas['application-status']['current'], store, url


def _offer(name: str, offer: dict[str, Any]) -> list[tuple[str, ...]]:
    charm, _, revision = offer['charm'].removeprefix('local:').rpartition('-')
    connected = f'{offer["active-connected-count"]}/{offer["total-connected-count"]}'
    return once((name, offer['application'], charm, revision, connected), offer['endpoints'])


def once(head: tuple[str, ...], endpoints: dict[str, dict[str, str]]) -> list[tuple[str, ...]]:
    """A row for each endpoint, of which only the first repeats what they have in common."""
    rows = [(name, e['interface'], e['role']) for name, e in endpoints.items()]
    blank = ('',) * len(head)
    return [(*(blank if i else head), *row) for i, row in enumerate(rows)]


def _application(name: str, app: dict[str, Any]) -> tuple[str, ...]:
    status = app['application-status']
    count = len(app['units'])
    scale = str(app['scale']) if count == app['scale'] else f'{count}/{app["scale"]}'
    return (
        name,
        app.get('version', ''),
        status['current'],
        scale,
        app['charm-name'],
        app.get('charm-channel', ''),
        str(app['charm-rev']),
        app['address'],
        'yes' if app['exposed'] else 'no',
        status.get('message', ''),
    )


def _unit(name: str, unit: dict[str, Any]) -> tuple[str, ...]:
    workload, agent = unit['workload-status'], unit['juju-status']
    return (
        name + ('*' if unit.get('leader') else ''),
        workload['current'],
        agent['current'],
        unit.get('address', ''),
        ','.join(unit.get('open-ports', ())),
        workload.get('message') or _aside(agent),
    )


def _aside(agent: dict[str, Any]) -> str:
    return f'({agent["message"]})' if agent.get('message') else ''


def storage(shown: dict[str, Any], *, in_status: bool = False) -> str:
    """`juju storage` from its JSON, or (with mount points) its part of `juju status --storage`."""
    sizes_of = {f['storage']: f['size'] for f in shown['filesystems'].values()}
    rows = []
    for identity, one in shown['storage'].items():
        units = one.get('attachments', {}).get('units', {})
        # What is detached comes last.
        for unit in units or ['']:
            mount = (units[unit]['location'] if unit else '',) if in_status else ()
            size = sizes.binary(sizes_of[identity] * 2**20)
            status = one['status']
            rows.append(
                (unit, identity, one['kind'], 'kubernetes', *mount, size, status['current'],
                 status.get('message', ''))
            )  # fmt: skip
    rows.sort(key=lambda row: (not row[0], _by_number(row[0]), _by_number(row[1])))
    first, mount = ('Storage Unit', ('Mountpoint',)) if in_status else ('Unit', ())
    header = (first, 'Storage ID', 'Type', 'Pool', *mount, 'Size', 'Status', 'Message')
    return table(header, rows)


def filesystems(shown: dict[str, Any]) -> str:
    """`juju storage --filesystem` from its JSON."""
    rows = []
    for number, one in shown.items():
        attachments = one.get('attachments', {}).get('containers', {})
        for unit in attachments or ['']:
            mount = attachments[unit]['mount-point'] if unit else ''
            size, status = sizes.binary(one['size'] * 2**20), one['status']
            rows.append(
                (unit, one['storage'], number, one['provider-id'], mount, size, status['current'],
                 status.get('message', ''))
            )  # fmt: skip
    header = ('Unit', 'Storage ID', 'ID', 'Provider ID', 'Mountpoint', 'Size', 'State', 'Message')
    return table(header, rows)


def _by_number(identity: str) -> tuple[str, int]:
    name, _, number = identity.partition('/')
    return name, int(number or 0)


def tree(value: Any, indent: int = 0) -> str:
    """An action's result as `juju run` prints it: like YAML, but with bare strings."""
    text = ''
    for key, each in value.items():
        if isinstance(each, dict):
            text += f'{" " * indent}{key}:\n{tree(each, indent + 2)}'
        elif isinstance(each, str) and '\n' in each.rstrip('\n'):
            lines = ''.join(f'{" " * (indent + 2)}{line}\n' for line in each.splitlines())
            text += f'{" " * indent}{key}: |\n{lines}'
        else:
            shown = each.rstrip('\n') if isinstance(each, str) else each
            text += f'{" " * indent}{key}: {shown}\n'
    return text
