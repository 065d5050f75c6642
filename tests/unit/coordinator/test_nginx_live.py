"""What the real nginx does with requests, on this machine's loopback."""

import contextlib
import socket

import pytest

from coordinator import scene
from coordinator.live import MEBIBYTE, SECONDS, Worker, ask, read_head, started, wait_until
from coordinator.source import nginx_config, nginx_pod


@contextlib.contextmanager
def serving(folder, *, open_files=None, soft=None, more=()):
    """nginx in front of one worker, under this hard limit.

    Args:
        folder: for its files.
        open_files: the hard limit.
        soft: the soft limit.
        more: further workers.
    """
    worker = Worker()
    worker.start()
    text = nginx_config.config(
        {'gate': ['127.0.0.1']},
        workload=scene.serving_at(worker.port),
        pod=nginx_pod.Pod(('127.0.0.1',), ipv6=False, open_files=open_files),
        log_level='info',
    )
    servers = ''.join(f'server 127.0.0.1:{other.port} max_fails=0;' for other in more)
    assert 'keepalive 64;' in text
    text = text.replace('keepalive 64;', f'{servers} keepalive 64;')
    limits = f'ulimit -Sn {soft}; ulimit -Hn {open_files};' if open_files else ''
    with contextlib.closing(worker), started(folder, text, limits=limits) as running:
        running.worker = worker
        yield running


@pytest.fixture
def nginx(tmp_path):
    with serving(tmp_path) as running:
        yield running


def served(connection):
    """Whether nginx serves a request, or closes the connection that it comes by."""
    try:
        return ask(connection, 'GET / HTTP/1.1\nHost: a')[0] == 200
    except (ConnectionError, EOFError):
        return False


def test_a_body_streams_to_the_worker_and_not_to_the_disk(nginx):
    size = 5 * MEBIBYTE
    with nginx.connect() as client:
        head = f'POST / HTTP/1.1\nHost: a\nContent-Length: {size}\n'
        client.sendall(head.replace('\n', '\r\n').encode() + b'\r\n' + bytes(size - 1))
        # The worker has all but the last byte, before nginx has that.
        while nginx.worker.sizes.get(timeout=SECONDS) < size - 1:
            pass
        assert nginx.complaints() == []
        client.sendall(b'x')
        with client.makefile('rb') as file:
            assert read_head(file).startswith('HTTP/1.1 200 ')


def test_a_body_over_the_limit_is_refused_before_it_is_sent(nginx):
    size = 100 * MEBIBYTE
    with nginx.connect() as client:
        status, _ = ask(client, f'POST / HTTP/1.1\nHost: a\nContent-Length: {size + 1}')
    assert status == 413
    assert nginx.worker.heads.empty()


def test_a_body_is_passed_on_up_to_the_limit(nginx):
    size = 100 * MEBIBYTE
    with nginx.connect() as client:
        head = f'POST / HTTP/1.1\nHost: a\nContent-Length: {size}\nExpect: 100-continue'
        assert ask(client, head)[0] == 100


def test_a_response_that_the_client_does_not_read_is_not_put_on_the_disk(nginx):
    with nginx.connect() as client:
        assert ask(client, 'GET /large HTTP/1.1\nHost: a')[0] == 200
        # Others are served meanwhile, and so nginx has done what it can for this one.
        for _ in range(20):
            with nginx.connect() as other:
                assert ask(other, 'GET / HTTP/1.1\nHost: a')[0] == 200
        assert nginx.complaints() == []


UPGRADE = 'GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: '


@pytest.mark.parametrize('name', ['websocket', 'WebSocket'])
def test_a_websocket_is_passed_on_both_ways(nginx, name):
    with nginx.connect() as client:
        assert ask(client, UPGRADE + name)[0] == 101
        for text in (b'one', b'two'):
            client.sendall(text)
            assert client.recv(3, socket.MSG_WAITALL) == text
    _, head = nginx.worker.heads.get(timeout=SECONDS)
    assert 'Upgrade: websocket\r\n' in head
    assert 'Connection: upgrade\r\n' in head


@pytest.mark.parametrize('other', ['h2c', 'websocket2', 'h2c, websocket', 'TLS/1.0'])
def test_no_other_protocol_is_passed_on(nginx, other):
    with nginx.connect() as client:
        assert ask(client, UPGRADE + other)[0] == 200
    _, head = nginx.worker.heads.get(timeout=SECONDS)
    assert 'upgrade' not in head.lower()


def test_requests_that_are_no_websocket_share_a_connection_to_the_worker(nginx):
    for _ in range(3):
        with nginx.connect() as client:
            assert ask(client, 'GET / HTTP/1.1\nHost: a\nConnection: close')[0] == 200
    connections = {nginx.worker.heads.get(timeout=SECONDS)[0] for _ in range(3)}
    assert len(connections) == 1


def test_a_low_soft_limit_of_open_files_leaves_room_for_clients(tmp_path):
    with serving(tmp_path, open_files=1024, soft=128) as nginx, contextlib.ExitStack() as stack:
        for _ in range(300):
            idle = stack.enter_context(nginx.connect())
            assert ask(idle, 'GET / HTTP/1.1\nHost: a')[0] == 200
        assert nginx.complaints() == []


def test_a_client_is_not_left_waiting_when_a_low_hard_limit_is_reached(tmp_path):
    with serving(tmp_path, open_files=128, soft=128) as nginx, contextlib.ExitStack() as stack:
        with contextlib.ExitStack() as idle_ones:
            for _ in range(300):
                idle = idle_ones.enter_context(nginx.connect())
                if not served(idle):
                    break
            else:
                pytest.fail('there were connections for all')
        # It sees in its own time that they are closed.
        wait_until(lambda: served(stack.enter_context(nginx.connect())))
        assert all('worker_connections are not enough' in line for line in nginx.complaints())


@pytest.mark.parametrize(
    ('method', 'size', 'statuses'),
    [
        ('PUT', 100, {200}),
        ('PUT', MEBIBYTE, {200, 503}),
        ('POST', 100, {200, 503}),
    ],
)
def test_another_worker_is_tried_with_a_small_body_and_no_post(tmp_path, method, size, statuses):
    """Of the two workers, which take turns, one refuses all."""
    refusing = Worker(status=503)
    refusing.start()
    found = set()
    with contextlib.closing(refusing), serving(tmp_path, more=[refusing]) as nginx:
        for _ in range(8):
            with nginx.connect() as client:
                head = f'{method} / HTTP/1.1\nHost: a\nContent-Length: {size}'
                found.add(ask(client, head, bytes(size))[0])
    assert found == statuses
