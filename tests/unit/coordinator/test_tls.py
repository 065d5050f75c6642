"""What a CA provides, which certificate nginx serves with, and the file that it is in."""

import dataclasses
import json

import pytest

import hostile
from coordinator import scene
from coordinator.serving import CA, check_harmless, expired, files, is_tls, server, with_fresh_pod

# In the charm


def test_a_unit_that_is_added_gets_no_requests_before_its_certificate(unit, plain):
    """If the image has a check of that name, which fails until the charm replaces it."""
    assert not plain.get_container('nginx').plan.checks
    served = scene.answered(unit, plain)
    assert list(served.get_container('nginx').plan.checks) == ['nginx-ready']
    after = expired(unit, served)
    assert list(after.get_container('nginx').plan.checks) == ['nginx-ready']


@pytest.mark.parametrize('mode', [0o644, 0o640, 0o400])
def test_a_key_that_others_may_read_is_hidden_again(unit, served, mode):
    before = files(unit)
    (unit.folder / min(before)).chmod(mode)
    unit.update_status(served)
    assert files(unit) == before
    assert (unit.folder / min(before)).stat().st_mode & 0o777 == 0o600


def test_workers_are_told_of_the_ca_by_a_leader_that_serves_tls(unit, served, tmp_path):
    assert json.loads(served.get_relation(11).local_app_data['ca_cert']) == CA.certificate
    follower = scene.Coordinator(tmp_path / 'follower')
    relations = [scene.workers('w', id=11), scene.certificates(id=20)]
    state = follower.update_status(follower.state(*relations, leader=False))
    after = scene.answered(follower, state)
    assert is_tls(follower)
    assert after.get_relation(11).local_app_data == {}


def test_without_its_key_a_new_pod_says_so(unit, served):
    state = with_fresh_pod(unit, dataclasses.replace(served, secrets=[]))
    after = unit.update_status(state)
    assert not any('ssl' in line for line in server(unit))
    assert 'ca (cannot serve with its certificate: its key' in after.unit_status.message


DATABAGS = {
    **{f'certificates: {case}': {'certificates': raw} for case, raw in hostile.RAW.items()},
    **{
        f'{key}: {case}': {'certificates': '[]', key: raw}
        for key in ('request_errors', 'capabilities')
        for case, raw in hostile.RAW.items()
    },
    'foreign': {'certificates': '[]', 'foreign': hostile.LONG},
}
READY = {
    *(f'{key}: null' for key in ('certificates', 'request_errors', 'capabilities')),
    *(f'{key}: empty list' for key in ('certificates', 'request_errors')),
    *(f'capabilities: {case}' for case in hostile.RAW if case.split()[-1] == 'mapping'),
    *(f'capabilities: mapping of {what}' for what in ('null', 'lists')),
}  # fmt: skip


@pytest.mark.parametrize('case', DATABAGS)
def test_a_databag_that_makes_no_sense_takes_nothing_away(unit, served, calls, case):
    names = [] if case in READY else ['ca']
    check_harmless(unit, served, calls, DATABAGS[case], names)
