"""The workers' requests, what the CA issues for them, and what the workers get."""

import dataclasses
import datetime
import ipaddress
import json
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import authority
from coordinator import requesting, scene
from coordinator.source import ca_data, certificates

CA = authority.authority()
HOST = scene.host('w/0')
OTHER = scene.host('w/1')


@pytest.fixture
def asking(unit):
    """The state in which the leader has requested certificates for both workers."""
    return unit.update_status(unit.state(*requesting.deployment()))


@pytest.fixture
def secure(unit):
    """The state in which everything is https."""
    return requesting.settled(unit)


def with_worker(state, databag, number=0, relation=11):
    """The state after a worker published something else."""
    before = state.get_relation(relation)
    units = {**before.remote_units_data, number: databag}
    return scene.replaced(state, dataclasses.replace(before, remote_units_data=units))


def changed(unit, state, databag, number=0):
    state = with_worker(state, databag, number)
    event = unit.ctx.on.relation_changed(state.get_relation(11), remote_unit=number)
    return unit.ctx.run(event, state)


# Requests


def test_the_leader_requests_what_the_workers_ask_for(unit, asking):
    expected = [requesting.request(scene.host(f'w/{number}')).strip() for number in (0, 1)]
    assert requesting.asked(asking) == expected
    content = asking.get_relation(20).local_app_data['certificate_signing_requests']
    assert [one['ca'] for one in json.loads(content)] == [False, False]
    (own,) = authority.requests(asking.get_relation(20).local_unit_data)
    assert own not in expected


def test_a_unit_that_does_not_lead_requests_nothing_for_workers(unit):
    state = unit.update_status(unit.state(*requesting.deployment(), leader=False))
    assert state.get_relation(20).local_app_data == {}
    assert state.get_relation(19).local_app_data == {}


RSA = rsa.generate_private_key(65537, 2048)
GOOD = {
    'P-256': requesting.request(HOST),
    'P-384': requesting.request(HOST, key=ec.generate_private_key(ec.SECP384R1())),
    'RSA': requesting.request(HOST, key=RSA),
    'its name as common name': requesting.request(HOST, common=HOST),
}
BAD = {
    'another unit': (requesting.request(OTHER), f'it is for {OTHER}'),
    'another unit too': (requesting.request(HOST, OTHER), f'it is for {OTHER}'),
    'a wildcard': (requesting.request(f'*.{HOST}'), f'it is for *.{HOST}'),
    'no name': (requesting.request(common=HOST), 'it has no names'),
    'another common name': (requesting.request(HOST, common='a.b'), 'it is for a.b'),
    'an address': (
        requesting.request(HOST, x509.IPAddress(ipaddress.ip_address('10.0.0.1'))),
        'it is for 10.0.0.1',
    ),
    'an email': (requesting.request(HOST, x509.RFC822Name('a@b')), 'it is for a@b'),
    'a URI': (
        requesting.request(HOST, x509.UniformResourceIdentifier('spiffe://a')),
        'it is for spiffe://a',
    ),
    'a CA': (
        requesting.request(HOST, more=(x509.BasicConstraints(ca=True, path_length=None),)),
        'it asks for more than a name',
    ),
    'a small key': (
        requesting.request(HOST, key=rsa.generate_private_key(65537, 1024)),
        'expected an RSA key of 2048 bits or more, or one on P-256 or P-384',
    ),
    'another curve': (
        requesting.request(HOST, key=ec.generate_private_key(ec.SECP521R1())),
        'expected an RSA key of 2048 bits or more, or one on P-256 or P-384',
    ),
}


@pytest.mark.parametrize('case', GOOD)
def test_a_request_for_the_own_name_is_accepted(case):
    certificates.check_request(GOOD[case], HOST)


@pytest.mark.parametrize('case', BAD)
def test_any_other_request_is_refused_with_a_reason(case):
    text, why = BAD[case]
    with pytest.raises(ValueError, match=f'^{re.escape(why)}$'):
        certificates.check_request(text, HOST)


def test_a_request_with_anothers_signature_is_refused():
    own, foreign = (
        x509.load_pem_x509_csr(requesting.request(name, key=RSA).encode())
        for name in (HOST, OTHER)
    )
    der = own.public_bytes(serialization.Encoding.DER).replace(own.signature, foreign.signature)
    text = x509.load_der_x509_csr(der).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(ValueError, match='its signature is wrong'):
        certificates.check_request(text, HOST)


@pytest.mark.parametrize('case', BAD)
def test_a_refused_request_is_named_and_takes_nothing_from_others(unit, secure, calls, case):
    text, why = BAD[case]
    before = requesting.given(secure)
    after = changed(unit, secure, requesting.unit('w/0', certificate_signing_request=text))
    assert requesting.asked(after) == [requesting.request(OTHER).strip()]
    assert f'w/0 (its request: {why})' in after.unit_status.message
    assert requesting.given(after) == before  # it still serves the last good one
    calls.clear()
    again = unit.update_status(after)
    assert calls.changes() == []
    assert again.unit_status == after.unit_status


def test_a_worker_that_departs_takes_its_request_and_its_certificate_along(unit, secure):
    event = unit.ctx.on.relation_departed(secure.get_relation(11), remote_unit=1, departing_unit=1)
    after = unit.ctx.run(event, secure)
    assert requesting.asked(after) == [requesting.request(HOST).strip()]
    assert requesting.given(after).keys() == {'w/0'}


def test_one_that_joins_changes_nothing_for_the_others(unit, secure):
    after = changed(unit, secure, requesting.unit('w/2'), 2)
    assert requesting.asked(after)[:2] == requesting.asked(secure)
    assert len(requesting.asked(after)) == 3
    assert requesting.given(after) == requesting.given(secure)
    assert scene.host('w/2') not in unit.config
    assert after.unit_status.message == '[certificates] waiting for w/2 to serve TLS'
    after = requesting.answered(unit, after)
    assert {**requesting.given(after), **requesting.given(secure)} == requesting.given(after)
    assert requesting.given(after).keys() == {'w/0', 'w/1', 'w/2'}


def test_without_room_those_that_are_there_go_first_and_the_others_are_named(
    unit, asking, monkeypatch
):
    size = sum(map(len, asking.get_relation(20).local_app_data.values()))
    monkeypatch.setattr(ca_data.Requested, 'max_bytes', size + 300)
    relation = requesting.workers('a', [0], id=12)
    state = dataclasses.replace(asking, relations=[*asking.relations, relation])
    after = unit.update_status(state)
    assert requesting.asked(after) == requesting.asked(asking)
    assert after.unit_status.message.startswith(
        '[certificates] no room for the requests of a/0, at most '
    )
    assert 'divide the workers among several coordinators' in after.unit_status.message
    monkeypatch.undo()
    assert len(requesting.asked(unit.update_status(after))) == 3


# What is issued


def test_each_application_gets_its_units_certificates_without_the_root(unit):
    other = requesting.workers('other', [0], id=12)
    state = unit.update_status(unit.state(*requesting.deployment([0]), other))
    state = scene.answered(
        unit,
        state,
        scene.encoded(
            certificates=[
                requesting.ca_entry(CA, text)
                for text in (
                    *authority.requests(state.get_relation(20).local_unit_data),
                    *requesting.asked(state),
                )
            ]
        ),
    )
    for relation, name in ((11, 'w/0'), (12, 'other/0')):
        text = requesting.request(scene.host(name)).strip()
        expected = requesting.ca_entry(CA, text)['certificate']
        assert requesting.given(state, relation) == {name: expected}


@pytest.mark.parametrize('order', [[0, 1, 2], [2, 1, 0], [1, 2], [0, 0, 1, 1]])
def test_the_chain_begins_with_the_own_certificate_and_repeats_nothing(unit, asking, order):
    key = authority.tls.PrivateKey.generate()
    attributes = authority.tls.CertificateRequestAttributes(common_name='middle', is_ca=True)
    intermediate = CA.issue(str(attributes.generate_csr(key)), is_ca=True)
    middle = authority.Authority(key=key, own=intermediate)
    own = middle.issue(requesting.request(HOST), names=[HOST])
    chain = [[own, intermediate, CA.certificate][number] for number in order]
    entry = {'certificate': own, 'chain': chain, 'ca': CA.certificate}
    after = requesting.answered(unit, asking, w0=entry)
    assert requesting.given(after)['w/0'] == own + intermediate


def issued(names=(HOST,), text='', days: float = 1, ca=CA):
    return ca.issue(
        text or requesting.request(HOST), datetime.timedelta(days=days), names=list(names)
    )


def below(says, **values):
    """What an intermediate CA answers, but for some values."""
    ca = authority.below(says)
    return {**ca.entry(requesting.request(HOST), certificate=issued(ca=ca)), **values}


def expired_issuer():
    """What an intermediate CA answers that has expired."""
    key = authority.tls.PrivateKey.generate()
    attributes = authority.tls.CertificateRequestAttributes(common_name='past', is_ca=True)
    text = str(attributes.generate_csr(key))
    past = authority.Authority(key=key, own=CA.issue(text, -authority.DAY / 2, is_ca=True))
    certificate = issued(ca=past)
    return {'certificate': certificate, 'chain': [certificate, past.certificate, CA.certificate]}


ANSWERS = {
    'a gap in the chain': (
        below(authority.BELOW[0], ca=authority.authority('other').certificate),
        'it was not issued by its CA',
    ),
    'an issuer that has expired': (
        expired_issuer(),
        "an issuer's certificate has expired",
    ),
    "another worker's": (
        {'certificate': requesting.ca_entry(CA, requesting.request(OTHER))['certificate']},
        'it is for another key',
    ),
    'other names': ({'certificate': issued([OTHER])}, f'it is for {OTHER}'),
    'more names': ({'certificate': issued([HOST, OTHER])}, f'it is for {OTHER}'),
    'no names': ({'certificate': issued([])}, 'it has no names'),
    'expired': ({'certificate': issued(days=-0.5)}, 'it has expired'),
    'not valid yet': (
        {'certificate': CA.issue(requesting.request(HOST), start=authority.DAY / 2)},
        'it is not valid yet',
    ),
    'another key': (
        {'certificate': issued(text=requesting.request(OTHER))},
        'it is for another key',
    ),
    'another CA': (
        {'certificate': issued(ca=authority.authority('other'))},
        'it was not issued by its CA',
    ),
    'no certificate': ({'certificate': 'text'}, 'certificate: expected certificates in PEM'),
    'a bad chain': ({'chain': ['text']}, 'chain: expected certificates in PEM'),
}


@pytest.mark.parametrize('case', ANSWERS)
def test_what_cannot_be_served_is_named_and_the_last_good_one_stays(unit, secure, case):
    entry, why = ANSWERS[case]
    after = requesting.answered(unit, secure, w0=entry)
    assert f'w/0 (its certificate: {why})' in after.unit_status.message
    assert requesting.given(after) == requesting.given(secure)
    mended = requesting.answered(unit, after)
    assert mended.unit_status == secure.unit_status


@pytest.mark.parametrize('case', ANSWERS)
def test_it_is_not_published_in_the_first_place(unit, asking, case):
    entry, _ = ANSWERS[case]
    assert requesting.given(requesting.answered(unit, asking, w0=entry)).keys() == {'w/1'}


def test_one_that_becomes_valid_is_found_so_in_an_update_status(unit, secure, monkeypatch):
    class Before(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz) - datetime.timedelta(days=3)

    certificate = issued(days=2)
    entry = {'certificate': certificate, 'chain': [certificate, CA.certificate]}
    with monkeypatch.context() as patch:
        patch.setattr(certificates.datetime, 'datetime', Before)
        after = requesting.answered(unit, secure, w0=entry)
        assert 'w/0 (its certificate: it is not valid yet)' in after.unit_status.message
    after = unit.update_status(after)
    assert requesting.given(after)['w/0'] == entry['certificate']


def test_a_revoked_one_is_withdrawn(unit, secure):
    after = requesting.answered(unit, secure, w0={'revoked': True})
    assert requesting.given(after).keys() == {'w/1'}
    assert 'w/0 (its certificate is revoked)' in after.unit_status.message


def test_a_ca_that_has_nothing_for_a_moment_takes_nothing_away(unit, secure):
    after = requesting.answered(unit, secure, w0=None, w1=None)
    assert requesting.given(after) == requesting.given(secure)


def test_a_chain_of_a_megabyte_takes_nothing_away(unit, secure):
    after = requesting.answered(unit, secure, w0={'chain': [CA.certificate * 1000]})
    assert 'w/0 (its certificate: chain.0: ' in after.unit_status.message
    assert requesting.given(after) == requesting.given(secure)


def test_a_denied_request_is_named_with_the_reason(unit, secure):
    text = requesting.asked(secure)[0]
    error = {'code': 102, 'name': 'DOMAIN_NOT_ALLOWED', 'message': 'not "ours"'}
    content = dict(secure.get_relation(20).remote_app_data)
    entries = [
        one
        for one in json.loads(content['certificates'])
        if one['certificate_signing_request'].strip() != text.strip()
    ]
    databag = scene.encoded(certificates=entries, request_errors=[{'csr': text, 'error': error}])
    after = scene.answered(unit, secure, databag)
    assert 'w/0 (ca denied its request: not "ours")' in after.unit_status.message
    assert requesting.given(after) == requesting.given(secure)


def test_a_new_leader_checks_nothing_again(unit, secure, monkeypatch):
    monkeypatch.setattr(certificates, 'check_request', None)
    monkeypatch.setattr(certificates, 'check_issued', None)
    fresh = dataclasses.replace(secure, stored_states=[])
    after = unit.ctx.run(unit.ctx.on.leader_elected(), fresh)
    assert requesting.asked(after) == requesting.asked(secure)
    assert requesting.given(after) == requesting.given(secure)
