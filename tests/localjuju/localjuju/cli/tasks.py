"""The commands of the `juju` program that run something in a unit."""

import json
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from localjuju.cli import tables
from localjuju.cli.commandline import Arguments, UsageError, pairs, seconds
from localjuju.cli.program import TasksFailedError, chosen_model, command, say, show
from localjuju.client import Model, RequestError

_RUN_SECONDS = 60.0
_EXEC_SECONDS = 300.0


@command('run', options='format params wait', ignored='utc color no-color')
def _run(arguments: Arguments) -> None:
    rest = list(arguments.take('unit', 'action', more=True))
    units = []
    while rest and '/' in rest[0]:
        units.append(rest.pop(0))
    if not units or not rest:
        raise UsageError('no action specified' if units else f'invalid unit name "{rest[0]}"')
    action, *given = rest
    file = Path(arguments.one('params')).read_text() if arguments.one('params') else ''
    model = chosen_model(arguments)
    form = arguments.format('plain', 'json', 'yaml')
    tasks = []
    for unit in units:
        try:
            tasks.append(
                model.request(
                    'run', unit=unit, action=action, params=_parameters(given), file=file
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
    _finish(model, tasks, seconds(arguments.one('wait', f'{_RUN_SECONDS}s')), form)


def _parameters(texts: Sequence[str]) -> dict[str, Any]:
    """``a.b=1`` as nested parameters; a value that is JSON is parsed."""
    params: dict[str, Any] = {}
    for key, text in pairs(texts).items():
        *parents, last = key.split('.')
        target = params
        for parent in parents:
            target = target.setdefault(parent, {})
        try:
            target[last] = json.loads(text)
        except ValueError:
            target[last] = text
    return params


@command(
    'exec',
    options='format u|unit a|app|application wait',
    switches='all',
    ignored='utc color no-color',
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


@command('resolved', switches='no-retry all')
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


@command('ssh', options='container', ignored='no-host-key-checks pty=', interspersed=False)
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


@command('scp', options='container', ignored='no-host-key-checks')
def _scp(arguments: Arguments) -> None:
    source, target = arguments.take('source', 'destination')
    model, container = chosen_model(arguments), arguments.one('container')

    def run(unit: str, command: str, stdin: str = '') -> str:
        unit = unit.rpartition('@')[2]
        done = model.request('ssh', unit=unit, command=command, container=container, stdin=stdin)
        if done['code']:
            raise RequestError(done['stderr'].strip() or f'{command}: exit status {done["code"]}')
        return done['stdout']

    source_unit, source_path = _remote(source)
    target_unit, target_path = _remote(target)
    if source_unit:
        content = run(source_unit, f'cat {shlex.quote(source_path)}')
    else:
        content = Path(source).read_bytes().decode('latin-1')
    name = Path(source_path or source).name
    if target_unit:
        quoted, inside = shlex.quote(target_path or '.'), shlex.quote(f'{target_path}/{name}')
        command = f'if [ -d {quoted} ]; then cat > {inside}; else cat > {quoted}; fi'
        run(target_unit, command, content)
    else:
        local = Path(target)
        (local / name if local.is_dir() else local).write_bytes(content.encode('latin-1'))


def _remote(text: str) -> tuple[str, str]:
    """The unit and path in ``app/0:path``; no unit for a local path."""
    unit, colon, path = text.partition(':')
    return (unit, path) if colon and '/' in unit and not unit.startswith(('/', '.')) else ('', '')
