"""How the integration tests reach pods of a real Juju."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from unittest import mock

import pytest
from charmlibs.interfaces import tls_certificates as tls

import authority
import listeners
from cluster import KubernetesCluster

UNIT = 'coordinator/0'
HOST = 'coordinator-0.coordinator-endpoints.m.svc.cluster.local'


class Handler(BaseHTTPRequestHandler):
    """Answers with the method, the path, the host and the body that it was sent."""

    def do_POST(self) -> None:
        length = int(self.headers.get('Content-Length') or 0)
        self.send_response(418)
        self.send_header('X-Host', self.headers['Host'])
        self.end_headers()
        self.wfile.write(f'{self.command} {self.path} '.encode() + self.rfile.read(length))

    do_GET = do_POST  # noqa: N815 the name is that of the method

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(('127.0.0.1', 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cluster() -> KubernetesCluster:
    """Of a model in which every unit is on this machine."""
    unit = mock.Mock(address='127.0.0.1')
    juju = mock.Mock(model='controller:m')
    juju.status.return_value.apps = {
        'coordinator': mock.Mock(units={UNIT: unit}, address='127.0.0.1')
    }
    return KubernetesCluster(juju)


def test_a_unit_and_a_service_have_names_inside_the_cluster() -> None:
    assert listeners.host(UNIT, 'm') == HOST
    assert listeners.host('coordinator', 'm') == 'coordinator.m.svc.cluster.local'


def test_a_request_goes_to_the_address_and_names_the_unit(
    server: HTTPServer, cluster: KubernetesCluster
) -> None:
    port = server.server_port
    answer = cluster.http(UNIT, port, '/a?b', method='POST', body=b'hello')
    assert (answer.status, answer.body) == (418, b'POST /a?b hello')
    assert answer.headers['x-host'] == f'{HOST}:{port}'
    answer = cluster.http(UNIT, port, headers={'Host': 'x.example'})
    assert (answer.body, answer.headers['x-host']) == (b'GET / ', 'x.example')


def test_what_is_no_answer_is_an_oserror(cluster: KubernetesCluster) -> None:
    class Rude(Handler):
        """Hangs up."""

        def do_GET(self) -> None:
            self.connection.close()

    with HTTPServer(('127.0.0.1', 0), Rude) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(ConnectionError):
            cluster.http(UNIT, server.server_port)
        thread.join()


@pytest.mark.parametrize('name', [HOST, 'another.m.svc.cluster.local'])
def test_a_certificate_is_checked_against_the_name_inside_the_cluster(
    server: HTTPServer, cluster: KubernetesCluster, tmp_path: Path, name: str
) -> None:
    ca, key = authority.authority(), tls.PrivateKey.generate()
    certificate = ca.issue(authority.request(name, key=key))
    (tmp_path / 'pem').write_text(f'{certificate}\n{key}\n')
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / 'pem')
    server.socket = serving.wrap_socket(server.socket, server_side=True)
    context = ssl.create_default_context(cadata=ca.ca)
    if name == HOST:
        assert cluster.http(UNIT, server.server_port, context=context).status == 418
    else:
        with pytest.raises(ssl.SSLCertVerificationError):
            cluster.http(UNIT, server.server_port, context=context)
