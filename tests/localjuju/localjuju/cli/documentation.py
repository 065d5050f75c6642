"""Writes docs/commands.md from the table of the `juju` program's commands.

python3 -m localjuju.cli.documentation > docs/commands.md
"""

from localjuju.cli import main as _main
from localjuju.cli import program, reference, refusals
from localjuju.cli.commandline import DONE, IGNORED, REFUSED, Grammar

#: Importing it registered the commands.
_PROGRAM = _main

_HEAD = """\
# The commands of the local Juju

Made from the program's own table by `python3 -m localjuju.cli.documentation > docs/commands.md`.
`juju help <command>` prints the same for one command.

- **done**: it does what Juju does.
- **without effect**: accepted and ignored; a charm would see no difference.
- **refused**: an error that names it. So is a flag that neither table lists.

## Commands and their flags

| command | flag | here | |
|---|---|---|---|
"""


def markdown() -> str:
    """The text of docs/commands.md."""
    text = _HEAD
    everywhere = Grammar().flags()
    for name, (_, grammar) in sorted(program.COMMANDS.items()):
        usage = f'{name} {grammar.takes}'.rstrip()
        text += f'| **`{_cell(usage)}`** | | done | {_cell(grammar.about)} |\n'
        for flag in reference.in_order(grammar.flags()):
            if flag not in everywhere:
                reason = grammar.why(flag.name) if flag.fate == REFUSED else ''
                text += f'| `{name}` | `{flag}` | {flag.fate} | {_cell(reason)} |\n'
    for fate in DONE, IGNORED:
        flags = ', '.join(f'`{flag}`' for flag in everywhere if flag.fate == fate)
        text += f'| each | {flags} | {fate} | |\n'
    text += '\n## Refused commands\n\n| commands | why |\n|---|---|\n'
    groups: dict[str, list[str]] = {}
    for name, why in sorted(refusals.COMMANDS.items()):
        if name not in program.COMMANDS:
            groups.setdefault(why, []).append(f'`{name}`')
    for why, names in groups.items():
        text += f'| {", ".join(names)} | {_cell(why)} |\n'
    return text


def _cell(text: str) -> str:
    """A text without what would end a cell of a table."""
    return text.replace('|', '\\|')


if __name__ == '__main__':
    print(markdown(), end='')
