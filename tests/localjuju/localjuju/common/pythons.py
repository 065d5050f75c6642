"""Find a real CPython on this machine.

    python3 -m localjuju.common.pythons [--quiet] [VERSION …]

Prints the program of the first of these versions that is here, by default the versions with which
charms run. If there is none, it says what it looked for and exits with 1. Everything that needs an
interpreter asks this module: the Makefile (and through it tox), packing, the local Juju. Standard
library only.
"""

import argparse
import contextlib
import functools
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: That of Ubuntu 24.04, the charms' base, then others with which a charm runs just as well.
VERSIONS = ('3.12', '3.13', '3.11', '3.14')
#: Ubuntu's releases that charms are packed for: each one's codename and own Python.
RELEASES = {
    '22.04': ('jammy', '3.10'),
    '24.04': ('noble', '3.12'),
    '25.10': ('questing', '3.13'),
    '26.04': ('resolute', '3.14'),
}
#: The folders of the system's own.
SYSTEM = (Path('/usr/bin'), Path('/usr/local/bin'))
#: The variable that names a program to prefer over all others.
CHOSEN = 'CHARM_PYTHON'
#: All variables that lead to interpreters; tox.ini passes them on.
VARIABLES = (CHOSEN, 'HOME', 'PATH', 'PYENV_ROOT', 'UV_PYTHON_INSTALL_DIR', 'XDG_DATA_HOME')


class PythonError(Exception):
    """There is no such interpreter. The message reads "cannot …: …"."""


@dataclass(frozen=True)
class Python:
    """An interpreter: its program, never a shim or a virtual environment's, and its prefix."""

    version: str
    executable: Path
    prefix: Path


def for_charms() -> Python:
    """The interpreter to pack charms for: ``$CHARM_PYTHON``, or the first of `VERSIONS` here.

    Raises:
        PythonError: if there is none, or ``$CHARM_PYTHON`` is not one.
    """
    if chosen := os.environ.get(CHOSEN):
        python = _ask(Path(chosen).resolve())
        if python is None:
            raise PythonError(f'cannot use {CHOSEN}={chosen}: it is no program of a CPython')
        return python
    return first(VERSIONS)


def for_release(release: str) -> Python:
    """The interpreter to pack a charm for an Ubuntu with, preferably that Ubuntu's own version.

    Args:
        release: one of `RELEASES`.

    Raises:
        PythonError: if there is none, as `for_charms`, which decides for 24.04.
    """
    own = RELEASES[release][1]
    if own == VERSIONS[0]:
        return for_charms()
    return find(own) or for_charms()


def first(versions: Sequence[str]) -> Python:
    """The interpreter of the first of these versions that is here; PythonError if none is."""
    for version in versions:
        if python := find(version):
            return python
    raise PythonError(
        f'cannot find a Python {" or ".join(versions)}: looked on PATH, in /usr/bin and'
        ' /usr/local/bin, and among the Pythons of pyenv ($PYENV_ROOT, ~/.pyenv) and uv'
    )


def find(version: str) -> Python | None:
    """The interpreter for ``'3.12'`` or the like, or None.

    Looks at ``$CHARM_PYTHON``, and in PATH, the system's folders and those of pyenv and uv.
    """
    return _find(version, tuple(os.environ.get(name, '') for name in VARIABLES))


@functools.cache
def _find(version: str, values: tuple[str, ...]) -> Python | None:
    # Unset variables are omitted, so that their defaults apply.
    environment = {k: v for k, v in zip(VARIABLES, values, strict=True) if v}
    seen: set[Path] = set()
    for candidate in _candidates(version, environment):
        real = candidate.resolve()
        if real in seen:
            continue
        seen.add(real)
        python = _ask(real)
        if python and python.version == version:
            return python
    return None


def _candidates(version: str, environment: Mapping[str, str]) -> Iterator[Path]:
    name = f'python{version}'
    if chosen := environment.get(CHOSEN):
        yield Path(chosen)
    for folder in environment.get('PATH', os.defpath).split(':'):
        yield Path(folder, name)
    for folder in SYSTEM:
        yield folder / name
    yield Path(sys.base_prefix, 'bin', name)
    home = Path(environment.get('HOME') or Path.home())
    data = Path(environment.get('XDG_DATA_HOME') or home / '.local/share')
    pyenvs = [environment.get('PYENV_ROOT'), home / '.pyenv']
    for pyenv in filter(None, pyenvs):
        yield from _newest_first(Path(pyenv, 'versions'), f'{version}.*', name)
    uvs = [environment.get('UV_PYTHON_INSTALL_DIR'), data / 'uv/python']
    for uv in filter(None, uvs):
        yield from _newest_first(Path(uv), f'cpython-{version}.*', name)


def _newest_first(folder: Path, pattern: str, name: str) -> list[Path]:
    found: list[Path] = []
    # The folder may belong to another user.
    with contextlib.suppress(PermissionError):
        found = list(folder.glob(f'{pattern}/bin/{name}'))

    def release(program: Path) -> list[int]:
        return [int(number) for number in re.findall(r'\d+', program.parent.parent.name)]

    return sorted(found, key=release, reverse=True)


def _is_program(file: Path) -> bool:
    """Whether it is an executable ELF file; a pyenv shim is a script."""
    try:
        with file.open('rb') as stream:
            return stream.read(4) == b'\x7fELF' and os.access(file, os.X_OK)
    except OSError:
        return False


def _ask(executable: Path) -> Python | None:
    """What an interpreter says about itself, or None if it is not one."""
    if not _is_program(executable):
        return None
    script = (
        'import sys; assert sys.implementation.name == "cpython";'
        'print("%d.%d" % sys.version_info[:2], sys.base_prefix, sep="\\n")'
    )
    done = subprocess.run([executable, '-I', '-c', script], capture_output=True, text=True)
    version, _, prefix = done.stdout.strip().partition('\n')
    if done.returncode or not prefix:
        return None
    return Python(version, executable, Path(prefix))


def main(argv: Sequence[str] | None = None) -> int:
    """Print the program of an interpreter; return 1 if there is none."""
    parser = argparse.ArgumentParser(description='Find a real CPython on this machine.')
    parser.add_argument('version', nargs='*', help='like 3.12; the first one found counts')
    parser.add_argument('--quiet', action='store_true', help='do not say what was looked for')
    arguments = parser.parse_args(argv)
    try:
        python = first(arguments.version) if arguments.version else for_charms()
    except PythonError as error:
        if not arguments.quiet:
            print(error, file=sys.stderr)
        return 1
    print(python.executable)
    return 0


if __name__ == '__main__':
    sys.exit(main())
