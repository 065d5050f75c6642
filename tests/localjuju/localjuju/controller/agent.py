"""A unit's agent: runs one event after the other through a charm's dispatch.

It connects `uniter` (what comes next), `hooktools` (what the hook may do) and a dispatch, a plain
callable: pods in a running model, a fake in the unit tests.
"""

import dataclasses
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from localjuju.controller import kubernetes
from localjuju.model import environment, hooktools, record, uniter
from localjuju.model.hookcontext import HookContext
from localjuju.model.hooktools import Result
from localjuju.model.model import Model
from localjuju.model.unitstate import Event, Status, Task, Unit

#: No hook of a sane charm takes longer; without a limit, a stuck charm would stay stuck.
HOOK_SECONDS = 1800.0

_contexts = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a dispatch ended."""

    code: int
    stdout: str = ''
    stderr: str = ''


class Dispatch(Protocol):
    """Runs a charm for an event, or the command of an exec task, with these variables."""

    def __call__(self, event: Event, env: Mapping[str, str], timeout: float) -> Outcome:
        """Block until it has ended. Raises OSError if it cannot be run."""
        ...


class Changes:
    """The model's lock, and the announcement that something in the model has changed.

    To change the model, use ``with changes`` and then call `announce`. To wait, pass the
    `generation` seen before, so that no announcement is missed in between.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition(threading.RLock())
        self.generation = 0

    def __enter__(self) -> None:
        self._condition.acquire()

    def __exit__(self, *error: object) -> None:
        self._condition.release()

    def announce(self) -> None:
        """Wake everyone who waits."""
        self.generation += 1
        self._condition.notify_all()

    def wait(self, generation: int, timeout: float | None = None) -> None:
        """Wait until something has changed since that generation, or time is up."""
        if self.generation == generation:
            self._condition.wait(timeout)


class Agent:
    """The agent of one unit. `step` runs one event; its hooks never overlap.

    Args:
        model: the model.
        unit: the unit's name.
        changes: guards the model.
        dispatch: runs the charm; called without the lock.
        log: receives level, module and message.
        record: receives the entry of each dispatch, as in `client.Model.stats`.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        model: Model,
        unit: str,
        changes: Changes,
        dispatch: Dispatch,
        log: Callable[[str, str, str], None],
        record: Callable[[dict[str, Any]], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.model = model
        self.unit: Unit = model.unit(unit)
        self.changes = changes
        self.context: HookContext | None = None
        self._dispatch = dispatch
        self._log = log
        self._record = record
        self._clock = clock
        #: Whether the running hook said that it looked for the Kubernetes API in vain.
        self._missed_kubernetes = False

    def step(self) -> bool:
        """Run the next event, if there is one; return whether there was."""
        with self.changes:
            if uniter.synchronize(self.model, self.unit):
                self.changes.announce()
            event = uniter.next_event(self.model, self.unit, self._clock() + self.unit.later)
            if event is None:
                self._settle()
                return False
            if event == self.unit.failed and self.unit.resolved == 'skip':
                record.commit(self.model, self.unit, event, self._clock())
                self.changes.announce()
                return True
            self.context = context = self._begin(event)
            env = environment.environment(self.model, self.unit, event, context.identity)
        started = self._clock()
        outcome = self._run(event, env)
        with self.changes:
            self.context = None
            self._end(event, context, outcome, started)
            self.changes.announce()
        return True

    def _settle(self) -> None:
        """Record that there is nothing to do in the model's present state."""
        leaving = self.unit.pod_going or self.unit.roll_pending
        if self.unit.agent.current == 'executing' and not leaving:
            self.unit.agent = Status('idle', '', self._clock())
            self.changes.announce()
        self.unit.settled = -1 if leaving else self.changes.generation

    def _begin(self, event: Event) -> HookContext:
        identity = f'{self.unit.name}-{event.hook}-{next(_contexts)}'
        self._missed_kubernetes = False
        record.prepare(self.unit, event, self._clock())
        if event.task:
            event.task.status = 'running'
            event.task.times['started'] = self._clock()
        self.changes.announce()
        unit = self.unit.name

        def log(level: str, message: str) -> None:
            complains = level in ('WARNING', 'ERROR', 'CRITICAL')
            self._missed_kubernetes |= complains and kubernetes.is_missed(message)
            self._log(level, f'unit.{unit}.juju-log', message)

        resources = f'/var/lib/juju/agents/unit-{unit.replace("/", "-")}/resources'
        context = HookContext(self.model, self.unit, event, identity, log)
        context.resource_path = lambda name: f'{resources}/{name}/content.yaml'
        return context

    def _run(self, event: Event, env: Mapping[str, str]) -> Outcome:
        timeout = event.task.timeout if event.task else HOOK_SECONDS
        try:
            return self._dispatch(event, env, timeout)
        except OSError as e:
            return Outcome(1, stderr=str(e))

    def _end(self, event: Event, context: HookContext, outcome: Outcome, started: float) -> None:
        now = self._clock()
        module = f'unit.{self.unit.name}.{event.hook}'
        # An action's output is its result; a hook's, mainly tracebacks, goes to the log.
        if event.task is None:
            self._log_lines('DEBUG', module, outcome.stdout)
            self._log_lines('WARNING', module, outcome.stderr)
        succeeded = outcome.code == 0
        missed = self._missed_kubernetes or kubernetes.is_missed(outcome.stderr)
        if missed and event.kind != 'exec':
            self._log('WARNING', 'localjuju', f'{event.hook}: {kubernetes.NEEDED}')
        if succeeded:
            context.flush(now)
        if event.task:
            self._end_task(event.task, outcome, now)
        elif succeeded or (event.kind == 'stop' and self.unit.pod_going):
            # Nothing waits for the last words of a pod that is being removed.
            self._log(
                'INFO',
                'juju.worker.uniter.operation',
                f'ran "{event.hook}" hook (via hook dispatching script: dispatch)',
            )
            record.commit(self.model, self.unit, event, now, context)
        else:
            self._log(
                'ERROR',
                'juju.worker.uniter.operation',
                f'hook "{event.hook}" (via hook dispatching script: dispatch) failed: '
                f'exit status {outcome.code}',
            )
            record.fail(self.unit, event, now)
            self.unit.needs_kubernetes = missed
        self._record(
            {
                'unit': self.unit.name,
                'hook': event.hook,
                'started': started,
                'seconds': round(now - started, 4),
                'exit': outcome.code,
                'tools': dict(context.calls),
            }
        )

    def _log_lines(self, level: str, module: str, text: str) -> None:
        if text.strip():
            self._log(level, module, text.rstrip('\n'))

    def _end_task(self, task: Task, outcome: Outcome, now: float) -> None:
        self.unit.tasks.remove(task)
        task.times['completed'] = now
        task.results['return-code'] = outcome.code
        if outcome.stdout:
            task.results['stdout'] = outcome.stdout
        if outcome.stderr:
            task.results['stderr'] = outcome.stderr
        failed = task.status == 'failing' or (task.action and outcome.code != 0)
        task.status = 'failed' if failed else 'completed'
        if failed and not task.message:
            task.message = f'exit status {outcome.code}'

    def call(
        self, identity: str, tool: str, arguments: list[str], stdin: str, files: dict[str, str]
    ) -> Result:
        """Run a hook tool for the dispatch with this context id."""
        with self.changes:
            context = self.context
            if context is None or context.identity != identity:
                return Result(1, stderr=f'ERROR unknown context "{identity}"\n')
            result = hooktools.run(context, tool, arguments, stdin, files)
            if tool in _IMMEDIATE:
                self.changes.announce()
            return result


#: Tools whose effect shows before the hook ends.
_IMMEDIATE = ('status-set', 'application-version-set')
