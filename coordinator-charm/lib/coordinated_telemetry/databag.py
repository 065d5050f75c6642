"""One databag: what it may hold, how its text is read and how it is written."""

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import pydantic
import pydantic_core

from . import addresses

MAX_BYTES = 256 * 1024
"""The largest databag, unless its model says otherwise."""


class Databag(pydantic.BaseModel):
    """What a databag holds: each field is a key, its value JSON-encoded.

    Strict (no coercion) and frozen; keys that are not fields are not read. A field with a default
    is optional: if its value is invalid, it alone is ignored. A field that is None is absent from
    the databag.

    Attributes:
        plain: whether the values are written and read as plain text, not JSON.
        by_endpoint: whether an ignored item is named with its endpoint, so that it does not count
            against its source's other endpoints.
        retired: keys to erase, written by older revisions or other libraries for the interface.
        max_bytes: a larger databag is not written; bytes of keys and encoded values.
        max_read: a larger databag is ignored before any of it is decoded; characters.
        remedy: what an operator can do about too many bytes.
    """

    plain: ClassVar[bool] = False
    by_endpoint: ClassVar[bool] = False
    retired: ClassVar[frozenset[str]] = frozenset()
    max_bytes: ClassVar[int] = MAX_BYTES  # this library on the other side reads no more
    max_read: ClassVar[int] = MAX_BYTES
    remedy: ClassVar[str] = ''

    # Built at first use: a hook uses only some of them.
    model_config = pydantic.ConfigDict(frozen=True, strict=True, extra='ignore', defer_build=True)

    @classmethod
    def fields_by_key(cls) -> dict[str, str]:
        """Key → name of its field: its `serialization_alias`, or else the name."""
        fields = cls.model_fields.items()
        return {field.serialization_alias or name: name for name, field in fields}

    @pydantic.model_serializer(mode='wrap')
    def _without_absent(self, serialize: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        # ops' Relation.save writes "null" for None, but erases an absent key.
        return {key: value for key, value in serialize(self).items() if value is not None}


def reason(error: ValueError) -> str:
    """A validation error as one short line: the first invalid field and what is wrong with it."""
    if not isinstance(error, pydantic.ValidationError):
        return addresses.shorten(str(error), 160)
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = addresses.shorten('.'.join(str(part) for part in first['loc']), 60)
    message = re.sub(r' or instance of \w+$', '', first['msg'].removeprefix('Value error, '))
    return f'{field}: {message}' if field else message


def parse(model: type[Databag], content: Mapping[str, str]) -> dict[str, Any]:
    """Read a databag's text as a model, into plain values that can be remembered.

    Returns:
        `data`, the values by key, and `why`, a line for each ignored key, if there are any.
        Without `data` the whole databag is ignored; `{}` means that it is not ready.
    """
    names = model.fields_by_key()
    keys = sorted(names.keys() & content.keys())
    if not keys:
        return {}
    size = sum(len(key) + len(value) for key, value in content.items())
    if size > model.max_read:
        return {'why': [f'{size} bytes of relation data, at most {model.max_read} are read']}
    values: dict[str, Any] = {}
    why: list[str] = []
    for key in keys:
        try:
            values[names[key]] = content[key] if model.plain else _decode(content[key])
        except ValueError as error:
            why.append(f'{key}: not JSON, {reason(error)}')
            if model.model_fields[names[key]].is_required():
                return {'why': why[-1:]}
    while values:
        try:
            data = model.model_validate(values).model_dump(mode='json')
        except pydantic.ValidationError as error:
            name = _field(error)
            line = reason(error)
            if name in model.model_fields and (
                key := model.model_fields[name].serialization_alias
            ):
                line = line.replace(name, key, 1)
            if name not in values or model.model_fields[name].is_required():
                return {'why': [line]}
            why.append(line)
            del values[name]
        else:
            return {'data': data, 'why': why} if why else {'data': data}
    return {'why': why}


def encoded(content: Databag) -> dict[str, str]:
    """The keys and values to write into a databag: equal content gives equal text."""
    values = content.model_dump(mode='json', by_alias=True)
    encode = str if content.plain else _encode
    return {key: encode(values[key]) for key in sorted(values)}


def size_of(values: Mapping[str, str]) -> int:
    """How many bytes keys and values take, in UTF-8."""
    return sum(len(key.encode()) + len(value.encode()) for key, value in values.items())


def _encode(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _field(error: pydantic.ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return str(first['loc'][0]) if first['loc'] else ''


def _decode(value: str) -> Any:
    # Unlike json.loads, this raises ValueError for anything invalid, deep nesting included.
    return pydantic_core.from_json(value.encode(errors='surrogatepass'))
