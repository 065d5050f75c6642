"""The controller of one model: owns it, runs its units (a thread each), keeps its services."""

import logging
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localjuju.controller import charmfile, modelconfig
from localjuju.controller.agent import Changes
from localjuju.controller.constraints import Value
from localjuju.controller.debuglog import DebugLog
from localjuju.controller.exchange import Exchange
from localjuju.controller.podrunner import PodRunner
from localjuju.controller.requests import Requests
from localjuju.controller.volumes import Volumes
from localjuju.model.application import Application
from localjuju.model.model import Model
from localjuju.model.unitstate import Life, Task
from localjuju.pods import images
from localjuju.pods.pods import PodError, Pods

log = logging.getLogger(__name__)


class Controller:
    """One running model.

    `changes` guards `model` and all other changing state here. Hooks, pods and network calls run
    without it.
    """

    def __init__(
        self,
        model: Model,
        pods: Pods,
        workdir: Path,
        find_image: Callable[[str], object] = images.find,
        resolve: Callable[[str], str] = socket.gethostbyname,
    ) -> None:
        """Take over an empty model.

        Args:
            model: the model.
            pods: the pods in which its units run.
            workdir: a folder on a file system that disappears with the model.
            find_image: raises PodError for an image that pods cannot run.
            resolve: gives the address of a service by its name.
        """
        self.model = model
        self.pods = pods
        self.changes = Changes()
        self.exchange = Exchange(model, self.changes, pods.part)
        self.log = DebugLog()
        self.stats: list[dict[str, Any]] = []
        self.config = dict(modelconfig.DEFAULTS)
        self.constraints: dict[str, Value] = {}
        self.requests = Requests()
        self.update_status_interval = modelconfig.duration(
            self.config['update-status-hook-interval']
        )
        self.units_dir = workdir / 'units'
        self.find_image = find_image
        self._resolve = resolve
        self._charms_dir = workdir / 'charms'
        self.units_dir.mkdir(parents=True)
        self._charms_dir.mkdir()
        self.volumes = Volumes(workdir / 'storage', model.storages, self.changes)
        self._unpacking = threading.Lock()
        self._unpacked: dict[tuple[str, int, int], Path] = {}
        self.runners: dict[str, PodRunner] = {}
        self._services: dict[str, tuple[frozenset[tuple[str, int]], frozenset[str]]] = {}
        self._services_lock = threading.Lock()
        #: Applications whose service exists before they do.
        self._arriving: set[str] = set()
        #: Set when the model has been destroyed properly.
        self.ended = threading.Event()
        self.tasks: dict[int, Task] = {}
        #: Programs of the host that run in the model's network, by process id.
        self.programs: dict[int, subprocess.Popen[bytes]] = {}
        threading.Thread(target=self._supervise, daemon=True, name='supervisor').start()
        threading.Thread(target=self.exchange.run, daemon=True, name='exchange').start()

    # Units

    def _supervise(self) -> None:
        """Start a runner for each new unit; keep the services in line with the units."""
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
        """Forget a unit that is gone. Call it with the lock held."""
        self.runners.pop(unit, None)

    def set_update_status_interval(self, text: str) -> None:
        """Set model-config's update-status-hook-interval. Call it with the lock held."""
        self.update_status_interval = modelconfig.duration(text)
        for runner in self.runners.values():
            runner.new_interval()
        self.changes.announce()

    def unpacked(self, charm: Path) -> Path:
        """Unpack a charm once, for all units of all applications deployed from it.

        A deployed charm stays the same, whatever happens to the file.
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
        """Make the service of a new application, without ports yet, and return its address."""
        with self._services_lock:
            self._arriving.add(app)
            self.pods.set_service(app, (), ())
            self._services[app] = frozenset(), frozenset()
        return self._resolve(f'{app}.{self.model.name}.svc.cluster.local')

    def arrived(self, app: str) -> None:
        """Record that the application is in the model now. Call it with the lock held."""
        self._arriving.discard(app)

    def update_services(self) -> None:
        """Make each application's service reach the opened ports of its ready units."""
        with self._services_lock:
            with self.changes:
                wanted = {app.name: _service(app) for app in self.model.applications.values()}
            for app, service in wanted.items():
                if self._services.get(app) != service:
                    self.pods.set_service(app, *service)
                    self._services[app] = service

    def remove_service(self, app: str) -> None:
        """Remove the service of an application that is gone."""
        with self._services_lock:
            if self._services.pop(app, None) is not None:
                self.pods.remove_service(app)


def _service(app: Application) -> tuple[frozenset[tuple[str, int]], frozenset[str]]:
    """An application's opened ports, and the units to which Kubernetes would send requests."""
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
