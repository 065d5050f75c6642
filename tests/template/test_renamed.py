"""A pair with other names, made by `make new-charm`: its own tests and its own demo pass."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WITH_NAMES = (
    *('worker', 'scripts', 'pains', 'test_twins.py', 'test_terraform.py', 'test_probes.py'),
    *('coordinator/test_databags.py', 'coordinator/test_statuses.py'),
)
"""The unit tests in which names and roles occur; most others are about a neutral workload."""


def run(folder: Path, *command: str) -> str:
    """Run a command in a folder; its output goes to pytest, and is returned too."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(('TOX_', 'PYTEST_', 'VIRTUAL_ENV', 'MAKE', 'MFLAGS', 'PYTHONPATH'))
    }
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            print(line, end='', flush=True)
            lines.append(line)
    assert process.returncode == 0, ' '.join(command)
    return ''.join(lines)


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the pair `webstore`, of what this checkout has, committed or not."""
    folder = tmp_path_factory.mktemp('made') / 'webstore-operators'
    revision = run(ROOT, 'git', 'stash', 'create').strip() or 'HEAD'
    options = ('NAME=webstore', f'DEST={folder}', 'ROLES=edge,store')
    run(ROOT, 'make', 'new-charm', *options, f'ARGS=--revision={revision}')
    return folder


def test_its_style_and_its_copies_are_right(made: Path) -> None:
    run(made, 'make', 'lint')


def test_its_unit_tests_pass(made: Path) -> None:
    tests = ' '.join(f'tests/unit/{name}' for name in WITH_NAMES)
    run(made, 'make', 'unit', f'ARGS={tests}')


def test_its_demo_shows_every_signal_of_every_unit(made: Path) -> None:
    shown = run(made, 'make', 'demo', 'KEEP=0')
    for unit in ('coordinator/0', 'edge/0', 'edge/1', 'store/0', 'store/1'):
        assert f' {unit} ' in shown
