"""Install and build, once, what the local Juju needs on this machine.

    python3 -m localjuju.setup [--check] [COMPONENT …]

Without a component, it sets up all of them. Whatever is there already stays as it is, so this may
run before everything else. As root it installs Debian packages with apt; otherwise it prints the
command. Everything else goes to the cache (see `common.paths`).
"""

import sys
from collections.abc import Iterable, Sequence

from localjuju.common import components, runtime, venvs
from localjuju.common.components import Component, missing_programs, no_packages
from localjuju.common.progress import SetupError
from localjuju.pods import debian, goprograms, images, namespaces, recipes


def _runtime_packages() -> Iterable[str]:
    return () if runtime.is_ready() else venvs.packages()


def _runtime_missing() -> Sequence[str]:
    return () if runtime.is_ready() else runtime.requirements()


def _pods_packages() -> Iterable[str]:
    return namespaces.missing_programs().values()


def _pods_missing() -> Sequence[str]:
    try:
        namespaces.check()
    except namespaces.PodError as error:
        return [str(error)]
    return []


def _pods_install() -> None:
    if problems := _pods_missing():
        raise SetupError(problems[0])


def _programs_missing(*, extra: bool = False) -> list[str]:
    return goprograms.missing(sorted(recipes.table().programs(extra=extra)))


def _programs_build() -> None:
    goprograms.build(_programs_missing())


def _images_packages(*, extra: bool = False) -> Iterable[str]:
    if not images.missing(extra=extra):
        return ()
    programs = {'mmdebstrap': 'mmdebstrap', 'dpkg-deb': 'dpkg', 'apt-get': 'apt'}
    keyring = [] if debian.KEYRING.exists() else ['debian-archive-keyring']
    return [*missing_programs(programs), *keyring]


def _extra_missing() -> Sequence[str]:
    return [*_programs_missing(extra=True), *images.missing(extra=True)]


def _extra_build() -> None:
    goprograms.build(_programs_missing(extra=True))
    images.build(extra=True)


def _extra_seconds() -> float:
    return goprograms.seconds(_programs_missing(extra=True)) + images.seconds(extra=True)


COMPONENTS = (
    Component(
        'runtime',
        'the Python environment of the controllers',
        (),
        _runtime_packages,
        _runtime_missing,
        runtime.install,
        lambda: 10,
    ),
    Component('pods', 'namespaces', (), _pods_packages, _pods_missing, _pods_install),
    Component(
        'binaries',
        'Pebble, podinfo, the stores and the hook tools',
        ('runtime',),
        no_packages,
        _programs_missing,
        _programs_build,
        lambda: goprograms.seconds(_programs_missing()),
    ),
    Component(
        'images',
        'root file systems',
        ('binaries',),
        _images_packages,
        images.missing,
        images.build,
        images.seconds,
    ),
    Component(
        'extra-images',
        'root file systems that few need',
        ('images',),
        lambda: _images_packages(extra=True),
        _extra_missing,
        _extra_build,
        _extra_seconds,
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Set up, or with --check only report; return 1 if something is missing in the end."""
    description = 'Install and build what the local Juju needs.'
    return components.main('localjuju.setup', description, COMPONENTS, argv)


if __name__ == '__main__':
    sys.exit(main())
