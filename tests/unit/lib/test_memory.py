"""What is remembered of databags, and how it heals where an event never came."""

import dataclasses
import json

import hypothesis
import pytest
from hypothesis import strategies as st
from ops import testing

import hostile
import juju
from coordinated_telemetry import memory
from lib.reader import META, Data, Reader, changed, db, named, reads, run, state


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


# Remembering


@pytest.fixture
def settled(ctx, calls):
    """Three units, all of which were read once."""
    units = {0: named('a'), 1: {'name': '['}, 2: named('c')}
    relation = db(units, app_data=named('app'), id=3)
    read = run(ctx, ctx.on.install(), state(relation))
    assert reads(calls) == ['db', 'db/0', 'db/1', 'db/2']
    calls.clear()
    return read.state


def test_what_is_remembered_is_what_was_read(ctx, settled, calls):
    read = run(ctx, ctx.on.install(), settled)
    assert reads(calls) == ['db']
    assert read.found == {
        'db': Data(name='app'),
        'db/0': Data(name='a'),
        'db/1': None,
        'db/2': Data(name='c'),
    }
    assert [line.partition(' ')[0] for line in read.ignored] == ['db/1']


@pytest.mark.parametrize('number', [0, 1, 2])
def test_a_unit_that_changed_is_read_again_and_no_other(ctx, settled, calls, number):
    units = {**settled.get_relation(3).remote_units_data, number: named('new')}
    now = changed(settled, units)
    event = ctx.on.relation_changed(now.get_relation(3), remote_unit=number)
    read = run(ctx, event, now)
    assert reads(calls) == ['db', f'db/{number}']
    assert read.found[f'db/{number}'] == Data(name='new')


@pytest.mark.parametrize(
    'event',
    [
        lambda on, relation: on.relation_changed(relation, remote_unit=1),
        lambda on, relation: on.relation_departed(relation, remote_unit=1, departing_unit=1),
        lambda on, relation: on.install(),
    ],
)
def test_an_application_is_read_in_any_event(ctx, settled, event):
    now = changed(settled, app_data=named('new'))
    read = run(ctx, event(ctx.on, now.get_relation(3)), now)
    assert read.found['db'] == Data(name='new')


def test_an_application_that_changed_is_read_again_and_no_unit(ctx, settled, calls):
    now = changed(settled, app_data=named('new'))
    with juju.variables(JUJU_REMOTE_UNIT=''):
        read = run(ctx, ctx.on.relation_changed(now.get_relation(3)), now)
    assert reads(calls) == ['db']
    assert read.found['db'] == Data(name='new')


def test_a_new_unit_is_read_and_no_other(ctx, settled, calls):
    now = changed(settled, {**settled.get_relation(3).remote_units_data, 7: named('new')})
    read = run(ctx, ctx.on.relation_joined(now.get_relation(3), remote_unit=7), now)
    assert reads(calls) == ['db', 'db/7']
    assert read.found['db/7'] == Data(name='new')


def test_a_new_unit_is_read_also_in_an_event_that_is_not_about_it(ctx, settled, calls):
    now = changed(settled, {**settled.get_relation(3).remote_units_data, 7: named('new')})
    read = run(ctx, ctx.on.install(), now)
    assert reads(calls) == ['db', 'db/7']
    assert read.found['db/7'] == Data(name='new')


def test_a_unit_that_left_and_came_again_is_read_again(ctx, settled, calls):
    event = ctx.on.relation_departed(settled.get_relation(3), remote_unit=0, departing_unit=0)
    after = run(ctx, event, settled).state
    assert reads(calls) == ['db']
    calls.clear()
    now = changed(after, {0: named('new')})
    read = run(ctx, ctx.on.install(), now)
    assert reads(calls) == ['db', 'db/0']
    assert read.found['db/0'] == Data(name='new')


def test_another_relation_with_the_same_application_is_another(ctx, settled, calls):
    read = run(ctx, ctx.on.install(), state(db({0: named('new')}, id=4)))
    assert reads(calls) == ['db', 'db/0']
    assert read.found['db/0'] == Data(name='new')


def test_an_event_of_another_relation_reads_no_unit(ctx, settled, calls):
    other = testing.Relation('other', remote_app_name='db', remote_units_data={0: {}}, id=9)
    now = dataclasses.replace(settled, relations=[settled.get_relation(3), other])
    run(ctx, ctx.on.relation_changed(other, remote_unit=0), now)
    assert reads(calls) == ['db']


@pytest.mark.parametrize('event', ['upgrade_charm', 'start', 'config_changed', 'leader_elected'])
def test_everything_is_read_where_anything_may_have_changed(ctx, settled, calls, event):
    read = run(ctx, getattr(ctx.on, event)(), changed(settled, {0: named('new')}))
    assert reads(calls) == ['db', 'db/0']
    assert read.found['db/0'] == Data(name='new')


def rewritten(state, change):
    """The state with another text in the place of what is remembered."""
    stored = state.get_stored_state('_stored', owner_path='Reader')
    content = {**stored.content, 'databags': change(stored.content['databags'])}
    return dataclasses.replace(state, stored_states=[dataclasses.replace(stored, content=content)])


def replacing(old, new):
    def change(text):
        assert old in text
        return text.replace(old, new)

    return change


def foreign(old, new):
    """What somebody else remembers, of other databags."""
    return lambda text: replacing('"name": "a"', '"name": "b"')(replacing(old, new)(text))


CHANGES = {
    'lost': lambda text: '',
    'cut off': lambda text: text[: len(text) // 2],
    'no JSON': lambda text: '\0garbage',
    'another type': lambda text: '1',
    'another shape': lambda text: '[1, 2, 3]',
    'deeper than anything': lambda text: '[' * 100_000,
    'of another format': foreign('[[3, ', '[[2, '),
    'of another model': foreign(juju.UUID, juju.UUID[::-1]),
    'of another unit': foreign('reader/0', 'reader/1'),
    'a list of databags': lambda text: f'[{text.partition("],")[0][1:]}], [1, 2]]',
    'more than there is': replacing('{"3": {', '[1, 2], {"3": {'),
    'databags of another version': replacing('"name": "a"', '"name": ["a"]'),
    'databags with a key missing': replacing('"name": "a"', '"title": "a"'),
    'a reason of another version': replacing('{"data": {', '{"data": null, "was": {'),
}


@pytest.mark.parametrize('change', CHANGES.values(), ids=CHANGES)
def test_what_is_remembered_makes_no_difference_when_it_makes_no_sense(ctx, settled, change):
    expected = run(ctx, ctx.on.install(), dataclasses.replace(settled, stored_states=[]))
    read = run(ctx, ctx.on.install(), rewritten(settled, change))
    assert (read.found, read.ignored) == (expected.found, expected.ignored)
    again = run(ctx, ctx.on.install(), read.state)
    assert (again.found, again.ignored) == (expected.found, expected.ignored)


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=hostile.examples(50))
def test_what_is_remembered_may_be_cut_and_changed_anywhere(data):
    ctx = testing.Context(Reader, meta=META)
    relation = db({0: named('a'), 1: {'name': '['}, 2: {}}, app_data=named('app'), id=3)
    first = run(ctx, ctx.on.install(), state(relation))

    def change(text):
        cut = data.draw(st.integers(0, len(text)))
        return text[:cut] + data.draw(st.sampled_from(['', '"', '}', ']', '0', 'null', 'x']))

    read = run(ctx, ctx.on.install(), rewritten(first.state, change))
    assert (read.found, read.ignored) == (first.found, first.ignored)


# Own databags


WANTED = Data(name='own')


def own_reads(calls):
    """How often its own databag was read."""
    return [owner for _, owner, _ in calls.of('relation-get')].count('reader/0')


def without_own(before):
    """The state in which Juju has nothing of what the unit wrote."""
    relation = dataclasses.replace(before.get_relation(3), local_unit_data={})
    return dataclasses.replace(before, relations=[relation])


def test_an_own_databag_is_read_back_once_and_then_no_more(ctx, calls):
    now = state(db({0: named('a')}, id=3))
    counts = []
    for _ in range(4):
        calls.clear()
        now = run(ctx, ctx.on.update_status(), now, WANTED).state
        counts.append(own_reads(calls))
    assert counts == [1, 1, 0, 0]
    assert now.get_relation(3).local_unit_data == named('own')


def test_what_juju_did_not_commit_is_written_again(ctx):
    before = run(ctx, ctx.on.update_status(), state(db({0: named('a')}, id=3)), WANTED).state
    after = run(ctx, ctx.on.update_status(), without_own(before), WANTED).state
    assert after.get_relation(3).local_unit_data == named('own')


@pytest.fixture
def known(ctx):
    """A state in which the unit knows that its databag is as it should be."""
    now = state(db({0: named('a')}, id=3))
    for _ in range(2):
        now = run(ctx, ctx.on.update_status(), now, WANTED).state
    return now


def test_other_content_is_written(ctx, known):
    after = run(ctx, ctx.on.update_status(), known, Data(name='new', numbers=[1])).state
    assert after.get_relation(3).local_unit_data == {**named('new'), 'numbers': '[1]'}
    after = run(ctx, ctx.on.update_status(), after, WANTED).state
    assert after.get_relation(3).local_unit_data == named('own')


@pytest.mark.parametrize('event', ['upgrade_charm', 'start', 'config_changed', 'leader_elected'])
def test_an_own_databag_heals_where_anything_may_have_changed(ctx, known, event):
    after = run(ctx, getattr(ctx.on, event)(), without_own(known), WANTED).state
    assert after.get_relation(3).local_unit_data == named('own')


def test_content_that_changes_twice_in_a_dispatch_is_written_and_so_is_a_return_to_it(ctx, known):
    other = Data(name='other')
    after = run(ctx, ctx.on.update_status(), known, WANTED, other).state
    assert after.get_relation(3).local_unit_data == named('other')
    after = run(ctx, ctx.on.update_status(), after, other, WANTED).state
    assert after.get_relation(3).local_unit_data == named('own')


def test_what_it_did_not_want_in_between_is_forgotten(ctx, known, calls):
    """As for the databag of the application while another unit leads."""
    between = run(ctx, ctx.on.update_status(), known).state
    after = run(ctx, ctx.on.update_status(), without_own(between), WANTED).state
    assert after.get_relation(3).local_unit_data == named('own')
