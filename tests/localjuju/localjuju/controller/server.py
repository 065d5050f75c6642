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
    tasks,
)
from localjuju.controller.commands.table import COMMANDS
from localjuju.controller.controller import Controller
from localjuju.model.charmmeta import ModelError
from localjuju.model.secretstore import SecretNotFoundError
from localjuju.pods.pods import PodError

log = logging.getLogger(__name__)

#: Importing them registers their commands.
_MODULES = (applications, crossmodel, models, pods, secrets, tasks)


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
        descriptor = None
        try:
            result = run(controller, request['command'], request['arguments'])
            if isinstance(result, socket.socket | io.BufferedReader):
                with result:
                    descriptor = os.dup(result.fileno())
                result = None
            answer = {'result': result}
        except (ModelError, PodError, SecretNotFoundError, registry.RegistryError) as e:
            answer = {'error': str(e)}
        except Exception as e:
            log.exception('request %s failed', request)
            answer = {'error': f'the local Juju failed: {e!r}; see {controller.model.name}/log'}
        with contextlib.suppress(OSError):
            wire.send(connection, answer, descriptor)
        if descriptor is not None:
            os.close(descriptor)
