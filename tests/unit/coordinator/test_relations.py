"""Relations that are not what they seem: refused by Juju, without an application, elsewhere."""

import dataclasses
import json

import ops
import pytest
from ops import testing

import juju
import relabelling
from coordinator import scene

IDS = {
    'cluster': 12,
    'metrics-endpoint': 14,
    'logging': 15,
    'charm-tracing': 17,
    'workload-tracing': 18,
    'certificates': 20,
}
TOOLS = {
    'reads and writes': ('relation_get', 'relation_set', 'relation_model_get'),
    'reads': ('relation_get', 'relation_model_get'),
    'the list of units': ('relation_list',),
}


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


def related(*, without: int = 0):
    """A deployment with everything, the certificate issued, perhaps without one relation."""
    relations = [*scene.deployment(), scene.certificates(id=20)]
    return [relation for relation in relations if relation.id != without]


def settled(unit, relations, **options):
    state = unit.update_status(unit.state(*relations, **options))
    if any(relation.id == 20 for relation in relations):
        state = unit.update_status(scene.answered(unit, state))
    return state


def outcome(unit, state, refused):
    """What a unit published and configured, but for what is in the refused relation."""
    found = scene.outcome(unit, state)
    found['databags'].pop(refused, None)
    found['databags'].pop(19)  # the certificate that was served with: another in each test
    return found


# Refused


@pytest.mark.parametrize('leader', [True, False], ids=['leader', 'follower'])
@pytest.mark.parametrize('error', juju.REFUSALS.values(), ids=juju.REFUSALS)
@pytest.mark.parametrize('tools', TOOLS.values(), ids=TOOLS)
@pytest.mark.parametrize('endpoint', IDS)
def test_a_relation_that_juju_refuses_counts_as_gone(
    unit, tmp_path, calls, endpoint, tools, error, leader
):
    if tools == TOOLS['the list of units']:
        error = ops.RelationNotFoundError  # the only error that ops lets through there
    refused = IDS[endpoint]
    reference = scene.Coordinator(tmp_path / 'reference')
    gone = [relation for relation in related() if relation.id not in (20, refused)]
    expected = outcome(reference, settled(reference, gone, leader=leader), refused)
    here = [relation for relation in related() if relation.id != 20 or refused == 20]
    calls.clear()
    with juju.refusing(refused, tools, error):
        after = unit.update_status(unit.state(*here, leader=leader))
        warnings = [text for level, text in calls.of('juju-log') if level == 'WARNING']
        assert outcome(unit, after, refused) == expected
        noted = [text for text in warnings if f'{endpoint}:{refused}' in text]
        assert len(noted) == 1
        assert f'{endpoint}:{refused}' in after.unit_status.message
        calls.clear()
        again = unit.update_status(after)
        assert outcome(unit, again, refused) == expected
        assert again.unit_status == after.unit_status
        assert juju.warnings(unit.ctx)[len(warnings) :] == []
        assert calls.of('relation-set') == []


@pytest.mark.parametrize('endpoint', IDS)
def test_a_relation_that_is_refused_only_when_it_is_written_harms_no_other(unit, endpoint):
    refused = IDS[endpoint]
    with juju.refusing(refused, ('relation_set',)):
        after = unit.update_status(unit.state(*related()))
    published = after.get_relation(11).local_app_data
    assert json.loads(published['worker_config'])
    targets = relabelling.scraped(after.get_relation(14)) if refused != 14 else {}
    assert len(targets) == (0 if refused == 14 else {'cluster': 6}.get(endpoint, 7))
    if endpoint != 'certificates':  # the library asks for nothing else
        assert f'{endpoint}:{refused}' in after.unit_status.message


@pytest.mark.parametrize('endpoint', IDS)
def test_a_relation_that_is_refused_later_takes_what_it_brought_with_it(unit, endpoint):
    before = settled(unit, related())
    refused = IDS[endpoint]
    with juju.refusing(refused):
        after = unit.ctx.run(unit.ctx.on.config_changed(), before)  # reads everything
    if endpoint == 'cluster':
        assert scene.host('vault/0') not in unit.config
    if endpoint == 'logging':
        targets = juju.enabled_log_targets(after.get_container('nginx'))
        assert list(targets) == [scene.push_url('loki-b/0')]
    assert f'{endpoint}:{refused} with' in after.unit_status.message


def test_it_is_used_again_once_juju_gives_it(unit):
    before = settled(unit, related())
    config = unit.config
    with juju.refusing(12):
        refused = unit.update_status(before)
    assert unit.config != config
    after = unit.update_status(refused)
    assert unit.config == config
    assert 'refuses' not in after.unit_status.message


def test_another_error_of_juju_fails_the_hook_which_is_run_again(unit):
    def error():
        return ops.ModelError('ERROR cannot reach the controller')

    with (
        juju.refusing(12, ('relation_get',), error),
        pytest.raises(testing.errors.UncaughtCharmError, match='cannot reach the controller'),
    ):
        unit.update_status(unit.state(*related()))


# Without an application


@pytest.mark.parametrize('endpoint', IDS)
def test_a_relation_without_an_application_is_skipped(unit, monkeypatch, endpoint):
    original = ops.Relation.__init__

    def without_application(self, name, number, *arguments, **options):
        original(self, name, number, *arguments, **options)
        if number == IDS[endpoint]:
            self.app = None
            self.units.clear()

    monkeypatch.setattr(ops.Relation, '__init__', without_application)
    after = unit.update_status(unit.state(*related()))
    assert after.unit_status.name in ('active', 'blocked', 'waiting')
    assert f'{endpoint}:' not in after.unit_status.message


# Across models


ELSEWHERE = '87654321-1234-4234-8234-123456789abc'


@pytest.mark.parametrize('name', ['worker', 'remote-0123456789abcdef0123456789abcdef'])
@pytest.mark.parametrize('leader', [True, False])
def test_workers_of_another_model_are_refused_whichever_side_offers(unit, name, leader):
    relation = scene.workers(name, id=12, remote_model_uuid=ELSEWHERE)
    after = unit.update_status(unit.state(relation, scene.scraper(id=14), leader=leader))
    assert after.unit_status == testing.BlockedStatus(
        '[cluster] no worker related: juju integrate coordinator:cluster WORKER; '
        f'ignored: {name} (in another model, but "cluster" cannot cross models)'
    )
    assert after.get_relation(12).local_app_data == {}
    assert scene.host(f'{name}/0') not in unit.config
    if leader:
        assert list(relabelling.scraped(after.get_relation(14))) == [
            f'{scene.host("coordinator/0")}:9113'
        ]


def test_workers_of_this_model_are_used_beside_those_of_another(unit, calls):
    relations = [
        scene.workers('both', id=11),
        scene.workers('far', id=12, remote_model_uuid=ELSEWHERE),
    ]
    after = unit.update_status(unit.state(*relations))
    assert after.unit_status.name == 'active'
    assert 'far (in another model' in after.unit_status.message
    assert after.get_relation(11).local_app_data
    assert after.get_relation(12).local_app_data == {}
    calls.clear()
    asked: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops.Relation, 'remote_model', property(lambda self: asked.append(self.id)))
        unit.update_status(after)
    assert asked == []  # where a relation leads never changes


def test_stores_may_be_in_another_model(unit):
    relations = [
        scene.workers('both', id=11),
        scene.scraper(id=14, remote_model_uuid=ELSEWHERE),
        scene.loki(id=15, remote_model_uuid=ELSEWHERE),
    ]
    after = unit.update_status(unit.state(*relations))
    assert after.unit_status == testing.ActiveStatus('1 worker (gate 1, vault 1)')
    assert relabelling.scraped(after.get_relation(14))
    assert juju.enabled_log_targets(after.get_container('nginx'))


def test_a_juju_that_cannot_tell_the_model_still_knows_who_is_related_to_an_offer(tmp_path):
    unit = scene.Coordinator(tmp_path)
    unit.ctx.juju_version = '3.6.0'
    name = 'remote-0123456789abcdef0123456789abcdef'
    relations = [scene.workers('both', id=11), scene.workers(name, id=12)]
    after = unit.update_status(unit.state(*relations))
    assert after.unit_status.name == 'active'
    assert f'{name} (in another model' in after.unit_status.message


# Scaled to 0, and lost


def watched(state):
    """The applications whose rules are published, and the units that are scraped."""
    relation = state.get_relation(14)
    groups = json.loads(relation.local_app_data['alert_rules']).get('groups', [])
    rules = {rule['labels']['juju_application'] for group in groups for rule in group['rules']}
    units = {labels['juju_unit'] for labels in relabelling.scraped(relation).values()}
    return rules, units


def test_workers_that_are_scaled_to_0_are_silent(unit):
    before = settled(unit, related())
    relation = dataclasses.replace(before.get_relation(12), remote_units_data={})
    after = unit.update_status(scene.replaced(before, relation))
    rules, units = watched(after)
    assert 'vault' not in rules
    assert 'vault/0' not in units
    assert {'coordinator', 'gate', 'both'} <= rules


def test_the_last_worker_that_departs_takes_its_rules_with_it(unit):
    before = settled(unit, related())
    relation = before.get_relation(12)
    event = unit.ctx.on.relation_departed(relation, remote_unit=0, departing_unit=0)
    rules, units = watched(unit.ctx.run(event, before))
    assert 'vault' not in rules
    assert 'vault/0' not in units


def test_workers_that_publish_nothing_valid_any_more_are_missed(unit):
    """HostMetricsMissing fires for them: they are there, and nobody scrapes them."""
    before = settled(unit, related())
    relation = dataclasses.replace(
        before.get_relation(12), remote_units_data={0: {'address': '"a;b"'}}
    )
    now = scene.replaced(before, relation)
    event = unit.ctx.on.relation_changed(relation, remote_unit=0)
    after = unit.ctx.run(event, now)
    rules, units = watched(after)
    assert 'vault' in rules
    assert 'vault/0' not in units
    groups = json.loads(after.get_relation(14).local_app_data['alert_rules'])['groups']
    assert any(
        rule['alert'] == 'HostMetricsMissing' and 'juju_application="vault"' in rule['expr']
        for group in groups
        for rule in group['rules']
    )


def scaled_to(unit, state, number):
    """The state after the first hook of the departure of this unit, of so many that stay."""
    relation = state.get_relation(14)
    now = dataclasses.replace(state, planned_units=number)
    with juju.variables(JUJU_DEPARTING_UNIT='coordinator/0'):
        return unit.ctx.run(unit.ctx.on.relation_departed(relation, remote_unit=0), now)


def test_a_coordinator_that_is_scaled_to_0_takes_back_its_own_and_leaves_its_workers(unit):
    before = settled(unit, related())
    after = scaled_to(unit, before, 0)
    rules, units = watched(after)
    assert rules == {'gate', 'vault', 'both'}
    assert {name.partition('/')[0] for name in units} == {'gate', 'vault', 'both'}
    log_rules = json.loads(after.get_relation(15).local_app_data['alert_rules'])['groups']
    assert {r['labels']['juju_application'] for g in log_rules for r in g['rules']} == rules
    for number in (11, 17, 18, 19):
        assert after.get_relation(number) == before.get_relation(number)
    # Later hooks of the dying unit see less and less, and write nothing.
    relation = dataclasses.replace(after.get_relation(11), remote_units_data={})
    end = scene.replaced(after, relation)
    assert unit.ctx.run(unit.ctx.on.relation_broken(relation), end).get_relation(
        14
    ) == after.get_relation(14)


def test_a_leader_that_departs_from_others_takes_nothing_back(unit):
    before = settled(unit, related())
    after = scaled_to(unit, before, 1)
    assert after.get_relation(14) == before.get_relation(14)
    assert after.get_relation(15) == before.get_relation(15)


def test_a_coordinator_that_comes_back_is_watched_again(unit, tmp_path):
    before = settled(unit, related())
    expected = watched(before)
    gone = scaled_to(unit, before, 0)
    new = scene.Coordinator(tmp_path / 'new')
    back = dataclasses.replace(gone, stored_states=[], planned_units=1)
    assert watched(new.ctx.run(new.ctx.on.leader_elected(), back)) == expected


# One address, several owners


def test_the_second_unit_with_an_address_is_ignored_and_named(unit):
    same = {'address': json.dumps(scene.host('both/0').upper())}
    copy = {**scene.worker_unit('both/1'), **same}
    relations = [
        scene.workers('both', units=[0], databags={1: copy}, id=11),
        scene.scraper(id=14),
    ]
    after = unit.update_status(unit.state(*relations))
    assert 'both/1 (has the address of both/0)' in after.unit_status.message
    assert watched(after)[1] == {'coordinator/0', 'both/0'}
    assert unit.config.lower().count(scene.host('both/0')) == 2  # once for each role


def test_it_is_the_same_unit_whichever_application_comes_first(unit):
    copy = {**scene.worker_unit('a/0'), 'address': json.dumps(scene.host('b/0'))}
    for ids in ((11, 12), (12, 11)):
        relations = [
            scene.workers('a', units=[], databags={0: copy}, id=ids[0]),
            scene.workers('b', id=ids[1]),
        ]
        after = unit.update_status(unit.state(*relations))
        assert 'b/0 (has the address of a/0)' in after.unit_status.message


# Stores that nobody trusts


def test_logs_to_https_without_a_ca_are_not_sent_and_the_status_says_so(unit):
    databag = {'endpoint': json.dumps({'url': 'https://loki:3100/loki/api/v1/push'})}
    relations = [
        scene.workers('both', id=11),
        scene.loki('loki', units=[1], databags={0: databag}, id=15),
    ]
    after = unit.update_status(unit.state(*relations))
    assert after.unit_status == testing.ActiveStatus(
        '1 worker (gate 1, vault 1); logs are not sent to loki/0: no CA certificate for '
        'https://loki:3100/loki/api/v1/push'
    )
    for container in ('nginx', 'nginx-prometheus-exporter'):
        targets = juju.enabled_log_targets(after.get_container(container))
        assert list(targets) == [scene.push_url('loki/1')]
    # Whether a worker trusts it is the worker's to know.
    handed_on = json.loads(after.get_relation(11).local_app_data['loki_endpoints'])
    assert list(handed_on) == ['loki/0', 'loki/1']


# Events that never came


def test_what_an_event_that_never_came_would_have_brought_is_there_after_update_status(unit):
    """The hook was skipped with `juju resolve --no-retry`, or the event was lost on its way."""
    late = [
        scene.workers('both', units=[], databags={0: {}}, id=11),
        scene.loki(units=[], databags={0: {}}, id=15),
    ]
    before = unit.update_status(unit.state(*late))
    assert before.unit_status.name == 'waiting'
    here = [scene.workers('both', units=[0], id=11), scene.loki(units=[0], id=15)]
    after = unit.update_status(scene.replaced(before, *here))
    assert after.unit_status == testing.ActiveStatus('1 worker (gate 1, vault 1)')
    assert scene.host('both/0') in unit.config
    targets = juju.enabled_log_targets(after.get_container('nginx'))
    assert list(targets) == [scene.push_url('loki/0')]


def test_an_old_address_is_gone_after_update_status(unit):
    before = settled(unit, related())
    moved = {**scene.worker_unit('vault/0'), 'address': json.dumps('moved.example')}
    url = {'endpoint': json.dumps({'url': 'http://moved:3100/push'})}
    now = scene.replaced(
        before,
        scene.workers('vault', 'vault', units=[], databags={0: moved}, id=12),
        scene.loki(units=[1], databags={0: url}, id=15),
    )
    for _ in range(3):  # nine units are remembered, and four are read again each time
        now = unit.update_status(now)
    assert 'moved.example' in unit.config
    assert scene.host('vault/0') not in unit.config
    targets = juju.enabled_log_targets(now.get_container('nginx'))
    assert 'http://moved:3100/push' in targets
    assert scene.push_url('loki/0') not in targets
