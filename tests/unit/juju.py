"""What ops.testing does not show or cannot say: hook tools that were run, and a dying unit."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import ops
from ops import testing
from scenario import _runtime, mocking

UUID = '12345678-1234-4234-8234-123456789abc'
MODEL = testing.Model(name='m', uuid=UUID)

_TOOLS = {
    'application_version_set': 'application-version-set',
    'close_port': 'close-port',
    'config_get': 'config-get',
    'is_leader': 'is-leader',
    'juju_log': 'juju-log',
    'open_port': 'open-port',
    'opened_ports': 'opened-ports',
    'relation_get': 'relation-get',
    'relation_ids': 'relation-ids',
    'relation_list': 'relation-list',
    'relation_set': 'relation-set',
    'secret_add': 'secret-add',
    'secret_get': 'secret-get',
    'secret_grant': 'secret-grant',
    'secret_info_get': 'secret-info-get',
    'secret_remove': 'secret-remove',
    'secret_set': 'secret-set',
    'status_set': 'status-set',
}
_PEBBLE = {
    'add_layer': 'pebble add',
    'exec': 'pebble exec',
    'get_plan': 'pebble plan',
    'get_services': 'pebble services',
    'list_files': 'pebble ls',
    'make_dir': 'pebble mkdir',
    'pull': 'pebble pull',
    'push': 'pebble push',
    'remove_path': 'pebble rm',
    'replan_services': 'pebble replan',
    'restart_services': 'pebble restart',
    'send_signal': 'pebble signal',
    'start_services': 'pebble start',
    'stop_services': 'pebble stop',
}
_READS = {
    'config-get',
    'is-leader',
    'opened-ports',
    'relation-get',
    'relation-ids',
    'relation-list',
    'secret-get',
    'secret-info-get',
    'pebble ls',
    'pebble plan',
    'pebble pull',
    'pebble services',
}
# ops sets the same status again in every dispatch; a log line is no change.
_NO_CHANGE = _READS | {'status-set', 'juju-log'}


def _only_asks(command: Sequence[str]) -> bool:
    return command[-1] in ('-v', '--version')


class Calls(list[tuple[str, tuple[Any, ...]]]):
    """Hook tools and requests to Pebble, in order, with their positional arguments."""

    def of(self, *tools: str) -> list[tuple[Any, ...]]:
        """The arguments of each call of these tools."""
        return [arguments for tool, arguments in self if tool in tools]

    def changes(self) -> list[str]:
        """The tools that changed anything, in order."""
        return [
            tool
            for tool, arguments in self
            if tool not in _NO_CHANGE and not (tool == 'pebble exec' and _only_asks(arguments[0]))
        ]

    def hook_tools(self) -> list[str]:
        """The hook tools of one dispatch, each of which is a process on Juju.

        ops remembers for 30 s who leads, which ops.testing does not.
        """
        tools = [tool for tool, _ in self if not tool.startswith('pebble ')]
        return ['is-leader', *(tool for tool in tools if tool != 'is-leader')]


@contextlib.contextmanager
def recorded() -> Iterator[Calls]:
    """Record what charms ask of Juju and of Pebble while this context lasts."""
    calls = Calls()

    def recording(method: Callable[..., Any], tool: str) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(self: object, *arguments: Any, **options: Any) -> Any:
            calls.append((tool, arguments))
            return method(self, *arguments, **options)

        return call

    with contextlib.ExitStack() as patches:
        for owner, tools in (
            (mocking._MockModelBackend, _TOOLS),
            (mocking._MockPebbleClient, _PEBBLE),
        ):
            for name, tool in tools.items():
                patch = mock.patch.object(owner, name, recording(getattr(owner, name), tool))
                patches.enter_context(patch)
        yield calls


@contextlib.contextmanager
def variables(**values: str) -> Iterator[None]:
    """Give these variables to the dispatches in this context, which ops.testing sets otherwise.

    It can neither say that an application's databag changed (JUJU_REMOTE_UNIT=''), nor tell a unit
    of its own departure (JUJU_DEPARTING_UNIT with the unit's own name).
    """
    original = _runtime.Runtime._get_event_env

    def environment(*arguments: Any, **options: Any) -> dict[str, str]:
        environment = original(*arguments, **options)
        assert values.keys() <= environment.keys()
        return {**environment, **values}

    with mock.patch.object(_runtime.Runtime, '_get_event_env', environment):
        yield


def warnings(context: testing.Context[Any]) -> list[str]:
    """The messages that the last dispatches logged at WARNING or above."""
    return [line.message for line in context.juju_log if line.level in ('WARNING', 'ERROR')]


def enabled_log_targets(container: testing.Container) -> dict[str, dict[str, str]]:
    """The log targets that Pebble forwards to: location → labels."""
    return {
        target.location: target.labels or {}
        for target in container.plan.log_targets.values()
        if target.services == ['all']
    }


def services(container: testing.Container) -> dict[str, ops.pebble.ServiceDict]:
    """The services of a container's plan."""
    return {name: service.to_dict() for name, service in container.plan.services.items()}


REFUSALS: dict[str, Callable[[], Exception]] = {
    'not found': ops.RelationNotFoundError,
    'permission denied': lambda: ops.ModelError('ERROR permission denied\n'),
    'unauthorized': lambda: ops.ModelError('ERROR permission denied (unauthorized access)\n'),
}


@contextlib.contextmanager
def refusing(
    relation: int,
    tools: Sequence[str] = ('relation_get', 'relation_set', 'relation_model_get'),
    error: Callable[[], Exception] = ops.RelationNotFoundError,
) -> Iterator[None]:
    """Let Juju list a relation and refuse these hook tools for it, as after a forced removal."""

    def refuse(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(self: object, *arguments: Any, **options: Any) -> Any:
            if relation in (*arguments[:1], options.get('relation_id')):
                raise error()
            return method(self, *arguments, **options)

        return call

    with contextlib.ExitStack() as patches:
        for tool in tools:
            original = getattr(mocking._MockModelBackend, tool)
            patch = mock.patch.object(mocking._MockModelBackend, tool, refuse(original))
            patches.enter_context(patch)
        yield
