"""A real nginx on this machine's loopback, the workers behind it, and clients."""

import contextlib
import queue
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import programs
from coordinator.source import nginx_client_tls, nginx_stream

IMAGE = 'nginx:1.30.4'
SECONDS = 120
"""How long anything here may take before it has failed."""
MEBIBYTE = 2**20


class Worker(threading.Thread):
    """An HTTP server that tells what came, connection by connection.

    It answers `GET /large` with 32 MiB, a request to upgrade with an echo of what follows, and
    everything else with its status when it has the whole request.

    Attributes:
        status: of all ordinary responses.
        context: with which it serves TLS; None for plain HTTP. Each connection takes it anew.
        closes: whether it closes the connection after each response.
        resumed: of each connection with TLS, whether it resumed a session.
        heads: of each request, the number of its connection and its head.
        sizes: how much of a body has come, each time that something has.
    """

    def __init__(self, status=200, *, address=('127.0.0.1', 0), context=None, closes=False):
        super().__init__(daemon=True)
        self.status, self.context, self.closes = status, context, closes
        ipv6 = ':' in address[0]
        family = socket.AF_INET6 if ipv6 else socket.AF_INET
        self._listening = socket.create_server(address, family=family)
        self.port = self._listening.getsockname()[1]
        self.heads = queue.Queue()
        self.sizes = queue.Queue()
        self.resumed = queue.Queue()

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
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
                stack.enter_context(connection)
                self.resumed.put(connection.session_reused)
            file = stack.enter_context(connection.makefile('rb'))
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
                close = 'Connection: close\r\n' if self.closes else ''
                answer = f'HTTP/1.1 {self.status} x\r\n{close}Content-Length: {size}\r\n\r\n'
                connection.sendall(answer.encode() + bytes(size))
                if self.closes:
                    return

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
    """The head of a message, '' at the end of the connection or where TLS begins."""
    lines = []
    while (line := file.readline()) not in (b'\r\n', b'') and not line.startswith(b'\x16\x03'):
        lines.append(line.decode())
    return ''.join(lines)


class Running:
    """An nginx that runs.

    Attributes:
        folder: its files.
        process: its master.
        port: where it serves.
        worker: the one behind it, where there is but one.
        certificate: the file that it serves with, where it serves TLS.
    """

    process: subprocess.Popen[bytes]
    worker: Worker
    certificate: Path

    def __init__(self, folder):
        self.folder = folder
        self.port, self._status_port, self._plain_port = (free_port() for _ in range(3))

    def write(self, text):
        """Write a configuration as the charm makes it, with ports and files of its own."""
        temps = [
            f'{kind}_temp_path {self.folder}/{kind}_temp;'
            for kind in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi')
        ]
        for old, new in (
            ('worker_processes auto', 'worker_processes 1'),
            ('listen 8080', f'listen 127.0.0.1:{self.port}'),
            ('listen 127.0.0.1:8081', f'listen 127.0.0.1:{self._status_port}'),
            ('/tmp/nginx.pid', f'{self.folder}/pid'),
            ('/dev/stderr', f'{self.folder}/errors'),
            ('/dev/stdout', f'{self.folder}/access'),
            ('http {', ' '.join(['http {', *temps])),
        ):
            assert old in text
            text = text.replace(old, new)
        # The folder that it includes is the image's, not this machine's.
        module = programs.path(IMAGE, '/usr/lib/nginx/modules/ngx_stream_module.so')
        text = text.replace(nginx_stream.MODULES, f'load_module {module};\n')
        text = text.replace(nginx_client_tls.PLAIN, f'127.0.0.1:{self._plain_port}')
        path = self.folder / 'nginx.conf'
        path.write_text(text)
        return path

    def reload(self, text):
        """Have it run with another configuration; when that is so, is for the caller to see."""
        self.write(text)
        self.process.send_signal(signal.SIGHUP)

    def connect(self):
        return socket.create_connection(('127.0.0.1', self.port), timeout=SECONDS)

    def connect_to_status(self):
        return socket.create_connection(('127.0.0.1', self._status_port), timeout=SECONDS)

    def listens(self):
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return False
        return True

    def complaints(self):
        """What it found worth at least a warning, such as a body that it puts on the disk."""
        lines = (self.folder / 'errors').read_text().splitlines()
        return [line for line in lines if not re.search(r'\[(notice|info)\]', line)]


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as free:
        return free.getsockname()[1]


@contextlib.contextmanager
def started(folder: Path, text, *, limits=''):
    """nginx, as the charm configures it, with one process.

    Args:
        folder: for its files.
        text: its configuration.
        limits: what a shell does before.
    """
    command = programs.command(IMAGE, '/usr/sbin/nginx')
    running = Running(folder)
    arguments = ['-p', str(folder), '-e', str(folder / 'log'), '-c', str(running.write(text))]
    process = subprocess.Popen(
        ['/bin/sh', '-c', f'{limits} exec "$@"', 'sh', *command, *arguments]
    )
    running.process = process
    try:
        wait_until(running.listens)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)


def wait_until(holds):
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def ask(connection, head, body=b''):
    """Send a request, and return the status and the rest of the response's head."""
    connection.sendall(head.replace('\n', '\r\n').encode() + b'\r\n\r\n' + body)
    with connection.makefile('rb') as file:
        status, _, rest = read_head(file).partition('\r\n')
    if not status:
        raise EOFError('closed without an answer')
    return int(status.split()[1]), rest
