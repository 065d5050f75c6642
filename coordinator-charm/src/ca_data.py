"""What the databags of the interface `tls-certificates` carry; needed only where there is a CA."""

from typing import Annotated, Any

import pydantic

from coordinated_telemetry import databag, pem

_Text = Annotated[str, pydantic.Field(max_length=pem.MAX_LENGTH)]


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
    """The databag of a CA, of the interface `tls-certificates`; `answers.py` reads its entries."""

    max_read = 8 * 1024 * 1024  # 6 KiB for each of a thousand requests

    certificates: list[Any] | None = None
    request_errors: list[Any] | None = None


class Request(databag.Databag):
    """A certificate that is requested; the interface requires `ca`."""

    certificate_signing_request: str
    ca: bool | None = None


class Requested(databag.Databag):
    """Requests on `certificates`: this unit's own, and in the application's databag the workers'.

    `certificates.py` writes the former.
    """

    certificate_signing_requests: list[Request] | None = None


def _checked(field: str, text: str) -> str:
    try:
        return pem.check_certificate(text)
    except ValueError as error:
        raise ValueError(f'{field}: {error}') from None
