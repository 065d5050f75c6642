"""A pair with other names, made by `make new-charm`: its own tests and its own demo pass."""

from pathlib import Path

import pytest
from making import make, run

ROLES = ('edge', 'store', 'cache')
WITH_NAMES = (
    *('scripts', 'pains', 'workload', 'test_twins.py', 'test_terraform.py', 'test_probes.py'),
    *('coordinator/test_databags.py', 'coordinator/test_statuses.py'),
    *('worker/test_databags.py', 'worker/test_statuses.py'),
)
"""The unit tests in which names and roles occur; most others are about a neutral workload."""


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the pair `webstore`, of what this checkout has, committed or not.

    It has one role more than the reference pair. The other workloads' pairs have two.
    """
    return make(tmp_path_factory.mktemp('made'), 'webstore', *ROLES)


def test_its_style_and_its_copies_are_right(made: Path) -> None:
    run(made, 'make', 'lint')


def test_its_unit_tests_pass(made: Path) -> None:
    tests = ' '.join(f'tests/unit/{name}' for name in WITH_NAMES)
    run(made, 'make', 'unit', f'ARGS={tests}')


def test_its_demo_shows_every_signal_of_every_unit(made: Path) -> None:
    shown = run(made, 'make', 'demo', 'KEEP=0')
    for unit in ('coordinator/0', *(f'{role}/{number}' for role in ROLES for number in range(2))):
        assert f' {unit} ' in shown
