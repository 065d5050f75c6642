"""A certificate authority, and what it writes into its databag of `tls-certificates`."""

import datetime
import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from charmlibs.interfaces import tls_certificates as tls
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

DAY = datetime.timedelta(days=1)


class Authority:
    """A CA; by default one that nobody vouches for, with a key of its own.

    Certificates are made with cryptography: the library under test names the issuer's issuer as
    the issuer, which makes no difference only while the CA is a root.

    Attributes:
        certificate: the CA's own, in PEM.
        ca: the certificate that it says to trust.
        issuers: what it says follows a certificate that it issued.
    """

    def __init__(self, name: str = 'ca', key: tls.PrivateKey | None = None, own: str = '') -> None:
        self.key = key or tls.PrivateKey.generate()
        loaded = serialization.load_pem_private_key(str(self.key).encode(), None)
        assert isinstance(loaded, rsa.RSAPrivateKey)
        self._key = loaded
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        if own:
            self._name = x509.load_pem_x509_certificate(own.encode()).subject
        request = tls.CertificateRequestAttributes(common_name=name).generate_csr(self.key)
        self.certificate = own or self.issue(str(request), is_ca=True, subject=self._name)
        self.ca = self.certificate
        self.issuers = [self.certificate]

    def issue(
        self,
        request: str,
        validity: datetime.timedelta = DAY,
        *,
        names: Iterable[str] | None = None,
        is_ca: bool = False,
        subject: x509.Name | None = None,
        start: datetime.timedelta = -DAY,
        usages: Iterable[x509.ObjectIdentifier] = (),
    ) -> str:
        """A certificate for a request, in PEM; `names` in the place of those it asks for.

        It is valid from `start` to `validity`, both from now on.
        """
        csr = x509.load_pem_x509_csr(request.encode())
        if names is None:
            names = tls.CertificateSigningRequest.from_string(request).sans_dns
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder(subject_name=subject or csr.subject, issuer_name=self._name)
            .public_key(csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + start)
            .not_valid_after(now + validity)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if names := sorted(names):
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        if usages := [*usages]:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def entry(self, request: str, **other: Any) -> dict[str, Any]:
        """What stands in the databag for a request; `other` replaces values."""
        certificate = other.get('certificate') or self.issue(request)
        return {
            'ca': self.ca,
            'certificate_signing_request': request,
            'certificate': certificate,
            'chain': [certificate, *self.issuers],
            **other,
        }

    def databag(self, *requests: str) -> dict[str, str]:
        """The databag that answers these requests."""
        return {'certificates': json.dumps([self.entry(request) for request in requests])}


def authority(name: str = 'ca') -> Authority:
    """One that all tests share: a key takes a while."""
    return _authority(name)


_authority = functools.cache(Authority)


BELOW = ('the root', 'the intermediate', 'the intermediate, and no root')
"""Which CA an intermediate one says to trust, and whether it tells of its root."""


@functools.cache
def below(says: str) -> Authority:
    """An intermediate CA below `authority()`, which says one of `BELOW`."""
    root, key = authority(), tls.PrivateKey.generate()
    asked = tls.CertificateRequestAttributes(common_name='below', is_ca=True).generate_csr(key)
    found = Authority(key=key, own=root.issue(str(asked), is_ca=True))
    found.issuers = [found.certificate]
    if says != BELOW[2]:
        found.issuers.append(root.certificate)
    if says == BELOW[0]:
        found.ca = root.certificate
    return found


@functools.cache
def request(*hosts: str, key: tls.PrivateKey | None = None) -> str:
    """A certificate signing request for these hosts, in PEM; by default with a key of its own."""
    asked = tls.CertificateRequestAttributes(common_name=hosts[0][:64], sans_dns=hosts)
    return f'{str(asked.generate_csr(key or tls.PrivateKey.generate())).strip()}\n'


def requests(databag: Mapping[str, str]) -> list[str]:
    """The requests in a unit's databag."""
    found = json.loads(databag.get('certificate_signing_requests', '[]'))
    return [one['certificate_signing_request'] for one in found]
