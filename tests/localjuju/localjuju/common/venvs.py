"""Virtual environments that setup makes in the cache, each named after its requirements' hash."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from localjuju.common import cache, paths
from localjuju.common.progress import SetupError, locked, run

SYSTEM_PYTHON = Path('/usr/bin/python3')
#: The file in an environment that says it is complete.
_STAMP = '.complete'


def folder(name: str, requirements: bytes) -> Path:
    """Where the environment for these requirements is, whether it exists yet or not.

    The Makefile and bin/juju know: the hash is the start of what sha256sum says of the file.
    """
    return paths.cache_dir() / f'{name}-{hashlib.sha256(requirements).hexdigest()[:16]}'


def is_ready(environment: Path) -> bool:
    """Whether an environment is complete; if so, it is dated as used."""
    ready = (environment / _STAMP).exists() and (environment / 'bin/python').exists()
    if ready:
        cache.touch(environment)
    return ready


def finish(environment: Path) -> None:
    """Mark an environment as complete, and remove those that no checkout has used for long."""
    (environment / _STAMP).touch()
    cache.touch(environment)
    with locked('environments'):
        cache.clean(paths.cache_dir(), {environment})


def make(environment: Path, python: Path, *options: str) -> None:
    """Make an empty environment, replacing whatever is there.

    Raises:
        SetupError: if the interpreter cannot.
    """
    shutil.rmtree(environment, ignore_errors=True)
    run([str(python), '-m', 'venv', *options, str(environment)], action=f'make {environment}')


def pip_install(environment: Path, *arguments: str, action: str) -> None:
    """Run `pip install` in an environment. Raises SetupError if it fails."""
    command = [str(environment / 'bin/python'), '-m', 'pip', '--disable-pip-version-check']
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
