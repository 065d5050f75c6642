"""Reading databags that nobody vouches for, and writing differences."""

from unittest import mock

import hypothesis
import ops
import pytest
from hypothesis import strategies as st
from ops import testing

import hostile
from coordinated_telemetry import databag, databags, report
from lib.reader import META, Data, Inner, Plain, Reader, db, named, run, state


@pytest.fixture
def ctx():
    return testing.Context(Reader, meta=META)


# Reading


def test_values_are_json_and_keys_that_nobody_asked_for_are_ignored(ctx):
    databag = {
        'name': '"é"',
        'numbers': '[1, 2]',
        'inner': '{"host": "::1", "more": null}',
        'ingress-address': '10.0.0.1',
        'other': 'not JSON',
    }
    read = run(ctx, ctx.on.update_status(), state(db({0: databag})))
    assert read.found['db/0'] == Data(name='é', numbers=[1, 2], inner=Inner(host='::1'))
    assert read.ignored == []


@pytest.mark.parametrize('databag', [{}, {'ingress-address': '10.0.0.1'}, {'names': '['}])
def test_a_databag_without_any_of_the_keys_is_not_ready_and_no_fault(ctx, databag):
    read = run(ctx, ctx.on.update_status(), state(db({0: databag, 1: named('b')})))
    assert read.units() == ['db/1']
    assert read.ignored == []


GOOD = {('name', 'empty text'), ('numbers', 'empty list'), ('numbers', 'null'), ('inner', 'null')}
BAD = [(key, raw) for key in Data.model_fields for raw in hostile.RAW if (key, raw) not in GOOD]


@pytest.mark.parametrize(('key', 'raw'), BAD)
def test_a_bad_value_is_ignored_alone_and_named(ctx, key, raw):
    """A databag can do without an optional key, and not without a required one."""
    text = hostile.RAW[raw]
    units = {0: named('a'), 1: {**named('b'), key: text}, 2: named('c')}
    read = run(ctx, ctx.on.update_status(), state(db(units)))
    size = sum(len(key) + len(value) for key, value in units[1].items())
    alone = key != 'name' and size <= databag.MAX_BYTES
    assert read.found['db/1'] == (Data(name='b') if alone else None)
    assert {'db/0', 'db/2'} <= set(read.units())
    (fault,) = read.ignored
    assert fault.startswith('db/1 (')
    assert len(fault) < 300
    assert fault.isprintable()


@hypothesis.given(
    st.dictionaries(
        st.sampled_from(['name', 'numbers', 'inner', 'foreign']), hostile.raw_values, max_size=4
    )
)
@hypothesis.settings(max_examples=hostile.examples(150))
def test_no_databag_fails_or_takes_another_with_it(databag):
    ctx = testing.Context(Reader, meta=META)
    units = {0: named('a'), 1: databag, 2: named('c')}
    read = run(ctx, ctx.on.update_status(), state(db(units)))
    assert {'db/0', 'db/2'} <= set(read.units())
    ready = bool(databag.keys() & Data.model_fields.keys())
    served = 'db/1' in read.units()
    assert {line.partition(' ')[0] for line in read.ignored} <= {'db/1'}
    if not served:
        assert bool(read.ignored) == ready


# Which units and relations there are


def test_units_are_in_the_order_of_their_numbers_and_relations_of_their_ids(ctx):
    first = db({number: named('x') for number in (10, 9, 1, 2)}, 'z', id=3)
    # As a set, these two are in the other order.
    second = db({0: named('x')}, 'a', id=8)
    read = run(ctx, ctx.on.update_status(), state(second, first))
    assert read.units() == ['z/1', 'z/2', 'z/9', 'z/10', 'a/0']


def test_the_departing_unit_is_not_there_any_more(ctx):
    relation = db({0: named('a'), 1: named('b')})
    event = ctx.on.relation_departed(relation, remote_unit=1, departing_unit=1)
    assert run(ctx, event, state(relation)).units() == ['db/0']


def test_a_unit_that_departs_from_one_relation_is_still_in_the_others(ctx):
    left, stays = db({0: named('a')}, id=3), db({0: named('a')}, 'other', id=4)
    event = ctx.on.relation_departed(left, remote_unit=0, departing_unit=0)
    assert run(ctx, event, state(left, stays)).units() == ['other/0']


def test_a_broken_relation_is_not_there_any_more(ctx):
    broken, stays = db({0: named('a')}, id=3), db({0: named('a')}, 'other', id=4)
    read = run(ctx, ctx.on.relation_broken(broken), state(broken, stays))
    assert read.units() == ['other/0']
    assert 'db' not in read.found


# Writing


DATA = Data(name='a', numbers=[2, 1])
WRITTEN = {'name': '"a"', 'numbers': '[2, 1]'}
PLAIN = Plain(host='x')


@pytest.mark.parametrize(
    ('before', 'wanted', 'after', 'changed'),
    [
        ({}, DATA, WRITTEN, True),
        (WRITTEN, DATA, WRITTEN, False),
        ({**WRITTEN, 'inner': 'null'}, DATA, WRITTEN, True),
        ({**WRITTEN, 'foreign': 'x'}, DATA, {**WRITTEN, 'foreign': 'x'}, False),
        (WRITTEN, Data(name='a'), {'name': '"a"'}, True),
        ({'foreign': 'x', 'old': '1'}, DATA, {**WRITTEN, 'foreign': 'x'}, True),
        ({**WRITTEN, 'old': '1', 'older': '2'}, DATA, WRITTEN, True),
        ({}, PLAIN, {'host': 'x'}, True),
        ({'host': 'x', 'foreign': 'y'}, PLAIN, {'host': 'x', 'foreign': 'y'}, False),
        ({'host': '"x"', 'port': '1'}, PLAIN, {'host': 'x'}, True),
    ],
)
def test_a_databag_is_made_to_hold_what_is_wanted(ctx, before, wanted, after, changed, calls):
    relation = db({0: {}}, local=before)
    read = run(ctx, ctx.on.update_status(), state(relation), wanted)
    assert read.state.get_relation(relation.id).local_unit_data == after
    assert read.changed is changed
    assert len(calls.of('relation-set')) == int(changed)


def test_every_relation_of_the_endpoint_gets_it_but_a_broken_one(ctx):
    relations = [db({0: {}}, 'a', id=3), db({0: {}}, 'b', id=4), db({0: {}}, 'c', id=5)]
    after = run(ctx, ctx.on.relation_broken(relations[1]), state(*relations), DATA).state
    written = [dict(after.get_relation(number).local_unit_data) for number in (3, 4, 5)]
    assert written == [WRITTEN, {}, WRITTEN]


def test_what_is_too_large_is_not_written_and_blocks(ctx, calls):
    relations = [db({0: {}}, 'a', local=WRITTEN, id=3), db({0: {}}, 'b', local=WRITTEN, id=4)]
    largest, larger = Data(name='x' * 94), Data(name='x' * 95)
    with ctx(ctx.on.update_status(), state(*relations)) as manager:
        manager.charm.wanted = (larger,)
        after = manager.run()
        assert manager.charm.report.blocked == [
            '[db] cannot publish 101 bytes, at most 100: name less'
        ]
        assert manager.charm.changed is False
    assert [dict(after.get_relation(n).local_unit_data) for n in (3, 4)] == [WRITTEN] * 2
    assert calls.of('relation-set') == []
    read = run(ctx, ctx.on.update_status(), after, largest)
    assert read.changed is True
    with ctx(ctx.on.update_status(), state()) as manager:
        manager.charm.wanted = (larger,)
        manager.run()
        assert manager.charm.report.blocked == []  # nobody is there to be told


def test_what_is_too_much_for_one_hook_is_left_to_the_next(ctx, monkeypatch):
    monkeypatch.setattr(databags, 'MAX_WRITTEN', 2 * databag.size_of(WRITTEN) + 1)
    local = [{}, WRITTEN, {'foreign': 'x' * 1000}, {}, {}]
    relations = [
        db({0: {}}, f'db-{number}', local=own, id=number) for number, own in enumerate(local, 1)
    ]

    def hook(before):
        with ctx(ctx.on.update_status(), before) as manager:
            manager.charm.wanted = (DATA,)
            after = manager.run()
            written = [
                relation.id
                for relation in after.relations
                if relation.local_unit_data.keys() >= WRITTEN.keys()
            ]
            return after, sorted(written), manager.charm.report.waiting

    after, written, waiting = hook(state(*relations))
    assert (written, waiting) == ([1, 2, 3], ['[db] the next hook publishes the rest'])
    after, written, waiting = hook(after)
    assert (written, waiting) == ([1, 2, 3, 4, 5], [])


# What the charm itself published


@pytest.mark.parametrize(
    ('databag', 'expected'),
    [
        ({}, None),
        ({'numbers': '[1]'}, None),
        ({'name': '"a"', 'foreign': '['}, Data(name='a')),
        ({'name': '['}, None),
    ],
)
def test_its_own_databag_is_read_anew_in_each_hook(databag, expected):
    relation = testing.Relation('db', local_unit_data=databag)
    ctx = testing.Context(Reader, meta=META)
    with ctx(ctx.on.install(), testing.State(relations={relation})) as manager:
        manager.run()
        charm = manager.charm
        bags = databags.Databags(charm, mock.Mock(spec=ops.StartEvent), report.Report())
        assert bags.own('db', charm.unit, Data) == expected
        assert bags.own('other', charm.unit, Data) is None
        assert bags.report.ignored == []
        assert bags.remember().endswith(' {}, 0]')
