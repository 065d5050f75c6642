"""The parameters of an action: from the command line and a file, checked by the JSON schema.

Juju checks them with gojsonschema, which knows draft 4; the messages are its own.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from localjuju.controller import yamltext
from localjuju.model.charmmeta import Action, ModelError


def collect(
    file: str, texts: Iterable[tuple[Sequence[str], str]], *, raw: bool = False
) -> dict[str, Any]:
    """The parameters that a user gave.

    Args:
        file: the text of the ``--params`` file.
        texts: the keys and the text of each ``key.key=value``; they win over the file.
        raw: whether the texts are strings (``--string-args``); otherwise they are YAML.

    Raises:
        ModelError: if something is no YAML, or the file holds no mapping.
    """
    params = yamltext.mapping(file, 'params')
    for keys, text in texts:
        *parents, last = keys
        target = params
        for parent in parents:
            if not isinstance(target.get(parent), dict):
                target[parent] = {}
            target = target[parent]
        target[last] = text if raw else yamltext.value(text, f'parameter {".".join(keys)}')
    return params


def complete(action: Action, given: Mapping[str, Any]) -> dict[str, Any]:
    """An action's parameters with their defaults; ModelError if they do not fit its schema.

    As in Juju, a default does not make up for a required parameter.
    """
    # Imported here: it takes longer than a whole controller, and few models run actions.
    import jsonschema  # noqa: PLC0415
    import referencing  # noqa: PLC0415

    # The registry keeps a reference in a schema from being fetched from elsewhere.
    validator = jsonschema.Draft4Validator(action.schema, registry=referencing.Registry())
    try:
        lines = {line for error in validator.iter_errors(dict(given)) for line in _lines(error)}
    except Exception as e:  # whatever becomes of a schema that is none
        raise ModelError(f'cannot use the schema of action "{action.name}": {e}') from e
    if lines:
        raise ModelError(f'validation failed: {"; ".join(sorted(lines))}')
    return _with_defaults(action.schema, given)


def _with_defaults(schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an object, with the defaults of its properties and of theirs."""
    params = dict(given)
    for name, declared in schema.get('properties', {}).items():
        if not isinstance(declared, Mapping):
            continue
        if name not in params and 'default' in declared:
            params[name] = declared['default']
        elif isinstance(params.get(name, {}), Mapping) and 'properties' in declared:
            if inner := _with_defaults(declared, params.get(name, {})):
                params[name] = inner
    return params


def _lines(error: Any) -> list[str]:
    """What Juju says of one of jsonschema's errors."""
    where = '.'.join(['(root)', *map(str, error.absolute_path)])
    given = json.dumps(error.instance, separators=(',', ':'), sort_keys=True, ensure_ascii=False)
    return [f'{where} : {text}, given {given}' for text in _texts(error)]


#: Keyword of draft 4 → Juju's words for a value that breaks it; {} stands for the keyword's value.
_WORDS = {
    'maxItems': 'array must have at the most {} items',
    'maxLength': 'string length must be lower or equal to {}',
    'maxProperties': 'must have at the most {} properties',
    'minItems': 'array must have at least {} items',
    'minLength': 'string length must be greater or equal to {}',
    'minProperties': 'must have at least {} properties',
    'multipleOf': 'must be a multiple of {}',
    'pattern': "does not match pattern '{}'",
    'allOf': 'must validate all the schemas (allOf)',
    'anyOf': 'must validate at least one schema (anyOf)',
    'oneOf': 'must validate one and only one schema (oneOf)',
    'not': 'must not validate the schema (not)',
}


def _texts(error: Any) -> list[str]:
    keyword, expected, value = error.validator, error.validator_value, error.instance
    match keyword:
        case 'type':
            types = [expected] if isinstance(expected, str) else expected
            return [f'must be of type {",".join(types)}']
        case 'required':
            missing = [name for name in expected if name not in value]
            return [f'"{name}" property is missing and required' for name in missing]
        case 'additionalProperties' if expected is False:
            known = error.schema.get('properties', {})
            patterns = error.schema.get('patternProperties', {})
            extra = [n for n in value if n not in known and not _any_matches(patterns, n)]
            return [f'additional property "{name}" is not allowed' for name in extra]
        case 'enum':
            values = ','.join(json.dumps(each, separators=(',', ':')) for each in expected)
            return [f'must match one of the enum values [{values}]']
        case 'minimum' | 'maximum':
            word = 'greater' if keyword == 'minimum' else 'lower'
            strict = error.schema.get(f'exclusive{keyword.capitalize()}') is True
            return [f'must be {word} than {"" if strict else "or equal to "}{expected}']
        case _ if keyword in _WORDS:
            return [_WORDS[keyword].format(expected)]
        case _:
            return [error.message]


def _any_matches(patterns: Iterable[str], name: str) -> bool:
    return any(re.search(pattern, name) for pattern in patterns)
