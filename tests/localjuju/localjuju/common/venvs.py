"""Virtual environments that setup makes in the cache, each with a stamp of its requirements."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from localjuju.common.progress import SetupError, run

SYSTEM_PYTHON = Path('/usr/bin/python3')
#: The file in an environment with the hash of the requirements for which it was made.
_STAMP = '.requirements'


def is_ready(folder: Path, requirements: str) -> bool:
    """Whether an environment exists and was made for these requirements."""
    stamp = folder / _STAMP
    made_for = stamp.read_text() if stamp.exists() else ''
    return made_for == _hash(requirements) and (folder / 'bin/python').exists()


def finish(folder: Path, requirements: str) -> None:
    """Stamp an environment that is complete."""
    (folder / _STAMP).write_text(_hash(requirements))


def _hash(requirements: str) -> str:
    return hashlib.sha256(requirements.encode()).hexdigest()


def make(folder: Path, python: Path, *options: str) -> None:
    """Make an empty environment, replacing whatever is there.

    Raises:
        SetupError: if the interpreter cannot.
    """
    shutil.rmtree(folder, ignore_errors=True)
    run([str(python), '-m', 'venv', *options, str(folder)], action=f'make {folder}')


def pip_install(folder: Path, *arguments: str, action: str) -> None:
    """Run `pip install` in an environment. Raises SetupError if it fails."""
    command = [str(folder / 'bin/python'), '-m', 'pip', '--disable-pip-version-check']
    run([*command, 'install', '--quiet', *arguments], action=action)


def has_pip(python: Path) -> bool:
    """Whether an interpreter can make an environment with pip; Debian packages that separately."""
    return succeeds(python, 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))')


def succeeds(python: Path, script: str) -> bool:
    """Whether an interpreter exists and runs a script without an error."""
    command: Sequence[str | Path] = [python, '-c', script]
    return python.exists() and not subprocess.run(command, capture_output=True).returncode


def python_with_pip() -> Path:
    """An interpreter that can make environments. Raises SetupError if there is none."""
    running = Path(sys.base_prefix, 'bin', 'python3')
    for python in SYSTEM_PYTHON, running:
        if has_pip(python):
            return python
    raise SetupError('cannot make a virtual environment: no Python 3.11 or newer with ensurepip')


def packages() -> Iterable[str]:
    """The missing Debian packages that making environments needs."""
    return () if has_pip(SYSTEM_PYTHON) else ('python3-venv',)
