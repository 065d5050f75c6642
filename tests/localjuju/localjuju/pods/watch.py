"""Watch a workload container's Pebble, in place of Juju's unit agent and the kubelet."""

import contextlib
import http.client
import json
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

#: Seconds between probes while Pebble does not answer, or answers that it is not ready.
_IMPATIENT = 0.1
#: Seconds that a request for notices waits, and so the time between readiness probes.
_PATIENT = 1.0
#: Seconds from Pebble's first answer to the first readiness probe. The kubelet waits for its
#: startup probe to pass, which it sends every second.
_STARTUP = 0.5
_TIMEOUT = 10.0


class Watcher(Protocol):
    """Receives what a container's watch reports, in the watch's own thread."""

    def ready(self) -> None:
        """Pebble answers for the first time since it (re)started."""

    def noticed(self, identity: str, kind: str, key: str) -> None:
        """Pebble recorded a notice (its id, type and key)."""

    def checked(self, kind: str, check: str) -> None:
        """A check failed or recovered: ``pebble-check-failed`` or ``pebble-check-recovered``."""

    def healthy(self, healthy: bool) -> None:
        """The container's readiness changed."""


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__('localhost', timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(str(self._path))


class Watch(threading.Thread):
    """The watch of one container, from `start` until `stop`.

    Args:
        find_socket: gives the path of Pebble's socket.
        watcher: receives the reports.
    """

    def __init__(self, find_socket: Callable[[], Path], watcher: Watcher) -> None:
        super().__init__(daemon=True)
        self._find_socket = find_socket
        self._watcher = watcher
        self._stopped = threading.Event()
        self._boot = ''
        self._healthy = False

    def stop(self) -> None:
        """Make the watch end soon. The caller need not wait."""
        self._stopped.set()

    def run(self) -> None:
        """Watch until stopped, whatever happens to Pebble."""
        while not self._stopped.is_set():
            try:
                with contextlib.closing(_Connection(self._find_socket())) as connection:
                    self._follow(connection)
            except (OSError, http.client.HTTPException, ValueError):
                # It is down, or still starting.
                self._set_healthy(False)
                self._stopped.wait(_IMPATIENT)

    def _follow(self, connection: _Connection) -> None:
        """Follow one run of Pebble until its connection breaks."""
        boot = _get(connection, '/v1/system-info')['boot-id']
        looks_from = 0.0
        if boot != self._boot:
            self._boot = boot
            looks_from = time.monotonic() + _STARTUP
            self._watcher.ready()
        after = ''
        while not self._stopped.is_set():
            self._set_healthy(time.monotonic() >= looks_from and self._is_healthy(connection))
            timeout = _PATIENT if self._healthy else _IMPATIENT
            query = {'timeout': f'{timeout}s', **({'after': after} if after else {})}
            for notice in _get(connection, f'/v1/notices?{urllib.parse.urlencode(query)}') or ():
                after = max(after, notice['last-repeated'], key=_moment)
                self._report(connection, notice)

    def _is_healthy(self, connection: _Connection) -> bool:
        connection.request('GET', '/v1/health?level=ready')
        response = connection.getresponse()
        response.read()
        return response.status == 200

    def _set_healthy(self, healthy: bool) -> None:
        if healthy != self._healthy and not self._stopped.is_set():
            self._healthy = healthy
            self._watcher.healthy(healthy)

    def _report(self, connection: _Connection, notice: dict[str, Any]) -> None:
        if notice['type'] == 'custom':
            self._watcher.noticed(notice['id'], notice['type'], notice['key'])
        if notice['type'] != 'change-update':
            return
        kind = notice.get('last-data', {}).get('kind')
        if kind not in ('perform-check', 'recover-check'):
            return
        change = _get(connection, f'/v1/changes/{notice["key"]}')
        name = (change.get('data') or {}).get('check-name', '')
        if (kind, change['status']) == ('perform-check', 'Error'):
            self._watcher.checked('pebble-check-failed', name)
        elif (kind, change['status']) == ('recover-check', 'Done'):
            self._watcher.checked('pebble-check-recovered', name)


def _get(connection: _Connection, path: str) -> Any:
    connection.request('GET', path)
    response = connection.getresponse()
    body = json.loads(response.read())
    if response.status != 200:
        raise http.client.HTTPException(f'GET {path}: {response.status}')
    return body['result']


def _moment(text: str) -> tuple[str, str]:
    """A UTC time as Go prints it, made comparable, since Go omits trailing zeros."""
    whole, _, fraction = text.rstrip('Z').partition('.')
    return whole, fraction.ljust(9, '0')
