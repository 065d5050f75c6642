"""What databags carry for TLS: a CA's, this application's and this unit's own."""

from typing import Annotated, Any

import pydantic

from coordinated_telemetry import cluster_data, databag, pem

MAX_CAS = 8
"""How many CAs are trusted at once: in a change there are two."""

_Text = Annotated[str, pydantic.Field(max_length=pem.MAX_LENGTH)]


class Certificate(databag.Databag):
    """A certificate to serve, without its key.

    Attributes:
        chain: the unit's own certificate, then each one's issuer.
        ca: the certificate that clients must trust, one of the chain's issuers.
    """

    chain: pem.Certificates
    ca: pem.Certificate


class Kept(databag.Databag):
    """What a coordinator unit keeps for its next pod, in its own databag on `peers`.

    Attributes:
        certificate: what its nginx serves; absent while it serves plain HTTP.
        upstream_scheme: how its nginx reaches the workers; without it, `http`.
        schemes: what its exporter serves; without it, `http`.
    """

    certificate: Certificate | None = None
    upstream_scheme: cluster_data.Scheme | None = None
    schemes: cluster_data.Schemes | None = None

    @property
    def uses_https(self) -> bool:
        """Whether anything but its own nginx depends on certificates and CAs."""
        return bool(self.upstream_scheme or self.schemes)


class Issued(databag.Databag):
    """A certificate in the databag of a CA, which holds those of all requests.

    There may be hundreds, so each is only checked for being PEM when somebody needs it.
    """

    certificate: _Text
    certificate_signing_request: str
    ca: _Text
    chain: Annotated[list[_Text], pydantic.Field(max_length=10)] | None = None
    revoked: bool | None = None

    @property
    def request(self) -> str:
        """The request in the form in which it is compared."""
        return self.certificate_signing_request.strip()

    def checked(self) -> 'Issued':
        """The same, with each certificate in PEM as OpenSSL writes it.

        Raises:
            ValueError: if one of them is something else.
        """
        return Issued(
            certificate=_checked('certificate', self.certificate),
            certificate_signing_request=self.certificate_signing_request,
            ca=_checked('ca', self.ca),
            chain=self.chain and [_checked('chain', one) for one in self.chain],
            revoked=self.revoked,
        )


class Denial(databag.Databag):
    """Why a CA denies a request."""

    message: str


class Denied(databag.Databag):
    """A request that a CA denies."""

    csr: str
    error: Denial


class Provided(databag.Databag):
    """The databag of a CA, of the interface `tls-certificates`."""

    max_read = 8 * 1024 * 1024  # 6 KiB for each of a thousand requests

    certificates: list[Issued] | None = None
    request_errors: list[Denied] | None = None
    capabilities: dict[str, Any] | None = None


class Request(databag.Databag):
    """A certificate that is requested; the interface requires `ca`."""

    certificate_signing_request: str
    ca: bool | None = None


class Requested(databag.Databag):
    """Requests on `certificates`: this unit's own, and in the application's databag the workers'.

    `certificates.py` writes the former.
    """

    certificate_signing_requests: list[Request] | None = None


class Shared(databag.Databag):
    """What the leader keeps for its successor, in the application's databag on `peers`.

    Attributes:
        trusted: the CAs of all certificates that anything in the deployment may still serve.
        worker_schemes: what each worker is told to serve; without it, `http`.
        requests: worker unit → digest of its last request, and after a space what is wrong with
            it, if anything.
        issued: the same for what was last issued for it.
    """

    trusted: Annotated[list[pem.Certificate], pydantic.Field(max_length=MAX_CAS)] | None = None
    worker_schemes: cluster_data.Schemes | None = None
    requests: dict[str, str] | None = None
    issued: dict[str, str] | None = None


def _checked(field: str, text: str) -> str:
    try:
        return pem.check_certificate(text)
    except ValueError as error:
        raise ValueError(f'{field}: {error}') from None
