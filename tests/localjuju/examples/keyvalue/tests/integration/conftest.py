"""The charms under test, already packed, and the two models in which they run."""

import os
import pathlib

import jubilant
import pytest
import pytest_jubilant


def _charm(name: str) -> pathlib.Path:
    variable = f'{name.upper()}_CHARM_PATH'
    assert variable in os.environ, f'pack the charm in {name}, and set {variable} to its path'
    return pathlib.Path(os.environ[variable]).absolute()


@pytest.fixture(scope='session')
def store_charm() -> pathlib.Path:
    """The packed charm of the store: $STORE_CHARM_PATH."""
    return _charm('store')


@pytest.fixture(scope='session')
def visits_charm() -> pathlib.Path:
    """The packed charm of its client: $VISITS_CHARM_PATH."""
    return _charm('visits')


@pytest.fixture(scope='module')
def offering(juju_factory: pytest_jubilant.JujuFactory) -> jubilant.Juju:
    """The model of the store."""
    return juju_factory.get_juju('offering')


@pytest.fixture(scope='module')
def consuming(juju_factory: pytest_jubilant.JujuFactory) -> jubilant.Juju:
    """The model of its client."""
    return juju_factory.get_juju('consuming')
