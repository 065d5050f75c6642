"""Secrets: owners, revisions, grants and consumers, with Juju's rules for who may do what.

An owner is a unit (``app/0``), an application (``app``) or the model's user (the empty string).
A grant names a unit or an application, and the relation to which it is scoped and with which it
ends. A consumer (a unit) tracks the revision that it read first until it refreshes.
"""

import base64
import dataclasses
import random
import re
from collections.abc import Callable, Container, Iterator, Mapping

from localjuju.model.unitstate import Unit

Content = dict[str, str]

#: Rotation policies and their periods in seconds (a month is 30 days).
ROTATION = {
    'never': 0,
    'hourly': 3600,
    'daily': 86400,
    'weekly': 7 * 86400,
    'monthly': 30 * 86400,
    'quarterly': 90 * 86400,
    'yearly': 365 * 86400,
}


_KEY = re.compile(r'^[a-z](?:-?[a-z0-9]){2,}$')
_BASE64 = '#base64'
#: Juju's limit for one value and for all of a secret, in base64.
_MOST_BYTES = 1_000_000


def checked(pairs: Mapping[str, str]) -> Content:
    """The content of a secret from its pairs; ``key#base64`` has its value encoded.

    Raises ValueError, in Juju's words, for a key that Juju does not allow or too large a value.
    """
    content = {}
    total = 0
    for given, value in pairs.items():
        key = given.removesuffix(_BASE64)
        if key != given:
            try:
                value = base64.b64decode(value, validate=True).decode()
            except ValueError:
                raise ValueError(f'illegal base64 data for key "{key}"') from None
        if not _KEY.match(key):
            raise ValueError(f'key "{key}" not valid')
        size = len(base64.b64encode(value.encode()))
        total += size
        if size > _MOST_BYTES:
            why = f'secret content for key "{key}" too large: {size} bytes'
            raise ValueError(f'base64 encoded {why}')
        content[key] = value
    if total > _MOST_BYTES:
        raise ValueError(f'base64 encoded secret content too large: {total} bytes')
    return content


class SecretNotFoundError(LookupError):
    """There is no such secret, as far as the reader may know."""

    def __init__(self, what: str):
        super().__init__(f'secret "{what}" not found')


class SecretDeniedError(Exception):
    """The secret exists, but the reader may not use it."""

    def __init__(self) -> None:
        super().__init__('permission denied')


@dataclasses.dataclass
class Revision:
    """One version of a secret's content. Times are seconds since the epoch."""

    content: Content
    created: float
    expires: float | None = None


@dataclasses.dataclass
class Consumer:
    """What one unit knows about a secret: its own label for it, and revisions.

    ``tracked`` is the revision that it reads, ``told`` the newest that secret-changed announced.
    """

    label: str = ''
    tracked: int = 0
    told: int = 0


@dataclasses.dataclass
class Secret:
    """A secret.

    ``grants`` maps a unit or application to the id of a relation, None for a user's grant;
    ``obsolete_told`` and ``expiry_told`` are the revisions that were announced to the owner.
    """

    id: str
    owner: str
    created: float
    label: str = ''
    name: str = ''
    description: str = ''
    rotation: str = 'never'
    rotates: float | None = None
    updated: float = 0.0
    auto_prune: bool = False
    revisions: dict[int, Revision] = dataclasses.field(default_factory=dict)
    latest: int = 0
    grants: dict[str, int | None] = dataclasses.field(default_factory=dict)
    consumers: dict[str, Consumer] = dataclasses.field(default_factory=dict)
    obsolete_told: set[int] = dataclasses.field(default_factory=set)
    expiry_told: set[int] = dataclasses.field(default_factory=set)

    @property
    def uri(self) -> str:
        """The secret's URI, ``secret:<id>``."""
        return f'secret:{self.id}'

    def add_revision(self, content: Mapping[str, str], now: float, expires: float | None) -> None:
        """Add a revision, unless its content equals the latest one's."""
        if self.latest and self.revisions[self.latest].content == dict(content):
            return
        self.latest += 1
        self.revisions[self.latest] = Revision(dict(content), now, expires)
        self.updated = now

    def obsolete(self) -> list[int]:
        """Former revisions that no consumer still tracks."""
        tracked = {consumer.tracked for consumer in self.consumers.values()}
        return [r for r in sorted(self.revisions) if r != self.latest and r not in tracked]


def new_id() -> str:
    """An id in Juju's form: 20 characters of base 32."""
    return ''.join(random.choices('0123456789abcdefghijklmnopqrstuv', k=20))


def bare_id(uri: str) -> str:
    """The id in ``secret:<id>``, ``secret://<model uuid>/<id>`` or ``<id>``."""
    return uri.removeprefix('secret:').rpartition('/')[2]


class Store:
    """The secrets of a model.

    Args:
        leader_of: gives the name of an application's leading unit.
        relations: the ids of the model's relations, always up to date.
    """

    def __init__(self, leader_of: Callable[[str], str], relations: Container[int]):
        self._leader_of = leader_of
        self._relations = relations
        self._secrets: dict[str, Secret] = {}

    def __iter__(self) -> Iterator[Secret]:
        return iter(self._secrets.values())

    def find(self, uri: str) -> Secret:
        """A secret by URI, id or the user's name for it; SecretNotFoundError if there is none."""
        identity = bare_id(uri)
        if identity in self._secrets:
            return self._secrets[identity]
        for secret in self._secrets.values():
            if not secret.owner and secret.name == uri:
                return secret
        raise SecretNotFoundError(identity)

    def add(self, secret: Secret) -> None:
        """Add a secret that has its first revision."""
        self._secrets[secret.id] = secret

    # Who may do what

    def leads(self, unit: Unit) -> bool:
        """Whether the unit is its application's leader."""
        return self._leader_of(unit.app) == unit.name

    def can_manage(self, secret: Secret, unit: Unit) -> bool:
        """Whether the unit may change the secret: it owns it, or leads the owning application."""
        return secret.owner == unit.name or (secret.owner == unit.app and self.leads(unit))

    def can_view(self, secret: Secret, unit: Unit) -> bool:
        """Whether the unit may read the content: it or its application owns it or has a grant."""
        if secret.owner in (unit.name, unit.app):
            return True
        for accessor in (unit.name, unit.app):
            if accessor in secret.grants:
                relation = secret.grants[accessor]
                if relation is None or relation in self._relations:
                    return True
        return False

    def managed_by(self, unit: Unit) -> list[Secret]:
        """The secrets that the unit may change."""
        return [s for s in self._secrets.values() if self.can_manage(s, unit)]

    def owned_with_label(self, owner: str, label: str) -> Secret | None:
        """The secret to which an owner gave this label."""
        for secret in self._secrets.values():
            if label and (secret.owner, secret.label) == (owner, label):
                return secret
        return None

    def with_label(self, unit: Unit, label: str) -> Secret:
        """The secret that the unit knows by this label, as its owner or as a consumer."""
        for owner in (unit.name, unit.app):
            if secret := self.owned_with_label(owner, label):
                return secret
        for secret in self._secrets.values():
            consumer = secret.consumers.get(unit.name)
            if consumer and consumer.label == label:
                return secret
        raise SecretNotFoundError(label)

    def read(
        self, secret: Secret, unit: Unit, *, label: str = '', refresh: bool, peek: bool
    ) -> Content:
        """A secret's content as a unit sees it. Reading makes the unit a consumer.

        Raises SecretDeniedError without a grant.
        """
        if not self.can_view(secret, unit):
            raise SecretDeniedError
        consumer = secret.consumers.get(unit.name)
        if consumer is None:
            consumer = Consumer(tracked=secret.latest, told=secret.latest)
            secret.consumers[unit.name] = consumer
        if label and secret.owner not in (unit.name, unit.app):
            consumer.label = label
        if refresh or consumer.tracked not in secret.revisions:
            consumer.tracked = secret.latest
            # The reader knows it now, so no secret-changed need announce it.
            consumer.told = secret.latest
        return secret.revisions[secret.latest if peek else consumer.tracked].content

    # Removal

    def remove(self, secret: Secret, revision: int | None = None) -> None:
        """Remove one revision, or the whole secret: without a revision, or with its last one."""
        if revision is not None:
            secret.revisions.pop(revision, None)
            if secret.revisions:
                secret.latest = max(secret.revisions)
                return
        self._secrets.pop(secret.id, None)

    def remove_owned_by(self, owner: str) -> None:
        """Remove the secrets of a unit or application that is gone."""
        for secret in [s for s in self._secrets.values() if s.owner == owner]:
            self.remove(secret)

    def forget_consumer(self, unit: str) -> None:
        """Forget what a unit that is gone tracked."""
        for secret in self._secrets.values():
            secret.consumers.pop(unit, None)
            secret.grants.pop(unit, None)

    def forget_relation(self, relation: int) -> None:
        """Remove the grants that are scoped to a relation that is gone."""
        for secret in self._secrets.values():
            secret.grants = {k: v for k, v in secret.grants.items() if v != relation}

    # News for a unit

    def changed(self, unit: Unit) -> tuple[Secret, str] | None:
        """A secret (and the unit's label for it) with a revision not yet announced to the unit."""
        for secret in self._secrets.values():
            consumer = secret.consumers.get(unit.name)
            if consumer is None or consumer.told >= secret.latest:
                continue
            if self.can_view(secret, unit) and not self.can_manage(secret, unit):
                own = secret.owner == unit.app
                return secret, secret.label if own else consumer.label
        return None

    def newly_obsolete(self, unit: Unit) -> tuple[Secret, int] | None:
        """A revision that no unit tracks, if that was not yet announced to its owner."""
        for secret in self.managed_by(unit):
            for revision in secret.obsolete():
                if revision not in secret.obsolete_told:
                    return secret, revision
        return None

    def expired(self, unit: Unit, now: float) -> tuple[Secret, int] | None:
        """An expired revision, if that was not yet announced to its owner."""
        for secret in self.managed_by(unit):
            for number, revision in secret.revisions.items():
                due = revision.expires is not None and revision.expires <= now
                if due and number not in secret.expiry_told:
                    return secret, number
        return None

    def to_rotate(self, unit: Unit, now: float) -> Secret | None:
        """A secret whose rotation is due."""
        for secret in self.managed_by(unit):
            if secret.rotates is not None and secret.rotates <= now:
                return secret
        return None
