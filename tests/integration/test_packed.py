"""Packed charms, unpacked as Juju does it: with the times of now. No model is needed."""

import os
import re
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import deployment

CHARMS = [
    application.charm
    for application in (
        deployment.coordinator(),
        deployment.worker('worker'),
        deployment.CERTIFICATES,
        *deployment.STORES,
    )
]


class Unpacked:
    """An unpacked charm and the Python that it was packed for."""

    def __init__(self, charm: Path, folder: Path, find_python: Callable[[str], Path]) -> None:
        with zipfile.ZipFile(charm) as archive:
            archive.extractall(folder)
        self.folder = folder
        (self._packages,) = folder.glob('venv/lib/python*/site-packages')
        version = self._packages.parent.name.removeprefix('python')
        self._python = find_python(version)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python with the paths that a dispatch has."""
        path = [self.folder / 'lib', self.folder / 'src', self._packages]
        return subprocess.run(
            [self._python, *arguments],
            env={'PATH': os.defpath, 'PYTHONPATH': ':'.join(map(str, path))},
            capture_output=True,
            text=True,
        )

    def compiled(self) -> dict[Path, int]:
        """Each file of bytecode, and when it was written."""
        files = self.folder.rglob('*.pyc')
        return {file.relative_to(self.folder): file.stat().st_mtime_ns for file in files}


@pytest.fixture(params=CHARMS, ids=lambda charm: charm.stem)
def unpacked(
    request: pytest.FixtureRequest, tmp_path: Path, find_python: Callable[[str], Path]
) -> Unpacked:
    """Each charm of this repository."""
    return Unpacked(request.param, tmp_path / 'charm', find_python)


@pytest.fixture
def coordinator(tmp_path: Path, find_python: Callable[[str], Path]) -> Unpacked:
    """The coordinator's charm."""
    return Unpacked(deployment.coordinator().charm, tmp_path / 'charm', find_python)


def test_bytecode_is_valid_wherever_it_is_unpacked(unpacked: Unpacked) -> None:
    before = unpacked.compiled()
    done = unpacked.run('-v', '-c', 'import charm')
    assert not done.returncode, done.stderr
    loaded = re.findall(
        rf"# code object from '?({re.escape(str(unpacked.folder))}\S+?)'?\n", done.stderr
    )
    assert len(loaded) > 50
    assert [file for file in loaded if not file.endswith('.pyc')] == []
    assert not re.findall(r'# bytecode is stale .*|# wrote .*', done.stderr)
    assert unpacked.compiled() == before


@pytest.mark.parametrize('file', ['src/nginx.py', 'lib/coordinated_telemetry/topology.py'])
def test_what_is_edited_in_a_pod_takes_effect(coordinator: Unpacked, file: str) -> None:
    with (coordinator.folder / file).open('a') as edited:
        edited.write('raise SystemExit("edited")\n')
    assert coordinator.run('-c', 'import charm').stderr == 'edited\n'
