"""The commands of the `juju` program about storage."""

from localjuju.cli import tables
from localjuju.cli.commandline import Arguments, UsageError
from localjuju.cli.program import TasksFailedError, chosen_model, command, say, show


@command(
    'storage',
    'list-storage',
    about='List the storage of the model, or its file systems or volumes.',
    options='format',
    switches='filesystem volume',
)
def _storage(arguments: Arguments) -> None:
    arguments.take()
    model = chosen_model(arguments)
    form = arguments.format('tabular', 'json', 'yaml')
    if arguments.has('volume') and form == 'tabular':
        raise UsageError('storage --volume is supported only as json or yaml, not as a table')
    wanted = {f'{kind}s' for kind in ('filesystem', 'volume') if arguments.has(kind)}
    shown = model.request('storage')
    if wanted:
        shown = {kind: each for kind, each in shown.items() if kind in wanted}
    if not shown:
        say('No storage to display.')
    elif form != 'tabular':
        show(model, shown, form)
    elif wanted:
        print(tables.filesystems(shown['filesystems']), end='')
    else:
        print(tables.storage(shown), end='')


@command('show-storage', takes='<storage>…', about='Show instances of storage.', options='format')
def _show_storage(arguments: Arguments) -> None:
    ids = arguments.take('storage id', more=True)
    form = arguments.format('yaml', 'json')
    model = chosen_model(arguments)
    show(model, model.request('show-storage', ids=ids), form)


@command(
    'remove-storage',
    takes='<storage>…',
    about='Remove detached storage with its data.',
    refused='force no-destroy',
    reasons={
        'force': 'on container models Juju cannot detach storage',
        'no-destroy': 'the data is part of the model',
    },
)
def _remove_storage(arguments: Arguments) -> None:
    ids = arguments.take('storage id', more=True)
    failed = chosen_model(arguments).request('remove-storage', ids=ids)
    for identity in ids:
        if identity not in failed:
            say(f'removing {identity}')
    if failed:
        reasons = [f'failed to remove {identity}: {why}' for identity, why in failed.items()]
        raise TasksFailedError('\n'.join(reasons))
