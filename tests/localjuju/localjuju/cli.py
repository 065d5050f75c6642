"""The `juju` program: the part of Juju's command line that Jubilant uses, and what a human needs.

What is not supported is refused with a message that names it. Only the standard library, and
little of it: `juju status` is called once a second by every waiting test.
"""

import contextlib
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from localjuju import registry, tables
from localjuju.client import Model, RequestError
from localjuju.commandline import Arguments, Grammar, UsageError, pairs, seconds

VERSION = '3.6.12'
_RUN_SECONDS = 60.0
_EXEC_SECONDS = 300.0
#: Time for the controller of a new model to come up, generous for a machine under load.
_START_SECONDS = 60.0

Command = Callable[[Arguments], None]
_COMMANDS: dict[str, tuple[Command, Grammar]] = {}


class TasksFailedError(Exception):
    """A command that was to be shown as failed after its output."""


def _command(*names: str, **grammar: Any) -> Callable[[Command], Command]:
    def register(function: Command) -> Command:
        for name in names:
            _COMMANDS[name] = function, Grammar(**grammar)
        return function

    return register


def _model(arguments: Arguments) -> Model:
    name = arguments.one('model') or os.environ.get('JUJU_MODEL') or registry.current()
    if not name:
        raise UsageError('no model in focus: use --model, or "juju add-model", or "juju switch"')
    return Model(name)


def _show(model: Model, value: Any, form: str) -> None:
    if form == 'json':
        print(json.dumps(value))
    else:
        sys.stdout.write(model.request('to-yaml', value=value))


def _say(text: str) -> None:
    print(text, file=sys.stderr)


# Models


@_command(
    'add-model', options='config', switches='no-switch', ignored='c= controller= credential='
)
def _add_model(arguments: Arguments) -> None:
    name, *_ = arguments.take('model name', more=True)
    folder = registry.make_folder(name)
    try:
        _launch(name, folder / 'log', pairs(arguments.all('config')))
    except BaseException:
        registry.forget(name)
        raise
    if not arguments.has('no-switch'):
        registry.switch(name)
    _say(f"Added '{name}' model on local/localhost for user 'admin'")


def _launch(name: str, log: Path, config: dict[str, str]) -> None:
    """Start a model's controller and wait until it answers."""
    from localjuju import pods  # noqa: PLC0415 - no other command needs it

    owner = int(os.environ.get('LOCALJUJU_OWNER') or os.getppid())
    descriptor = os.pidfd_open(owner)
    argv = [sys.executable, '-m', 'localjuju.controller', name]
    argv += ['--owner-fd', str(descriptor), '--config', json.dumps({'values': config})]
    # In a user namespace the user has another id, on which the default depends.
    os.environ['LOCALJUJU_HOME'] = str(registry.home())
    try:
        pid = pods.launch(argv, descriptor, log)
    except pods.PodError as e:
        raise RequestError(str(e)) from e
    deadline = time.monotonic() + _START_SECONDS
    while not registry.is_running(name):
        ended, _ = os.waitpid(pid, os.WNOHANG)
        if ended or time.monotonic() > deadline:
            if not ended:
                os.kill(pid, signal.SIGKILL)
            last = log.read_text(errors='replace').strip().splitlines() or ['it said nothing']
            why = last[-1].removeprefix('ERROR ')
            raise RequestError(f'cannot start the controller of model "{name}": {why}')
        time.sleep(0.01)


@_command(
    'destroy-model',
    switches='force',
    ignored='no-prompt y yes destroy-storage release-storage no-wait t= timeout=',
)
def _destroy_model(arguments: Arguments) -> None:
    (reference,) = arguments.take('model')
    model = Model(reference)
    model.request('destroy-model', force=arguments.has('force'))
    said = ''
    while registry.is_running(model.name):
        with contextlib.suppress(RequestError, registry.RegistryError):
            waiting = _waited_for(model.request('status')['applications'])
            if waiting and waiting != said:
                said = waiting
                _say(waiting)
        time.sleep(0.05)
    registry.forget(model.name)
    _say('Model destroyed.')


def _waited_for(applications: dict[str, Any]) -> str:
    """What still has to end, with the units whose failed hooks are in the way."""
    stuck = [
        f'{name} ({unit["workload-status"].get("message", "error")})'
        for app in applications.values()
        for name, unit in app['units'].items()
        if unit['workload-status']['current'] == 'error'
    ]
    text = f'Waiting for {", ".join(applications)}…' if applications else ''
    return text + (f' In error: {", ".join(stuck)}; --force does not wait.' if stuck else '')


@_command('models', options='format', ignored='all uuid exact-time c= controller=')
def _models(arguments: Arguments) -> None:
    form = arguments.format('tabular', 'json', 'yaml')
    names = registry.names()
    if form == 'tabular':
        rows = [
            (n + ('*' if n == registry.current() else ''), 'local', 'available') for n in names
        ]
        print(tables.table(('Model', 'Cloud', 'Status'), rows), end='')
        return
    shown = [next(iter(Model(name).request('show-model').values())) for name in names]
    value = {'models': shown, 'current-model': registry.current()}
    if names:
        _show(Model(names[0]), value, form)
    else:
        print(json.dumps(value))


@_command('show-model', options='format')
def _show_model(arguments: Arguments) -> None:
    form = arguments.format('yaml', 'json')
    model = Model(arguments.positional[0]) if arguments.positional else _model(arguments)
    _show(model, model.request('show-model'), form)


@_command('switch')
def _switch(arguments: Arguments) -> None:
    if not arguments.positional:
        print(registry.current() or 'no model in focus')
        return
    (reference,) = arguments.take('model')
    model = Model(reference)
    model.request('show-model')
    registry.switch(model.name)


@_command('model-config', options='format reset file')
def _model_config(arguments: Arguments) -> None:
    model = _model(arguments)
    form = arguments.format('tabular', 'json', 'yaml')
    reset = [name for text in arguments.all('reset') for name in text.split(',')]
    values = [text for text in arguments.positional if '=' in text]
    if values or reset:
        model.request('set-model-config', values=pairs(values), reset=reset)
        return
    config = model.request('model-config')
    if arguments.positional:
        (key,) = arguments.take('key')
        if key not in config:
            raise UsageError(f'key "{key}" not found in the local Juju\'s model config')
        print(config[key]['Value'])
    elif form == 'tabular':
        rows = [(name, each['Source'], each['Value']) for name, each in config.items()]
        print(tables.table(('Attribute', 'From', 'Value'), rows), end='')
    else:
        _show(model, config, form)


# Applications


@_command(
    'deploy',
    options='config resource n|num-units base',
    switches='trust',
    # Constraints ask for a size of pod; here a pod has what the machine has.
    ignored='force constraints=',
)
def _deploy(arguments: Arguments) -> None:
    charm, *rest = arguments.take('charm', more=True)
    if not charm.startswith(('.', '/')):
        raise UsageError(f'cannot deploy "{charm}": only a path (./… or /…) is supported locally')
    if len(rest) > 1:
        raise UsageError(f'unrecognized args: {rest[1:]}')
    texts, files = _config_options(arguments)
    name = _model(arguments).request(
        'deploy',
        path=str(Path(charm).absolute()),
        app=rest[0] if rest else '',
        units=arguments.number('num-units', 1),
        config=texts,
        config_file=files,
        resources=pairs(arguments.all('resource')),
        trust=arguments.has('trust'),
        base=arguments.one('base'),
    )
    _say(f'Deploying "{name}" from local charm "{charm}"')


def _config_options(arguments: Arguments) -> tuple[dict[str, str], str]:
    """The values of ``--config key=value`` and the text of ``--config file``."""
    texts = [text for text in arguments.all('config') if '=' in text]
    files = [Path(text).read_text() for text in arguments.all('config') if '=' not in text]
    return pairs(texts), '\n'.join(files)


@_command(
    'refresh',
    options='path config resource',
    switches='trust',
    ignored='force force-base force-units',
)
def _refresh(arguments: Arguments) -> None:
    (app,) = arguments.take('application')
    if not arguments.one('path') and not arguments.all('resource'):
        raise UsageError('cannot refresh without --path: only local charms are supported')
    path = arguments.one('path')
    _model(arguments).request(
        'refresh',
        app=app,
        path=str(Path(path).absolute()) if path else '',
        config=pairs(arguments.all('config')),
        resources=pairs(arguments.all('resource')),
        trust=arguments.has('trust'),
    )


@_command('add-unit', options='n|num-units')
def _add_unit(arguments: Arguments) -> None:
    (app,) = arguments.take('application')
    _model(arguments).request('scale', app=app, by=arguments.number('num-units', 1))


@_command('remove-unit', options='num-units', ignored='no-prompt y yes destroy-storage no-wait')
def _remove_unit(arguments: Arguments) -> None:
    (app,) = arguments.take('application')
    if '/' in app:
        raise UsageError('application name must be specified with --num-units, not a unit name')
    if not arguments.one('num-units'):
        raise UsageError('specify the number of units to remove using --num-units')
    _model(arguments).request('scale', app=app, by=-arguments.number('num-units', 0))


@_command('scale-application')
def _scale_application(arguments: Arguments) -> None:
    app, scale = arguments.take('application', 'scale')
    if not scale.isdigit():
        raise UsageError(f'couldn\'t parse "{scale}" as an integer')
    _model(arguments).request('scale', app=app, to=int(scale))
    _say(f'{app} scaled to {scale} units')


@_command(
    'remove-application',
    switches='force',
    ignored='no-prompt y yes destroy-storage no-wait',
)
def _remove_application(arguments: Arguments) -> None:
    model = _model(arguments)
    for app in arguments.take('application', more=True):
        model.request('remove-application', app=app, force=arguments.has('force'))


@_command('config', options='format reset file')
def _config(arguments: Arguments) -> None:
    app, *rest = arguments.take('application', more=True)
    model = _model(arguments)
    form = arguments.format('yaml', 'json')
    reset = [name for text in arguments.all('reset') for name in text.split(',')]
    texts = [text for text in rest if '=' in text]
    keys = [text for text in rest if '=' not in text]
    if texts or reset or arguments.one('file'):
        file = Path(arguments.one('file')).read_text() if arguments.one('file') else ''
        model.request('config', app=app, values=pairs(texts), reset=reset, file=file)
        return
    config = model.request('config', app=app)
    if not keys:
        _show(model, config, form)
        return
    if keys[0] not in config['settings']:
        raise UsageError(
            f'key "{keys[0]}" not found in "{app}" application config or charm settings'
        )
    value = config['settings'][keys[0]].get('value', '')
    print(str(value).lower() if isinstance(value, bool) else value)


@_command('trust', options='scope', switches='remove')
def _trust(arguments: Arguments) -> None:
    (app,) = arguments.take('application')
    remove = arguments.has('remove')
    if not remove and arguments.one('scope') != 'cluster':
        raise UsageError("'juju trust' on a Kubernetes model needs --scope=cluster")
    _model(arguments).request('trust', app=app, trust=not remove)


# Relations


@_command('integrate', 'relate')
def _integrate(arguments: Arguments) -> None:
    one, other = arguments.take('application', 'other application')
    _model(arguments).request('integrate', one=one, other=other)


@_command('remove-relation', ignored='force')
def _remove_relation(arguments: Arguments) -> None:
    one, *other = arguments.take('relation', more=True)
    _model(arguments).request('remove-relation', one=one, other=other[0] if other else '')


# Looking


@_command(
    'status', options='format', switches='relations integrations', ignored='color no-color utc'
)
def _status(arguments: Arguments) -> None:
    model = _model(arguments)
    form = arguments.format('tabular', 'json', 'yaml')
    status = model.request('status')
    if arguments.positional:
        wanted = {name.partition('/')[0] for name in arguments.positional}
        chosen = {k: v for k, v in status['applications'].items() if k in wanted}
        status['applications'] = chosen
    if form == 'tabular':
        wanted = arguments.has('relations') or arguments.has('integrations')
        relations = model.request('relations') if wanted else ()
        print(tables.status(status, relations), end='')
    else:
        _show(model, status, form)


@_command('show-unit', options='format endpoint')
def _show_unit(arguments: Arguments) -> None:
    model = _model(arguments)
    form = arguments.format('yaml', 'json')
    shown: dict[str, Any] = {}
    for unit in arguments.take('unit', more=True):
        shown |= model.request('show-unit', unit=unit)
    _show(model, shown, form)


@_command(
    'debug-log',
    options='limit n|lines l|level i|include x|exclude',
    switches='replay tail no-tail',
    ignored='date ms utc color location',
)
def _debug_log(arguments: Arguments) -> None:
    model = _model(arguments)
    query = {
        'level': arguments.one('level', 'TRACE').upper(),
        'include': arguments.all('include'),
        'exclude': arguments.all('exclude'),
    }
    lines, position = model.request('debug-log', **query)
    most = arguments.number('limit', 0) or arguments.number('lines', 0)
    for line in lines[-most:] if most else lines:
        print(line)
    still = arguments.has('no-tail') or arguments.one('limit')
    while arguments.has('tail') or (sys.stdout.isatty() and not still):
        lines, position = model.request('debug-log', after=position, wait=5.0, **query)
        for line in lines:
            print(line, flush=True)


@_command('version', options='format', switches='all')
def _version(arguments: Arguments) -> None:
    version = f'{VERSION}-genericlinux-{"arm64" if os.uname().machine == "aarch64" else "amd64"}'
    if arguments.format('smart', 'json', 'yaml') == 'json':
        whole = {'version': version, 'git-commit': '', 'git-tree-state': 'localjuju'}
        print(json.dumps(whole if arguments.has('all') else version))
    else:
        print(version)


@_command('wait-for', options='timeout')
def _wait_for(arguments: Arguments) -> None:
    kind, name = arguments.take('"application"', 'name')
    if kind != 'application':
        raise UsageError(f'wait-for {kind} is not supported by the local Juju')
    model = _model(arguments)
    deadline = time.monotonic() + seconds(arguments.one('timeout', '10m'))
    while time.monotonic() < deadline:
        app = model.request('status')['applications'].get(name)
        if app and app['application-status']['current'] == 'active':
            return
        time.sleep(0.2)
    raise RequestError(f'timed out waiting for "{name}" to reach goal state')


# Tasks


@_command('run', options='format params wait', ignored='utc color no-color')
def _run(arguments: Arguments) -> None:
    rest = list(arguments.take('unit', 'action', more=True))
    units = []
    while rest and '/' in rest[0]:
        units.append(rest.pop(0))
    if not units or not rest:
        raise UsageError('no action specified' if units else f'invalid unit name "{rest[0]}"')
    action, *given = rest
    file = Path(arguments.one('params')).read_text() if arguments.one('params') else ''
    model = _model(arguments)
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
            # Jubilant, and Juju: no output, no failure, but a word on stderr.
            _say(f'Operation failed to schedule any tasks:\n{e}')
            return
    for task in tasks:
        _say(f'Running operation {task["id"]} with 1 task')
        _say(f'  - task {task["id"]} on unit-{task["unit"].replace("/", "-")}\n')
        _say(f'Waiting for task {task["id"]}...')
    _finish(model, tasks, seconds(arguments.one('wait', f'{_RUN_SECONDS}s')), form)


def _parameters(texts: Sequence[str]) -> dict[str, Any]:
    """``a.b=1`` as nested parameters; a value that is JSON is taken as such."""
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


@_command(
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
    model = _model(arguments)
    form = arguments.format('plain', 'json', 'yaml')
    wait = seconds(arguments.one('wait', f'{_EXEC_SECONDS}s'))
    command = argv[0] if len(argv) == 1 else shlex.join(argv)
    tasks = model.request('exec', command=command, units=units or [''], timeout=wait)
    _finish(model, tasks, wait, form)


def _finish(model: Model, tasks: list[dict[str, Any]], wait: float, form: str) -> None:
    """Wait for tasks, print their results, and fail if one of them did."""
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
        _show(model, results, form)
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
        _say(line)
    if done.get('message'):
        _say(f'Action id {done["id"]} failed: {done["message"]}')
    print(tables.tree(results), end='')
    sys.stdout.write(stdout)
    sys.stderr.write(stderr)


@_command('resolved', switches='no-retry all')
def _resolved(arguments: Arguments) -> None:
    model = _model(arguments)
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


# Into containers


@_command('ssh', options='container', ignored='no-host-key-checks pty=', interspersed=False)
def _ssh(arguments: Arguments) -> None:
    unit, *argv = arguments.take('unit', more=True)
    if not argv:
        raise UsageError('an interactive ssh is not supported by the local Juju: give a command')
    done = _model(arguments).request(
        'ssh',
        unit=unit.rpartition('@')[2],
        command=' '.join(argv),
        container=arguments.one('container'),
    )
    sys.stdout.buffer.write(done['stdout'].encode('latin-1'))
    sys.stderr.buffer.write(done['stderr'].encode('latin-1'))
    sys.stdout.flush()
    sys.exit(done['code'])


@_command('scp', options='container', ignored='no-host-key-checks')
def _scp(arguments: Arguments) -> None:
    source, target = arguments.take('source', 'destination')
    model, container = _model(arguments), arguments.one('container')

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
    """Unit and path of ``app/0:path``; no unit for a local path."""
    unit, colon, path = text.partition(':')
    return (unit, path) if colon and '/' in unit and not unit.startswith(('/', '.')) else ('', '')


# The user's secrets


def _secret_content(arguments: Arguments, texts: Sequence[str]) -> dict[str, Any]:
    file = Path(arguments.one('file')).read_text() if arguments.one('file') else ''
    values = {}
    for key, value in pairs(texts).items():
        name = key.removesuffix('#file')
        values[name] = Path(value).read_text() if key.endswith('#file') else value
    return {'values': values, 'file': file}


@_command('add-secret', options='file info')
def _add_secret(arguments: Arguments) -> None:
    name, *texts = arguments.take('secret name', more=True)
    content = _secret_content(arguments, texts)
    print(
        _model(arguments).request('add-secret', name=name, info=arguments.one('info'), **content)
    )


@_command('update-secret', options='file info name', switches='auto-prune')
def _update_secret(arguments: Arguments) -> None:
    identifier, *texts = arguments.take('secret', more=True)
    _model(arguments).request(
        'update-secret',
        identifier=identifier,
        info=arguments.one('info') or None,
        name=arguments.one('name') or None,
        auto_prune=arguments.has('auto-prune'),
        **_secret_content(arguments, texts),
    )


@_command('remove-secret', options='revision')
def _remove_secret(arguments: Arguments) -> None:
    (identifier,) = arguments.take('secret')
    revision = arguments.number('revision', 0) or None
    _model(arguments).request('remove-secret', identifier=identifier, revision=revision)


@_command('grant-secret')
def _grant_secret(arguments: Arguments) -> None:
    identifier, apps = arguments.take('secret', 'application')
    _model(arguments).request('grant-secret', identifier=identifier, apps=apps.split(','))


@_command('revoke-secret')
def _revoke_secret(arguments: Arguments) -> None:
    identifier, apps = arguments.take('secret', 'application')
    _model(arguments).request('revoke-secret', identifier=identifier, apps=apps.split(','))


@_command('secrets', options='format owner')
def _secrets(arguments: Arguments) -> None:
    model = _model(arguments)
    form = arguments.format('tabular', 'json', 'yaml')
    secrets = model.request('secrets', owner=arguments.one('owner'))
    if form == 'tabular':
        rows = [
            (i, s.get('name', '-'), s['owner'], str(s['revision'])) for i, s in secrets.items()
        ]
        print(tables.table(('ID', 'Name', 'Owner', 'Revision'), rows), end='')
    else:
        _show(model, secrets, form)


@_command('show-secret', options='format revision r', switches='reveal revisions')
def _show_secret(arguments: Arguments) -> None:
    (identifier,) = arguments.take('secret')
    model = _model(arguments)
    shown = model.request(
        'show-secret',
        identifier=identifier,
        reveal=arguments.has('reveal'),
        revision=arguments.number('revision', 0) or None,
        revisions=arguments.has('revisions'),
    )
    _show(model, shown, arguments.format('yaml', 'json'))


def _usage() -> NoReturn:
    names = '\n'.join(f'  {name}' for name in sorted(_COMMANDS))
    print(f'The local Juju: packed charms on this machine. Supported commands:\n{names}')
    sys.exit(0)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command; exits with 1 and ``ERROR …`` on stderr when it fails."""
    name, *rest = [*(sys.argv[1:] if argv is None else argv), '']
    rest = rest[:-1]
    if name in ('', 'help', '--help', '-h'):
        _usage()
    try:
        if name not in _COMMANDS:
            raise UsageError(f'juju {name} is not supported by the local Juju; see "juju help"')
        function, grammar = _COMMANDS[name]
        function(Arguments.parse(rest, grammar))
    except (UsageError, RequestError, registry.RegistryError, TasksFailedError, OSError) as e:
        sys.stdout.flush()
        _say(f'ERROR {e}')
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == '__main__':
    main()
