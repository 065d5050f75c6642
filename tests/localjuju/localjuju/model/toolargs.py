"""How hook tools parse their arguments and print their results: like Juju's Go commands."""

import dataclasses
import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

_TRUE = {'1', 't', 'T', 'true', 'TRUE', 'True'}
_FALSE = {'0', 'f', 'F', 'false', 'FALSE', 'False'}


class ToolError(Exception):
    """A hook tool failed; the message follows ``ERROR `` and the exit code is 1."""


class UsageError(Exception):
    """A hook tool was called wrongly; the exit code is 2."""


@dataclasses.dataclass(frozen=True)
class Flags:
    """The options of a tool, which take a value, and its switches, which do not."""

    options: frozenset[str] = frozenset()
    switches: frozenset[str] = frozenset()


@dataclasses.dataclass
class Arguments:
    """The parsed arguments of a hook tool."""

    positional: list[str]
    options: dict[str, str]
    stdin: str
    files: Mapping[str, str]

    @classmethod
    def parse(
        cls, argv: Sequence[str], flags: Flags, stdin: str, files: Mapping[str, str]
    ) -> Self:
        """Parse like gnuflag: flags anywhere before ``--``, as ``--x=v`` or ``--x v``.

        Raises UsageError for an unknown flag or a missing value.
        """
        positional: list[str] = []
        options: dict[str, str] = {}
        rest = list(argv)
        while rest:
            argument = rest.pop(0)
            if argument == '--':
                positional += rest
                break
            if not argument.startswith('-') or argument == '-':
                positional.append(argument)
                continue
            name, equals, value = argument.lstrip('-').partition('=')
            if name in flags.switches:
                value = value if equals else 'true'
                if value not in _TRUE | _FALSE:
                    raise UsageError(f'invalid value "{value}" for option --{name}')
            elif name not in flags.options:
                raise UsageError(f'option provided but not defined: {argument.split("=")[0]}')
            elif not equals:
                if not rest:
                    raise UsageError(f'option needs an argument: {argument}')
                value = rest.pop(0)
            options[name] = value
        return cls(positional, options, stdin, files)

    @property
    def formatted(self) -> bool:
        """Whether the caller chose a format."""
        return 'format' in self.options

    def text(self, option: str) -> str:
        """An option's value, or the empty string if it was not given."""
        return self.options.get(option, '')

    def switch(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.options.get(name) in _TRUE

    def optional(self, index: int) -> str:
        """A positional argument or the empty string."""
        return self.positional[index] if index < len(self.positional) else ''

    def required(self, index: int, message: str) -> str:
        """A positional argument; UsageError with the message if it is missing."""
        if index >= len(self.positional):
            raise UsageError(message)
        return self.positional[index]

    def file(self) -> str:
        """The content of the file that ``--file`` names."""
        name = self.text('file')
        return self.stdin if name == '-' else self.files[name]

    def pairs(self, start: int = 0) -> dict[str, str]:
        """The positional ``key=value`` arguments; ``key#file=path`` gives the file's content."""
        values = {}
        for argument in self.positional[start:]:
            key, equals, value = argument.partition('=')
            if not equals or not key:
                raise UsageError(f'expected "key=value", got "{argument}"')
            if key.endswith('#file'):
                key, value = key.removesuffix('#file'), self.files[value]
            values[key] = value
        return values


def parse_mapping(text: str) -> dict[str, str]:
    """The pairs of a YAML (or JSON) mapping; scalars become text, null the empty string."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        import yaml  # noqa: PLC0415 - what ops sends does not need it

        try:
            data = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError, ValueError, TypeError) as e:
            raise ToolError(f'yaml: {e}') from e
    if not isinstance(data, dict):
        raise ToolError('yaml: unmarshal errors: cannot unmarshal into map[string]string')
    values = {}
    for key, value in data.items():
        if isinstance(value, (dict, list)):
            raise ToolError(f'yaml: unmarshal errors: cannot unmarshal "{key}" into string')
        values[str(key)] = '' if value is None else plain(value)
    return values


def plain(value: Any) -> str:
    """A scalar as text, booleans as YAML writes them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def render(value: Any, form: str = '') -> str:
    """A result as ``--format`` json, yaml or smart (the default) prints it."""
    if form == 'json':
        return json.dumps(value, separators=(',', ':'), sort_keys=True) + '\n'
    if form not in ('', 'smart', 'yaml'):
        raise UsageError(f'invalid value "{form}" for option --format: unknown format "{form}"')
    if form != 'yaml':
        if value is None:
            return ''
        if isinstance(value, str):
            return value + '\n'
        if isinstance(value, bool):
            return f'{value}\n'
        if isinstance(value, list):
            return ''.join(f'{item}\n' for item in value)
    import yaml  # noqa: PLC0415 - the formats that ops uses do not need it

    return yaml.safe_dump(value, default_flow_style=False, sort_keys=True)


def rfc3339(seconds: float) -> str:
    """A time as Go prints it."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime('%Y-%m-%dT%H:%M:%SZ')
