"""Pods without containers: a dispatch is a Python function that calls hook tools by socket."""

import dataclasses
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from localjuju.common import wire
from localjuju.pods.pods import Completed, Container, Mount, PodError


@dataclasses.dataclass
class Charm:
    """What a fake charm's script sees."""

    unit: str
    env: Mapping[str, str]
    folder: Path

    def tool(self, name: str, *argv: str, stdin: str = '') -> str:
        """Call a hook tool as the client in the pod does; its stdout."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.folder / 'agent.sock'))
            fields = [self.env['JUJU_CONTEXT_ID'], name, stdin, '0', *argv]
            message = len(fields).to_bytes(4, 'big')
            for field in map(str.encode, fields):
                message += len(field).to_bytes(4, 'big') + field
            connection.sendall(message)
            code, stdout, stderr = wire.receive_answer(connection)
        assert code == '0', stderr
        return stdout


class FakePods:
    """Stands in for `localjuju.pods.Pods`. `script` is every unit's charm."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.script: Callable[[Charm], Any] = lambda charm: None
        self.pods: dict[str, Path] = {}
        #: By unit (its charm container) or ``unit container``, then by place in there.
        self.mounts: dict[str, dict[str, Mount]] = {}
        self.events: list[tuple[str, str]] = []
        #: How far ahead each unit's dispatches saw the clock.
        self.later: list[tuple[str, str, float]] = []
        self.services: dict[str, tuple[set[tuple[str, int]], set[str]]] = {}
        #: Why no pod can be made, if none can.
        self.broken: PodError | None = None
        #: Instead of the script, a dispatch does nothing but exit with this.
        self.exit = 0
        self._lock = threading.Lock()
        self._count = 1

    def create(
        self,
        unit: str,
        containers: Sequence[Container],
        unit_dir: Path,
        mounts: Sequence[Mount] = (),
    ) -> str:
        if self.broken:
            raise self.broken
        assert unit not in self.pods
        assert (unit_dir / 'charm' / 'dispatch').exists()
        with self._lock:
            self._count += 1
            self.pods[unit] = unit_dir
            self.mounts[unit] = {m.target: m for m in mounts}
            self.mounts |= {
                f'{unit} {c.name}': {m.target: m for m in c.mounts} for c in containers
            }
            self.events.append((unit, 'pod made'))
            return f'10.1.0.{self._count}'

    def delete(self, unit: str, grace: float = 30.0) -> None:
        if unit not in self.pods:
            raise PodError(f'no pod of {unit}')
        self.events.append((unit, 'pod deleted'))
        del self.pods[unit]

    def dispatch(
        self, unit: str, env: Mapping[str, str], timeout: float, later: float = 0.0
    ) -> Completed:
        self.later.append((unit, env['JUJU_HOOK_NAME'], later))
        self.events.append((unit, env['JUJU_DISPATCH_PATH'].removeprefix('hooks/')))
        if self.exit:
            return Completed(self.exit, b'', b'')
        try:
            self.script(Charm(unit, env, self.pods[unit]))
        except Exception as e:  # noqa: BLE001 - as the interpreter does
            return Completed(1, b'', f'Traceback: {e}'.encode())
        return Completed(0, b'', b'')

    def exec(
        self, unit: str, container: str | None, argv: Sequence[str], **options: Any
    ) -> Completed:
        return Completed(int(argv[-1] == 'fail'), repr(tuple(argv)).encode(), b'')

    def set_service(self, app: str, ports: Any, units: Any) -> None:
        self.services[app] = (set(ports), set(units))

    def remove_service(self, app: str) -> None:
        del self.services[app]

    def part(self, model: str) -> None:
        self.events.append((model, 'parted'))

    def pebble_socket(self, unit: str, container: str) -> Path:
        return self.pods[unit] / f'{container}.sock'

    def kill(self, unit: str, container: str, process: str, signal: int) -> int:
        return signal

    def restart_container(self, unit: str, container: str) -> None:
        self.events.append((unit, f'{container} restarted'))

    def of(self, unit: str) -> list[str]:
        """What happened to a unit, in order."""
        return [what for name, what in self.events if name == unit]
