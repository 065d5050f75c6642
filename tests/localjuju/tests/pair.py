"""Two models without pods, of which one consumes the other's offer."""

import json
import types
from collections.abc import Mapping
from typing import Any, cast

from world import World

from localjuju.common.registry import RegistryError
from localjuju.controller import server
from localjuju.controller.controller import Controller
from localjuju.controller.exchange import Exchange
from localjuju.model import crossmodel
from localjuju.model.charmmeta import Endpoint
from localjuju.model.offers import Saas
from localjuju.model.relation import Relation
from localjuju.model.unitstate import Status

#: The UUIDs of the two models.
SHOP, APP = '00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b'


class Pair:
    """A model ``shop``, which offers, and a model ``app``, which consumes."""

    def __init__(self) -> None:
        self.shop, self.app = World(), World()
        self.worlds = {'shop': self.shop, 'app': self.app}
        self.alive = {'shop', 'app'}
        #: Models that hang: they do not answer in time.
        self.hanging: set[str] = set()
        self.parted: list[tuple[str, str]] = []
        self._controllers: dict[str, Controller] = {}
        for (name, world), uuid in zip(self.worlds.items(), (SHOP, APP), strict=True):
            world.model.name, world.model.uuid = name, uuid

            def part(other: str, name: str = name) -> None:
                self.parted.append((name, other))

            made = types.SimpleNamespace(
                model=world.model,
                changes=world.changes,
                exchange=Exchange(world.model, world.changes, part, self._ask),
            )
            self._controllers[name] = cast('Controller', made)

    def exchange(self, name: str) -> Exchange:
        return self._controllers[name].exchange

    def _ask(self, model: str, command: str, arguments: Mapping[str, Any]) -> Any:
        if model not in self.alive:
            raise RegistryError(f'model "{model}" is dead')
        if model in self.hanging:
            raise TimeoutError('timed out')
        # What travels is JSON.
        told = json.loads(json.dumps(arguments))
        return json.loads(json.dumps(self.ask(model, command, **told)))

    def ask(self, model: str, command: str, /, **arguments: Any) -> Any:
        """A request to one of the controllers."""
        return server.run(self._controllers[model], command, arguments)

    def consume(self, offer: str, alias: str = '') -> Saas:
        """Consume an offer of ``shop`` in ``app``."""
        details = self._ask('shop', 'offer-details', {'name': offer})
        endpoints = {n: Endpoint(n, *declared) for n, declared in details['endpoints'].items()}
        status = Status(*details['status'])
        saas = Saas(alias or offer, 'shop', details['uuid'], offer, endpoints, status)
        for one, other in ('shop', 'app'), ('app', 'shop'):
            uuid = self.worlds[other].model.uuid
            self.exchange(one).linked[other] = uuid
        return crossmodel.consume(self.app.model, saas)

    def integrate(self, one: str, other: str) -> Relation:
        """Relate an application of ``app`` to a saas."""
        ends = self.app.model.ends_of(one, other)
        introduction = crossmodel.introduce(self.app.model, ends)
        self._ask('shop', 'connect-offer', {'uuid': SHOP, **introduction})
        return crossmodel.join(self.app.model, ends, introduction['token'])

    def settle(self) -> None:
        """Run all hooks and carry all messages until nothing changes."""
        before = None
        for _ in range(100):
            for name in sorted(self.alive):
                self.worlds[name].settle()
                self.exchange(name).speak()
                self.exchange(name).look()
            after = [(w.changes.generation, w.model.farewells) for w in self.worlds.values()]
            if after == before:
                return
            before = after
        raise AssertionError('the models do not come to rest')

    def forget(self) -> None:
        """Forget what units were told so far."""
        self.shop.forget()
        self.app.forget()
