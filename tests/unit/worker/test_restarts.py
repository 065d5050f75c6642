"""When the workload restarts, and in which order."""

import dataclasses
import json
import time

import pytest
from ops import pebble, testing

from coordinated_telemetry import rolling
from worker import scene


@pytest.fixture
def unit(tmp_path):
    return scene.Worker(tmp_path)


@pytest.fixture
def running(unit, calls):
    """The state of a unit whose workload runs."""
    after = unit.update_status(unit.state(scene.coordinator(id=21), scene.peers(id=22)))
    calls.clear()
    return after


def steps(calls):
    """What was done to the container, in short."""
    return [
        tool.removeprefix('pebble ')
        for tool, arguments in calls
        if tool in ('pebble push', 'pebble add', 'pebble replan', 'pebble restart')
        and 'telemetry-logs' not in arguments
    ]


def replaced(state, *relations, **options):
    ids = {relation.id for relation in relations}
    others = [relation for relation in state.relations if relation.id not in ids]
    return dataclasses.replace(state, relations=[*others, *relations], **options)


def with_data(state, **changes):
    """The state after the coordinator published something else."""
    relation = dataclasses.replace(
        state.get_relation(21), remote_app_data=scene.published(**changes)
    )
    return replaced(state, relation)


def changed(unit, state):
    return unit.ctx.run(unit.ctx.on.config_changed(), state)


def test_it_is_started_with_its_file_in_place(unit, calls):
    unit.update_status(unit.state(scene.coordinator()))
    assert steps(calls) == ['push', 'add', 'replan']


def test_nothing_is_done_when_nothing_changed(unit, running, calls):
    changed(unit, running)
    assert steps(calls) == []


def test_another_configuration_file_is_another_layer(unit, running, calls):
    before = scene.service(running)
    after = changed(unit, with_data(running, worker_config='level: "debug"\n'))
    assert unit.config == 'level: "debug"\n'
    assert steps(calls) == ['push', 'add', 'replan']
    assert scene.service(after) != before


@pytest.mark.parametrize(
    'changes',
    [
        {'loki_endpoints': {'loki/9': 'http://loki-9:3100/push'}},
        {'loki_endpoints': None},
        {'charm_tracing_receivers': None},
    ],
)
def test_where_logs_and_charm_traces_go_restarts_nothing(unit, running, calls, changes):
    before = scene.service(running)
    after = changed(unit, with_data(running, **changes))
    assert steps(calls) == []
    assert scene.service(after) == before


@pytest.mark.parametrize('order', [('gate', 'vault'), ('vault', 'gate')])
def test_a_unit_is_checked_as_its_roles_are(unit, running, order):
    """A gate is asked whether it listens, and a vault whether it is well."""
    state = running
    for role in order:
        roles = {f'role-{name}': name == role for name in ('all', 'gate', 'vault')}
        state = changed(unit, dataclasses.replace(state, config=roles))
        [check] = state.get_container('workload').plan.checks.values()
        assert (check.tcp is not None, check.exec is not None) == (role == 'gate', role == 'vault')


def test_a_check_that_fails_restarts_nothing(unit, running, calls):
    container = running.get_container('workload')
    (check,) = container.check_infos
    failing = dataclasses.replace(check, failures=3, status=pebble.CheckStatus.DOWN)
    container = dataclasses.replace(container, check_infos={failing})
    state = dataclasses.replace(running, containers=[container])
    unit.ctx.run(unit.ctx.on.pebble_check_failed(container, info=failing), state)
    assert steps(calls) == []


@pytest.mark.parametrize('databag', [{}, {'privkey_secret_id': '"x"'}])
def test_without_the_coordinators_data_it_runs_on_with_what_it_has(unit, running, calls, databag):
    relation = dataclasses.replace(running.get_relation(21), remote_app_data=databag)
    after = changed(unit, replaced(running, relation))
    assert steps(calls) == []
    assert after.get_container('workload') == running.get_container('workload')
    assert unit.config == scene.CONFIG


def test_on_its_own_it_runs_on_and_sends_nobody_anything(unit, running):
    after = unit.ctx.run(unit.ctx.on.relation_broken(running.get_relation(21)), running)
    service, before = scene.service(after), scene.service(running)
    assert not any(key.startswith('OTEL_') for key in service['environment'])
    assert service['environment'].items() <= before['environment'].items()
    assert set(service['command'].split()) <= set(before['command'].split())
    assert {**service, 'command': '', 'environment': {}} == {
        **before,
        'command': '',
        'environment': {},
    }
    assert unit.config == scene.CONFIG


def test_it_sends_again_when_it_is_related_again(unit, running):
    before = running.get_container('workload').plan.services
    alone = unit.ctx.run(unit.ctx.on.relation_broken(running.get_relation(21)), running)
    alone = dataclasses.replace(alone, relations=[alone.get_relation(22)])
    alone = unit.update_status(alone)
    again = scene.coordinator(id=23)
    state = dataclasses.replace(alone, relations=[again, *alone.relations])
    after = unit.ctx.run(unit.ctx.on.relation_created(again), state)
    assert after.get_container('workload').plan.services == before


def test_a_new_pod_gets_everything_again(unit, running, calls):
    (unit.folder / 'config.yaml').unlink()
    state = dataclasses.replace(running, containers=[unit.container()])
    after = unit.ctx.run(unit.ctx.on.upgrade_charm(), state)
    assert unit.config == scene.CONFIG
    assert after.get_container('workload').plan == running.get_container('workload').plan


def test_a_container_that_goes_away_fails_nothing(unit, running, monkeypatch, calls):
    from scenario import mocking

    def gone(self, *arguments, **options):
        raise pebble.ConnectionError('gone')

    monkeypatch.setattr(mocking._MockPebbleClient, 'get_plan', gone)
    changed(unit, running)
    lines = [text for level, text in calls.of('juju-log') if level == 'WARNING']
    assert lines == ['cannot configure the workload: gone']


@pytest.mark.parametrize(('stdout', 'version'), [('6.9.2\n', '6.9.2'), ('', '')])
def test_the_version_is_what_the_workload_says(unit, stdout, version):
    execs = {testing.Exec(['/bin/imagined', '--version'], stdout=stdout)}
    container = dataclasses.replace(unit.container(), execs=execs)
    after = unit.update_status(unit.state(scene.coordinator(), container=container))
    assert after.workload_version == version


# One after the other

NEW = {'worker_config': 'level: "debug"\n'}


def digest_of(unit, state, **changes):
    """What a unit publishes of its workload when nobody is ahead of it."""
    peer = scene.peers(id=22)
    after = changed(unit, with_data(replaced(state, peer), **changes))
    return json.loads(after.get_relation(22).local_unit_data['runs'])


@pytest.fixture
def second(tmp_path, calls):
    """The second unit, which runs the same as the first, and the digest of that."""
    unit = scene.Worker(tmp_path / 'second', number=1)
    state = unit.update_status(unit.state(scene.coordinator(id=21), scene.peers(id=22)))
    runs = json.loads(state.get_relation(22).local_unit_data['runs'])
    calls.clear()
    return unit, state, runs


def with_first(state, runs):
    """The state with what the first unit says it runs."""
    peers = dataclasses.replace(state.get_relation(22), peers_data={0: scene.encoded(runs=runs)})
    return replaced(state, peers)


def test_all_units_name_what_they_run_the_same(unit, running, second):
    first = json.loads(running.get_relation(22).local_unit_data['runs'])
    assert first == second[2]


def test_a_unit_waits_for_those_before_it_and_says_so(second, calls):
    unit, state, runs = second
    after = changed(unit, with_data(with_first(state, runs), **NEW))
    assert steps(calls) == []
    said = after.get_relation(22).local_unit_data
    assert said.keys() == {'runs', 'waits'}
    assert json.loads(said['runs']) == runs
    assert after.unit_status == testing.ActiveStatus('ready: all; will restart after worker/0')
    assert unit.config == scene.CONFIG


def test_a_unit_that_waits_sends_its_logs_where_they_go_now(second):
    unit, state, runs = second
    endpoints = {'loki/9': 'http://loki-9:3100/push'}
    after = changed(unit, with_data(with_first(state, runs), loki_endpoints=endpoints, **NEW))
    enabled = {
        target.location
        for target in after.get_container('workload').plan.log_targets.values()
        if target.services == ['all']
    }
    assert enabled == set(endpoints.values())


def test_it_restarts_when_those_before_it_have(second, tmp_path, calls):
    unit, state, runs = second
    waiting = changed(unit, with_data(with_first(state, runs), **NEW))
    reference = scene.Worker(tmp_path / 'reference')
    fresh = reference.state(scene.coordinator(scene.published(**NEW)), scene.peers(id=22))
    new = json.loads(reference.update_status(fresh).get_relation(22).local_unit_data['runs'])
    calls.clear()
    state = with_first(waiting, new)
    event = unit.ctx.on.relation_changed(state.get_relation(22), remote_unit=0)
    after = unit.ctx.run(event, state)
    assert steps(calls) == ['push', 'add', 'replan']
    assert after.get_relation(22).local_unit_data == {'runs': json.dumps(new)}
    assert after.unit_status == testing.ActiveStatus('ready: all')


def test_it_does_not_wait_for_one_whose_workload_does_not_run(second, calls):
    unit, state, _ = second
    changed(unit, with_data(with_first(state, None), **NEW))
    assert steps(calls) == ['push', 'add', 'replan']


def test_it_does_not_wait_when_it_runs_nothing_itself(tmp_path, calls):
    unit = scene.Worker(tmp_path / 'third', number=2)
    unit.update_status(unit.state(scene.coordinator(), scene.peers({0: 'other', 1: 'other'})))
    assert steps(calls) == ['push', 'add', 'replan']


@pytest.mark.parametrize('said', ['it waits', 'it runs that', 'it runs nothing'])
def test_it_waits_until_those_after_it_say_that_they_wait(tmp_path, calls, said):
    """One that has not heard of the change may be restarting for the change before."""
    unit = scene.Worker(tmp_path / 'first')
    state = unit.update_status(unit.state(scene.coordinator(id=21), scene.peers({1: 'x'}, id=22)))
    calls.clear()
    waiting = changed(unit, with_data(state, **NEW))
    assert steps(calls) == []
    assert waiting.unit_status.message == 'ready: all; will restart after worker/1'
    own = waiting.get_relation(22).local_unit_data
    wanted = json.loads(own['waits'])
    databag = {
        'it waits': {'runs': 'x', 'waits': wanted},
        'it runs that': {'runs': wanted},
        'it runs nothing': {},
    }[said]
    peers = dataclasses.replace(waiting.get_relation(22), peers_data={1: scene.encoded(**databag)})
    others = [relation for relation in waiting.relations if relation.id != 22]
    state = dataclasses.replace(waiting, relations=[*others, peers])
    after = unit.ctx.run(unit.ctx.on.relation_changed(peers, remote_unit=1), state)
    assert steps(calls) == ['push', 'add', 'replan']
    assert after.get_relation(22).local_unit_data == {'runs': json.dumps(wanted)}


def test_it_does_not_wait_for_long_for_what_others_never_say(tmp_path, calls, monkeypatch):
    now = 1_700_000_000.0
    monkeypatch.setattr(time, 'time', lambda: now)
    unit = scene.Worker(tmp_path / 'first')
    state = unit.update_status(unit.state(scene.coordinator(id=21), scene.peers({1: 'x'}, id=22)))
    state = changed(unit, with_data(state, **NEW))
    calls.clear()
    now += rolling.UNHEARD_PATIENCE - 1
    state = unit.update_status(state)
    assert steps(calls) == []
    now += 2
    unit.update_status(state)
    assert steps(calls) == ['push', 'add', 'replan']


def test_it_waits_no_longer_than_patience_lasts(second, calls, monkeypatch):
    unit, state, runs = second
    now = 1_700_000_000.0
    monkeypatch.setattr(time, 'time', lambda: now)
    state = changed(unit, with_data(with_first(state, runs), **NEW))
    now += rolling.PATIENCE - 1
    state = unit.update_status(state)
    assert steps(calls) == []
    now += 2
    after = unit.update_status(state)
    assert steps(calls) == ['push', 'add', 'replan']
    assert after.unit_status == testing.ActiveStatus('ready: all')


def test_each_time_it_waits_it_waits_from_the_start(second, calls, monkeypatch):
    unit, state, runs = second
    now = 1_700_000_000.0
    monkeypatch.setattr(time, 'time', lambda: now)
    waiting = changed(unit, with_data(with_first(state, runs), **NEW))
    # The coordinator takes it back, and some day wants it again.
    state = changed(unit, with_data(waiting))
    now += 86400
    calls.clear()
    changed(unit, with_data(state, **NEW))
    assert steps(calls) == []


def test_a_unit_whose_container_is_away_is_not_to_be_waited_for(unit, running):
    away = dataclasses.replace(running.get_container('workload'), can_connect=False)
    state = dataclasses.replace(running, containers=[away])
    assert unit.update_status(state).get_relation(22).local_unit_data == {}
