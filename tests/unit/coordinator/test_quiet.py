"""A hook with nothing to do does nothing, and one with little to do does little."""

import dataclasses
import json

import pytest
from ops import testing

from coordinator import scene


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


@pytest.fixture
def settled(unit, calls):
    """A deployment in which every hook has run."""
    after = unit.update_status(unit.state(*scene.deployment(), scene.certificates(id=20)))
    after = unit.update_status(scene.answered(unit, after))
    calls.clear()
    return after


def relation_event(unit, state, kind, number, **options):
    return getattr(unit.ctx.on, f'relation_{kind}')(state.get_relation(number), **options)


def pebble_ready(unit, state, container):
    return unit.ctx.on.pebble_ready(state.get_container(container))


def stored(state):
    """What the charm itself stored, but for whose turn it is to be read again."""
    content = state.get_stored_state('_stored', owner_path='CoordinatorCharm').content
    return {**content, 'databags': json.loads(content['databags'])[:2]}


EVENTS = {
    'update-status': lambda unit, state: unit.ctx.on.update_status(),
    'config-changed': lambda unit, state: unit.ctx.on.config_changed(),
    'leader-elected': lambda unit, state: unit.ctx.on.leader_elected(),
    'start': lambda unit, state: unit.ctx.on.start(),
    'upgrade-charm': lambda unit, state: unit.ctx.on.upgrade_charm(),
    'nginx-pebble-ready': lambda unit, state: pebble_ready(unit, state, 'nginx'),
    'exporter-pebble-ready': lambda unit, state: pebble_ready(
        unit, state, 'nginx-prometheus-exporter'
    ),
    'cluster-relation-changed': lambda unit, state: relation_event(
        unit, state, 'changed', 11, remote_unit=2
    ),
    'logging-relation-changed': lambda unit, state: relation_event(
        unit, state, 'changed', 15, remote_unit=0
    ),
    'charm-tracing-relation-changed': lambda unit, state: relation_event(
        unit, state, 'changed', 17
    ),
    'certificates-relation-changed': lambda unit, state: relation_event(
        unit, state, 'changed', 20, remote_unit=0
    ),
    'peers-relation-changed': lambda unit, state: relation_event(
        unit, state, 'changed', 19, remote_unit=1
    ),
}


@pytest.mark.parametrize('event', EVENTS.values(), ids=EVENTS)
def test_an_event_that_changes_nothing_writes_and_logs_nothing(unit, settled, calls, event):
    after = unit.ctx.run(event(unit, settled), settled)
    assert calls.changes() == []
    assert [text for level, text in calls.of('juju-log') if level != 'DEBUG'] == []
    assert stored(after) == stored(settled)
    assert after.unit_status == settled.unit_status


def test_a_check_that_fails_restarts_and_reloads_nothing(unit, settled, calls):
    container = settled.get_container('nginx')
    (check,) = container.check_infos
    failing = dataclasses.replace(check, failures=3, status=testing.CheckInfo('x').status)
    event = unit.ctx.on.pebble_check_failed(container, info=failing)
    unit.ctx.run(event, settled)
    assert calls.changes() == []
    assert calls.of('pebble exec') == []


def test_update_status_keeps_to_its_budget_of_hook_tools(unit, settled, calls):
    unit.update_status(settled)
    tools = calls.hook_tools()
    assert tools.count('juju-log') <= 3
    assert tools.count('relation-set') == 0
    assert tools.count('status-set') == 1
    assert tools.count('secret-get') <= 6  # what the library reads, and reads anew
    # One endpoint more: it has a relation-ids, a relation-list and two relation-get of its own.
    assert len([tool for tool in tools if tool != 'juju-log']) <= 40 + 4


# The cost of an event


def many(number):
    """A deployment with so many worker units."""
    return [
        scene.workers('gate', 'gate', range(number), id=11),
        scene.workers('vault', 'vault', id=12),
        scene.scraper(id=14),
        scene.loki(id=15),
        scene.peers([1], id=19),
        scene.certificates(id=20),
    ]


COSTS = {
    'update-status': lambda unit, state: (unit.ctx.on.update_status(), state),
    'relation-changed': lambda unit, state: (
        relation_event(unit, state, 'changed', 11, remote_unit=0),
        state,
    ),
    'relation-joined': lambda unit, state: (
        relation_event(unit, joined(state), 'joined', 11, remote_unit=5000),
        joined(state),
    ),
    'relation-departed': lambda unit, state: (
        relation_event(unit, state, 'departed', 11, remote_unit=0, departing_unit=0),
        state,
    ),
}


def joined(state):
    before = state.get_relation(11)
    units = {**before.remote_units_data, 5000: scene.worker_unit('gate/5000')}
    return scene.replaced(state, dataclasses.replace(before, remote_units_data=units))


@pytest.mark.parametrize('case', COSTS.values(), ids=COSTS)
def test_the_cost_of_an_event_does_not_grow_with_the_units_that_did_not_change(
    tmp_path, calls, case
):
    costs = set()
    # From two on: the last unit of an application takes its alert rules with it.
    for number in (2, 10, 100):
        folder = tmp_path / str(number)
        folder.mkdir()
        unit = scene.Coordinator(folder)
        settled = unit.update_status(unit.state(*many(number)))
        settled = unit.update_status(scene.answered(unit, settled))
        event, state = case(unit, settled)
        calls.clear()
        unit.ctx.run(event, state)
        costs.add(len(calls.hook_tools()))
    assert len(costs) == 1


def test_workers_that_join_one_after_the_other_cost_the_same_each(unit, calls):
    state = unit.update_status(unit.state(*many(0)))
    costs = []
    for number in range(20):
        before = state.get_relation(11)
        units = {
            **before.remote_units_data,
            number: scene.worker_unit(f'gate/{number}'),
        }
        state = scene.replaced(state, dataclasses.replace(before, remote_units_data=units))
        calls.clear()
        for kind in ('joined', 'changed'):
            event = relation_event(unit, state, kind, 11, remote_unit=number)
            state = unit.ctx.run(event, state)
        costs.append(len(calls.hook_tools()))
    # The first one also makes for the rules of its application.
    assert len(set(costs[1:])) == 1


def test_a_database_that_was_lost_changes_nothing(unit, settled, calls):
    unit.update_status(dataclasses.replace(settled, stored_states=[]))
    assert [tool for tool in calls.changes() if tool != 'application-version-set'] == []


def test_a_change_is_not_missed_that_happened_while_nothing_was_remembered(unit, settled):
    now = scene.replaced(settled, scene.workers('gate', 'gate', [3], id=11))
    unit.update_status(dataclasses.replace(now, stored_states=[]))
    assert scene.host('gate/3') in unit.config
    assert scene.host('gate/2') not in unit.config
