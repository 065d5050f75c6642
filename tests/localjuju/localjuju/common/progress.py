"""What setup prints while it works, and the locks that keep several setups apart."""

import contextlib
import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from localjuju.common import paths


class SetupError(Exception):
    """Something that the local Juju needs is unavailable. The message reads "cannot …: …"."""


@contextlib.contextmanager
def say(what: str, about: str = '') -> Iterator[None]:
    """Print what is being done and, once done, how long it took.

    Args:
        what: what is being done.
        about: why, and what to expect of it.
    """
    start = time.monotonic()
    print(f'setup: {what}{f": {about}" if about else ""} …', flush=True)
    yield
    print(f'setup: {what}: {time.monotonic() - start:.0f} s', flush=True)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock of the part `name` of the cache.

    Meanwhile any other process that wants it waits, and says so.
    """
    paths.cache_dir().mkdir(parents=True, exist_ok=True)
    with (paths.cache_dir() / f'.{name}.lock').open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f'setup: waiting for another setup of {name}', flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(
    argv: Sequence[str],
    *,
    action: str,
    stdin: str = '',
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """The stdout of a command.

    Raises:
        SetupError: if it fails: "cannot <action>", with the end of the command's output.
    """
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, cwd=cwd, env=env)
    except FileNotFoundError:
        raise SetupError(f'cannot {action}: no program {argv[0]}') from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise SetupError(
            f'cannot {action}: {Path(argv[0]).name} failed:\n' + '\n'.join(lines[-20:])
        )
    return done.stdout


def fail(error: Exception) -> int:
    """Print an error as a program's last line, and return the exit code."""
    print(f'setup: {error}', file=sys.stderr, flush=True)
    return 1
