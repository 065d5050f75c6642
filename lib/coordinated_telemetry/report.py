"""What one dispatch tells an operator, and the statuses that say it."""

import dataclasses
from collections.abc import Sequence

import ops

_WITH_REASON = 2
_NAMED = 8


def first(names: Sequence[str], number: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = f' and {len(names) - number} more' if len(names) > number else ''
    return f'{", ".join(names[:number])}{more}'


@dataclasses.dataclass(frozen=True, order=True)
class Ignored:
    """Something that came over a relation and is not used.

    Attributes:
        name: the unit, application or endpoint that sent it, as an operator knows it.
        why: what is wrong with it, printable and bounded.
    """

    name: str
    why: str

    def __str__(self) -> str:
        return f'{self.name} ({self.why})'


@dataclasses.dataclass
class Report:
    """What one dispatch found; it travels from reading to the statuses.

    Attributes:
        blocked: what an operator must act on.
        waiting: what resolves itself.
        notes: what an operator should know.
        ignored: what came over a relation and is not used.
    """

    blocked: list[str] = dataclasses.field(default_factory=list)
    waiting: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    ignored: list[Ignored] = dataclasses.field(default_factory=list)

    def block(self, text: str) -> None:
        """Record once what an operator must act on."""
        if text not in self.blocked:
            self.blocked.append(text)

    def ignore(self, name: str, why: str) -> None:
        """Record once that something from `name` is not used."""
        item = Ignored(name, why)
        if item not in self.ignored:
            self.ignored.append(item)

    def ignores(self, name: str) -> bool:
        """Whether anything from `name` is ignored."""
        return any(item.name == name for item in self.ignored)

    def note(self, text: str) -> None:
        """Record once what an operator should know."""
        if text not in self.notes:
            self.notes.append(text)

    def statuses(self, fine: str) -> list[ops.StatusBase]:
        """All statuses that apply; Juju shows the most urgent one.

        Args:
            fine: the message when nothing blocks and nothing is awaited.
        """
        return [
            *(ops.BlockedStatus(self._with_rest(message)) for message in self.blocked),
            *(ops.WaitingStatus(self._with_rest(message)) for message in self.waiting),
            ops.ActiveStatus(self._with_rest(fine)),
        ]

    def _with_rest(self, message: str) -> str:
        """The message, then the notes, then a summary of what is ignored."""
        parts = [*filter(None, [message]), *self.notes]
        if self.ignored:
            items = sorted(self.ignored)
            named = [str(item) for item in items[:_WITH_REASON]]
            named += [item.name for item in items[_WITH_REASON:_NAMED]]
            more = f' and {len(items) - _NAMED} more' if len(items) > _NAMED else ''
            parts.append(f'ignored: {", ".join(named)}{more}')
        return '; '.join(parts)
