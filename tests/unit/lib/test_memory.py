"""What is remembered heals by itself where the event about a change never came."""

import dataclasses
import json

import pytest
from ops import testing

from coordinated_telemetry import memory
from lib.test_databags import META, Data, Reader, changed, db, named, reads, run, state


@pytest.fixture
def ctx():
    return testing.Context(Reader, meta=META)


def deployed(ctx, number):
    """The state after so many units were read once."""
    relation = db({unit: named(f'old-{unit}') for unit in range(number)}, id=3)
    return run(ctx, ctx.on.install(), state(relation)).state


def names(read):
    """What the units published, as it was read."""
    return [data.name for unit, data in read.found.items() if '/' in unit]


def test_nothing_is_never_remembered(ctx, calls):
    """The changed event of the unit was skipped with `juju resolve --no-retry`."""
    before = run(ctx, ctx.on.install(), state(db({0: {}, 1: named('b')}, id=3))).state
    calls.clear()
    read = run(ctx, ctx.on.install(), changed(before, {0: named('a'), 1: named('b')}))
    assert reads(calls) == ['db', 'db/0']
    assert read.found['db/0'] == Data(name='a')


@pytest.mark.parametrize('number', [1, 2, memory.REREAD])
def test_an_old_databag_is_read_again_at_the_next_update_status(ctx, number):
    before = deployed(ctx, number)
    now = changed(before, {unit: named('new') for unit in range(number)})
    assert run(ctx, ctx.on.install(), now).found['db/0'] == Data(name='old-0')
    read = run(ctx, ctx.on.update_status(), now)
    assert names(read) == ['new'] * number


def test_a_bad_databag_that_was_mended_is_read_again_at_the_next_update_status(ctx):
    before = run(ctx, ctx.on.install(), state(db({0: {'name': '['}}, id=3))).state
    read = run(ctx, ctx.on.update_status(), changed(before, {0: named('mended')}))
    assert read.found['db/0'] == Data(name='mended')
    assert read.ignored == []


@pytest.mark.parametrize('number', [memory.REREAD + 1, 25, 100])
def test_of_many_units_a_few_are_read_again_in_turn(ctx, calls, number):
    before = deployed(ctx, number)
    now = changed(before, {unit: named('new') for unit in range(number)})
    for _ in range(-(-number // memory.REREAD)):
        calls.clear()
        now = run(ctx, ctx.on.update_status(), now).state
        assert len(reads(calls)) == 1 + memory.REREAD  # and the application
    read = run(ctx, ctx.on.install(), now)
    assert names(read) == ['new'] * number


def test_another_event_does_not_take_a_turn(ctx, calls):
    now = run(ctx, ctx.on.update_status(), deployed(ctx, 25)).state
    now = run(ctx, ctx.on.install(), now).state
    calls.clear()
    run(ctx, ctx.on.update_status(), now)
    assert set(reads(calls)) & {'db/0', 'db/1'} == set()
    assert len(reads(calls)) == 1 + memory.REREAD


def test_the_turn_survives_units_that_leave(ctx):
    now = run(ctx, ctx.on.update_status(), deployed(ctx, 25)).state
    now = changed(now, {unit: named('new') for unit in range(11)})
    for _ in range(4):
        now = run(ctx, ctx.on.update_status(), now).state
    read = run(ctx, ctx.on.install(), now)
    assert names(read) == ['new'] * 11


@pytest.mark.parametrize('turn', ['x', -3, 10**9, None, [1], 1.5])
def test_a_turn_that_makes_no_sense_is_no_fault(ctx, calls, turn):
    now = run(ctx, ctx.on.update_status(), deployed(ctx, 25)).state
    stored = now.get_stored_state('_stored', owner_path='Reader')
    owner, known, _ = json.loads(stored.content['databags'])
    content = {**stored.content, 'databags': json.dumps([owner, known, turn])}
    now = dataclasses.replace(now, stored_states=[dataclasses.replace(stored, content=content)])
    read = run(ctx, ctx.on.update_status(), now)
    assert len(read.units()) == 25
