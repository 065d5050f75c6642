"""A unit of the coordinator that has a CA."""

import pytest

from coordinator import scene, serving


@pytest.fixture
def unit(tmp_path):
    """A unit of the coordinator."""
    return scene.Coordinator(tmp_path)


@pytest.fixture
def plain(unit):
    """The state of one that has asked for a certificate and got none."""
    return serving.asking(unit)


@pytest.fixture
def served(unit, plain):
    """The state of one that serves TLS."""
    return scene.answered(unit, plain)
