"""The commands of the `juju` program about the user's secrets."""

from collections.abc import Sequence
from typing import Any

from localjuju.cli import tables
from localjuju.cli.commandline import Arguments, pairs, read
from localjuju.cli.program import chosen_model, command, show


def _secret_content(arguments: Arguments, texts: Sequence[str]) -> dict[str, Any]:
    file = read(arguments.one('file')) if arguments.one('file') else ''
    values = {}
    for key, value in pairs(texts).items():
        name = key.removesuffix('#file')
        values[name] = read(value) if key.endswith('#file') else value
    return {'values': values, 'file': file}


@command(
    'add-secret',
    takes='<name> [<key>[#file|#base64]=<value>…]',
    about='Add a secret of the user.',
    options='file info',
)
def _add_secret(arguments: Arguments) -> None:
    name, *texts = arguments.take('secret name', more=True)
    content = _secret_content(arguments, texts)
    print(
        chosen_model(arguments).request(
            'add-secret', name=name, info=arguments.one('info'), **content
        )
    )


@command(
    'update-secret',
    takes='<id or name> [<key>[#file|#base64]=<value>…]',
    about='Give a secret of the user a new revision, name or description.',
    options='file info name',
    switches='auto-prune',
)
def _update_secret(arguments: Arguments) -> None:
    identifier, *texts = arguments.take('secret', more=True)
    chosen_model(arguments).request(
        'update-secret',
        identifier=identifier,
        info=arguments.one('info') or None,
        name=arguments.one('name') or None,
        auto_prune=arguments.has('auto-prune'),
        **_secret_content(arguments, texts),
    )


@command(
    'remove-secret',
    takes='<id or name>',
    about='Remove a secret of the user, or one of its revisions.',
    options='revision',
)
def _remove_secret(arguments: Arguments) -> None:
    (identifier,) = arguments.take('secret')
    revision = arguments.number('revision', 0) or None
    chosen_model(arguments).request('remove-secret', identifier=identifier, revision=revision)


@command(
    'grant-secret',
    takes='<id or name> <application>[,<application>…]',
    about='Let applications read a secret of the user.',
)
def _grant_secret(arguments: Arguments) -> None:
    identifier, apps = arguments.take('secret', 'application')
    chosen_model(arguments).request('grant-secret', identifier=identifier, apps=apps.split(','))


@command(
    'revoke-secret',
    takes='<id or name> <application>[,<application>…]',
    about='No longer let applications read a secret of the user.',
)
def _revoke_secret(arguments: Arguments) -> None:
    identifier, apps = arguments.take('secret', 'application')
    chosen_model(arguments).request('revoke-secret', identifier=identifier, apps=apps.split(','))


@command('secrets', 'list-secrets', about='List the secrets.', options='format owner')
def _secrets(arguments: Arguments) -> None:
    model = chosen_model(arguments)
    form = arguments.format('tabular', 'json', 'yaml')
    secrets = model.request('secrets', owner=arguments.one('owner'))
    if form == 'tabular':
        rows = [
            (i, s.get('name', '-'), s['owner'], str(s['revision'])) for i, s in secrets.items()
        ]
        print(tables.table(('ID', 'Name', 'Owner', 'Revision'), rows), end='')
    else:
        show(model, secrets, form)


@command(
    'show-secret',
    takes='<id or name>',
    about='Show a secret, with --reveal its content too.',
    options='format r|revision',
    switches='reveal revisions',
)
def _show_secret(arguments: Arguments) -> None:
    (identifier,) = arguments.take('secret')
    model = chosen_model(arguments)
    shown = model.request(
        'show-secret',
        identifier=identifier,
        reveal=arguments.has('reveal'),
        revision=arguments.number('revision', 0) or None,
        revisions=arguments.has('revisions'),
    )
    show(model, shown, arguments.format('yaml', 'json'))
