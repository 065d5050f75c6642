"""Log stores, and a place where there is none."""

import socket
import threading

import pytest
from charmlibs.interfaces import tls_certificates as tls

import authority
from log_store import Store


@pytest.fixture
def store():
    """Starts stores: `store(answer)`."""
    started = []

    def start(*arguments):
        server = Store(*arguments)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def tls_store(store, tmp_path):
    """A store with a certificate for `localhost`, its `certificate`, of the CA of all tests."""
    issuer = authority.authority()
    key = tls.PrivateKey.generate()
    asked = tls.CertificateRequestAttributes(common_name='localhost', sans_dns=['localhost'])
    path = tmp_path / 'store.pem'
    server = store()
    server.certificate = issuer.issue(str(asked.generate_csr(key)))
    path.write_text(f'{server.certificate}{key}\n')
    server.use_tls(path)
    return server


@pytest.fixture
def refused():
    """A URL where nothing listens."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    return f'http://127.0.0.1:{port}/push'
