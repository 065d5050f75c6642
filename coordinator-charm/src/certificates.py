"""This unit's certificate: its key, the request for it, and what a CA issued; and the workers'.

PyPI's charmlibs-interfaces-tls-certificates does the work. It keeps the key in a secret of this
unit and the request in the unit's databag on `certificates`. Importing it takes half as long as
importing ops, so this module is imported only for an event that could change something.
"""

import contextlib
import datetime
import logging
from collections.abc import Collection, Iterator, Sequence

import ops
from charmlibs.interfaces import tls_certificates
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import oid

import ca_data
import tls
from coordinated_telemetry import worker_key

# It logs at every level, some of it in every hook; here one line and the status say the same.
logging.getLogger(tls_certificates.__name__).setLevel(logging.CRITICAL)

_COMMON_NAME_LENGTH = 64  # RFC 5280, appendix A.1
_RSA_BITS = 2048  # NIST SP 800-57, part 1: the least until 2030
_NAMES = oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME
_NAMES_IN_SUBJECT = {x509.NameOID.COMMON_NAME, x509.NameOID.EMAIL_ADDRESS}


class Requirer(tls_certificates.TLSCertificatesRequiresV4):
    """The library's side of a unit, which acts only when `follow` asks.

    It is created in the middle of an event, so the framework never calls it: an error in an
    observer of its own, over a databag that it cannot read, would end the hook. Here all errors
    but a refused relation become ValueError.

    Args:
        charm: the charm of this unit.
        endpoint: the endpoint with the interface `tls-certificates`.
        hosts: the names that clients use.
    """

    def __init__(self, charm: ops.CharmBase, endpoint: str, hosts: Collection[str]) -> None:
        self._request = tls_certificates.CertificateRequestAttributes(
            common_name=next((host for host in hosts if len(host) <= _COMMON_NAME_LENGTH), None),
            sans_dns=hosts,
        )
        self._for_unit: list[tls_certificates.ProviderCertificate] = []
        super().__init__(charm, endpoint, [self._request])

    def follow(self, event: ops.EventBase, seen: tls.Tls) -> None:
        """Keep a key and a request while there is a relation, and renew the request in time.

        Raises:
            ValueError: if the library cannot.
            ops.RelationNotFoundError: if Juju refuses the relation.
        """
        with _all_as_value_error():
            self._for_unit = [_provided(one) for one in seen.own]
            match event:
                case ops.RelationBrokenEvent() if event.relation.name == self.relationship_name:
                    self._on_relation_broken(event)
                    return
                case ops.SecretExpiredEvent():
                    self._on_secret_expired(event)
                case ops.SecretRemoveEvent():
                    self._on_secret_remove(event)
            self.sync()

    def get_provider_certificates(self) -> list[tls_certificates.ProviderCertificate]:
        """What was issued for this unit; the library's own would fail for others' mistakes."""
        return self._for_unit

    def _load_provider_certificate_errors(
        self,
    ) -> list[tls_certificates.ProviderCertificateError]:
        """None: the library's own reads others' too, for an event that nobody observes."""
        return []

    def issued(self, seen: tls.Tls) -> tls.Certificate | None:
        """The certificate that was issued for the request; None while there is none.

        Args:
            seen: what was read, as for `follow`, which comes first.

        Raises:
            ValueError: if the CA answered, but not with a certificate that can be served.
        """
        with _all_as_value_error():
            found, _ = self.get_assigned_certificate(self._request)
            if found is None:
                self._check_unanswered(seen)
                return None
            names = found.certificate.sans_dns or set()
        if found.revoked:
            raise ValueError('its certificate is revoked')
        if missing := sorted((self._request.sans_dns or set()) - names):
            raise ValueError(f'its certificate does not cover {missing[0]}')
        with _all_as_value_error():
            ca = _parsed(found.ca)
            chain = _chain(_parsed(found.certificate), [*map(_parsed, found.chain), ca])
        if ca not in chain:
            raise ValueError('its certificate was not issued by its CA')
        _check_time(chain[: chain.index(ca) + 1], 'its certificate')
        return tls.Certificate(chain=''.join(map(_pem, chain)), ca=_pem(ca))

    def file(self, certificate: tls.Certificate) -> str:
        """The certificates and their key, in PEM.

        Raises:
            ValueError: if there is no matching key.
        """
        with _all_as_value_error():
            key = self.private_key
            own = tls_certificates.Certificate.from_string(certificate.chain)
            fits = key is not None and own.matches_private_key(key)
        if not fits:
            raise ValueError('its key is missing')
        return f'{certificate.chain}{key}\n'

    def _check_unanswered(self, seen: tls.Tls) -> None:
        """Check that the CA has not answered with something other than a usable certificate.

        Raises:
            ValueError: if it has; says what is wrong with the answer.
        """
        requests = self.get_csrs_from_requirer_relation_data()
        own = {str(request.certificate_signing_request).strip() for request in requests}
        for request in sorted(own & seen.answered.denied.keys()):
            raise ValueError(f'it denied the request: {seen.answered.denied[request]}')
        if any(one.request in own for one in seen.own):
            raise ValueError('its certificate does not match the request')


def check_request(text: str, host: str) -> None:
    """Check that a request of a worker unit asks for that unit's name and for nothing else.

    Args:
        text: the request in PEM.
        host: the unit's DNS name.

    Raises:
        ValueError: if it does not.
    """
    with _all_as_value_error():
        request = x509.load_pem_x509_csr(text.encode())
        key = request.public_key()
        others = {one.oid for one in request.extensions} - {_NAMES}
        common = {str(one.value) for one in request.subject if one.oid in _NAMES_IN_SUBJECT}
        signed = request.is_signature_valid
    if not signed:
        raise ValueError('its signature is wrong')
    _check_key(key)
    if others:
        raise ValueError('it asks for more than a name')
    _check_names(request, host)
    if foreign := sorted(common - {host}):
        raise ValueError(f'it is for {foreign[0]}')


def check_issued(chain: Sequence[str], ca: str, request: str, host: str) -> None:
    """Check what was issued for a worker unit.

    Args:
        chain: its certificate and those of the CA, in PEM.
        ca: the one of these that the others are to lead to.
        request: what it requested.
        host: the unit's DNS name.

    Raises:
        ValueError: if it cannot be served.
    """
    with _all_as_value_error():
        own, *others = [x509.load_pem_x509_certificate(one.encode()) for one in chain]
        fits = own.public_key() == x509.load_pem_x509_csr(request.encode()).public_key()
        trusted = x509.load_pem_x509_certificate(ca.encode())
        issuers = _chain(own, others)
    if not fits:
        raise ValueError('it is for another key')
    _check_names(own, host)
    if trusted not in issuers:
        raise ValueError('it was not issued by its CA')
    _check_time(issuers[: issuers.index(trusted) + 1], 'it')


def _check_time(chain: Sequence[x509.Certificate], what: str) -> None:
    """Check that a certificate and those of its issuers are valid now.

    Raises:
        ValueError: if one is not; it calls the first one `what`.
    """
    now = datetime.datetime.now(datetime.UTC)
    for number, one in enumerate(chain):
        which = "an issuer's certificate" if number else what
        if now < one.not_valid_before_utc:
            raise ValueError(f'{which} is not valid yet')
        if one.not_valid_after_utc <= now:
            raise ValueError(f'{which} has expired')


def _check_key(key: object) -> None:
    match key:
        case rsa.RSAPublicKey() if key.key_size >= _RSA_BITS:
            return
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1() | ec.SECP384R1()):
            return
    raise ValueError(f'expected an RSA key of {_RSA_BITS} bits or more, or one on P-256 or P-384')


def _check_names(source: x509.CertificateSigningRequest | x509.Certificate, host: str) -> None:
    with _all_as_value_error():
        try:
            found = source.extensions.get_extension_for_oid(_NAMES).value
        except x509.ExtensionNotFound:
            raise ValueError('it has no names') from None
        names = [*found] if isinstance(found, x509.SubjectAlternativeName) else []
    for name in names:
        if not isinstance(name, x509.DNSName) or name.value != host:
            raise ValueError(f'it is for {name.value}')
    if not names:
        raise ValueError('it has no names')


@contextlib.contextmanager
def _all_as_value_error() -> Iterator[None]:
    """Turn any error, except for a refused relation, into a ValueError that names it."""
    try:
        yield
    except (ValueError, ops.RelationNotFoundError):
        raise
    except Exception as error:
        raise ValueError(f'{type(error).__name__}: {error}') from error


def _provided(issued: ca_data.Issued) -> tls_certificates.ProviderCertificate:
    """An entry of the CA's databag as the library reads it."""
    certificate = tls_certificates.Certificate.from_string
    return tls_certificates.ProviderCertificate(
        relation_id=-1,
        certificate=certificate(issued.certificate),
        certificate_signing_request=tls_certificates.CertificateSigningRequest.from_string(
            issued.certificate_signing_request
        ),
        ca=certificate(issued.ca),
        chain=[certificate(one) for one in issued.chain or ()],
        revoked=issued.revoked,
    )


def _parsed(certificate: tls_certificates.Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(str(certificate).encode())


def _pem(certificate: x509.Certificate) -> str:
    return str(tls_certificates.Certificate(x509_object=certificate)) + '\n'


def _chain(own: x509.Certificate, others: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The certificate, then each one's issuer: nginx needs this order, and CAs' orders differ."""
    chain = [own]

    def issuer() -> x509.Certificate | None:
        left = (one for one in others if one not in chain)
        return next((one for one in left if worker_key.is_by(chain[-1], one)), None)

    while found := issuer():
        chain.append(found)
    return chain
