"""Parsing of the `juju` program's arguments, like Juju's gnuflag."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self


class UsageError(Exception):
    """The arguments make no sense, or request what the local Juju does not do."""


class Grammar(NamedTuple):
    """The flags of a command.

    Args:
        options: flags with a value, which may be repeated; ``n|num-units`` is one with two names.
        switches: flags without a value.
        ignored: flags without an effect here; with ``=`` they take a value.
        interspersed: whether flags may follow the first positional argument.
    """

    options: str = ''
    switches: str = ''
    ignored: str = ''
    interspersed: bool = True


class Arguments:
    """Parsed arguments."""

    def __init__(self) -> None:
        self.positional: list[str] = []
        self.options: dict[str, list[str]] = {}
        self.switches: set[str] = set()

    @classmethod
    def parse(cls, argv: Sequence[str], grammar: Grammar) -> Self:
        """Parse the arguments; UsageError names an unsupported flag."""
        names: dict[str, str] = {}
        for group in f'm|model {grammar.options}'.split():
            for name in group.split('|'):
                names[name] = group.split('|')[-1]
        switches = set(grammar.switches.split())
        ignored = set(grammar.ignored.split())
        parsed = cls()
        rest = list(argv)
        while rest:
            argument = rest.pop(0)
            if argument == '--':
                parsed.positional += rest
                break
            if not argument.startswith('-') or argument == '-':
                parsed.positional.append(argument)
                if not grammar.interspersed:
                    parsed.positional += rest
                    break
                continue
            name, equals, value = argument.lstrip('-').partition('=')
            if name in names or f'{name}=' in ignored:
                if not equals:
                    if not rest:
                        raise UsageError(f'option needs an argument: {argument}')
                    value = rest.pop(0)
                if name in names:
                    parsed.options.setdefault(names[name], []).append(value)
            elif name in switches:
                if value != 'false':
                    parsed.switches.add(name)
            elif name not in ignored:
                flag = argument.partition('=')[0]
                raise UsageError(f'option {flag} is not supported by the local Juju')
        return parsed

    def all(self, option: str) -> list[str]:
        """All values of an option."""
        return self.options.get(option, [])

    def one(self, option: str, default: str = '') -> str:
        """The last value of an option."""
        return self.all(option)[-1] if self.all(option) else default

    def has(self, switch: str) -> bool:
        """Whether a switch was given."""
        return switch in self.switches

    def take(self, *names: str, more: bool = False) -> list[str]:
        """The positional arguments, which must match `names`, or with `more` exceed them."""
        if len(self.positional) < len(names):
            raise UsageError(f'no {names[len(self.positional)]} specified')
        if not more and len(self.positional) > len(names):
            extra = self.positional[len(names) :]
            raise UsageError(f'unrecognized args: {extra}')
        return self.positional

    def number(self, option: str, default: int) -> int:
        """An option's value as a number."""
        text = self.one(option, str(default))
        if not text.isdigit():
            raise UsageError(f'invalid value "{text}" for option --{option}')
        return int(text)

    def format(self, default: str, *others: str) -> str:
        """The chosen format, which must be one of these."""
        chosen = self.one('format', default)
        if chosen not in (default, *others):
            raise UsageError(f'format "{chosen}" is not supported (only {default}, {others})')
        return chosen


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """``key=value`` texts as a mapping; a value ``@path`` stands for the content of a file."""
    values = {}
    for text in texts:
        key, equals, value = text.partition('=')
        if not equals:
            raise UsageError(f'expected "key=value", got "{text}"')
        values[key] = Path(value[1:]).read_text() if value.startswith('@') else value
    return values


_PART = re.compile(r'(\d+(?:\.\d+)?)(h|ms|m|s)')
_SECONDS = {'h': 3600.0, 'm': 60.0, 's': 1.0, 'ms': 0.001}


def seconds(text: str) -> float:
    """The seconds of a Go duration like ``1m30s`` or ``2.5s``."""
    parts = _PART.findall(text)
    if not parts or ''.join(number + unit for number, unit in parts) != text:
        raise UsageError(f'invalid duration "{text}"')
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
