"""Logs: where they go, Pebble's log targets and log alert rules."""

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from ops import pebble, testing

import hostile
from coordinated_telemetry import logs, publication, report, topology
from lib.acting import act, related

UNIT = topology.Topology('m', 'u', 'worker', 'worker/3', 'worker-k8s')

# Where logs go


def endpoint(url):
    return {'endpoint': json.dumps({'url': url})}


def read(*relations):
    done = act(lambda bags, _: logs.read_endpoints(bags, 'logging'), *relations)
    return done.result, done.ignored()


def test_every_unit_of_every_store_is_an_endpoint_in_one_order():
    units = {10: endpoint('http://a/push'), 9: endpoint('https://b/push')}
    others = {0: endpoint('http://c/push')}
    found, ignored = read(
        related('logging', 'z', units, id=3), related('logging', 'a', others, id=4)
    )
    assert list(found.items()) == [
        ('z/9', 'https://b/push'),
        ('z/10', 'http://a/push'),
        ('a/0', 'http://c/push'),
    ]
    assert ignored == {}


def test_without_a_store_there_is_no_endpoint():
    assert read() == ({}, {})


@pytest.mark.parametrize('databag', [{}, {'ingress-address': '10.0.0.1'}])
def test_a_unit_that_is_not_ready_is_no_fault(databag):
    units = {0: databag, 1: endpoint('http://a')}
    assert read(related('logging', 'loki', units)) == ({'loki/1': 'http://a'}, {})


@pytest.mark.parametrize(
    ('databag', 'why'),
    [
        (endpoint('ftp://a'), 'endpoint.url: expected an http or https URL, got "ftp://a"'),
        ({'endpoint': '{}'}, 'endpoint.url: Field required'),
        ({'endpoint': '{"url": 1}'}, 'endpoint.url: Input should be a valid string'),
        ({'endpoint': '{'}, 'endpoint: not JSON, EOF while parsing an object at line 1 column 1'),
    ],
)
def test_a_unit_that_is_not_valid_is_ignored_alone_and_named(databag, why):
    units = {0: databag, 1: endpoint('http://a')}
    assert read(related('logging', 'loki', units)) == ({'loki/1': 'http://a'}, {'loki/0': why})


@hypothesis.given(st.dictionaries(st.sampled_from(['endpoint', 'foreign']), hostile.raw_values))
@hypothesis.settings(max_examples=hostile.examples(100))
def test_whatever_a_unit_publishes_only_a_url_is_used(databag):
    found, ignored = read(related('logging', 'loki', {0: databag, 1: endpoint('http://a')}))
    assert found.pop('loki/1') == 'http://a'
    assert ignored.keys() <= {'loki/0'}
    assert all(hostile.is_url(url) for url in found.values())
    assert (bool(found) + bool(ignored)) == ('endpoint' in databag)


HTTP = {'loki/0': 'http://a', 'loki/1': 'http://b'}


def https(*numbers):
    return {f's/{number}': f'https://s-{number}/push' for number in numbers}


@pytest.mark.parametrize(
    ('endpoints', 'names'),
    [
        ({}, None),
        (HTTP, None),
        ({'loki/0': 'http://https:80/'}, None),
        (https(0), 's/0'),
        ({**HTTP, **https(0, 1)}, 's/0, s/1'),
        ({**https(0, 1, 2, 3), **HTTP}, 's/0, s/1, s/2'),
    ],
)
def test_logs_go_to_no_store_whose_ca_nobody_knows_and_a_note_says_so(endpoints, names):
    found = report.Report()
    plain = {name: url for name, url in endpoints.items() if url.startswith('http:')}
    assert logs.trusted(found, endpoints) == plain
    expected = [f'logs are not sent to {names}: no CA certificate for https://s-0/push']
    assert found == report.Report(notes=expected if names else [])


def test_with_a_ca_logs_go_to_https():
    found = report.Report()
    endpoints = {**https(0, 1), **HTTP}
    assert logs.trusted(found, endpoints, 'CA') == endpoints
    assert found.notes == []


# Alert rules


@pytest.mark.parametrize('groups', [[], [{'name': 'g', 'rules': []}]])
def test_rules_are_published_to_every_store_with_who_publishes_them(groups):
    requirer = topology.Topology('m', 'u', 'c', '', 'c-k8s')

    def action(bags, charm):
        return [logs.ensure_rules(bags, 'logging', charm.app, requirer, groups) for _ in range(2)]

    stores = [related('logging', 'a', id=3), related('logging', 'b', id=4)]
    done = act(action, *stores)
    assert done.result == [True, False]
    first, second = (dict(done.state.get_relation(number).local_app_data) for number in (3, 4))
    assert {key: json.loads(value) for key, value in first.items()} == {
        'alert_rules': publication.published(groups),
        'metadata': {
            'application': 'c',
            'charm_name': 'c-k8s',
            'model': 'm',
            'model_uuid': 'u',
            'unit': 'c/0',
        },
    }
    assert first == second


# Log targets

DISABLED: Any = {
    'override': 'replace',
    'type': 'loki',
    'location': 'http://disabled.invalid',
    'services': ['-all'],
}


def target(url):
    return {
        'override': 'replace',
        'type': 'loki',
        'location': url,
        'services': ['all'],
        'labels': UNIT.labels,
    }


def ensure_log_targets(urls, container=None):
    """Whether anything was changed, and the container as it was left."""
    container = container or testing.Container('work', can_connect=True)
    endpoints = {f'loki/{number}': url for number, url in enumerate(urls)}

    def action(bags, charm):
        work = charm.unit.get_container('work')
        return logs.ensure_log_targets(work, endpoints, UNIT, bags.report)

    done = act(action, containers=[container])
    assert done.report.notes == []
    return done.result, done.state.get_container('work')


def plan(container):
    return {name: found.to_dict() for name, found in container.plan.log_targets.items()}


def test_each_url_is_a_target_with_the_labels_of_the_unit():
    targets = logs.log_targets(['http://b', 'http://a', 'http://b'], UNIT)
    assert sorted(targets.values(), key=lambda target: target.get('location', '')) == [
        target('http://a'),
        target('http://b'),
    ]
    assert all(name.startswith('telemetry-') for name in targets)


def test_the_name_of_a_target_is_that_of_its_url_whatever_else_there_is():
    (name,) = logs.log_targets(['http://a'], UNIT)
    assert name in logs.log_targets(['http://b', 'http://a', 'http://c'], UNIT)


def test_targets_are_in_the_order_of_their_names():
    names = list(logs.log_targets([f'http://{number}' for number in range(20)], UNIT))
    assert names == sorted(names)


def test_one_of_ours_that_is_not_wanted_any_more_is_disabled():
    assert logs.log_targets([], UNIT, ['telemetry-x', 'another']) == {'telemetry-x': DISABLED}


def test_targets_are_added_once(calls):
    changed, container = ensure_log_targets(['http://a', 'http://b'])
    assert changed is True
    assert calls.changes() == ['pebble add']
    calls.clear()
    assert ensure_log_targets(['http://b', 'http://a'], container)[0] is False
    assert calls.changes() == []


def test_nothing_wanted_and_nothing_there_is_no_change(calls):
    assert ensure_log_targets([])[0] is False
    assert calls.changes() == []


def test_the_last_target_is_disabled_once(calls):
    _, container = ensure_log_targets(['http://a'])
    calls.clear()
    changed, container = ensure_log_targets([], container)
    assert changed is True
    assert list(plan(container).values()) == [DISABLED]
    assert ensure_log_targets([], container)[0] is False
    assert calls.changes() == ['pebble add']


def test_a_target_that_comes_back_is_enabled():
    _, container = ensure_log_targets(['http://a'])
    before = plan(container)
    _, container = ensure_log_targets([], container)
    changed, container = ensure_log_targets(['http://a'], container)
    assert changed is True
    assert plan(container) == before


def test_another_url_is_another_target():
    _, container = ensure_log_targets(['http://a'])
    _, container = ensure_log_targets(['http://b'], container)
    locations = sorted(found.get('location', '') for found in plan(container).values())
    assert locations == ['http://b', 'http://disabled.invalid']


def test_targets_of_others_are_left_alone():
    layer: Any = {'log-targets': {'other': {**DISABLED, 'location': 'http://x'}}}
    other = pebble.Layer(layer)
    container = testing.Container('work', can_connect=True, layers={'other': other})
    _, container = ensure_log_targets(['http://a'], container)
    _, container = ensure_log_targets([], container)
    assert plan(container)['other'] == {**DISABLED, 'location': 'http://x'}


def test_where_logs_are_sent_is_read_from_the_plan():
    layer: Any = {'log-targets': {'another': {**DISABLED, 'services': ['all']}}}
    other = pebble.Layer(layer)
    container = testing.Container('work', can_connect=True, layers={'other': other})
    _, container = ensure_log_targets(['http://b', 'http://a', 'http://c'], container)
    _, container = ensure_log_targets(['http://b', 'http://a'], container)

    def sent_to(bags, charm):
        return logs.sent_to(charm.unit.get_container('work'))

    assert act(sent_to, containers=[container]).result == ['http://a', 'http://b']


def test_an_empty_plan_gets_its_targets_again():
    _, before = ensure_log_targets(['http://a'])
    changed, after = ensure_log_targets(['http://a'])
    assert changed is True
    assert plan(after) == plan(before)


# Over OTLP


def test_a_collector_is_a_target_of_its_own_kind_beside_a_store_of_the_same_url():
    targets = logs.log_targets(['http://a'], UNIT, otlp='http://a')
    assert len(targets) == 2
    assert {target.get('type') for target in targets.values()} == {'loki', 'opentelemetry'}
    assert {target.get('location') for target in targets.values()} == {'http://a'}
    assert all(target.get('labels') == UNIT.labels for target in targets.values())


def test_a_collector_that_is_not_wanted_any_more_is_disabled():
    (name,) = logs.log_targets([], UNIT, otlp='http://a')
    assert logs.log_targets([], UNIT, [name]) == {name: DISABLED}
    assert logs.log_targets([], UNIT, [name], 'http://a')[name].get('type') == 'opentelemetry'


@pytest.mark.parametrize(('ca', 'count'), [('', 0), ('CA', 1)])
def test_a_collector_over_https_is_a_target_only_where_pebble_trusts_it(monkeypatch, ca, count):
    monkeypatch.setattr(logs.log_trust, 'ensure', lambda *found: (bool(found[2]), None))

    def action(bags, charm):
        work = charm.unit.get_container('work')
        logs.ensure_log_targets(work, {}, UNIT, bags.report, ca, 'https://a')

    done = act(action, containers=[testing.Container('work', can_connect=True)])
    assert len(plan(done.state.get_container('work'))) == count


def test_where_logs_go_over_otlp_is_told_with_the_path_that_pebble_adds():
    layer: Any = {'log-targets': logs.log_targets(['http://b'], UNIT, otlp='http://a')}
    container = testing.Container('work', can_connect=True, layers={'logs': pebble.Layer(layer)})
    done = act(
        lambda _, charm: logs.sent_to(charm.unit.get_container('work')), containers=[container]
    )
    assert done.result == ['http://a/v1/logs', 'http://b']
