"""What all unit tests share."""

import logging
import os
import random
import socket

import hypothesis
import pytest

import juju

hypothesis.settings.register_profile(
    'unit',
    deadline=None,  # machines differ
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile('unit')

# What ops.testing says of itself goes to the juju-log of the charm under test.
logging.getLogger('ops-scenario').setLevel(logging.ERROR)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # Another seed in each run, and one that can be given again.
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(random.randrange(10**6))


def pytest_report_header(config: pytest.Config) -> str:
    seed, factor = config.option.hypothesis_seed, os.environ.get('FUZZ', '1')
    return f'fuzzing: FUZZ={factor} (times more examples) --hypothesis-seed={seed}'


@pytest.fixture(scope='session', autouse=True)
def unknown_host():
    """This machine is no pod of a model, and nobody is asked for its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, 'getfqdn', lambda name='': 'unit-tests')
        yield


@pytest.fixture
def calls():
    """What the charm under test asks of Juju and of Pebble."""
    with juju.recorded() as recorded:
        yield recorded
