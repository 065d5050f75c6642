"""Certificates, and requests for them, in PEM that come over a relation.

The types for certificates accept X.509 and nothing else; a request is only checked for its form,
since parsing it takes a heavy library. Both come out in one form, whatever line length or white
space they had, so they can be written to a file unchanged and compared as text.
"""

import base64
import binascii
import functools
import re
import ssl
from typing import Annotated

import pydantic

MAX_LENGTH = 64 * 1024
"""Bytes of one value: some thirty certificates; a chain has three."""

_BLOCK = re.compile(
    r'\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]{1,65536})-----END CERTIFICATE-----\s*'
)
_ONE = re.compile(r'-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----')
_ANCHOR = 'TRUSTED CERTIFICATE'
# DER: a sequence, in it the sequence of trusted purposes, in that serverAuth, 1.3.6.1.5.5.7.3.1.
_TRUSTED_FOR_SERVERS = bytes.fromhex('300c 300a 0608 2b06010505070301')
_REQUEST_LENGTH = 8 * 1024
_REQUEST = re.compile(
    r'\s*-----BEGIN CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]{1,8192})'
    r'-----END CERTIFICATE REQUEST-----\s*'
)


def check_certificates(value: str) -> str:
    """Accept one or more certificates in PEM, at most 64 KiB, with only white space between them.

    Returns:
        The same certificates as OpenSSL writes them.

    Raises:
        ValueError: for anything else, text around a certificate included.
    """
    return ''.join(each_certificate(value))


def each_certificate(value: str) -> list[str]:
    """The certificates of a text one by one, in its order; otherwise as `check_certificates`.

    Raises:
        ValueError: for anything else.
    """
    return list(_each(value))


@functools.lru_cache(maxsize=64)  # several databags hold the same few
def _each(value: str) -> tuple[str, ...]:
    if len(value) > MAX_LENGTH:
        raise ValueError(f'expected certificates in PEM, at most {MAX_LENGTH} bytes')
    found: list[bytes] = []
    end = 0
    try:
        while end < len(value):
            block = _BLOCK.match(value, end)
            if block is None:
                raise ValueError
            found.append(base64.b64decode(''.join(block[1].split()), validate=True))
            end = block.end()
        # ssl offers no parser, but to trust a certificate it has to parse it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=b''.join(found))
    except (ValueError, ssl.SSLError):
        raise ValueError('expected certificates in PEM') from None
    return tuple(map(ssl.DER_cert_to_PEM_cert, found))


def check_request(value: str) -> str:
    """Accept what has the form of one certificate signing request in PEM, at most 8 KiB.

    Returns:
        The same request as OpenSSL writes it.

    Raises:
        ValueError: for anything else.
    """
    block = _REQUEST.fullmatch(value) if len(value) <= _REQUEST_LENGTH else None
    try:
        der = base64.b64decode(''.join(block[1].split()), validate=True) if block else b''
    except binascii.Error:
        der = b''
    if not der:
        raise ValueError('expected one certificate signing request in PEM')
    text = base64.b64encode(der).decode()
    lines = '\n'.join([text[start : start + 64] for start in range(0, len(text), 64)])
    return f'-----BEGIN CERTIFICATE REQUEST-----\n{lines}\n-----END CERTIFICATE REQUEST-----\n'


def check_certificate(value: str) -> str:
    """Accept exactly one certificate; otherwise like `check_certificates`.

    Raises:
        ValueError: for anything else.
    """
    checked = check_certificates(value)
    if checked.count('BEGIN') != 1:
        raise ValueError('expected one certificate in PEM')
    return checked


@functools.cache
def is_root(certificate: str) -> bool:
    """Whether a certificate that was checked issued itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=certificate)
    return any(one['subject'] == one['issuer'] for one in context.get_ca_certs())


def anchors(certificates: str) -> str:
    """The same certificates, each trusted by OpenSSL for itself, if it finds them in a file.

    By default, OpenSSL trusts an intermediate CA only together with its root. Where it offers no
    way to change that, as in nginx, this form of a certificate does: after it stands what it is
    trusted for (X509_CERT_AUX in openssl/x509.h), which here is to vouch for servers.

    Args:
        certificates: in PEM, from `check_certificates`.
    """
    found: list[str] = []
    for one in _ONE.findall(certificates):
        der = ssl.PEM_cert_to_DER_cert(one) + _TRUSTED_FOR_SERVERS
        text = base64.encodebytes(der).decode()
        found.append(f'-----BEGIN {_ANCHOR}-----\n{text}-----END {_ANCHOR}-----\n')
    return ''.join(found)


Certificates = Annotated[str, pydantic.AfterValidator(check_certificates)]
"""One or more certificates in PEM, at most 64 KiB."""
Certificate = Annotated[str, pydantic.AfterValidator(check_certificate)]
"""One certificate in PEM."""
Request = Annotated[str, pydantic.AfterValidator(check_request)]
"""One certificate signing request in PEM, at most 8 KiB."""
