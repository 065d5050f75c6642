"""The example charms, and the tests that each brings: run as its author would run them.

An example is a folder with tests/integration in it, and one charm or, in folders of their own,
several. Its tests find a `juju` on PATH, and the packed charm in CHARM_PATH, or each of several in
NAME_CHARM_PATH, after the charm's folder.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pack
from deployment import EXAMPLES
from this_juju import PROGRAM

FOLDERS = sorted(tests.parents[1] for tests in EXAMPLES.glob('*/tests/integration'))


def charms(example: Path) -> dict[str, Path]:
    """The packed charms of an example, by the variables that name them to its tests."""
    folders = [file.parent for file in example.glob('*/charmcraft.yaml')]
    found = {f'{f.name.upper().replace("-", "_")}_CHARM_PATH': f for f in folders}
    if (example / 'charmcraft.yaml').exists():
        found['CHARM_PATH'] = example
    return {variable: pack.target_file(folder) for variable, folder in found.items()}


@pytest.mark.parametrize('example', FOLDERS, ids=lambda folder: folder.name)
def test_an_example_passes_its_own_tests(example: Path) -> None:
    packed = charms(example)
    missing = [str(charm) for charm in packed.values() if not charm.exists()]
    assert not missing, f'not packed: {", ".join(missing)}; run `make integration`'
    environment = {
        **{name: value for name, value in os.environ.items() if name != 'PYTHONPATH'},
        **{variable: str(charm) for variable, charm in packed.items()},
    }
    if PROGRAM.is_absolute():
        environment['PATH'] = f'{PROGRAM.parent}:{environment["PATH"]}'
    command = [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', '-q', 'tests/integration']
    done = subprocess.run(
        command, cwd=example, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
