"""What the real nginx does with requests, on this machine's loopback."""

import contextlib
import queue
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import programs
from coordinator.source import nginx_config, nginx_pod, workload

SECONDS = 20
"""How long anything here may take before it has failed."""
MEBIBYTE = 2**20


class Worker(threading.Thread):
    """An HTTP server that tells what came, connection by connection.

    It answers `GET /large` with 32 MiB, a request to upgrade with an echo of what follows, and
    everything else with its status when it has the whole request.

    Attributes:
        status: of all ordinary responses.
        heads: of each request, the number of its connection and its head.
        sizes: how much of a body has come, each time that something has.
    """

    def __init__(self, status=200):
        super().__init__(daemon=True)
        self.status = status
        self._listening = socket.create_server(('127.0.0.1', 0))
        self.port = self._listening.getsockname()[1]
        self.heads = queue.Queue()
        self.sizes = queue.Queue()

    def run(self):
        for number in range(1000):
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(number, connection), daemon=True).start()

    def close(self):
        self._listening.close()

    def _serve(self, number, connection):
        with contextlib.suppress(OSError), connection, connection.makefile('rb') as file:
            while head := read_head(file):
                self.heads.put((number, head))
                first = head.partition('\r\n')[0]
                if 'upgrade: ' in head.lower():
                    connection.sendall(b'HTTP/1.1 101 Switching Protocols\r\n')
                    connection.sendall(b'Upgrade: websocket\r\nConnection: upgrade\r\n\r\n')
                    while data := file.read1():
                        connection.sendall(data)
                    return
                self._read_body(head.lower(), file)
                size = 32 * MEBIBYTE if ' /large ' in first else 0
                answer = f'HTTP/1.1 {self.status} x\r\nContent-Length: {size}\r\n\r\n'
                connection.sendall(answer.encode())
                connection.sendall(bytes(size))

    def _read_body(self, head, file):
        _, named, rest = head.partition('content-length: ')
        left = total = int(rest.split()[0]) if named else 0
        while left:
            data = file.read1(min(left, 65536))
            if not data:
                return
            left -= len(data)
            self.sizes.put(total - left)


def read_head(file):
    """The head of a message, '' at the end of the connection."""
    lines = []
    while (line := file.readline()) not in (b'\r\n', b''):
        lines.append(line.decode())
    return ''.join(lines)


class Running:
    """An nginx in front of one worker."""

    def __init__(self, worker, port, folder):
        self.worker, self._port, self._folder = worker, port, folder

    def connect(self):
        return socket.create_connection(('127.0.0.1', self._port), timeout=SECONDS)

    def listens(self):
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return False
        return True

    def complaints(self):
        """What it found worth at least a warning, such as a body that it puts on the disk."""
        lines = (self._folder / 'errors').read_text().splitlines()
        return [line for line in lines if not re.search(r'\[(notice|info)\]', line)]


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as free:
        return free.getsockname()[1]


@contextlib.contextmanager
def serving(folder, *, open_files=None, soft=None, more=()):
    """nginx, as the charm configures it, with one process and under this hard limit.

    Args:
        folder: for its files.
        open_files: the hard limit.
        soft: the soft limit.
        more: further workers.
    """
    command = programs.command('ghcr.io/canonical/nginx:1.27.5', '/usr/sbin/nginx')
    worker = Worker()
    worker.start()
    port, status_port = free_port(), free_port()
    text = nginx_config.config(
        {'frontend': ['127.0.0.1']},
        locations=workload.LOCATIONS,
        upstream_port=worker.port,
        pod=nginx_pod.Pod(('127.0.0.1',), ipv6=False, open_files=open_files),
        log_level='info',
    )
    temps = [
        f'{kind}_temp_path {folder}/{kind}_temp;'
        for kind in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi')
    ]
    servers = ''.join(f'server 127.0.0.1:{other.port} max_fails=0;' for other in more)
    for old, new in (
        ('keepalive 64;', f'{servers} keepalive 64;'),
        ('worker_processes auto', 'worker_processes 1'),
        ('listen 8080', f'listen 127.0.0.1:{port}'),
        ('listen 127.0.0.1:8081', f'listen 127.0.0.1:{status_port}'),
        ('/tmp/nginx.pid', f'{folder}/pid'),
        ('/dev/stderr', f'{folder}/errors'),
        ('/dev/stdout', f'{folder}/access'),
        ('http {', ' '.join(['http {', *temps])),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / 'nginx.conf').write_text(text)
    limits = f'ulimit -Sn {soft}; ulimit -Hn {open_files};' if open_files else ''
    arguments = ['-p', str(folder), '-e', str(folder / 'log'), '-c', str(folder / 'nginx.conf')]
    process = subprocess.Popen(
        ['/bin/sh', '-c', f'{limits} exec "$@"', 'sh', *command, *arguments]
    )
    try:
        running = Running(worker, port, folder)
        wait_until(running.listens)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)
        worker.close()


def wait_until(holds):
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def nginx(tmp_path):
    with serving(tmp_path) as running:
        yield running


def ask(connection, head, body=b''):
    """Send a request, and return the status and the rest of the response's head."""
    connection.sendall(head.replace('\n', '\r\n').encode() + b'\r\n\r\n' + body)
    with connection.makefile('rb') as file:
        status, _, rest = read_head(file).partition('\r\n')
    if not status:
        raise EOFError('closed without an answer')
    return int(status.split()[1]), rest


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
