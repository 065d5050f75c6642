"""Certificates in PEM that come over a relation.

What these types accept is X.509 and nothing else. It comes out in one form, whatever line length
or white space it had, so it can be written to a file unchanged and compared as text.
"""

import base64
import re
import ssl
from typing import Annotated

import pydantic

MAX_LENGTH = 64 * 1024
"""Bytes of one value: some thirty certificates; a chain has three."""

_BLOCK = re.compile(
    r'\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]{1,65536})-----END CERTIFICATE-----\s*'
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
    return [ssl.DER_cert_to_PEM_cert(one) for one in found]


def check_certificate(value: str) -> str:
    """Accept exactly one certificate; otherwise like `check_certificates`.

    Raises:
        ValueError: for anything else.
    """
    checked = check_certificates(value)
    if checked.count('BEGIN') != 1:
        raise ValueError('expected one certificate in PEM')
    return checked


Certificates = Annotated[str, pydantic.AfterValidator(check_certificates)]
"""One or more certificates in PEM, at most 64 KiB."""
Certificate = Annotated[str, pydantic.AfterValidator(check_certificate)]
"""One certificate in PEM."""
