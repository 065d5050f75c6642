"""The `juju` program: the part of Juju's command line that Jubilant uses, and what a human needs.

It refuses whatever it does not support, by name. Only the standard library, and little of it,
since every waiting test calls `juju status` once a second.
"""

import sys
from collections.abc import Sequence
from typing import NoReturn

from localjuju.cli import applications as cli_applications
from localjuju.cli import models as cli_models
from localjuju.cli import offers as cli_offers
from localjuju.cli import program
from localjuju.cli import secrets as cli_secrets
from localjuju.cli import tasks as cli_tasks
from localjuju.cli.commandline import Arguments, UsageError
from localjuju.client import RequestError
from localjuju.common import registry
from localjuju.common.offerurl import UrlError

#: Importing them registers their commands.
_MODULES = (cli_applications, cli_models, cli_offers, cli_secrets, cli_tasks)


def _usage() -> NoReturn:
    names = '\n'.join(f'  {name}' for name in sorted(program.COMMANDS))
    print(f'The local Juju: packed charms on this machine. Supported commands:\n{names}')
    sys.exit(0)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command; exit with 1 and ``ERROR …`` on stderr if it fails."""
    name, *rest = [*(sys.argv[1:] if argv is None else argv), '']
    rest = rest[:-1]
    if name in ('', 'help', '--help', '-h'):
        _usage()
    try:
        if name not in program.COMMANDS:
            raise UsageError(f'juju {name} is not supported by the local Juju; see "juju help"')
        function, grammar = program.COMMANDS[name]
        function(Arguments.parse(rest, grammar))
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


if __name__ == '__main__':
    main()
