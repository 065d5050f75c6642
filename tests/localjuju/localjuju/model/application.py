"""An application: its charm, its config, its units."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from localjuju.model.charmmeta import Charm, ConfigValue
from localjuju.model.storage import Directive
from localjuju.model.unitstate import Life, Status, Unit


@dataclasses.dataclass
class Application:
    """An application. ``settings`` are the config values that the user set.

    ``directives`` say what storage each unit gets.
    """

    name: str
    charm: Charm
    images: dict[str, str]
    settings: dict[str, ConfigValue]
    scale: int
    trust: bool = False
    directives: Mapping[str, Directive] = dataclasses.field(default_factory=dict)
    life: Life = Life.ALIVE
    units: dict[str, Unit] = dataclasses.field(default_factory=dict)
    leader: str = ''
    leader_version: int = 0
    charm_version: int = 1
    address: str = ''
    workload_version: str = ''
    status: Status | None = None
    since: float = 0.0

    def config(self) -> dict[str, ConfigValue]:
        """The effective config, without options that are neither set nor have a default."""
        defaults = {o.name: o.default for o in self.charm.options.values()}
        values = {k: self.settings.get(k, default) for k, default in defaults.items()}
        return {k: v for k, v in values.items() if v is not None}

    def fingerprint(self, unit: Unit) -> dict[str, Any]:
        """Everything whose change causes a config-changed."""
        return {'config': self.config(), 'trust': self.trust, 'address': unit.address}
