"""The workers' certificates: their requests go to the CA, and what it issues comes back.

Only the leader does this. Each worker unit keeps its key; it publishes a request, which the
leader checks and passes on in the application's databag on `certificates`. What was checked is
remembered, because `certificates.py`, which checks, takes long to import.
"""

import dataclasses
import functools
import hashlib
import ssl
from collections.abc import Callable, Collection, Mapping

import ops
import pydantic_core

import ca_data
import tls
from coordinated_telemetry import (
    addresses,
    cluster,
    cluster_data,
    databag,
    databags,
    pem,
    report,
    topology,
)
from state import State

_NO_ROOM = 'no room'


@dataclasses.dataclass(frozen=True)
class Checked:
    """What was found out about the workers' requests and certificates.

    Attributes:
        requests: as in `tls_data.Shared`.
        answers: `issued` in `tls_data.Shared`.
        issued: worker unit → what the CA has issued for its request: its certificate, then each
            one's issuer, in PEM.
        published: application → unit → the same, or what was issued before.
        cas: the CAs of what was issued.
    """

    requests: dict[str, str] = dataclasses.field(default_factory=dict)
    answers: dict[str, str] = dataclasses.field(default_factory=dict)
    issued: dict[str, str] = dataclasses.field(default_factory=dict)
    published: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    cas: frozenset[str] = frozenset()


def ensure_requested(
    bags: databags.Databags,
    application: ops.Application,
    seen: State,
    host: Callable[[str], str],
    *,
    keeps: bool,
    again: bool,
) -> Checked:
    """Request what the workers need, and return what they get; leader only.

    Args:
        bags: the databags; their report names each request and certificate that is ignored.
        application: the coordinator's.
        seen: what was read.
        host: unit → its DNS name.
        keeps: whether workers keep what they have without a CA.
        again: whether to check what was refused once more: a certificate may become valid.
    """
    if not seen.tls.ca:
        kept = _published(bags, application, seen.workers.units) if keeps else {}
        return Checked(published=kept)
    accepted, requests = _accepted(bags.report, seen, host)
    wanted = [
        {'certificate_signing_request': accepted[unit].strip(), 'ca': False}
        for unit in sorted(accepted, key=topology.unit_number)
    ]
    requested = ca_data.Requested.model_validate({'certificate_signing_requests': wanted or None})
    bags.ensure(tls.ENDPOINT, application, requested)
    issued, answers, revoked, cas = _issued(bags.report, seen, host, accepted, again)
    settled = issued.keys() | revoked
    missing = [
        worker
        for worker in seen.workers.units
        if (worker.tls.request or worker.tls.certificate_sha256)
        and worker.topology.unit not in settled
    ]
    published = _published(bags, application, missing)
    for unit, text in issued.items():
        published.setdefault(unit.rpartition('/')[0], {})[unit] = text
    return Checked(requests, answers, issued, published, frozenset(cas))


def _accepted(
    found: report.Report, seen: State, host: Callable[[str], str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Unit → its request, if it may be passed on, and what to remember."""
    known = seen.shared.requests or {}
    good: dict[str, str] = {}
    verdicts: dict[str, str] = {}
    for worker in seen.workers.units:
        unit, request = worker.topology.unit, worker.tls.request
        if not request:
            continue

        name = host(unit)
        check = functools.partial(_check_request, request, name)
        verdict = _verdict(known.get(unit, ''), (name, request), check)
        verdicts[unit] = verdict
        if (why := _why(verdict)) and why != _NO_ROOM:
            found.ignore(unit, f'its request: {why}')
        else:
            good[unit] = request
    # Those that are already there go first; then the others, in order.
    first = sorted(good, key=lambda unit: _NO_ROOM in known.get(unit, _NO_ROOM))
    room = ca_data.Requested.max_bytes - 100
    left_out: list[str] = []
    for unit in first:
        digest = verdicts[unit].partition(' ')[0]
        size = len(good[unit]) + good[unit].count('\n') + 62  # as JSON, with the keys around it
        if left_out or size > room:
            left_out.append(unit)
            verdicts[unit] = f'{digest} {_NO_ROOM}'
            del good[unit]
        else:
            verdicts[unit] = digest
            room -= size
    if left_out:
        found.block(
            f'[{tls.ENDPOINT}] no room for the requests of {report.first(left_out)}, at '
            f'most {ca_data.Requested.max_bytes} bytes: divide the workers among several '
            'coordinators'
        )
    return good, verdicts


def _issued(
    found: report.Report,
    seen: State,
    host: Callable[[str], str],
    requests: Mapping[str, str],
    again: bool,
) -> tuple[dict[str, str], dict[str, str], set[str], set[str]]:
    """Unit → what the CA issued for its request, what to remember, whose is revoked, the CAs.

    Whoever calls a worker is to trust the CA, and the root at the end of the chain. They have it,
    so the worker does not send it.
    """
    known = seen.shared.issued or {}
    good: dict[str, str] = {}
    verdicts: dict[str, str] = {}
    revoked: set[str] = set()
    cas: set[str] = set()
    for unit, request in requests.items():
        answer = seen.tls.answered.issued.get(request.strip())
        if answer is None:
            if why := seen.tls.answered.denied.get(request.strip()):
                found.ignore(unit, f'{seen.tls.ca} denied its request: {addresses.shorten(why)}')
            if why := seen.tls.answered.refused.get(request.strip()):
                found.ignore(unit, f'its certificate: {why}')
            continue
        if answer.revoked:
            revoked.add(unit)
            found.ignore(unit, 'its certificate is revoked')
            continue
        texts = (answer.certificate, answer.ca, *(answer.chain or ()))
        name = host(unit)
        check = functools.partial(_check_issued, answer, request, name)
        before = known.get(unit, '')
        before = '' if again and _why(before) else before
        verdict = _verdict(before, (name, request, *texts), check)
        verdicts[unit] = verdict
        if why := _why(verdict):
            found.ignore(unit, f'its certificate: {why}')
        else:
            good[unit], issuers = _sent(answer)
            cas |= {_normal(answer.ca), *filter(pem.is_root, issuers[-1:])}
    return good, verdicts, revoked, cas


def sha256(answer: ca_data.Issued) -> str:
    """The digest that a worker publishes once it serves this.

    Raises:
        ValueError: if it is no certificate.
    """
    return cluster_data.sha256(_sent(answer)[0])


def _sent(answer: ca_data.Issued) -> tuple[str, list[str]]:
    """What a worker is sent, in PEM, and the issuers of its certificate."""
    own, *issuers = _chain(answer)
    return ''.join([own, *(one for one in issuers if not pem.is_root(one))]), issuers


def _verdict(known: str, texts: Collection[str], check: Callable[[], None]) -> str:
    """The digest of these texts, and after a space what is wrong with them, if anything."""
    digest = hashlib.sha256('\n'.join(texts).encode(errors='replace')).hexdigest()[:32]
    if known.partition(' ')[0] == digest:
        return known
    try:
        check()
    except ValueError as error:
        return f'{digest} {databag.reason(error)}'
    return digest


def _why(verdict: str) -> str:
    return verdict.partition(' ')[2]


def _check_request(request: str, host: str) -> None:
    import certificates  # noqa: PLC0415 importing it takes long, and few events need it

    certificates.check_request(request, host)


def _check_issued(answer: ca_data.Issued, request: str, host: str) -> None:
    import certificates  # noqa: PLC0415 as above

    checked = answer.checked()
    certificates.check_issued(_chain(checked), checked.ca, request, host)


def _chain(answer: ca_data.Issued) -> list[str]:
    """The certificate, then its issuers, each once; nearly every CA has them in this order."""
    own, *others = map(_normal, (answer.certificate, *(answer.chain or ()), answer.ca))
    if own in others:  # some begin with the root
        others = others if others[0] == own else [*others[-2::-1], others[-1]]
    return list(dict.fromkeys((own, *others)))


@functools.lru_cache(maxsize=4096)
def _normal(certificate: str) -> str:
    """A certificate that was checked, as OpenSSL writes it."""
    return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(certificate.strip()))


def _published(
    bags: databags.Databags, application: ops.Application, workers: Collection[cluster.Worker]
) -> dict[str, dict[str, str]]:
    """What these workers were given before: application → unit → PEM."""
    units = {worker.topology.unit for worker in workers}
    found: dict[str, dict[str, str]] = {}
    names = {unit.rpartition('/')[0] for unit in units}
    for relation in bags.relations('cluster'):
        if relation.app.name not in names or relation.app.name in found:
            continue
        text = bags.content(relation, application).get('worker_certificates', '{}')
        try:
            before = dict(pydantic_core.from_json(text))
        except (ValueError, TypeError):  # another revision wrote it
            continue
        found[relation.app.name] = {unit: before[unit] for unit in sorted(units & before.keys())}
    return found
