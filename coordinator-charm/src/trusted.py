"""The CAs that the deployment trusts: during a change, the previous ones too.

The leader keeps the list. It publishes it to workers and scrapers, and each nginx checks the
workers' certificates with it.
"""

from collections.abc import Collection, Mapping

import ops

import tls
import tls_data
from coordinated_telemetry import cluster, cluster_data, pem
from state import State

_FILES = 'upstream-ca-*.pem'


def by_unit(seen: State) -> str:
    """What this unit's nginx trusts, in PEM: also what it sees before the leader has."""
    own = {seen.tls.kept.ca} if seen.tls.kept else set[str]()
    return ''.join(sorted({*(seen.shared.trusted or ()), *seen.tls.answered.cas, *own}))


def by_all(
    seen: State,
    served: tls.Certificate | None,
    issued: Mapping[str, str],
    cas: Collection[str],
    narrows: bool,
) -> list[str]:
    """What everybody is to trust, sorted.

    An intermediate CA is there with its root if the CA names that, since clients with OpenSSL's
    defaults need it. A CA stays until nothing serves a certificate of another time: each worker
    says which one it serves, and each coordinator unit which CA its own is of.

    Args:
        seen: what was read.
        served: what this unit's nginx serves.
        issued: worker unit → what the CA has issued for it by now.
        cas: of these.
        narrows: whether what nobody needs may go now.
    """
    certificates = [served, *(other.certificate for other in seen.others.values())]
    now = {*cas, *(ca for one in certificates if one for ca in one.cas)}
    before = {*(seen.shared.trusted or ())} - now
    if narrows and not _serves_another(seen, issued):
        before = set()
    return sorted([*sorted(now), *sorted(before)][: tls_data.MAX_CAS])


def _serves_another(seen: State, issued: Mapping[str, str]) -> bool:
    """Whether any worker serves something else than what is issued for it now."""
    return any(
        worker.tls.certificate_sha256
        not in ('', cluster_data.sha256(issued.get(worker.topology.unit, '')))
        for worker in seen.workers.units
    )


def unaware(seen: State, issued: tls_data.Certificate) -> list[str]:
    """The worker units that may not trust the CA of this unit's new certificate yet.

    With its certificate, a worker is told which CAs to trust. So one that serves what the new CA
    issued for it trusts that CA; of a worker that serves no certificate, nothing is known.
    """
    if seen.tls.kept is None or not issued.cas.isdisjoint(seen.tls.kept.cas):
        return []
    return [
        worker.topology.unit
        for worker in seen.workers.units
        if worker.tls.certificate_sha256 and not _serves(worker.tls, seen, issued.cas)
    ]


def _serves(worker: cluster.WorkerTls, seen: State, cas: Collection[str]) -> bool:
    """Whether a worker serves what was issued for it, by one of these CAs."""
    import worker_certificates  # noqa: PLC0415 few events need it

    answer = seen.tls.answered.issued.get(worker.request.strip())
    try:
        return (
            answer is not None
            and pem.check_certificate(answer.ca) in cas
            and worker.certificate_sha256 == worker_certificates.sha256(answer)
        )
    except ValueError:  # the leader names it
        return False


def ensure_file(container: ops.Container, text: str) -> str:
    """Make a file hold these CAs, and return its path; other CAs have another path.

    nginx trusts each of them, an intermediate without its root too, as Go and ops.tracing do.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    anchors = pem.anchors(text)
    path = tls.path_of('upstream-ca', anchors)
    tls.ensure_file(container, path, lambda: anchors, 0o644)
    return path


def ensure_no_other_file(container: ops.Container, path: str) -> bool:
    """Remove all files with CAs except this one. True if there were any.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    return tls.ensure_no_other_file(container, path, _FILES)
