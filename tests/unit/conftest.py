"""What all unit tests share."""

import functools
import logging
import os
import random
import socket
from collections.abc import Generator
from unittest import mock

import hypothesis
import ops
import pytest

import juju
from coordinated_telemetry import charm_log

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let reports travel between processes: what a test logs need not be text that UTF-8 holds."""
    report = yield
    report.sections = [
        (title, text.encode(errors='backslashreplace').decode()) for title, text in report.sections
    ]
    return report


def _addresses(real, host, *arguments, **options):
    """The addresses that the pod of a unit under test has, in no order."""
    if host != 'unit-tests':
        return real(host, *arguments, **options)
    return [(0, 0, 0, '', (address, 0)) for address in ('fd00::7', '127.0.1.1', '10.1.0.7')]


@pytest.fixture(scope='session', autouse=True)
def unknown_host():
    """This machine is no pod of a model, and nobody is asked for its name or address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, 'getfqdn', lambda name='': 'unit-tests')
        patch.setattr(socket, 'getaddrinfo', functools.partial(_addresses, socket.getaddrinfo))
        yield


@pytest.fixture
def calls():
    """What the charm under test asks of Juju and of Pebble."""
    with juju.recorded() as recorded:
        yield recorded


@pytest.fixture
def log(tmp_path):
    """The charm's own log as it is used around a dispatch, which sends nothing."""
    with (
        mock.patch.object(
            charm_log.log_push, 'push', lambda pushes, _: [p.close() for p in pushes]
        ),
        charm_log.CharmLog(tmp_path / 'log.json') as used,
    ):
        yield used


@pytest.fixture
def set_destination():
    with mock.patch.object(ops.tracing, 'set_destination', autospec=True) as patched:
        yield patched
