"""TLS: what a CA provides, which certificate nginx serves, and the file that holds it.

Cheap to import. `certificates.py` makes key and request; only a unit with a CA needs it.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import ops

import answers
import nginx
from coordinated_telemetry import addresses, containers, databag, databags, report
from tls_data import Certificate, Kept

if TYPE_CHECKING:
    import certificates
    from ca_data import Issued

ENDPOINT = 'certificates'

CHECK = 3600.0
"""Seconds after which an update-status checks that key and request still exist."""

_ABOUT_OTHERS = (ops.RelationEvent, ops.WorkloadEvent)
_FOLDER = '/etc/nginx'


@dataclasses.dataclass(frozen=True)
class Tls:
    """What is read for TLS.

    Attributes:
        ca: the name of the application that issues certificates, or ''.
        own: what it issued for requests of this unit, checked for being PEM.
        requests: the certificate signing requests of this unit.
        kept: what this unit's nginx served when it was last seen; without a CA, it goes on with it
            until all have followed.
        answered: all that the CA answers, whoever requested it.
    """

    ca: str = ''
    own: 'tuple[Issued, ...]' = ()
    requests: frozenset[str] = frozenset()
    kept: Certificate | None = None
    answered: answers.Answers = answers.NOTHING

    @property
    def serves_issued(self) -> bool:
        """Whether nginx serves what its CA issued for this unit's present request."""
        return self.kept is not None and any(
            self.kept.chain.startswith(one.certificate)
            and one.request in self.requests
            and not one.revoked
            for one in self.own
        )

    @property
    def digest(self) -> str:
        """A digest of all that this unit asked and was answered, however useless the answer."""
        asked, found = sorted(self.requests), self.answered
        parts = [
            self.ca,
            *asked,
            *(one.model_dump_json() for one in self.own),
            *(each.get(one, '') for one in asked for each in (found.refused, found.denied)),
        ]
        return hashlib.sha256('\n'.join(parts).encode(errors='replace')).hexdigest()[:32]

    def candidates(
        self, issued: Certificate | None, *, kept_first: bool = False
    ) -> list[Certificate]:
        """What nginx may serve, the best first; after the last one comes plain HTTP.

        Args:
            issued: what the CA issued for this unit's present request.
            kept_first: whether what was served before is better, because others trust only that.
        """
        order = (self.kept, issued) if kept_first else (issued, self.kept)
        return [one for one in dict.fromkeys(order) if one is not None]


def read(bags: databags.Databags, unit: ops.Unit, kept: Kept) -> Tls:
    """Read what the CA provides; `kept` is what this unit kept."""
    for relation in bags.relations(ENDPOINT)[:1]:
        import ca_data  # noqa: PLC0415 few deployments' events need it

        found = answers.read(bags, relation)
        requested = bags.own(ENDPOINT, unit, ca_data.Requested)
        asked = (requested and requested.certificate_signing_requests) or []
        requests = frozenset(one.certificate_signing_request.strip() for one in asked)
        own: list[Issued] = []
        refused = dict(found.refused)
        for request in sorted(requests & found.issued.keys()):
            try:
                own.append(found.issued[request].checked())
            except ValueError as error:
                refused[request] = databag.reason(error)
        for request in sorted(requests & refused.keys()):
            bags.report.ignore(relation.app.name, refused[request])
        return Tls(
            ca=relation.app.name,
            own=tuple(own),
            requests=requests,
            kept=kept.certificate,
            answered=dataclasses.replace(found, refused=refused),
        )
    return Tls(kept=kept.certificate)


def ensure_requested(
    event: ops.EventBase,
    bags: databags.Databags,
    seen: Tls,
    requirer: 'Callable[[], certificates.Requirer]',
    is_due: Callable[[float], bool],
    useless: str = '',
) -> tuple[Certificate | None, str]:
    """Keep a certificate requested while there is a CA, and return what it issued.

    What was found useless is only looked at again when it changes, or in an update-status: a
    certificate may become valid.

    Args:
        event: the event of this dispatch.
        bags: the databags; their report names a CA whose answer cannot be used.
        seen: what was read.
        requirer: gives the library's side; called only if needed.
        is_due: whether that many seconds have passed since it last returned True.
        useless: what this returned in the last dispatch, or ''.

    Returns:
        What the CA issued, and, to be remembered, that all which it answers is useless.
    """
    # A broken relation counts as removed, but its secrets have to be removed too.
    broken = isinstance(event, ops.RelationBrokenEvent) and event.relation.name
    if not seen.ca and broken != ENDPOINT:
        return None, ''
    if seen.serves_issued and _is_about_others(event, is_due):
        return seen.kept, ''
    known, _, why = useless.partition(' ')
    if seen.requests and known == seen.digest and isinstance(event, _ABOUT_OTHERS):
        if why:
            bags.report.ignore(seen.ca, why)
        return None, useless
    try:
        requirer().follow(event, seen)
        issued = requirer().issued(seen) if seen.ca else None
    except ops.RelationNotFoundError:
        for relation in bags.relations(ENDPOINT):
            raise databags.RefusedError(relation) from None
        return None, ''
    except ValueError as error:
        why = databag.reason(error)
        bags.report.ignore(seen.ca or ENDPOINT, why)
        return None, f'{seen.digest} {why}'
    return issued, '' if issued else f'{seen.digest} '


def _is_about_others(event: ops.EventBase, is_due: Callable[[float], bool]) -> bool:
    """Whether no certificate can change, as when a worker joins; secrets announce a renewal."""
    if isinstance(event, ops.UpdateStatusEvent):
        return not is_due(CHECK)
    return isinstance(event, _ABOUT_OTHERS)


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
