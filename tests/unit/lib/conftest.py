"""Log stores, and a place where there is none."""

import socket
import threading

import pytest

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
def refused():
    """A URL where nothing listens."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    return f'http://127.0.0.1:{port}/push'
