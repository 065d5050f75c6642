"""Reading relation data that nobody vouches for, and writing only what differs.

All that another application puts into a databag is untrusted. `Databags.load` gives it as an
instance of a strict model, or as nothing: a databag without any of the model's keys is *not
ready*, and one that the model refuses is *left out*, alone, with its name and the reason in
`Databags.left_out`.

Reading a databag costs a process (`relation-get`), so what units published is remembered between
hooks and read again only when Juju says that it changed. The cost of an event thus does not depend
on the units that it is not about. A memory that is lost, old or another unit's means a full read.
Applications are few, and read in every hook.
"""

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import ops
import pydantic
import pydantic_core

from . import addresses, topology

MAX_BYTES = 256 * 1024
"""A databag with more in it is left out before any of it is decoded."""

MAX_WRITTEN = 8 * 1024 * 1024
"""How much one hook writes; the next one goes on. Juju commits all databags that a hook changed as
one document of MongoDB, of 16 MiB at most, or fails the hook, again and again."""

_FORMAT = 1  # of the remembered text; raise it when `_remembered` changes its shape

# After these anything may have changed without an event of its own: the charm's code, its view
# of the model, or the permission to read.
_FULL_READ_EVENTS = (
    ops.UpgradeCharmEvent,
    ops.StartEvent,
    ops.ConfigChangedEvent,
    ops.LeaderElectedEvent,
)


class Databag(pydantic.BaseModel):
    """What a databag holds: each field is a key, its value JSON-encoded.

    Strict (no coercion) and frozen; keys that are not fields are ignored. A field that is None is
    absent from the databag.

    Attributes:
        plain: whether the values are texts that are written as they are, not JSON.
        retired: keys that older revisions or other libraries for the interface wrote: erased.
        max_bytes: more than this is not written; bytes of keys and encoded values.
        remedy: what an operator can do about too many bytes.
    """

    plain: ClassVar[bool] = False
    retired: ClassVar[frozenset[str]] = frozenset()
    max_bytes: ClassVar[int] = MAX_BYTES  # which is what the other side reads, being this library
    remedy: ClassVar[str] = ''

    # Built at the first use: a hook uses some of them.
    model_config = pydantic.ConfigDict(frozen=True, strict=True, extra='ignore', defer_build=True)

    @pydantic.model_serializer(mode='wrap')
    def _without_absent(self, serialize: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        # ops' Relation.save writes "null" for None, but erases what is not there.
        return {key: value for key, value in serialize(self).items() if value is not None}


_Model = TypeVar('_Model', bound=Databag)


@dataclasses.dataclass(frozen=True, order=True)
class LeftOut:
    """Something that came over a relation and is not used.

    Attributes:
        name: the unit, application or endpoint at fault, as an operator knows it.
        why: what is wrong with it, printable and bounded.
    """

    name: str
    why: str

    def __str__(self) -> str:
        return f'{self.name} ({self.why})'


def reason(error: ValueError) -> str:
    """A validation error as one short line: the first field at fault and what is wrong with it."""
    if not isinstance(error, pydantic.ValidationError):
        return addresses.shorten(str(error), 160)
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = addresses.shorten('.'.join(str(part) for part in first['loc']), 60)
    message = first['msg'].removeprefix('Value error, ')
    return f'{field}: {message}' if field else message


class Databags:
    """The remote databags as one event sees them.

    The unit that is departing and the relation that is broken are not there any more: ops still
    lists them during their own events.

    Args:
        charm: whose relations these are.
        event: the event of this dispatch.
        remembered: what `remember` returned at the end of an earlier dispatch, or ''.
    """

    def __init__(self, charm: ops.CharmBase, event: ops.EventBase, remembered: str = '') -> None:
        self._charm = charm
        self._event = event
        self._owner = [_FORMAT, charm.model.uuid, charm.unit.name]
        self._remembered: dict[str, Any] = {}
        if not isinstance(event, _FULL_READ_EVENTS):
            # Whatever is wrong with it, the databags themselves are there to be read.
            with contextlib.suppress(ValueError, TypeError):
                owner, known = pydantic_core.from_json(remembered)
                if owner == self._owner:
                    self._remembered = dict(known)
        self._seen: dict[str, Any] = {}
        self.left_out: list[LeftOut] = []
        self.faults: list[str] = []  # what an operator must do something about
        self.unsettled: list[str] = []  # what is done in a later hook
        self._written = 0  # bytes

    @property
    def departing(self) -> bool:
        """Whether this event says that the unit running it is going away."""
        return (
            isinstance(self._event, ops.RelationDepartedEvent)
            and self._event.departing_unit == self._charm.unit
        )

    def remember(self) -> str:
        """What was read, for the next dispatch; databags that are gone are forgotten."""
        return json.dumps([self._owner, self._seen], sort_keys=True)

    def relations(self, endpoint: str) -> list[ops.Relation]:
        """The relations of an endpoint, oldest first, without a broken one."""
        related = self._charm.model.relations[endpoint]
        return sorted((r for r in related if r.active), key=lambda relation: relation.id)

    def units(self, relation: ops.Relation) -> list[ops.Unit]:
        """The remote units of a relation by number, without the departing one."""
        units = set(relation.units)
        event = self._event
        if isinstance(event, ops.RelationDepartedEvent) and event.relation.id == relation.id:
            units.discard(event.departing_unit or event.unit)
        return sorted(units, key=lambda unit: topology.unit_number(unit.name))

    def load(
        self,
        relation: ops.Relation,
        source: ops.Unit | ops.Application,
        model: type[_Model],
    ) -> _Model | None:
        """The databag of `source` as a `model`; None when it is not ready or left out."""
        if isinstance(source, ops.Application):
            return self._use(source, self._read(relation, source, model), model)
        key = f'{relation.id} {source.name} {model.__name__}'
        known = None if self._is_about(relation, source) else self._remembered.get(key)
        if known is not None:
            # What another version of this charm remembered may not fit the model.
            with contextlib.suppress(ValueError, TypeError):
                loaded = self._use(source, known, model)
                self._seen[key] = known
                return loaded
        self._seen[key] = self._read(relation, source, model)
        return self._use(source, self._seen[key], model)

    def own(
        self, endpoint: str, owner: ops.Unit | ops.Application, model: type[_Model]
    ) -> _Model | None:
        """What `owner`, itself, published on the oldest relation of an endpoint, if anything."""
        for relation in self.relations(endpoint)[:1]:
            found = self._read(relation, owner, model)
            return model.model_validate(found['data']) if 'data' in found else None
        return None

    def ensure(
        self,
        endpoint: str,
        owner: ops.Unit | ops.Application,
        databag: Databag,
        values: dict[str, str] | None = None,
    ) -> bool:
        """Make the own databag of every relation of an endpoint hold this.

        Absent fields and retired keys are erased, keys of others stay. What is too large is not
        written, and a fault says so. What is too much for one hook is left to the next.

        Args:
            endpoint: whose relations.
            owner: the own unit, or the own application (leader only).
            databag: what it is to hold.
            values: the same, `encoded`, for whoever has it.

        Returns:
            True if anything was changed.
        """
        relations = self.relations(endpoint)
        if not relations:
            return False
        values = values or encoded(databag)
        if (size := size_of(values)) > databag.max_bytes:
            remedy = f': {databag.remedy}' if databag.remedy else ''
            self.faults.append(
                f'[{endpoint}] cannot publish {size} bytes, at most {databag.max_bytes}{remedy}'
            )
            return False
        absent = {*type(databag).model_fields, *databag.retired} - values.keys()
        changed = False
        for relation in relations:
            content = relation.data[owner]
            before = dict(content)
            update = {**values, **dict.fromkeys(sorted(absent & before.keys()), '')}  # '' erases
            update = {key: text for key, text in update.items() if before.get(key, '') != text}
            if not update:
                continue
            if self._written + (size := size_of(update)) > MAX_WRITTEN:
                self.unsettled.append(f'[{endpoint}] the next hook publishes the rest')
                break
            self._written += size
            content.update(update)
            changed = True
        return changed

    def is_left_out(self, name: str) -> bool:
        """Whether something that `name` sent is not used."""
        return any(item.name == name for item in self.left_out)

    def leave_out(self, name: str, why: str) -> None:
        """Note that what `name` sent is not used."""
        self.left_out.append(LeftOut(name, why))

    def _use(
        self,
        source: ops.Unit | ops.Application,
        known: dict[str, Any],
        model: type[_Model],
    ) -> _Model | None:
        loaded = model.model_validate(known['data']) if 'data' in known else None
        if 'why' in known:
            self.leave_out(source.name, known['why'])
        return loaded

    def _is_about(self, relation: ops.Relation, unit: ops.Unit) -> bool:
        event = self._event
        if not isinstance(event, ops.RelationEvent) or event.relation.id != relation.id:
            return False
        return unit == event.unit

    def _read(
        self,
        relation: ops.Relation,
        source: ops.Unit | ops.Application,
        model: type[_Model],
    ) -> dict[str, Any]:
        """Read a databag: `{'data': …}`, `{'why': …}` when left out, `{}` when not ready."""
        content = relation.data[source]
        if not model.model_fields.keys() & content.keys():
            return {}
        size = sum(len(key) + len(value) for key, value in content.items())
        if size > MAX_BYTES:
            return {'why': f'{size} bytes of relation data, at most {MAX_BYTES} are read'}
        values: dict[str, Any] = {}
        for key in sorted(model.model_fields.keys() & content.keys()):
            try:
                values[key] = _decode(content[key])
            except ValueError as error:
                return {'why': f'{key}: not JSON, {reason(error)}'}
        try:
            return {'data': model.model_validate(values).model_dump(mode='json')}
        except ValueError as error:
            return {'why': reason(error)}


def encoded(databag: Databag) -> dict[str, str]:
    """The keys and values of a databag as they are written."""
    values = databag.model_dump(mode='json')
    encode = str if databag.plain else _encode
    return {key: encode(values[key]) for key in sorted(values)}


def size_of(values: Mapping[str, str]) -> int:
    """How many bytes keys and values take."""
    return sum(len(key.encode()) + len(value.encode()) for key, value in values.items())


def _decode(value: str) -> Any:
    # Unlike json.loads this refuses all that is wrong, deep nesting too, with a ValueError.
    return pydantic_core.from_json(value.encode(errors='surrogatepass'))


def _encode(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
