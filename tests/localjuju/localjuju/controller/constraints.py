"""Constraints of a model: read, checked and written as Juju does, and without any effect."""

import re
from collections.abc import Iterable, Mapping

from localjuju.model.charmmeta import ModelError

_SIZES = {'': 1, 'M': 1, 'G': 2**10, 'T': 2**20, 'P': 2**30}
_ARCHES = ('amd64', 'arm64', 'ppc64el', 'riscv64', 's390x')
_ALIASES = {'cpu-cores': 'cores'}
_KINDS = {
    'allocate-public-ip': 'bool',
    'arch': 'arch',
    'container': 'text',
    'cores': 'number',
    'cpu-power': 'number',
    'image-id': 'text',
    'instance-role': 'text',
    'instance-type': 'text',
    'mem': 'size',
    'root-disk': 'size',
    'root-disk-source': 'text',
    'spaces': 'list',
    'tags': 'list',
    'virt-type': 'text',
    'zones': 'list',
}
Value = str | int | bool | list[str]


def parse(texts: Iterable[str]) -> dict[str, Value]:
    """Constraints from ``name=value`` texts; sizes in MiB. ModelError names a wrong one."""
    parsed = {}
    for text in ' '.join(texts).split():
        name, equals, value = text.partition('=')
        if not equals:
            raise ModelError(f'malformed constraint "{text}"')
        name = _ALIASES.get(name, name)
        if name not in _KINDS:
            raise ModelError(f'unknown constraint "{name}"')
        if name in parsed:
            raise ModelError(f'bad "{name}" constraint: already set')
        if value:
            parsed[name] = _value(name, value)
    return parsed


def _value(name: str, text: str) -> Value:
    match _KINDS[name]:
        case 'arch' if text not in _ARCHES:
            raise ModelError(f'bad "arch" constraint: "{text}" not recognized')
        case 'bool' if text not in ('true', 'false'):
            raise ModelError(f'bad "{name}" constraint: must be "true" or "false"')
        case 'bool':
            return text == 'true'
        case 'number' if not re.match(r'^[0-9]{1,9}$', text):
            raise ModelError(f'bad "{name}" constraint: must be a non-negative integer')
        case 'number':
            return int(text)
        case 'size':
            size = re.match(r'^([0-9]{1,9}(?:\.[0-9]{1,9})?)([MGTP]?)$', text)
            if size is None:
                raise ModelError(
                    f'bad "{name}" constraint: must be a non-negative float with optional '
                    'M/G/T/P suffix'
                )
            return round(float(size[1]) * _SIZES[size[2]])
        case 'list':
            return text.split(',')
        case _:
            return text


def render(constraints: Mapping[str, Value]) -> str:
    """Constraints as `juju model-constraints` prints them."""
    return ' '.join(f'{name}={_text(name, constraints[name])}' for name in sorted(constraints))


def _text(name: str, value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ','.join(value)
    return f'{value}M' if _KINDS[name] == 'size' else str(value)
