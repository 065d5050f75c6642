"""The two charms, and a coordinator that has a CA."""

import pytest

from coordinator import scene as coordinators
from coordinator import serving
from worker import scene as workers


@pytest.fixture
def unit(tmp_path):
    """A unit of the coordinator."""
    return coordinators.Coordinator(tmp_path / 'coordinator')


@pytest.fixture
def worker(tmp_path):
    """A unit of a worker."""
    return workers.Worker(tmp_path / 'worker')


@pytest.fixture
def plain(unit):
    """The state of a coordinator that has asked for a certificate and got none."""
    return serving.asking(unit)


@pytest.fixture
def served(unit, plain):
    """The state of a coordinator that serves TLS."""
    return coordinators.answered(unit, plain)
