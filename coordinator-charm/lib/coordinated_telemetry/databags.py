"""Untrusted relation data: read through strict models, written only where it differs.

Whatever another application puts into a databag is untrusted. `Databags.load` returns it as an
instance of a strict model, or None: a databag without any of the model's keys is *not ready*, and
one that the model refuses is *ignored*, alone, and named with the reason in the report. An invalid
optional key is ignored alone.

Reading a databag starts a process (`relation-get`), so `memory.py` remembers between hooks what
units published, and which of the own databags are as they should be. A unit is reread when Juju
says that its databag changed, so the cost of an event does not depend on other units. Remote
applications are few: every hook reads them. Without a memory, everything is read.
"""

import contextlib
import types
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import ops

from . import databag, report, topology
from .memory import Memory

MAX_WRITTEN = 8 * 1024 * 1024
"""Bytes that one hook writes at most; the next hook continues. Juju commits all databags that a
hook changed as one MongoDB document of at most 16 MiB; beyond that it fails the hook for ever."""

_Model = TypeVar('_Model', bound=databag.Databag)


class RefusedError(Exception):
    """Juju lists a relation, but refuses to read or write it.

    Whatever was computed so far believes in the relation, so the whole computation starts again
    without it.

    Attributes:
        relation: its id.
    """

    def __init__(self, relation: ops.Relation) -> None:
        other = f' with {relation.app.name}' if relation.app else ''
        super().__init__(_refusal(f'{relation.name}:{relation.id}{other}'))
        self.relation = relation.id


class Databags:
    """The databags as one event sees them.

    Some relations that ops lists count as removed: a broken one, one without an application, and
    one that Juju refuses to read or write (after an offer or an application was removed with
    `--force`, or before the other model knows of it). So does a departing unit. Any method may
    raise `RefusedError`.

    Args:
        charm: the charm that has these relations.
        event: the event of this dispatch.
        found: the report that names what is ignored.
        remembered: what `remember` returned at the end of an earlier dispatch, or ''.
        refused: the relations that Juju has already refused in this dispatch: id → what to note.
    """

    def __init__(
        self,
        charm: ops.CharmBase,
        event: ops.EventBase,
        found: report.Report,
        remembered: str = '',
        refused: Mapping[int, str] = types.MappingProxyType({}),
    ) -> None:
        self._charm = charm
        self._event = event
        self.report = found
        self._memory = Memory(charm, event, remembered)
        self._dropped = set(refused)
        self._probed: set[int] = set()
        self._written = 0  # bytes
        for note in refused.values():
            found.note(note)

    @property
    def departing(self) -> bool:
        """Whether this event says that this unit itself is departing."""
        return (
            isinstance(self._event, ops.RelationDepartedEvent)
            and self._event.departing_unit == self._charm.unit
        )

    def remember(self) -> str:
        """What was read, for the next dispatch; removed databags are forgotten."""
        return self._memory.text()

    def relations(self, endpoint: str) -> list[ops.Relation]:
        """The usable relations of an endpoint, oldest first."""
        related: list[ops.Relation] = []
        with self._refusable(endpoint):
            related = self._charm.model.relations[endpoint]
        for relation in related:
            # For ops, a relation is inactive when it is broken, or when Juju refuses to list its
            # units.
            dropped = relation.id in self._dropped or self._is_broken(relation)
            if not relation.active and not dropped:
                raise RefusedError(relation)
        return sorted(
            (r for r in related if r.active and r.app and r.id not in self._dropped),
            key=lambda relation: relation.id,
        )

    def units(self, relation: ops.Relation) -> list[ops.Unit]:
        """The remote units of a relation by number, except a departing one."""
        units = set(relation.units)
        event = self._event
        if isinstance(event, ops.RelationDepartedEvent) and event.relation.id == relation.id:
            units.discard(event.departing_unit or event.unit)
        return sorted(units, key=lambda unit: topology.unit_number(unit.name))

    def drop(self, relation: ops.Relation) -> None:
        """From now on, treat this relation as removed."""
        self._dropped.add(relation.id)

    def remote_model(self, relation: ops.Relation) -> str:
        """The UUID of the remote model, or '' if Juju cannot tell (before 3.6.2)."""
        known = self._memory.model_of(relation)
        if known is None:
            known = ''
            with self._refusable(relation):
                known = _model_of(relation)
        self._memory.keep_model(relation, known)
        return known

    def load(
        self, relation: ops.Relation, source: ops.Unit | ops.Application, model: type[_Model]
    ) -> _Model | None:
        """The databag of `source` as a `model`; None if it is not ready or ignored."""
        label = f'{source.name} {relation.name}' if model.by_endpoint else source.name
        if isinstance(source, ops.Application):
            return self._use(label, databag.parse(model, self.content(relation, source)), model)
        name = model.__name__
        if not self._is_about(relation, source):
            known = self._memory.recall(relation, source, name)
            if known is not None:
                # What another revision of this charm remembered may not fit the model.
                with contextlib.suppress(ValueError, TypeError):
                    loaded = self._use(label, known, model)
                    self._memory.keep(relation, source, name, known)
                    return loaded
        known = databag.parse(model, self.content(relation, source))
        self._memory.keep(relation, source, name, known)
        return self._use(label, known, model)

    def own(
        self, endpoint: str, owner: ops.Unit | ops.Application, model: type[_Model]
    ) -> _Model | None:
        """What this unit or application published itself on the oldest relation, or None."""
        for relation in self.relations(endpoint)[:1]:
            found = databag.parse(model, self.content(relation, owner))
            return model.model_validate(found['data']) if 'data' in found else None
        return None

    def ensure(
        self,
        endpoint: str,
        owner: ops.Unit | ops.Application,
        content: databag.Databag,
        values: dict[str, str] | None = None,
        relation: ops.Relation | None = None,
    ) -> bool:
        """Make the own databag hold this content on every relation of an endpoint.

        Absent fields and retired keys are erased; foreign keys stay. Content that is too large is
        not written, and blocks. What exceeds one hook is left to the next.

        Args:
            endpoint: the endpoint.
            owner: this unit, or this application (leader only).
            content: what the databag should hold.
            values: the same content from `databag.encoded`, if the caller already has it.
            relation: the only one of the endpoint that is to hold it.

        Returns:
            True if anything was changed.
        """
        relations = [relation] if relation else self.relations(endpoint)
        if not relations:
            return False
        values = values or databag.encoded(content)
        if (size := databag.size_of(values)) > content.max_bytes:
            remedy = f': {content.remedy}' if content.remedy else ''
            why = f'cannot publish {size} bytes, at most {content.max_bytes}{remedy}'
            self.report.block(f'[{endpoint}] {why}')
            return False
        # An empty value erases its key.
        keys = sorted({*content.fields_by_key(), *content.retired})
        wanted = {**dict.fromkeys(keys, ''), **values}
        model, changed = type(content).__name__, False
        for one in relations:
            if self._memory.has(one, owner.name, model, wanted):
                continue
            before = self.content(one, owner)
            update = {key: text for key, text in wanted.items() if before.get(key, '') != text}
            if not update:
                self._memory.keep_own(one, owner.name, model, wanted)
                continue
            if self._written + (size := databag.size_of(update)) > MAX_WRITTEN:
                self.report.waiting.append(f'[{endpoint}] the next hook publishes the rest')
                break
            with self._refusable(one):
                one.data[owner].update(update)
                self._written += size
                changed = True
        return changed

    def is_marked(
        self, relation: ops.Relation, owner: ops.Application, key: str, mark: str
    ) -> bool:
        """Whether the own databag has a value with this mark in it: for what is costly to make."""
        if self._memory.has(relation, owner.name, key, {key: mark}):
            return True
        if mark not in self.content(relation, owner).get(key, ''):
            return False
        self._memory.keep_own(relation, owner.name, key, {key: mark})
        return True

    def _is_broken(self, relation: ops.Relation) -> bool:
        event = self._event
        return isinstance(event, ops.RelationBrokenEvent) and event.relation.id == relation.id

    def _use(self, label: str, known: dict[str, Any], model: type[_Model]) -> _Model | None:
        loaded = model.model_validate(known['data']) if 'data' in known else None
        for why in known.get('why', ()):
            self.report.ignore(label, why)
        return loaded

    def _is_about(self, relation: ops.Relation, unit: ops.Unit) -> bool:
        event = self._event
        if not isinstance(event, ops.RelationEvent) or event.relation.id != relation.id:
            return False
        return unit == event.unit

    def content(
        self, relation: ops.Relation, source: ops.Unit | ops.Application
    ) -> Mapping[str, str]:
        """The databag as text."""
        with self._refusable(relation):
            content = dict(relation.data[source])
            # ops reports empty databags for a relation that Juju no longer knows. Asking for the
            # remote model distinguishes it from one that is not ready.
            if not content:
                self._probe(relation)
        return content

    def _probe(self, relation: ops.Relation) -> None:
        if relation.id not in self._probed:
            self._probed.add(relation.id)
            _model_of(relation)

    @contextlib.contextmanager
    def _refusable(self, relation: ops.Relation | str) -> Iterator[None]:
        """Handle Juju's refusals; other errors fail the hook, and Juju runs it again."""
        try:
            yield
        except ops.ModelError as error:
            if not _is_refusal(error):
                raise
            if isinstance(relation, str):
                self.report.note(_refusal(relation))
            else:
                raise RefusedError(relation) from None


def _model_of(relation: ops.Relation) -> str:
    """The UUID of the remote model; '' if Juju cannot tell (before 3.6.2).

    Raises:
        ops.ModelError: if Juju refuses the relation.
    """
    try:
        return relation.remote_model.uuid
    except OSError:  # this Juju lacks the hook tool
        return ''
    except ops.ModelError as error:
        if _is_refusal(error):
            raise
        return ''


def _refusal(what: str) -> str:
    return f'Juju refuses the relation {what}: treated as removed'


def _is_refusal(error: ops.ModelError) -> bool:
    """Whether Juju says that it does not know the relation, or that the unit may not use it.

    Which of the two it says depends on its version and on the hook tool. ops turns most of them
    into an error of its own.
    """
    said = str(error).lower()
    return isinstance(error, ops.RelationNotFoundError) or (
        'permission denied' in said or 'relation not found' in said
    )
