"""A worker unit's key, the request for a certificate, and whether a certificate can be served.

The only module of this library that imports cryptography, which takes long: `worker_tls.py`
imports it when there is something to make or to check. Install it with the extra `tls`.
"""

import datetime
import itertools
import uuid
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import pem

_BITS = 2048  # every CA of the field signs RSA
_COMMON_NAME_LENGTH = 64  # RFC 5280, appendix A.1
_RENEWAL = 0.8  # the part of its validity after which a certificate is renewed


def new() -> str:
    """A new private key, in PEM without encryption."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def request(key: str, host: str) -> str:
    """A certificate signing request in PEM, whose only alternative name is this DNS name.

    No two are equal, so that a CA which has answered one answers the next too.

    Args:
        key: from `new`.
        host: a hostname, also the common name if it is short enough for one.

    Raises:
        ValueError: if the key cannot be read.
    """
    names = [x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, str(uuid.uuid4()))]
    if len(host) <= _COMMON_NAME_LENGTH:
        names.insert(0, x509.NameAttribute(NameOID.COMMON_NAME, host))
    builder = x509.CertificateSigningRequestBuilder(x509.Name(names)).add_extension(
        x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False
    )
    signed = builder.sign(_private(key), hashes.SHA256())
    return pem.check_request(signed.public_bytes(serialization.Encoding.PEM).decode())


def check(chain: str, key: str, host: str) -> None:
    """Check that a unit can serve these certificates now.

    Args:
        chain: the unit's certificate, then each one's issuer, from `pem.check_certificates`.
        key: the unit's own, from `new`.
        host: the DNS name by which clients verify the unit.

    Raises:
        ValueError: if it cannot; says why.
    """
    try:
        _check(_parsed(chain), _private(key), host)
    except ValueError:
        raise
    except Exception as error:
        # What others sign can be wrong in many ways, each with an error of its own.
        raise ValueError(f'cannot read the certificate: {type(error).__name__}') from error


def renewal(chain: str) -> float:
    """When to request the next certificate, in seconds since the epoch.

    Args:
        chain: what `check` has accepted.

    Raises:
        ValueError: if it cannot be read.
    """
    own = _parsed(chain)[0]
    start, end = own.not_valid_before_utc.timestamp(), own.not_valid_after_utc.timestamp()
    return start + _RENEWAL * (end - start)


def _check(chain: Sequence[x509.Certificate], key: rsa.RSAPrivateKey, host: str) -> None:
    own = chain[0]
    if own.public_key() != key.public_key():
        raise ValueError("the certificate does not fit this unit's key")
    if host not in _names(own):
        raise ValueError(f'the certificate does not cover {host}')
    if not _is_for_servers(own):
        raise ValueError('the certificate is not for servers')
    now = datetime.datetime.now(datetime.UTC)
    for one in chain:
        which = 'the certificate' if one is own else "an issuer's certificate"
        if one.not_valid_after_utc <= now:
            raise ValueError(f'{which} has expired')
        if one.not_valid_before_utc > now:
            raise ValueError(f'{which} is not valid yet')
        # Go's parser refuses it: a workload in Go would not start.
        if one.serial_number < 0:
            raise ValueError(f'{which} has a negative serial number')
    for one, issuer in itertools.pairwise(chain):
        if not is_by(one, issuer):
            raise ValueError('a certificate is not followed by that of its issuer')


def _parsed(chain: str) -> Sequence[x509.Certificate]:
    return x509.load_pem_x509_certificates(chain.encode())


def _private(key: str) -> rsa.RSAPrivateKey:
    loaded = serialization.load_pem_private_key(key.encode(), None)
    if not isinstance(loaded, rsa.RSAPrivateKey):
        raise ValueError('expected an RSA key')
    return loaded


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)


def _is_for_servers(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    servers = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    return any(accepted in usage for accepted in servers)


def is_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether a certificate was issued by this one."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 a different one for each way in which it may not be
        return False
    return True
