"""What a controller tells those of other models, and how it notices that one is gone.

No request to another controller is made with this model's lock held: the other one may be asking
this one at the same time.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from localjuju.common import controllers
from localjuju.common.controllers import RequestError
from localjuju.common.registry import RegistryError
from localjuju.controller.agent import Changes
from localjuju.model import crossmodel
from localjuju.model.model import Model
from localjuju.model.offers import Across, Farewell
from localjuju.model.unitstate import Status

log = logging.getLogger(__name__)

#: Seconds between two looks at the other models.
_INTERVAL = 1.0
#: Seconds for an answer, generous for a machine under load.
_ANSWER = 10.0
#: The answer of a controller that does not know what it is asked about.
UNKNOWN = 'unknown'
REMOVED = 'offer has been removed'

Ask = Callable[[str, str, Mapping[str, Any]], Any]


def ask(model: str, command: str, arguments: Mapping[str, Any]) -> Any:
    """Ask another model's controller; errors as `controllers.request`."""
    return controllers.request(model, command, arguments, timeout=_ANSWER)[0]


class Exchange:
    """One model's part in all its relations with other models.

    Args:
        model: the model.
        changes: guards the model.
        part: called with the name of a model that is gone.
        ask: asks another model's controller.
    """

    def __init__(
        self, model: Model, changes: Changes, part: Callable[[str], None], ask: Ask = ask
    ) -> None:
        self._model = model
        self._changes = changes
        self._part = part
        self._ask = ask
        self._speaking = threading.Lock()
        #: What the other side last heard about each relation, by token.
        self._told: dict[str, crossmodel.Half] = {}
        #: The models that have a link to this one → their UUIDs.
        self.linked: dict[str, str] = {}

    def run(self) -> None:
        """Work for ever: speak at each change, and look at the others now and then."""
        due = 0.0
        while True:
            with self._changes:
                generation = self._changes.generation
            try:
                self.speak()
                if time.monotonic() >= due:
                    self.look()
                    due = time.monotonic() + _INTERVAL
            except Exception:
                log.exception('the exchange with other models failed')
            with self._changes:
                others = crossmodel.peers(self._model) or self._model.farewells
                patience = max(due - time.monotonic(), 0.01) if others else None
                self._changes.wait(generation, patience)

    # Speaking

    def speak(self) -> None:
        """Tell the other models what they do not know yet."""
        with self._speaking:
            with self._changes:
                farewells, self._model.farewells = self._model.farewells, []
                news = [
                    (relation.across, crossmodel.half(self._model, relation))
                    for relation in self._model.relations.values()
                    if relation.across and relation.across.heard and not relation.across.cut
                ]
                self._told = {a.token: self._told.get(a.token, {}) for a, _ in news}
            for across, half in news:
                if self._told[across.token] != half:
                    self._tell(across, half)
            for farewell in farewells:
                self._take_leave(farewell)

    def _tell(self, across: Across, half: crossmodel.Half) -> None:
        arguments = {'uuid': across.uuid, 'token': across.token, 'half': half}
        try:
            answer = self._ask(across.model, 'exchange', arguments)
        except RegistryError:
            self._lose(across.model, across.uuid)
        except (RequestError, OSError) as e:
            log.warning('cannot tell model %s: %s', across.model, e)
        else:
            if answer != UNKNOWN:
                self._told[across.token] = half
                return
            with self._changes:
                relation = crossmodel.by_token(self._model, across.token)
                if relation and not across.cut:
                    across.cut = True
                    self._model.destroy_relation(relation)
                    self._changes.announce()

    def _take_leave(self, farewell: Farewell) -> None:
        arguments = {
            'uuid': farewell.uuid,
            'token': farewell.token,
            'forced': farewell.forced,
        }
        try:
            self._ask(farewell.model, 'farewell', arguments)
        except RegistryError:
            pass  # there is nobody left to be told
        except (RequestError, OSError) as e:
            log.warning('cannot tell model %s: %s', farewell.model, e)
            with self._changes:
                self._model.farewells.append(farewell)

    def end(self) -> None:
        """Tell those who are linked that this model ends in good order."""
        self.speak()
        for name in list(self.linked):
            arguments = {'name': self._model.name, 'uuid': self._model.uuid}
            with contextlib.suppress(RegistryError, RequestError, OSError):
                self._ask(name, 'model-ended', arguments)

    # Looking

    def look(self) -> None:
        """See how the offers are that this model consumes, and whether all others still live."""
        with self._changes:
            peers = crossmodel.peers(self._model)
        for (name, uuid), offers in peers.items():
            try:
                answer = self._ask(name, 'ping', {'uuid': uuid, 'offers': offers})
            except RegistryError:
                self._lose(name, uuid)
            except (RequestError, OSError) as e:
                log.warning('cannot ask model %s: %s', name, e)
            else:
                if answer == UNKNOWN:
                    self._lose(name, uuid)
                else:
                    self._note(name, uuid, answer)

    def _note(self, name: str, uuid: str, answer: Mapping[str, Any]) -> None:
        """Note the statuses of the offers in another model; None is that of a removed one."""
        with self._changes:
            for saas in self._model.saas.values():
                if (saas.model, saas.uuid) != (name, uuid) or saas.offer not in answer:
                    continue
                told = answer[saas.offer]
                status = Status(*told) if told else Status('terminated', REMOVED, time.time())
                if saas.gone or saas.status == status:
                    continue
                saas.status, saas.gone = status, told is None
                self._changes.announce()

    def _lose(self, name: str, uuid: str) -> None:
        why = f'model "{name}" is gone: its controller does not answer'
        with self._changes:
            status = Status('error', why, time.time())
            if crossmodel.lose_model(self._model, name, uuid, status):
                self._changes.announce()
        self.forget(name, uuid)

    def forget(self, name: str, uuid: str) -> None:
        """Undo the link to a model that is gone."""
        if self.linked.get(name) == uuid:
            del self.linked[name]
            self._part(name)
