"""What a charm declares, and checks of the values that a user gives for it."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Literal

Role = Literal['provides', 'requires', 'peers']
ConfigValue = bool | int | float | str


class ModelError(Exception):
    """The model cannot do what was requested. The user reads the message."""


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """An endpoint as a charm's metadata declares it."""

    name: str
    role: Role
    interface: str
    limit: int | None = None


@dataclasses.dataclass(frozen=True)
class Option:
    """A config option as a charm declares it. ``type`` is Juju's name for the type."""

    name: str
    type: str
    default: ConfigValue | None = None
    description: str = ''


@dataclasses.dataclass(frozen=True)
class Action:
    """An action as a charm declares it.

    ``params`` maps a parameter to its JSON schema; ``schema`` is the one of all parameters.
    """

    name: str
    description: str = ''
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    schema: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Store:
    """Storage as a charm declares it, always a file system.

    ``minimum`` is in MiB; ``least`` and ``most`` bound a unit's instances (None: no bound).
    """

    name: str
    minimum: int = 0
    least: int = 1
    most: int | None = 1
    location: str = ''
    read_only: bool = False

    @property
    def is_multiple(self) -> bool:
        """Whether a unit may have several instances."""
        return self.most != 1


@dataclasses.dataclass(frozen=True)
class Charm:
    """What the local Juju needs to know about a charm, from its metadata.

    ``source`` is the .charm file or unpacked folder; ``containers`` maps a container to the
    resource that is its image; ``resources`` maps an image resource to its upstream source;
    ``mounts`` maps a container to the stores in it, each with its locations there. ``channel`` is
    that of a charm from Charmhub, empty for a local one; ``kubernetes`` names the clients of the
    Kubernetes API that it brings.
    """

    name: str
    source: str
    endpoints: Mapping[str, Endpoint]
    containers: Mapping[str, str]
    resources: Mapping[str, str | None]
    options: Mapping[str, Option]
    actions: Mapping[str, Action]
    revision: int = 0
    base: tuple[str, str] = ('ubuntu', '24.04')
    channel: str = ''
    kubernetes: tuple[str, ...] = ()
    stores: Mapping[str, Store] = dataclasses.field(default_factory=dict)
    mounts: Mapping[str, Mapping[str, tuple[str, ...]]] = dataclasses.field(default_factory=dict)

    @property
    def url(self) -> str:
        """How `juju status` names the charm."""
        return self.name if self.channel else f'local:{self.name}-{self.revision}'


def parse_option(option: Option, text: str) -> ConfigValue:
    """A config value of the option's type, from its text; ModelError if the text does not fit."""
    try:
        match option.type:
            case 'int':
                return int(text)
            case 'float':
                return float(text)
            case 'boolean':
                return _BOOLEANS[text]
            case 'secret' if text and not _SECRET.match(text):
                raise ValueError
            case _:
                return text
    except (ValueError, KeyError):
        raise ModelError(f'option "{option.name}" expected {option.type}, got "{text}"') from None


_SECRET = re.compile(r'^secret:(//[^/]+/)?[0-9a-v]{20}$')
_TRUE = {'1', 't', 'T', 'true', 'TRUE', 'True'}
_FALSE = {'0', 'f', 'F', 'false', 'FALSE', 'False'}
_BOOLEANS = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}


def parse_settings(charm: Charm, texts: Mapping[str, str]) -> dict[str, ConfigValue]:
    """Config values from their texts; ModelError names an unknown option or a wrong value."""
    for name in texts:
        if name not in charm.options:
            raise ModelError(f'unknown option "{name}"')
    return {name: parse_option(charm.options[name], text) for name, text in texts.items()}
