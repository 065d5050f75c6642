"""What the `cluster` relation carries, and in which form.

These keys are those of PyPI's `coordinated-workers` 4.x, so either side can be swapped for it:

- the coordinator's application: `worker_config`, `loki_endpoints`, `charm_tracing_receivers`,
  `workload_tracing_receivers`, `ca_cert`, `s3_tls_ca_chain`, which are six of its eleven, and
  `server_cert`, which is read and never written;
- a worker's application: `role`; each of its units: `address`, `juju_topology`.

The library's README says what a mixed pair does. This library's own keys are `receive_ca_certs`,
`otlp_endpoints`, `s3_secret_id` and what gives each worker a certificate for a key that never
leaves it: `worker_certificates` and `worker_schemes` of the coordinator's application;
`ip_addresses`, `certificate_signing_request`, `schemes` and `certificate_sha256` of a worker unit.
"""

import hashlib
from typing import Annotated, Any, Literal

import pydantic

from . import addresses, databag, pem
from .topology import CharmName

Scheme = Literal['http', 'https']
Schemes = Annotated[list[Scheme], pydantic.Field(max_length=2)]
IpAddresses = Annotated[list[addresses.IpAddress], pydantic.Field(max_length=8)]
Sha256 = Annotated[str, pydantic.Field(pattern=r'^[0-9a-f]{64}$')]
# An id as Juju writes it (rs/xid), with the model's UUID if it is of another.
SecretId = Annotated[str, pydantic.Field(pattern=r'^secret:(//[0-9a-f-]{36}/)?[0-9a-z]{20}$')]


def sha256(chain: str) -> str:
    """The digest by which worker and coordinator name certificates in PEM; hexadecimal."""
    return hashlib.sha256(chain.encode()).hexdigest()


class UnitTopology(databag.Databag):
    """Who a worker unit claims to be; only the charm's name is used, the rest is compared."""

    application: str
    unit: str
    charm_name: CharmName


class WorkerUnitData(databag.Databag):
    """A worker unit's databag. What TLS adds is absent where the workload cannot serve it.

    Attributes:
        address: the host that serves the workload and its metrics.
        juju_topology: who the unit is.
        ip_addresses: those of the pod, by which a proxy knows whose certificate to expect.
        certificate_signing_request: in PEM, for the unit's own key.
        schemes: what the workload serves now; without it, `http`.
        certificate_sha256: of the certificates that it serves, in PEM, as they came in
            `worker_certificates`; hexadecimal.
    """

    address: addresses.Host
    juju_topology: UnitTopology
    ip_addresses: IpAddresses | None = None
    certificate_signing_request: pem.Request | None = None
    schemes: Schemes | None = None
    certificate_sha256: Sha256 | None = None


class WorkerApplicationData(databag.Databag):
    """A worker application's databag; `role` is a comma-separated list of roles."""

    role: str | None = None


class CoordinatorData(databag.Databag):
    """The coordinator application's databag. An invalid key is ignored alone.

    Attributes:
        worker_config: the workload's configuration file, the same for all workers.
        loki_endpoints: Loki unit → push URL.
        charm_tracing_receivers: protocol → URL, for the worker charms.
        workload_tracing_receivers: protocol → URL (`otlp_grpc`: host:port), for the workloads.
        ca_cert: the CAs of the coordinator's certificate, in PEM, during a change the previous one
            too; absent with plain HTTP.
        otlp_endpoints: one of `otlp.KEYS` → URL, where a collector takes telemetry. Workers that
            know this key send there in preference to the stores above; others ignore it.
        receive_ca_certs: the CAs of the stores, in PEM; `ca_cert` would turn TLS on for workers.
        server_cert: of coordinated-workers alone, never written here: the certificate that all of
            its workers share. With it, `ca_cert` vouches for the stores too.
        worker_certificates: worker unit → its certificate, then each one's issuer, in PEM.
        worker_schemes: what each worker is to serve; without it, `http`.
        s3_secret_id: of the secret with the keys of the bucket, see `s3_keys`.
        s3_tls_ca_chain: the CAs of the bucket's endpoint, in PEM.
    """

    # coordinated-workers publishes these, or did; this library does not.
    retired = frozenset(
        'privkey_secret_id remote_write_endpoints tracing_receivers'
        ' worker_labels worker_ports'.split()
    )
    remedy = "shorten the workers' configuration"

    worker_config: str | None = None
    loki_endpoints: dict[str, Any] | None = None
    charm_tracing_receivers: dict[str, Any] | None = None
    workload_tracing_receivers: dict[str, Any] | None = None
    otlp_endpoints: dict[str, Any] | None = None
    ca_cert: pem.Certificates | None = None
    receive_ca_certs: pem.Certificates | None = None
    server_cert: str | None = None
    worker_certificates: dict[str, Any] | None = None
    worker_schemes: Schemes | None = None
    s3_secret_id: SecretId | None = None
    s3_tls_ca_chain: pem.Certificates | None = None
