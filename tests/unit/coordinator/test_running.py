"""What runs in both containers, and over which scheme."""

import dataclasses
import json
import time

import pytest

import authority
from coordinated_telemetry import rolling
from coordinator import requesting, scene, serving
from coordinator.source import certificates


def is_ready(state):
    return 'nginx-ready' in state.get_container('nginx').plan.checks


def test_a_new_unit_gets_no_requests_before_it_reaches_the_workers_over_https(unit):
    state = unit.update_status(unit.state(*requesting.deployment()))
    state = requesting.answered(unit, state)
    assert not is_ready(state)
    assert is_ready(requesting.echoed(unit, state))


@pytest.mark.parametrize('ca', [True, False])
def test_a_worker_that_serves_nothing_gets_no_requests(unit, ca):
    relations = requesting.deployment()[: None if ca else -1]
    relations[0] = requesting.workers(units=[0])
    relations[0].remote_units_data[0].update(schemes='[]')
    unit.update_status(unit.state(*relations))
    assert scene.host('w/0') not in unit.config


def test_a_renewal_changes_the_exporters_certificate_only(unit):
    secure = requesting.settled(unit)
    published = secure.get_relation(19).local_unit_data['schemes']
    after = requesting.answered(unit, secure)
    assert after.get_relation(19).local_unit_data['schemes'] == published


OTHER_CA = authority.authority('other')


def kept(state):
    """The CA of what this unit's nginx serves."""
    return json.loads(state.get_relation(19).local_unit_data['certificate'])['ca']


def with_a_new_ca(unit, secure, **entries):
    """The state after another CA took the place of the first and answered."""
    asked = requesting.answered(unit, secure, OTHER_CA, **entries)
    assert json.loads(asked.get_relation(11).local_app_data['ca_cert']).count('BEGIN') == 2
    return asked


def test_a_new_cas_certificate_is_served_once_the_workers_trust_it(unit):
    before = requesting.settled(unit)
    state = with_a_new_ca(unit, before)
    note = 'serving the previous certificate until w/0, w/1 can trust the new CA'
    assert note in state.unit_status.message
    state = requesting.echoed(unit, state, [0])
    assert kept(state) == authority.authority().certificate
    assert 'until w/1 can trust the new CA' in state.unit_status.message
    state = requesting.echoed(unit, state, [1])
    assert kept(state) == OTHER_CA.certificate
    assert serving.is_tls(unit)
    assert 'trust' not in state.unit_status.message


def test_a_worker_that_never_trusts_a_new_ca_holds_it_up_for_a_while_only(unit, monkeypatch):
    state = with_a_new_ca(unit, requesting.settled(unit), w1={'certificate': 'x'})
    state = requesting.echoed(unit, state, [0])
    assert kept(state) == authority.authority().certificate
    now = time.time()
    monkeypatch.setattr(time, 'time', lambda: now + rolling.PATIENCE + 1)
    assert kept(unit.update_status(state)) == OTHER_CA.certificate


def test_a_new_pod_without_the_previous_key_does_not_wait(unit, monkeypatch):
    """Removing the relation with the first CA removes the key; what nginx has goes on."""
    state = with_a_new_ca(unit, requesting.settled(unit))
    first, file = kept(state), certificates.Requirer.file

    def file_of_the_new_key(requirer, certificate):
        if certificate.ca == first:
            raise ValueError('its key is missing')
        return file(requirer, certificate)

    monkeypatch.setattr(certificates.Requirer, 'file', file_of_the_new_key)
    state = unit.update_status(serving.with_fresh_pod(unit, state))
    assert kept(state) == OTHER_CA.certificate


def test_a_ca_below_the_same_root_is_trusted_already(unit):
    state = requesting.settled(unit, ca=authority.below(authority.BELOW[1]))
    state = requesting.answered(unit, state, authority.authority())
    assert kept(state) == authority.authority().certificate


def test_a_worker_without_tls_holds_up_nothing(unit):
    state = requesting.settled(unit)
    relation = state.get_relation(11)
    plain = {
        number: {k: v for k, v in data.items() if k in ('address', 'juju_topology')}
        for number, data in relation.remote_units_data.items()
    }
    relation = dataclasses.replace(relation, remote_units_data=plain)
    state = unit.update_status(scene.replaced(state, relation))
    state = requesting.answered(unit, state, OTHER_CA)
    assert kept(state) == OTHER_CA.certificate
