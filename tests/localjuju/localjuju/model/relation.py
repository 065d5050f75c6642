"""A relation: its ends, its units and its databags."""

import dataclasses
from collections.abc import Mapping

from localjuju.model.charmmeta import Endpoint
from localjuju.model.offers import Across
from localjuju.model.unitstate import Databag, Life, app_of


@dataclasses.dataclass(frozen=True)
class End:
    """One side of a relation."""

    app: str
    endpoint: Endpoint

    def __str__(self) -> str:
        return f'{self.app}:{self.endpoint.name}'


@dataclasses.dataclass
class Relation:
    """A relation between two applications, or (one end) of an application with itself.

    ``scope`` holds the units that have joined; ``leaving`` those among them that the others
    already see as departed, because they are dying. A version of 0 means "never written".

    With an application of another model (``across``), each model has a relation of its own that
    copies the other's units and databags: see `crossmodel`.
    """

    id: int
    ends: tuple[End, ...]
    life: Life = Life.ALIVE
    data: dict[str, Databag] = dataclasses.field(default_factory=dict)
    versions: dict[str, int] = dataclasses.field(default_factory=dict)
    scope: set[str] = dataclasses.field(default_factory=set)
    leaving: set[str] = dataclasses.field(default_factory=set)
    across: Across | None = None

    def __str__(self) -> str:
        return ' '.join(map(str, self.ends))

    @property
    def is_peer(self) -> bool:
        """Whether it relates an application's units to each other."""
        return len(self.ends) == 1

    @property
    def is_refused(self) -> bool:
        """Whether its units still list it, but may neither read nor write it."""
        return self.across is not None and self.across.refused

    def end(self, app: str) -> End:
        """The side of one of its applications."""
        return next(end for end in self.ends if end.app == app)

    def remote(self, app: str) -> End:
        """The side that an application's units see: their own in a peer relation."""
        return self.ends[0] if self.is_peer or self.ends[1].app == app else self.ends[1]

    def members(self, unit: str) -> dict[str, int]:
        """The remote units that a unit should see now → the version of each one's databag."""
        app = self.remote(app_of(unit)).app
        return {
            name: self.versions.get(name, 0)
            for name in self.scope - self.leaving
            if app_of(name) == app and name != unit
        }

    def write(self, owner: str, changes: Mapping[str, str]) -> bool:
        """Apply changes to a databag; an empty value removes its key.

        Returns:
            Whether there was a net difference.
        """
        bag = self.data.setdefault(owner, {})
        after = {k: v for k, v in {**bag, **changes}.items() if v != ''}
        if after == bag:
            return False
        self.data[owner] = after
        self.versions[owner] = self.versions.get(owner, 0) + 1
        return True
