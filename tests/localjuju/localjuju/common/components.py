"""Components of a setup: what each needs, whether it is there, and how to install it."""

import argparse
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from localjuju.common import paths
from localjuju.common.progress import SetupError, fail, locked, run, say

#: Seconds for which apt waits for another program that installs packages.
_APT_SECONDS = 600


@dataclass(frozen=True)
class Component:
    """A component of the setup."""

    name: str
    summary: str
    #: Names of the components that build this one.
    needs: Sequence[str]
    #: The missing Debian packages that it needs.
    packages: Callable[[], Iterable[str]]
    #: What is missing, in words; empty if it is ready.
    missing: Callable[[], Sequence[str]]
    #: Install what is missing.
    install: Callable[[], None]
    #: About how many seconds that takes on two processors; not worth saying if 0.
    seconds: Callable[[], float] = lambda: 0


def no_packages() -> Iterable[str]:
    """For a component that needs no Debian package."""
    return ()


def missing_programs(programs: dict[str, str]) -> list[str]:
    """The packages of the programs that this machine lacks, from program → package."""
    path = paths.search_path()
    return [
        package for program, package in programs.items() if not shutil.which(program, path=path)
    ]


def not_installed(packages: Sequence[str]) -> list[str]:
    """The Debian packages among these that are not installed."""
    command = ['dpkg-query', '--show', '--showformat=${Package} ${db:Status-Abbrev}\n', *packages]
    try:
        listing = subprocess.run(command, capture_output=True, text=True).stdout
    except FileNotFoundError:
        listing = ''
    return [package for package in packages if f'{package} ii' not in listing]


def selected(components: Sequence[Component], names: Iterable[str]) -> list[Component]:
    """The named components and those that they need, in order; all if none is named."""
    wanted = set(names) or {component.name for component in components}
    for component in reversed(components):
        if component.name in wanted:
            wanted |= set(component.needs)
    return [component for component in components if component.name in wanted]


def check(components: Iterable[Component]) -> list[str]:
    """What is missing, one line each."""
    lines = []
    for component in components:
        lines += [f'{component.name}: package {package}' for package in component.packages()]
        lines += [f'{component.name}: {what}' for what in component.missing()]
    return lines


def ensure(components: Sequence[Component]) -> None:
    """Install everything that is missing.

    Raises:
        SetupError: if that fails; the message names the remedy, if there is one.
    """
    announce(components)
    packages = {package for component in components for package in component.packages()}
    if packages:
        _install_packages(sorted(packages))
    for component in components:
        if component.missing():
            component.install()


def announce(components: Iterable[Component]) -> None:
    """Print what is missing, how long that takes, and where it goes; nothing if nothing is."""
    lacking = [
        component for component in components if component.seconds() and component.missing()
    ]
    if lacking:
        seconds = sum(component.seconds() for component in lacking)
        names = ', '.join(component.summary for component in lacking)
        print(
            f'setup: once, for about {seconds / 60:.1f} min on two processors: {names};'
            f' kept in {paths.cache_dir()}',
            flush=True,
        )


def _install_packages(packages: Sequence[str]) -> None:
    command = ['apt-get', 'install', '--yes', '--no-install-recommends', *packages]
    patient = [command[0], '-o', f'DPkg::Lock::Timeout={_APT_SECONDS}', *command[1:]]
    if os.geteuid() != 0:
        raise SetupError(f'cannot install packages: not root; run: sudo {" ".join(command)}')
    if not shutil.which('apt-get'):
        raise SetupError(f'cannot install packages: no apt here; wanted: {", ".join(packages)}')
    environment = {**os.environ, 'DEBIAN_FRONTEND': 'noninteractive'}
    # apt does not wait for another one that reads the lists.
    with locked('packages'), say(f'packages {" ".join(packages)}'):
        run(['apt-get', 'update', '--quiet'], action='read the package lists')
        run(patient, env=environment, action='install packages')


def main(
    prog: str,
    description: str,
    components: Sequence[Component],
    argv: Sequence[str] | None = None,
) -> int:
    """Set up, or with --check only report; return 1 if something is missing in the end."""
    parts = '\n'.join(f'  {component.name:10}{component.summary}' for component in components)
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=f'components:\n{parts}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('component', nargs='*', help='all by default')
    parser.add_argument('--check', action='store_true', help='only print what is missing')
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.component) - {component.name for component in components}:
        parser.error(f'no component {", ".join(sorted(unknown))}')
    chosen = selected(components, arguments.component)
    try:
        if not arguments.check:
            ensure(chosen)
            return 0
        lines = check(chosen)
    except SetupError as error:
        return fail(error)
    for line in lines:
        print(line)
    return 1 if lines else 0
