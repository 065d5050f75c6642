"""Install and build what the repository's tools need on this machine, once.

    python3 -m localjuju.setup [--check] [COMPONENT …]

Without a component: all. What is there already is left alone, so it may run before everything
else. Debian packages are installed with apt when run as root; otherwise the command to do so is
said. All else goes to the cache (see `paths`).
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from localjuju import debian, environments, goprograms, images, namespaces
from localjuju.progress import SetupError, fail, run, say


@dataclass(frozen=True)
class Component:
    """A part of the setup."""

    name: str
    summary: str
    #: Names of components that this one is built with.
    needs: Sequence[str]
    #: The Debian packages that are missing for it.
    packages: Callable[[], Iterable[str]]
    #: What is missing, in words; nothing when it is ready.
    missing: Callable[[], Sequence[str]]
    #: Bring what is missing.
    install: Callable[[], None]


def _no_packages() -> Iterable[str]:
    return ()


def lxd() -> bool:
    """Whether charms can be packed the usual way, by charmcraft's snap in LXD."""
    if not shutil.which('charmcraft') or not shutil.which('lxc'):
        return False
    return subprocess.run(['lxc', 'info'], capture_output=True, timeout=30).returncode == 0


def _missing(programs: dict[str, str]) -> list[str]:
    """The packages of those programs that this machine lacks."""
    path = namespaces.search_path()
    return [
        package for program, package in programs.items() if not shutil.which(program, path=path)
    ]


def _not_installed(packages: Sequence[str]) -> list[str]:
    """Those of some Debian packages that are not installed."""
    command = ['dpkg-query', '--show', '--showformat=${Package} ${db:Status-Abbrev}\n', *packages]
    try:
        listing = subprocess.run(command, capture_output=True, text=True).stdout
    except FileNotFoundError:
        listing = ''
    return [package for package in packages if f'{package} ii' not in listing]


def _tools_packages() -> Iterable[str]:
    if environments.tools_ready() or environments.has_pip(environments.SYSTEM_PYTHON):
        return ()
    return ['python3-venv']


def _tools_missing() -> Sequence[str]:
    return [] if environments.tools_ready() else ['uv, tox']


def _pack_packages() -> Iterable[str]:
    found = _missing({'git': 'git'})
    if lxd():
        return found
    # charmcraft would install what its uv plugin asks for by itself, but several of them at once
    # get in each other's way at apt.
    found += _not_installed(('findutils', 'python3-dev', 'python3-venv'))
    if not environments.charmcraft_ready() and not environments.has_apt(
        environments.SYSTEM_PYTHON
    ):
        found.append('python3-apt')
    return found


def _pack_missing() -> Sequence[str]:
    return [] if environments.charmcraft_ready() or lxd() else ['charmcraft']


def _pods_packages() -> Iterable[str]:
    return namespaces.missing_programs().values()


def _pods_missing() -> Sequence[str]:
    try:
        namespaces.check()
    except namespaces.PodError as error:
        return [str(error)]
    return []


def _pods_install() -> None:
    namespaces.check()


def _binaries_install() -> None:
    environments.install_go()
    goprograms.build()


def _images_packages() -> Iterable[str]:
    if not images.missing():
        return ()
    programs = {'mmdebstrap': 'mmdebstrap', 'dpkg-deb': 'dpkg', 'apt-get': 'apt'}
    keyring = [] if debian.KEYRING.exists() else ['debian-archive-keyring']
    return [*_missing(programs), *keyring]


def _load_packages() -> Iterable[str]:
    return _missing({'wrk': 'wrk'})


COMPONENTS = (
    Component(
        'tools', 'uv and tox', (), _tools_packages, _tools_missing, environments.install_tools
    ),
    Component(
        'pack',
        'charmcraft',
        ('tools',),
        _pack_packages,
        _pack_missing,
        environments.install_charmcraft,
    ),
    Component('pods', 'namespaces', (), _pods_packages, _pods_missing, _pods_install),
    Component(
        'binaries',
        'Pebble, podinfo, the stores and the hook tools',
        ('tools',),
        _no_packages,
        goprograms.missing,
        _binaries_install,
    ),
    Component(
        'images',
        'root file systems',
        ('binaries',),
        _images_packages,
        images.missing,
        images.build,
    ),
    Component('load', 'a load generator', (), _load_packages, list, lambda: None),
)


def selected(names: Iterable[str]) -> list[Component]:
    """The named components and those that they need, in order; all when none is named."""
    wanted = set(names) or {component.name for component in COMPONENTS}
    for component in reversed(COMPONENTS):
        if component.name in wanted:
            wanted |= set(component.needs)
    return [component for component in COMPONENTS if component.name in wanted]


def check(components: Iterable[Component]) -> list[str]:
    """What is missing, a line each."""
    lines = []
    for component in components:
        lines += [f'{component.name}: package {package}' for package in component.packages()]
        lines += [f'{component.name}: {what}' for what in component.missing()]
    return lines


def ensure(components: Sequence[Component]) -> None:
    """Bring all that is missing.

    Raises:
        SetupError: it cannot be had; the message names the way out where there is one.
        namespaces.PodError: this machine cannot run pods.
    """
    packages = {package for component in components for package in component.packages()}
    if packages:
        _install_packages(sorted(packages))
    for component in components:
        if component.missing():
            component.install()


def _install_packages(packages: Sequence[str]) -> None:
    command = ['apt-get', 'install', '--yes', '--no-install-recommends', *packages]
    if os.geteuid() != 0:
        raise SetupError(f'cannot install packages: not root; run: sudo {" ".join(command)}')
    if not shutil.which('apt-get'):
        raise SetupError(f'cannot install packages: no apt here; wanted: {", ".join(packages)}')
    environment = {**os.environ, 'DEBIAN_FRONTEND': 'noninteractive'}
    with say(f'packages {" ".join(packages)}'):
        run(['apt-get', 'update', '--quiet'], action='read the package lists')
        run(command, env=environment, action='install packages')


def main(argv: Sequence[str] | None = None) -> int:
    """Set up, or with --check only tell; 1 when something is missing and cannot be had."""
    parts = '\n'.join(f'  {component.name:10}{component.summary}' for component in COMPONENTS)
    parser = argparse.ArgumentParser(
        prog='localjuju.setup',
        description='Install and build what the local Juju and the packing need.',
        epilog=f'components:\n{parts}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('component', nargs='*', help='all by default')
    parser.add_argument('--check', action='store_true', help='only print what is missing')
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.component) - {component.name for component in COMPONENTS}:
        parser.error(f'no component {", ".join(sorted(unknown))}')
    components = selected(arguments.component)
    try:
        if not arguments.check:
            ensure(components)
            return 0
        lines = check(components)
    except (SetupError, namespaces.PodError) as error:
        return fail(error)
    for line in lines:
        print(line)
    return 1 if lines else 0


if __name__ == '__main__':
    sys.exit(main())
