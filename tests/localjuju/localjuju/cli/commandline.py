"""Parsing of the `juju` program's arguments, like Juju's gnuflag."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from localjuju.cli import refusals

DONE = 'done'
IGNORED = 'without effect'
REFUSED = 'refused'
#: Flags of every Juju command that change nothing here; with ``=`` they take a value.
_EVERYWHERE = 'debug quiet show-log verbose logging-config= B|no-browser-login'
_BOOLEANS = {'': True, 'true': True, '1': True, 'false': False, '0': False}
#: What may stand before the command's name.
GLOBAL_SWITCHES = ('--debug', '--quiet', '--show-log', '--verbose', '-B', '--no-browser-login')
#: Digits of the largest number that an argument may be.
_DIGITS = 9


class UsageError(Exception):
    """The arguments make no sense, or request what the local Juju does not do."""


class Flag(NamedTuple):
    """A flag: its names, the longest last, and what becomes of it (`DONE`, …)."""

    names: tuple[str, ...]
    takes_value: bool
    fate: str

    @property
    def name(self) -> str:
        """The name under which `Arguments` keeps it."""
        return self.names[-1]

    def __str__(self) -> str:
        spelled = ', '.join(('-' if len(n) == 1 else '--') + n for n in self.names)
        return spelled + (' <value>' if self.takes_value else '')


class Grammar(NamedTuple):
    """What a command takes. Its help and docs/commands.md are made from it.

    Args:
        takes: the positional arguments, as the help shows them.
        about: what the command does here.
        options: flags with a value, which may be repeated; ``n|num-units`` is one with two names.
        switches: flags without a value.
        ignored: Juju's flags without an effect here; with ``=`` they take a value.
        refused: Juju's flags that the local Juju does not do; with ``=`` they take a value.
        reasons: why, for those whose reason is not in `refusals.FLAGS`.
        interspersed: whether flags may follow the first positional argument.
        lenient: whether the command calls `Arguments.refuse` itself, after a more important check.
    """

    takes: str = ''
    about: str = ''
    options: str = ''
    switches: str = ''
    ignored: str = ''
    refused: str = ''
    reasons: Mapping[str, str] = {}
    interspersed: bool = True
    lenient: bool = False

    def flags(self) -> list[Flag]:
        """Every flag of the command."""
        output = 'o|output' if 'format' in self.options.split() else ''
        parts = (
            (f'm|model {self.options} {output}', DONE, True),
            (f'h|help {self.switches}', DONE, False),
            (f'{self.ignored} {_EVERYWHERE}', IGNORED, False),
            (self.refused, REFUSED, False),
        )
        return [
            Flag(tuple(names.rstrip('=').split('|')), takes_value or names.endswith('='), fate)
            for text, fate, takes_value in parts
            for names in text.split()
        ]

    def why(self, flag: str) -> str:
        """Why a flag is refused."""
        return self.reasons.get(flag) or refusals.FLAGS.get(flag, 'nothing here needs it')


class Arguments:
    """Parsed arguments."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self.positional: list[str] = []
        self.options: dict[str, list[str]] = {}
        self.switches: set[str] = set()
        #: The refused flags that were given.
        self.refused: list[str] = []

    @classmethod
    def parse(cls, argv: Sequence[str], grammar: Grammar) -> Self:
        """Parse the arguments; UsageError names a flag that neither Juju nor we know."""
        flags = {name: flag for flag in grammar.flags() for name in flag.names}
        parsed = cls(grammar)
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
            given, equals, value = argument.partition('=')
            flag = flags.get(given.lstrip('-'))
            if flag is None:
                raise UsageError(f'option {given} is not supported by the local Juju')
            if flag.takes_value and not equals:
                if not rest:
                    raise UsageError(f'option needs an argument: {argument}')
                value = rest.pop(0)
            parsed._keep(flag, given, value)
        return parsed

    def _keep(self, flag: Flag, given: str, value: str) -> None:
        if flag.takes_value:
            if flag.fate == DONE:
                self.options.setdefault(flag.name, []).append(value)
            wanted = True
        elif value in _BOOLEANS:
            wanted = _BOOLEANS[value]
            self.switches.discard(flag.name)
            if wanted and flag.fate == DONE:
                self.switches.add(flag.name)
        else:
            raise UsageError(f'invalid value "{value}" for option {given}: not true or false')
        if wanted and flag.fate == REFUSED:
            self.refused.append(flag.name)

    def refuse(self) -> None:
        """Raise UsageError if a refused flag was given; it says why."""
        for name in self.refused:
            dashes = '-' if len(name) == 1 else '--'
            why = self._grammar.why(name)
            raise UsageError(f'option {dashes}{name} is not supported by the local Juju: {why}')

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
        if not is_number(text):
            raise UsageError(f'invalid value "{text}" for option --{option}')
        return int(text)

    def format(self, default: str, *others: str) -> str:
        """The chosen format, which must be one of these."""
        chosen = self.one('format', default)
        if chosen not in (default, *others):
            known = ', '.join((default, *others))
            raise UsageError(f'format "{chosen}" is not supported by the local Juju: only {known}')
        return chosen


def is_number(text: str) -> bool:
    """Whether a text is a natural number, and not an absurdly large one."""
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


def pairs(texts: Sequence[str], *, files: bool = False) -> dict[str, str]:
    """``key=value`` texts as a mapping; with `files`, ``@path`` stands for a file's content."""
    values = {}
    for text in texts:
        key, equals, value = text.partition('=')
        if not equals or not key:
            raise UsageError(f'expected "key=value", got "{text}"')
        values[key] = read(value[1:]) if files and value.startswith('@') else value
    return values


def read(path: str) -> str:
    """The text of a file that the user named; UsageError if it is none."""
    try:
        return Path(path).expanduser().read_text()
    except (OSError, ValueError, RuntimeError) as e:
        why = e.strerror if isinstance(e, OSError) else 'it is not text'
        raise UsageError(f'cannot read {path}: {why}') from None


_PART = re.compile(r'(\d+(?:\.\d+)?)(h|ms|m|s)')
_SECONDS = {'h': 3600.0, 'm': 60.0, 's': 1.0, 'ms': 0.001}
#: Whoever asks for more means "for ever"; the system's calls take no more than 24 days.
_LONGEST = 1_000_000.0


def seconds(text: str) -> float:
    """The seconds of a Go duration like ``1m30s`` or ``2.5s``, at most eleven days."""
    parts = _PART.findall(text)
    if not parts or ''.join(number + unit for number, unit in parts) != text:
        raise UsageError(f'invalid duration "{text}"')
    return min(sum(float(number) * _SECONDS[unit] for number, unit in parts), _LONGEST)
