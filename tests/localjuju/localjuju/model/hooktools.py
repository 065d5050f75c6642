"""Run hook tools: find the tool, parse its arguments, render what it returns.

Words and exit codes are Juju's, because charms match them: ``ERROR `` and the reason on stderr;
1 when the tool fails, 2 when its arguments are wrong.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from localjuju.model.hookcontext import HookContext
from localjuju.model.toolargs import Arguments, ToolError, UsageError, render
from localjuju.model.tools import actions, ports, relations, secrets, state, storages, units
from localjuju.model.tools.table import TOOLS

#: Importing them registers their tools.
_MODULES = (actions, ports, relations, secrets, state, storages, units)
#: The names of all tools, for the links in a charm's container.
NAMES = tuple(sorted(TOOLS))
#: Tools that print nothing but still take ``--format``.
_DEPRECATED_FORMAT = ('relation-set', 'juju-log', 'open-port', 'close-port')


@dataclasses.dataclass(frozen=True)
class Result:
    """What a hook tool returns to its caller."""

    code: int
    stdout: str = ''
    stderr: str = ''


def run(
    context: HookContext,
    tool: str,
    argv: Sequence[str],
    stdin: str = '',
    files: Mapping[str, str] | None = None,
) -> Result:
    """Run a hook tool. The caller holds the model's lock.

    Args:
        context: the context of the calling hook.
        tool: the tool's name.
        argv: its arguments, without the name.
        stdin: what it reads for ``--file -``.
        files: the content of every other file that its arguments name.
    """
    context.calls[tool] += 1
    if tool not in TOOLS:
        return Result(1, stderr=f'ERROR {tool} is not supported by the local Juju\n')
    function, flags = TOOLS[tool]
    try:
        arguments = Arguments.parse(argv, flags, stdin, files or {})
        output = function(context, arguments)
        if output is None and not (arguments.formatted and tool not in _DEPRECATED_FORMAT):
            return Result(0)
        return Result(0, render(output, arguments.text('format')))
    except UsageError as e:
        return Result(2, stderr=f'ERROR {e}\n')
    except ToolError as e:
        return Result(1, stderr=f'ERROR {e}\n')
