"""TLS: what a CA provides, which certificate nginx serves with, and the file that it is in.

Cheap to import. Key and request are made by `certificates.py`, which only a unit with a CA needs.
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
"""Seconds after which an update-status looks whether key and request are still there."""

_FOLDER = '/etc/nginx'


class Certificate(databag.Databag):
    """A certificate to serve with, without its key.

    Attributes:
        chain: the unit's own, then each one's issuer.
        ca: what clients have to trust, the last of them or one before.
    """

    chain: pem.Certificates
    ca: pem.Certificate


class Kept(databag.Databag):
    """What a coordinator unit keeps for its next pod in its own databag on `peers`.

    Attributes:
        certificate: what its nginx serves with; absent while it serves plain HTTP.
    """

    certificate: Certificate | None = None


class Issued(databag.Databag):
    """A certificate in the databag of a CA, which has those of all units that asked."""

    certificate: pem.Certificate
    certificate_signing_request: str
    ca: pem.Certificate
    chain: Annotated[list[pem.Certificate], pydantic.Field(max_length=10)] | None = None
    revoked: bool | None = None


class Denial(databag.Databag):
    """Why a CA does not issue a certificate."""

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
    """A certificate that a unit asks for."""

    certificate_signing_request: str


class Requested(databag.Databag):
    """This unit's own databag on `certificates`, written by `certificates.py`."""

    certificate_signing_requests: list[Request]


@dataclasses.dataclass(frozen=True)
class Tls:
    """What is read of TLS.

    Attributes:
        ca: the name of the application that issues certificates, or ''.
        provided: what it provides; None when not ready or ignored.
        requests: the certificate signing requests of this unit.
        kept: what this unit's nginx served with when it was last seen.
    """

    ca: str = ''
    provided: Provided | None = None
    requests: frozenset[str] = frozenset()
    kept: Certificate | None = None

    @property
    def serves_issued(self) -> bool:
        """Whether nginx serves with what its CA issued for this unit's present request."""
        issued = (self.provided and self.provided.certificates) or []
        return self.kept is not None and any(
            self.kept.chain.startswith(one.certificate)
            and one.certificate_signing_request.strip() in self.requests
            and not one.revoked
            for one in issued
        )

    def candidates(self, issued: Certificate | None) -> list[Certificate]:
        """What nginx may serve with, the best first; after the last one it serves plain HTTP.

        Args:
            issued: by the CA, for this unit's present request.
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
    """What `certificates.Requirer` does: importing that takes long, and few events need it."""

    def follow(self, event: ops.EventBase) -> None:
        """Have a key and a request where there is a relation, and a new request in time."""

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
        bags: where a CA whose answer cannot be used is named.
        seen: what was read.
        requirer: gives the library's side; asked only if it is needed.
        is_due: whether so many seconds have passed since it last said so.
    """
    # A relation that is broken is not there any more, but has secrets to be cleared away.
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
    """Such as when a worker joins. A renewal is due when a secret expires."""
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
    """Serve with the best certificate that can be, else with plain HTTP.

    Args:
        container: nginx's, reachable.
        seen: what was read.
        issued: by the CA, for this unit's present request.
        file: gives a certificate with its chain and key, in PEM; a ValueError if there is no key.
        run: makes nginx run with the certificate at a path, or '' for plain HTTP; an
            `nginx.ConfigError` if it does not take it.
        found: where to name a CA whose certificate cannot be served with.

    Returns:
        What nginx serves with.

    Raises:
        nginx.ConfigError: if nginx takes nothing; it goes on with what it runs with.
        ops.pebble.Error: if Pebble cannot be reached.
    """
    for candidate in seen.candidates(issued):
        path = file_path(candidate)
        try:
            ensure_file(container, path, lambda wanted=candidate: file(wanted))
            run(path)
        except (ValueError, nginx.ConfigError) as error:
            why = addresses.shorten(str(error), 160)
            found.ignore(seen.ca, f'cannot serve with its certificate: {why}')
        else:
            ensure_no_other_file(container, path)
            return candidate
    run('')
    ensure_no_other_file(container, '')
    return None


def file_path(certificate: Certificate) -> str:
    """Where a certificate is, with its chain and key: another one is elsewhere.

    So a new certificate is a new configuration too. Only one key fits a certificate, which is why
    the name need not tell of it.
    """
    digest = hashlib.sha256(certificate.chain.encode()).hexdigest()[:16]
    return f'{_FOLDER}/tls-{digest}.pem'


def ensure_file(container: ops.Container, path: str, content: Callable[[], str]) -> bool:
    """Make a file hold certificates and key, for nobody else's eyes. True if it was written.

    Args:
        container: reachable.
        path: what `file_path` gave.
        content: gives the content, and is asked only if the file is not there.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    if any(found.permissions == 0o600 for found in _files(container) if found.path == path):
        return False
    # Pebble writes a new file with these permissions, and renames it when it is whole.
    container.push(path, content(), make_dirs=True, permissions=0o600)
    return True


def ensure_no_other_file(container: ops.Container, path: str) -> bool:
    """Remove all certificates and keys but those in this file. True if there were any.

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
        if error.code == 404:  # the folder comes with the first file
            return []
        raise
