"""TLS: what a CA provides, which certificate nginx serves, and the file that holds it.

Cheap to import. `certificates.py` makes key and request; only a unit with a CA needs it.
"""

import dataclasses
import hashlib
import types
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import ops

import nginx
from coordinated_telemetry import addresses, containers, databag, databags, pem, report
from tls_data import MAX_CAS, Certificate, Kept

if TYPE_CHECKING:
    import certificates
    from ca_data import Issued, Provided

ENDPOINT = 'certificates'

CHECK = 3600.0
"""Seconds after which an update-status checks that key and request still exist."""

_FOLDER = '/etc/nginx'


@dataclasses.dataclass(frozen=True)
class Tls:
    """What is read for TLS.

    Attributes:
        ca: the name of the application that issues certificates, or ''.
        provided: what it provides for this unit; None if not ready or ignored.
        requests: the certificate signing requests of this unit.
        kept: what this unit's nginx served when it was last seen; without a CA, it goes on with it
            until all have followed.
        answers: request → what the CA issued for it, whoever requested it; unchecked.
        denied: request → why the CA denies it.
        cas: the certificates of the CA, sorted.
    """

    ca: str = ''
    provided: 'Provided | None' = None
    requests: frozenset[str] = frozenset()
    kept: Certificate | None = None
    answers: 'Mapping[str, Issued]' = types.MappingProxyType({})
    denied: Mapping[str, str] = types.MappingProxyType({})
    cas: tuple[str, ...] = ()

    @property
    def serves_issued(self) -> bool:
        """Whether nginx serves what its CA issued for this unit's present request."""
        issued = (self.provided and self.provided.certificates) or []
        return self.kept is not None and any(
            self.kept.chain.startswith(one.certificate)
            and one.request in self.requests
            and not one.revoked
            for one in issued
        )

    def candidates(self, issued: Certificate | None) -> list[Certificate]:
        """What nginx may serve, the best first; after the last one comes plain HTTP.

        Args:
            issued: what the CA issued for this unit's present request.
        """
        return [one for one in dict.fromkeys((issued, self.kept)) if one is not None]


def read(bags: databags.Databags, unit: ops.Unit, kept: Kept) -> Tls:
    """Read what the CA provides; `kept` is what this unit kept."""
    for relation in bags.relations(ENDPOINT)[:1]:
        import ca_data  # noqa: PLC0415 few deployments' events need it

        name = relation.app.name
        provided = bags.load(relation, relation.app, ca_data.Provided)
        requested = bags.own(ENDPOINT, unit, ca_data.Requested)
        own = (requested and requested.certificate_signing_requests) or []
        requests = frozenset(one.certificate_signing_request.strip() for one in own)
        answers: dict[str, Issued] = {}
        for one in (provided and provided.certificates) or ():
            answers.setdefault(one.request, one)
        return Tls(
            ca=name,
            provided=provided and _for_unit(bags, name, provided, requests),
            requests=requests,
            kept=kept.certificate,
            answers=answers,
            denied={
                one.csr.strip(): one.error.message
                for one in (provided and provided.request_errors) or ()
            },
            cas=_cas(bags, name, answers.values()),
        )
    return Tls(kept=kept.certificate)


def _for_unit(
    bags: databags.Databags, name: str, provided: 'Provided', requests: frozenset[str]
) -> 'Provided | None':
    """What a CA provides for these requests; None if it cannot be read."""
    own = [one for one in provided.certificates or () if one.request in requests]
    try:
        return provided.model_copy(update={'certificates': [one.checked() for one in own]})
    except ValueError as error:
        bags.report.ignore(name, databag.reason(error))
        return None


def _cas(bags: databags.Databags, name: str, issued: 'Iterable[Issued]') -> tuple[str, ...]:
    found: set[str] = set()
    for text in sorted({one.ca for one in issued})[:MAX_CAS]:
        try:
            found.add(pem.check_certificate(text))
        except ValueError as error:
            bags.report.ignore(name, f'ca: {error}')
    return tuple(sorted(found))


def ensure_requested(
    event: ops.EventBase,
    bags: databags.Databags,
    seen: Tls,
    requirer: 'Callable[[], certificates.Requirer]',
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
    ca: str,
    candidates: Iterable[Certificate],
    *,
    file: Callable[[Certificate], str],
    run: Callable[[str], None],
    found: report.Report,
) -> Certificate | None:
    """Serve the best certificate that nginx accepts, otherwise plain HTTP.

    Args:
        container: nginx's, reachable.
        ca: the name of the application that issues certificates, or ''.
        candidates: what may be served, the best first.
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
    for candidate in candidates:
        path = file_path(candidate)
        try:
            ensure_file(container, path, lambda wanted=candidate: file(wanted))
            run(path)
        except (ValueError, nginx.ConfigError) as error:
            why = addresses.shorten(str(error), 160)
            if ca:
                found.ignore(ca, f'cannot serve its certificate: {why}')
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
    return path_of('tls', certificate.chain)


def path_of(prefix: str, content: str) -> str:
    """The path of a file for this content alone, next to nginx.conf."""
    return f'{_FOLDER}/{prefix}-{hashlib.sha256(content.encode()).hexdigest()[:16]}.pem'


def ensure_file(
    container: ops.Container, path: str, content: Callable[[], str], mode: int = 0o600
) -> bool:
    """Make a file hold certificates, and with the default mode a key. True if it was written.

    Args:
        container: reachable.
        path: from `file_path` or `path_of`.
        content: gives the content; called only if the file is missing.
        mode: permissions of the file.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    name = path.rpartition('/')[2]
    if any(found.permissions == mode for found in containers.list_files(container, _FOLDER, name)):
        return False
    # Pebble writes a new file with these permissions, and renames it once it is complete.
    container.push(path, content(), make_dirs=True, permissions=mode)
    return True


def ensure_no_other_file(container: ops.Container, path: str, pattern: str = 'tls-*.pem') -> bool:
    """Remove all files of a pattern except this one. True if there were any.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    others = [
        found.path
        for found in containers.list_files(container, _FOLDER, pattern)
        if found.path != path
    ]
    for other in others:
        container.remove_path(other)
    return bool(others)
