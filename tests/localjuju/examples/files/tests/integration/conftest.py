"""The charm under test: a file that is already packed."""

import os
import pathlib

import pytest

FOLDER = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='session')
def charm() -> pathlib.Path:
    """The packed charm: $CHARM_PATH, or the only one in the charm's folder."""
    if path := os.environ.get('CHARM_PATH'):
        return pathlib.Path(path)
    found = list(FOLDER.glob('*.charm'))
    assert len(found) == 1, f'{len(found)} packed charms in {FOLDER}; run charmcraft pack'
    return found[0]
