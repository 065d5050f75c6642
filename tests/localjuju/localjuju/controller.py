"""The controller of one model: the process that owns the model and answers for it.

It runs inside the model's outer namespaces (`pods.launch`), one thread per unit, and ends when
the process that the model belongs to ends; with it ends all that it started.
"""

import argparse
import contextlib
import json
import logging
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localjuju import charmfile, commands, images, modelconfig, registry, wire
from localjuju.agent import Changes
from localjuju.charmmeta import ModelError
from localjuju.debuglog import DebugLog
from localjuju.model import Application, Model
from localjuju.podrunner import PodRunner
from localjuju.pods import PodError, Pods
from localjuju.secretstore import SecretNotFoundError
from localjuju.unitstate import Life, Task

log = logging.getLogger(__name__)


class Controller:
    """One running model.

    `changes` guards `model` and everything else here that changes. Hooks, pods and network calls
    happen without it.
    """

    def __init__(
        self,
        model: Model,
        pods: Pods,
        workdir: Path,
        find_image: Callable[[str], object] = images.find,
        resolve: Callable[[str], str] = socket.gethostbyname,
    ) -> None:
        """Take over a model that is empty.

        Args:
            model: the model.
            pods: where its units run.
            workdir: a folder, on a file system that vanishes with the model.
            find_image: raises PodError for an image that pods cannot run.
            resolve: gives the address of a service by its name.
        """
        self.model = model
        self.pods = pods
        self.changes = Changes()
        self.log = DebugLog()
        self.stats: list[dict[str, Any]] = []
        self.config = dict(modelconfig.DEFAULTS)
        self.update_status_interval = modelconfig.duration(
            self.config['update-status-hook-interval']
        )
        self.units_dir = workdir / 'units'
        self.find_image = find_image
        self._resolve = resolve
        self._charms_dir = workdir / 'charms'
        self.units_dir.mkdir(parents=True)
        self._charms_dir.mkdir()
        self._unpacking = threading.Lock()
        self._unpacked: dict[tuple[str, int, int], Path] = {}
        self.runners: dict[str, PodRunner] = {}
        self._services: dict[str, tuple[frozenset[tuple[str, int]], frozenset[str]]] = {}
        self._services_lock = threading.Lock()
        #: Applications whose service is there before they are.
        self._arriving: set[str] = set()
        #: Set when the model has been destroyed in good order.
        self.ended = threading.Event()
        self.tasks: dict[int, Task] = {}
        #: Programs of the host that run in the model's network, by process id.
        self.programs: dict[int, subprocess.Popen[bytes]] = {}
        threading.Thread(target=self._supervise, daemon=True, name='supervisor').start()

    # Units

    def _supervise(self) -> None:
        """Start a runner for each new unit; keep the services as the units are."""
        while True:
            with self.changes:
                generation = self.changes.generation
                for unit in self.model.units():
                    if unit.name not in self.runners:
                        self.runners[unit.name] = PodRunner(self, unit.name)
                        self.runners[unit.name].start()
                gone = set(self._services) - set(self.model.applications) - self._arriving
                if self.model.destroying and not self.model.applications:
                    self.ended.set()
            try:
                for app in gone:
                    self.remove_service(app)
                self.update_services()
            except (PodError, OSError):
                log.exception('cannot update services')
            with self.changes:
                self.changes.wait(generation)

    def forget(self, unit: str) -> None:
        """A unit is gone. To be called with the lock held."""
        self.runners.pop(unit, None)

    def set_update_status_interval(self, text: str) -> None:
        """Set model-config's update-status-hook-interval. To be called with the lock held."""
        self.update_status_interval = modelconfig.duration(text)
        for runner in self.runners.values():
            runner.new_interval()
        self.changes.announce()

    def unpacked(self, charm: Path) -> Path:
        """A charm, unpacked once for all units of all applications that are deployed from it.

        What is deployed stays what it was, whatever happens to the file.
        """
        about = charm.stat()
        identity = (str(charm.resolve()), about.st_mtime_ns, about.st_size)
        with self._unpacking:
            folder = self._unpacked.get(identity)
            if folder is None or charm.is_dir():
                folder = self._charms_dir / str(len(list(self._charms_dir.iterdir())))
                charmfile.unpack(charm, folder)
                self._unpacked[identity] = folder
            return folder

    # Services

    def address_of_service(self, app: str) -> str:
        """Make the service of a new application, which no port leads through yet."""
        with self._services_lock:
            self._arriving.add(app)
            self.pods.set_service(app, (), ())
            self._services[app] = frozenset(), frozenset()
        return self._resolve(f'{app}.{self.model.name}.svc.cluster.local')

    def arrived(self, app: str) -> None:
        """The application is in the model now. To be called with the lock held."""
        self._arriving.discard(app)

    def update_services(self) -> None:
        """Let each application's service lead to its opened ports of its ready units."""
        with self._services_lock:
            with self.changes:
                wanted = {app.name: _service(app) for app in self.model.applications.values()}
            for app, service in wanted.items():
                if self._services.get(app) != service:
                    self.pods.set_service(app, *service)
                    self._services[app] = service

    def remove_service(self, app: str) -> None:
        """An application is gone."""
        with self._services_lock:
            if self._services.pop(app, None) is not None:
                self.pods.remove_service(app)

    # Requests

    def serve(self, listener: socket.socket) -> None:
        """Answer requests of `client.Model` for ever."""
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                request, _ = wire.receive(connection)
            except (ConnectionError, ValueError):
                return
            descriptor = None
            try:
                result = commands.run(self, request['command'], request['arguments'])
                if isinstance(result, socket.socket):
                    with result:
                        descriptor = os.dup(result.fileno())
                    result = None
                answer = {'result': result}
            except (ModelError, PodError, SecretNotFoundError, registry.RegistryError) as e:
                answer = {'error': str(e)}
            except Exception as e:
                log.exception('request %s failed', request)
                answer = {'error': f'the local Juju failed: {e!r}; see {self.model.name}/log'}
            with contextlib.suppress(OSError):
                wire.send(connection, answer, descriptor)
            if descriptor is not None:
                os.close(descriptor)


def _service(app: Application) -> tuple[frozenset[tuple[str, int]], frozenset[str]]:
    """An application's opened ports, and the units that Kubernetes would send requests to."""
    ports = frozenset(
        (protocol, number)
        for unit in app.units.values()
        for opened, _ in unit.ports
        for protocol, number in _ports(opened)
    )
    containers = set(app.charm.containers)
    ready = frozenset(
        unit.name
        for unit in app.units.values()
        if unit.address
        and unit.life is not Life.DEAD
        and not unit.pod_going
        and containers <= unit.ready_containers
    )
    return ports, ready


def _ports(opened: str) -> list[tuple[str, int]]:
    numbers, _, protocol = opened.partition('/')
    if not protocol:
        return []
    first, _, last = numbers.partition('-')
    return [(protocol, number) for number in range(int(first), int(last or first) + 1)]


def _await_owner(descriptor: int, controller: Controller) -> None:
    """Wait until the owner ended or the model was destroyed."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while not controller.ended.wait(0):
        if poll.poll(200):
            log.info('the owner ended')
            return


def main() -> None:
    """Run the controller of a model until its owner ends or it is destroyed."""
    parser = argparse.ArgumentParser(description='The controller of a local model.')
    parser.add_argument('name')
    parser.add_argument('--owner-fd', type=int, required=True)
    parser.add_argument('--config', default='{}', help='the model config, as JSON')
    arguments = parser.parse_args()
    logging.basicConfig(format='%(asctime)s %(levelname)s %(message)s', level=logging.INFO)
    folder = registry.folder(arguments.name)
    try:
        pods = Pods(arguments.name, folder)
    except PodError as e:
        sys.exit(f'ERROR {e}')
    controller = Controller(Model(arguments.name), pods, pods.state / 'model')
    try:
        commands.run(controller, 'set-model-config', json.loads(arguments.config))
    except ModelError as e:
        sys.exit(f'ERROR {e}')
    path = registry.control_socket(arguments.name)
    draft = path.with_name('new.sock')
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(draft))
    listener.listen(128)
    draft.rename(path)
    threading.Thread(target=controller.serve, args=(listener,), daemon=True).start()
    _await_owner(arguments.owner_fd, controller)
    registry.forget(arguments.name)
    # No farewell to threads and pods: the kernel ends them all with this process.
    os._exit(0)


if __name__ == '__main__':
    main()
