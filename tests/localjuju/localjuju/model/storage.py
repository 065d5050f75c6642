"""Storage: what a charm declares, what the user asks for, and the instances that come of it.

An instance is one file system of one unit. It outlives the unit: on Kubernetes its claim is named
after the unit, so a later unit of that number gets the same data. Only destroying or removing the
storage ends it.
"""

import dataclasses
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from localjuju.common import sizes
from localjuju.model.charmmeta import ModelError, Store
from localjuju.model.unitstate import Life

#: The only pool: the default one of a model on Kubernetes.
POOL = 'kubernetes'
#: MiB of an instance for which neither the charm nor the user gives a size.
DEFAULT_SIZE = 1024
#: Where Juju mounts what has no location of its own.
ROOT = '/var/lib/juju/storage'

_POOL = re.compile(r'^[a-zA-Z]+[-?a-zA-Z0-9]*$')
_COUNT = re.compile(r'^-?[0-9]+$')
_SIZE = re.compile(r'^(-?[0-9]+(?:\.[0-9]+)?)([MGTPEZY])(?:i?B)?$')
_RANGE = re.compile(r'^([0-9]+)([+-]|-[0-9]+)?$')
_ID = re.compile(r'^[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*/[0-9]+$')


@dataclasses.dataclass(frozen=True)
class Directive:
    """What a user, or a charm's default, asks for one store: MiB, and instances for each unit."""

    size: int = DEFAULT_SIZE
    count: int = 1
    pool: str = POOL


@dataclasses.dataclass
class Instance:
    """One file system. ``unit`` is empty while it is detached.

    ``claim`` names the unit whose pods mount it, and stays when that unit is gone; it is empty
    once the application is, too. ``index`` counts the unit's instances of one store.
    """

    id: str
    store: Store
    size: int
    claim: str
    index: int
    unit: str = ''
    life: Life = Life.ALIVE
    since: float = 0.0

    @property
    def number(self) -> int:
        """The N of store/N, unique in the model."""
        return int(self.id.rpartition('/')[2])

    @property
    def location(self) -> str:
        """Where it is in the charm container.

        Its last part is the index, not the number of the id: all pods of an application are alike.
        """
        store = self.store
        if store.location and not store.is_multiple:
            return store.location
        return f'{store.location or ROOT}/{store.name}/{self.index}'

    def location_in(self, container_location: str) -> str:
        """Where it is in a workload container, for which the charm declares a location.

        That is the parent folder of each instance if there may be several.
        """
        if not container_location:
            return self.location
        if self.store.is_multiple:
            return f'{container_location.rstrip("/")}/{self.index}'
        return container_location


class Storages:
    """The instances of a model, by id. Ids are never used twice."""

    def __init__(self) -> None:
        self.instances: dict[str, Instance] = {}
        self._next = 0

    def find(self, identity: str) -> Instance:
        """An instance by id; ModelError if there is none."""
        if not _ID.match(identity):
            raise ModelError(f'invalid storage id {identity}')
        if identity not in self.instances:
            raise ModelError(f'storage instance "{identity}" not found')
        return self.instances[identity]

    def of(self, unit: str) -> list[Instance]:
        """The instances attached to a unit, in a stable order."""
        found = [i for i in self.instances.values() if i.unit == unit]
        return sorted(found, key=lambda i: (i.store.name, i.index))

    def claimed_by(self, app: str) -> list[Instance]:
        """The instances of an application's present and former units."""
        return [i for i in self.instances.values() if i.claim.partition('/')[0] == app]

    def attach(
        self, unit: str, stores: Mapping[str, Store], directives: Mapping[str, Directive]
    ) -> None:
        """Give a new unit its instances: those of the former unit of that name, or new ones."""
        kept = {(i.store.name, i.index): i for i in self.instances.values() if i.claim == unit}
        for name in sorted(directives):
            for index in range(directives[name].count):
                instance = kept.get((name, index))
                if instance is None:
                    size = directives[name].size
                    identity = f'{name}/{self._next}'
                    self._next += 1
                    instance = Instance(identity, stores[name], size, unit, index)
                    self.instances[identity] = instance
                instance.unit = unit
                instance.since = 0.0

    def detach(self, identity: str, now: float) -> None:
        """Take an instance from its unit; it is gone if it was to be destroyed."""
        instance = self.instances.get(identity)
        if instance is None:
            return
        instance.unit = ''
        instance.since = now
        if instance.life is not Life.ALIVE:
            del self.instances[identity]

    def detach_all(self, unit: str, now: float) -> None:
        """Take everything from a unit that is gone."""
        for instance in self.of(unit):
            self.detach(instance.id, now)

    def destroy(self, instances: Iterable[Instance]) -> None:
        """Let instances end: now, or as soon as they are detached."""
        for instance in list(instances):
            instance.life = Life.DYING
            if not instance.unit:
                self.instances.pop(instance.id, None)

    def remove(self, identity: str) -> None:
        """Remove a detached instance; ModelError if it is attached."""
        instance = self.instances.get(identity)
        if instance is None:
            raise ModelError(f'storage "{identity}" not found')
        if instance.unit:
            raise ModelError('storage is attached')
        del self.instances[identity]

    def release(self, app: str) -> None:
        """Record that an application is gone: a new one of that name starts without its data."""
        for instance in self.claimed_by(app):
            instance.claim = ''


# What users and charms write


def size(text: str) -> int:
    """The MiB, rounded up, in a size like ``1G`` or ``0.5T``; ModelError if it is none."""
    match = _SIZE.match(text)
    if match is None:
        raise ModelError(f'cannot parse size "{text}"')
    if match[1].startswith('-'):
        raise ModelError(f'cannot parse size: expected a non-negative number, got "{text}"')
    return math.ceil(float(match[1]) * 1024 ** 'MGTPEZY'.index(match[2]))


def minimum_size(text: str) -> int:
    """The MiB of a charm's ``minimum-size``, where a bare number stands for MiB."""
    return math.ceil(float(text)) if re.match(r'^[0-9.]+$', text) else size(text)


def counts(text: str) -> tuple[int, int | None]:
    """Least and most instances of a ``range`` like ``2``, ``0-1`` or ``1+``; None is no limit."""
    match = _RANGE.match(text)
    if match is None:
        raise ModelError(f'cannot parse storage range "{text}"')
    least, rest = int(match[1]), match[2]
    if not rest:
        return least, least
    return least, None if rest in ('+', '-') else int(rest[1:])


def directives(
    charm: str, stores: Mapping[str, Store], texts: Sequence[str]
) -> dict[str, Directive]:
    """What each unit of an application gets, from the charm and ``--storage name=…`` texts.

    Raises ModelError, with Juju's words, for what the charm or the local Juju does not allow.
    """
    asked: dict[str, Directive] = {}
    for text in texts:
        name, equals, rest = text.partition('=')
        if not equals or not name:
            raise ModelError(f'expected <store>=<constraints>, got "{text}"')
        if name in asked:
            raise ModelError(f'storage "{name}" specified more than once')
        if name not in stores:
            raise ModelError(f'charm "{charm}" has no store called "{name}"')
        asked[name] = _directive(rest, stores[name])
    for name, store in stores.items():
        if name not in asked and store.least:
            asked[name] = Directive(store.minimum or DEFAULT_SIZE, store.least)
        if name in asked:
            _check(charm, store, asked[name])
    return asked


def _directive(text: str, store: Store) -> Directive:
    pool, count, mib = '', 0, 0
    for field in filter(None, text.split(',')):
        if _POOL.match(field):
            if pool:
                raise ModelError(f'pool name is already set to "{pool}", new value "{field}"')
            pool = field
        elif _COUNT.match(field):
            if int(field) <= 0:
                raise ModelError(
                    f'cannot parse count: count must be greater than zero, got "{field}"'
                )
            count = int(field)
        elif _SIZE.match(field):
            mib = size(field)
        else:
            raise ModelError(f'unrecognized storage constraint "{field}" not valid')
    if not (pool or count or mib):
        raise ModelError('storage constraints require at least one field to be specified')
    if pool not in ('', POOL):
        raise ModelError(f'storage pool "{pool}" is not supported locally (only {POOL})')
    return Directive(mib or store.minimum or DEFAULT_SIZE, count or max(store.least, 1))


def _check(charm: str, store: Store, asked: Directive) -> None:
    head = f'charm "{charm}" store "{store.name}"'
    if (store.least, store.most) == (1, 1) and asked.count != 1:
        raise ModelError(f'{head}: storage is singular, {asked.count} specified')
    if asked.count < store.least:
        raise ModelError(f'{head}: {store.least} instances required, {asked.count} specified')
    if store.most is not None and asked.count > store.most:
        raise ModelError(
            f'{head}: at most {store.most} instances supported, {asked.count} specified'
        )
    if asked.size < store.minimum:
        raise ModelError(
            f'{head}: minimum storage size is {sizes.decimal(store.minimum * 1e6)}, '
            f'{sizes.decimal(asked.size * 1e6)} specified'
        )


def check_upgrade(
    old: Mapping[str, Store], new: Mapping[str, Store], in_use: Collection[str]
) -> None:
    """Refuse the stores of a charm that cannot follow another one.

    Raises ModelError, with Juju's words. A store that only the new charm has would need another
    set of pods, which Juju does not make on Kubernetes either.
    """
    for name, store in old.items():
        if name not in new:
            if store.least or name in in_use:
                kind = 'required' if store.least else 'in-use'
                raise ModelError(f'{kind} storage "{name}" removed')
            continue
        after = new[name]
        for what, before, now in (
            ('read-only', store.read_only, after.read_only),
            ('location', store.location, after.location),
        ):
            if before != now:
                raise ModelError(
                    f'existing storage "{name}" {what} changed from '
                    f'"{str(before).lower()}" to "{str(now).lower()}"'
                )
        if after.most is not None and (store.most is None or after.most < store.most):
            raise ModelError(f'existing storage "{name}" range contracted: max decreased')
        if store.location and not store.is_multiple and after.is_multiple:
            raise ModelError(
                f'existing storage "{name}" with location changed from single to multiple'
            )
    if added := sorted(name for name in set(new) - set(old) if new[name].least):
        raise ModelError(
            f'required storage "{added[0]}" added: not possible in a model on Kubernetes'
        )
