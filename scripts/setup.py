"""Install and build, once, what `make` needs on this machine: the tools and the local Juju.

    python3 scripts/setup.py [--check] [COMPONENT …]

Without a component, it sets up all of them. The project's own components are here, those of the
local Juju in `localjuju.setup`. Whatever is there already stays as it is.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence

import environments
from localjuju import setup as localjuju_setup
from localjuju.common import components, venvs
from localjuju.common.components import Component, missing_programs, not_installed
from localjuju.pods import goprograms


def lxd() -> bool:
    """Whether charms can be packed in the usual way, by charmcraft's snap in LXD."""
    if not shutil.which('charmcraft') or not shutil.which('lxc'):
        return False
    return subprocess.run(['lxc', 'info'], capture_output=True, timeout=30).returncode == 0


def _tools_packages() -> Iterable[str]:
    return () if environments.tools_ready() else venvs.packages()


def _tools_missing() -> Sequence[str]:
    return [] if environments.tools_ready() else ['uv, tox']


def _pack_packages() -> Iterable[str]:
    found = missing_programs({'git': 'git'})
    if lxd():
        return found
    # charmcraft installs what its uv plugin needs, but several of them at once block each other at
    # apt.
    found += not_installed(('findutils', 'python3-dev', 'python3-venv'))
    if not environments.charmcraft_ready() and not environments.has_apt(venvs.SYSTEM_PYTHON):
        found.append('python3-apt')
    return found


def _pack_missing() -> Sequence[str]:
    return [] if environments.charmcraft_ready() or lxd() else ['charmcraft']


def _load_packages() -> Iterable[str]:
    return missing_programs({'wrk': 'wrk'})


def _load_missing() -> Sequence[str]:
    return goprograms.missing(['vegeta'])


def _load_build() -> None:
    goprograms.build(_load_missing())


TOOLS = Component(
    'tools',
    'uv and tox',
    (),
    _tools_packages,
    _tools_missing,
    environments.install_tools,
    lambda: 10,
)
PACK = Component(
    'pack',
    'charmcraft',
    ('tools',),
    _pack_packages,
    _pack_missing,
    environments.install_charmcraft,
    lambda: 20,
)
OTHER_SIDE = Component(
    'other-side',
    'coordinated-workers, for the unit tests',
    ('tools',),
    components.no_packages,
    lambda: [] if environments.other_side_ready() else ['coordinated-workers'],
    environments.install_other_side,
)
LOAD = Component(
    'load',
    'load generators',
    ('runtime',),
    _load_packages,
    _load_missing,
    _load_build,
    lambda: goprograms.seconds(_load_missing()),
)
COMPONENTS = (TOOLS, PACK, OTHER_SIDE, *localjuju_setup.COMPONENTS, LOAD)


def main(argv: Sequence[str] | None = None) -> int:
    """Set up, or with --check only report; return 1 if something is missing in the end."""
    description = 'Install and build what the targets of the Makefile need.'
    return components.main('setup.py', description, COMPONENTS, argv)


if __name__ == '__main__':
    sys.exit(main())
