"""What counts as a listener that speaks TLS alone: real servers on the loopback."""

import pathlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from charmlibs.interfaces import tls_certificates

import listeners
from authority import authority, request

NAME = 'w-0.w-endpoints.m.svc.cluster.local'
KEY = tls_certificates.PrivateKey.generate()


@contextmanager
def server(context: ssl.SSLContext | None, answer: bytes) -> Iterator[int]:
    """Answer each connection so, over TLS with a context; gives the port."""

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            try:
                if context:
                    connection = context.wrap_socket(connection, server_side=True)
                request = connection.recv(1000)
                # As nginx and Go do with a host that is none.
                refused = b'/0\r\n' in request
                connection.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n' if refused else answer)
            except OSError:
                pass
            connection.close()

    with socket.create_server(('127.0.0.1', 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def connect(_: str, port: int) -> socket.socket:
    return socket.create_connection(('127.0.0.1', port), timeout=5)


@pytest.mark.parametrize(
    ('answer', 'plain'),
    [
        (b'HTTP/1.1 200 OK\r\n\r\n', True),
        (b'HTTP/1.1 404 Not Found\r\n\r\n', True),
        (b'HTTP/1.1 308 Permanent Redirect\r\n\r\n', False),
        (b'HTTP/1.0 400 Bad Request\r\n\r\n', False),
        (b'\x15\x03\x01\x00\x02\x02F', False),  # an alert of TLS
        (b'', False),
    ],
)
def test_plain_http_is_served_unless_it_is_refused_or_sent_to_https(
    answer: bytes, plain: bool
) -> None:
    with server(None, answer) as port:
        assert listeners.serves_plain(connect, 'w/0', port) is plain


def test_a_closed_port_serves_nothing() -> None:
    with server(None, b'') as port:
        pass
    assert listeners.serves_plain(connect, 'w/0', port) is False


def served(folder: pathlib.Path, name: str = NAME, issuer: str = 'ca') -> ssl.SSLContext:
    """A server that shows a certificate for a name."""
    certificate = authority(issuer).issue(request(name, key=KEY))
    file = folder / 'own.pem'
    file.write_text(f'{KEY}\n{certificate}\n')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def ask(port: int, plain_port: int) -> listeners.Answer:
    context = listeners.trusting(authority('ca').certificate)
    [answer] = listeners.ask(connect, 'm', [listeners.Listener('w/0', port, plain_port)], context)
    return answer


def test_a_listener_with_its_own_certificate_speaks_tls_alone(tmp_path: pathlib.Path) -> None:
    with server(served(tmp_path), b'') as port:
        answer = ask(port, port)
    assert (answer.tls, answer.fault) == ('TLSv1.3', '')


def test_one_that_still_serves_plain_http_does_not(tmp_path: pathlib.Path) -> None:
    with (
        server(served(tmp_path), b'') as port,
        server(None, b'HTTP/1.1 200 OK\r\n\r\n') as plain_port,
    ):
        answer = ask(port, plain_port)
    assert (answer.tls, answer.fault) == ('TLSv1.3', f'port {plain_port} serves plain HTTP')


@pytest.mark.parametrize(
    ('name', 'issuer', 'why'),
    [
        (NAME.replace('w-0', 'w-1'), 'ca', 'Hostname mismatch'),
        (NAME, 'another', 'certificate verify failed'),
    ],
)
def test_nor_does_one_with_the_certificate_of_another_unit_or_ca(
    name: str, issuer: str, why: str, tmp_path: pathlib.Path
) -> None:
    context = served(tmp_path, name, issuer)
    with server(context, b'') as port:
        answer = ask(port, port)
    assert answer.tls == ''
    assert answer.fault.startswith('no TLS: ')
    assert why in answer.fault
