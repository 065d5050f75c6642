"""A Juju model: applications, units, relations and their databags, leadership, config.

Plain data and its invariants; no I/O, no locks, no clocks of its own. The controller guards a
model with one lock, `uniter` decides from it which event a unit sees next, and `hooktools` reads
and writes it on behalf of a charm.

Invariants:
- A databag belongs to one unit or one application in one relation. Only its owner writes it, and
  every net difference (and nothing else) raises its version by one.
- A relation exists until the last unit in its scope has left. Its databags, those of departed
  units included, exist as long as the relation.
- An application has a leader whenever it has a living unit.
- A storage instance is attached to one unit at most, and only while that unit exists.
"""

import dataclasses
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from localjuju.model import secretstore, storage
from localjuju.model.application import Application
from localjuju.model.charmmeta import Charm, ConfigValue, Endpoint, ModelError, Role
from localjuju.model.offers import Farewell, Offer, Saas
from localjuju.model.relation import End, Relation
from localjuju.model.unitstate import Life, Task, Unit, app_of


class Model:
    """A named model. All changes go through its methods or respect the invariants above."""

    def __init__(self, name: str, *, identity: str = ''):
        self.name = name
        self.uuid = identity or str(uuid.uuid4())
        self.applications: dict[str, Application] = {}
        self.relations: dict[int, Relation] = {}
        self.offers: dict[str, Offer] = {}
        self.saas: dict[str, Saas] = {}
        #: What other models must still hear about relations that are gone here.
        self.farewells: list[Farewell] = []
        self.secrets = secretstore.Store(self.leader_of, self.relations)
        self.storages = storage.Storages()
        self.destroying = False
        self._next_relation = 0
        self._next_task = 1

    # Lookups

    def application(self, name: str) -> Application:
        """An application by name; ModelError if there is none."""
        if name not in self.applications:
            raise ModelError(f'application "{name}" not found')
        return self.applications[name]

    def leader_of(self, name: str) -> str:
        """The name of an application's leading unit; ModelError if there is no application."""
        return self.application(name).leader

    def unit(self, name: str) -> Unit:
        """A unit by name, ``app/leader`` included; ModelError if there is none."""
        app = self.applications.get(app_of(name))
        if app and name.endswith('/leader'):
            name = app.leader or name
        if app is None or name not in app.units:
            raise ModelError(f'unit "{name}" not found')
        return app.units[name]

    def units(self) -> Iterator[Unit]:
        """All units."""
        for app in self.applications.values():
            yield from app.units.values()

    def relations_of(self, app: str) -> list[Relation]:
        """The relations of an application, oldest first."""
        return [r for r in self.relations.values() if any(e.app == app for e in r.ends)]

    # Applications and units

    def add_application(
        self,
        name: str,
        charm: Charm,
        *,
        scale: int = 1,
        settings: Mapping[str, ConfigValue] | None = None,
        images: Mapping[str, str] | None = None,
        trust: bool = False,
        directives: Mapping[str, storage.Directive] | None = None,
    ) -> Application:
        """Add an application with its peer relations, its units and their storage."""
        if name in self.applications:
            raise ModelError(f'application already exists: {name}')
        if name in self.saas:
            raise ModelError(f'cannot add application "{name}": remote application already exists')
        app = Application(
            name, charm, dict(images or {}), dict(settings or {}), scale=scale, trust=trust
        )
        app.directives = dict(directives or {})
        self.applications[name] = app
        self._add_peer_relations(app)
        self.reconcile_scale(app)
        return app

    def _add_peer_relations(self, app: Application) -> None:
        present = {r.ends[0].endpoint.name for r in self.relations_of(app.name) if r.is_peer}
        for endpoint in sorted(app.charm.endpoints.values(), key=lambda e: e.name):
            if endpoint.role == 'peers' and endpoint.name not in present:
                self.add_relation(End(app.name, endpoint))

    def refresh(self, app: Application, charm: Charm) -> None:
        """Give an application a new charm; its units run upgrade-charm.

        Raises ModelError if the new charm lacks an endpoint that is in use, or its storage does
        not follow the present one.
        """
        for relation in self.relations_of(app.name):
            old = relation.end(app.name).endpoint
            new = charm.endpoints.get(old.name)
            if new is None or (new.role, new.interface) != (old.role, old.interface):
                raise ModelError(
                    f'cannot upgrade application "{app.name}": would break relation "{relation}"'
                )
        try:
            in_use = {i.store.name for i in self.storages.claimed_by(app.name) if i.unit}
            storage.check_upgrade(app.charm.stores, charm.stores, in_use)
        except ModelError as e:
            raise ModelError(f'cannot upgrade application "{app.name}": {e}') from None
        # Charmhub numbers its revisions; the local ones of an application count up from 0.
        local = 0 if app.charm.channel else app.charm.revision + 1
        app.charm = charm if charm.channel else dataclasses.replace(charm, revision=local)
        app.charm_version += 1
        app.settings = {k: v for k, v in app.settings.items() if k in charm.options}
        self._add_peer_relations(app)

    def set_scale(self, app: Application, scale: int) -> None:
        """Scale an application: the highest unit numbers are added last and removed first."""
        if app.life is not Life.ALIVE:
            raise ModelError(f'application "{app.name}" is not alive')
        if scale < 0:
            raise ModelError('cannot remove more units than currently exist')
        app.scale = scale
        self.reconcile_scale(app)

    def reconcile_scale(self, app: Application) -> None:
        """Add units until there are enough, and let surplus ones die.

        A unit's number becomes free only when its former owner is gone.
        """
        wanted = [f'{app.name}/{n}' for n in range(app.scale)] if app.life is Life.ALIVE else []
        for name in wanted:
            if name not in app.units:
                app.units[name] = Unit(name)
                self.storages.attach(name, app.charm.stores, app.directives)
                if not app.leader:
                    self._set_leader(app, name)
        for unit in app.units.values():
            if unit.name not in wanted and unit.life is Life.ALIVE:
                self._let_die(unit)

    def _let_die(self, unit: Unit) -> None:
        unit.life = Life.DYING
        for relation in self.relations.values():
            if unit.name in relation.scope:
                relation.leaving.add(unit.name)

    def bury(self, unit: Unit, now: float = 0.0) -> None:
        """Record that a unit has run its last hook: the others see it gone, another one leads."""
        app = self.application(unit.app)
        unit.life = Life.DEAD
        self.storages.detach_all(unit.name, now)
        for relation in list(self.relations.values()):
            self.leave_scope(relation, unit.name)
        self.secrets.forget_consumer(unit.name)
        self.secrets.remove_owned_by(unit.name)
        if app.leader == unit.name:
            self.elect(app)

    def remove_unit(self, unit: Unit) -> None:
        """Forget a buried unit: its pod is gone, and its number becomes free."""
        app = self.application(unit.app)
        del app.units[unit.name]
        if app.life is Life.ALIVE:
            self.reconcile_scale(app)
        else:
            self._forget_if_gone(app)

    def destroy_application(self, app: Application, *, destroy_storage: bool = False) -> None:
        """Let an application die: its relations break, its units stop.

        The storage of its units is detached, or destroyed with them.
        """
        app.life = Life.DYING
        if destroy_storage:
            self.storages.destroy(i for unit in app.units for i in self.storages.of(unit))
        app.scale = 0
        self.offers = {k: offer for k, offer in self.offers.items() if offer.app != app.name}
        for relation in self.relations_of(app.name):
            if not relation.is_peer:
                self.destroy_relation(relation)
        self.reconcile_scale(app)
        self._forget_if_gone(app)

    def _forget_if_gone(self, app: Application) -> None:
        if app.life is Life.ALIVE or app.units:
            return
        relations = self.relations_of(app.name)
        if any(not relation.is_peer for relation in relations):
            return
        for relation in relations:
            del self.relations[relation.id]
        self.secrets.remove_owned_by(app.name)
        self.storages.release(app.name)
        self.applications.pop(app.name, None)

    # Leadership

    def _set_leader(self, app: Application, unit: str) -> None:
        if app.leader != unit:
            app.leader = unit
            app.leader_version += 1

    def elect(self, app: Application, *, but: str = '') -> str:
        """Choose a new leader if there is a candidate: installed units before the others."""
        candidates = [u for u in app.units.values() if u.name != but and u.life is Life.ALIVE]
        candidates.sort(key=lambda u: (not u.installed, u.number))
        self._set_leader(app, candidates[0].name if candidates else '')
        return app.leader

    def depose(self, app: Application) -> str:
        """Take leadership from the leader and give it to another unit; return that unit's name."""
        others = [u for u in app.units.values() if u.life is Life.ALIVE and u.name != app.leader]
        if not others:
            raise ModelError(f'cannot depose the leader of "{app.name}": no other unit is alive')
        return self.elect(app, but=app.leader)

    # Relations

    def add_relation(self, *ends: End) -> Relation:
        """Add a relation between these ends, which must fit: see `integrate`."""
        relation = Relation(self._next_relation, ends)
        self._next_relation += 1
        self.relations[relation.id] = relation
        return relation

    def integrate(self, one: str, other: str) -> Relation:
        """Relate two applications, each given as ``app`` or ``app:endpoint``.

        Raises ModelError as `ends_of` does.
        """
        return self.add_relation(*self.ends_of(one, other))

    def ends_of(self, one: str, other: str) -> tuple[End, End]:
        """The ends (requirer, provider) of a new relation between two applications.

        Raises ModelError, with Juju's words, if no pair of endpoints fits or more than one does,
        if the relation already exists, or if a limit would be exceeded.
        """
        pairs = self._candidates(one, other)
        if not pairs:
            raise ModelError('no relations found')
        if len(pairs) > 1:
            names = '; '.join(f'"{a} {b}"' for a, b in pairs)
            raise ModelError(f'ambiguous relation: "{one} {other}" could refer to {names}')
        requirer, provider = pairs[0]
        key = f'{requirer} {provider}'
        known = [relation for relation in self.relations.values() if not relation.is_refused]
        if any(str(relation) == key for relation in known):
            raise ModelError(f'cannot add relation "{key}": relation {key} already exists')
        for end in pairs[0]:
            self.check_end(end, key)
        return requirer, provider

    def check_end(self, end: End, key: str) -> None:
        """Raise ModelError if an end cannot have another relation, which has this key."""
        if end.app in self.applications:
            life = self.applications[end.app].life
        else:
            life = self.saas[end.app].life
        if life is not Life.ALIVE:
            raise ModelError(f'cannot add relation "{key}": {end.app} is not alive')
        limit = end.endpoint.limit
        count = sum(
            end in relation.ends for relation in self.relations.values() if not relation.is_refused
        )
        if limit is not None and count >= limit:
            raise ModelError(
                f'cannot add relation "{key}": establishing a new relation for {end} '
                f'would exceed its maximum relation limit of {limit}'
            )

    def _candidates(self, one: str, other: str) -> list[tuple[End, End]]:
        """All pairs of endpoints (requirer, provider) that two specifications can mean."""
        pairs = []
        for requirer, provider in ((one, other), (other, one)):
            for a in self._ends(requirer, 'requires'):
                for b in self._ends(provider, 'provides'):
                    fits = a.endpoint.interface == b.endpoint.interface and a.app != b.app
                    if fits and not {a.app, b.app} <= self.saas.keys():
                        pairs.append((a, b))
        return pairs

    def _endpoints(self, app: str) -> Mapping[str, Endpoint]:
        """The endpoints of an application, of this model or another one."""
        if app in self.saas:
            return self.saas[app].endpoints
        return self.application(app).charm.endpoints

    def _ends(self, specification: str, role: Role) -> list[End]:
        name, _, wanted = specification.partition(':')
        endpoints = self._endpoints(name)
        if wanted and wanted not in endpoints:
            raise ModelError(f'application "{name}" has no "{wanted}" relation')
        chosen = [endpoints[wanted]] if wanted else endpoints.values()
        return [End(name, endpoint) for endpoint in chosen if endpoint.role == role]

    def find_relation(self, one: str, other: str) -> Relation:
        """The one existing relation that two specifications mean, or ModelError.

        A remote application of the offering side is known by its name ``remote-<token>``.
        """

        def means(specification: str, end: End) -> bool:
            return specification in (end.app, str(end))

        found = [
            relation
            for relation in self.relations.values()
            for ends in (relation.ends, relation.ends[::-1])
            if len(ends) == 2 and means(one, ends[0]) and means(other, ends[1])
        ]
        # One that Juju has forgotten may have a successor of the same name.
        found = [relation for relation in found if not relation.is_refused] or found
        if not found:
            raise ModelError(f'relation "{one} {other}" not found')
        if len(found) > 1:
            names = '; '.join(f'"{relation}"' for relation in found)
            raise ModelError(f'ambiguous relation: "{one} {other}" could refer to {names}')
        return found[0]

    def destroy_relation(self, relation: Relation) -> None:
        """Let a relation die; it is gone when the last unit has left its scope."""
        relation.life = Life.DYING
        if relation.across:
            # Those of another model leave there.
            remote = relation.across.app
            relation.scope -= {unit for unit in relation.scope if app_of(unit) == remote}
        self._forget_relation_if_empty(relation)

    def enter_scope(self, relation: Relation, unit: Unit) -> None:
        """Let a unit join a relation: the others see it and its addresses from now on."""
        relation.scope.add(unit.name)
        relation.leaving.discard(unit.name)
        relation.data.pop(unit.name, None)
        self.publish_addresses(relation, unit)

    def publish_addresses(self, relation: Relation, unit: Unit) -> None:
        """Write into a unit's databag what Juju itself writes: how to reach the unit.

        On Kubernetes that is the application's service, which outlives the pod.
        """
        address = self.application(unit.app).address or unit.address
        egress = f'{address}/32' if address else ''
        keys = {'egress-subnets': egress, 'ingress-address': address, 'private-address': address}
        relation.write(unit.name, keys)

    def leave_scope(self, relation: Relation, unit: str) -> None:
        """Let a unit depart from a relation. Its databag stays readable."""
        relation.scope.discard(unit)
        relation.leaving.discard(unit)
        self._forget_relation_if_empty(relation)

    def _forget_relation_if_empty(self, relation: Relation) -> None:
        if relation.life is Life.ALIVE or relation.scope or relation.id not in self.relations:
            return
        del self.relations[relation.id]
        self.secrets.forget_relation(relation.id)
        if across := relation.across:
            if not across.cut:
                farewell = Farewell(across.model, across.uuid, across.token, forced=False)
                self.farewells.append(farewell)
            if not self.relations_of(across.app):
                self.secrets.remove_owned_by(across.app)
                self.forget_saas_if_gone(across.app)
        for end in relation.ends:
            if end.app in self.applications:
                self._forget_if_gone(self.applications[end.app])

    def forget_saas_if_gone(self, name: str) -> None:
        """Forget a saas that is dying and has no relation any more."""
        saas = self.saas.get(name)
        if saas and saas.life is not Life.ALIVE and not self.relations_of(name):
            del self.saas[name]

    # Tasks

    def add_task(
        self,
        unit: Unit,
        action: str = '',
        params: dict[str, Any] | None = None,
        command: str = '',
        timeout: float = 300.0,
    ) -> Task:
        """Queue an action or a command on a unit."""
        task = Task(self._next_task, unit.name, action, params or {}, command, timeout)
        self._next_task += 1
        unit.tasks.append(task)
        return task
