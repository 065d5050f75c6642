"""What a unit remembers of databags between hooks, so that not every hook reads them all."""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import ops
import pydantic_core

REREAD = 4
"""How many units each update-status rereads although no event concerned them."""

_FORMAT = 3  # raise it when the format of the text changes
_MODEL = 'model'  # a key beside those of databags, which contain a space
_DIGEST = 'digest'

# At these events, something may have changed without an event of its own: the charm's code, its
# view of the model, or the permission to read.
_FULL_READ_EVENTS = (
    ops.UpgradeCharmEvent,
    ops.StartEvent,
    ops.ConfigChangedEvent,
    ops.LeaderElectedEvent,
)


def _digest(own: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:32]


def _is_digest(known: Any) -> bool:
    return isinstance(known, dict) and _DIGEST in known


class Memory:
    """Databags of remote units, as validated when last read, and digests of the own databags.

    An event that never comes (its hook was skipped with `juju resolve --no-retry`, or it was lost
    between two models) leaves an outdated databag behind. So an empty databag is never remembered,
    and the next hook reads it; each update-status rereads `REREAD` of the others in turn.

    Juju commits what a hook writes after the hook, and may fail to. So an own databag is
    remembered only once a later hook has read back what it should hold. Nobody else writes it.

    Args:
        charm: the charm whose memory this is; another unit's memory is not used.
        event: the event of this dispatch.
        text: what `text` returned at the end of an earlier dispatch, or ''.
    """

    def __init__(self, charm: ops.CharmBase, event: ops.EventBase, text: str) -> None:
        self._owner = [_FORMAT, charm.model.uuid, charm.unit.name]
        self._known: dict[str, Any] = {}
        self._new: dict[str, dict[str, Any]] = {}
        self._due: set[tuple[str, str]] = set()
        self._turn = 0
        # If the text is damaged, the databags can still be read.
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            owner, known, turn = pydantic_core.from_json(text)
            if owner == self._owner:
                self._turn = int(turn)
                if not isinstance(event, _FULL_READ_EVENTS):
                    self._known = {key: dict(value) for key, value in known.items()}
        if isinstance(event, ops.UpdateStatusEvent):
            self._take_turn()

    def recall(self, relation: ops.Relation, unit: ops.Unit, model: str) -> dict[str, Any] | None:
        """What is remembered of a unit's databag; None if it must be read.

        Args:
            relation: the relation.
            unit: one of its remote units.
            model: the name of the model that reads the databag.
        """
        of_relation, name = str(relation.id), f'{unit.name} {model}'
        if (of_relation, name) in self._due:
            return None
        known = self._known.get(of_relation, {}).get(name)
        return known if isinstance(known, dict) and known else None

    def keep(
        self, relation: ops.Relation, unit: ops.Unit, model: str, databag: dict[str, Any]
    ) -> None:
        """Remember a databag, unless it is empty."""
        if databag:
            self._of(relation)[f'{unit.name} {model}'] = databag

    def has(self, relation: ops.Relation, owner: str, model: str, own: Mapping[str, str]) -> bool:
        """Whether an own databag is known to hold this; then that stays known.

        Otherwise nothing stays known of it: it is about to be written, perhaps not for the first
        time in this dispatch.

        Args:
            relation: the relation.
            owner: this unit's or application's name.
            model: the name of the model that wrote the databag.
            own: what it should hold.
        """
        name = f'{owner} {model}'
        known = self._known.get(str(relation.id), {})
        if known.get(name) != {_DIGEST: _digest(own)}:
            known.pop(name, None)
            self._of(relation).pop(name, None)
            return False
        self._of(relation)[name] = known[name]
        return True

    def keep_own(
        self, relation: ops.Relation, owner: str, model: str, own: Mapping[str, str]
    ) -> None:
        """Remember that an own databag was found to hold this."""
        self._of(relation)[f'{owner} {model}'] = {_DIGEST: _digest(own)}

    def model_of(self, relation: ops.Relation) -> str | None:
        """The UUID of the remote model, which never changes; None if unknown."""
        return self._known.get(str(relation.id), {}).get(_MODEL)

    def keep_model(self, relation: ops.Relation, uuid: str) -> None:
        """Remember the UUID of the remote model."""
        self._of(relation)[_MODEL] = uuid

    def text(self) -> str:
        """All that this dispatch kept; the rest is forgotten."""
        return json.dumps([self._owner, self._new, self._turn], sort_keys=True)

    def _of(self, relation: ops.Relation) -> dict[str, Any]:
        return self._new.setdefault(str(relation.id), {})

    def _take_turn(self) -> None:
        """Choose what is due, and where the next turn starts."""
        everything = [
            (relation, name)
            for relation, databags in sorted(self._known.items())
            for name in sorted(databags)
            if name != _MODEL and not _is_digest(databags[name])
        ]
        if len(everything) <= REREAD:
            self._due, self._turn = {*everything}, 0
            return
        first = self._turn % len(everything)
        self._due = {*(everything[first:] + everything[:first])[:REREAD]}
        self._turn = (first + REREAD) % len(everything)
