"""A worker unit's key and request, and which certificates it can serve."""

import datetime
import time

import pytest
from charmlibs.interfaces import tls_certificates as tls
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

import authority
from coordinated_telemetry import pem, worker_key

HOST = 'w-0.w-endpoints.m.svc.cluster.local'
KEY = worker_key.new()
REQUEST = worker_key.request(KEY, HOST)
ROOT = authority.authority()
_KEY_OF_SUB = tls.PrivateKey.generate()
SUB = authority.Authority(
    'sub', _KEY_OF_SUB, own=ROOT.issue(authority.request('sub', key=_KEY_OF_SUB), is_ca=True)
)
HOUR = datetime.timedelta(hours=1)


def test_a_key_is_one_that_every_ca_signs_and_no_two_are_equal():
    key = serialization.load_pem_private_key(KEY.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048
    assert worker_key.new() != KEY


def parsed(request):
    return x509.load_pem_x509_csr(request.encode())


def test_a_request_names_the_host_and_nothing_else():
    csr = parsed(REQUEST)
    assert csr.is_signature_valid
    (extension,) = csr.extensions
    assert [*extension.value] == [x509.DNSName(HOST)]
    assert csr.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == HOST


def test_a_host_that_is_too_long_is_no_common_name():
    host = f'{"a" * 30}.{"b" * 40}'
    csr = parsed(worker_key.request(KEY, host))
    assert csr.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME) == []
    (extension,) = csr.extensions
    assert [*extension.value] == [x509.DNSName(host)]


def test_no_two_requests_are_equal_though_the_key_is():
    other = worker_key.request(KEY, HOST)
    assert other != REQUEST
    assert parsed(other).public_key() == parsed(REQUEST).public_key()


def test_a_request_has_the_form_in_which_it_is_read():
    assert pem.check_request(REQUEST) == REQUEST


ACCEPTED = {
    'with its root': ROOT.issue(REQUEST) + ROOT.certificate,
    'alone': ROOT.issue(REQUEST),
    'with an intermediate and the root': SUB.issue(REQUEST) + SUB.certificate + ROOT.certificate,
    'of one more name': ROOT.issue(REQUEST, names=['other.example', HOST]),
    'for servers': ROOT.issue(REQUEST, usages=[ExtendedKeyUsageOID.SERVER_AUTH]),
    'for clients and servers': ROOT.issue(
        REQUEST, usages=[ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    ),
}
OTHER = worker_key.new()
REFUSED = {
    'of another key': (ROOT.issue(worker_key.request(OTHER, HOST)), 'does not fit'),
    "another unit's": (
        ROOT.issue(worker_key.request(OTHER, HOST.replace('w-0', 'w-1'))),
        'does not fit',
    ),
    'of another name': (ROOT.issue(REQUEST, names=['other.example']), 'does not cover'),
    'of all names': (ROOT.issue(REQUEST, names=['*.svc.cluster.local']), 'does not cover'),
    'of no name': (ROOT.issue(REQUEST, names=[]), 'does not cover'),
    'expired': (ROOT.issue(REQUEST, -HOUR), 'the certificate has expired'),
    'not valid yet': (ROOT.issue(REQUEST, start=HOUR), 'the certificate is not valid yet'),
    'for clients': (
        ROOT.issue(REQUEST, usages=[ExtendedKeyUsageOID.CLIENT_AUTH]),
        'not for servers',
    ),
    'without its issuer': (SUB.issue(REQUEST) + ROOT.certificate, 'not followed by'),
    'of another issuer': (
        ROOT.issue(REQUEST) + authority.authority('other').certificate,
        'not followed by',
    ),
    'with issuers in the wrong order': (
        SUB.issue(REQUEST) + ROOT.certificate + SUB.certificate,
        'not followed by',
    ),
    'after its issuer': (ROOT.certificate + ROOT.issue(REQUEST), 'does not fit'),
    'no certificate': ('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', r'\S'),
    'nothing': ('', r'\S'),
}


@pytest.mark.parametrize('chain', ACCEPTED.values(), ids=ACCEPTED)
def test_what_was_issued_for_the_unit_is_accepted(chain):
    worker_key.check(chain, KEY, HOST)


@pytest.mark.parametrize(('chain', 'why'), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused(chain, why):
    with pytest.raises(ValueError, match=why):
        worker_key.check(chain, KEY, HOST)


def test_an_issuer_that_has_expired_is_refused():
    expired = authority.Authority(
        'sub',
        _KEY_OF_SUB,
        own=ROOT.issue(authority.request('sub', key=_KEY_OF_SUB), -HOUR, is_ca=True),
    )
    chain = expired.issue(REQUEST) + expired.certificate
    with pytest.raises(ValueError, match="an issuer's certificate has expired"):
        worker_key.check(chain, KEY, HOST)


def test_a_key_of_another_kind_or_none_is_an_error_of_the_same_type():
    elliptic = str(tls.PrivateKey.generate(key_algorithm='ecdsa'))
    for key in ('', 'text', elliptic):
        with pytest.raises(ValueError, match=r'\S'):
            worker_key.check(ROOT.issue(REQUEST), key, HOST)


def test_a_certificate_is_renewed_when_a_fifth_of_its_time_is_left():
    chain = ROOT.issue(REQUEST, 9 * authority.DAY) + ROOT.certificate
    left = worker_key.renewal(chain) - time.time()
    assert left == pytest.approx(7 * authority.DAY.total_seconds(), abs=60)
