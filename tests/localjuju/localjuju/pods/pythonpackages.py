"""Python packages of an image: a virtual environment in its layer, for the image's own Python."""

import importlib.metadata
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from localjuju.common import runtime, venvs
from localjuju.common.progress import SetupError


def install(layer: Path, base: Path, venv: str, requirements: Sequence[str]) -> None:
    """Make a virtual environment with packages in an image's layer.

    The packages come as wheels, of the versions that are listed and no others: no code of theirs
    runs here, and the same list always gives the same files.

    Args:
        layer: the image's own layer; it, or the base, has Debian's Python.
        base: the layer below.
        venv: the environment's path in the image.
        requirements: each with its exact version, as pip reads them, with hashes if wanted.

    Raises:
        SetupError: if pip cannot, or a package needs one that is not listed; it is named.
    """
    version = python_version((layer, base))
    folder = layer / venv.lstrip('/')
    site = folder / f'lib/python{version}/site-packages'
    site.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch, 'requirements.txt')
        listed.write_text('\n'.join(requirements))
        venvs.pip_install(
            runtime.folder(),
            *('--no-compile', '--only-binary=:all:', f'--python-version={version}'),
            *(f'--target={site}', '-r', str(listed)),
            action=f'install {", ".join(requirements)}',
        )
    if extra := unlisted(site, requirements):
        raise SetupError(f'cannot install Python packages: add to the list: {", ".join(extra)}')
    (folder / 'pyvenv.cfg').write_text(f'home = /usr/bin\nversion = {version}\n')
    (folder / 'bin').mkdir()
    for name in 'python', 'python3':
        (folder / 'bin' / name).symlink_to(f'/usr/bin/python{version}')
    _move_scripts(site / 'bin', folder / 'bin', venv)


def python_version(layers: Iterable[Path]) -> str:
    """The version, like 3.13, of Debian's Python in the layers; SetupError if there is none."""
    for layer in layers:
        for program in sorted((layer / 'usr/bin').glob('python3.*')):
            if match := re.fullmatch(r'python(3\.\d+)', program.name):
                return match[1]
    raise SetupError('cannot install Python packages: no Python in the image')


def unlisted(site: Path, requirements: Iterable[str]) -> list[str]:
    """The installed packages that no requirement names, as ``name==version``."""
    listed = {_normal(re.split(r'[\[=]', requirement)[0]) for requirement in requirements}
    installed = {
        _normal(found.metadata['Name']): found.version
        for found in importlib.metadata.distributions(path=[str(site)])
    }
    return sorted(f'{name}=={v}' for name, v in installed.items() if name not in listed)


def _normal(name: str) -> str:
    return re.sub(r'[-_.]+', '-', name).lower()


def _move_scripts(source: Path, target: Path, venv: str) -> None:
    """Move what pip made for this machine's Python to where the image looks for programs."""
    if not source.exists():
        return
    here = str(runtime.folder() / 'bin/python').encode()
    for script in source.iterdir():
        moved = target / script.name
        shutil.move(script, moved)
        moved.write_bytes(moved.read_bytes().replace(here, f'{venv}/bin/python3'.encode(), 1))
    source.rmdir()
