"""Pack charms into build/.

    python scripts/pack.py [--force] FOLDER …

A folder in `tests/stores` gives build/stores/NAME.charm, one in `tests/localjuju/examples` gives
build/examples/NAME.charm, any other folder build/NAME.charm, where NAME is the charm's name. A
charm that was packed from the same files with the same tools is up to date.

With charmcraft's snap and LXD, this runs `charmcraft pack`. Elsewhere charmcraft packs directly on
this machine (--destructive-mode), and is made to believe two things: that the machine is the
Ubuntu that the charm is for, and that no snaps need installing. Either way it works on a copy of
the charm's own files, with the history that git tells of them, so it leaves nothing behind and
packs nothing else. A symbolic link becomes the file that it leads to.
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

import charmsource
import environments
import setup
from charmsource import Source
from localjuju.common import components, pythons
from localjuju.common.progress import SetupError

CHECKOUT = Path(__file__).resolve().parent.parent
BUILD = CHECKOUT / 'build'
_OS_RELEASE = """\
NAME="Ubuntu"
ID=ubuntu
VERSION_ID="{release}"
VERSION_CODENAME={codename}
PRETTY_NAME="Ubuntu {release}"
"""
#: What asks git for a version, in the files that say how a charm is built.
_ASKS_GIT = re.compile(r'\bgit\b|setuptools.scm|hatch.vcs|versioningit|dunamai|dynamic.versioning')
_BUILD_FILES = ('charmcraft.yaml', 'pyproject.toml', 'setup.py', 'setup.cfg')


class PackError(Exception):
    """A charm cannot be packed. The message reads "cannot …: …"."""


@dataclass(frozen=True)
class Packer:
    """How charms are packed here: the command, its environment, and a description in words."""

    command: Sequence[str]
    environment: dict[str, str]
    words: str
    destructive: bool


def find_packer(scratch: Path, release: str = '24.04') -> Packer:
    """Find the way to pack on this machine. Installs charmcraft unless its snap is there.

    Args:
        scratch: an empty folder that lasts as long as the packing.
        release: the Ubuntu that the charms are for.

    Raises:
        PackError: if there is none.
    """
    if setup.lxd():
        return Packer(('charmcraft', 'pack'), dict(os.environ), 'by charmcraft in LXD', False)
    try:
        components.ensure((setup.TOOLS, setup.PACK))
        python = pythons.for_release(release)
    except (SetupError, pythons.PythonError) as error:
        raise PackError(str(error)) from error
    codename = pythons.RELEASES[release][0]
    text = _OS_RELEASE.format(release=release, codename=codename)
    (scratch / 'os-release').write_text(text)
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
    words = (
        f'for Ubuntu {release} and Python {python.version} by charmcraft {version} on this machine'
        ' itself'
    )
    return Packer(
        (str(programs / 'charmcraft'), 'pack', '--destructive-mode'), environment, words, True
    )


def release(folder: Path) -> str:
    """The Ubuntu that a charm is packed for, as its charmcraft.yaml says.

    If it names several, that is the newest one whose own Python this machine has, or the newest.

    Raises:
        PackError: if it names none that is known here.
    """
    charm_name(folder)
    text = re.sub(r'(^|\s)#.*', '', (folder / 'charmcraft.yaml').read_text())
    for pattern in (
        r'^build-base:\s*["\']?ubuntu@([\d.]+)',
        r'^base:\s*["\']?ubuntu@([\d.]+)',
        r'\bubuntu@([\d.]+)',  # in the names of platforms, or in what they build on
        r'\bchannel:\s*["\']?([\d.]+)',  # of `bases`, as it was before 24.04
    ):
        if named := set(re.findall(pattern, text, re.MULTILINE)):
            break
    known = sorted(named & pythons.RELEASES.keys(), reverse=True)
    if not known:
        said = ', '.join(sorted(named)) or 'none'
        raise PackError(
            f'cannot pack {folder}: its base must be an Ubuntu {", ".join(pythons.RELEASES)}:'
            f' found {said}'
        )
    at_home = [one for one in known if pythons.find(pythons.RELEASES[one][1])]
    return [*at_home, *known][0]


def content_hash(source: Source, files: Sequence[Path], packer: Packer) -> str:
    """The hash of everything from which a packed charm is made."""
    scripts = [Path(__file__).read_bytes(), Path(charmsource.__file__).read_bytes()]
    digest = hashlib.sha256(f'{packer.words}\0'.encode() + b''.join(scripts))
    for file in files:
        mode = (source.folder / file).stat().st_mode & 0o111
        content = hashlib.sha256((source.folder / file).read_bytes()).hexdigest()
        digest.update(f'{file}\0{mode}\0{content}\0'.encode())
    build = [source.folder / name for name in _BUILD_FILES]
    if any(file.exists() and _ASKS_GIT.search(file.read_text()) for file in build):
        digest.update(source.version().encode())
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
    source = charmsource.find(folder)
    files = source.files()
    wanted = content_hash(source, files, packer)
    if not force and target.exists() and stamp.exists() and stamp.read_text() == wanted:
        return 'up to date'
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='pack-') as scratch:
        copy = source.copy(files, Path(scratch))
        if packer.destructive:
            _drop_build_snaps(copy / 'charmcraft.yaml')
        for former in copy.glob('*.charm'):  # if git knows it
            former.unlink()
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
    snaps = r'^ *build-snaps:(?: *\[[^\]]*\] *\n|.*\n(?: *- .*\n)+)'
    file.write_text(re.sub(snaps, '', text, flags=re.MULTILINE))


def main(argv: Sequence[str] | None = None) -> int:
    """Pack the charms in the given folders; return 1 if any cannot be packed."""
    parser = argparse.ArgumentParser(description='Pack charms into build/.')
    parser.add_argument('folder', nargs='+', type=Path)
    parser.add_argument('--force', action='store_true', help='pack even what is up to date')
    arguments = parser.parse_args(argv)
    failed = False
    with tempfile.TemporaryDirectory(prefix='packer-') as scratch:
        packers: dict[str, Packer] = {}
        try:
            # In LXD, charmcraft itself finds the Ubuntu for each charm.
            usual = '24.04' if setup.lxd() else ''
            releases = {folder: usual or release(folder) for folder in arguments.folder}
            for name in sorted(set(releases.values())):
                Path(scratch, name).mkdir(mode=0o700)  # its runtime folder, too
                packers[name] = find_packer(Path(scratch, name), name)
        except PackError as error:
            print(f'pack: {error}', file=sys.stderr)
            return 1
        for words in dict.fromkeys(packer.words for packer in packers.values()):
            print(f'pack: {words}', flush=True)
        # Directly on this machine, charmcraft keeps one processor busy most of the time.
        destructive = any(packer.destructive for packer in packers.values())
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() if destructive else 1) as pool:
            jobs = {
                pool.submit(pack, folder, packers[releases[folder]], force=arguments.force): folder
                for folder in arguments.folder
            }
            for job in concurrent.futures.as_completed(jobs):
                try:
                    print(f'pack: {jobs[job]}: {job.result()}', flush=True)
                except (PackError, charmsource.SourceError) as error:
                    print(f'pack: {error}', file=sys.stderr, flush=True)
                    failed = True
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
