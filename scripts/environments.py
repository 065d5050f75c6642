"""The virtual environments beside those of tox.

One has uv and tox, one charmcraft, and one the other side of `cluster`, which the unit tests use.
"""

import re
import sys
from pathlib import Path

from localjuju.common import venvs
from localjuju.common.progress import locked, run, say

_REQUIREMENTS = Path(__file__).resolve().parent / 'requirements'


def tools_dir() -> Path:
    """The virtual environment with uv and tox; the Makefile knows this place too."""
    return venvs.folder('tools', _requirements('tools').read_bytes())


def charmcraft_dir() -> Path:
    """The virtual environment with charmcraft, for packing directly on this machine."""
    return venvs.folder('charmcraft', _requirements('charmcraft').read_bytes())


def other_side_dir() -> Path:
    """The virtual environment with coordinated-workers, whose dependencies are not ours."""
    return venvs.folder('other-side', _requirements('other-side').read_bytes())


def _requirements(name: str) -> Path:
    return _REQUIREMENTS / f'{name}.txt'


def tools_ready() -> bool:
    """Whether `install_tools` has nothing to do."""
    return venvs.is_ready(tools_dir())


def charmcraft_ready() -> bool:
    """Whether `install_charmcraft` has nothing to do."""
    return venvs.is_ready(charmcraft_dir())


def other_side_ready() -> bool:
    """Whether `install_other_side` has nothing to do."""
    return venvs.is_ready(other_side_dir())


def install_tools() -> None:
    """Make the environment with uv, tox and tox-uv. The Python that it uses must have pip."""
    folder, wanted = tools_dir(), _requirements('tools')
    with locked('tools'):
        if tools_ready():
            return
        with say('development tools (uv, tox)'):
            venvs.make(folder, venvs.python_with_pip())
            venvs.pip_install(folder, '-r', str(wanted), action='install the tools')
            venvs.finish(folder)


def has_apt(python: Path) -> bool:
    """Whether an interpreter has the bindings for apt."""
    return venvs.succeeds(python, 'import apt, apt_pkg, apt_inst')


def install_charmcraft() -> None:
    """Make the environment with charmcraft. Needs the tools, and Debian's bindings for apt."""
    folder = charmcraft_dir()
    with locked('charmcraft'):
        if charmcraft_ready():
            return
        with say('charmcraft'):
            venvs.make(folder, venvs.SYSTEM_PYTHON, '--without-pip')
            _uv_install(folder, 'charmcraft', action='install charmcraft')
            _link_apt(folder)
            venvs.finish(folder)


def install_other_side() -> None:
    """Make the environment with coordinated-workers. Needs the tools."""
    folder = other_side_dir()
    with locked('other-side'):
        if other_side_ready():
            return
        with say('coordinated-workers'):
            venvs.make(folder, Path(sys.executable), '--without-pip')
            _uv_install(folder, 'other-side', action='install coordinated-workers')
            venvs.finish(folder)


def _uv_install(folder: Path, requirements: str, *, action: str) -> None:
    uv = [str(tools_dir() / 'bin/uv'), 'pip', 'install', '--quiet']
    arguments = ['--python', str(folder / 'bin/python'), '-r', str(_requirements(requirements))]
    # Elsewhere than in the repository, whose pins are for what is ours.
    run([*uv, *arguments], action=action, cwd=folder)


def _link_apt(folder: Path) -> None:
    """Link Debian's bindings for apt into the environment; PyPI does not have them."""
    script = (
        'import apt, apt_pkg, apt_inst as i; print(apt.__path__[0], apt_pkg.__file__, i.__file__)'
    )
    command = [str(venvs.SYSTEM_PYTHON), '-c', script]
    files = run(command, action='find the bindings of apt').split()
    site_packages = next(folder.glob('lib/python3.*/site-packages'))
    for file in files:
        (site_packages / Path(file).name).symlink_to(file)


def version(name: str) -> str:
    """The pinned version of a package in these environments, or '' if it is not pinned."""
    text = ''.join(file.read_text() for file in sorted(_REQUIREMENTS.glob('*.txt')))
    match = re.search(rf'^{re.escape(name)}==(\S+)', text, re.MULTILINE)
    return match[1] if match else ''
