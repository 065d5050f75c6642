"""A model without pods: agents with a fake dispatch that records what each unit is told."""

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from localjuju.controller.agent import Agent, Changes, Outcome
from localjuju.model import uniter
from localjuju.model.charmmeta import Action, Charm, Endpoint, Option
from localjuju.model.hooktools import Result
from localjuju.model.model import Model
from localjuju.model.unitstate import Event

NAMED = {'relation-joined', 'relation-changed', 'relation-departed'}


def charm(name: str = 'charm', **declared: Any) -> Charm:
    """A charm; ``provides={'endpoint': 'interface'}`` and so on, ``limits={'endpoint': 1}``."""
    limits = declared.get('limits', {})
    endpoints = {
        endpoint: Endpoint(endpoint, role, interface, limits.get(endpoint))
        for role in ('provides', 'requires', 'peers')
        for endpoint, interface in declared.get(role, {}).items()
    }
    options = declared.get('options', {'color': Option('color', 'string', 'red')})
    return Charm(
        name,
        f'/{name}.charm',
        endpoints,
        declared.get('containers', {}),
        declared.get('resources', {}),
        options,
        declared.get('actions', {'greet': Action('greet')}),
        stores=declared.get('stores', {}),
    )


class Hook:
    """What a fake charm sees while it runs: its environment and the hook tools."""

    def __init__(self, world: 'World', agent: Agent, event: Event, env: Mapping[str, str]):
        self.world, self.agent, self.event, self.env = world, agent, event, env

    def run(self, tool: str, *argv: str, stdin: str = '', files: Any = None) -> Result:
        """A hook tool's result, whatever it is."""
        identity = self.env['JUJU_CONTEXT_ID']
        return self.agent.call(identity, tool, list(argv), stdin, files or {})

    def ok(self, tool: str, *argv: str, stdin: str = '') -> str:
        """The stdout of a hook tool that must succeed."""
        result = self.run(tool, *argv, stdin=stdin)
        assert result.code == 0, f'{tool} {argv}: {result.stderr}'
        return result.stdout

    def json(self, tool: str, *argv: str) -> Any:
        """A hook tool's result, parsed."""
        return json.loads(self.ok(tool, '--format=json', *argv))

    def set(self, relation: int, values: dict[str, str], *, app: bool = False) -> None:
        """relation-set, as ops calls it."""
        target = ['--app'] if app else []
        self.ok(
            'relation-set', '-r', str(relation), *target, '--file', '-', stdin=json.dumps(values)
        )

    def get(self, relation: int, name: str, *, app: bool = False) -> dict[str, str]:
        """relation-get, as ops calls it."""
        target = ['--app'] if app else []
        return self.json('relation-get', '-r', str(relation), *target, '-', name)


#: Runs in a hook; returning an int (not a bool) makes that the hook's exit code.
Script = Callable[[Hook], object]


class World:
    """A model whose units run fake charms, one event at a time, in a fixed order.

    ``seen[unit]`` lists what a unit was told, in short: ``install``, ``db-relation-joined b/0``,
    ``db-relation-departed b/1 (b/1)`` with the departing unit in parentheses. A script registered
    with `on` runs in a hook and may fail it by its return value; any hook without one passes.
    """

    def __init__(self) -> None:
        self.model = Model('m', identity='00000000-0000-4000-8000-000000000000')
        self.now = 1000.0
        self.changes = Changes()
        self.agents: dict[str, Agent] = {}
        self.seen: dict[str, list[str]] = {}
        self.envs: dict[str, list[Mapping[str, str]]] = {}
        self.log: list[tuple[str, str, str]] = []
        self.stats: list[dict[str, Any]] = []
        self._scripts: dict[tuple[str, str], Script] = {}
        self._numbers = itertools.count()

    def deploy(self, name: str, made: Charm | None = None, **arguments: Any) -> None:
        """Add an application; nothing runs before `settle`."""
        app = self.model.add_application(name, made or charm(), **arguments)
        app.address = f'10.152.183.{20 + next(self._numbers)}'

    def on(self, unit: str, hook: str, script: Script) -> None:
        """Run a script in a hook of a unit."""
        self._scripts[unit, hook] = script

    def once(self, unit: str, hook: str, script: Script) -> None:
        """Run a script in the next such hook only."""

        def run(context: Hook) -> object:
            del self._scripts[unit, hook]
            return script(context)

        self._scripts[unit, hook] = run

    def settle(self) -> None:
        """Run all that can run now; units that died in good order are removed."""
        for _ in range(1000):
            ran = {unit.name: self._step(unit.name) for unit in list(self.model.units())}
            if not any(ran.values()):
                return
            for unit in list(self.model.units()):
                if uniter.is_done(self.model, unit, self.now):
                    self.model.bury(unit)
                    self.model.remove_unit(unit)
                    del self.agents[unit.name]
        raise AssertionError('the model does not come to rest')

    def _step(self, name: str) -> bool:
        if name not in self.agents:
            self.agents[name] = self._agent(name)
        return self.agents[name].step()

    def _agent(self, name: str) -> Agent:
        def dispatch(event: Event, env: Mapping[str, str], timeout: float) -> Outcome:
            self.seen.setdefault(name, []).append(describe(event))
            self.envs.setdefault(name, []).append(env)
            script = self._scripts.get((name, event.hook))
            code = script(Hook(self, agent, event, env)) if script else 0
            return Outcome(code if type(code) is int else 0)

        def log(level: str, module: str, message: str) -> None:
            self.log.append((level, module, message))

        agent = Agent(
            self.model, name, self.changes, dispatch, log, self.stats.append, lambda: self.now
        )
        return agent

    def take(self, unit: str) -> list[str]:
        """What a unit was told since the last time."""
        return self.seen.pop(unit, [])

    def forget(self) -> None:
        """Forget what was told so far."""
        self.seen.clear()

    def in_hook(self, unit: str, script: Script, hook: str = 'update-status') -> None:
        """Run a script in a hook of a unit now."""
        self.once(unit, hook, script)
        self.model.unit(unit).requested.append(Event(hook))
        self.settle()
        assert (unit, hook) not in self._scripts, f'{hook} of {unit} did not run'


def describe(event: Event) -> str:
    """An event in short."""
    text = event.hook
    if event.remote_unit:
        text += f' {event.remote_unit}'
    elif event.kind == 'relation-changed':
        text += f' {event.remote_app}'
    if event.departing:
        text += f' ({event.departing})'
    return text
