"""The CAs of the stores at the worker: what charm and workload trust, and until when."""

import dataclasses
from pathlib import Path

import pytest
from ops import testing

import authority
import golden
import hostile
import juju
from worker import scene

A, B = sorted(authority.authority(name).certificate for name in ('ca', 'other'))
URL = 'https://a:3100/push'
HTTPS = {
    'loki_endpoints': {'loki/0': URL, 'loki/1': 'http://b:3100/push'},
    'charm_tracing_receivers': {'otlp_http': 'https://t:4318'},
    'workload_tracing_receivers': {'otlp_http': 'https://t:4318', 'otlp_grpc': 't:4317'},
}
BOTH = set(HTTPS['loki_endpoints'].values())
GOLDEN = Path(__file__).parent / 'golden'
PATH = '/etc/imagined/traces-ca.pem'
VARIABLE = 'OTEL_EXPORTER_OTLP_CERTIFICATE'


@pytest.fixture
def unit(tmp_path):
    return scene.Worker(tmp_path)


def state_of(unit, state=None, **changes):
    """The state after the coordinator published this."""
    relation = scene.coordinator(scene.published(**{**HTTPS, **changes}), id=21)
    if state is None:
        return unit.update_status(unit.state(relation))
    relation = dataclasses.replace(
        state.get_relation(21), remote_app_data=relation.remote_app_data
    )
    others = [other for other in state.relations if other.id != 21]
    return unit.update_status(dataclasses.replace(state, relations=[*others, relation]))


def environment(state):
    return scene.service(state)['environment']


def trusted(unit):
    path = unit.folder / 'traces-ca.pem'
    return path.read_text() if path.exists() else None


def test_logs_and_traces_go_to_https_with_a_ca(unit, log, set_destination):
    after = state_of(unit, receive_ca_certs=A)
    assert (set(log._kept.endpoints), log._kept.ca) == ({URL, 'http://b:3100/push'}, A)
    set_destination.assert_called_once_with(url='https://t:4318/v1/traces', ca=A)
    assert environment(after)['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] == 'https://t:4317'
    assert environment(after)[VARIABLE] == PATH
    assert trusted(unit) == A


def test_the_plan(unit):
    fixed = (GOLDEN / 'store-ca.pem').read_text()
    plan = state_of(unit, receive_ca_certs=fixed).get_container('workload').plan.to_dict()
    golden.check(GOLDEN / 'workload-with-store-ca.plan.yaml', golden.layer(plan))


def pebbles(unit, state):
    """What Pebble is given to trust, or None, and where it sends logs."""
    path = unit.certs / 'coordinated-telemetry.pem'
    targets = juju.enabled_log_targets(state.get_container('workload'))
    return path.read_text() if path.exists() else None, set(targets)


def test_workload_logs_go_to_https_with_a_ca(unit):
    after = state_of(unit, receive_ca_certs=A)
    assert pebbles(unit, after) == (A, BOTH)
    assert after.unit_status == testing.ActiveStatus('ready: all')


def test_a_ca_that_pebble_cannot_learn_of_is_noted_once(unit):
    before = state_of(unit, receive_ca_certs=A)
    note = 'workload logs may not reach loki/0: restart the pod worker-0 to trust the new CA'
    after = state_of(unit, before, receive_ca_certs=A + B)
    after = state_of(unit, after, receive_ca_certs=A + B)
    assert pebbles(unit, after) == (A, BOTH)
    assert after.unit_status == testing.ActiveStatus(f'ready: all; {note}')
    assert juju.warnings(unit.ctx) == [note]


def test_a_new_pod_knows_the_ca_of_now(unit):
    before = state_of(unit, receive_ca_certs=A)
    before = state_of(unit, before, receive_ca_certs=B)
    assert pebbles(unit, before) == (None, BOTH - {URL})
    after = unit.update_status(dataclasses.replace(before, containers=[unit.container()]))
    assert pebbles(unit, after) == (B, BOTH)


def test_traces_over_http_need_no_ca_and_another_one_restarts_nothing(unit):
    workload_tracing = {'otlp_grpc': 'tempo:4317', 'otlp_http': 'http://tempo:4318'}
    before = state_of(unit, receive_ca_certs=A, workload_tracing_receivers=workload_tracing)
    assert VARIABLE not in environment(before)
    assert trusted(unit) is None
    after = state_of(unit, before, receive_ca_certs=B, workload_tracing_receivers=workload_tracing)
    assert environment(after) == environment(before)


def test_another_ca_restarts_the_workload_with_it(unit):
    before = state_of(unit, receive_ca_certs=A)
    after = state_of(unit, before, receive_ca_certs=A + B)
    assert trusted(unit) == A + B
    assert environment(after) != environment(before)
    again = state_of(unit, after, receive_ca_certs=A + B)
    assert environment(again) == environment(after)


def test_another_ca_waits_for_the_units_before_this_one(tmp_path):
    unit = scene.Worker(tmp_path, number=3)
    peers = scene.peers({1: 'other'}, id=22)
    first = scene.coordinator(scene.published(**HTTPS, receive_ca_certs=A), id=21)
    before = unit.update_status(unit.state(first, peers))
    after = state_of(unit, before, receive_ca_certs=B)
    assert 'will restart after worker/1' in after.unit_status.message
    assert environment(after) == environment(before)
    assert trusted(unit) == A


def test_without_the_ca_workload_and_charm_trust_it_no_more(unit, log, set_destination):
    before = state_of(unit, receive_ca_certs=A)
    set_destination.reset_mock()
    after = state_of(unit, before)
    assert trusted(unit) is None
    assert not [key for key in environment(after) if key.startswith('OTEL_')]
    assert log._kept.ca == ''
    assert URL not in log._kept.endpoints
    set_destination.assert_called_once_with(url=None, ca=None)
    assert pebbles(unit, after) == (None, BOTH - {URL})


def test_without_the_relation_workload_and_charm_trust_it_no_more(unit, log, set_destination):
    before = state_of(unit, receive_ca_certs=A)
    set_destination.reset_mock()
    after = unit.ctx.run(unit.ctx.on.relation_broken(before.get_relation(21)), before)
    assert trusted(unit) is None
    assert not [key for key in environment(after) if key.startswith('OTEL_')]
    assert (log._kept.endpoints, log._kept.ca) == ({}, '')
    assert pebbles(unit, after) == (None, set())
    set_destination.assert_called_once_with(url=None, ca=None)


def test_a_file_that_was_left_behind_goes_with_the_next_hook(unit):
    before = state_of(unit, receive_ca_certs=A)
    broken = unit.ctx.run(unit.ctx.on.relation_broken(before.get_relation(21)), before)
    (unit.folder / 'traces-ca.pem').write_text(A)
    unit.update_status(dataclasses.replace(broken, relations=[]))
    assert trusted(unit) is None


def test_while_the_coordinator_says_nothing_all_stays(unit, log, set_destination):
    before = state_of(unit, receive_ca_certs=A)
    set_destination.reset_mock()
    relation = dataclasses.replace(before.get_relation(21), remote_app_data={})
    after = unit.update_status(dataclasses.replace(before, relations=[relation]))
    assert trusted(unit) == A
    assert environment(after) == environment(before)
    assert log._kept.ca == A
    assert pebbles(unit, after) == (A, BOTH)
    set_destination.assert_not_called()


def test_the_ca_of_the_coordinator_goes_with_its_tls(unit):
    before = state_of(unit, ca_cert=A)
    assert (unit.folder / 'ca' / 'ca.pem').read_text() == A
    state_of(unit, before)
    assert not (unit.folder / 'ca' / 'ca.pem').exists()


def test_neither_ca_stands_for_the_other(unit):
    both = state_of(unit, ca_cert=A, receive_ca_certs=B)
    assert (unit.folder / 'ca' / 'ca.pem').read_text() == A
    assert [path.name for path in (unit.folder / 'ca').iterdir()] == ['ca.pem']
    assert trusted(unit) == B
    assert environment(both)['TRUSTS'] == '/etc/imagined/ca/ca.pem'
    one = state_of(unit, both, receive_ca_certs=B)
    assert '--calls=http://' in scene.service(one)['command']
    other = state_of(unit, one, ca_cert=A)
    assert VARIABLE not in environment(other)


BAD = {
    'not PEM': '"text"',
    'a list': f'["{A}"]',
    'a bundle with a text in it': '"-----BEGIN CERTIFICATE-----"',
    'half of a surrogate pair': hostile.RAW['half a surrogate pair'],
    'one megabyte of [': '[' * 200_000,
    'a number': '1',
}


@pytest.mark.parametrize('raw', BAD.values(), ids=BAD)
def test_a_ca_that_makes_no_sense_is_ignored_alone(unit, raw):
    databag = {**scene.published(**HTTPS, ca_cert=A), 'receive_ca_certs': raw}
    after = unit.update_status(unit.state(scene.coordinator(databag, id=21)))
    assert 'ignored: coordinator (receive_ca_certs: ' in after.unit_status.message
    assert trusted(unit) is None
    assert (unit.folder / 'ca' / 'ca.pem').read_text() == A
    targets = juju.enabled_log_targets(after.get_container('workload'))
    assert list(targets) == ['http://b:3100/push']
