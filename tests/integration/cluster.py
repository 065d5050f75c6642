"""What the tests do to a model that Juju's command line cannot say, and how to reach its pods.

One interface, two backends: the local Juju, and a real one on Kubernetes through `kubectl`. An
operation that a backend lacks skips the test that asks for it, with the reason.
"""

import abc
import collections
import contextlib
import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import jubilant
import pytest

import listeners
from localjuju import client

RUN_HOOK = """
count=$(mktemp -d)
for tool in "$(dirname "$(command -v juju-log)")"/*; do
    name=$(basename "$tool")
    cat > "$count/$name" <<END
#!/bin/sh
echo $name >> $count/calls
exec $tool "\\$@"
END
    chmod +x "$count/$name"
done
PATH=$count:$PATH JUJU_DISPATCH_PATH=hooks/$HOOK ./dispatch >&2 || exit 1
cat "$count/calls"
rm -r "$count"
"""
"""Dispatches $HOOK with hook tools that are counted first; prints the name of each call."""


@dataclass(frozen=True)
class Response:
    """An HTTP response, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Cluster(abc.ABC):
    """A model's pods."""

    @abc.abstractmethod
    def delete_pod(self, unit: str, *, kill: bool = False) -> None:
        """Delete a unit's pod; it comes back, as the same unit, with nothing in its containers.

        Args:
            unit: its name.
            kill: give it no time to end what it does.
        """

    @abc.abstractmethod
    def depose_leader(self, application: str) -> str:
        """Make another unit the leader of an application; return that unit."""

    @abc.abstractmethod
    def kill_process(self, unit: str, container: str, process: str) -> None:
        """Kill (SIGKILL) a process in a container of a unit, by its executable's name."""

    @abc.abstractmethod
    def http(
        self,
        target: str,
        port: int,
        path: str = '/',
        *,
        method: str = 'GET',
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> Response:
        """Send a request to a unit (`app/0`) or to an application's service (`app`).

        With a context it goes over TLS, by the names inside the cluster.

        Raises:
            OSError: nothing answered.
        """

    def hopeless(self) -> dict[str, str]:
        """The units in an error that does not pass by waiting, each with the reason.

        Empty where that cannot be told.
        """
        return {}

    @abc.abstractmethod
    def connect(self, target: str, port: int) -> socket.socket:
        """Connect to a unit (`app/0`) or to an application's service (`app`).

        Raises:
            OSError: nothing is there.
        """

    def run_hook(self, unit: str, hook: str, *, later: float = 0) -> dict[str, int]:
        """Run a hook of a unit now, such as update-status, and wait for its end.

        Args:
            unit: its name.
            hook: the name of the hook.
            later: as if so many seconds had passed, for this unit's agent and charm alone. What is
                due by then, such as secret-expired, comes first.

        Returns:
            How often it called each hook tool.
        """
        self._lacks(f'run {hook} of {unit} on demand, {later} seconds ahead')

    def _lacks(self, operation: str, why: str = 'Juju has no command for it') -> NoReturn:
        pytest.skip(f'{type(self).__name__} cannot {operation}: {why}')


def dispatched(juju: jubilant.Juju, unit: str, hook: str) -> dict[str, int]:
    """Run a hook of a unit in the context of `juju exec`; return how often it called each tool."""
    printed = juju.exec('sh', '-c', f'HOOK={hook}\n{RUN_HOOK}', unit=unit).stdout
    return dict(collections.Counter(printed.split()))


class PodConnection(http.client.HTTPConnection):
    """HTTP with what has a name inside the cluster, from outside: by its address.

    Args:
        name: what the request and the certificate are to say.
        address: where it is.
        port: where it serves.
        context: how to verify its certificate; None for plain HTTP.
    """

    def __init__(self, name: str, address: str, port: int, context: ssl.SSLContext | None) -> None:
        super().__init__(name, port, timeout=10)
        self._address = address
        self._context = context

    def connect(self) -> None:
        """Connect to the address, by TLS where it is wanted."""
        self.sock = socket.create_connection((self._address, self.port), timeout=10)
        if self._context:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)


class LocalCluster(Cluster):
    """A model of the local Juju."""

    def __init__(self, model: str):
        self._model = client.Model(model)
        self._name = model

    def delete_pod(self, unit: str, *, kill: bool = False) -> None:
        self._model.delete_pod(unit, kill=kill)

    def depose_leader(self, application: str) -> str:
        return self._model.depose_leader(application)

    def kill_process(self, unit: str, container: str, process: str) -> None:
        self._model.kill_process(unit, container, process)

    def hopeless(self) -> dict[str, str]:
        return self._model.hopeless()

    def run_hook(self, unit: str, hook: str, *, later: float = 0) -> dict[str, int]:
        return self._model.run_hook(unit, hook, later=later)['tools']

    def http(
        self,
        target: str,
        port: int,
        path: str = '/',
        *,
        method: str = 'GET',
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> Response:
        scheme, host = 'https' if context else 'http', listeners.host(target, self._name)
        response = self._model.http(
            f'{scheme}://{host}:{port}{path}',
            method=method,
            body=body,
            headers=headers or {},
            context=context,
        )
        lower = {name.lower(): value for name, value in response.headers.items()}
        return Response(response.status, lower, response.body)

    def connect(self, target: str, port: int) -> socket.socket:
        return self._model.connect(listeners.host(target, self._name), port)


class KubernetesCluster(Cluster):
    """A model of a real Juju on a Kubernetes cluster that `kubectl` and this machine can reach."""

    def __init__(self, juju: jubilant.Juju):
        assert juju.model is not None
        self._juju = juju
        self._namespace = juju.model.rpartition(':')[2]

    def _kubectl(self, *arguments: str) -> None:
        subprocess.run(['kubectl', '--namespace', self._namespace, *arguments], check=True)

    def delete_pod(self, unit: str, *, kill: bool = False) -> None:
        how = ('--grace-period=0', '--force') if kill else ()
        self._kubectl('delete', 'pod', unit.replace('/', '-'), *how)

    def depose_leader(self, application: str) -> str:
        # A lease outlives the pod: deleting it makes no new leader while it comes back in time.
        self._lacks(f'depose the leader of {application}')

    def kill_process(self, unit: str, container: str, process: str) -> None:
        pod = unit.replace('/', '-')
        self._kubectl(
            'exec', pod, '-c', container, '--', 'sh', '-c', f'kill -9 $(pidof {process})'
        )

    def run_hook(self, unit: str, hook: str, *, later: float = 0) -> dict[str, int]:
        if later:
            return super().run_hook(unit, hook, later=later)
        return dispatched(self._juju, unit, hook)

    def http(
        self,
        target: str,
        port: int,
        path: str = '/',
        *,
        method: str = 'GET',
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> Response:
        host = listeners.host(target, self._namespace)
        connection = PodConnection(host, self._address(target), port, context)
        with contextlib.closing(connection):
            try:
                connection.request(method, path, body, dict(headers or {}))
                response = connection.getresponse()
                lower = {name.lower(): value for name, value in response.getheaders()}
                return Response(response.status, lower, response.read())
            except http.client.HTTPException as error:
                raise ConnectionError(f'{host}: {error!r}') from error

    def connect(self, target: str, port: int) -> socket.socket:
        return socket.create_connection((self._address(target), port), timeout=10)

    def _address(self, target: str) -> str:
        application = self._juju.status().apps[target.partition('/')[0]]
        return application.units[target].address if '/' in target else application.address
