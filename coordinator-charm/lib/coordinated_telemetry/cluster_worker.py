"""A worker's side of `cluster`: what it reads of its coordinator, and what it publishes.

`cluster_data.py` has what the relation carries, `cluster.py` is the coordinator's side.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import ops

from . import addresses, cluster, databag, databags, otlp, pem, s3_keys
from .cluster_data import (
    CoordinatorData,
    Scheme,
    UnitTopology,
    WorkerApplicationData,
    WorkerUnitData,
)
from .topology import Topology


@dataclasses.dataclass(frozen=True)
class Coordinator:
    """The coordinator as a worker sees it; all values are validated.

    Attributes:
        application: its name in Juju.
        worker_config: the workload's configuration file, bounded in size but otherwise unchecked;
            None if there is none.
        loki_endpoints: Loki unit → push URL.
        charm_tracing_receivers: protocol → URL.
        workload_tracing_receivers: protocol → URL (`otlp_grpc`: host:port).
        ca_cert: the CAs of the coordinator's certificate in PEM, or '' for plain HTTP.
        receive_ca_certs: the CAs of the stores in PEM, or ''. They are those of `ca_cert` with a
            coordinator of coordinated-workers: it has no other key for them, its own workers trust
            `ca_cert` wherever they send, and it may pass telemetry on itself.
        certificate: what was issued for this unit: its certificate, then each one's issuer, in
            PEM, or ''. Whether it fits the unit's key and name is unchecked.
        schemes: what the workload is to serve: `http`, `https` or both.
        issued: unit of this application → what was issued for it, unchecked.
        otlp_endpoints: one of `otlp.KEYS` → URL, where a collector takes telemetry.
        s3: the keys of the bucket, or None.
        s3_tls_ca_chain: the CAs of the bucket's endpoint in PEM, or ''.
    """

    application: str
    worker_config: str | None
    loki_endpoints: Mapping[str, str]
    charm_tracing_receivers: Mapping[str, str]
    workload_tracing_receivers: Mapping[str, str]
    ca_cert: str = ''
    receive_ca_certs: str = ''
    certificate: str = ''
    schemes: tuple[Scheme, ...] = ('http',)
    issued: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    otlp_endpoints: Mapping[str, str] = dataclasses.field(default_factory=dict)
    s3: s3_keys.S3Keys | None = None
    s3_tls_ca_chain: str = ''


_CHECKS: dict[str, Callable[[str, str], str]] = {
    'loki_endpoints': lambda _, url: addresses.check_url(url),
    'charm_tracing_receivers': addresses.check_receiver,
    'workload_tracing_receivers': addresses.check_receiver,
    'otlp_endpoints': otlp.check_endpoint,
}


def read_coordinator(
    bags: databags.Databags, endpoint: str, worker: Topology, model: ops.Model | None = None
) -> Coordinator | None:
    """Read the coordinator's data (worker's side); None while it is not ready or ignored.

    Args:
        bags: the databags of this dispatch.
        endpoint: the name of the `cluster` endpoint.
        worker: this unit.
        model: where to get the secret with the keys of the bucket; None for a worker without one.
    """
    for relation in cluster.in_model(bags, endpoint, worker):
        name = relation.app.name
        data = bags.load(relation, relation.app, CoordinatorData)
        if data is not None:
            urls = {
                key: _checked(bags, f'{name} {key}', getattr(data, key), check)
                for key, check in _CHECKS.items()
            }
            if data.server_cert:
                bags.report.note(
                    f'serving HTTP only: {name} has one key for all its workers, none for each'
                )
            of_stores = data.receive_ca_certs or (data.server_cert and data.ca_cert)
            return Coordinator(
                name,
                data.worker_config,
                **urls,
                ca_cert=data.ca_cert or '',
                receive_ca_certs=of_stores or '',
                certificate=_certificate(bags, name, data, worker.unit),
                schemes=tuple(data.worker_schemes or ('http',)),
                issued=data.worker_certificates or {},
                s3=_s3(bags, name, data, model),
                s3_tls_ca_chain=data.s3_tls_ca_chain or '',
            )
    return None


def _s3(
    bags: databags.Databags, name: str, data: CoordinatorData, model: ops.Model | None
) -> s3_keys.S3Keys | None:
    """The keys of the bucket; if they cannot be had, as if there were none."""
    if not data.s3_secret_id or model is None:
        return None
    try:
        return s3_keys.read(model, data.s3_secret_id)
    except ValueError as error:
        bags.report.ignore(f'{name} s3_secret_id', str(error))
        return None


def _certificate(bags: databags.Databags, name: str, data: CoordinatorData, unit: str) -> str:
    """The unit's own certificate; those of other units are not read."""
    found = (data.worker_certificates or {}).get(unit)
    if found is None:
        return ''
    try:
        return pem.check_certificates(found if isinstance(found, str) else '')
    except ValueError as error:
        bags.report.ignore(f'{name} worker_certificates', databag.reason(error))
        return ''


def _checked(
    bags: databags.Databags,
    name: str,
    urls: Mapping[str, Any] | None,
    check: Callable[[str, str], str],
) -> dict[str, str]:
    """The entries whose URL passes the check; each of the others is ignored."""
    accepted: dict[str, str] = {}
    for key, url in sorted((urls or {}).items()):
        try:
            accepted[key] = check(key, url if isinstance(url, str) else '')
        except ValueError as error:
            bags.report.ignore(f'{name} {addresses.shorten(key)}', databag.reason(error))
    return accepted


def ensure_worker_data(
    bags: databags.Databags, endpoint: str, charm: ops.CharmBase, worker: cluster.Worker
) -> bool:
    """Publish address and topology, and as leader the roles. True if anything was changed.

    Args:
        bags: the databags of this dispatch.
        endpoint: the name of the `cluster` endpoint.
        charm: the worker charm.
        worker: this unit; `roles` as configured, meta-roles included, and for TLS what its
            workload serves now.
    """
    own = worker.topology
    topology = UnitTopology(application=own.application, unit=own.unit, charm_name=own.charm)
    tls = worker.tls
    data = WorkerUnitData(
        address=worker.address,
        juju_topology=topology,
        ip_addresses=list(tls.ip_addresses) or None,
        certificate_signing_request=tls.request or None,
        schemes=None if tls.schemes == ('http',) else list(tls.schemes),
        certificate_sha256=tls.certificate_sha256 or None,
    )
    changed = bags.ensure(endpoint, charm.unit, data)
    if charm.unit.is_leader():
        role = WorkerApplicationData(role=','.join(worker.roles) or None)
        changed |= bags.ensure(endpoint, charm.app, role)
    return changed
