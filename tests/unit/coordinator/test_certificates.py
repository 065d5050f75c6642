"""The certificate that a unit asks for, and which of those that a CA issues can serve."""

import dataclasses
import datetime
import functools
import inspect
import json
import re
import time
from pathlib import Path

import pytest
from charmlibs.interfaces import tls_certificates as tls
from ops import testing

import authority
import juju
from coordinator import scene
from coordinator.serving import (
    CA,
    GARBAGE,
    HOST,
    SERVICE,
    check_harmless,
    files,
    is_tls,
    outcome,
    request,
)
from coordinator.source import certificates

# What is asked for


def test_a_certificate_is_asked_for_by_names_that_no_worker_has_a_part_in(plain):
    csr = tls.CertificateSigningRequest.from_string(request(plain))
    assert csr.sans_dns == {HOST, SERVICE}
    assert (csr.sans_ip, csr.common_name) == (set(), HOST)


def test_names_that_are_too_long_for_a_common_name_are_asked_for_all_the_same(tmp_path):
    unit = scene.Coordinator(tmp_path)
    state = dataclasses.replace(
        unit.state(scene.certificates(id=20)),
        model=dataclasses.replace(juju.MODEL, name='m' * 60),
    )
    csr = tls.CertificateSigningRequest.from_string(request(unit.update_status(state)))
    assert len(csr.sans_dns) == 2
    assert csr.common_name == ''


def test_after_the_ca_was_gone_the_first_certificate_is_one_of_another_key(unit, served):
    (before,) = files(unit).values()
    broken = unit.ctx.run(unit.ctx.on.relation_broken(served.get_relation(20)), served)
    relations = {relation for relation in broken.relations if relation.id != 20}
    state = dataclasses.replace(broken, relations=[*relations, scene.certificates(id=20)])
    state = unit.ctx.run(unit.ctx.on.relation_created(state.get_relation(20)), state)
    scene.answered(unit, state)
    (after,) = files(unit).values()
    assert before.partition('RSA')[2] != after.partition('RSA')[2]
    assert is_tls(unit)


def test_without_its_key_a_running_nginx_goes_on_and_another_certificate_is_asked_for(
    unit, served, monkeypatch
):
    before = outcome(unit, served)
    now = time.time()
    monkeypatch.setattr(time, 'time', lambda: now + 3601)  # it looks once in an hour
    after = unit.update_status(dataclasses.replace(served, secrets=[]))
    assert outcome(unit, after) == before
    assert request(after) != request(served)
    scene.answered(unit, after)
    assert is_tls(unit)


# What is issued


@pytest.mark.parametrize('order', [[0, 1, 2], [2, 1, 0], [1, 2], [], [0, 0, 1, 1]])
def test_the_chain_is_in_nginxs_order_whatever_the_cas_is(unit, plain, order):
    middle = tls.PrivateKey.generate()
    attributes = tls.CertificateRequestAttributes(common_name='middle', is_ca=True)
    intermediate = CA.issue(str(attributes.generate_csr(middle)), is_ca=True)
    own = authority.Authority(key=middle, own=intermediate).issue(request(plain))
    chain = [[own, intermediate, CA.certificate][number] for number in order]
    ca = CA.certificate if order else intermediate
    entry = CA.entry(request(plain), certificate=own, chain=chain, ca=ca)
    scene.answered(unit, plain, scene.encoded(certificates=[entry]))
    (content,) = files(unit).values()
    expected = own + intermediate + (CA.certificate if order else '')
    assert content.startswith(expected + '-----BEGIN RSA')


def not_for_it(text):
    """A certificate for the same names and another key."""
    csr = tls.CertificateSigningRequest.from_string(text)
    attributes = tls.CertificateRequestAttributes.from_csr(csr, is_ca=False)
    return CA.issue(str(attributes.generate_csr(tls.PrivateKey.generate())))


def for_others(text):
    """A certificate for the same key and other names."""
    return CA.issue(text, names=['a.example'])


@functools.cache
def past():
    """An intermediate CA that has expired."""
    key = tls.PrivateKey.generate()
    asked = tls.CertificateRequestAttributes(common_name='past', is_ca=True).generate_csr(key)
    expired = CA.issue(str(asked), -authority.DAY / 2, is_ca=True)
    found = authority.Authority(key=key, own=expired)
    found.ca, found.issuers = CA.certificate, [expired, CA.certificate]
    return found


ANSWERS = {
    **{
        f'{key}: {case}': lambda text, key=key, value=value: CA.entry(text, **{key: value})
        for key in ('certificate', 'ca', 'certificate_signing_request')
        for case, value in GARBAGE.items()
        if key != 'certificate' or value
    },
    **{
        f'chain: {case}': lambda text, value=value: CA.entry(text, chain=[value])
        for case, value in GARBAGE.items()
    },
    'a chain without end': lambda text: CA.entry(text, chain=[CA.certificate] * 40),
    'revoked': lambda text: CA.entry(text, revoked=True),
    'revoked: a text': lambda text: CA.entry(text, revoked='no'),
    'expired': lambda text: CA.entry(
        text, certificate=CA.issue(text, datetime.timedelta(seconds=-5))
    ),
    'not valid yet': lambda text: CA.entry(
        text, certificate=CA.issue(text, start=authority.DAY / 2)
    ),
    'by a CA that has expired': lambda text: past().entry(text),
    'of another key': lambda text: CA.entry(text, certificate=not_for_it(text)),
    'for other names': lambda text: CA.entry(text, certificate=for_others(text)),
    'by another CA': lambda text: CA.entry(
        text, ca=authority.authority('other').certificate
    ),
    'the CA itself': lambda text: CA.entry(text, certificate=CA.certificate),
    'no entry': lambda text: None,
    'an entry of lists': lambda text: [[]],
}  # fmt: skip


@pytest.mark.parametrize('case', ANSWERS)
def test_an_answer_that_cannot_serve_takes_nothing_away(unit, served, calls, case):
    databag = scene.encoded(certificates=[ANSWERS[case](request(served))])
    check_harmless(unit, served, calls, databag, ['ca'])


def test_a_certificate_that_is_revoked_serves_on_and_is_named_in_every_hook(unit, served):
    before = outcome(unit, served)
    (entry,) = json.loads(served.get_relation(20).remote_app_data['certificates'])
    databag = scene.encoded(certificates=[{**entry, 'revoked': True}])
    state = scene.answered(unit, served, databag)
    event = unit.ctx.on.relation_changed(state.get_relation(11), remote_unit=0)
    after = unit.ctx.run(event, state)
    assert outcome(unit, after) == before
    assert 'ignored: ca (its certificate is revoked)' in after.unit_status.message


@pytest.mark.parametrize(
    'case', ['certificate: a text', 'of another key', 'for other names', 'expired']
)
def test_an_answer_that_cannot_serve_does_not_at_the_first_either(unit, plain, calls, case):
    databag = scene.encoded(certificates=[ANSWERS[case](request(plain))])
    check_harmless(unit, plain, calls, databag, ['ca'])
    mended = scene.answered(unit, plain)
    assert is_tls(unit)
    assert isinstance(mended.unit_status, testing.ActiveStatus)


def test_a_ca_that_denies_is_named_with_its_reason(unit, plain):
    error = {'code': 102, 'name': 'DOMAIN_NOT_ALLOWED', 'message': 'not\n"ours"'}
    databag = scene.encoded(request_errors=[{'csr': request(plain), 'error': error}])
    after = scene.answered(unit, plain, databag)
    assert after.unit_status == testing.WaitingStatus(
        '[certificates] serving plain HTTP until ca issues a certificate; ignored: '
        r'ca (it denied the request: not\n"ours")'
    )


def test_what_is_wrong_with_anothers_certificate_is_not_this_units_concern(unit, served):
    before = outcome(unit, served)
    other = tls.CertificateRequestAttributes(common_name='x').generate_csr(CA.key)
    entries = [CA.entry(request(served)), CA.entry(str(other), revoked=True)]
    kept = json.loads(before[3])['chain'].partition('-----END CERTIFICATE-----\n')
    entries[0]['certificate'] = kept[0] + kept[1]
    after = scene.answered(unit, served, scene.encoded(certificates=entries))
    assert outcome(unit, after) == before
    assert after.unit_status == served.unit_status


# The library


@pytest.mark.parametrize(
    ('method', 'parameters'),
    [
        ('_on_relation_broken', ['self', 'event']),
        ('_on_secret_expired', ['self', 'event']),
        ('_on_secret_remove', ['self', 'event']),
        ('get_provider_certificates', ['self']),
        ('_load_provider_certificate_errors', ['self']),
    ],
)
def test_the_methods_of_the_library_that_are_used_or_replaced_are_there(method, parameters):
    """pyproject.toml holds its version below the next minor one."""
    found = inspect.signature(getattr(tls.TLSCertificatesRequiresV4, method)).parameters
    assert list(found) == parameters


def test_no_other_private_method_of_the_library_is_used():
    source = Path(certificates.__file__).read_text()
    used = {*re.findall(r'self\.(_on_\w+)', source)}
    assert used == {'_on_relation_broken', '_on_secret_expired', '_on_secret_remove'}
