"""What the coordinator reads from the model in each dispatch."""

import dataclasses
from typing import Literal

import ops
import pydantic

import roles
from coordinated_telemetry import addresses, cluster, databags, logs, traces
from coordinated_telemetry.reconciler import ReconcilingCharm


class Config(pydantic.BaseModel):
    """The charm's options, as in charmcraft.yaml."""

    log_level: Literal['debug', 'info', 'warning', 'error'] = 'info'


class PeerData(databags.Databag):
    """A coordinator unit's databag on `peers`: where its exporter is."""

    address: addresses.Host


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
    """

    config: Config
    config_fault: str
    coordinators: dict[str, str]
    workers: cluster.Workers
    log_endpoints: dict[str, str]
    charm_receivers: dict[str, str]
    workload_receivers: dict[str, str]


def read(charm: ReconcilingCharm, bags: databags.Databags) -> State:
    """Read all of it. What is not valid is noted in `bags.left_out`."""
    config, config_fault = _read_config(charm)
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
    )


def _read_config(charm: ops.CharmBase) -> tuple[Config, str]:
    try:
        return charm.load_config(Config), ''
    except ValueError as error:
        why = databags.reason(error).replace('_', '-')
        return Config(), f'[config] {why}: juju config {charm.app.name} …'


def _read_coordinators(charm: ReconcilingCharm, bags: databags.Databags) -> dict[str, str]:
    found = {charm.unit.name: charm.hosts.unit(charm.unit.name)}
    for relation in bags.relations('peers'):
        for unit in bags.units(relation):
            if data := bags.load(relation, unit, PeerData):
                found[unit.name] = data.address
    return found
