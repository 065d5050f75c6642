"""What the coordinator reads from the model in each dispatch."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import pydantic

import ingress
import s3
import tls
import tls_data
from coordinated_telemetry import (
    addresses,
    cluster,
    databag,
    databags,
    logs,
    otlp,
    routes,
    traces,
    trust,
)
from coordinated_telemetry.cluster_data import Scheme
from coordinated_telemetry.reconciler import ReconcilingCharm
from coordinated_telemetry.routes import Routes
from workload import WORKLOAD


class Config(pydantic.BaseModel):
    """The charm's options, as in charmcraft.yaml."""

    log_level: Literal['debug', 'info', 'warning', 'error'] = 'info'


class PeerData(tls_data.Kept):
    """A coordinator unit's databag on `peers`: what it keeps, and the address of its exporter."""

    address: addresses.Host


@dataclasses.dataclass(frozen=True)
class State:
    """Everything from which the coordinator computes.

    Attributes:
        config: the options; the defaults if they are invalid.
        coordinators: coordinator unit → its address, this unit included.
        workers: the worker side of the cluster.
        log_endpoints: Loki unit → push URL.
        charm_receivers: protocol → URL, for charm traces.
        workload_receivers: protocol → URL (`otlp_grpc`: host:port), for workload traces.
        otlp_endpoints: one of `otlp.KEYS` → URL, where a collector takes telemetry.
        store_ca: the CAs of the stores in PEM, or ''.
        tls: what the CA provides, and the certificate that this unit's nginx served last.
        kept: what this unit keeps.
        others: the same of each other coordinator unit, by name.
        shared: what the leader keeps.
        routes: where this unit's own telemetry goes.
        hosts: IP address → DNS name of the worker unit that has it, for those that serve https.
        ingress_url: where an ingress serves the application, or ''.
        storage: the provider of a bucket, and what it published.
    """

    config: Config
    coordinators: dict[str, str]
    workers: cluster.Workers
    log_endpoints: dict[str, str]
    charm_receivers: dict[str, str]
    workload_receivers: dict[str, str]
    store_ca: str
    tls: tls.Tls
    kept: tls_data.Kept = dataclasses.field(default_factory=tls_data.Kept)
    others: Mapping[str, PeerData] = dataclasses.field(default_factory=dict)
    shared: tls_data.Shared = dataclasses.field(default_factory=tls_data.Shared)
    hosts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ingress_url: str = ''
    storage: s3.Related = dataclasses.field(default_factory=s3.Related)
    otlp_endpoints: Mapping[str, str] = dataclasses.field(default_factory=dict)
    routes: Routes = dataclasses.field(default_factory=Routes)

    @property
    def workers_by_role(self) -> dict[str, list[cluster.Worker]]:
        """Role → its workers, for each role to which nginx sends requests."""
        return {role: self.workers.of_role(role) for role in WORKLOAD.routed}

    def upstreams(self, scheme: Scheme) -> dict[str, list[str]]:
        """Role → the hosts of its workers that serve this scheme."""
        return {
            role: [worker.address for worker in workers if scheme in worker.tls.schemes]
            for role, workers in self.workers_by_role.items()
        }

    def exporters(self, own: Sequence[Scheme]) -> list[Sequence[Scheme]]:
        """What each exporter serves; `own` is what this unit's does."""
        if not self.coordinators:
            return []
        return [own, *(other.exported for other in self.others.values())]

    @property
    def without_tls(self) -> list[str]:
        """All other units that are to serve https and do not yet; the workers wait for ours."""
        if not self.tls.ca:
            return []
        ours = [name for name, other in self.others.items() if 'https' not in other.clients]
        return ours + self.workers_without_tls

    @property
    def workers_without_tls(self) -> list[str]:
        """The worker units that are to serve https and do not yet."""
        if not self.tls.ca:
            return []
        units = self.workers.units
        awaited = [one for one in units if one.tls.request and 'https' not in one.tls.schemes]
        return [worker.topology.unit for worker in awaited]

    @property
    def has_all_roles(self) -> bool:
        """Whether each role has as many units as the minimal deployment needs."""
        return not WORKLOAD.roles.missing(worker.roles for worker in self.workers.units)


def read(charm: ReconcilingCharm, bags: databags.Databags) -> State:
    """Read all of it; the report names what is invalid."""
    kept = bags.own('peers', charm.unit, tls_data.Kept) or tls_data.Kept()
    others = _read_others(bags)
    coordinators = {name: data.address for name, data in others.items()}
    workers = cluster.read_workers(bags, 'cluster', charm.topology, WORKLOAD.roles)
    provided = tls.read(bags, charm.unit, kept)
    hosts = _hosts(charm, workers)
    shared = None
    # Once nothing of TLS is left, neither is anything shared.
    if provided.ca or hosts or any(one.uses_https for one in (kept, *others.values())):
        shared = bags.own('peers', charm.app, tls_data.Shared)
    log_endpoints = logs.read_endpoints(bags, 'logging')
    charm_receivers = traces.read_receivers(bags, 'charm-tracing', traces.CHARM_PROTOCOLS)
    protocols = traces.workload_protocols(WORKLOAD.traces)
    workload_receivers = traces.read_receivers(bags, 'workload-tracing', protocols)
    otlp_endpoints = otlp.read_endpoints(bags, 'send-otlp')
    store_ca = trust.read_certificates(bags, 'receive-ca-cert')
    return State(
        config=_read_config(charm),
        coordinators={charm.unit.name: charm.hosts.unit(charm.unit.name), **coordinators},
        workers=workers,
        log_endpoints=log_endpoints,
        charm_receivers=charm_receivers,
        workload_receivers=workload_receivers,
        store_ca=store_ca,
        tls=provided,
        kept=kept,
        others=others,
        shared=shared or tls_data.Shared(),
        hosts=hosts,
        ingress_url=ingress.read_url(bags),
        storage=s3.read(bags, charm),
        otlp_endpoints=otlp_endpoints,
        routes=routes.choose(
            charm.report,
            otlp_endpoints,
            log_endpoints,
            charm_receivers,
            workload_receivers,
            store_ca,
            workload=WORKLOAD.traces,
        ),
    )


def _read_config(charm: ReconcilingCharm) -> Config:
    try:
        return charm.load_config(Config)
    except ValueError as error:
        why = databag.reason(error).replace('_', '-')
        charm.report.blocked.append(f'[config] {why}: juju config {charm.app.name} …')
        return Config()


def _read_others(bags: databags.Databags) -> dict[str, PeerData]:
    """What the other coordinator units publish."""
    return {
        unit.name: data
        for relation in bags.relations('peers')
        for unit in bags.units(relation)
        if (data := bags.load(relation, unit, PeerData))
    }


def _hosts(charm: ReconcilingCharm, workers: cluster.Workers) -> dict[str, str]:
    """Whose certificate to expect at an address; of several units with one, the first counts."""
    owners: dict[str, str] = {}
    for worker in workers.units:
        if 'https' not in worker.tls.schemes:
            continue
        unit = worker.topology.unit
        for address in worker.tls.ip_addresses:
            owner = owners.setdefault(address, unit)
            if owner != unit:
                charm.report.ignore(unit, f'has the address {address} of {owner}')
    return {address: charm.hosts.unit(unit) for address, unit in owners.items()}
