"""Reading databags that nobody vouches for, remembering them, and writing differences."""

import dataclasses
import json
from typing import Any
from unittest import mock

import hypothesis
import ops
import pydantic
import pytest
from hypothesis import strategies as st
from ops import testing

import hostile
import juju
from coordinated_telemetry import (
    addresses,
    cluster,
    databag,
    databags,
    logs,
    metrics,
    reconciler,
    report,
    rolling,
    traces,
)

META = {
    'name': 'reader',
    'requires': {'db': {'interface': 'db'}, 'other': {'interface': 'other'}},
    'peers': {'peers': {'interface': 'peers'}},
}


class Inner(databag.Databag):
    """A mapping in a databag."""

    host: addresses.Host


class Data(databag.Databag):
    """The databags of these tests."""

    retired = frozenset(('old', 'older'))
    max_bytes = 100
    remedy = 'name less'

    name: str
    numbers: list[int] | None = None
    inner: Inner | None = None


class Plain(databag.Databag):
    """A databag of plain texts."""

    plain = True
    retired = frozenset(('port',))

    host: str


class Reader(reconciler.ReconcilingCharm):
    """Reads all databags of `db`, and writes what the test wants.

    Attributes:
        found: unit or application → what was read.
        wanted: what is to be in the own unit's databag.
        changed: what `ensure` said of it.
    """

    found: dict[str, Any]
    wanted: Any = None
    changed: bool | None = None

    def describe(self) -> str:
        return ''

    def reconcile(self, event: ops.EventBase, bags: databags.Databags) -> None:
        self.found = {}
        for relation in bags.relations('db'):
            self.found[relation.app.name] = bags.load(relation, relation.app, Data)
            for unit in bags.units(relation):
                self.found[unit.name] = bags.load(relation, unit, Data)
        if self.wanted is not None:
            self.changed = bags.ensure('db', self.unit, self.wanted)


@dataclasses.dataclass
class Read:
    """What came of an event."""

    found: dict[str, Any]
    ignored: list[str]
    changed: bool | None
    state: testing.State

    def units(self):
        """The units whose databags were accepted."""
        return [name for name, data in self.found.items() if data is not None]


@pytest.fixture
def ctx():
    return testing.Context(Reader, meta=META)


def run(ctx, event, state, wanted=None):
    with ctx(event, state) as manager:
        manager.charm.wanted = wanted
        after = manager.run()
        charm = manager.charm
        ignored = [str(item) for item in charm.report.ignored]
        return Read(charm.found, ignored, charm.changed, after)


def db(units, app='db', app_data=None, **options):
    return testing.Relation(
        'db',
        remote_app_name=app,
        remote_app_data=app_data or {},
        remote_units_data=units,
        local_unit_data=options.pop('local', {}),
        **options,
    )


def named(name):
    return {'name': json.dumps(name)}


def state(*relations, **options):
    return testing.State(relations=relations, model=juju.MODEL, **options)


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


@pytest.mark.parametrize(
    ('databag', 'why'),
    [
        ({'numbers': '[1]'}, 'name: Field required'),
        ({'name': '1'}, 'name: Input should be a valid string'),
        ({'name': '"a"', 'numbers': '["1"]'}, 'numbers.0: Input should be a valid integer'),
        ({'name': '"a"', 'numbers': '[true]'}, 'numbers.0: Input should be a valid integer'),
        (
            {'name': '"a"', 'inner': '{"host": "[::1]"}'},
            'inner.host: expected a hostname or an IP address, got "[::1]"',
        ),
        ({'name': 'a'}, 'name: not JSON, expected value at line 1 column 1'),
        (
            {'name': f'"{hostile.LONG}"'},
            f'{len(hostile.LONG) + 6} bytes of relation data, at most 262144 are read',
        ),
    ],
)
def test_the_reason_names_the_key_and_what_is_wrong(ctx, databag, why):
    read = run(ctx, ctx.on.update_status(), state(db({0: databag})))
    assert read.ignored == [f'db/0 ({why})']


def test_a_databag_that_is_too_big_is_not_decoded(ctx, monkeypatch):
    def refuse(text: str) -> Any:
        raise AssertionError('decoded')

    monkeypatch.setattr(databag, '_decode', refuse)
    units = {0: {**named('a'), 'numbers': '[' * (databag.MAX_BYTES + 1)}}
    read = run(ctx, ctx.on.start(), state(db(units)))
    assert read.units() == []
    assert len(read.ignored) == 1


def test_a_databag_just_as_big_as_may_be_is_read(ctx):
    name = 'x' * (databag.MAX_BYTES - len('name') - 2)
    read = run(ctx, ctx.on.update_status(), state(db({0: named(name)})))
    assert read.units() == ['db/0']


class _Three(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    a: dict[str, int]


@pytest.mark.parametrize(
    ('error', 'expected'),
    [
        (ValueError('plain'), 'plain'),
        (ValueError('a\nb\x1b' + 'c' * 500), 'a\\nb\\x1b' + 'c' * 152 + '...'),
    ],
)
def test_a_reason_is_one_short_line(error, expected):
    assert databag.reason(error) == expected


@hypothesis.given(st.dictionaries(hostile.texts, st.text(), min_size=1, max_size=2))
def test_a_reason_is_one_short_line_whatever_the_keys_are(content):
    with pytest.raises(ValueError, match='validation error') as raised:
        _Three.model_validate({'a': content})
    why = databag.reason(raised.value)
    assert why.isprintable()
    assert why.isascii()
    assert len(why) < 200


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
        manager.charm.wanted = larger
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
        manager.charm.wanted = larger
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
            manager.charm.wanted = DATA
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


@pytest.mark.parametrize(
    'model',
    [
        cluster.CoordinatorData,
        cluster.WorkerApplicationData,
        cluster.WorkerUnitData,
        logs.RequirerData,
        metrics.ProviderData,
        metrics.UnitData,
        rolling.PeerData,
        traces.RequirerData,
    ],
)
def test_no_key_is_both_written_and_retired(model):
    assert not model.retired & model.model_fields.keys()


def test_mappings_are_written_with_their_keys_sorted():
    class Mapping(databag.Databag):
        """A mapping whose order is an accident."""

        m: dict[str, int]

    assert databag.encoded(Mapping(m={'b': 1, 'a': 2})) == {'m': '{"a": 2, "b": 1}'}


# Remembering


def reads(calls):
    return sorted(
        arguments[1] for arguments in calls.of('relation-get') if arguments[1] != 'reader/0'
    )


@pytest.fixture
def settled(ctx, calls):
    """Three units, all of which were read once."""
    units = {0: named('a'), 1: {'name': '['}, 2: named('c')}
    relation = db(units, app_data=named('app'), id=3)
    read = run(ctx, ctx.on.install(), state(relation))
    assert reads(calls) == ['db', 'db/0', 'db/1', 'db/2']
    calls.clear()
    return read.state


def changed(state, units=None, app_data=None):
    """The state with other databags behind the charm's back."""
    before = state.get_relation(3)
    relation = dataclasses.replace(
        before,
        remote_units_data=before.remote_units_data if units is None else units,
        remote_app_data=before.remote_app_data if app_data is None else app_data,
    )
    return dataclasses.replace(state, relations=[relation])


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
    'of another format': foreign('[[2, ', '[[1, '),
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
