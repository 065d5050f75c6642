"""What the coordinator reads from the model in each dispatch."""

import dataclasses
from typing import Literal

import pydantic

import tls
import workload
from coordinated_telemetry import addresses, cluster, databag, databags, logs, traces, trust
from coordinated_telemetry.reconciler import ReconcilingCharm


class Config(pydantic.BaseModel):
    """The charm's options, as in charmcraft.yaml."""

    log_level: Literal['debug', 'info', 'warning', 'error'] = 'info'


class PeerData(databag.Databag):
    """A coordinator unit's databag on `peers`: the address of its exporter."""

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
        store_ca: the CAs of the stores in PEM, or ''.
        tls: what the CA provides, and the certificate that this unit's nginx served last.
    """

    config: Config
    coordinators: dict[str, str]
    workers: cluster.Workers
    log_endpoints: dict[str, str]
    charm_receivers: dict[str, str]
    workload_receivers: dict[str, str]
    store_ca: str
    tls: tls.Tls

    @property
    def upstreams(self) -> dict[str, list[str]]:
        """Role → the hosts of its workers, for each role that serves a location."""
        return {
            role: [worker.address for worker in self.workers.of_role(role)]
            for role in workload.LOCATIONS.values()
        }

    @property
    def has_all_roles(self) -> bool:
        """Whether each role has as many units as the minimal deployment needs."""
        return not workload.ROLES.missing(worker.roles for worker in self.workers.units)


def read(charm: ReconcilingCharm, bags: databags.Databags) -> State:
    """Read all of it; the report names what is invalid."""
    return State(
        config=_read_config(charm),
        coordinators=_read_coordinators(charm, bags),
        workers=cluster.read_workers(bags, 'cluster', charm.topology, workload.ROLES),
        log_endpoints=logs.read_endpoints(bags, 'logging'),
        charm_receivers=traces.read_receivers(bags, 'charm-tracing', traces.CHARM_PROTOCOLS),
        workload_receivers=traces.read_receivers(
            bags, 'workload-tracing', traces.WORKLOAD_PROTOCOLS
        ),
        store_ca=trust.read_certificates(bags, 'receive-ca-cert'),
        tls=tls.read(bags, charm.unit),
    )


def _read_config(charm: ReconcilingCharm) -> Config:
    try:
        return charm.load_config(Config)
    except ValueError as error:
        why = databag.reason(error).replace('_', '-')
        charm.report.blocked.append(f'[config] {why}: juju config {charm.app.name} …')
        return Config()


def _read_coordinators(charm: ReconcilingCharm, bags: databags.Databags) -> dict[str, str]:
    found = {charm.unit.name: charm.hosts.unit(charm.unit.name)}
    for relation in bags.relations('peers'):
        for unit in bags.units(relation):
            if data := bags.load(relation, unit, PeerData):
                found[unit.name] = data.address
    return found
