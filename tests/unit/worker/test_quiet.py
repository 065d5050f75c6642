"""A worker's hook with nothing to do does nothing, and one with little to do does little."""

import dataclasses

import pytest
from ops import testing

from worker import scene


@pytest.fixture
def unit(tmp_path):
    return scene.Worker(tmp_path)


@pytest.fixture
def settled(unit, calls):
    """A deployment in which every hook has run."""
    after = unit.update_status(unit.state(*scene.deployment()))
    after = unit.update_status(after)  # reads back what the first wrote
    calls.clear()
    return after


def stored(state):
    """What the charm itself stored."""
    return state.get_stored_state('_stored', owner_path='WorkerCharm').content


EVENTS = {
    'update-status': lambda on, state: on.update_status(),
    'config-changed': lambda on, state: on.config_changed(),
    'leader-elected': lambda on, state: on.leader_elected(),
    'start': lambda on, state: on.start(),
    'upgrade-charm': lambda on, state: on.upgrade_charm(),
    'workload-pebble-ready': lambda on, state: on.pebble_ready(state.get_container('workload')),
    'cluster-relation-changed': lambda on, state: on.relation_changed(state.get_relation(21)),
    'cluster-relation-joined': lambda on, state: on.relation_joined(state.get_relation(21)),
    'peers-relation-changed': lambda on, state: on.relation_changed(
        state.get_relation(22), remote_unit=1
    ),
}


@pytest.mark.parametrize('event', EVENTS.values(), ids=EVENTS)
def test_an_event_that_changes_nothing_writes_and_logs_nothing(unit, settled, calls, event):
    after = unit.ctx.run(event(unit.ctx.on, settled), settled)
    assert calls.changes() == []
    assert [text for level, text in calls.of('juju-log') if level != 'DEBUG'] == []
    assert stored(after) == stored(settled)
    assert after.unit_status == settled.unit_status


def test_update_status_keeps_to_its_budget_of_hook_tools(unit, settled, calls):
    unit.update_status(settled)
    tools = calls.hook_tools()
    assert tools.count('juju-log') <= 3
    assert tools.count('relation-set') == 0
    assert tools.count('status-set') == 1
    assert len([tool for tool in tools if tool != 'juju-log']) <= 15


def test_the_cost_of_an_event_does_not_grow_with_the_peers(tmp_path, calls):
    costs = set()
    for number in (1, 10, 100):
        unit = scene.Worker(tmp_path / str(number), number=200)
        peers = scene.peers(dict.fromkeys(range(number), 'other'), id=22)
        state = unit.update_status(unit.state(scene.coordinator(id=21), peers))
        calls.clear()
        event = unit.ctx.on.relation_changed(state.get_relation(22), remote_unit=0)
        unit.ctx.run(event, state)
        costs.add(len(calls.hook_tools()))
    assert len(costs) == 1


def test_a_database_that_was_lost_changes_nothing(unit, settled, calls):
    unit.update_status(dataclasses.replace(settled, stored_states=[]))
    assert [tool for tool in calls.changes() if tool != 'application-version-set'] == []


@pytest.mark.parametrize('text', ['', '[', '[[1, "m", "x/0"], {}]', 'null'])
def test_a_memory_that_makes_no_sense_changes_nothing(unit, settled, calls, text):
    before = settled.get_stored_state('_stored', owner_path='WorkerCharm')
    changed = dataclasses.replace(before, content={**before.content, 'databags': text})
    others = [state for state in settled.stored_states if state != before]
    after = unit.update_status(dataclasses.replace(settled, stored_states=[*others, changed]))
    assert calls.changes() == []
    assert stored(after) == stored(settled)


def test_what_is_not_ready_is_quiet_too(unit, calls):
    state = unit.update_status(unit.state(scene.coordinator({}), scene.peers()))
    calls.clear()
    after = unit.update_status(state)
    assert calls.changes() == []
    assert isinstance(after.unit_status, testing.WaitingStatus)
