"""Hooks with nothing to do: what Juju runs most of the time."""

import pytest

import baseline
from cluster import dispatched
from model import Model

LIMITS = {'coordinator': 40, **dict.fromkeys(baseline.COUNTS, 15)}
"""Hook-tool calls of a unit of an application, those of juju-log aside."""


@pytest.mark.parametrize('unit', baseline.UNITS)
def test_a_hook_with_nothing_to_do_changes_nothing(deployed: Model, unit: str) -> None:
    plan = deployed.plan(unit)
    processes = deployed.processes(unit)
    deployed.cluster.run_hook(unit, 'update-status')  # what a test before left to do
    tools = deployed.cluster.run_hook(unit, 'update-status')
    assert 'relation-set' not in tools
    assert tools.get('status-set', 0) <= 1
    assert tools.pop('juju-log', 0) <= 3
    assert sum(tools.values()) <= LIMITS[unit.partition('/')[0]], tools
    assert deployed.plan(unit) == plan
    assert deployed.processes(unit) == processes


def test_juju_exec_dispatches_as_the_agent_does(deployed: Model) -> None:
    """So hooks run on demand on a real Juju, too."""
    deployed.cluster.run_hook('coordinator/0', 'update-status')  # what is left to do
    tools = deployed.cluster.run_hook('coordinator/0', 'update-status')
    assert dispatched(deployed.juju, 'coordinator/0', 'update-status') == tools
