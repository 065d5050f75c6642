"""The `cluster` relation: the coordinator as the single integration point of its workers.

Keys and values are those of PyPI's `coordinated-workers` 4.x, so either side can be swapped for
it:

- the coordinator's application: `worker_config`, `loki_endpoints`, `charm_tracing_receivers`,
  `workload_tracing_receivers`, `ca_cert`, and `receive_ca_certs`, which is this library's own;
- a worker's application: `role`; each of its units: `address`, `juju_topology`.

Both sides are in one model, because labels and addresses are those of that model. A relation that
crosses models is ignored, whichever side offers it.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ops

from . import addresses, databag, databags, pem
from .roles import Roles
from .topology import CharmName, Topology

COORDINATOR_PORT = 8080
"""Where a coordinator serves clients and workers, over HTTP or, with `ca_cert`, HTTPS."""

_OFFERED = re.compile(r'remote-[0-9a-f]{32}')  # how Juju names the consumer of an offer


class UnitTopology(databag.Databag):
    """Who a worker unit claims to be; only the charm's name is used, the rest is compared."""

    application: str
    unit: str
    charm_name: CharmName


class WorkerUnitData(databag.Databag):
    """A worker unit's databag.

    Attributes:
        address: the host that serves the workload and its metrics.
        juju_topology: who the unit is.
    """

    address: addresses.Host
    juju_topology: UnitTopology


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
        ca_cert: the CA of the coordinator's certificate, in PEM; absent with plain HTTP.
        receive_ca_certs: the CAs of the stores, in PEM; `ca_cert` would turn TLS on for workers.
    """

    # coordinated-workers publishes these; this library does not.
    retired = frozenset(
        'privkey_secret_id server_cert s3_tls_ca_chain remote_write_endpoints tracing_receivers'
        ' worker_labels worker_ports'.split()
    )
    remedy = "shorten the workers' configuration"

    worker_config: str | None = None
    loki_endpoints: dict[str, Any] | None = None
    charm_tracing_receivers: dict[str, Any] | None = None
    workload_tracing_receivers: dict[str, Any] | None = None
    ca_cert: pem.Certificates | None = None
    receive_ca_certs: pem.Certificates | None = None


@dataclasses.dataclass(frozen=True)
class Worker:
    """A worker unit that has published who and where it is.

    Attributes:
        topology: the unit's own topology.
        address: a validated host.
        roles: sorted, without meta-roles; empty while the application has published no valid ones.
    """

    topology: Topology
    address: str
    roles: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Workers:
    """The worker side of the cluster as the coordinator sees it.

    Attributes:
        related: whether any worker application is related at all.
        units: the units that have published, by application and number.
        awaited: names of applications and units that have not published yet.
        applications: the topology of each application that has units, by name; without a charm
            name until one of its units publishes it. An application that is scaled to 0 is
            absent, so nothing of it is scraped or missed.
    """

    related: bool = False
    units: tuple[Worker, ...] = ()
    awaited: tuple[str, ...] = ()
    applications: tuple[Topology, ...] = ()

    def of_role(self, role: str) -> list[Worker]:
        """The workers that have this role."""
        return [worker for worker in self.units if role in worker.roles]


def read_workers(
    bags: databags.Databags, endpoint: str, coordinator: Topology, roles: Roles
) -> Workers:
    """Read all workers (coordinator's side).

    A unit whose claim differs from what Juju says is ignored. Of several units with the same
    address, the first counts.
    """
    found: list[Worker] = []
    awaited: list[str] = []
    applications: dict[str, Topology] = {}
    related: set[str] = set()
    for relation in _in_model(bags, endpoint, coordinator):
        name = relation.app.name
        if name in related:
            bags.report.ignore(name, 'related more than once: the first relation counts')
            continue
        related.add(name)
        of_application = _read_roles(bags, relation, roles, awaited)
        units = bags.units(relation)
        charm = ''
        for unit in units:
            data = _read_unit(bags, relation, unit, awaited)
            if data is not None:
                topology = coordinator.for_unit(name, unit.name, data.juju_topology.charm_name)
                charm = charm or topology.charm
                found.append(Worker(topology, data.address, of_application))
        if units:
            applications[name] = coordinator.for_application(name, charm)
    found.sort(key=lambda worker: worker.topology.application)
    return Workers(
        related=bool(related),
        units=tuple(_with_own_address(bags, found)),
        awaited=tuple(awaited),
        applications=tuple(applications[name] for name in sorted(applications)),
    )


def _in_model(
    bags: databags.Databags, endpoint: str, topology: Topology
) -> Iterator[ops.Relation]:
    """The relations of an endpoint within the unit's own model; others are ignored."""
    for relation in bags.relations(endpoint):
        model = bags.remote_model(relation)
        if _OFFERED.fullmatch(relation.app.name) or model not in ('', topology.model_uuid):
            bags.report.ignore(
                relation.app.name, f'in another model, but "{endpoint}" cannot cross models'
            )
            bags.drop(relation)
        else:
            yield relation


def _read_roles(
    bags: databags.Databags, relation: ops.Relation, roles: Roles, awaited: list[str]
) -> tuple[str, ...]:
    name = relation.app.name
    data = bags.load(relation, relation.app, WorkerApplicationData)
    if data is None and not bags.report.ignores(name):
        awaited.append(name)
    try:
        return roles.expand((data and data.role) or '')
    except ValueError as error:
        # Its units serve nothing, but are still watched.
        bags.report.ignore(name, databag.reason(error))
        return ()


def _read_unit(
    bags: databags.Databags, relation: ops.Relation, unit: ops.Unit, awaited: list[str]
) -> WorkerUnitData | None:
    data = bags.load(relation, unit, WorkerUnitData)
    if data is None:
        if not bags.report.ignores(unit.name):
            awaited.append(unit.name)
        return None
    claimed = data.juju_topology
    if (claimed.application, claimed.unit) != (relation.app.name, unit.name):
        claims = addresses.shorten(f'{claimed.unit} of {claimed.application}')
        bags.report.ignore(unit.name, f'claims to be {claims}')
        return None
    return data


def _with_own_address(bags: databags.Databags, workers: list[Worker]) -> Iterator[Worker]:
    """The workers, except those that publish another worker's address."""
    owners: dict[str, str] = {}
    for worker in workers:
        unit = worker.topology.unit
        owner = owners.setdefault(addresses.canonical(worker.address), unit)
        if owner == unit:
            yield worker
        else:
            bags.report.ignore(unit, f'has the address of {owner}')


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
        ca_cert: the CA of the coordinator's certificate in PEM, or '' for plain HTTP.
        receive_ca_certs: the CAs of the stores in PEM, or ''.
    """

    application: str
    worker_config: str | None
    loki_endpoints: Mapping[str, str]
    charm_tracing_receivers: Mapping[str, str]
    workload_tracing_receivers: Mapping[str, str]
    ca_cert: str = ''
    receive_ca_certs: str = ''


_CHECKS: dict[str, Callable[[str, str], str]] = {
    'loki_endpoints': lambda _, url: addresses.check_url(url),
    'charm_tracing_receivers': addresses.check_receiver,
    'workload_tracing_receivers': addresses.check_receiver,
}


def read_coordinator(
    bags: databags.Databags, endpoint: str, worker: Topology
) -> Coordinator | None:
    """Read the coordinator's data (worker's side); None while it is not ready or ignored."""
    for relation in _in_model(bags, endpoint, worker):
        name = relation.app.name
        data = bags.load(relation, relation.app, CoordinatorData)
        if data is not None:
            urls = {
                key: _checked(bags, f'{name} {key}', getattr(data, key), check)
                for key, check in _CHECKS.items()
            }
            ca, cas = data.ca_cert or '', data.receive_ca_certs or ''
            return Coordinator(name, data.worker_config, **urls, ca_cert=ca, receive_ca_certs=cas)
    return None


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
    bags: databags.Databags, endpoint: str, charm: ops.CharmBase, worker: Worker
) -> bool:
    """Publish address and topology, and as leader the roles. True if anything was changed.

    Args:
        bags: the databags of this dispatch.
        endpoint: the name of the `cluster` endpoint.
        charm: the worker charm.
        worker: this unit; `roles` as configured, meta-roles included.
    """
    own = worker.topology
    topology = UnitTopology(application=own.application, unit=own.unit, charm_name=own.charm)
    data = WorkerUnitData(address=worker.address, juju_topology=topology)
    changed = bags.ensure(endpoint, charm.unit, data)
    if charm.unit.is_leader():
        role = WorkerApplicationData(role=','.join(worker.roles) or None)
        changed |= bags.ensure(endpoint, charm.app, role)
    return changed
