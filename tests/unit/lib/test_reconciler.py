"""What every charm of this kind does around its reconcile."""

import dataclasses
import logging
import time

import ops
import pytest
from cosl.reconciler import reconcilable_events_k8s
from ops import testing

import juju
from coordinated_telemetry import databag, databags, reconciler

META = {
    'name': 'toy',
    'requires': {'db': {'interface': 'db'}},
    'peers': {'peers': {'interface': 'peers'}},
    'containers': {'work': {}},
}


class Data(databag.Databag):
    """A databag."""

    name: str


class Toy(reconciler.ReconcilingCharm):
    """Counts what it does.

    Attributes:
        reconciled: how often `reconcile` ran.
        versions: what `ensure_version` reads, from the last to the first.
        waits_for: what `awaited` is asked for.
        waited: what it said.
    """

    versions = ('1.0',)
    waits_for = ''
    waited = -1.0

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self.reconciled = 0
        self.read = 0

    def _read_version(self) -> str:
        self.read += 1
        return self.versions[-1]

    def describe(self) -> str:
        return 'fine'

    def reconcile(self, event: ops.EventBase, bags: databags.Databags) -> None:
        self.reconciled += 1
        for relation in bags.relations('db'):
            for unit in bags.units(relation):
                bags.load(relation, unit, Data)
        self.ensure_version(event, self._read_version)
        if self.waits_for:
            self.waited = self.awaited(self.waits_for)


@pytest.fixture
def ctx():
    return testing.Context(Toy, meta=META, unit_id=1)


@pytest.fixture
def work():
    return testing.Container('work', can_connect=True)


def run(ctx, event, state, **attributes):
    """The charm after an event, and the state that it left."""
    with ctx(event, state) as manager:
        for name, value in attributes.items():
            setattr(manager.charm, name, value)
        after = manager.run()
        return manager.charm, after


def test_the_events_are_those_of_coss_charms_but_for_two(ctx):
    """A dying unit is left as it is; a refreshed one has to catch up."""
    with ctx(ctx.on.update_status(), testing.State()) as manager:
        kinds = {name: event.event_type for name, event in manager.charm.on.events().items()}
        observed = {
            kinds[kind]
            for _, method, _, kind in manager.charm.framework._observers
            if method == '_on_any_event'
        }
    wanted = (reconcilable_events_k8s - {ops.StopEvent}) | {ops.UpgradeCharmEvent}
    assert observed == wanted & set(kinds.values())


GOOD = {'name': '"a"'}
BAD = {'name': '['}


def db(*databags_of_units):
    units = dict(enumerate(databags_of_units))
    return testing.Relation('db', remote_app_name='db', remote_units_data=units, id=3)


@pytest.mark.parametrize(
    'event',
    [
        'install',
        'start',
        'config_changed',
        'update_status',
        'upgrade_charm',
        'leader_elected',
    ],
)
def test_an_event_reconciles_once(ctx, event):
    charm, _ = run(ctx, getattr(ctx.on, event)(), testing.State())
    assert charm.reconciled == 1


@pytest.mark.parametrize(
    'event',
    [
        'relation_created',
        'relation_joined',
        'relation_changed',
        'relation_departed',
        'relation_broken',
    ],
)
def test_an_event_of_a_relation_reconciles_once(ctx, event):
    relation = db(GOOD)
    charm, _ = run(ctx, getattr(ctx.on, event)(relation), testing.State(relations=[relation]))
    assert charm.reconciled == 1


def test_a_container_that_is_ready_reconciles_once(ctx, work):
    charm, _ = run(ctx, ctx.on.pebble_ready(work), testing.State(containers=[work]))
    assert charm.reconciled == 1


@pytest.mark.parametrize('event', ['stop', 'remove'])
def test_the_end_of_a_unit_reconciles_nothing(ctx, event):
    charm, _ = run(ctx, getattr(ctx.on, event)(), testing.State())
    assert charm.reconciled == 0


def test_a_unit_that_hears_of_its_own_departure_does_nothing_from_then_on(ctx):
    relation = db(GOOD, GOOD)
    before = testing.State(relations=[relation])
    with juju.variables(JUJU_DEPARTING_UNIT='toy/1'):
        charm, after = run(ctx, ctx.on.relation_departed(relation, remote_unit=0), before)
    assert charm.reconciled == 0
    for event in (ctx.on.relation_broken(relation), ctx.on.update_status(), ctx.on.start()):
        charm, after = run(ctx, event, after)
        assert charm.reconciled == 0


def test_a_unit_that_hears_of_its_own_departure_from_a_peer_does_nothing(ctx):
    peers = testing.PeerRelation('peers', peers_data={0: {}})
    event = ctx.on.relation_departed(peers, remote_unit=0, departing_unit=1)
    charm, _ = run(ctx, event, testing.State(relations=[peers]))
    assert charm.reconciled == 0


def test_the_departure_of_another_unit_is_an_event_like_others(ctx):
    peers = testing.PeerRelation('peers', peers_data={2: {}})
    event = ctx.on.relation_departed(peers, remote_unit=2, departing_unit=2)
    charm, _ = run(ctx, event, testing.State(relations=[peers]))
    assert charm.reconciled == 1


def test_the_root_log_level_is_info(ctx):
    logging.getLogger().setLevel(logging.DEBUG)
    run(ctx, ctx.on.update_status(), testing.State())
    assert logging.getLogger().level == logging.INFO


# What is left out


def logged(calls):
    """The names that log lines say were left out, one list for each line."""
    lines = [message for _, message in calls.of('juju-log')]
    return [
        [item.partition(' ')[0] for item in line.removeprefix('ignored: ').split('; ')]
        for line in lines
        if line.startswith('ignored: ')
    ]


def test_what_is_ignored_is_named_in_one_log_line_and_never_again(ctx, calls):
    before = testing.State(relations=[db(GOOD, BAD, BAD)])
    charm, after = run(ctx, ctx.on.update_status(), before)
    assert [item.name for item in charm.report.ignored] == ['db/1', 'db/2']
    assert logged(calls) == [['db/1', 'db/2']]
    calls.clear()
    for event in (ctx.on.update_status(), ctx.on.config_changed(), ctx.on.start()):
        charm, after = run(ctx, event, after)
        assert [item.name for item in charm.report.ignored] == ['db/1', 'db/2']
    assert logged(calls) == []


def test_only_what_is_new_is_logged(ctx, calls):
    _, after = run(ctx, ctx.on.update_status(), testing.State(relations=[db(GOOD, BAD)]))
    calls.clear()
    now = dataclasses.replace(after, relations=[db(GOOD, BAD, BAD)])
    run(ctx, ctx.on.config_changed(), now)
    assert logged(calls) == [['db/2']]


def test_what_is_mended_and_broken_again_is_logged_again(ctx, calls):
    state = testing.State(relations=[db(BAD)])
    for now in (GOOD, BAD):
        _, state = run(ctx, ctx.on.config_changed(), state)
        state = dataclasses.replace(state, relations=[db(now)])
    run(ctx, ctx.on.config_changed(), state)
    assert logged(calls) == [['db/0'], ['db/0']]


# The workload's version


def test_the_version_is_set_once(ctx, calls):
    charm, state = run(ctx, ctx.on.update_status(), testing.State())
    assert state.workload_version == '1.0'
    charm, state = run(ctx, ctx.on.config_changed(), state)
    assert charm.read == 0
    assert calls.of('application-version-set') == [('1.0',)]


def test_the_version_is_looked_at_again_when_the_container_is_new(ctx, calls, work):
    _, state = run(ctx, ctx.on.update_status(), testing.State(containers=[work]))
    charm, state = run(ctx, ctx.on.pebble_ready(work), state)
    assert charm.read == 1
    _, state = run(ctx, ctx.on.pebble_ready(work), state, versions=('1.1',))
    assert state.workload_version == '1.1'
    assert calls.of('application-version-set') == [('1.0',), ('1.1',)]


def test_a_version_that_cannot_be_told_yet_is_asked_for_again(ctx, calls):
    _, state = run(ctx, ctx.on.update_status(), testing.State(), versions=('',))
    assert calls.of('application-version-set') == []
    run(ctx, ctx.on.update_status(), state)
    assert calls.of('application-version-set') == [('1.0',)]


# Waiting


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_700_000_000.0

    monkeypatch.setattr(time, 'time', lambda: Clock.now)
    return Clock


def test_waiting_counts_from_the_first_hook_that_asked(ctx, clock):
    state = testing.State()
    for waited in (0.0, 10.0, 20.0):
        charm, state = run(ctx, ctx.on.update_status(), state, waits_for='x')
        assert charm.waited == waited
        clock.now += 10.0


@pytest.mark.parametrize('change', [{'waits_for': 'y'}, {'waits_for': 'x', 'back': 86400}])
def test_waiting_for_something_else_or_by_another_clock_starts_anew(ctx, clock, change):
    _, state = run(ctx, ctx.on.update_status(), testing.State(), waits_for='x')
    clock.now += 10.0 - change.get('back', 0)
    charm, _ = run(ctx, ctx.on.update_status(), state, waits_for=change['waits_for'])
    assert charm.waited == 0.0


# Actions


class Asked(Toy):
    """Answers an action with what units publish."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        framework.observe(self.on.ask_action, self._on_ask)

    def _on_ask(self, event: ops.ActionEvent) -> None:
        def read(bags: databags.Databags) -> list[str]:
            units = [(r, unit) for r in bags.relations('db') for unit in bags.units(r)]
            loaded = [bags.load(relation, unit, Data) for relation, unit in units]
            return [data.name for data in loaded if data]

        event.set_results({'names': ' '.join(self.look(event, read))})


@pytest.fixture
def asked():
    return testing.Context(Asked, meta=META, actions={'ask': {}}, unit_id=1)


def test_an_action_looks_without_reconciling_or_remembering(asked, calls):
    relations = [
        testing.Relation('db', remote_app_name=name, id=number,
                         remote_units_data={0: {'name': f'"{name}"'}})
        for number, name in enumerate('ab', 1)
    ]  # fmt: skip
    state = testing.State(relations=relations)
    with asked(asked.on.action('ask'), state) as manager:
        after = manager.run()
        assert manager.charm.reconciled == 0
    assert asked.action_results == {'names': 'a b'}
    assert calls.changes() == []
    assert after.stored_states == asked.run(asked.on.action('ask'), state).stored_states


def test_an_action_looks_again_without_a_relation_that_juju_refuses(asked):
    relations = [
        testing.Relation('db', remote_app_name=name, id=number,
                         remote_units_data={0: {'name': f'"{name}"'}})
        for number, name in enumerate('ab', 1)
    ]  # fmt: skip
    with juju.refusing(1):
        asked.run(asked.on.action('ask'), testing.State(relations=relations))
    assert asked.action_results == {'names': 'b'}


def test_what_is_costly_is_found_once_for_each_version(ctx):
    found: list[str] = []

    def find() -> str:
        found.append('x')
        return str(len(found))

    state = testing.State()
    results = []
    for version in ('1', '1', '2', '2', '1'):
        with ctx(ctx.on.update_status(), state) as manager:
            results.append(manager.charm.costly(version, find))
            state = manager.run()
    assert results == ['1', '1', '2', '2', '3']
