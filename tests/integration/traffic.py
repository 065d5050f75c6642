"""Requests through the coordinator, as the description of the workload has them."""

import secrets
import ssl

from cluster import Response
from deployment import NGINX_PORT, TRAFFIC, Example
from model import Model

EXAMPLE = max((one for one in TRAFFIC if one.path), key=lambda one: one.requests, default=None)
"""The request over HTTP that leads to the most workers in a row; None if there is none."""
HOPS = EXAMPLE.requests if EXAMPLE else 0
"""To how many: each goes through nginx."""


def ask(
    model: Model, target: str, *, trace_id: str = '', context: ssl.SSLContext | None = None
) -> str:
    """Send that request in a trace of its own, and check what is answered.

    Args:
        model: where to.
        target: a coordinator, or the service of all.
        trace_id: of the trace; by default a new one.
        context: how to verify the certificate; None for plain HTTP.

    Returns:
        The id of the trace.
    """
    trace_id = trace_id or secrets.token_hex(16)
    if EXAMPLE is None:
        exchange(model, target, TRAFFIC[-1])
        return trace_id
    headers = {'traceparent': f'00-{trace_id}-{secrets.token_hex(8)}-01'}
    check(EXAMPLE, send(model, target, EXAMPLE, headers=headers, context=context))
    return trace_id


def ask_all(model: Model, target: str) -> None:
    """Send each of the requests that show that the workload works."""
    for example in TRAFFIC:
        if example.path:
            check(example, send(model, target, example))
        else:
            exchange(model, target, example)


def send(
    model: Model,
    target: str,
    example: Example,
    *,
    headers: dict[str, str] | None = None,
    context: ssl.SSLContext | None = None,
) -> Response:
    """Send a request over HTTP."""
    return model.cluster.http(
        target,
        NGINX_PORT,
        example.path,
        method=example.method,
        body=example.body.encode() or None,
        headers=headers,
        context=context,
    )


def check(example: Example, response: Response) -> None:
    """Assert that an answer is right."""
    assert response.status == 200, response
    assert example.is_answered_by(response.body.decode(errors='replace')), response


def exchange(model: Model, target: str, example: Example) -> None:
    """Send bytes, and assert that what comes back is right."""
    with model.cluster.connect(target, example.port) as connection:
        answer = example.exchange(connection)
    assert example.is_answered_by(answer), f'{example} was answered {answer!r}'
