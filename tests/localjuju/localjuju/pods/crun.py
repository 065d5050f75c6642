"""Containers with crun: start them, run commands in them, stop them."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localjuju.pods import bundle, processes
from localjuju.pods.namespaces import PodError
from localjuju.pods.network import run

#: Seconds that the kernel may take to end a killed container.
_KILL_SECONDS = 10


@dataclass(frozen=True)
class Completed:
    """How a command ended. A return code of 128 + n means signal n."""

    returncode: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class Running:
    """A started container: its name in crun, its folder, its PID 1 as the controller sees it."""

    name: str
    folder: Path
    spec: bundle.Spec
    pid: int
    pidfd: int


class Crun:
    """The containers of one model. Several threads may call its methods."""

    def __init__(self, state: Path) -> None:
        """Keep crun's state in a folder `crun` under `state`."""
        self._state = state / 'crun'
        self._state.mkdir()
        # crun looks for cgroups even if told not to use them.
        run(['mount', '-t', 'tmpfs', 'tmpfs', '/sys/fs/cgroup'])
        self._command = ['crun', '--cgroup-manager=disabled', '--root', str(self._state)]

    def start(self, name: str, folder: Path, spec: bundle.Spec) -> Running:
        """Start a container and return as soon as its PID 1 runs.

        Args:
            name: unique among running containers.
            folder: holds its root file system as ``rootfs``; its output goes to ``log`` in there.
            spec: everything else about it.

        Raises:
            PodError: if crun refuses; with crun's message.
        """
        bundle.write(folder, spec)
        pid_file = folder / 'pid'
        log = folder / 'log'
        command = [*self._command, 'run', '--detach', '--pid-file', str(pid_file)]
        with log.open('wb') as output:
            done = subprocess.run(
                [*command, '--bundle', str(folder), name],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        if done.returncode:
            why = log.read_text(errors='replace').strip()
            self._discard(name, folder)
            raise PodError(f'cannot start {spec.title}: {why}')
        pid = int(pid_file.read_text())
        return Running(name, folder, spec, pid, os.pidfd_open(pid))

    def execute(
        self,
        container: Running,
        argv: Sequence[str],
        *,
        stdin: bytes,
        env: Mapping[str, str],
        timeout: float | None,
        cwd: str | None = None,
    ) -> Completed:
        """Run a command in a container, as root, and wait for it.

        Args:
            container: the container.
            argv: the command.
            stdin: all of its input.
            env: added to the container's environment.
            timeout: seconds, after which the command and all its descendants are killed.
            cwd: where it starts, if not in the container's working directory.

        Raises:
            PodError: if time runs out.
        """
        # Given any environment, crun forgets the container's own; its folder it always forgets.
        variables = {**container.spec.env, **env}
        with tempfile.NamedTemporaryFile(dir=self._state.parent, prefix='exec-') as pid_file:
            command = [*self._command, 'exec', '--pid-file', pid_file.name]
            command += [f'--cwd={cwd or container.spec.cwd}']
            command += [f'--env={key}={value}' for key, value in variables.items()]
            process = subprocess.Popen(
                [*command, container.name, *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            try:
                stdout, stderr = process.communicate(stdin, timeout)
            except subprocess.TimeoutExpired:
                # crun waits for the command, but killing one of them does not end the other.
                started = Path(pid_file.name).read_text()
                processes.kill_tree(int(started) if started else process.pid)
                process.kill()
                process.communicate()
                what = f'`{argv[-1]}` in {container.spec.title}'
                raise PodError(
                    f'cannot finish {what}: still running after {timeout:g} s'
                ) from None
        return Completed(process.returncode, stdout, stderr)

    def stop(self, containers: Sequence[Running], grace: float) -> None:
        """End containers together: SIGTERM, then SIGKILL after `grace` seconds; remove folders."""
        for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, _KILL_SECONDS)):
            alive = [c.pidfd for c in containers if not processes.wait([c.pidfd], 0)]
            if alive and seconds:
                for pidfd in alive:
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(pidfd, number)
                processes.wait(alive, seconds)
        for container in containers:
            os.close(container.pidfd)
            self._discard(container.name, container.folder)

    def _discard(self, name: str, folder: Path) -> None:
        """Remove what a container leaves behind that has ended or never started."""
        subprocess.run([*self._command, 'delete', '--force', name], capture_output=True)
        if (folder / 'rootfs').is_mount():
            run(['umount', str(folder / 'rootfs')])
        shutil.rmtree(folder)
