"""The commands of the `juju` program that run something in a unit."""

import re
import shlex
import sys
import time
from typing import Any

from localjuju.cli import tables
from localjuju.cli.commandline import Arguments, UsageError, read, seconds
from localjuju.cli.program import TasksFailedError, chosen_model, command, say, show
from localjuju.client import Model, RequestError

_RUN_SECONDS = 60.0
_EXEC_SECONDS = 300.0


@command(
    'run',
    takes='<unit>… <action> [<key>[.<key>…]=<value>…]',
    about='Run an action on units and print its results. Its parameters must fit its JSON schema.',
    options='format params wait',
    switches='string-args',
    ignored='color no-color utc',
    refused='background',
)
def _run(arguments: Arguments) -> None:
    rest = list(arguments.take('unit', 'action', more=True))
    units = []
    while rest and '/' in rest[0]:
        units.append(rest.pop(0))
    if not units or not rest:
        raise UsageError('no action specified' if units else f'invalid unit name "{rest[0]}"')
    action, *given = rest
    given = [_parameter(text) for text in given]
    file = read(arguments.one('params')) if arguments.one('params') else ''
    wait = seconds(arguments.one('wait', f'{_RUN_SECONDS}s'))
    model = chosen_model(arguments)
    form = arguments.format('plain', 'json', 'yaml')
    tasks = []
    for unit in units:
        try:
            tasks.append(
                model.request(
                    'run',
                    unit=unit,
                    action=action,
                    file=file,
                    texts=given,
                    raw=arguments.has('string-args'),
                )
            )
        except RequestError as e:
            # As Jubilant expects of Juju: no output and no failure, but a message on stderr.
            say(f'Operation failed to schedule any tasks:\n{e}')
            return
    for task in tasks:
        say(f'Running operation {task["id"]} with 1 task')
        say(f'  - task {task["id"]} on unit-{task["unit"].replace("/", "-")}\n')
        say(f'Waiting for task {task["id"]}...')
    _finish(model, tasks, wait, form)


#: Juju's rule for each part of a parameter's key.
_KEY = re.compile(r'^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$')


def _parameter(text: str) -> tuple[list[str], str]:
    """The keys and the value of ``key.key=value``."""
    key, equals, value = text.partition('=')
    if not equals:
        raise UsageError(f'argument "{text}" must be of the form key.key.key...=value')
    for part in key.split('.'):
        if not _KEY.match(part):
            raise UsageError(
                f'key "{part}" must start and end with lowercase alphanumeric, '
                'and contain only lowercase alphanumeric and hyphens'
            )
    return key.split('.'), value


@command(
    'exec',
    takes='<command>…',
    about='Run a command in the charm container of units, as a hook with its tools.',
    options='a|app|application format u|unit wait',
    switches='all',
    ignored='color execution-group= no-color parallel utc',
    refused='background machine= operator',
    reasons={'operator': 'it is for charms older than sidecar charms'},
    interspersed=False,
)
def _exec(arguments: Arguments) -> None:
    argv = arguments.take('command', more=True)
    units = [name for text in arguments.all('unit') for name in text.split(',')]
    units += [name for text in arguments.all('application') for name in text.split(',')]
    if not units and not arguments.has('all'):
        raise UsageError(
            'You must specify a target, either through --all, --application or --unit'
        )
    model = chosen_model(arguments)
    form = arguments.format('plain', 'json', 'yaml')
    wait = seconds(arguments.one('wait', f'{_EXEC_SECONDS}s'))
    command = argv[0] if len(argv) == 1 else shlex.join(argv)
    tasks = model.request('exec', command=command, units=units or [''], timeout=wait)
    _finish(model, tasks, wait, form)


def _finish(model: Model, tasks: list[dict[str, Any]], wait: float, form: str) -> None:
    """Wait for tasks, print their results, and fail if any of them failed."""
    deadline = time.monotonic() + wait
    results = {}
    for task in tasks:
        left = max(deadline - time.monotonic(), 0)
        done = model.request('task', id=int(task['id']), wait=left)
        if not done.pop('finished'):
            raise RequestError(f'timed out waiting for results from: unit {task["unit"]}')
        results[task['unit']] = done
    if form == 'plain':
        for done in results.values():
            _print_plain(done, with_unit=len(results) > 1)
    else:
        show(model, results, form)
    failed = [
        f' - id "{done["id"]}" with return code {done["results"]["return-code"]}'
        for done in results.values()
        if done['status'] == 'failed' or done.get('results', {}).get('return-code')
    ]
    if failed:
        plural = 's' if len(failed) > 1 else ''
        raise TasksFailedError(f'the following task{plural} failed:\n' + '\n'.join(failed))


def _print_plain(done: dict[str, Any], *, with_unit: bool) -> None:
    results = dict(done.get('results', {}))
    stdout, stderr = results.pop('stdout', ''), results.pop('stderr', '')
    results.pop('return-code', None)
    if with_unit:
        print(f'{done["unit"]}:')
    for line in done.get('log', ()):
        say(line)
    if done.get('message'):
        say(f'Action id {done["id"]} failed: {done["message"]}')
    print(tables.tree(results), end='')
    sys.stdout.write(stdout)
    sys.stderr.write(stderr)


@command(
    'resolved',
    'resolve',
    takes='<unit>…',
    about='Run the failed hooks of units again, or with --no-retry consider them done.',
    switches='all no-retry',
)
def _resolved(arguments: Arguments) -> None:
    model = chosen_model(arguments)
    units = list(arguments.positional)
    if arguments.has('all'):
        units = [
            name
            for app in model.request('status')['applications'].values()
            for name, unit in app['units'].items()
            if unit['workload-status']['current'] == 'error'
        ]
    elif not units:
        raise UsageError('no unit specified')
    for unit in units:
        model.request('resolved', unit=unit, retry=not arguments.has('no-retry'))


@command(
    'ssh',
    takes='<unit> <command>…',
    about='Run a command in a container of a unit: in its charm container if none is named.',
    options='container',
    ignored='no-host-key-checks pty',
    refused='proxy remote',
    interspersed=False,
)
def _ssh(arguments: Arguments) -> None:
    unit, *argv = arguments.take('unit', more=True)
    if not argv:
        raise UsageError('an interactive ssh is not supported by the local Juju: give a command')
    done = chosen_model(arguments).request(
        'ssh',
        unit=unit.rpartition('@')[2],
        command=' '.join(argv),
        container=arguments.one('container'),
    )
    sys.stdout.buffer.write(done['stdout'].encode('latin-1'))
    sys.stderr.buffer.write(done['stderr'].encode('latin-1'))
    sys.stdout.flush()
    sys.exit(done['code'])


@command(
    'scp',
    takes='[<unit>:]<source> [<unit>:]<destination>',
    about='Copy a file or a folder to a container or from it; the container needs tar.',
    options='container',
    ignored='no-host-key-checks',
    refused='proxy r remote',
    reasons={'r': 'on Kubernetes Juju has no such option either, and copies folders without it'},
)
def _scp(arguments: Arguments) -> None:
    if len(arguments.positional) < 2:
        raise UsageError('source and destination are required')
    if len(arguments.positional) > 2:
        # What stands after "--", such as -r, counts for Juju too.
        raise UsageError(
            'only one source and one destination are allowed for a k8s application, '
            f'got {arguments.positional}'
        )
    # tarfile takes longer to import than everything else that the program does.
    from localjuju.cli import copying  # noqa: PLC0415

    model = chosen_model(arguments)
    copying.copy(model, *arguments.positional, container=arguments.one('container'))
