"""A running local model, for programs: what the `juju` command line cannot do.

Tests, the demo and the bench use it to break things (pods, leaders, processes), to reach into the
model's network and to read the counts.
"""

import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from localjuju.common import controllers, registry
from localjuju.common.controllers import RequestError

if TYPE_CHECKING:
    import ssl


__all__ = ['Model', 'RequestError', 'Response']


class Response(NamedTuple):
    """An HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Model:
    """A running local model, by name.

    Every method raises `registry.RegistryError` if the model does not exist (any more), and
    `RequestError` if it refuses.
    """

    def __init__(self, name: str) -> None:
        self.name = registry.bare_name(name)

    def request(self, command: str, /, **arguments: Any) -> Any:
        """Send a request to the controller; the `juju` program itself does nothing else."""
        return controllers.request(self.name, command, arguments)[0]

    # The model's network

    def connect(self, host: str, port: int, timeout: float = 5) -> socket.socket:
        """A TCP connection made inside the model's network.

        Args:
            host: an address or a DNS name of the model (a unit's or application's FQDN).
            port: the port.
            timeout: seconds, for the connection and then for each operation on the socket.

        Raises:
            ConnectionError: if refused, without a route, for an unknown name, or after `timeout`.
        """
        arguments = {'host': host, 'port': port, 'timeout': timeout}
        result, fd = controllers.request(self.name, 'connect', arguments)
        if fd is None:
            raise ConnectionError(result)
        connection = socket.socket(fileno=fd)
        connection.settimeout(timeout)
        return connection

    def http(
        self,
        url: str,
        *,
        method: str = 'GET',
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10,
        context: 'ssl.SSLContext | None' = None,
    ) -> Response:
        """Send one HTTP request inside the model's network. Raises OSError if it fails.

        An https URL needs a context, which says whom to trust.
        """
        # Imported here: that takes longer than everything else that the `juju` program does.
        import http.client  # noqa: PLC0415
        import urllib.parse  # noqa: PLC0415

        parts = urllib.parse.urlsplit(url)
        if parts.scheme != ('https' if context else 'http') or not parts.hostname:
            raise ValueError(f'cannot request {url}: not an http URL, or https and no context')
        port = parts.port or (443 if context else 80)
        connection = http.client.HTTPConnection(parts.hostname, port, timeout=timeout)
        connection.sock = self.connect(parts.hostname, port, timeout)
        target = (parts.path or '/') + (f'?{parts.query}' if parts.query else '')
        try:
            if context:
                connection.sock = context.wrap_socket(
                    connection.sock, server_hostname=parts.hostname
                )
            connection.request(method, target, body, dict(headers or {}))
            answer = connection.getresponse()
            return Response(answer.status, dict(answer.getheaders()), answer.read())
        except http.client.HTTPException as e:
            raise ConnectionError(f'cannot request {url}: {e!r}') from e
        finally:
            connection.close()

    def forward(self, host: str, port: int) -> int:
        """Make a port of the model reachable from the host, as long as this process lives.

        Returns:
            A port on 127.0.0.1.
        """
        listener = socket.create_server(('127.0.0.1', 0))

        def serve() -> None:
            while True:
                near, _ = listener.accept()
                threading.Thread(target=relay, args=(near,), daemon=True).start()

        def relay(near: socket.socket) -> None:
            with near:
                try:
                    far = self.connect(host, port)
                except (OSError, RequestError, registry.RegistryError):
                    return
                far.settimeout(None)
                with far:
                    back = threading.Thread(target=_copy, args=(far, near), daemon=True)
                    back.start()
                    _copy(near, far)
                    back.join()

        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]

    def start_in_network(self, argv: Sequence[str], output: Path) -> int:
        """Start a program of the host in the model's network, such as a load generator.

        It reaches pods and services by name. Its output goes to a file.

        Returns:
            A number for `stop_in_network`.
        """
        return self.request('start-in-network', argv=list(argv), output=str(output))

    def stop_in_network(self, number: int, timeout: float = 30) -> int:
        """Interrupt (SIGINT) such a program and wait for its end; return its exit code.

        After `timeout` seconds it is killed.
        """
        return self.request('stop-in-network', number=number, timeout=timeout)

    # What there is

    def status(self) -> dict[str, Any]:
        """What ``juju status --format json`` prints, for who asks often."""
        return self.request('status')

    # Counts

    def stats(self) -> dict[str, Any]:
        """All dispatches so far, oldest first.

        ``{"dispatches": [{"unit", "hook", "started" (seconds since the epoch), "seconds",
        "exit", "tools": {tool: calls}}…]}``
        """
        return self.request('stats')

    def hopeless(self) -> dict[str, str]:
        """The units that will never recover from an error → the reason.

        The machine lacks what their pods need, or the charm's program cannot run at all. A hook
        that fails for another reason does not count: it is retried, and may pass.
        """
        return self.request('hopeless')

    # Breaking things

    def delete_pod(self, unit: str, *, kill: bool = False) -> None:
        """Have a unit's pod rescheduled; return immediately. The unit is idle when it is back.

        Args:
            unit: its name.
            kill: end all of its processes immediately, without a stop hook.
        """
        self.request('delete-pod', unit=unit, kill=kill)

    def depose_leader(self, app: str) -> str:
        """Let another unit lead; return its name."""
        return self.request('depose-leader', app=app)

    def kill_process(self, unit: str, container: str, process: str, signal: int = 9) -> int:
        """Signal a container's processes by executable name; return how many there were."""
        return self.request(
            'kill-process', unit=unit, container=container, process=process, signal=signal
        )

    def restart_container(self, unit: str, container: str) -> None:
        """Kill a workload container; it comes back with an empty plan."""
        self.request('restart-container', unit=unit, container=container)

    def run_hook(self, unit: str, hook: str, *, later: float = 0) -> dict[str, Any]:
        """Run a hook without parameters, such as update-status, now; return its `stats` entry.

        Args:
            unit: its name.
            hook: the name of the hook.
            later: as if so many seconds had passed, for this unit alone. Its agent runs what is
                due by then first, such as secret-expired, and its charm sees the clock ahead;
                everything else, its workloads too, goes by the real one.
        """
        return self.request('run-hook', unit=unit, hook=hook, later=later)


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source ends, then signal the end to the target."""
    try:
        while data := source.recv(2**16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
