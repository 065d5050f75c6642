"""What podinfo alone answers, for the tests that are about it; replaced with the workload."""

import base64
import json
import re
import secrets
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


def answering(model: Model, target: str, path: str) -> set[str]:
    """The pods that answer, by their host names; asked often enough for each to get a turn."""
    answers = [model.cluster.http(target, NGINX_PORT, path) for _ in range(8)]
    assert [answer.status for answer in answers] == [200] * 8
    return {answer.json()['hostname'] for answer in answers}


def websocket_echo(model: Model, target: str, text: str) -> str:
    """Send a text (of less than 126 bytes) over a WebSocket to a worker, and return its answer."""
    key, mask = base64.b64encode(secrets.token_bytes(16)), secrets.token_bytes(4)
    head = (
        f'GET /ws/echo HTTP/1.1\r\nHost: {target}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
        f'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key.decode()}\r\n\r\n'
    )
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(text.encode()))
    with model.cluster.connect(target, NGINX_PORT) as client, client.makefile('rb') as file:
        client.sendall(head.encode())
        status = file.readline().decode()
        assert ' 101 ' in status, status
        while file.readline() not in (b'\r\n', b''):
            pass
        # One frame each way (RFC 6455): the last one, text, its length, and the client's masked.
        client.sendall(bytes([0x81, 0x80 | len(masked)]) + mask + masked)
        kind, length = file.read(2)
        assert kind == 0x81
        return file.read(length).decode()


def requested(spans: Iterable[Span]) -> list[str]:
    """The applications that were sent a request, in the order of time: their server spans."""
    servers = [span for span in spans if span.attributes.get('span.kind') == 'server']
    return [
        span.resource['juju_application'] for span in sorted(servers, key=lambda span: span.start)
    ]
