"""What the coordinator reads from the model in each dispatch."""

import dataclasses
from typing import Annotated, Any, Literal

import ops
import pydantic

import roles
from coordinated_telemetry import addresses, cluster, databags, logs, pem, traces
from coordinated_telemetry.reconciler import ReconcilingCharm


class Config(pydantic.BaseModel):
    """The charm's options, as in charmcraft.yaml."""

    log_level: Literal['debug', 'info', 'warning', 'error'] = 'info'


class PeerData(databags.Databag):
    """A coordinator unit's databag on `peers`: where its exporter is."""

    address: addresses.Host


class Certificate(databags.Databag):
    """A certificate to serve with, without its key.

    Attributes:
        chain: the unit's own, then each one's issuer.
        ca: what clients have to trust, the last of them or one before.
    """

    chain: pem.Certificates
    ca: pem.Certificate


class Kept(databags.Databag):
    """What a coordinator unit keeps for its next pod in its own databag on `peers`.

    Attributes:
        certificate: what its nginx serves with; absent while it serves plain HTTP.
    """

    certificate: Certificate | None = None


class Issued(databags.Databag):
    """A certificate in the databag of a CA, which has those of all units that asked."""

    certificate: pem.Certificate
    certificate_signing_request: str
    ca: pem.Certificate
    chain: Annotated[list[pem.Certificate], pydantic.Field(max_length=10)] | None = None
    revoked: bool | None = None


class Denial(databags.Databag):
    """Why a CA does not issue a certificate."""

    message: str


class Denied(databags.Databag):
    """A request that a CA denies."""

    csr: str
    error: Denial


class Provided(databags.Databag):
    """The databag of a CA, of the interface `tls-certificates`."""

    certificates: list[Issued] | None = None
    request_errors: list[Denied] | None = None
    capabilities: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class State:
    """All that the coordinator computes from.

    Attributes:
        config: the options, with the defaults in the place of invalid ones.
        config_fault: what is wrong with them and what to do about it, or ''.
        coordinators: coordinator unit → its address, this unit included.
        workers: the worker side of the cluster.
        log_endpoints: Loki unit → push URL.
        charm_receivers: protocol → URL, for charm traces.
        workload_receivers: protocol → URL (`otlp_grpc`: host:port), for workload traces.
        ca: the name of the application that issues certificates, or ''.
        provided: what it provides; None when not ready or left out.
        certificate: what this unit's nginx served with when it was last seen.
    """

    config: Config
    config_fault: str
    coordinators: dict[str, str]
    workers: cluster.Workers
    log_endpoints: dict[str, str]
    charm_receivers: dict[str, str]
    workload_receivers: dict[str, str]
    ca: str
    provided: Provided | None
    certificate: Certificate | None

    @property
    def serves_issued(self) -> bool:
        """Whether nginx serves with a certificate that its CA stands by."""
        issued = (self.provided and self.provided.certificates) or []
        return self.certificate is not None and any(
            self.certificate.chain.startswith(one.certificate) and not one.revoked
            for one in issued
        )


def read(charm: ReconcilingCharm, bags: databags.Databags) -> State:
    """Read all of it. What is not valid is noted in `bags.left_out`."""
    config, config_fault = _read_config(charm)
    ca, provided, certificate = _read_certificates(charm, bags)
    return State(
        config=config,
        config_fault=config_fault,
        coordinators=_read_coordinators(charm, bags),
        workers=cluster.read_workers(bags, 'cluster', charm.topology, roles.ROLES),
        log_endpoints=logs.read_endpoints(bags, 'logging'),
        charm_receivers=traces.read_receivers(bags, 'charm-tracing', traces.CHARM_PROTOCOLS),
        workload_receivers=traces.read_receivers(
            bags, 'workload-tracing', traces.WORKLOAD_PROTOCOLS
        ),
        ca=ca,
        provided=provided,
        certificate=certificate,
    )


def _read_config(charm: ops.CharmBase) -> tuple[Config, str]:
    try:
        return charm.load_config(Config), ''
    except ValueError as error:
        why = databags.reason(error).replace('_', '-')
        return Config(), f'[config] {why}: juju config {charm.app.name} …'


def _read_certificates(
    charm: ops.CharmBase, bags: databags.Databags
) -> tuple[str, Provided | None, Certificate | None]:
    for relation in bags.relations('certificates')[:1]:
        kept = bags.own('peers', charm.unit, Kept)
        provided = bags.load(relation, relation.app, Provided)
        return relation.app.name, provided, kept and kept.certificate
    return '', None, None


def _read_coordinators(charm: ReconcilingCharm, bags: databags.Databags) -> dict[str, str]:
    found = {charm.unit.name: charm.hosts.unit(charm.unit.name)}
    for relation in bags.relations('peers'):
        for unit in bags.units(relation):
            if data := bags.load(relation, unit, PeerData):
                found[unit.name] = data.address
    return found
