"""The commands of the `juju` program about storage.

Juju itself refuses on Kubernetes what would change the volumes of running pods.
"""

from typing import NoReturn

from localjuju.cli import tables
from localjuju.cli.commandline import Arguments, UsageError
from localjuju.cli.program import TasksFailedError, chosen_model, command, say, show


@command('storage', 'list-storage', options='format', switches='filesystem volume')
def _storage(arguments: Arguments) -> None:
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


@command('show-storage', options='format')
def _show_storage(arguments: Arguments) -> None:
    ids = arguments.take('storage id', more=True)
    form = arguments.format('yaml', 'json')
    model = chosen_model(arguments)
    show(model, model.request('show-storage', ids=ids), form)


@command('remove-storage', switches='force no-destroy')
def _remove_storage(arguments: Arguments) -> None:
    ids = arguments.take('storage id', more=True)
    if arguments.has('force'):
        raise UsageError('forced detachment of storage on container models not supported')
    if arguments.has('no-destroy'):
        raise UsageError('remove-storage --no-destroy is not supported by the local Juju')
    failed = chosen_model(arguments).request('remove-storage', ids=ids)
    for identity in ids:
        if identity not in failed:
            say(f'removing {identity}')
    if failed:
        reasons = [f'failed to remove {identity}: {why}' for identity, why in failed.items()]
        raise TasksFailedError('\n'.join(reasons))


def _refuse(name: str) -> NoReturn:
    raise UsageError(f'Juju command "{name}" not supported on container models')


@command('add-storage')
def _add_storage(_: Arguments) -> None:
    _refuse('add-storage')


@command('attach-storage')
def _attach_storage(_: Arguments) -> None:
    _refuse('attach-storage')


@command('detach-storage', ignored='force no-wait')
def _detach_storage(_: Arguments) -> None:
    _refuse('detach-storage')


@command('import-filesystem', ignored='force')
def _import_filesystem(_: Arguments) -> None:
    _refuse('import-filesystem')
