"""The commands of the `juju` program about applications and relations."""

from pathlib import Path

from localjuju.cli import charms
from localjuju.cli.commandline import Arguments, UsageError, is_number, pairs, read
from localjuju.cli.program import chosen_model, command, say, show
from localjuju.client import Model


@command(
    'deploy',
    takes='<charm> [<application>]',
    about='Deploy a charm: a path (./… or /…), or a name that charms.toml maps to a local charm.',
    options='base channel config n|num-units resource revision storage',
    switches='trust',
    ignored='constraints= force',
    refused='attach-storage= bind= device= dry-run map-machines= overlay= to=',
    lenient=True,
)
def _deploy(arguments: Arguments) -> None:
    text, *rest = arguments.take('charm', more=True)
    # What is missing there matters more than a flag that could be left out.
    charm = charms.find(text, arguments.one('channel'), arguments.one('revision'))
    arguments.refuse()
    if len(rest) > 1:
        raise UsageError(f'unrecognized args: {rest[1:]}')
    texts, files = _config_options(arguments)
    deployed = chosen_model(arguments).request(
        'deploy',
        path=str(charm.path),
        app=rest[0] if rest else '',
        units=arguments.number('num-units', 1),
        config=texts,
        config_file=files,
        resources={**charm.resources, **pairs(arguments.all('resource'))},
        trust=arguments.has('trust'),
        base=arguments.one('base'),
        storage=arguments.all('storage'),
        store=charm.store(),
    )
    name = deployed['name']
    say(f'Deploying "{name}" from {charm}')
    for note in deployed['notes']:
        say(note)


def _config_options(arguments: Arguments) -> tuple[dict[str, str], str]:
    """The values of ``--config key=value`` and the text of ``--config file``."""
    texts = [text for text in arguments.all('config') if '=' in text]
    files = [read(text) for text in arguments.all('config') if '=' not in text]
    return pairs(texts, files=True), '\n'.join(files)


@command(
    'refresh',
    takes='<application>',
    about='Give an application another charm: a path, or what charms.toml maps its name to.',
    options='base channel config path resource revision',
    switches='trust',
    ignored='force force-base force-series force-units',
    refused='bind= storage= switch=',
    lenient=True,
)
def _refresh(arguments: Arguments) -> None:
    (app,) = arguments.take('application')
    model = chosen_model(arguments)
    charm = _refreshed(arguments, model, app)
    arguments.refuse()
    texts, files = _config_options(arguments)
    refreshed = model.request(
        'refresh',
        app=app,
        path=str(charm.path) if charm else '',
        config=texts,
        config_file=files,
        resources={
            **(charm.resources if charm else {}),
            **pairs(arguments.all('resource')),
        },
        trust=arguments.has('trust'),
        base=arguments.one('base'),
        store=charm.store() if charm else None,
    )
    for note in refreshed['notes']:
        say(note)


def _refreshed(arguments: Arguments, model: Model, app: str) -> charms.Charm | None:
    """The charm to which to refresh an application, or None if only its resources change."""
    path, channel = arguments.one('path'), arguments.one('channel')
    if path:
        if channel or arguments.one('revision'):
            raise UsageError('--path and --channel or --revision are mutually exclusive')
        return charms.Charm(Path(path).absolute())
    shown = model.request('status')['applications'].get(app)
    if shown is None:
        raise UsageError(f'application "{app}" not found')
    if shown['charm-origin'] == 'charmhub':
        channel = channel or shown['charm-channel']
        return charms.find(shown['charm-name'], channel, arguments.one('revision'))
    if channel or arguments.one('revision') or not arguments.all('resource'):
        name = shown['charm-name']
        raise UsageError(f'cannot refresh "{app}": its charm "{name}" is local, so give --path')
    return None


@command(
    'add-unit',
    takes='<application>',
    about='Add units to an application.',
    options='n|num-units',
    refused='attach-storage= to=',
)
def _add_unit(arguments: Arguments) -> None:
    (app,) = arguments.take('application')
    chosen_model(arguments).request('scale', app=app, by=arguments.number('num-units', 1))


@command(
    'remove-unit',
    takes='<application>',
    about='Remove the units with the highest numbers; --num-units says how many.',
    options='num-units',
    ignored='no-prompt no-wait y|yes',
    refused='destroy-storage dry-run force',
    reasons=dict.fromkeys(('destroy-storage', 'force'), 'on Kubernetes there is only --num-units'),
)
def _remove_unit(arguments: Arguments) -> None:
    (app,) = arguments.take('application')
    if '/' in app:
        raise UsageError('application name must be specified with --num-units, not a unit name')
    if not arguments.one('num-units'):
        raise UsageError('specify the number of units to remove using --num-units')
    chosen_model(arguments).request('scale', app=app, by=-arguments.number('num-units', 0))


@command('scale-application', takes='<application> <scale>', about='Set the number of units.')
def _scale_application(arguments: Arguments) -> None:
    app, scale = arguments.take('application', 'scale')
    if not is_number(scale):
        raise UsageError(f'couldn\'t parse "{scale}" as an integer')
    chosen_model(arguments).request('scale', app=app, to=int(scale))
    say(f'{app} scaled to {scale} units')


@command(
    'remove-application',
    takes='<application>…',
    about='Remove applications; --force leaves out their hooks.',
    switches='destroy-storage force',
    ignored='no-prompt no-wait y|yes',
    refused='dry-run',
)
def _remove_application(arguments: Arguments) -> None:
    model = chosen_model(arguments)
    for app in arguments.take('application', more=True):
        model.request(
            'remove-application',
            app=app,
            force=arguments.has('force'),
            destroy_storage=arguments.has('destroy-storage'),
        )


@command(
    'config',
    takes='<application> [<key>[=<value>]…]',
    about='Show, set or reset the config of an application.',
    options='file format reset',
    ignored='color ignore-read-only-fields no-color',
)
def _config(arguments: Arguments) -> None:
    app, *rest = arguments.take('application', more=True)
    model = chosen_model(arguments)
    form = arguments.format('yaml', 'json')
    reset = [name for text in arguments.all('reset') for name in text.split(',')]
    texts = [text for text in rest if '=' in text]
    keys = [text for text in rest if '=' not in text]
    if texts or reset or arguments.one('file'):
        file = read(arguments.one('file')) if arguments.one('file') else ''
        values = pairs(texts, files=True)
        model.request('config', app=app, values=values, reset=reset, file=file)
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


@command(
    'trust',
    takes='<application>',
    about='Note that an application is trusted. It gains nothing: there is no Kubernetes API.',
    options='scope',
    switches='remove',
)
def _trust(arguments: Arguments) -> None:
    (app,) = arguments.take('application')
    remove = arguments.has('remove')
    if not remove and arguments.one('scope') != 'cluster':
        raise UsageError("'juju trust' on a Kubernetes model needs --scope=cluster")
    chosen_model(arguments).request('trust', app=app, trust=not remove)


@command(
    'integrate',
    'relate',
    takes='<application>[:<endpoint>] <application>[:<endpoint>] | <offer>',
    about='Relate an application to another one, or to an offer of another model.',
    refused='via=',
)
def _integrate(arguments: Arguments) -> None:
    one, other = arguments.take('application, or offer', 'other application, or offer')
    chosen_model(arguments).request('integrate', one=one, other=other)


@command(
    'remove-relation',
    takes='<application>[:<endpoint>] <application>[:<endpoint>] | <id>',
    about='Remove a relation.',
    switches='force',
)
def _remove_relation(arguments: Arguments) -> None:
    one, *other = arguments.take('relation', more=True)
    chosen_model(arguments).request(
        'remove-relation',
        one=one,
        other=other[0] if other else '',
        force=arguments.has('force'),
    )
