"""The commands of the `juju` program about applications and relations."""

from pathlib import Path

from localjuju.cli.commandline import Arguments, UsageError, pairs
from localjuju.cli.program import chosen_model, command, say, show


@command(
    'deploy',
    options='config resource n|num-units base',
    switches='trust',
    # Constraints request a size of pod; here a pod has whatever the machine has.
    ignored='force constraints=',
)
def _deploy(arguments: Arguments) -> None:
    charm, *rest = arguments.take('charm', more=True)
    if not charm.startswith(('.', '/')):
        raise UsageError(f'cannot deploy "{charm}": only a path (./… or /…) is supported locally')
    if len(rest) > 1:
        raise UsageError(f'unrecognized args: {rest[1:]}')
    texts, files = _config_options(arguments)
    name = chosen_model(arguments).request(
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
    say(f'Deploying "{name}" from local charm "{charm}"')


def _config_options(arguments: Arguments) -> tuple[dict[str, str], str]:
    """The values of ``--config key=value`` and the text of ``--config file``."""
    texts = [text for text in arguments.all('config') if '=' in text]
    files = [Path(text).read_text() for text in arguments.all('config') if '=' not in text]
    return pairs(texts), '\n'.join(files)


@command(
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
    chosen_model(arguments).request(
        'refresh',
        app=app,
        path=str(Path(path).absolute()) if path else '',
        config=pairs(arguments.all('config')),
        resources=pairs(arguments.all('resource')),
        trust=arguments.has('trust'),
    )


@command('add-unit', options='n|num-units')
def _add_unit(arguments: Arguments) -> None:
    (app,) = arguments.take('application')
    chosen_model(arguments).request('scale', app=app, by=arguments.number('num-units', 1))


@command('remove-unit', options='num-units', ignored='no-prompt y yes destroy-storage no-wait')
def _remove_unit(arguments: Arguments) -> None:
    (app,) = arguments.take('application')
    if '/' in app:
        raise UsageError('application name must be specified with --num-units, not a unit name')
    if not arguments.one('num-units'):
        raise UsageError('specify the number of units to remove using --num-units')
    chosen_model(arguments).request('scale', app=app, by=-arguments.number('num-units', 0))


@command('scale-application')
def _scale_application(arguments: Arguments) -> None:
    app, scale = arguments.take('application', 'scale')
    if not scale.isdigit():
        raise UsageError(f'couldn\'t parse "{scale}" as an integer')
    chosen_model(arguments).request('scale', app=app, to=int(scale))
    say(f'{app} scaled to {scale} units')


@command(
    'remove-application',
    switches='force',
    ignored='no-prompt y yes destroy-storage no-wait',
)
def _remove_application(arguments: Arguments) -> None:
    model = chosen_model(arguments)
    for app in arguments.take('application', more=True):
        model.request('remove-application', app=app, force=arguments.has('force'))


@command('config', options='format reset file')
def _config(arguments: Arguments) -> None:
    app, *rest = arguments.take('application', more=True)
    model = chosen_model(arguments)
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
        show(model, config, form)
        return
    if keys[0] not in config['settings']:
        raise UsageError(
            f'key "{keys[0]}" not found in "{app}" application config or charm settings'
        )
    value = config['settings'][keys[0]].get('value', '')
    print(str(value).lower() if isinstance(value, bool) else value)


@command('trust', options='scope', switches='remove')
def _trust(arguments: Arguments) -> None:
    (app,) = arguments.take('application')
    remove = arguments.has('remove')
    if not remove and arguments.one('scope') != 'cluster':
        raise UsageError("'juju trust' on a Kubernetes model needs --scope=cluster")
    chosen_model(arguments).request('trust', app=app, trust=not remove)


@command('integrate', 'relate')
def _integrate(arguments: Arguments) -> None:
    one, other = arguments.take('application, or offer', 'other application, or offer')
    chosen_model(arguments).request('integrate', one=one, other=other)


@command('remove-relation', switches='force')
def _remove_relation(arguments: Arguments) -> None:
    one, *other = arguments.take('relation', more=True)
    chosen_model(arguments).request(
        'remove-relation',
        one=one,
        other=other[0] if other else '',
        force=arguments.has('force'),
    )
