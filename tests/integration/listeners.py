"""The ports that a deployment with TLS opens, and what each of them says to TLS and to plain HTTP.

Shared by the integration tests and the demo. Only the standard library, because the demo runs
before anything is installed.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import deployment

Connect = Callable[[str, int], socket.socket]
"""Connects to a unit (`app/0`) or an application's service (`app`); raises OSError."""

STORE_PORTS = {'prometheus': (9090,), 'loki': (3100,), 'tempo': (4317, 4318, 16686)}
"""The ports that a store opens, by its application."""
COLLECTOR_PORTS = (4317, 4318)
"""The ports that the collector opens."""


@dataclass(frozen=True)
class Listener:
    """A port that serves TLS.

    Attributes:
        target: the unit, or the application where all of its units are meant.
        port: where it serves TLS.
        plain_port: where it serves without TLS, and nothing once all have followed; the same
            where one port does both.
    """

    target: str
    port: int
    plain_port: int

    def __str__(self) -> str:
        return f'{self.target}:{self.port}'


def of_coordinator(unit: str) -> list[Listener]:
    """The listeners of a coordinator unit: nginx and its exporter."""
    return [
        Listener(unit, deployment.NGINX_PORT, deployment.NGINX_PORT),
        Listener(unit, deployment.EXPORTER_TLS_PORT, deployment.EXPORTER_PORT),
    ]


def of_worker(unit: str) -> list[Listener]:
    """The listener of a worker unit, if its workload can serve TLS."""
    port = deployment.WORKLOAD_TLS_PORT
    return [Listener(unit, port, deployment.WORKLOAD_PORT)] if port else []


def of_stores() -> list[Listener]:
    """The listeners of the stores."""
    return [
        Listener(application, port, port)
        for application, ports in STORE_PORTS.items()
        for port in ports
    ]


def of_collector() -> list[Listener]:
    """The listeners of the collector."""
    return [Listener(deployment.COLLECTOR.name, port, port) for port in COLLECTOR_PORTS]


def host(target: str, model: str) -> str:
    """The name of a unit or a service inside the cluster."""
    application, _, number = target.partition('/')
    name = f'{application}-{number}.{application}-endpoints' if number else application
    return f'{name}.{model}.svc.cluster.local'


def trusting(cas: str) -> ssl.SSLContext:
    """A client that trusts these CAs, in PEM, and nobody else; it verifies the name as well."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=cas)
    return context


@contextlib.contextmanager
def connected(
    connect: Connect, target: str, port: int, name: str, context: ssl.SSLContext
) -> Iterator[ssl.SSLSocket]:
    """A TLS connection; closes it at the end.

    Args:
        connect: makes the connection.
        target: the unit or application.
        port: its port.
        name: what the certificate must be for.
        context: whom to trust.

    Raises:
        OSError: nothing is there, or what is there has no such certificate (`ssl.SSLError`).
    """
    with connect(target, port) as plain, context.wrap_socket(plain, server_hostname=name) as tls:
        yield tls


# The host is one: a server refuses the name of a unit, `app/0`, for that reason alone.
_REQUEST = b'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'


def plain_answer(connect: Connect, target: str, port: int) -> str:
    """The status line that plain HTTP gets; '' if it gets none."""
    try:
        with connect(target, port) as connection:
            connection.sendall(_REQUEST)
            line = connection.makefile('rb').readline(200)
    except OSError:
        return ''
    return line.decode('ascii', 'replace').strip() if line.startswith(b'HTTP/1.') else ''


def serves_plain(connect: Connect, target: str, port: int) -> bool:
    """Whether plain HTTP is served, other than by a way to https or by a refusal."""
    answer = plain_answer(connect, target, port)
    # nginx sends it to https (308); a server in Go refuses it (400).
    return bool(answer) and answer.split()[1] not in {'308', '400'}


@dataclass(frozen=True)
class Answer:
    """What a listener says.

    Attributes:
        listener: which.
        tls: the version of TLS that it speaks, such as `TLSv1.3`, or ''.
        fault: why it does not speak TLS alone, with a certificate for its own name; or ''.
    """

    listener: Listener
    tls: str
    fault: str


def ask(
    connect: Connect, model: str, listeners: Iterable[Listener], context: ssl.SSLContext
) -> list[Answer]:
    """What each listener says to TLS, verified by CA and by its own name, and to plain HTTP."""
    return [_ask(connect, model, listener, context) for listener in listeners]


def _ask(connect: Connect, model: str, listener: Listener, context: ssl.SSLContext) -> Answer:
    target = listener.target
    try:
        with connected(connect, target, listener.port, host(target, model), context) as tls:
            version = tls.version() or ''
    except OSError as error:
        return Answer(listener, '', f'no TLS: {error}')
    if serves_plain(connect, target, listener.plain_port):
        return Answer(listener, version, f'port {listener.plain_port} serves plain HTTP')
    return Answer(listener, version, '')
