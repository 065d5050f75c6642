"""YAML that a user typed, understood as Juju does (gopkg.in/yaml.v2)."""

import json
import re
from typing import Any

import yaml

from localjuju.model.charmmeta import ModelError


class _Loader(yaml.SafeLoader):
    """Knows the booleans ``y`` and ``n`` too, but no dates and no numbers to the base 60."""


_BOOL = 'y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF'
_FLOAT = (
    r'[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?'
    r'|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)'
)
_INT = r'[-+]?(0b[01_]+|0[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)'
#: Type → its pattern, and the characters that it may start with.
_CHANGED = {
    'bool': (_BOOL, 'yYnNtTfFoO'),
    'float': (_FLOAT, '-+.0123456789'),
    'int': (_INT, '-+0123456789'),
}
_DROPPED = {f'tag:yaml.org,2002:{name}' for name in (*_CHANGED, 'timestamp')}
_Loader.yaml_implicit_resolvers = {
    first: [resolver for resolver in resolvers if resolver[0] not in _DROPPED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, (_pattern, _first) in _CHANGED.items():
    _tag = f'tag:yaml.org,2002:{_name}'
    _Loader.add_implicit_resolver(_tag, re.compile(f'^(?:{_pattern})$'), list(_first))


def _boolean(loader: _Loader, node: yaml.ScalarNode) -> bool:
    return loader.construct_scalar(node).lower() in ('y', 'yes', 'true', 'on')


_Loader.add_constructor('tag:yaml.org,2002:bool', _boolean)


def value(text: str, what: str) -> Any:
    """The value of a YAML text, which JSON could express; ModelError names `what` it was to be."""
    try:
        data = yaml.load(text, _Loader)
        _conform(data)
        json.dumps(data)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as e:
        reason = 'it nests too deep' if isinstance(e, RecursionError) else str(e)
        raise ModelError(f'cannot parse {what} as YAML: {reason}') from e
    return data


def _conform(data: Any) -> None:
    """Raise ValueError, in Juju's words, for a map that JSON cannot express."""
    if isinstance(data, dict):
        if not all(isinstance(key, str) for key in data):
            raise ValueError('map keyed with non-string value')
        for each in data.values():
            _conform(each)
    elif isinstance(data, list):
        for each in data:
            _conform(each)


def mapping(text: str, what: str) -> dict[str, Any]:
    """The mapping of a YAML text, which may be empty; ModelError if it is something else."""
    data = value(text, what)
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ModelError(f'{what} must contain a YAML map with string keys')
    return data
