"""The watch of a container, against an HTTP server that answers as Pebble does."""

import contextlib
import http.server
import json
import queue
import socketserver
import threading
from pathlib import Path
from typing import Any

import pytest

from localjuju.pods.watch import Watch


class Pebble(socketserver.ThreadingUnixStreamServer):
    """One run of Pebble: a boot id, notices, changes and a health."""

    daemon_threads = True

    def __init__(self, path: Path, boot: str) -> None:
        super().__init__(str(path), _Conversation)
        self.boot = boot
        self.healthy = True
        self.notices: list[dict[str, Any]] = []
        self.changes: dict[str, dict[str, Any]] = {}
        self.connections: list[Any] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is what is tested."""

    def die(self, path: Path) -> None:
        """As when the container ends."""
        self.shutdown()
        self.server_close()
        path.unlink()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(2)

    def notice(self, kind: str, key: str, /, **data: str) -> None:
        number = len(self.notices) + 1
        self.notices.append(
            {
                'id': str(number),
                'type': kind,
                'key': key,
                'last-repeated': f'2026-01-01T00:00:00.{number:03}Z',
                'last-data': data,
            }
        )


class _Conversation(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def setup(self) -> None:
        super().setup()
        assert isinstance(self.server, Pebble)
        self.pebble = self.server
        self.pebble.connections.append(self.connection)

    def do_GET(self) -> None:
        path, _, query = self.path.partition('?')
        if path == '/v1/system-info':
            self._answer(200, {'boot-id': self.pebble.boot})
        elif path == '/v1/health':
            self._answer(200 if self.pebble.healthy else 502, {})
        elif path == '/v1/notices':
            after = query.partition('after=')[2].replace('%3A', ':')
            self._answer(200, [n for n in self.pebble.notices if n['last-repeated'] > after])
        elif path.startswith('/v1/changes/'):
            self._answer(200, self.pebble.changes[path.rpartition('/')[2]])

    def _answer(self, status: int, result: Any) -> None:
        body = json.dumps({'result': result}).encode()
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Heard:
    """What a watch reports, in order."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[Any, ...]] = queue.Queue()

    def ready(self) -> None:
        self._queue.put(('ready',))

    def noticed(self, identity: str, kind: str, key: str) -> None:
        self._queue.put(('noticed', identity, kind, key))

    def checked(self, kind: str, check: str) -> None:
        self._queue.put(('checked', kind, check))

    def healthy(self, healthy: bool) -> None:
        self._queue.put(('healthy', healthy))

    def next(self) -> tuple[Any, ...]:
        return self._queue.get(timeout=60)


@pytest.fixture
def watched(tmp_path):
    path = tmp_path / 's'
    heard = Heard()
    watch = Watch(lambda: path, heard)
    watch.start()
    pebble = Pebble(path, 'one')
    assert heard.next() == ('ready',)
    assert heard.next() == ('healthy', True)
    yield path, pebble, heard
    watch.stop()
    watch.join(10)


def test_a_restarted_pebble_is_ready_again(watched):
    path, pebble, heard = watched
    pebble.die(path)
    assert heard.next() == ('healthy', False)
    pebble = Pebble(path, 'two')
    assert heard.next() == ('ready',)
    assert heard.next() == ('healthy', True)
    pebble.die(path)


def test_a_broken_connection_alone_is_no_restart(watched):
    path, pebble, heard = watched
    pebble.connections[-1].shutdown(2)
    assert heard.next() == ('healthy', False)
    assert heard.next() == ('healthy', True)
    pebble.die(path)


def test_a_custom_notice_is_told_once(watched):
    path, pebble, heard = watched
    pebble.notice('custom', 'example.com/a')
    assert heard.next() == ('noticed', '1', 'custom', 'example.com/a')
    pebble.notice('custom', 'example.com/b')
    assert heard.next() == ('noticed', '2', 'custom', 'example.com/b')
    pebble.die(path)


def test_checks_are_told_when_they_fail_and_when_they_recover(watched):
    path, pebble, heard = watched
    pebble.changes = {
        '1': {'status': 'Doing', 'data': {'check-name': 'up'}},
        '2': {'status': 'Error', 'data': {'check-name': 'up'}},
        '3': {'status': 'Done', 'data': {'check-name': 'up'}},
    }
    pebble.notice('change-update', '1', kind='perform-check')
    pebble.notice('change-update', '2', kind='perform-check')
    pebble.notice('change-update', '3', kind='recover-check')
    assert heard.next() == ('checked', 'pebble-check-failed', 'up')
    assert heard.next() == ('checked', 'pebble-check-recovered', 'up')
    pebble.die(path)


def test_a_check_that_fails_soon_is_in_time(tmp_path):
    """The kubelet's startup probe comes first, so a container is not ready at once."""
    path = tmp_path / 's'
    heard = Heard()
    watch = Watch(lambda: path, heard)
    watch.start()
    pebble = Pebble(path, 'one')
    assert heard.next() == ('ready',)
    pebble.healthy = False
    pebble.notice('custom', 'example.com/a')
    assert heard.next() == ('noticed', '1', 'custom', 'example.com/a')
    pebble.healthy = True
    assert heard.next() == ('healthy', True)
    watch.stop()
    watch.join(10)
    pebble.die(path)


def test_readiness_follows_the_checks(watched):
    path, pebble, heard = watched
    pebble.healthy = False
    assert heard.next() == ('healthy', False)
    pebble.healthy = True
    assert heard.next() == ('healthy', True)
    pebble.die(path)
