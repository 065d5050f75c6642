"""What the leader publishes so that the workers serve TLS, and what it keeps for that.

It brings together who serves which scheme (`schemes.py`), the certificates
(`worker_certificates.py`) and the CAs (`trusted.py`).
"""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import ops

import schemes
import targets
import tls_data
import trusted
from coordinated_telemetry import cluster_data, databag, databags, report, topology
from coordinated_telemetry.cluster_data import Scheme
from state import State

if TYPE_CHECKING:
    import worker_certificates


def ensure_published(
    bags: databags.Databags,
    application: ops.Application,
    host: Callable[[str], str],
    seen: State,
    to_workers: cluster_data.CoordinatorData,
    now: tls_data.Kept,
    *,
    narrows: bool,
) -> str:
    """Publish to each worker application; leader only. Returns the CAs to trust, in PEM.

    Args:
        bags: the databags.
        application: the coordinator's.
        host: unit → its DNS name.
        seen: what was read.
        to_workers: what all workers get.
        now: what this unit does now.
        narrows: whether what nobody uses may end now.
    """
    scheme = schemes.of_workers(seen, now)
    to_serve = _to_serve(seen, now, scheme, narrows)
    checked = _checked(bags, application, host, seen, 'https' in to_serve, narrows)
    issued, cas = (checked.issued, checked.cas) if checked else ({}, ())
    cas = trusted.by_all(seen, now.certificate, issued, cas, narrows)
    worker_schemes = None if to_serve == ['http'] else to_serve
    shared = tls_data.Shared(
        trusted=cas or None,
        worker_schemes=worker_schemes,
        requests=(checked and checked.requests) or None,
        issued=(checked and checked.answers) or None,
    )
    bags.ensure('peers', application, shared)
    ca = ''.join(cas)
    update = {
        'ca_cert': ca if ca and scheme == 'https' else None,
        'worker_schemes': worker_schemes,
    }
    to_workers = to_workers.model_copy(update=update)
    for relation in bags.relations('cluster'):
        own = checked.published.get(relation.app.name) if checked else None
        if own:
            own = _fitting(bags, relation, application, to_workers, own)
        wanted = to_workers.model_copy(update={'worker_certificates': own or None})
        bags.ensure('cluster', application, wanted, relation=relation)
    return ca


def _checked(
    bags: databags.Databags,
    application: ops.Application,
    host: Callable[[str], str],
    seen: State,
    keeps: bool,
    again: bool,
) -> 'worker_certificates.Checked | None':
    """The workers' requests and certificates; None where there are none."""
    if not seen.tls.ca and not keeps:
        return None
    import worker_certificates  # noqa: PLC0415 few deployments' events need it

    return worker_certificates.ensure_requested(
        bags, application, seen, host, keeps=keeps, again=again
    )


def _to_serve(seen: State, now: tls_data.Kept, scheme: Scheme, narrows: bool) -> list[Scheme]:
    """What the workers are to serve: also what any nginx and any scraper uses now."""
    used: set[Scheme] = {now.upstream, *targets.used(seen.workers, tls=bool(seen.tls.ca))}
    for other in seen.others.values():
        used.add(other.upstream)
    return schemes.to_serve(scheme == 'https', used, seen.shared.served_by_workers, narrows)


def _fitting(
    bags: databags.Databags,
    relation: ops.Relation,
    application: ops.Application,
    to_workers: cluster_data.CoordinatorData,
    certificates: Mapping[str, str],
) -> dict[str, str]:
    """The certificates for which there is room; those that are already there go first."""
    bare = databag.size_of(databag.encoded(to_workers)) + len('worker_certificates{}')
    room = to_workers.max_bytes - bare
    # As JSON: quotes, colon and comma, and a line end takes two characters.
    sizes = {
        unit: len(unit) + len(text) + text.count('\n') + 8 for unit, text in certificates.items()
    }
    if sum(sizes.values()) <= room:
        return dict(certificates)
    before = bags.content(relation, application).get('worker_certificates', '')

    def order(unit: str) -> tuple[bool, tuple[str, int]]:
        return json.dumps(unit) not in before, topology.unit_number(unit)

    left_out: list[str] = []
    fitting: dict[str, str] = {}
    for unit in sorted(certificates, key=order):
        room -= sizes[unit]
        if room < 0:
            left_out.append(unit)
        else:
            fitting[unit] = certificates[unit]
    bags.report.block(
        f'[cluster] no room for the certificates of {report.first(left_out)}, at most '
        f'{to_workers.max_bytes} bytes: divide the workers among several applications'
    )
    return fitting
