"""The recipes of images: which one an image reference means, and everything that it is made from.

images.toml has them and explains the keys. ``$LOCALJUJU_IMAGES`` names a further table, whose
images come beside those and before them.
"""

import functools
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from localjuju.common import paths
from localjuju.common.progress import SetupError
from localjuju.pods import goprograms

#: Part of every hash: raise it when the build makes different files from the same recipe.
_FORMAT = 1
_PINNED = re.compile(r'[\w.-]+(\[[\w.,-]+\])?==[^\s;*]+(\s+--hash=sha256:[0-9a-f]{64})*')


@dataclass(frozen=True)
class File:
    """A file, or a folder with all that is in it, for an image.

    Attributes:
        source: where it is on this machine.
        mode: its permission bits; None for 755 if it is a program, otherwise 644.
    """

    source: Path
    mode: int | None = None

    def content(self) -> Iterator[tuple[Path, int]]:
        """Its files by relative path, `.` for itself, with their modes.

        Raises:
            SetupError: if it is not there.
        """
        if not self.source.exists():
            raise SetupError(f'cannot place {self.source} in an image: no such file')
        found = sorted(self.source.rglob('*')) if self.source.is_dir() else [self.source]
        for file in found:
            if file.is_file():
                usual = 0o755 if file.stat().st_mode & 0o100 else 0o644
                yield file.relative_to(self.source), self.mode or usual


@dataclass(frozen=True)
class Recipe:
    """An entry of images.toml, which explains the keys."""

    packages: Sequence[str] = ()
    program: Mapping[str, str] = field(default_factory=dict)
    module: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)
    python: Sequence[str] = ()
    venv: str = '/opt/venv'
    folders: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    pebble: str = ''
    only: Sequence[str] = ()
    workdir: str = '/'
    extra: bool = False

    @property
    def debian(self) -> Sequence[str]:
        """The Debian packages whose files it needs."""
        return (*self.packages, *(['python3'] if self.python else []))

    def hash(self, base: str) -> str:
        """The hash of the image's own layer, given the base's hash.

        Only what the recipe says counts, so that a new key changes no layer that lacks it.
        """
        said = {
            key.name: getattr(self, key.name)
            for key in fields(self)
            if key.name not in ('files', 'extra') and getattr(self, key.name)
        }
        programs = [goprograms.recipe_hash(name) for name in self.program]
        contents = [
            f'{path}/{inside} {mode:o} {hashlib.sha256(_bytes(file, inside)).hexdigest()}'
            for path, file in self.files.items()
            for inside, mode in file.content()
        ]
        return digest(base, repr(said), *programs, *contents)


def _bytes(file: File, inside: Path) -> bytes:
    return (file.source / inside).read_bytes()


def digest(*parts: str) -> str:
    """The hash that names a layer made from these parts."""
    return hashlib.sha256('\0'.join((str(_FORMAT), *parts)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Table:
    """All recipes.

    Attributes:
        suite: Debian's release, of the base and of all packages.
        base: the packages of the base that the images share.
        recipes: by short reference.
    """

    suite: str
    base: Sequence[str]
    recipes: Mapping[str, Recipe]

    def find(self, reference: str) -> str | None:
        """The reference in the table for one that a charm has, or None.

        With or without Docker Hub's name, and without a tag for ``latest``. A digest says nothing
        here, so ``image@sha256:…`` is the first entry with that image; one with a tag as well is
        the entry with that tag, if there is one.
        """
        wanted = short(reference)
        if wanted in self.recipes:
            return wanted
        name, at, _ = wanted.partition('@')
        if not at:
            return None
        if name in self.recipes:
            return name
        image = _without_tag(name)
        return next((known for known in self.recipes if _without_tag(known) == image), None)

    def programs(self, *, extra: bool = False) -> set[str]:
        """The Go programs that pods and images need, or those that only extra images need."""
        usual = {'hooktool', 'pebble', *self._programs_of(extra=False)}
        return self._programs_of(extra=True) - usual if extra else usual

    def _programs_of(self, *, extra: bool) -> set[str]:
        return {p for r in self.recipes.values() if r.extra == extra for p in r.program}


def short(reference: str) -> str:
    """The reference without the default registry, and with a tag unless it has a digest."""
    found = re.sub(r'^(index\.)?docker\.io/(library/)?', '', reference)
    has_tag = '@' in found or ':' in found.rpartition('/')[2]
    return found if has_tag else f'{found}:latest'


def _without_tag(reference: str) -> str:
    return re.sub(r'(:[^:/]+)?(@.*)?$', '', reference)


def table() -> Table:
    """The recipes of images.toml and of the further table.

    Raises:
        SetupError: if one of them says what no recipe has.
    """
    return _tables(paths.image_tables())


@functools.cache
def _tables(files: tuple[Path, ...]) -> Table:
    recipes: dict[str, Recipe] = {}
    for file in files:
        for reference, recipe in _read(file).items():
            recipes.setdefault(reference, recipe)
    base = _load(files[-1])['base']
    return Table(base['suite'], base['packages'], recipes)


def _read(file: Path) -> dict[str, Recipe]:
    entries = _load(file).get('images', {})
    try:
        return {short(name): _recipe(file.parent / 'files', e) for name, e in entries.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise SetupError(f'cannot read the images of {file}: {error}') from error


def _load(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SetupError(f'cannot read the images of {file}: {error}') from error


def _recipe(folder: Path, entry: dict[str, Any]) -> Recipe:
    if unknown := entry.keys() - {key.name for key in fields(Recipe)}:
        raise ValueError(f'no recipe has {", ".join(sorted(unknown))}')
    for requirement in entry.get('python', ()):
        if not _PINNED.fullmatch(requirement):
            raise ValueError(f'"{requirement}" is not pinned: it must be like name==1.2')
    for name in entry.get('program', ()):
        if name not in goprograms.names():
            raise ValueError(f'there is no Go program {name}')
    placed = {path: _file(folder, value) for path, value in entry.get('files', {}).items()}
    return Recipe(**{**entry, 'files': placed})


def _file(folder: Path, value: str | dict[str, str]) -> File:
    if isinstance(value, str):
        return File(folder / value)
    mode = value.get('mode')
    return File(folder / value['from'], int(mode, 8) if mode else None)
