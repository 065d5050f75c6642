"""Requests to a model's controller, from the `juju` program, a test or another controller."""

from collections.abc import Mapping
from typing import Any

from localjuju.common import registry, wire


class RequestError(Exception):
    """The controller refused. The message is what `juju` prints after ``ERROR``."""


def request(
    model: str, command: str, arguments: Mapping[str, Any], timeout: float | None = None
) -> tuple[Any, int | None]:
    """Ask a model's controller.

    Args:
        model: the model's name.
        command: the request's name.
        arguments: its arguments, as JSON.
        timeout: seconds for each step, after which TimeoutError is raised.

    Returns:
        The result, and the file descriptor that came with it, if any.

    Raises:
        RegistryError: if the model does not exist (any more).
        RequestError: if it refuses, or dies meanwhile.
    """
    with registry.connect(model) as connection:
        connection.settimeout(timeout)
        try:
            wire.send(connection, {'command': command, 'arguments': arguments})
            answer, descriptor = wire.receive(connection)
        except ConnectionError:
            raise RequestError(f'model "{model}" died while it was asked') from None
    if 'error' in answer:
        raise RequestError(answer['error'])
    return answer['result'], descriptor
