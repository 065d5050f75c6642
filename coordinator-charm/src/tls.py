"""TLS: what a CA provides, which certificate nginx serves, and the file that holds it.

Cheap to import. `certificates.py` makes key and request; only a unit with a CA needs it.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Annotated, Any, Protocol

import ops
import pydantic

import nginx
from coordinated_telemetry import addresses, databag, databags, pem, report

ENDPOINT = 'certificates'

CHECK = 3600.0
"""Seconds after which an update-status checks that key and request still exist."""

_FOLDER = '/etc/nginx'


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
    """

    certificate: Certificate | None = None


class Issued(databag.Databag):
    """A certificate in the databag of a CA, which holds those of all units that requested one."""

    certificate: pem.Certificate
    certificate_signing_request: str
    ca: pem.Certificate
    chain: Annotated[list[pem.Certificate], pydantic.Field(max_length=10)] | None = None
    revoked: bool | None = None


class Denial(databag.Databag):
    """Why a CA denies a request."""

    message: str


class Denied(databag.Databag):
    """A request that a CA denies."""

    csr: str
    error: Denial


class Provided(databag.Databag):
    """The databag of a CA, of the interface `tls-certificates`."""

    certificates: list[Issued] | None = None
    request_errors: list[Denied] | None = None
    capabilities: dict[str, Any] | None = None


class Request(databag.Databag):
    """A certificate that a unit requests."""

    certificate_signing_request: str


class Requested(databag.Databag):
    """This unit's own databag on `certificates`, written by `certificates.py`."""

    certificate_signing_requests: list[Request]


@dataclasses.dataclass(frozen=True)
class Tls:
    """What is read for TLS.

    Attributes:
        ca: the name of the application that issues certificates, or ''.
        provided: what it provides; None if not ready or ignored.
        requests: the certificate signing requests of this unit.
        kept: what this unit's nginx served when it was last seen.
    """

    ca: str = ''
    provided: Provided | None = None
    requests: frozenset[str] = frozenset()
    kept: Certificate | None = None

    @property
    def serves_issued(self) -> bool:
        """Whether nginx serves what its CA issued for this unit's present request."""
        issued = (self.provided and self.provided.certificates) or []
        return self.kept is not None and any(
            self.kept.chain.startswith(one.certificate)
            and one.certificate_signing_request.strip() in self.requests
            and not one.revoked
            for one in issued
        )

    def candidates(self, issued: Certificate | None) -> list[Certificate]:
        """What nginx may serve, the best first; after the last one comes plain HTTP.

        Args:
            issued: what the CA issued for this unit's present request.
        """
        return [one for one in dict.fromkeys((issued, self.kept)) if one is not None]


def read(bags: databags.Databags, unit: ops.Unit) -> Tls:
    """Read what the CA provides and what this unit kept."""
    for relation in bags.relations(ENDPOINT)[:1]:
        kept = bags.own('peers', unit, Kept)
        provided = bags.load(relation, relation.app, Provided)
        requested = bags.own(ENDPOINT, unit, Requested)
        requests = requested.certificate_signing_requests if requested else []
        return Tls(
            ca=relation.app.name,
            provided=provided,
            requests=frozenset(one.certificate_signing_request.strip() for one in requests),
            kept=kept and kept.certificate,
        )
    return Tls()


class Requirer(Protocol):
    """The shape of `certificates.Requirer`, which takes long to import and few events need."""

    def follow(self, event: ops.EventBase) -> None:
        """Keep a key and a request while there is a relation, and renew the request in time."""

    def issued(self, provided: Provided | None) -> Certificate | None:
        """The certificate that was issued for the request; None while there is none."""

    def file(self, certificate: Certificate) -> str:
        """The certificates and their key, in PEM."""
        ...


def ensure_requested(
    event: ops.EventBase,
    bags: databags.Databags,
    seen: Tls,
    requirer: Callable[[], Requirer],
    is_due: Callable[[float], bool],
) -> Certificate | None:
    """Keep a certificate requested while there is a CA, and return what it issued.

    Args:
        event: the event of this dispatch.
        bags: the databags; their report names a CA whose answer cannot be used.
        seen: what was read.
        requirer: gives the library's side; called only if needed.
        is_due: whether that many seconds have passed since it last returned True.
    """
    # A broken relation counts as removed, but its secrets have to be removed too.
    broken = isinstance(event, ops.RelationBrokenEvent) and event.relation.name
    if not seen.ca and broken != ENDPOINT:
        return None
    if seen.serves_issued and _is_about_others(event, is_due):
        return seen.kept
    if bags.report.ignores(seen.ca):
        return None
    try:
        requirer().follow(event)
        return requirer().issued(seen.provided) if seen.ca else None
    except ops.RelationNotFoundError:
        for relation in bags.relations(ENDPOINT):
            raise databags.RefusedError(relation) from None
    except ValueError as error:
        bags.report.ignore(seen.ca or ENDPOINT, databag.reason(error))
    return None


def _is_about_others(event: ops.EventBase, is_due: Callable[[float], bool]) -> bool:
    """Whether no certificate can change, as when a worker joins; secrets announce a renewal."""
    if isinstance(event, ops.UpdateStatusEvent):
        return not is_due(CHECK)
    return isinstance(event, ops.RelationEvent | ops.WorkloadEvent)


def ensure_served(
    container: ops.Container,
    seen: Tls,
    issued: Certificate | None,
    *,
    file: Callable[[Certificate], str],
    run: Callable[[str], None],
    found: report.Report,
) -> Certificate | None:
    """Serve the best certificate that nginx accepts, otherwise plain HTTP.

    Args:
        container: nginx's, reachable.
        seen: what was read.
        issued: what the CA issued for this unit's present request.
        file: gives a certificate with its chain and key, in PEM; raises ValueError without a key.
        run: makes nginx run with the certificate at a path, or '' for plain HTTP; raises
            `nginx.ConfigError` if nginx refuses it.
        found: the report that names a CA whose certificate cannot be served.

    Returns:
        What nginx serves; None for plain HTTP.

    Raises:
        nginx.ConfigError: if nginx refuses even plain HTTP; it keeps running as before.
        ops.pebble.Error: if Pebble cannot be reached.
    """
    for candidate in seen.candidates(issued):
        path = file_path(candidate)
        try:
            ensure_file(container, path, lambda wanted=candidate: file(wanted))
            run(path)
        except (ValueError, nginx.ConfigError) as error:
            why = addresses.shorten(str(error), 160)
            found.ignore(seen.ca, f'cannot serve its certificate: {why}')
        else:
            ensure_no_other_file(container, path)
            return candidate
    run('')
    ensure_no_other_file(container, '')
    return None


def file_path(certificate: Certificate) -> str:
    """The path of a certificate with its chain and key; every certificate has its own.

    A new certificate therefore makes a new nginx.conf. The name does not depend on the key, since
    only one key fits a certificate.
    """
    digest = hashlib.sha256(certificate.chain.encode()).hexdigest()[:16]
    return f'{_FOLDER}/tls-{digest}.pem'


def ensure_file(container: ops.Container, path: str, content: Callable[[], str]) -> bool:
    """Make a file hold certificates and key, readable by its owner only. True if it was written.

    Args:
        container: reachable.
        path: from `file_path`.
        content: gives the content; called only if the file is missing.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    if any(found.permissions == 0o600 for found in _files(container) if found.path == path):
        return False
    # Pebble writes a new file with these permissions, and renames it once it is complete.
    container.push(path, content(), make_dirs=True, permissions=0o600)
    return True


def ensure_no_other_file(container: ops.Container, path: str) -> bool:
    """Remove all files of certificates and keys except this one. True if there were any.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    others = [found.path for found in _files(container) if found.path != path]
    for other in others:
        container.remove_path(other)
    return bool(others)


def _files(container: ops.Container) -> list[ops.pebble.FileInfo]:
    try:
        return container.list_files(_FOLDER, pattern='tls-*.pem')
    except ops.pebble.APIError as error:
        if error.code == 404:  # the first file creates the folder
            return []
        raise
