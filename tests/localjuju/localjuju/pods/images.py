"""Root file systems that stand in for the public images, from the recipes in images.toml.

A root file system is a stack of folders for overlayfs: one shared Debian base, and the image's
own files. `build` makes them at most once; the cache keeps them under a hash of everything from
which they are made.

For an unprivileged user, the folders are made inside a user namespace, where files of users other
than root belong to the user's subordinate ids.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from localjuju.common import cache, paths
from localjuju.common.progress import SetupError, fail, locked, run, say
from localjuju.pods import debian, goprograms, pythonpackages, recipes
from localjuju.pods.namespaces import HopelessError, PodError, unshare_command
from localjuju.pods.recipes import Recipe

#: Where Pebble finds the layer that an image includes.
_PEBBLE_LAYER = '/var/lib/pebble/default/layers/001-image.yaml'


@dataclass(frozen=True)
class Image:
    """A root file system that exists: folders for overlayfs, the topmost first."""

    layers: tuple[Path, ...]
    workdir: str


def _folder() -> Path:
    return paths.cache_dir() / 'images'


def _base() -> Path:
    table = recipes.table()
    return _folder() / f'base-{recipes.digest(table.suite, *table.base)}'


def _layer(reference: str, recipe: Recipe) -> Path:
    name = re.sub(r'\W+', '-', reference)
    return _folder() / f'{name}-{recipe.hash(_base().name)}'


def _layers(*, extra: bool = False) -> dict[str, Path]:
    """The folder of each recipe's own layer, by reference, whether it exists yet or not."""
    found = recipes.table().recipes
    return {ref: _layer(ref, recipe) for ref, recipe in found.items() if recipe.extra == extra}


def find(reference: str) -> Image:
    """The root file system for an image reference, which this process then holds.

    See `recipes.Table.find` for what a reference may leave out.

    Raises:
        HopelessError: if no table knows it, it has not been built, or a table is wrong.
    """
    try:
        table = recipes.table()
        name = table.find(reference)
        if name is None:
            known = ', '.join(sorted(table.recipes))
            raise HopelessError(
                f'cannot find image {reference}: tests/localjuju/images.toml knows {known};'
                f' ${paths.IMAGES} may name a table with more'
            )
        recipe = table.recipes[name]
        own = _layer(name, recipe)
    except SetupError as error:
        raise HopelessError(str(error)) from error
    layers = (own,) if recipe.only else (own, _base())
    for layer in layers:
        if layer.exists():
            cache.use(layer)
    # Only what this process holds stays there.
    if not all(layer.exists() for layer in layers):
        raise HopelessError(f'cannot find image {reference}: not built yet; run `make setup`')
    return Image(layers, recipe.workdir)


def host_command(reference: str, program: str) -> list[str]:
    """The start of a command line that runs an image's program on the host itself.

    Args:
        reference: the image.
        program: a path in it, like ``/usr/bin/promtool``.

    Raises:
        PodError: like `find`, or if the image has no such program.
    """
    layers = find(reference).layers
    loader, library_path = _loader(layers)
    return [str(loader), '--library-path', library_path, str(_in(layers, program))]


def missing(*, extra: bool = False) -> list[str]:
    """The references whose root file systems are missing or do not match their recipes.

    Either those of the usual images or of the extra ones. What is there is dated, so that no other
    checkout's setup removes it.
    """
    lacking = [] if _there(_base()) else [f'Debian {recipes.table().suite}']
    return lacking + [ref for ref, layer in _layers(extra=extra).items() if not _there(layer)]


def _there(layer: Path) -> bool:
    if layer.exists():
        cache.touch(layer)
        return True
    return False


def seconds(*, extra: bool = False) -> float:
    """About how long `build` takes."""
    lacking = len(missing(extra=extra))
    return 20 + 2 * lacking if lacking else 0


# -- building ---------------------------------------------------------------------------------


def build(*, extra: bool = False) -> None:
    """Make what is missing, and remove what no checkout has used for long.

    Either the usual images or the extra ones.

    Raises:
        SetupError: if there is no Debian mirror or no network, or a Go program is not built.
    """
    if not missing(extra=extra):
        return
    # In namespaces of its own, so that no mount stays behind however this ends. Without root, the
    # namespaces also allow files of many owners.
    command = unshare_command('--mount', '--pid', '--fork', '--kill-child', '--mount-proc')
    path = f'{paths.LOCALJUJU_DIR}:{os.environ.get("PYTHONPATH", "")}'
    environment = {**os.environ, 'PYTHONPATH': path, 'PATH': paths.search_path()}
    program = [sys.executable, '-m', 'localjuju.pods.images', *(['extra'] if extra else [])]
    done = subprocess.run([*command, *program], env=environment)
    if done.returncode:
        raise SetupError('cannot build the images: see above')


def _build(*, extra: bool = False) -> None:
    with locked('images'):
        folder = _folder()
        folder.mkdir(exist_ok=True)
        table, layers = recipes.table(), _layers(extra=extra)
        todo = {r: table.recipes[r] for r, layer in layers.items() if not layer.exists()}
        work = folder / 'work'
        cache.discard(work)
        work.mkdir()
        archives = {r: work / f'archives-{n}' for n, r in enumerate(todo) if todo[r].debian}
        downloads = {archives[r]: todo[r].debian for r in archives}
        if downloads or not _base().exists():
            why = 'what all images share, and the packages of each; about 20 s'
            with say(f'base of the images (Debian {table.suite})', why):
                debian.bootstrap(work / 'base', table.suite, table.base, downloads)
            if not _base().exists():
                (work / 'base').rename(_base())
        for reference, recipe in todo.items():
            with say(f'image {reference}'):
                layer = work / 'layer'
                layer.mkdir()
                _fill(layer, recipe, archives.get(reference))
                layer.rename(layers[reference])
                cache.touch(layers[reference])
        cache.discard(work)
        cache.touch(_base())
        both = {**_layers(extra=True), **_layers(extra=False)}
        cache.clean(folder, {_base(), *both.values()})


def _fill(layer: Path, recipe: Recipe, archives: Path | None) -> None:
    if archives:
        debian.unpack(archives, layer)
    for name, target in recipe.program.items():
        source = goprograms.built(name)
        if not source.exists():
            raise SetupError(f'cannot build an image: the program {name} is not built yet')
        _destination(layer, target).hardlink_to(source)
        for path, inside in recipe.module.items():
            # Go makes its module cache read-only.
            module = goprograms.module_folder(name) / inside
            command = ['cp', '-r', '--no-preserve=mode', str(module)]
            run([*command, str(_destination(layer, path))], action=f'copy {path}')
    if recipe.python:
        pythonpackages.install(layer, _base(), recipe.venv, recipe.python)
    for path, file in recipe.files.items():
        for inside, mode in file.content():
            destination = _destination(layer, f'{path}/{inside}')
            shutil.copyfile(file.source / inside, destination)
            destination.chmod(mode)
    for path in recipe.folders:
        _destination(layer, path).mkdir(exist_ok=True)
    for path, target in recipe.links.items():
        _destination(layer, path).symlink_to(target)
    if recipe.pebble:
        _destination(layer, _PEBBLE_LAYER).write_text(recipe.pebble)
    if recipe.only:
        _reduce(layer, recipe.only)


def _destination(layer: Path, path: str) -> Path:
    destination = layer / path.lstrip('/')
    destination.parent.mkdir(parents=True, exist_ok=True)
    return destination


def _reduce(layer: Path, only: Iterable[str]) -> None:
    """Remove everything from a layer except these files and the libraries that they load."""
    full = layer.with_name('full')
    layer.rename(full)
    layers = (full, _base())
    layer.mkdir()
    # The base's /lib64 and its like, through which a program names its loader.
    for top in _base().iterdir():
        if top.is_symlink():
            (layer / top.name).symlink_to(top.readlink())
    for path in only:
        for file in (path, *_libraries(layers, path)):
            destination = _destination(layer, file)
            if not destination.exists():
                shutil.copy2(_in(layers, file), destination, follow_symlinks=file != path)
    cache.discard(full)


def _in(layers: Iterable[Path], path: str) -> Path:
    """The file with that path in the topmost layer that has it."""
    for layer in layers:
        found = layer / path.lstrip('/')
        if found.exists() or found.is_symlink():
            return found
    raise PodError(f'cannot find {path} in the image')


def _loader(layers: Sequence[Path]) -> tuple[Path, str]:
    """The dynamic loader in the layers, and the library path that keeps it within them."""
    loader = next(file for layer in layers for file in layer.glob('usr/lib*/ld-linux*.so.*'))
    libraries = [folder for layer in layers for folder in layer.glob('usr/lib/*-linux-gnu*')]
    return loader, ':'.join(str(folder) for folder in libraries)


def _libraries(layers: Sequence[Path], path: str) -> list[str]:
    """The paths in the image of a program's loader and libraries; none if it is no program."""
    program = _in(layers, path)
    if program.is_symlink() or program.open('rb').read(4) != b'\x7fELF':
        return []
    loader, library_path = _loader(layers)
    command = [str(loader), '--library-path', library_path, '--list', str(program)]
    listing = run(command, action=f'list the libraries of {path}')
    found = re.findall(r'(?:=> )?(/\S+) \(0x', listing)
    roots = [f'{layer}/' for layer in layers]
    return [
        functools.reduce(lambda name, root: name.replace(root, '/', 1), roots, n) for n in found
    ]


if __name__ == '__main__':
    try:
        _build(extra='extra' in sys.argv)
    except SetupError as error:
        sys.exit(fail(error))
