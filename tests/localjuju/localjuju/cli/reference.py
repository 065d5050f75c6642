"""The help of the `juju` program, made from the table of its commands."""

from collections.abc import Iterable

from localjuju.cli import program, refusals
from localjuju.cli.commandline import DONE, IGNORED, REFUSED, Flag, UsageError

_TITLES = {DONE: 'Options', IGNORED: 'Accepted, without effect here', REFUSED: 'Refused'}


def in_order(flags: Iterable[Flag]) -> list[Flag]:
    """Flags as people read them: done ones first, each kind by name."""
    return sorted(flags, key=lambda flag: (list(_TITLES).index(flag.fate), flag.name))


def overview() -> str:
    """The text of `juju help`."""
    lines = ''
    for name, (_, grammar) in sorted(program.COMMANDS.items()):
        first = grammar.about.partition('. ')[0].rstrip('.')
        lines += f'  {name:22} {first}'.rstrip() + '\n'
    return (
        f'The local Juju: packed charms on this machine. Supported commands:\n{lines}\n'
        '"juju help <command>" tells what it takes. All other commands of Juju are refused.\n'
    )


def help_of(name: str) -> str:
    """The text of `juju help <command>`; UsageError for what is no command of Juju's."""
    if name not in program.COMMANDS:
        if name not in refusals.COMMANDS:
            raise UsageError(f'juju: "{name}" is not a juju command. See "juju --help".')
        return f'juju {name} is not supported by the local Juju: {refusals.COMMANDS[name]}.\n'
    _, grammar = program.COMMANDS[name]
    text = f'Usage: juju {name} [options] {grammar.takes}'.rstrip() + f'\n\n{grammar.about}\n'
    flags = in_order(grammar.flags())
    for fate, title in _TITLES.items():
        lines = ''
        for flag in flags:
            if flag.fate == fate:
                reason = grammar.why(flag.name) if fate == REFUSED else ''
                lines += f'  {flag!s:32} {reason}'.rstrip() + '\n'
        text += f'\n{title}:\n{lines}' if lines else ''
    return text
