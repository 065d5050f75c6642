"""A model's log: what `juju debug-log` shows."""

import collections
import dataclasses
import threading
import time
from collections.abc import Iterable

LEVELS = ('TRACE', 'DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL')
#: Lines kept; a model that logs more forgets its oldest.
_CAPACITY = 200_000


@dataclasses.dataclass(frozen=True)
class Line:
    """One line: who (``unit-app-0``), when (seconds since the epoch), level and module."""

    entity: str
    time: float
    level: str
    module: str
    message: str

    def __str__(self) -> str:
        clock = time.strftime('%H:%M:%S', time.localtime(self.time))
        return f'{self.entity}: {clock} {self.level} {self.module} {self.message}'


class DebugLog:
    """The lines of a model, in order. Several threads may use it."""

    def __init__(self) -> None:
        self._lines: collections.deque[Line] = collections.deque(maxlen=_CAPACITY)
        self._count = 0
        self._new = threading.Condition()
        #: The lowest level that is kept: the model's ``logging-config``.
        self.threshold = 'INFO'

    def add(self, entity: str, level: str, module: str, message: str) -> None:
        """Log a message; each of its lines becomes a line of the log."""
        level = level if level in LEVELS else 'INFO'
        if LEVELS.index(level) < LEVELS.index(self.threshold):
            return
        now = time.time()
        with self._new:
            for line in message.splitlines() or ['']:
                self._lines.append(Line(entity, now, level, module, line))
                self._count += 1
            self._new.notify_all()

    def read(
        self,
        *,
        after: int = 0,
        level: str = 'TRACE',
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        wait: float = 0.0,
    ) -> tuple[list[str], int]:
        """The lines after a position, as text, and the position after them.

        Args:
            after: where to start; 0 is the oldest line kept.
            level: the lowest level to show.
            include: entities (``unit-app-0`` or ``app/0``) to show; all if empty.
            exclude: entities not to show.
            wait: seconds to wait for a first line.
        """
        with self._new:
            if wait and self._count <= after:
                self._new.wait(wait)
            fresh = min(max(self._count - after, 0), len(self._lines))
            lines = list(self._lines)[len(self._lines) - fresh :]
            position = self._count
        wanted = {_entity(name) for name in include}
        unwanted = {_entity(name) for name in exclude}
        least = LEVELS.index(level)
        shown = [
            str(line)
            for line in lines
            if LEVELS.index(line.level) >= least
            and (not wanted or line.entity in wanted)
            and line.entity not in unwanted
        ]
        return shown, position


def _entity(name: str) -> str:
    return f'unit-{name.replace("/", "-")}' if '/' in name else name
