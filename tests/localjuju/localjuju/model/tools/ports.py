"""Opened ports."""

import re
from typing import Any

from localjuju.model.hookcontext import HookContext
from localjuju.model.toolargs import (
    Arguments,
    ToolError,
    UsageError,
)
from localjuju.model.tools.table import tool

_PORTS = re.compile(r'^(?:(\d+)(?:-(\d+))?(?:/(tcp|udp))?|icmp)$')


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


@tool('open-port', options='endpoints format')
def _open_port(context: HookContext, arguments: Arguments) -> None:
    _set_ports(context, arguments, is_open=True)


@tool('close-port', options='endpoints format')
def _close_port(context: HookContext, arguments: Arguments) -> None:
    _set_ports(context, arguments, is_open=False)


@tool('opened-ports', options='format', switches='endpoints')
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
