"""Requests through the coordinator, and what their answers and spans tell."""

import json
import re
import ssl
from collections.abc import Iterable

from clients import Span
from cluster import Response
from deployment import NGINX_PORT
from model import Model


def echo(
    model: Model, target: str, *, traceparent: str = '', context: ssl.SSLContext | None = None
) -> Response:
    """Send what a frontend passes on to a backend."""
    return model.cluster.http(
        target,
        NGINX_PORT,
        '/echo',
        method='POST',
        body=b'hello',
        headers={'traceparent': traceparent} if traceparent else {},
        context=context,
    )


def trace_id_of(response: Response) -> str:
    """The trace that a `POST /echo` belongs to, by what the backend says it was sent.

    podinfo answers 200, with an error in the body, when its backend failed: that fails here.
    """
    assert response.status == 200, response
    [answer] = response.json()
    assert answer.startswith('{'), answer
    [traceparent] = json.loads(answer)['Traceparent']
    match = re.fullmatch(r'00-([0-9a-f]{32})-[0-9a-f]{16}-01', traceparent)
    assert match, traceparent
    return match[1]


def requested(spans: Iterable[Span]) -> list[str]:
    """The applications that were sent a request, in the order of time: their server spans."""
    servers = [span for span in spans if span.attributes.get('span.kind') == 'server']
    return [
        span.resource['juju_application'] for span in sorted(servers, key=lambda span: span.start)
    ]
