"""Find a real CPython of a given version on this machine."""

import contextlib
import functools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Python:
    """An interpreter: its program, never a shim or a virtual environment's, and its prefix."""

    version: str
    executable: Path
    prefix: Path


@functools.cache
def find(version: str) -> Python | None:
    """The interpreter for ``'3.12'`` or the like, or None.

    Looked for in PATH, the system's folders and where pyenv and uv keep theirs.
    """
    seen: set[Path] = set()
    for candidate in _candidates(version):
        real = candidate.resolve()
        if real in seen or not _is_program(real):
            continue
        seen.add(real)
        if python := _ask(real, version):
            return python
    return None


def _candidates(version: str) -> Iterator[Path]:
    name = f'python{version}'
    for folder in os.environ.get('PATH', os.defpath).split(':'):
        yield Path(folder, name)
    yield Path('/usr/bin', name)
    yield Path('/usr/local/bin', name)
    data = Path(os.environ.get('XDG_DATA_HOME') or Path.home() / '.local/share')
    pyenv = Path(os.environ.get('PYENV_ROOT') or Path.home() / '.pyenv')
    yield from _newest_first(pyenv, f'versions/{version}.*/bin/{name}')
    yield from _newest_first(data, f'uv/python/cpython-{version}.*/bin/{name}')


def _newest_first(folder: Path, pattern: str) -> list[Path]:
    # $PYENV_ROOT may be another user's.
    with contextlib.suppress(PermissionError):
        return sorted(folder.glob(pattern), reverse=True)
    return []


def _is_program(file: Path) -> bool:
    """Whether it is an ELF file that may be run; a pyenv shim is a script."""
    try:
        with file.open('rb') as stream:
            return stream.read(4) == b'\x7fELF' and os.access(file, os.X_OK)
    except OSError:
        return False


def _ask(executable: Path, version: str) -> Python | None:
    script = 'import sys; print("%d.%d" % sys.version_info[:2], sys.base_prefix, sep="\\n")'
    done = subprocess.run([executable, '-I', '-c', script], capture_output=True, text=True)
    found, _, prefix = done.stdout.strip().partition('\n')
    if done.returncode or found != version:
        return None
    return Python(version, executable, Path(prefix))
