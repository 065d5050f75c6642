"""The commands of the `juju` program about models and their contents."""

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from localjuju import JUJU_VERSION
from localjuju.cli import owners, selection, tables
from localjuju.cli.commandline import Arguments, UsageError, pairs, read, seconds
from localjuju.cli.program import chosen_model, command, say, show
from localjuju.client import Model, RequestError
from localjuju.common import registry

#: Seconds for a new model's controller to start, generous for a machine under load.
_START_SECONDS = 60.0


@command(
    'add-model',
    takes='<model> [<cloud>]',
    about=(
        'Add a model. It ends with the process that it belongs to: by default the one that runs '
        'this program. --owner names another process; with --owner none, it ends with '
        '`juju destroy-model`, or when nobody has asked it anything for the time of --idle (8h '
        'unless given). LOCALJUJU_OWNER and LOCALJUJU_IDLE are the same for programs that call '
        'this one.'
    ),
    options='config idle owner',
    switches='no-switch',
    ignored='c|controller= credential=',
)
def _add_model(arguments: Arguments) -> None:
    name, *_ = arguments.take('model name', more=True)
    config = pairs(arguments.all('config'))
    owner = owners.chosen(arguments.one('owner'), arguments.one('idle'))
    folder = registry.make_folder(name)
    try:
        _launch(name, folder / 'log', config, owner)
    except BaseException:
        registry.forget(name)
        raise
    if not arguments.has('no-switch'):
        registry.switch(name)
    say(f"Added '{name}' model on local/localhost for user 'admin'")
    if owner.notice:
        say(owner.notice)


def _launch(name: str, log: Path, config: dict[str, str], owner: owners.Owner) -> None:
    """Start a model's controller and wait until it answers."""
    from localjuju.pods import namespaces  # noqa: PLC0415 - no other command needs it

    argv = [sys.executable, '-m', 'localjuju.controller.main', name]
    argv += ['--config', json.dumps({'values': config})]
    descriptor = None
    if owner.pid:
        try:
            descriptor = os.pidfd_open(owner.pid)
        except (ProcessLookupError, OverflowError):
            raise RequestError(
                f'cannot add model "{name}": its owner {owner.pid} is gone'
            ) from None
        argv += ['--owner-fd', str(descriptor)]
    else:
        argv += ['--idle', str(owner.idle)]
    # The default depends on the user's id, which differs in a user namespace.
    os.environ['LOCALJUJU_HOME'] = str(registry.home())
    try:
        pid = namespaces.launch(argv, descriptor, log)
    except namespaces.PodError as e:
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


@command(
    'destroy-model',
    takes='<model>',
    about='Remove a model with all that is in it; --force leaves out the hooks.',
    switches='destroy-storage force release-storage',
    ignored='no-prompt no-wait t|timeout= y|yes',
)
def _destroy_model(arguments: Arguments) -> None:
    (reference,) = arguments.take('model')
    model = Model(reference)
    destroy, release = arguments.has('destroy-storage'), arguments.has('release-storage')
    if destroy and release:
        raise UsageError('--destroy-storage and --release-storage cannot both be specified')
    model.request(
        'destroy-model',
        force=arguments.has('force'),
        destroy_storage=destroy,
        release_storage=release,
    )
    said = ''
    while registry.is_running(model.name):
        with contextlib.suppress(RequestError, registry.RegistryError):
            waiting = _waited_for(model.request('status')['applications'])
            if waiting and waiting != said:
                said = waiting
                say(waiting)
        time.sleep(0.05)
    registry.forget(model.name)
    say('Model destroyed.')


def _waited_for(applications: dict[str, Any]) -> str:
    """What must still end, with the units whose failed hooks prevent it."""
    stuck = [
        f'{name} ({unit["workload-status"].get("message", "error")})'
        for app in applications.values()
        for name, unit in app['units'].items()
        if unit['workload-status']['current'] == 'error'
    ]
    text = f'Waiting for {", ".join(applications)}…' if applications else ''
    return text + (f' In error: {", ".join(stuck)}; --force does not wait.' if stuck else '')


@command(
    'models',
    'list-models',
    about='List the running models.',
    options='format',
    ignored='all c|controller= exact-time user= uuid',
)
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
        show(Model(names[0]), value, form)
    else:
        print(json.dumps(value))


@command('show-model', takes='[<model>]', about='Show a model.', options='format')
def _show_model(arguments: Arguments) -> None:
    form = arguments.format('yaml', 'json')
    model = Model(arguments.positional[0]) if arguments.positional else chosen_model(arguments)
    show(model, model.request('show-model'), form)


@command('switch', takes='[<model>]', about='Show or choose the current model.')
def _switch(arguments: Arguments) -> None:
    if not arguments.positional:
        print(registry.current() or 'no model in focus')
        return
    (reference,) = arguments.take('model')
    model = Model(reference)
    model.request('show-model')
    registry.switch(model.name)


@command(
    'model-config',
    takes='[<key>[=<value>]…]',
    about='Show, set or reset the config of a model: logging-config, update-status-hook-interval.',
    options='file format reset',
    ignored='color ignore-read-only-fields no-color',
)
def _model_config(arguments: Arguments) -> None:
    model = chosen_model(arguments)
    form = arguments.format('tabular', 'json', 'yaml')
    reset = [name for text in arguments.all('reset') for name in text.split(',')]
    texts = [text for text in arguments.positional if '=' in text]
    if texts or reset or arguments.one('file'):
        file = read(arguments.one('file')) if arguments.one('file') else ''
        values = pairs(texts, files=True)
        model.request('set-model-config', values=values, reset=reset, file=file)
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
        show(model, config, form)


@command(
    'set-model-constraints',
    takes='<constraint>=<value>…',
    about='Note the constraints of a model. A pod has whatever the machine has, all the same.',
)
def _set_model_constraints(arguments: Arguments) -> None:
    model = chosen_model(arguments)
    model.request('set-model-constraints', texts=arguments.positional)


@command('model-constraints', about='Show the constraints of a model.', options='format')
def _model_constraints(arguments: Arguments) -> None:
    arguments.take()
    model = chosen_model(arguments)
    form = arguments.format('constraints', 'json', 'yaml')
    constraints = model.request('model-constraints')
    if form == 'constraints':
        print(constraints['text'])
    else:
        show(model, constraints['values'], form)


@command(
    'status',
    takes='[<selector>…]',
    about=(
        'Show what is in the model. A selector is an application, a unit or a workload status; '
        '* stands for any characters.'
    ),
    options='format',
    switches='integrations relations storage',
    ignored='color no-color retry-count= retry-delay= utc',
    refused='watch=',
)
def _status(arguments: Arguments) -> None:
    model = chosen_model(arguments)
    form = arguments.format('tabular', 'json', 'yaml')
    status = model.request('status')
    if arguments.positional:
        chosen = selection.select(status['applications'], arguments.positional)
        status['applications'] = chosen
    if form == 'tabular':
        wanted = arguments.has('relations') or arguments.has('integrations')
        relations = model.request('relations') if wanted else ()
        print(tables.status(status, relations), end='')
        if arguments.has('storage') and status['storage']:
            print(f'\n{tables.storage(status["storage"], in_status=True)}', end='')
    else:
        show(model, status, form)
    if status['applications']:
        return
    if arguments.positional:
        plural = 's' if len(arguments.positional) > 1 else ''
        say(f'Nothing matched specified filter{plural}.')
    else:
        say(f'Model "admin/{model.name}" is empty.')


@command(
    'show-unit',
    takes='<unit>…',
    about='Show units with their relation data.',
    options='endpoint format',
    refused='app related-unit=',
    reasons={
        'app': 'filter the result instead',
        'related-unit': 'filter the result instead',
    },
)
def _show_unit(arguments: Arguments) -> None:
    model = chosen_model(arguments)
    form = arguments.format('yaml', 'json')
    shown: dict[str, Any] = {}
    for unit in arguments.take('unit', more=True):
        shown |= model.request('show-unit', unit=unit)
    if endpoint := arguments.one('endpoint'):
        for unit in shown.values():
            relations = unit['relation-info']
            unit['relation-info'] = [r for r in relations if r['endpoint'] == endpoint]
    show(model, shown, form)


@command(
    'debug-log',
    about='Show the log of the model, and follow it in a terminal or with --tail.',
    options='i|include l|level limit n|lines x|exclude',
    switches='no-tail replay tail',
    ignored='color date location ms utc',
    refused=(
        'exclude-labels= exclude-module= firehose format= include-labels= include-module= retry '
        'retry-delay='
    ),
    reasons={
        'format': 'lines are text',
        'retry': 'the log is always there',
        'retry-delay': 'the log is always there',
    },
)
def _debug_log(arguments: Arguments) -> None:
    model = chosen_model(arguments)
    query = {
        'level': arguments.one('level', 'TRACE').upper(),
        'include': arguments.all('include'),
        'exclude': arguments.all('exclude'),
    }
    most = arguments.number('limit', 0) or arguments.number('lines', 0)
    lines, position = model.request('debug-log', **query)
    for line in lines[-most:] if most else lines:
        print(line)
    still = arguments.has('no-tail') or arguments.one('limit')
    while arguments.has('tail') or (sys.stdout.isatty() and not still):
        lines, position = model.request('debug-log', after=position, wait=5.0, **query)
        for line in lines:
            print(line, flush=True)


@command(
    'version',
    about='Show the version of Juju that this one is like.',
    options='format',
    switches='all',
)
def _version(arguments: Arguments) -> None:
    version = (
        f'{JUJU_VERSION}-genericlinux-{"arm64" if os.uname().machine == "aarch64" else "amd64"}'
    )
    if arguments.format('smart', 'json', 'yaml') == 'json':
        whole = {'version': version, 'git-commit': '', 'git-tree-state': 'localjuju'}
        print(json.dumps(whole if arguments.has('all') else version))
    else:
        print(version)


@command(
    'wait-for',
    takes='application <name>',
    about='Wait until an application is active.',
    options='timeout',
    refused='query= summary',
    reasons={'summary': 'nothing is printed'},
)
def _wait_for(arguments: Arguments) -> None:
    kind, name = arguments.take('"application"', 'name')
    if kind != 'application':
        raise UsageError(f'wait-for {kind} is not supported by the local Juju')
    model = chosen_model(arguments)
    deadline = time.monotonic() + seconds(arguments.one('timeout', '10m'))
    while time.monotonic() < deadline:
        app = model.request('status')['applications'].get(name)
        if app and app['application-status']['current'] == 'active':
            return
        time.sleep(0.2)
    raise RequestError(f'timed out waiting for "{name}" to reach goal state')
