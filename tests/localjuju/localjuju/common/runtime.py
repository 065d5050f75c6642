"""The local Juju's own virtual environment, whose Python runs its controllers.

It holds the `dependencies` of pyproject.toml, in the versions pinned there.
"""

import tempfile
import tomllib
from pathlib import Path
from typing import Any

from localjuju.common import paths, venvs
from localjuju.common.progress import locked, say


def folder() -> Path:
    """The environment; bin/juju knows this place too."""
    return venvs.folder('localjuju', _file().read_bytes())


def _file() -> Path:
    return paths.LOCALJUJU_DIR / 'pyproject.toml'


def _project() -> dict[str, Any]:
    return tomllib.loads(_file().read_text())


def requirements() -> list[str]:
    """The dependencies listed in pyproject.toml."""
    return _project()['project']['dependencies']


def _pins() -> list[str]:
    return _project()['tool']['uv']['constraint-dependencies']


def is_ready() -> bool:
    """Whether `install` has nothing to do."""
    return venvs.is_ready(folder())


def install() -> None:
    """Make the environment. Raises SetupError if that fails."""
    with locked('localjuju'):
        if is_ready():
            return
        with say('environment of the local Juju'), tempfile.TemporaryDirectory() as scratch:
            pins = Path(scratch, 'pins.txt')
            pins.write_text('\n'.join(_pins()))
            venvs.make(folder(), venvs.python_with_pip())
            arguments = ['--constraint', str(pins), *requirements()]
            venvs.pip_install(folder(), *arguments, action='install what the local Juju needs')
            venvs.finish(folder())
