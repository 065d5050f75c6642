"""The CAs that the deployment trusts."""

import dataclasses
import json

import pytest

import authority
from coordinator import requesting, scene
from coordinator.source import answers, tls, tls_data, trusted
from coordinator.test_schemes import seen

A, B = (authority.authority(name).certificate for name in ('ca', 'other'))
SERVED = tls.Certificate(chain=A, ca=A)


def before(*cas, **options):
    """A state in which the leader keeps these CAs."""
    state = seen(None, True, ('http',))
    return dataclasses.replace(state, shared=tls_data.Shared(trusted=list(cas)), **options)


def test_a_ca_that_nobody_needs_goes_in_an_update_status_only():
    state = before(B)
    assert trusted.by_all(state, SERVED, {}, [], narrows=False) == sorted([A, B])
    assert trusted.by_all(state, SERVED, {}, [], narrows=True) == [A]


def test_there_is_a_bound_and_what_is_used_now_comes_first(monkeypatch):
    monkeypatch.setattr(tls_data, 'MAX_CAS', 1)
    assert trusted.by_all(before(B), SERVED, {}, [], narrows=False) == [A]


def test_a_unit_trusts_what_it_sees_before_the_leader_says_so():
    state = before(A, tls=tls.Tls('ca', answered=answers.Answers(cas=(B,))))
    assert trusted.by_unit(state) == ''.join(sorted([A, B]))


def test_a_unit_trusts_the_ca_of_what_it_serves():
    assert trusted.by_unit(before(tls=tls.Tls('ca', kept=SERVED))) == A


@pytest.mark.parametrize('says', authority.BELOW)
def test_an_intermediate_ca_is_trusted_with_its_root_if_the_ca_names_that(tmp_path, says):
    ca = authority.below(says)
    unit = scene.Coordinator(tmp_path)
    state = requesting.settled(unit, ca=ca)
    expected = {ca.ca} if says == authority.BELOW[2] else {ca.ca, A}
    given = ''.join(sorted(expected))
    assert json.loads(state.get_relation(11).local_app_data['ca_cert']) == given
    jobs = json.loads(state.get_relation(14).local_app_data['scrape_jobs'])
    assert {job['tls_config']['ca'] for job in jobs} == {given}
    (file,) = unit.folder.glob('upstream-ca-*.pem')
    assert file.read_text().count('BEGIN TRUSTED CERTIFICATE') == len(expected)
    own = requesting.given(state)['w/0']
    assert own.endswith(ca.certificate)
    assert A not in own
