"""Pods without Kubernetes: where a unit of a sidecar charm runs.

A pod is a network namespace, one OCI container for each workload with Pebble as PID 1, and the
charm container. All of it lives inside a model's outer namespaces (see `launch`) and ends with
them. State, including the containers' writable layers, is on a tmpfs in there.

The charm container is not an image: it shows the host's /usr read-only and a few files of its
/etc, and puts a Python that fits the packed charm first on PATH.
"""

import shutil
import subprocess
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localjuju.common import cache
from localjuju.pods import bundle, goprograms, host, images, processes
from localjuju.pods.bundle import Mount
from localjuju.pods.crun import Completed, Crun, Running
from localjuju.pods.namespaces import PodError, in_user_namespace, launch, require_inside
from localjuju.pods.network import Network, Subnets, hosts, pod_name, run

__all__ = ['JUJU_DIR', 'Completed', 'Container', 'Mount', 'PodError', 'Pods', 'launch']

_CHARM = 'charm'
#: The working directory of the charm container.
JUJU_DIR = '/var/lib/juju'
_TOOLS = f'{JUJU_DIR}/tools'
_PYTHONS = f'{JUJU_DIR}/python'
_FIRST_HEALTH_PORT = 38813


@dataclass(frozen=True)
class Container:
    """A workload container: its name and the upstream image reference, as in images.toml.

    ``mounts`` are folders of the host that appear in it, in each of its lives.
    """

    name: str
    image: str
    mounts: tuple[Mount, ...] = ()


@dataclass
class _Pod:
    unit: str
    folder: Path
    address: str
    specs: dict[str, Container]
    running: dict[str, Running] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Pods:
    """The pods of one model. Several threads may call its methods."""

    def __init__(self, model: str, workdir: Path, tools: Iterable[str], number: int = 1) -> None:
        """Prepare the outer namespaces for pods.

        Args:
            model: the model's name, part of every DNS name.
            workdir: an existing folder of the model; used only if no shorter path is free.
            tools: the names of the hook tools for charms.
            number: the model's, which chooses its subnets.

        Raises:
            PodError: if `launch` did not start this process, or the kernel lacks something.
        """
        require_inside()
        programs = {name: goprograms.built(name) for name in ('pebble', 'hooktool')}
        for name, program in programs.items():
            if not program.exists():
                raise PodError(f'cannot find the program {name}: run `make setup`')
            cache.use(program)
        self._pebble = programs['pebble']
        self.model = model
        #: A tmpfs that only the outer namespaces see. Short, because a socket's path must stay
        #: under 108 characters.
        self.state = _mount_state(workdir)
        for name in 'pods', 'tools':
            (self.state / name).mkdir()
        self._crun = Crun(self.state)
        self._network = Network(model, self.state, Subnets(number))
        self._pods: dict[str, _Pod] = {}
        self._lock = threading.Lock()
        shutil.copy(programs['hooktool'], self.state / 'tools/.hooktool')
        for tool in tools:
            (self.state / 'tools' / tool).symlink_to('.hooktool')

    # -- life cycle ---------------------------------------------------------------------------

    def create(
        self,
        unit: str,
        containers: Sequence[Container],
        unit_dir: Path,
        mounts: Sequence[Mount] = (),
    ) -> str:
        """Start the unit's pod and return its address.

        Workload containers run Pebble (``--hold``) with an empty plan; its socket may need some
        milliseconds more to answer.

        Args:
            unit: like ``app/0``.
            containers: the workloads.
            unit_dir: holds ``charm/``, the unpacked charm; the whole folder appears, writable, as
                /var/lib/juju/agents/unit-app-0 in the charm container.
            mounts: more folders of the host that appear in the charm container.

        Raises:
            PodError: if an image is unknown or not built, no Python fits the charm, or the pod
                already exists.
        """
        found = {c.name: images.find(c.image) for c in containers}
        with self._lock:
            if unit in self._pods:
                raise PodError(f'cannot create the pod of {unit}: it exists')
            folder = self.state / 'pods' / pod_name(unit)
            pod = _Pod(unit, folder, '', {c.name: c for c in containers})
            self._pods[unit] = pod
        with pod.lock:
            try:
                folder.mkdir()
                pod.address = self._network.add_pod(unit)
                self._write_etc(pod)
                for name in sorted(found):
                    self._start_workload(pod, name, found[name])
                self._start_charm(pod, unit_dir, mounts)
            except BaseException:
                self._remove(pod, grace=0)
                raise
        return pod.address

    def delete(self, unit: str, grace: float = 30.0) -> None:
        """End the unit's pod: SIGTERM to each PID 1, SIGKILL after `grace` seconds."""
        pod = self._pod(unit)
        with pod.lock:
            self._remove(pod, grace)

    def _remove(self, pod: _Pod, grace: float) -> None:
        self._stop(pod, list(pod.running), grace)
        self._network.remove_pod(pod.unit)
        shutil.rmtree(pod.folder, ignore_errors=True)
        with self._lock:
            self._pods.pop(pod.unit, None)

    def restart_container(self, unit: str, container: str) -> None:
        """Replace a workload container, as Kubernetes does when one dies.

        Pebble starts again with an empty plan in a fresh root file system. The pod keeps its
        address.
        """
        pod = self._pod(unit)
        with pod.lock:
            image = images.find(self._spec(pod, container).image)
            self._stop(pod, [_workload(container)], grace=0)
            self._start_workload(pod, container, image)

    def close(self) -> None:
        """End all pods immediately, without a grace period."""
        for unit in list(self._pods):
            self.delete(unit, grace=0)
        self._network.close()

    # -- running things -----------------------------------------------------------------------

    def dispatch(
        self, unit: str, env: Mapping[str, str], timeout: float, later: float = 0.0
    ) -> Completed:
        """Run the charm's ``./dispatch`` in the charm container.

        Args:
            unit: the unit.
            env: added to the container's environment.
            timeout: seconds, after which it and everything that it started are killed.
            later: how many seconds ahead of now the charm sees the clock.

        Returns:
            How it ended: with 126 or 127 if it, or its interpreter, cannot be run.

        Raises:
            PodError: if the pod does not exist, or time runs out.
        """
        charm = self._running(self._pod(unit), _CHARM)
        # A shell's exit codes distinguish a dispatch that cannot run from one that fails.
        argv = ['/bin/sh', '-c', 'exec ./dispatch']
        if later:
            env = {**env, **host.clock_ahead(later)}
        return self._crun.execute(charm, argv, stdin=b'', env=env, timeout=timeout)

    def exec(
        self,
        unit: str,
        container: str | None,
        argv: Sequence[str],
        *,
        stdin: bytes = b'',
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        cwd: str | None = None,
    ) -> Completed:
        """Run a command in a container of the unit (None: the charm container), as root.

        It starts in `cwd`, else in the folder of the charm or of the container's image.

        Raises:
            PodError: if the pod or container does not exist, or time runs out.
        """
        name = _CHARM if container is None else _workload(container)
        found = self._running(self._pod(unit), name)
        return self._crun.execute(
            found, argv, stdin=stdin, env=env or {}, timeout=timeout, cwd=cwd
        )

    def kill(self, unit: str, container: str, process: str, signal: int) -> int:
        """Send a signal to a container's processes by executable name; return how many."""
        pid = self._running(self._pod(unit), _workload(container)).pid
        return processes.signal_by_name(pid, process, signal)

    def run_in_network(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a program of the host in the model's outer network, such as a load generator.

        It reaches pods and services by address and by name, but is no pod itself. The options are
        Popen's.
        """
        return subprocess.Popen(argv, **options)

    # -- how to reach a pod --------------------------------------------------------------------

    def pebble_socket(self, unit: str, container: str) -> Path:
        """The path of a workload's Pebble socket, as the controller sees it."""
        return self._shared(self._pod(unit), container) / 'pebble.socket'

    def set_service(
        self, app: str, ports: Collection[tuple[str, int]], units: Collection[str]
    ) -> None:
        """Make ``<app>.<model>.svc.cluster.local`` reach these ports of these units.

        The name's address stays the same as long as the service exists. Connections to other
        ports, or while there is no unit, are refused immediately.

        Args:
            app: the application.
            ports: the opened ports, like ``('tcp', 8080)``.
            units: the ready units.
        """
        self._network.set_service(app, ports, units)

    def remove_service(self, app: str) -> None:
        """Remove the application's service and its name."""
        self._network.remove_service(app)

    # -- other models --------------------------------------------------------------------------

    def link(self, number: int, namespace: int) -> None:
        """Make a link to the network of another model, given by number and namespace.

        Each side must then `join` the other.
        """
        self._network.link(number, namespace)

    def join(self, model: str, number: int) -> None:
        """Let pods reach those of another model, once there is a link."""
        self._network.join(model, number)

    def part(self, model: str) -> None:
        """Forget another model, which is gone."""
        self._network.part(model)

    # -- containers ---------------------------------------------------------------------------

    def _pod(self, unit: str) -> _Pod:
        with self._lock:
            try:
                return self._pods[unit]
            except KeyError:
                raise PodError(f'cannot find the pod of {unit}: it does not exist') from None

    def _spec(self, pod: _Pod, container: str) -> Container:
        try:
            return pod.specs[container]
        except KeyError:
            known = ', '.join(sorted(pod.specs)) or 'none'
            raise PodError(
                f'cannot find container {container} of {pod.unit}: it has {known}'
            ) from None

    def _running(self, pod: _Pod, name: str) -> Running:
        try:
            return pod.running[name]
        except KeyError:
            raise PodError(f'cannot find container {name} of {pod.unit}: not running') from None

    def _shared(self, pod: _Pod, container: str) -> Path:
        """The folder that is /charm/container there and /charm/containers/<name> for the charm."""
        return pod.folder / 'shared' / container

    def _write_etc(self, pod: _Pod) -> None:
        (pod.folder / 'hosts').write_text(hosts(pod.unit, self.model, pod.address))
        (pod.folder / 'hostname').write_text(f'{pod_name(pod.unit)}\n')
        for container in pod.specs:
            self._shared(pod, container).mkdir(parents=True)

    def _etc_mounts(self, pod: _Pod) -> list[Mount]:
        return [
            Mount(pod.folder / 'hosts', '/etc/hosts', writable=True),
            Mount(pod.folder / 'hostname', '/etc/hostname', writable=True),
            Mount(self.state / 'resolv.conf', '/etc/resolv.conf'),
        ]

    def _start_workload(self, pod: _Pod, container: str, image: images.Image) -> None:
        folder = pod.folder / f'workload-{container}'
        for name in ('upper', 'work', 'rootfs'):
            (folder / name).mkdir(parents=True)
        lower = ':'.join(str(layer) for layer in image.layers)
        options = f'lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work'
        if in_user_namespace():
            options += ',userxattr'
        run(['mount', '-t', 'overlay', 'overlay', '-o', options, str(folder / 'rootfs')])
        shared = self._shared(pod, container)
        (shared / 'pebble.socket').unlink(missing_ok=True)
        port = _FIRST_HEALTH_PORT + sorted(pod.specs).index(container)
        spec = bundle.Spec(
            title=f'container {container} of {pod.unit}',
            hostname=pod_name(pod.unit),
            network=self._network.namespace(pod.unit),
            mounts=[
                *self._etc_mounts(pod),
                Mount(self._pebble, '/charm/bin/pebble'),
                Mount(shared, '/charm/container', writable=True),
                *self._spec(pod, container).mounts,
            ],
            argv=f'/charm/bin/pebble run --create-dirs --hold --http :{port}'.split(),
            env={
                'PATH': bundle.SYSTEM_PATH,
                'HOSTNAME': pod_name(pod.unit),
                'JUJU_CONTAINER_NAME': container,
                'PEBBLE_SOCKET': '/charm/container/pebble.socket',
            },
            cwd=image.workdir,
        )
        self._start(pod, _workload(container), folder, spec)

    def _start_charm(self, pod: _Pod, unit_dir: Path, more: Sequence[Mount]) -> None:
        folder = pod.folder / 'charm'
        mounts = host.prepare(folder / 'rootfs')
        python = host.charm_python(unit_dir / 'charm')
        pythons_dir = folder / 'python'
        pythons_dir.mkdir()
        late: list[Mount] = []
        if python:
            for name in 'python', 'python3', f'python{python.version}':
                (pythons_dir / name).symlink_to(python.executable)
            if not python.prefix.is_relative_to('/usr'):
                mounts.append(Mount(python.prefix, str(python.prefix)))
            if config := host.venv_config(unit_dir / 'charm', python):
                (folder / 'pyvenv.cfg').write_text(config)
                target = f'{agent_dir(pod.unit)}/charm/venv/pyvenv.cfg'
                late.append(Mount(folder / 'pyvenv.cfg', target))
        mounts += self._etc_mounts(pod)
        mounts += [
            Mount(pythons_dir, _PYTHONS),
            Mount(self.state / 'tools', _TOOLS),
            Mount(unit_dir, agent_dir(pod.unit), writable=True),
            *late,
        ]
        for container in pod.specs:
            target = f'/charm/containers/{container}'
            mounts.append(Mount(self._shared(pod, container), target, writable=True))
        mounts += more
        spec = bundle.Spec(
            title=f'the charm of {pod.unit}',
            hostname=pod_name(pod.unit),
            network=self._network.namespace(pod.unit),
            mounts=mounts,
            argv=['catatonit', '-P'],
            env={
                'PATH': f'{_PYTHONS}:{_TOOLS}:{bundle.SYSTEM_PATH}',
                'HOME': '/root',
                'HOSTNAME': pod_name(pod.unit),
                'LANG': 'C.UTF-8',
            },
            cwd=f'{agent_dir(pod.unit)}/charm',
        )
        self._start(pod, _CHARM, folder, spec)

    def _start(self, pod: _Pod, name: str, folder: Path, spec: bundle.Spec) -> None:
        crun_name = f'{pod_name(pod.unit)}.{name}'
        pod.running[name] = self._crun.start(crun_name, folder, spec)

    def _stop(self, pod: _Pod, names: Sequence[str], grace: float) -> None:
        self._crun.stop([pod.running.pop(name) for name in names], grace)


def agent_dir(unit: str) -> str:
    """The path of the unit's folder in the charm container."""
    return f'{JUJU_DIR}/agents/unit-{pod_name(unit)}'


def _workload(container: str) -> str:
    """A pod's name for a workload container, distinct from the charm container's."""
    return f'workload-{container}'


def _mount_state(workdir: Path) -> Path:
    """Mount a tmpfs on the first empty folder among those that every Linux has."""
    for folder in Path('/mnt'), Path('/media'), Path('/srv'):
        if folder.is_dir() and not any(folder.iterdir()):
            break
    else:
        folder = workdir / 'state'
        folder.mkdir(exist_ok=True)
    run(['mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', str(folder)])
    return folder
