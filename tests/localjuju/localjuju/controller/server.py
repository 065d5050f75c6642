"""Answers the requests of `client.Model`, and of other models' controllers, on a socket."""

import contextlib
import io
import logging
import os
import socket
import threading
from collections.abc import Mapping
from typing import Any

from localjuju.common import registry, wire
from localjuju.controller.commands import (
    applications,
    crossmodel,
    models,
    pods,
    secrets,
    storage,
    tasks,
)
from localjuju.controller.commands.table import COMMANDS
from localjuju.controller.controller import Controller
from localjuju.model.charmmeta import ModelError
from localjuju.model.secretstore import SecretNotFoundError
from localjuju.pods.pods import PodError

log = logging.getLogger(__name__)

#: Importing them registers their commands.
_MODULES = (applications, crossmodel, models, pods, secrets, storage, tasks)


def run(controller: Controller, command: str, arguments: Mapping[str, Any]) -> Any:
    """Do what a request asks for. Raises ModelError if that is impossible."""
    function = COMMANDS.get(command)
    if function is None:
        raise ModelError(f'the controller does not know the request "{command}"')
    return function(controller, **arguments)


def serve(controller: Controller, listener: socket.socket) -> None:
    """Answer requests of `client.Model` for ever."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer, args=(controller, connection), daemon=True).start()


def _answer(controller: Controller, connection: socket.socket) -> None:
    with connection:
        try:
            request, _ = wire.receive(connection)
        except (ConnectionError, ValueError):
            return
        # That other models look after this one keeps nobody's model alive.
        apart = contextlib.nullcontext() if request.get('command') == 'ping' else None
        with apart or controller.requests:
            answer, descriptor = _result(controller, request)
            with contextlib.suppress(OSError):
                wire.send(connection, answer, descriptor)
        if descriptor is not None:
            os.close(descriptor)


def _result(
    controller: Controller, request: Mapping[str, Any]
) -> tuple[dict[str, Any], int | None]:
    """The answer to a request, and the file descriptor that goes with it, if one does."""
    try:
        result = run(controller, request['command'], request['arguments'])
        if isinstance(result, socket.socket | io.BufferedReader):
            with result:
                return {'result': None}, os.dup(result.fileno())
        return {'result': result}, None
    except (ModelError, PodError, SecretNotFoundError, registry.RegistryError) as e:
        return {'error': str(e)}, None
    except Exception as e:
        log.exception('request %s failed', request)
        why = f'the local Juju failed: {e!r}; see {controller.model.name}/log'
        return {'error': why}, None
