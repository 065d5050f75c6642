"""The CAs of the stores at the coordinator: what it trusts, says and hands over."""

import dataclasses
import json
from pathlib import Path

import pytest
from ops import testing

import authority
import golden
import hostile
import juju
from coordinator import scene

A, B = sorted(authority.authority(name).certificate for name in ('ca', 'other'))
URL = 'https://loki:3100/loki/api/v1/push'
GOLDEN = Path(__file__).parent / 'golden'
WORKERS = scene.workers('both', id=11)
HTTPS = [
    WORKERS,
    scene.loki(databags={0: scene.encoded(endpoint={'url': URL})}, id=15),
    scene.tempo('charm-tracing', [scene.receiver('otlp_http', 'https://tempo:4318')], id=17),
]
FINE = '1 worker (gate 1, vault 1)'
CONTAINERS = ('nginx', 'nginx-prometheus-exporter')


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


def handed_over(state):
    text = state.get_relation(11).local_app_data.get('receive_ca_certs')
    return None if text is None else json.loads(text)


def test_charm_logs_and_traces_go_to_https_with_a_ca(unit, log, set_destination):
    after = unit.update_status(unit.state(*HTTPS, scene.store_ca(A, id=20)))
    assert (set(log._kept.endpoints), log._kept.ca) == ({URL}, A)
    set_destination.assert_called_once_with(url='https://tempo:4318/v1/traces', ca=A)
    assert handed_over(after) == A


def trusted(unit, container):
    """What Pebble is given to trust in a container, or None."""
    path = unit.certs[container] / 'coordinated-telemetry.pem'
    return path.read_text() if path.exists() else None


@pytest.mark.parametrize('container', CONTAINERS)
def test_workload_logs_go_to_https_with_a_ca_until_it_goes(unit, container):
    state = unit.update_status(unit.state(*HTTPS, scene.store_ca(A, id=20)))
    assert list(juju.enabled_log_targets(state.get_container(container))) == [URL]
    assert trusted(unit, container) == A
    assert state.unit_status == testing.ActiveStatus(FINE)
    state = unit.ctx.run(unit.ctx.on.relation_broken(state.get_relation(20)), state)
    assert juju.enabled_log_targets(state.get_container(container)) == {}
    assert trusted(unit, container) is None
    assert f'logs are not sent to loki/0: no CA certificate for {URL}' in state.unit_status.message


def test_a_ca_that_pebble_cannot_learn_of_is_noted_once(unit):
    state = unit.update_status(unit.state(*HTTPS, scene.store_ca(A, id=20)))
    state = scene.replaced(state, scene.store_ca(A, B, id=20))
    note = 'workload logs may not reach loki/0: restart the pod coordinator-0 to trust the new CA'
    for _ in range(2):
        state = unit.update_status(state)
        assert state.unit_status == testing.ActiveStatus(f'{FINE}; {note}')
    assert juju.warnings(unit.ctx) == [note]
    for container in CONTAINERS:
        assert list(juju.enabled_log_targets(state.get_container(container))) == [URL]


@pytest.mark.parametrize(
    'ca', [[], [scene.store_ca(id=20)], [scene.store_ca('text', id=20)]],
    ids=['no provider', 'one that is not ready', 'one that makes no sense'],
)  # fmt: skip
def test_without_a_ca_nothing_is_sent_to_https(unit, log, set_destination, ca):
    after = unit.update_status(unit.state(*HTTPS, *ca))
    assert (set(log._kept.endpoints), log._kept.ca) == (set(), '')
    set_destination.assert_called_once_with(url=None, ca=None)
    assert handed_over(after) is None
    assert after.unit_status.message.startswith(
        f'{FINE}; logs are not sent to loki/0: no CA certificate for {URL}; charm traces are not '
        'sent: no CA certificate for https://tempo:4318'
    )


@pytest.mark.parametrize(
    'relations', [('cluster', 11), ('receive-ca-cert', 20)], ids=lambda found: found[0]
)
def test_the_databags(unit, relations):
    endpoint, number = relations
    fixed = (GOLDEN / 'store-ca.pem').read_text()
    after = unit.update_status(unit.state(*HTTPS, scene.store_ca(fixed, id=20)))
    content = after.get_relation(number).local_app_data
    golden.check(GOLDEN / f'{endpoint}.with-store-ca.app.txt', golden.databag(content))


def test_without_the_relation_the_trust_is_gone(unit, log, set_destination):
    before = unit.update_status(unit.state(*HTTPS, scene.store_ca(A, id=20)))
    set_destination.reset_mock()
    event = unit.ctx.on.relation_broken(before.get_relation(20))
    after = unit.ctx.run(event, before)
    assert (set(log._kept.endpoints), log._kept.ca) == (set(), '')
    set_destination.assert_called_once_with(url=None, ca=None)
    assert handed_over(after) is None
    assert 'no CA certificate' in after.unit_status.message


def test_a_refused_relation_brings_no_trust_and_harms_no_other(unit):
    state = unit.state(*HTTPS, scene.store_ca(A, id=20), scene.store_ca(B, app='b', id=21))
    with juju.refusing(20):
        after = unit.update_status(state)
    assert handed_over(after) == B
    assert 'Juju refuses the relation receive-ca-cert:20 with store-ca' in (
        after.unit_status.message
    )


def test_a_ca_and_its_successor_are_both_trusted_while_both_are_published(unit):
    state = unit.update_status(unit.state(*HTTPS, scene.store_ca(A, id=20)))
    seen = []
    for published in ([A, B], [B]):
        relation = dataclasses.replace(
            state.get_relation(20),
            remote_app_data=scene.encoded(certificates=published, version=1),
        )
        with juju.variables(JUJU_REMOTE_UNIT=''):
            event = unit.ctx.on.relation_changed(relation, remote_unit=0)
            state = unit.ctx.run(event, scene.replaced(state, relation))
        seen.append(handed_over(state))
    assert seen == [A + B, B]


def test_units_of_version_0_come_and_go(unit):
    units = {0: {'ca': A}, 1: {'ca': B}}
    state = unit.update_status(unit.state(*HTTPS, scene.store_ca(units=units, id=20)))
    assert handed_over(state) == A + B
    event = unit.ctx.on.relation_departed(state.get_relation(20), remote_unit=1, departing_unit=1)
    assert handed_over(unit.ctx.run(event, state)) == A


def test_the_leader_asks_every_provider_for_version_1(unit):
    relations = [scene.store_ca(A, id=20), scene.store_ca(app='b', id=21)]
    after = unit.update_status(unit.state(WORKERS, *relations))
    assert [after.get_relation(n).local_app_data for n in (20, 21)] == [{'version': '1'}] * 2
    other = unit.update_status(unit.state(WORKERS, *relations, leader=False))
    assert other.get_relation(20).local_app_data == {}


def test_a_ca_that_only_the_stores_have_turns_no_tls_on(unit):
    after = unit.update_status(unit.state(WORKERS, scene.store_ca(A, id=20)))
    assert 'ca_cert' not in after.get_relation(11).local_app_data
    assert 'ssl' not in unit.config


def test_what_a_ca_says_elsewhere_does_not_stop_its_certificates(unit):
    """One application often issues certificates and publishes its CA."""
    bad = scene.store_ca('text', app='ca', id=21)
    state = unit.update_status(unit.state(WORKERS, scene.certificates(id=20), bad))
    unit.update_status(scene.answered(unit, state))
    assert 'ssl_certificate' in unit.config
    huge = scene.replaced(state, scene.store_ca(hostile.LONG, app='ca', id=21))
    assert authority.requests(unit.update_status(huge).get_relation(20).local_unit_data)


def test_a_hook_with_nothing_to_do_writes_nothing_and_keeps_to_its_budget(unit, calls):
    relations = [*scene.deployment(), scene.store_ca(A, id=20)]
    state = unit.update_status(unit.state(*relations))
    calls.clear()
    unit.update_status(state)
    assert calls.changes() == []
    tools = [tool for tool in calls.hook_tools() if tool != 'juju-log']
    # Juju is asked about each endpoint, related or not; of this one there is a relation-list and
    # two relation-get too.
    meta = scene.SPECIFICATION['meta']
    endpoints = [name for side in ('provides', 'requires', 'peers') for name in meta[side]]
    assert len(tools) <= 33 + len(endpoints) + 3


def test_the_units_of_a_provider_of_version_0_cost_nothing_in_other_hooks(unit, calls):
    costs = set()
    for number in (2, 10):
        units = {unit_number: {'ca': A} for unit_number in range(number)}
        state = unit.update_status(unit.state(WORKERS, scene.store_ca(units=units, id=20)))
        calls.clear()
        unit.ctx.run(unit.ctx.on.pebble_ready(state.get_container('nginx')), state)
        costs.add(len(calls.hook_tools()))
    assert len(costs) == 1
