"""Pods without Kubernetes: what a unit of a sidecar charm runs in.

A pod is a network namespace, one OCI container for each workload with Pebble as PID 1, and the
charm container. All of it lives inside a model's outer namespaces (see `launch`) and vanishes
with them. State, the containers' writable layers included, is on a tmpfs in there.

The charm container is not an image: it shows the host's /usr read-only and a few /etc files, and
puts a Python that fits the packed charm first on PATH.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localjuju import bundle, host, images, paths, processes
from localjuju.bundle import Mount
from localjuju.namespaces import PodError, in_user_namespace, launch, require_inside
from localjuju.network import Network, hosts, pod_name, run

__all__ = ['Completed', 'Container', 'PodError', 'Pods', 'launch']

# fmt: off
#: The tools that a charm's dispatch may call, all of them the one hook-tool client.
HOOK_TOOLS = (
    'action-fail', 'action-get', 'action-log', 'action-set', 'add-metric',
    'application-version-set', 'close-port', 'config-get', 'credential-get', 'goal-state',
    'is-leader', 'juju-log', 'juju-reboot', 'network-get', 'open-port', 'opened-ports',
    'payload-register', 'payload-status-set', 'payload-unregister', 'pod-spec-get', 'pod-spec-set',
    'relation-get', 'relation-ids', 'relation-list', 'relation-model-get', 'relation-set',
    'resource-get', 'secret-add', 'secret-get', 'secret-grant', 'secret-ids', 'secret-info-get',
    'secret-remove', 'secret-revoke', 'secret-set', 'state-delete', 'state-get', 'state-set',
    'status-get', 'status-set', 'storage-add', 'storage-get', 'storage-list', 'unit-get',
)
# fmt: on

_CHARM = 'charm'
_TOOLS = '/var/lib/juju/tools'
_CRUN = ('crun', '--cgroup-manager=disabled', '--root')
_PYTHONS = '/var/lib/juju/python'
_FIRST_HEALTH_PORT = 38813
#: How long to wait for the kernel to end a killed container.
_KILL_SECONDS = 10


@dataclass(frozen=True)
class Container:
    """A workload container: its name and the upstream image reference, as in images.toml."""

    name: str
    image: str


@dataclass(frozen=True)
class Completed:
    """How a command ended. A return code of 128 + n means signal n."""

    returncode: int
    stdout: bytes
    stderr: bytes


@dataclass
class _Running:
    """A started container."""

    folder: Path
    env: Mapping[str, str]
    cwd: str
    pid: int
    pidfd: int


@dataclass
class _Pod:
    unit: str
    folder: Path
    address: str
    specs: dict[str, Container]
    running: dict[str, _Running] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Pods:
    """The pods of one model. Its methods are safe to call from several threads."""

    def __init__(self, model: str, workdir: Path) -> None:
        """Prepare the outer namespaces for pods.

        Args:
            model: the model's name, part of every DNS name.
            workdir: an existing folder of the model; used only if no shorter path is free.

        Raises:
            PodError: this process was not started by `launch`, or the kernel lacks something.
        """
        require_inside()
        for program in 'pebble', 'hooktool':
            if not paths.binary(program).exists():
                raise PodError(f'cannot find the program {program}: run setup.py binaries')
        self.model = model
        #: A tmpfs that only the outer namespaces see. Short, because a socket's path has to stay
        #: under 108 characters.
        self.state = _mount_state(workdir)
        for name in ('crun', 'pods', 'tools'):
            (self.state / name).mkdir()
        # crun looks for cgroups even when told not to use them.
        run(['mount', '-t', 'tmpfs', 'tmpfs', '/sys/fs/cgroup'])
        self._crun = [*_CRUN, str(self.state / 'crun')]
        self._network = Network(model, self.state)
        self._pods: dict[str, _Pod] = {}
        self._lock = threading.Lock()
        shutil.copy(paths.binary('hooktool'), self.state / 'tools/.hooktool')
        for tool in HOOK_TOOLS:
            (self.state / 'tools' / tool).symlink_to('.hooktool')

    # -- life cycle ---------------------------------------------------------------------------

    def create(self, unit: str, containers: Sequence[Container], unit_dir: Path) -> str:
        """Start the unit's pod and return its address.

        Workload containers run Pebble, held, with an empty plan; its socket may need some
        milliseconds more to answer.

        Args:
            unit: like ``app/0``.
            containers: the workloads.
            unit_dir: holds ``charm/``, the unpacked charm; the whole folder appears, writable, as
                /var/lib/juju/agents/unit-app-0 of the charm container.

        Raises:
            PodError: an image is not known or not built, no Python fits the charm, the pod
                exists already.
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
                self._start_charm(pod, unit_dir)
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
        """Replace a workload container as Kubernetes does after its death.

        Pebble starts anew with an empty plan in a fresh root file system. The pod keeps its
        address.
        """
        pod = self._pod(unit)
        with pod.lock:
            image = images.find(self._spec(pod, container).image)
            self._stop(pod, [_workload(container)], grace=0)
            self._start_workload(pod, container, image)

    def close(self) -> None:
        """End all pods at once, without grace."""
        for unit in list(self._pods):
            self.delete(unit, grace=0)
        self._network.close()

    # -- running things -----------------------------------------------------------------------

    def dispatch(self, unit: str, env: Mapping[str, str], timeout: float) -> Completed:
        """Run the charm's ``./dispatch`` in the charm container.

        Args:
            unit: the unit.
            env: added to the container's environment.
            timeout: seconds, after which it and all it started are killed.

        Raises:
            PodError: the pod does not exist, or the time is over.
        """
        return self._exec(unit, _CHARM, ['./dispatch'], b'', env, timeout)

    def exec(
        self,
        unit: str,
        container: str | None,
        argv: Sequence[str],
        *,
        stdin: bytes = b'',
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        """Run a command in a container of the unit (None: the charm container), as root.

        Raises:
            PodError: the pod or container does not exist, or the time is over.
        """
        name = _CHARM if container is None else _workload(container)
        return self._exec(unit, name, argv, stdin, env or {}, timeout)

    def kill(self, unit: str, container: str, process: str, signal: int) -> int:
        """Send a signal to a container's processes by executable name; return how many."""
        pid = self._running(self._pod(unit), _workload(container)).pid
        return processes.signal_by_name(pid, process, signal)

    def run_in_network(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a program of the host in the model's outer network (a load generator, say).

        It reaches pods and services by address and by name, but is no pod itself. Options are
        those of Popen.
        """
        return subprocess.Popen(argv, **options)

    # -- what a pod is reached by --------------------------------------------------------------

    def pebble_socket(self, unit: str, container: str) -> Path:
        """The path of a workload's Pebble socket, as the controller sees it."""
        return self._shared(self._pod(unit), container) / 'pebble.socket'

    def set_service(
        self, app: str, ports: Collection[tuple[str, int]], units: Collection[str]
    ) -> None:
        """Make ``<app>.<model>.svc.cluster.local`` lead to these ports of these units.

        The name's address stays the same as long as the service exists. Connections to other
        ports, or while there is no unit, are refused at once.

        Args:
            app: the application.
            ports: the opened ports, like ``('tcp', 8080)``.
            units: the ready units.
        """
        self._network.set_service(app, ports, units)

    def remove_service(self, app: str) -> None:
        """Take away the application's service and its name."""
        self._network.remove_service(app)

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

    def _running(self, pod: _Pod, name: str) -> _Running:
        try:
            return pod.running[name]
        except KeyError:
            raise PodError(f'cannot find container {name} of {pod.unit}: not running') from None

    def _shared(self, pod: _Pod, container: str) -> Path:
        """The folder seen as /charm/container there, /charm/containers/<name> by the charm."""
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
        env = {
            'PATH': bundle.SYSTEM_PATH,
            'HOSTNAME': pod_name(pod.unit),
            'JUJU_CONTAINER_NAME': container,
            'PEBBLE_SOCKET': '/charm/container/pebble.socket',
        }
        bundle.write(
            folder,
            hostname=pod_name(pod.unit),
            network=self._network.namespace(pod.unit),
            mounts=[
                *self._etc_mounts(pod),
                Mount(paths.binary('pebble').resolve(), '/charm/bin/pebble'),
                Mount(shared, '/charm/container', writable=True),
            ],
            argv=f'/charm/bin/pebble run --create-dirs --hold --http :{port}'.split(),
            env=env,
            cwd=image.workdir,
        )
        self._start(pod, _workload(container), folder, env, image.workdir)

    def _start_charm(self, pod: _Pod, unit_dir: Path) -> None:
        folder = pod.folder / 'charm'
        mounts = host.prepare(folder / 'rootfs')
        python = host.charm_python(unit_dir / 'charm')
        pythons_dir = folder / 'python'
        pythons_dir.mkdir()
        if python:
            for name in 'python', 'python3', f'python{python.version}':
                (pythons_dir / name).symlink_to(python.executable)
            if not python.prefix.is_relative_to('/usr'):
                mounts.append(Mount(python.prefix, str(python.prefix)))
        mounts += self._etc_mounts(pod)
        mounts += [
            Mount(pythons_dir, _PYTHONS),
            Mount(self.state / 'tools', _TOOLS),
            Mount(unit_dir, agent_dir(pod.unit), writable=True),
        ]
        for container in pod.specs:
            target = f'/charm/containers/{container}'
            mounts.append(Mount(self._shared(pod, container), target, writable=True))
        env = {
            'PATH': f'{_PYTHONS}:{_TOOLS}:{bundle.SYSTEM_PATH}',
            'HOME': '/root',
            'HOSTNAME': pod_name(pod.unit),
            'LANG': 'C.UTF-8',
        }
        bundle.write(
            folder,
            hostname=pod_name(pod.unit),
            network=self._network.namespace(pod.unit),
            mounts=mounts,
            argv=['catatonit', '-P'],
            env=env,
        )
        self._start(pod, _CHARM, folder, env, f'{agent_dir(pod.unit)}/charm')

    def _start(self, pod: _Pod, name: str, folder: Path, env: Mapping[str, str], cwd: str) -> None:
        """Run the bundle in `folder` and note it as the pod's container `name`."""
        pid_file = folder / 'pid'
        log = folder / 'log'
        argv = [*self._crun, 'run', '--detach', '--pid-file', str(pid_file)]
        with log.open('wb') as output:
            done = subprocess.run(
                [*argv, '--bundle', str(folder), self._id(pod, name)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        if done.returncode:
            why = log.read_text(errors='replace').strip()
            raise PodError(f'cannot start container {name} of {pod.unit}: {why}')
        pid = int(pid_file.read_text())
        pod.running[name] = _Running(folder, env, cwd, pid, os.pidfd_open(pid))

    def _id(self, pod: _Pod, name: str) -> str:
        return f'{pod_name(pod.unit)}.{name}'

    def _stop(self, pod: _Pod, names: Sequence[str], grace: float) -> None:
        """End containers together and remove what they leave."""
        stopping = {name: pod.running[name] for name in names}
        for sent, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, _KILL_SECONDS)):
            alive = [c.pidfd for c in stopping.values() if not processes.wait([c.pidfd], 0)]
            if seconds and alive:
                for pidfd in alive:
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(pidfd, sent)
                processes.wait(alive, seconds)
        for name, container in stopping.items():
            os.close(container.pidfd)
            del pod.running[name]
            run([*self._crun, 'delete', '--force', self._id(pod, name)])
            if os.path.ismount(container.folder / 'rootfs'):
                run(['umount', str(container.folder / 'rootfs')])
            shutil.rmtree(container.folder)

    def _exec(
        self,
        unit: str,
        name: str,
        argv: Sequence[str],
        stdin: bytes,
        env: Mapping[str, str],
        timeout: float | None,
    ) -> Completed:
        pod = self._pod(unit)
        running = self._running(pod, name)
        # crun forgets the container's own environment when it is given any, and its folder always.
        whole = {**running.env, **env}
        with tempfile.NamedTemporaryFile(dir=self.state, prefix='exec-') as pid_file:
            command = [*self._crun, 'exec', '--pid-file', pid_file.name]
            command += [f'--cwd={running.cwd}']
            command += [f'--env={key}={value}' for key, value in whole.items()]
            process = subprocess.Popen(
                [*command, self._id(pod, name), *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            try:
                stdout, stderr = process.communicate(stdin, timeout)
            except subprocess.TimeoutExpired:
                # crun waits for the command but does not end with it, nor it with crun.
                started = Path(pid_file.name).read_text()
                processes.kill_tree(int(started) if started else process.pid)
                process.kill()
                process.communicate()
                raise PodError(
                    f'cannot finish {argv[0]} in {unit}: still running after {timeout:g} s'
                ) from None
        return Completed(process.returncode, stdout, stderr)


def agent_dir(unit: str) -> str:
    """Where the charm container shows the unit's folder."""
    return f'/var/lib/juju/agents/unit-{pod_name(unit)}'


def _workload(container: str) -> str:
    """The name by which a pod knows a workload container, apart from the charm container."""
    return f'workload-{container}'


def _mount_state(workdir: Path) -> Path:
    """Mount a tmpfs on the first empty folder of those that every Linux has."""
    for folder in Path('/mnt'), Path('/media'), Path('/srv'):
        if folder.is_dir() and not any(folder.iterdir()):
            break
    else:
        folder = workdir / 'state'
        folder.mkdir(exist_ok=True)
    run(['mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', str(folder)])
    return folder
