"""The `juju` program: the part of Juju's command line that Jubilant uses, and what a human needs.

It refuses whatever it does not support, by name. Only the standard library, and little of it,
since every waiting test calls `juju status` once a second.
"""

import contextlib
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from localjuju.cli import applications as cli_applications
from localjuju.cli import models as cli_models
from localjuju.cli import offers as cli_offers
from localjuju.cli import program, reference, refusals
from localjuju.cli import secrets as cli_secrets
from localjuju.cli import storage as cli_storage
from localjuju.cli import tasks as cli_tasks
from localjuju.cli.commandline import GLOBAL_SWITCHES, Arguments, UsageError
from localjuju.client import RequestError
from localjuju.common import registry
from localjuju.common.offerurl import UrlError

#: Importing them registers their commands.
_MODULES = (cli_applications, cli_models, cli_offers, cli_secrets, cli_storage, cli_tasks)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command; exit with 1 and ``ERROR …`` on stderr if it fails."""
    rest = list(sys.argv[1:] if argv is None else argv)
    try:
        _check_text(rest)
        while rest and rest[0] in GLOBAL_SWITCHES:
            rest.pop(0)
        name = rest.pop(0) if rest else 'help'
        if name in ('help', '--help', '-h'):
            print(reference.help_of(rest[0]) if rest else reference.overview(), end='')
        else:
            _run(name, rest)
    except (
        UsageError,
        RequestError,
        UrlError,
        registry.RegistryError,
        program.TasksFailedError,
        OSError,
    ) as e:
        sys.stdout.flush()
        program.say(f'ERROR {e}')
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _run(name: str, rest: Sequence[str]) -> None:
    name = 'version' if name == '--version' else name
    if name in program.COMMANDS:
        function, grammar = program.COMMANDS[name]
        arguments = Arguments.parse(rest, grammar)
        if arguments.has('help'):
            print(reference.help_of(name), end='')
            return
        if not grammar.lenient:
            arguments.refuse()
        with _output(arguments):
            function(arguments)
    elif {'--help', '-h'} & set(rest):
        print(reference.help_of(name), end='')
    elif name in refusals.COMMANDS:
        why = refusals.COMMANDS[name]
        raise UsageError(f'juju {name} is not supported by the local Juju: {why}')
    else:
        raise UsageError(f'juju: "{name}" is not a juju command. See "juju --help".')


def _check_text(argv: Sequence[str]) -> None:
    """Raise UsageError for an argument that is no UTF-8, which nobody after us could print."""
    for argument in argv:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UsageError(f'argument {argument!a} is not UTF-8') from None


def _output(arguments: Arguments) -> contextlib.AbstractContextManager[object]:
    """Where the result goes: to the file of ``--output``, or to stdout."""
    if not arguments.one('output'):
        return contextlib.nullcontext()
    return _to_file(Path(arguments.one('output')))


@contextlib.contextmanager
def _to_file(path: Path) -> Iterator[None]:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        yield
    path.write_text(text.getvalue())


if __name__ == '__main__':
    main()
