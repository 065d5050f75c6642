"""Certificates in PEM, as they may be written to a file."""

import ssl
import time

import hypothesis
import pytest
from hypothesis import strategies as st

import authority
import hostile
from coordinated_telemetry import pem

ONE = authority.authority().certificate
OTHER = authority.authority('other').certificate
BODY = ''.join(ONE.splitlines()[1:-1])
BEGIN, END = ONE.splitlines()[0], ONE.splitlines()[-1]

ACCEPTED = {
    'as OpenSSL writes it': (ONE, ONE),
    'no line break at the end': (ONE.rstrip(), ONE),
    'line breaks of Windows': (ONE.replace('\n', '\r\n'), ONE),
    'one line': (f'{BEGIN}\n{BODY}\n{END}', ONE),
    'no line at all': (f'{BEGIN}{BODY}{END}', ONE),
    'white space around it': (f'\n\t {ONE} \n', ONE),
    'two': (ONE + OTHER, ONE + OTHER),
    'two with an empty line between them': (f'{ONE}\n{OTHER}', ONE + OTHER),
}
REFUSED = {
    'nothing': '',
    'white space': ' \n',
    'a text': 'text',
    'a text in front': f'subject=x\n{ONE}',
    'a text behind': f'{ONE}text',
    'a text between': f'{ONE}text\n{OTHER}',
    'a key': f'{authority.authority().key}',
    'a certificate and its key': f'{ONE}{authority.authority().key}\n',
    'a request': ONE.replace('CERTIFICATE', 'CERTIFICATE REQUEST'),
    'a trusted one': ONE.replace('CERTIFICATE', 'TRUSTED CERTIFICATE'),
    'half of it': ONE[:-60],
    'half of its content': f'{BEGIN}\n{BODY[:400]}\n{END}',
    'no base64': f'{BEGIN}\n{BODY[:-5]}!!!!\n{END}',
    'base64 of nothing': f'{BEGIN}\n\n{END}',
    'base64 of text': f'{BEGIN}\ndGV4dA==\n{END}',
    'a good one and a bad one': f'{ONE}{BEGIN}\nAAAA\n{END}',
    'padding inside': f'{BEGIN}\n{BODY[:100]}={BODY[100:]}\n{END}',
    'null byte': f'{ONE}\0',
    'unicode digits': ONE.replace('1', '\u0661'),
    'half a surrogate pair': f'{BEGIN}\n\ud800\n{END}',
    'too many': ONE * 100,
    'one megabyte': hostile.LONG,
    'one megabyte of white space': ' ' * 1024 * 1024,
    'one megabyte inside': f'{BEGIN}\n{hostile.LONG}\n{END}',
}


@pytest.mark.parametrize(('text', 'expected'), ACCEPTED.values(), ids=ACCEPTED)
def test_certificates_are_taken_and_come_in_one_form(text, expected):
    assert pem.check_certificates(text) == expected
    assert pem.check_certificates(expected) == expected


@pytest.mark.parametrize('text', REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_and_not_shown(text):
    with pytest.raises(ValueError, match='expected certificates in PEM') as raised:
        pem.check_certificates(text)
    assert len(str(raised.value)) < 60


def test_each_certificate_comes_by_itself_in_its_order():
    assert pem.each_certificate(f'{OTHER.rstrip()} {ONE}') == [OTHER, ONE]
    assert pem.each_certificate(ONE + ONE) == [ONE, ONE]
    with pytest.raises(ValueError, match='in PEM'):
        pem.each_certificate(f'{ONE}text')


def test_one_is_one():
    assert pem.check_certificate(ONE) == ONE
    for text in (ONE + OTHER, ONE + ONE, '', 'text'):
        with pytest.raises(ValueError, match='in PEM'):
            pem.check_certificate(text)


@hypothesis.given(
    st.lists(
        st.sampled_from([ONE, OTHER, BEGIN, END, BODY, BODY[:99], '\n', ' ', '-', '=']), max_size=6
    ).map(''.join)
    | hostile.texts
)
@hypothesis.settings(max_examples=hostile.examples(200))
def test_whatever_it_is_only_certificates_come_of_it(text):
    try:
        found = pem.check_certificates(text)
    except ValueError:
        return
    assert found.replace(ONE, '').replace(OTHER, '') == ''


@pytest.mark.parametrize('text', [BEGIN * 3000, f'{BEGIN}\n' + ' ' * 60_000, ' ' * 60_000])
def test_it_does_not_take_long(text):
    started = time.process_time()
    with pytest.raises(ValueError, match='in PEM'):
        pem.check_certificates(text)
    assert time.process_time() - started < 1


REQUEST = authority.request('w-0.example')
REQUEST_LINES = REQUEST.splitlines()


@pytest.mark.parametrize(
    'text',
    [
        REQUEST,
        REQUEST.rstrip(),
        REQUEST.replace('\n', '\r\n'),
        ''.join(REQUEST_LINES),
        f'\n {REQUEST} ',
    ],
)
def test_a_request_comes_out_as_openssl_writes_it(text):
    assert pem.check_request(text) == REQUEST


@pytest.mark.parametrize(
    'text',
    [
        '',
        'text',
        f'text{REQUEST}',
        REQUEST + REQUEST,
        ONE,
        REQUEST.replace('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'),
        REQUEST.replace('A', '!'),
        f'{REQUEST_LINES[0]}\n\n{REQUEST_LINES[-1]}\n',
        f'{REQUEST_LINES[0]}\n{"A" * 8192}\n{REQUEST_LINES[-1]}\n',
    ],
)
def test_what_does_not_look_like_a_request_is_refused(text):
    with pytest.raises(ValueError, match='expected one certificate signing request in PEM'):
        pem.check_request(text)


def test_a_root_is_told_from_an_intermediate_ca():
    below = authority.below(authority.BELOW[0])
    assert pem.is_root(ONE)
    assert not pem.is_root(below.certificate)


@pytest.mark.parametrize(('as_anchor', 'is_trusted'), [(True, True), (False, False)])
def test_an_anchor_is_trusted_by_openssl_without_its_root(tmp_path, as_anchor, is_trusted):
    below = authority.below(authority.BELOW[0])
    key = authority.tls.PrivateKey.generate()
    own = below.issue(authority.request('a.example', key=key))
    served, trusted = tmp_path / 'served.pem', tmp_path / 'trusted.pem'
    served.write_text(f'{own}{below.certificate}{key}\n')
    text = OTHER + below.certificate
    trusted.write_text(pem.anchors(text) if as_anchor else text)
    server, client = (
        ssl.SSLContext(side) for side in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT)
    )
    server.load_cert_chain(served)
    # Python 3.13 accepts it in any form.
    client.verify_flags &= ~ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(trusted)
    assert verifies(client, server) is is_trusted


def verifies(client, server):
    """Whether a client accepts what a server shows it."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname='a.example')
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError:
                return False
    return ours.version() is not None
