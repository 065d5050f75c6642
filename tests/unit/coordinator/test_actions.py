"""The actions: they answer from what the charm really has, and change nothing."""

import dataclasses
import json

import pytest
from ops import testing

import hostile
import juju
from coordinated_telemetry import charm_log
from coordinator import scene
from coordinator.source import actions

ACTIONS = scene.SPECIFICATION['actions']


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


@pytest.fixture
def settled(unit):
    return unit.update_status(unit.state(*scene.deployment()))


def ask(unit, state, action, **params):
    """The one result of an action."""
    unit.ctx.run(unit.ctx.on.action(action, params=params), state)
    (result,) = unit.ctx.action_results.values()
    return result


def stored(state):
    return state.get_stored_state('_stored', owner_path='CoordinatorCharm').content


def telemetry(unit, state, **params):
    return json.loads(ask(unit, state, 'show-telemetry', format='json', **params))


def workers(unit, state):
    return json.loads(ask(unit, state, 'list-workers', format='json'))


# What they are


@pytest.mark.parametrize(
    ('action', 'model'),
    [('show-telemetry', actions.ShowTelemetry), ('list-workers', actions.ListWorkers)],
)
def test_the_parameters_are_those_of_charmcraft_yaml(action, model):
    assert ACTIONS.keys() == {'show-telemetry', 'list-workers'}
    declared = ACTIONS[action]
    assert declared['additionalProperties'] is False
    assert declared['description']
    described = model.model_json_schema()['properties']
    for name, parameter in declared['params'].items():
        of_model = described.pop(name)
        assert parameter['description']
        stated = {key: value for key, value in parameter.items() if key != 'description'}
        assert {key: of_model[key] for key in stated} == stated
    assert described == {}


@pytest.mark.parametrize('action', ACTIONS)
@pytest.mark.parametrize('leader', [True, False])
def test_an_action_writes_nothing_and_says_the_same_again(unit, settled, calls, action, leader):
    state = dataclasses.replace(settled, leader=leader)
    first = ask(unit, state, action)
    calls.clear()
    before = juju.warnings(unit.ctx)
    after = unit.ctx.run(unit.ctx.on.action(action), state)
    assert [*unit.ctx.action_results.values()] == [first]
    assert calls.changes() == []
    assert juju.warnings(unit.ctx) == before
    assert after.relations == state.relations
    assert stored(after) == stored(state)
    assert after.unit_status == state.unit_status


def test_an_action_reads_no_units_databag_that_did_not_change(unit, settled, calls):
    calls.clear()
    ask(unit, settled, 'show-telemetry')
    sources = {source for _, source, _ in calls.of('relation-get')}
    assert {source for source in sources if '/' in source} == {'coordinator/0'}


# show-telemetry


def test_every_flow_of_every_unit_is_shown(unit, settled):
    units = telemetry(unit, settled)['units']
    assert [*units] == [
        'coordinator/0', 'coordinator/1', 'both/0', 'both/1', 'gate/2', 'gate/10',
        'vault/0',
    ]  # fmt: skip
    lokis = sorted(scene.push_url(name) for name in ('loki-b/0', 'loki/0', 'loki/1'))
    for name, flows in units.items():
        assert flows['metrics']['to'] == ['prometheus']
        [url] = flows['metrics']['at']
        assert scene.host(name) in url
        assert flows['workload-logs']['to'] == flows['charm-logs']['to'] == lokis
        assert flows['charm-traces']['to'] == ['http://tempo:4318/v1/traces']
        is_worker = not name.startswith('coordinator/')
        assert flows['workload-traces']['to'] == (['http://tempo:4317'] if is_worker else [])
        whys = [flow['why'] for flow in flows.values()]
        assert len([*filter(None, whys)]) == (0 if is_worker else 1)


def test_what_is_published_is_what_the_databag_says(unit, settled):
    relation = settled.get_relation(11)
    databag = {**relation.local_app_data, 'loki_endpoints': '{"loki/0": "http://old/push"}'}
    state = scene.replaced(settled, dataclasses.replace(relation, local_app_data=databag))
    units = telemetry(unit, state)['units']
    assert units['gate/2']['charm-logs']['to'] == ['http://old/push']
    assert len(units['both/0']['charm-logs']['to']) == 3


@pytest.mark.parametrize('text', ['', '{', '[]', '{"loki/0": 1}', 5000 * '['])
def test_own_databags_of_another_revision_fail_nothing(unit, settled, text):
    changed = []
    for relation in (settled.get_relation(11), settled.get_relation(14)):
        databag = dict.fromkeys((*relation.local_app_data, 'loki_endpoints'), text)
        changed.append(dataclasses.replace(relation, local_app_data=databag))
    units = telemetry(unit, scene.replaced(settled, *changed))['units']
    assert units['gate/2']['charm-logs']['to'] == []
    assert units['gate/2']['metrics']['to'] == []
    assert units['both/0']['charm-logs']['to'] != []


def test_the_containers_are_asked_for_their_log_targets(unit, settled):
    nginx = dataclasses.replace(settled.get_container('nginx'), layers={}, check_infos=[])
    others = [one for one in settled.containers if one.name != 'nginx']
    state = dataclasses.replace(settled, containers=[nginx, *others])
    logs = telemetry(unit, state)['units']['coordinator/0']['workload-logs']
    assert logs['why'].startswith('nginx sends nothing to ')
    down = [dataclasses.replace(one, can_connect=False) for one in settled.containers]
    state = dataclasses.replace(settled, containers=down)
    logs = telemetry(unit, state)['units']['coordinator/0']['workload-logs']
    assert (logs['to'], logs['known']) == ([], 'configured')
    assert 'the container nginx cannot be asked' in logs['why']


def test_the_charms_own_log_says_what_waits(unit, settled, tmp_path, monkeypatch):
    log = charm_log.CharmLog(tmp_path / 'log.json')
    log._kept.endpoints['http://loki/push'] = charm_log._Endpoint(pending=3)
    monkeypatch.setattr(charm_log.CharmLog, 'current', log)
    logs = telemetry(unit, settled)['units']['coordinator/0']['charm-logs']
    assert logs['to'] == ['http://loki/push']
    assert logs['why'] == '3 records wait for http://loki/push'


def test_a_unit_that_does_not_lead_says_so(unit, settled):
    state = dataclasses.replace(settled, leader=False)
    shown = telemetry(unit, state)
    assert shown['leader'] is False
    units = shown['units']
    of_leader = telemetry(unit, settled)['units']
    assert units['gate/2']['metrics']['known'] == 'expected'
    for name, flows in units.items():
        for flow, found in flows.items():
            assert found['to'] == of_leader[name][flow]['to']
    assert 'juju run coordinator/leader show-telemetry' in ask(unit, state, 'show-telemetry')


def test_units_are_in_one_order_whoever_answers(tmp_path):
    (tmp_path / 'other').mkdir()
    unit = scene.Coordinator(tmp_path / 'other', number=1)
    state = unit.update_status(unit.state(scene.peers([0, 10], id=19)))
    names = [f'coordinator/{number}' for number in (0, 1, 10)]
    assert [*telemetry(unit, state)['units']] == names


def test_with_nothing_related_each_command_is_there(unit):
    state = unit.update_status(unit.state(scene.workers('w', id=11)))
    flows = telemetry(unit, state)['units']['w/0']
    for flow in flows.values():
        assert flow['to'] == []
        assert ': juju integrate coordinator:' in flow['why']


def test_units_that_are_bad_or_late_are_shown_with_the_reason(unit):
    bad = scene.worker_unit('w/1', address='};')
    state = unit.state(
        scene.workers('w', units=[0], databags={1: bad, 2: {}}, id=11), scene.scraper(id=14)
    )
    state = unit.update_status(state)
    shown = telemetry(unit, state)
    metrics = {name: flows['metrics'] for name, flows in shown['units'].items()}
    assert metrics['w/0']['to'] == ['prometheus']
    assert metrics['w/1']['why'].startswith('ignored: address: expected a hostname')
    assert metrics['w/2']['why'] == 'it has not published its address yet'
    assert shown['ignored'].keys() == {'w/1'}


@pytest.mark.parametrize('raw', hostile.RAW.values(), ids=hostile.RAW)
@pytest.mark.parametrize('action', ACTIONS)
def test_no_databag_fails_an_action_or_gets_into_its_answer(unit, action, raw):
    state = unit.state(
        scene.workers('w', databags={0: {'address': raw, 'juju_topology': raw}}, units=[1],
                      databag={'role': raw}, id=11),
        scene.scraper(id=14),
        scene.loki(databags={0: {'endpoint': raw}}, units=[], id=15),
        scene.tempo('charm-tracing', databag={'receivers': raw}, id=17),
        scene.store_ca(databag={'certificates': raw}, id=21),
    )  # fmt: skip
    for form in ('text', 'json'):
        answer = ask(unit, state, action, format=form)
        assert answer.replace('\n', '').isprintable()
        assert len(answer) < 6000
        assert 'w/0' in answer


@pytest.mark.parametrize('error', juju.REFUSALS.values(), ids=juju.REFUSALS)
@pytest.mark.parametrize('action', ACTIONS)
def test_a_relation_that_juju_refuses_is_not_there(unit, settled, action, error):
    with juju.refusing(11, error=error):
        answer = ask(unit, settled, action)
    assert 'gate/2' not in answer
    assert 'vault/0' in answer


@pytest.mark.parametrize('only', ['gate', 'gate/2', 'coordinator/1'])
def test_one_unit_or_application_can_be_asked_for(unit, settled, only):
    units = telemetry(unit, settled, only=only)['units']
    assert units
    assert all(only in (name, name.partition('/')[0]) for name in units)


@pytest.mark.parametrize('only', ['gate/99', 'nobody', '};'])
def test_one_that_is_not_there_fails(unit, settled, only):
    with pytest.raises(testing.ActionFailed, match='there is no unit and no application'):
        ask(unit, settled, 'show-telemetry', only=only)


# list-workers


def test_every_worker_is_listed_with_its_roles_and_its_place_in_nginx(unit, settled):
    found = workers(unit, settled)
    assert [*found['workers']] == ['both/0', 'both/1', 'gate/2', 'gate/10', 'vault/0']
    for name, one in found['workers'].items():
        assert one['address'] == scene.host(name)
        assert one['upstreams'] == one['roles'] != []
        assert one['why'] == ''
    assert (found['nginx-runs'], found['outdated-hosts']) == (True, [])


def test_what_nginx_has_is_read_from_the_file_in_use(unit, settled):
    (unit.folder / 'nginx.conf').write_text(unit.config.replace(scene.host('gate/2'), 'elsewhere'))
    found = workers(unit, settled)
    assert found['outdated-hosts'] == ['elsewhere']
    assert found['workers']['gate/2']['upstreams'] == []
    assert found['workers']['gate/2']['why'].startswith('the nginx.conf in use lacks it')


def test_an_nginx_that_cannot_be_asked_says_so(unit, settled):
    down = [dataclasses.replace(one, can_connect=False) for one in settled.containers]
    found = workers(unit, dataclasses.replace(settled, containers=down))
    assert found['nginx-runs'] is False
    whys = {one['why'] for one in found['workers'].values()}
    assert whys == {'the nginx.conf of coordinator/0 cannot be read'}


def test_before_nginx_has_a_configuration_there_are_workers(unit):
    found = workers(unit, unit.state(scene.workers('w', id=11)))
    assert found['workers']['w/0']['why'] == 'the nginx.conf of coordinator/0 cannot be read'


def test_people_get_a_table(unit, settled):
    lines = ask(unit, settled, 'list-workers').splitlines()
    assert lines[0].split()[:3] == ['unit', 'roles', 'address']
    assert lines[-1].split()[:3] == ['vault/0', 'vault', scene.host('vault/0')]
    assert len(lines) == 6


def test_what_goes_to_a_collector_is_shown_as_going_there(unit):
    relations = [*scene.deployment(), scene.collector(id=30)]
    state = unit.update_status(unit.state(*relations))
    units = telemetry(unit, state)['units']
    whys = {of[name]['why'] for of in units.values() for name in ('workload-logs', 'charm-logs')}
    assert whys == {''}
    for of in units.values():
        assert of['workload-logs']['to'] == ['http://otelcol:4318/v1/logs']
        assert of['charm-traces']['to'] == ['http://otelcol:4318/v1/traces']
    of_workers = [of for name, of in units.items() if not name.startswith(scene.APPLICATION)]
    assert of_workers
    for of in of_workers:
        assert of['workload-traces']['to'] == ['http://otelcol:4317']
