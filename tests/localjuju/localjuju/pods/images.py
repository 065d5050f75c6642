"""Root file systems that stand in for the public images, from the recipes in images.toml.

A root file system is a stack of folders for overlayfs: one shared Debian base, and the image's
own files. `build` makes them at most once; the cache keeps them under a hash of everything from
which they are made.

For an unprivileged user, the folders are made inside a user namespace, where files of users other
than root belong to the user's subordinate ids.
"""

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from localjuju.common import paths
from localjuju.common.progress import SetupError, fail, locked, run, say
from localjuju.pods import debian, goprograms
from localjuju.pods.namespaces import HopelessError, PodError, unshare_command

#: Part of every hash: raise it when this module makes different files from the same recipe.
_FORMAT = 1
#: Where Pebble finds the layer that an image includes.
_PEBBLE_LAYER = '/var/lib/pebble/default/layers/001-image.yaml'


@dataclass(frozen=True)
class Recipe:
    """An entry of images.toml, which explains the keys."""

    packages: Sequence[str] = ()
    program: Mapping[str, str] = field(default_factory=dict)
    module: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    pebble: str = ''
    only: Sequence[str] = ()
    workdir: str = '/'

    def hash(self, base: str) -> str:
        """The hash of the image's own layer, given the base's hash."""
        programs = [goprograms.recipe_hash(name) for name in self.program]
        return _hash(base, repr(self), *programs)


@dataclass(frozen=True)
class Image:
    """A root file system that exists: folders for overlayfs, the topmost first."""

    layers: tuple[Path, ...]
    workdir: str


def _hash(*parts: str) -> str:
    return hashlib.sha256('\0'.join((str(_FORMAT), *parts)).encode()).hexdigest()[:16]


def _folder() -> Path:
    return paths.cache_dir() / 'images'


@functools.cache
def _table() -> tuple[str, Sequence[str], dict[str, Recipe]]:
    """The suite and packages of the base, and the recipes by short reference."""
    table = tomllib.loads((paths.LOCALJUJU_DIR / 'images.toml').read_text())
    recipes = {_short(name): Recipe(**entry) for name, entry in table['images'].items()}
    return table['base']['suite'], table['base']['packages'], recipes


def _short(reference: str) -> str:
    """The reference without the default registry."""
    return re.sub(r'^docker\.io/(library/)?', '', reference)


def _base() -> Path:
    suite, packages, _ = _table()
    return _folder() / f'base-{_hash(suite, *packages)}'


def _layer(reference: str, recipe: Recipe) -> Path:
    name = re.sub(r'\W+', '-', reference)
    return _folder() / f'{name}-{recipe.hash(_base().name)}'


def find(reference: str) -> Image:
    """The root file system for an image reference, with or without ``docker.io/``.

    Raises:
        HopelessError: if images.toml does not know it, or it has not been built.
    """
    recipes = _table()[2]
    recipe = recipes.get(_short(reference))
    if recipe is None:
        known = ', '.join(sorted(recipes))
        raise HopelessError(
            f'cannot find image {reference}: tests/localjuju/images.toml knows {known}'
        )
    layer = _layer(_short(reference), recipe)
    layers = (layer,) if recipe.only else (layer, _base())
    if not all(folder.exists() for folder in layers):
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


def missing() -> list[str]:
    """The references whose root file systems are missing or do not match their recipes."""
    suite, _, recipes = _table()
    wanted = {ref: _layer(ref, recipe) for ref, recipe in recipes.items()}
    base = [] if _base().exists() else [f'Debian {suite}']
    return base + [ref for ref, folder in wanted.items() if not folder.exists()]


# -- building ---------------------------------------------------------------------------------


def build() -> None:
    """Make what is missing, and remove what no recipe needs.

    Raises:
        SetupError: if there is no Debian mirror or no network, or a Go program is not built.
    """
    if not missing():
        return
    # In namespaces of its own, so that no mount stays behind however this ends. Without root, the
    # namespaces also allow files of many owners.
    command = unshare_command('--mount', '--pid', '--fork', '--kill-child', '--mount-proc')
    path = f'{paths.LOCALJUJU_DIR}:{os.environ.get("PYTHONPATH", "")}'
    environment = {**os.environ, 'PYTHONPATH': path, 'PATH': paths.search_path()}
    done = subprocess.run(
        [*command, sys.executable, '-m', 'localjuju.pods.images'], env=environment
    )
    if done.returncode:
        raise SetupError('cannot build the images: see above')


def _build() -> None:
    with locked('images'):
        folder = _folder()
        folder.mkdir(exist_ok=True)
        suite, base_packages, recipes = _table()
        todo = {r: recipe for r, recipe in recipes.items() if not _layer(r, recipe).exists()}
        work = folder / 'work'
        _remove(work)
        work.mkdir()
        archives = {r: work / f'archives-{n}' for n, r in enumerate(todo) if todo[r].packages}
        downloads = {archives[r]: todo[r].packages for r in archives}
        if downloads or not _base().exists():
            with say(f'base of the images (Debian {suite})'):
                debian.bootstrap(work / 'base', suite, base_packages, downloads)
            if not _base().exists():
                (work / 'base').rename(_base())
        for reference, recipe in todo.items():
            with say(f'image {reference}'):
                layer = work / 'layer'
                layer.mkdir()
                _fill(layer, recipe, archives.get(reference))
                layer.rename(_layer(reference, recipe))
        _remove(work)
        wanted = {_base().name, *(_layer(r, recipe).name for r, recipe in recipes.items())}
        for old in folder.iterdir():
            if old.name not in wanted and old.is_dir():
                _remove(old)


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
    _remove(full)


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


def _remove(folder: Path) -> None:
    # shutil.rmtree cannot remove folders that a package made read-only.
    run(['rm', '-rf', '--one-file-system', str(folder)], action=f'remove {folder}')


if __name__ == '__main__':
    try:
        _build()
    except SetupError as error:
        sys.exit(fail(error))
