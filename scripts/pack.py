"""Pack charms into build/.

    python scripts/pack.py [--force] FOLDER …

A folder in `tests/stores` gives build/stores/NAME.charm, one in `tests/localjuju/examples` gives
build/examples/NAME.charm, any other folder build/NAME.charm, where NAME is the charm's name. A
charm that was packed from the same files with the same tools is up to date.

With charmcraft's snap and LXD, this runs `charmcraft pack`. Elsewhere charmcraft packs directly on
this machine (--destructive-mode), and is made to believe two things: that the machine is the
Ubuntu that the charm is for, and that no snaps need installing. Either way it works on a copy of
the files that git knows or would add, so it leaves nothing behind and packs nothing else. A
symbolic link becomes the file that it leads to.
"""

import argparse
import concurrent.futures
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import environments
import setup
from localjuju.common import components, pythons
from localjuju.common.progress import SetupError

CHECKOUT = Path(__file__).resolve().parent.parent
BUILD = CHECKOUT / 'build'
_OS_RELEASE = """\
NAME="Ubuntu"
ID=ubuntu
VERSION_ID="24.04"
VERSION_CODENAME=noble
PRETTY_NAME="Ubuntu 24.04"
"""


class PackError(Exception):
    """A charm cannot be packed. The message reads "cannot …: …"."""


@dataclass(frozen=True)
class Packer:
    """How charms are packed here: the command, its environment, and a description in words."""

    command: Sequence[str]
    environment: dict[str, str]
    words: str
    destructive: bool


def find_packer(scratch: Path) -> Packer:
    """Find the way to pack on this machine. Installs charmcraft unless its snap is there.

    Raises:
        PackError: if there is none.
    """
    if setup.lxd():
        return Packer(('charmcraft', 'pack'), dict(os.environ), 'by charmcraft in LXD', False)
    try:
        components.ensure((setup.TOOLS, setup.PACK))
        python = pythons.for_charms()
    except (SetupError, pythons.PythonError) as error:
        raise PackError(str(error)) from error
    (scratch / 'os-release').write_text(_OS_RELEASE)
    # charmcraft uses the `python3` on PATH for the charm.
    (scratch / 'bin').mkdir()
    for name in 'python3', f'python{python.version}':
        (scratch / 'bin' / name).symlink_to(python.executable)
    programs = environments.charmcraft_dir() / 'bin'
    path = [scratch / 'bin', programs, environments.tools_dir() / 'bin', os.environ['PATH']]
    environment = {
        **os.environ,
        'PATH': ':'.join(map(str, path)),
        'UNIXCONFDIR': str(scratch),
        'UV_PYTHON_DOWNLOADS': 'never',
        'XDG_STATE_HOME': str(scratch / 'state'),
        'XDG_RUNTIME_DIR': str(scratch),
    }
    # It is for this script's imports only; charmcraft must not see it.
    environment.pop('PYTHONPATH', None)
    version = environments.version('charmcraft')
    words = f'for Python {python.version} by charmcraft {version} on this machine itself'
    return Packer(
        (str(programs / 'charmcraft'), 'pack', '--destructive-mode'), environment, words, True
    )


def source_files(folder: Path) -> list[Path]:
    """The charm's files that git knows or would add, relative to its folder, sorted."""
    command = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise PackError(f'cannot list the files of {folder}: {done.stderr.strip()}')
    found = {Path(name) for name in done.stdout.split('\0') if name}
    return sorted(file for file in found if (folder / file).is_file())


def content_hash(folder: Path, files: Sequence[Path], packer: Packer) -> str:
    """The hash of everything from which a packed charm is made."""
    digest = hashlib.sha256(f'{packer.words}\0'.encode() + Path(__file__).read_bytes())
    for file in files:
        mode = (folder / file).stat().st_mode & 0o111
        content = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        digest.update(f'{file}\0{mode}\0{content}\0'.encode())
    return digest.hexdigest()


def charm_name(folder: Path) -> str:
    """The name in a folder's charmcraft.yaml."""
    file = folder / 'charmcraft.yaml'
    match = file.exists() and re.search(r'^name:\s*([\w-]+)', file.read_text(), re.MULTILINE)
    if not match:
        raise PackError(f'cannot pack {folder}: no charmcraft.yaml with a name')
    return match[1]


def target_file(folder: Path) -> Path:
    """The path of a folder's packed charm."""
    parents = '/'.join(folder.resolve().parent.parts)
    group = 'stores' if parents.endswith('/tests/stores') else ''
    if '/tests/localjuju/examples' in parents:
        group = 'examples'
    return BUILD / group / f'{charm_name(folder)}.charm'


def pack(folder: Path, packer: Packer, *, force: bool = False) -> str:
    """Pack one charm unless it is up to date; say in words what was done."""
    target = target_file(folder)
    stamp = target.with_name(f'.{target.name}.hash')
    files = source_files(folder)
    wanted = content_hash(folder, files, packer)
    if not force and target.exists() and stamp.exists() and stamp.read_text() == wanted:
        return 'up to date'
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='pack-') as scratch:
        copy = Path(scratch, target.stem)
        for file in files:
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / file, copy / file)
        if packer.destructive:
            _drop_build_snaps(copy / 'charmcraft.yaml')
        done = subprocess.run(
            packer.command,
            cwd=copy,
            env=packer.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        packed = list(copy.glob('*.charm'))
        if done.returncode or len(packed) != 1:
            last = '\n'.join(done.stdout.splitlines()[-40:])
            raise PackError(f'cannot pack {folder}: charmcraft failed:\n{last}')
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f'.{target.name}')
        shutil.copyfile(packed[0], draft)
        draft.replace(target)
    stamp.write_text(wanted)
    return f'{time.monotonic() - start:.0f} s, {target.stat().st_size / 1e6:.1f} MB'


def _drop_build_snaps(file: Path) -> None:
    """Keep charmcraft from installing uv's snap: here uv comes from the setup's tools."""
    text = file.read_text()
    file.write_text(re.sub(r'^\s*build-snaps:\s*\[[^\]\n]*\]\n', '', text, flags=re.MULTILINE))


def main(argv: Sequence[str] | None = None) -> int:
    """Pack the charms in the given folders; return 1 if any cannot be packed."""
    parser = argparse.ArgumentParser(description='Pack charms into build/.')
    parser.add_argument('folder', nargs='+', type=Path)
    parser.add_argument('--force', action='store_true', help='pack even what is up to date')
    arguments = parser.parse_args(argv)
    failed = False
    with tempfile.TemporaryDirectory(prefix='packer-') as scratch:
        try:
            packer = find_packer(Path(scratch))
        except PackError as error:
            print(f'pack: {error}', file=sys.stderr)
            return 1
        print(f'pack: {packer.words}', flush=True)
        # Directly on this machine, charmcraft keeps one processor busy most of the time.
        workers = os.cpu_count() if packer.destructive else 1
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            jobs = {
                pool.submit(pack, folder, packer, force=arguments.force): folder
                for folder in arguments.folder
            }
            for job in concurrent.futures.as_completed(jobs):
                try:
                    print(f'pack: {jobs[job]}: {job.result()}', flush=True)
                except PackError as error:
                    print(f'pack: {error}', file=sys.stderr, flush=True)
                    failed = True
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
