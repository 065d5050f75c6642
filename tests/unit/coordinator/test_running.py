"""What runs in both containers, and over which scheme."""

import pytest

from coordinator import requesting, scene


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
