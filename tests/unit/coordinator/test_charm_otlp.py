"""A collector at the coordinator: what goes there instead of the stores, and what is published."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import cosl
import pytest
from ops import testing

import charms
import golden
import hostile
import juju
from coordinator import scene

GOLDEN = Path(__file__).parent / 'golden'
UNTRUSTED = 'are not sent over OTLP: no CA certificate for https://otelcol:4318'
FINE = f'5 workers ({", ".join(sorted(("vault 3", "gate 4")))})'
CONTAINERS = ['nginx', 'nginx-prometheus-exporter']
ENDPOINTS = {'logging': 15, 'charm-tracing': 17, 'workload-tracing': 18}
OTLP = {
    'logs_grpc': 'http://otelcol:4317',
    'logs_http': 'http://otelcol:4318',
    'traces_grpc': 'http://otelcol:4317',
    'traces_http': 'http://otelcol:4318',
}


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


def without(*endpoints):
    """The deployment without the stores on some endpoints."""
    return [relation for relation in scene.deployment() if relation.endpoint not in endpoints]


ALONE = without('logging', 'charm-tracing', 'workload-tracing', 'metrics-endpoint')


def deployed(unit, relations, *collector, **options):
    return unit.update_status(
        unit.state(*relations, scene.collector(*collector, id=30), **options)
    )


def log_targets(state, container='nginx'):
    targets = state.get_container(container).plan.log_targets.values()
    return {(str(one.type), one.location) for one in targets if one.services == ['all']}


def rules_of(state, number, key='alert_rules') -> Any:
    """The names of the groups that were published: kind → names."""
    text = state.get_relation(number).local_app_data[key]
    if key == 'rules':
        content = json.loads(cosl.LZMABase64.decompress(json.loads(text)))
        return {kind: names(content[kind]) for kind in content}
    return names(json.loads(text))


def names(published):
    return [group['name'] for group in published.get('groups', [])]


# What goes where


@pytest.mark.parametrize('relations', [scene.deployment(), ALONE], ids=['with stores', 'alone'])
def test_charm_logs_and_traces_go_to_the_collector_alone(unit, log, set_destination, relations):
    deployed(unit, relations)
    assert {url: state.otlp for url, state in log._kept.endpoints.items()} == {
        'http://otelcol:4318/v1/logs': True
    }
    set_destination.assert_called_once_with(url='http://otelcol:4318/v1/traces', ca=None)


@pytest.mark.parametrize('container', CONTAINERS)
@pytest.mark.parametrize('relations', [scene.deployment(), ALONE], ids=['with stores', 'alone'])
def test_workload_logs_go_to_the_collector_alone_with_the_five_labels(unit, container, relations):
    after = deployed(unit, relations)
    assert log_targets(after, container) == {('opentelemetry', 'http://otelcol:4318')}
    (labels,) = juju.enabled_log_targets(after.get_container(container)).values()
    assert labels == {
        'juju_model': 'm',
        'juju_model_uuid': juju.UUID,
        'juju_application': 'coordinator',
        'juju_unit': 'coordinator/0',
        'juju_charm': 'coordinator-k8s',
    }


def test_logs_move_to_the_collector_and_back(unit):
    before = unit.update_status(unit.state(*scene.deployment()))
    stores = log_targets(before)
    assert {kind for kind, _ in stores} == {'loki'}
    related = dataclasses.replace(before, relations=[*before.relations, scene.collector(id=30)])
    moved = unit.update_status(related)
    assert log_targets(moved) == {('opentelemetry', 'http://otelcol:4318')}
    back = unit.ctx.run(unit.ctx.on.relation_broken(moved.get_relation(30)), moved)
    assert log_targets(back) == stores


def test_what_a_collector_does_not_take_goes_to_the_stores(unit, log, set_destination):
    endpoints = [scene.otlp_endpoint('http', 'http://otelcol:4318', 'traces')]
    after = deployed(unit, scene.deployment(), endpoints)
    assert len(log._kept.endpoints) == 3
    assert {kind for kind, _ in log_targets(after)} == {'loki'}
    set_destination.assert_called_once_with(url='http://otelcol:4318/v1/traces', ca=None)


# What the workers get


def test_the_workers_get_the_collector_beside_the_stores(unit):
    """So that workers which do not know the collector's key still send to the stores."""
    plain = unit.update_status(unit.state(*scene.deployment()))
    after = deployed(unit, scene.deployment())
    databag = dict(after.get_relation(11).local_app_data)
    assert json.loads(databag.pop('otlp_endpoints')) == OTLP
    assert databag == plain.get_relation(11).local_app_data


def test_the_workers_get_it_in_one_key_that_goes_with_it(unit):
    after = deployed(unit, ALONE)
    assert after.get_relation(11).local_app_data.keys() == {'otlp_endpoints', 'worker_config'}
    gone = unit.ctx.run(unit.ctx.on.relation_broken(after.get_relation(30)), after)
    assert gone.get_relation(11).local_app_data.keys() == {'worker_config'}


# What the collector gets


def test_the_databag(unit):
    content = dict(deployed(unit, ALONE).get_relation(30).local_app_data)
    rules = json.loads(cosl.LZMABase64.decompress(json.loads(content.pop('rules'))))
    shown = {**content, 'rules': json.dumps(rules, sort_keys=True)}
    golden.check(GOLDEN / 'send-otlp.app.txt', golden.databag(shown))


def test_a_unit_that_does_not_lead_publishes_nothing(unit):
    after = deployed(unit, ALONE, leader=False)
    assert after.get_relation(30).local_app_data == {}
    assert after.get_relation(30).local_unit_data == {}


@pytest.mark.parametrize('leaves', ['', 'metrics-endpoint', 'logging'])
def test_each_rule_goes_where_its_signal_goes_and_nowhere_twice(unit, leaves):
    plain = unit.update_status(unit.state(*scene.deployment()))
    metrics, logs = rules_of(plain, 14), rules_of(plain, 15)
    assert metrics
    assert logs
    after = deployed(unit, without(leaves))
    over_otlp = rules_of(after, 30, 'rules')
    assert over_otlp['logql'] == logs
    assert over_otlp['promql'] == (metrics if leaves == 'metrics-endpoint' else [])
    if leaves != 'metrics-endpoint':
        assert rules_of(after, 14) == metrics
    if leaves != 'logging':
        assert rules_of(after, 15) == []


def test_rules_on_logs_stay_with_the_store_that_gets_the_logs(unit):
    endpoints = [scene.otlp_endpoint('grpc', 'http://otelcol:4317', 'logs', 'traces')]
    after = deployed(unit, scene.deployment(), endpoints)
    assert rules_of(after, 15)
    assert rules_of(after, 30, 'rules') == {'promql': [], 'logql': []}


def test_the_last_unit_withdraws_its_own_rules(unit):
    before = deployed(unit, ALONE)
    departing = dataclasses.replace(before, planned_units=0)
    with juju.variables(JUJU_DEPARTING_UNIT='coordinator/0'):
        event = unit.ctx.on.relation_departed(
            before.get_relation(30), remote_unit=0, departing_unit=0
        )
        after = unit.ctx.run(event, departing)
    watched = {
        name.split('_')[2] for kind in rules_of(after, 30, 'rules').values() for name in kind
    }
    assert watched == {'vault', 'both', 'gate'}


SOURCE = charms.ROOT / 'coordinator-charm' / 'src'
QUERIES = sorted([*SOURCE.glob('loki_alert_rules/*/*'), *SOURCE.glob('grafana_dashboards/*.json')])


@pytest.mark.parametrize('path', QUERIES, ids=lambda path: path.name)
def test_no_query_selects_a_label_that_is_not_there_over_otlp(path):
    assert 'pebble_service=' not in path.read_text()


# What is said


def test_what_is_not_used_is_one_short_note(unit):
    after = deployed(unit, scene.deployment())
    note = 'send-otlp is used instead of logging, charm-tracing, workload-tracing'
    assert after.unit_status == testing.ActiveStatus(f'{FINE}; {note}')
    assert juju.warnings(unit.ctx) == [note]
    unit.update_status(after)
    assert juju.warnings(unit.ctx) == [note]


def test_without_the_stores_nothing_is_noted(unit):
    assert deployed(unit, ALONE).unit_status == testing.ActiveStatus(FINE)


@pytest.mark.parametrize(
    ('endpoints', 'related', 'note'),
    [
        (
            [scene.otlp_endpoint('grpc', 'http://otelcol:4317', 'logs', 'traces')],
            ALONE,
            'logs, charm traces are not sent over OTLP: no HTTP endpoint takes them',
        ),
        (
            [scene.otlp_endpoint('grpc', 'http://otelcol:4317', 'logs', 'traces')],
            scene.deployment(),
            'send-otlp is used instead of workload-tracing',
        ),
        (
            [scene.otlp_endpoint('http', 'https://otelcol:4318', 'logs', 'traces')],
            scene.deployment(),
            f'logs, charm traces {UNTRUSTED}',
        ),
        ([scene.otlp_endpoint('http', 'http://otelcol:4318', 'metrics')], ALONE, ''),
    ],
)
def test_what_a_collector_would_take_and_does_not_get_is_said(unit, endpoints, related, note):
    after = deployed(unit, related, endpoints)
    assert after.unit_status == testing.ActiveStatus(f'{FINE}; {note}' if note else FINE)


def test_an_https_collector_gets_everything_with_a_ca(unit, log, set_destination):
    ca = (GOLDEN / 'store-ca.pem').read_text()
    endpoints = [
        scene.otlp_endpoint('grpc', 'otelcol:4317', 'logs', 'traces'),
        scene.otlp_endpoint('http', 'https://otelcol:4318', 'logs', 'traces'),
    ]
    related = [*ALONE, scene.store_ca(ca, id=20)]
    after = deployed(unit, related, endpoints)
    assert ({*log._kept.endpoints}, log._kept.ca) == ({'https://otelcol:4318/v1/logs'}, ca)
    set_destination.assert_called_once_with(url='https://otelcol:4318/v1/traces', ca=ca)
    for container in CONTAINERS:
        assert log_targets(after, container) == {('opentelemetry', 'https://otelcol:4318')}
        assert (unit.certs[container] / 'coordinated-telemetry.pem').read_text() == ca
    sent = json.loads(after.get_relation(11).local_app_data['otlp_endpoints'])
    assert sent['traces_grpc'] == 'https://otelcol:4317'
    assert after.unit_status == testing.ActiveStatus(FINE)
    gone = unit.ctx.run(unit.ctx.on.relation_broken(after.get_relation(20)), after)
    assert log_targets(gone) == set()
    assert 'no CA certificate for https://otelcol:4318' in gone.unit_status.message


# Untrusted, and quiet


def test_a_collector_that_was_there_leaves_nothing_behind(unit, tmp_path):
    never = scene.Coordinator(tmp_path / 'never')
    expected = never.update_status(never.state(*scene.deployment()))
    before = deployed(unit, scene.deployment())
    after = unit.ctx.run(unit.ctx.on.relation_broken(before.get_relation(30)), before)
    for container in CONTAINERS:
        assert log_targets(after, container) == log_targets(expected, container)
    for relation in expected.relations:
        assert after.get_relation(relation.id) == relation


def test_a_collector_that_came_later_is_one_that_was_always_there(unit, tmp_path):
    always = scene.Coordinator(tmp_path / 'always')
    expected = deployed(always, scene.deployment())
    state = unit.update_status(unit.state(*scene.deployment()))
    relation = scene.collector(databag={}, id=30)
    state = dataclasses.replace(state, relations=[*state.relations, relation])
    state = unit.ctx.run(unit.ctx.on.relation_created(relation), state)
    known = state.get_relation(30)
    published = dataclasses.replace(known, remote_app_data=scene.collector().remote_app_data)
    state = scene.replaced(state, published)
    with juju.variables(JUJU_REMOTE_UNIT=''):
        state = unit.ctx.run(unit.ctx.on.relation_changed(published, remote_unit=0), state)
    for container in CONTAINERS:
        assert log_targets(state, container) == log_targets(expected, container)
    for found in expected.relations:
        assert state.get_relation(found.id).local_app_data == found.local_app_data


@pytest.mark.parametrize('error', juju.REFUSALS.values(), ids=juju.REFUSALS)
def test_a_collector_that_juju_refuses_is_one_that_is_not_there(unit, tmp_path, error):
    reference = scene.Coordinator(tmp_path / 'reference')
    expected = reference.update_status(reference.state(*scene.deployment()))
    settled = deployed(unit, scene.deployment())
    with juju.refusing(30, error=error):
        after = unit.update_status(settled)
    found = scene.outcome(unit, after)
    del found['databags'][30]
    assert found['databags'] == scene.outcome(reference, expected)['databags']
    assert log_targets(after) == log_targets(expected)


@pytest.mark.parametrize('case', [*hostile.RAW])
def test_a_collector_that_makes_no_sense_is_one_that_is_not_there(unit, tmp_path, calls, case):
    reference = scene.Coordinator(tmp_path / 'reference')
    expected = reference.update_status(
        reference.state(*scene.deployment(), scene.collector(databag={}, id=30))
    )
    calls.clear()
    bad = scene.collector(databag={'endpoints': hostile.RAW[case]}, id=30)
    after = unit.update_status(unit.state(*scene.deployment(), bad))
    assert scene.outcome(unit, after) == scene.outcome(reference, expected)
    assert ('ignored: otelcol send-otlp (' in after.unit_status.message) == (case != 'empty list')


def test_a_hook_with_nothing_to_do_writes_nothing(unit, calls):
    after = deployed(unit, scene.deployment())
    settled = unit.update_status(after)
    calls.clear()
    again = unit.update_status(settled)
    assert calls.changes() == []
    assert [text for level, text in calls.of('juju-log') if level != 'DEBUG'] == []
    assert again.unit_status == settled.unit_status


def test_a_collector_costs_an_idle_event_four_hook_tools(unit, calls, tmp_path):
    counts = []
    for number, relations in enumerate(([], [scene.collector(id=30)])):
        (tmp_path / str(number)).mkdir()
        one = scene.Coordinator(tmp_path / str(number))
        state = one.update_status(one.state(*scene.deployment(), *relations))
        state = one.update_status(state)
        calls.clear()
        one.update_status(state)
        counts.append(len([tool for tool in calls.hook_tools() if tool != 'juju-log']))
    plain, collected = counts
    # relation-list, and relation-get of the collector's application.
    assert collected - plain <= 4


def test_the_same_state_gives_the_same_bytes(unit, tmp_path):
    other = scene.Coordinator(tmp_path / 'other')
    first, second = deployed(unit, scene.deployment()), deployed(other, scene.deployment()[::-1])
    assert first.get_relation(30).local_app_data == second.get_relation(30).local_app_data
    assert first.get_relation(11).local_app_data == second.get_relation(11).local_app_data
