"""A unit in its pod: the thread that gives an agent its pods and removes them."""

import collections
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from localjuju.common import wire
from localjuju.controller import charmfile, volumes
from localjuju.controller.agent import Agent, Changes, Outcome
from localjuju.controller.debuglog import DebugLog
from localjuju.model import record, rollout, uniter
from localjuju.model.hooktools import Result
from localjuju.model.model import Model
from localjuju.model.unitstate import Event, Life, Status
from localjuju.pods.namespaces import HopelessError
from localjuju.pods.pods import Completed, Container, PodError, Pods
from localjuju.pods.watch import Watch

log = logging.getLogger(__name__)

#: Seconds before the next attempt to make a pod.
_POD_RETRY = 5.0
#: Seconds after which to wake up at the latest: secrets expire and rotate by the clock.
_LONGEST_WAIT = 30.0
#: Seconds that Kubernetes gives a pod between SIGTERM and SIGKILL.
_GRACE = 30.0


class Owner(Protocol):
    """What a runner needs of its controller."""

    model: Model
    pods: Pods
    changes: Changes
    log: DebugLog
    stats: list[dict[str, Any]]
    units_dir: Path
    volumes: volumes.Volumes
    update_status_interval: float

    def update_services(self) -> None:
        """Make each application's service reach its ready units."""

    def forget(self, unit: str) -> None:
        """Forget a unit that is gone. Call it with the lock held."""


class PodRunner(threading.Thread):
    """Runs one unit from its first pod to its last hook."""

    def __init__(self, controller: Owner, unit: str) -> None:
        super().__init__(daemon=True, name=unit)
        self._controller = controller
        self._changes = controller.changes
        self._pods = controller.pods
        self._entity = f'unit-{unit.replace("/", "-")}'
        self._folder = controller.units_dir / unit.replace('/', '-')
        self._watches: list[Watch] = []
        self._listener: socket.socket | None = None
        #: The unpacked charm of which the unit has a copy.
        self._charm: Path | None = None
        self._has_pod = False
        self._pod_failed = False
        self.agent = Agent(
            controller.model,
            unit,
            controller.changes,
            self._dispatch,
            lambda level, module, message: controller.log.add(
                self._entity, level, module, message
            ),
            controller.stats.append,
        )
        self.unit = self.agent.unit
        self._update_status_at = time.monotonic() + controller.update_status_interval
        self._forced = False

    def run(self) -> None:
        """Work until the unit or the controller is gone."""
        try:
            self._live()
        except Exception:
            log.exception('the agent of %s ended', self.unit.name)
            with self._changes:
                self.unit.agent = Status('failed', 'the local Juju failed: see its log')
                self._changes.announce()

    def _live(self) -> None:
        model = self.agent.model
        while True:
            with self._changes:
                generation = self._changes.generation
                if self._forced or uniter.is_done(model, self.unit, time.time()):
                    break
                self._look_at_clock()
            if not self._has_pod:
                self._make_pod()
                continue
            if self.agent.step():
                continue
            with self._changes:
                if generation != self._changes.generation:
                    continue
                if rollout.may_roll(model, self.unit):
                    rollout.pod_is_going(self.unit, time.time())
                    self._changes.announce()
                    continue
                finished = rollout.is_pod_finished(self.unit)
                if not finished:
                    self._changes.wait(generation, self._patience())
            if finished:
                self._replace_pod()
        self._end()

    def force(self) -> None:
        """Skip all further hooks: end the running one, and the unit."""
        self._forced = True
        threading.Thread(target=self._delete_at_once, daemon=True).start()

    def _delete_at_once(self) -> None:
        with contextlib.suppress(PodError, OSError):
            self._pods.delete(self.unit.name, 0)

    def _look_at_clock(self) -> None:
        if time.monotonic() >= self._update_status_at:
            self._update_status_at = time.monotonic() + self._controller.update_status_interval
            self.unit.update_status_due = True

    def new_interval(self) -> None:
        """Start the interval of update-status again, since it was changed."""
        self._update_status_at = time.monotonic() + self._controller.update_status_interval

    def _patience(self) -> float:
        patience = min(_LONGEST_WAIT, max(self._update_status_at - time.monotonic(), 0.01))
        if (deadline := uniter.next_deadline(self.unit)) is not None:
            patience = min(patience, max(deadline - time.time(), 0.01))
        return patience

    # The pod

    def _make_pod(self) -> None:
        app = self.agent.model.application(self.unit.app)
        with self._changes:
            charm, images = app.charm, dict(app.images)
            stored = self.agent.model.storages.of(self.unit.name)
        try:
            self._unpack()
            self._listen()
            mounts = self._controller.volumes.mounts(charm, stored)
            containers = [
                Container(n, images[r], mounts.workloads[n]) for n, r in charm.containers.items()
            ]
            address = self._pods.create(self.unit.name, containers, self._folder, mounts.charm)
        except (PodError, OSError) as e:
            log.warning('%s: %s', self.unit.name, e)
            self._pod_failed = True
            with self._changes:
                # An error means that a human must act; it is retried anyway.
                if isinstance(e, HopelessError):
                    self.unit.workload = Status('error', str(e), time.time())
                else:
                    self.unit.workload = Status('waiting', f'{e}; trying again', time.time())
                self.unit.agent = Status('allocating', '', time.time())
                self._changes.announce()
            self._wait_for_another_try()
            return
        self._has_pod = True
        with self._changes:
            rollout.pod_is_up(self.unit, address)
            for instance in stored:
                instance.since = instance.since or time.time()
            if self._pod_failed:
                self._pod_failed = False
                self.unit.workload = Status('waiting', 'installing agent', time.time())
            self._watches = [self._watch(name) for name in charm.containers]
            self._changes.announce()

    def _wait_for_another_try(self) -> None:
        deadline = time.monotonic() + _POD_RETRY
        with self._changes:
            while (left := deadline - time.monotonic()) > 0:
                if self._forced or self.unit.life is not Life.ALIVE:
                    return
                self._changes.wait(self._changes.generation, left)

    def _replace_pod(self) -> None:
        self._delete_pod()
        with self._changes:
            rollout.pod_is_gone(self.unit, time.time())
            self._changes.announce()

    def _delete_pod(self) -> None:
        for watch in self._watches:
            watch.stop()
        self._watches = []
        if self._has_pod:
            self._has_pod = False
            self._controller.update_services()
            try:
                at_once = self._forced or self.unit.pod_killed
                self._pods.delete(self.unit.name, 0 if at_once else _GRACE)
            except (PodError, OSError) as e:
                if not self._forced:
                    log.warning('%s: %s', self.unit.name, e)
        if self._listener:
            # close() alone would leave the thread in accept().
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self._charm = None
        charmfile.remove(self._folder)

    def _end(self) -> None:
        with self._changes:
            self.agent.model.bury(self.unit, time.time())
            for task in self.unit.tasks:
                task.status, task.message = 'failed', 'unit is gone'
            self._changes.announce()
        self._delete_pod()
        with self._changes:
            self._controller.forget(self.unit.name)
            self.agent.model.remove_unit(self.unit)
            self._changes.announce()
        self._controller.volumes.sweep()

    def _unpack(self) -> None:
        """Make the charm folder hold the application's charm, if it does not yet."""
        with self._changes:
            app = self.agent.model.application(self.unit.app)
            charm, images = Path(app.charm.source), dict(app.images)
        if self._charm != charm:
            charmfile.replicate(charm, self._folder / 'charm', self._charm)
            self._charm = charm
        charmfile.write_resources(self._folder / 'resources', images)

    # The charm

    def _dispatch(self, event: Event, env: Mapping[str, str], timeout: float) -> Outcome:
        if event.kind == 'upgrade-charm':
            self._unpack()
        try:
            if event.kind == 'exec':
                assert event.task is not None
                argv = ['/bin/bash', '-c', event.task.command]
                done = self._pods.exec(self.unit.name, None, argv, env=env, timeout=timeout)
            else:
                done = self._pods.dispatch(self.unit.name, env, timeout, self.unit.later)
        except PodError as e:
            return Outcome(1, stderr=str(e))
        return _outcome(done)

    def _listen(self) -> None:
        """Serve the unit's hook tools on agent.sock in its folder."""
        path = self._folder / 'agent.sock'
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(128)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                identity, tool, stdin, count, *rest = wire.receive_fields(connection)
                paths = collections.deque(rest)
                files = {paths.popleft(): paths.popleft() for _ in range(int(count))}
                result = self.agent.call(identity, tool, list(paths), stdin, files)
            except (OSError, ValueError, IndexError) as e:
                result = Result(1, stderr=f'ERROR cannot understand the hook tool: {e}\n')
            try:
                fields = [str(result.code), result.stdout, result.stderr]
                wire.send_fields(connection, fields)
            except OSError:
                pass

    # The containers

    def _watch(self, container: str) -> Watch:
        watch = Watch(
            lambda: self._pods.pebble_socket(self.unit.name, container),
            _Container(self, container),
        )
        watch.start()
        return watch

    def happened(self, event: Event) -> None:
        """Queue an event of a container for the charm."""
        with self._changes:
            if self.unit.life is not Life.DEAD:
                record.queue_workload_event(self.unit, event)
                self._changes.announce()

    def set_ready(self, container: str, ready: bool) -> None:
        """Record that a container's readiness changed."""
        with self._changes:
            containers = self.unit.ready_containers
            (containers.add if ready else containers.discard)(container)
            self._changes.announce()


class _Container:
    """Tells a unit what the watch of one container reports."""

    def __init__(self, runner: PodRunner, name: str) -> None:
        self._runner = runner
        self._name = name

    def ready(self) -> None:
        self._runner.happened(Event('pebble-ready', self._name))

    def noticed(self, identity: str, kind: str, key: str) -> None:
        notice = (identity, kind, key)
        self._runner.happened(Event('pebble-custom-notice', self._name, notice=notice))

    def checked(self, kind: str, check: str) -> None:
        self._runner.happened(Event(kind, self._name, check=check))

    def healthy(self, healthy: bool) -> None:
        self._runner.set_ready(self._name, healthy)


def _outcome(done: Completed) -> Outcome:
    return Outcome(
        done.returncode,
        done.stdout.decode(errors='replace'),
        done.stderr.decode(errors='replace'),
    )
