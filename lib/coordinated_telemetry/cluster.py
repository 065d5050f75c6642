"""The `cluster` relation: the coordinator as the single integration point of its workers.

Keys and values are those of PyPI's `coordinated-workers` 4.x, so either side can be swapped for
it:

- the coordinator's application: `worker_config`, `loki_endpoints`, `charm_tracing_receivers`,
  `workload_tracing_receivers`, `ca_cert`;
- a worker's application: `role`; each of its units: `address`, `juju_topology`.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import ops
import pydantic

from . import addresses, databags, pem
from .topology import Topology

_NAME = re.compile(r'[a-z][a-z0-9]*(-[a-z0-9]+)*')  # Juju's rule for charms and applications
_CROSS_MODEL = re.compile(r'remote-[0-9a-f]{32}')  # how Juju names an application of elsewhere


def _check_name(value: str) -> str:
    if len(value) > 128 or not _NAME.fullmatch(value):
        raise ValueError(f'expected the name of a charm, got "{addresses.shorten(value)}"')
    return value


class UnitTopology(databags.Databag):
    """Who a worker unit says it is; only the charm's name is taken from here."""

    application: str
    unit: str
    charm_name: Annotated[str, pydantic.AfterValidator(_check_name)]


class WorkerUnitData(databags.Databag):
    """A worker unit's databag.

    Attributes:
        address: the host where the workload and its metrics are reached.
        juju_topology: who the unit is.
    """

    address: addresses.Host
    juju_topology: UnitTopology


class WorkerApplicationData(databags.Databag):
    """A worker application's databag; `role` is a comma-separated list of roles."""

    role: str | None = None


class CoordinatorData(databags.Databag):
    """The coordinator application's databag.

    The values of the mappings are checked one by one when they are read: a bad one is left out
    and the others are used.

    Attributes:
        worker_config: the workload's configuration file, the same for all workers.
        loki_endpoints: Loki unit → push URL.
        charm_tracing_receivers: protocol → URL, for the worker charms.
        workload_tracing_receivers: protocol → URL (`otlp_grpc`: host:port), for the workloads.
        ca_cert: the CA that the coordinator's certificate is from, in PEM; absent while it serves
            plain HTTP.
    """

    # What coordinated-workers publishes, and this library does not.
    retired = frozenset(
        (
            *('privkey_secret_id', 'server_cert', 's3_tls_ca_chain', 'remote_write_endpoints'),
            *('tracing_receivers', 'worker_labels', 'worker_ports'),
        )
    )
    remedy = "shorten the workers' configuration"

    worker_config: str
    loki_endpoints: dict[str, Any] | None = None
    charm_tracing_receivers: dict[str, Any] | None = None
    workload_tracing_receivers: dict[str, Any] | None = None
    ca_cert: str | None = None


@dataclasses.dataclass(frozen=True)
class Roles:
    """The roles that workers can have.

    Attributes:
        minimal_deployment: role → how many units it takes at the least.
        meta_roles: role → the roles that it stands for.
    """

    minimal_deployment: Mapping[str, int]
    meta_roles: Mapping[str, tuple[str, ...]]

    def expand(self, text: str) -> tuple[str, ...]:
        """The roles that a comma-separated list stands for, sorted.

        Raises:
            ValueError: if any of them is not known.
        """
        roles: set[str] = set()
        for role in filter(None, (part.strip() for part in text.split(','))):
            if role in self.meta_roles:
                roles.update(self.meta_roles[role])
            elif role in self.minimal_deployment:
                roles.add(role)
            else:
                known = ', '.join([*self.minimal_deployment, *self.meta_roles])
                raise ValueError(f'unknown role "{addresses.shorten(role)}", known are {known}')
        return tuple(sorted(roles))

    def missing(self, workers: Iterable['Worker']) -> list[str]:
        """The roles that have fewer units than the minimal deployment needs, sorted."""
        have = [role for worker in workers for role in worker.roles]
        return sorted(
            role for role, least in self.minimal_deployment.items() if have.count(role) < least
        )


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
        units: those that published, by application and number.
        awaited: names of applications and units that have not published yet.
    """

    related: bool = False
    units: tuple[Worker, ...] = ()
    awaited: tuple[str, ...] = ()

    def of_role(self, role: str) -> list[Worker]:
        """The workers that have this role."""
        return [worker for worker in self.units if role in worker.roles]

    def applications(self) -> list[Topology]:
        """The topology of each worker application, by name."""
        found = {
            worker.topology.application: worker.topology.for_application(
                worker.topology.application, worker.topology.charm
            )
            for worker in reversed(self.units)
        }
        return [found[name] for name in sorted(found)]


def read_workers(
    bags: databags.Databags, endpoint: str, coordinator: Topology, roles: Roles
) -> Workers:
    """Read all workers (coordinator's side).

    What a unit says of itself counts only where it agrees with Juju: an application or unit name
    of somebody else in its databag leaves that unit out.
    """
    relations = bags.relations(endpoint)
    workers: list[Worker] = []
    awaited: list[str] = []
    applications: set[str] = set()
    for relation in relations:
        name = relation.app.name
        if name in applications:
            bags.leave_out(name, 'related more than once, the first relation counts')
            continue
        applications.add(name)
        if _CROSS_MODEL.fullmatch(name):
            bags.leave_out(name, 'the relation "cluster" does not cross models')
            continue
        application = bags.load(relation, relation.app, WorkerApplicationData)
        if application is None and not bags.is_left_out(name):
            awaited.append(name)
        try:
            of_application = roles.expand((application and application.role) or '')
        except ValueError as error:
            # Its units serve nothing, and are watched all the same.
            bags.leave_out(name, databags.reason(error))
            of_application = ()
        for unit in bags.units(relation):
            data = bags.load(relation, unit, WorkerUnitData)
            if data is None:
                if not bags.is_left_out(unit.name):
                    awaited.append(unit.name)
                continue
            claimed = data.juju_topology
            if (claimed.application, claimed.unit) != (name, unit.name):
                says = addresses.shorten(f'{claimed.unit} of {claimed.application}')
                bags.leave_out(unit.name, f'says it is {says}')
                continue
            topology = coordinator.for_unit(name, unit.name, claimed.charm_name)
            workers.append(Worker(topology, data.address, of_application))
    workers.sort(key=lambda worker: worker.topology.application)
    return Workers(bool(relations), tuple(workers), tuple(awaited))


@dataclasses.dataclass(frozen=True)
class Coordinator:
    """The coordinator as a worker sees it; all values are validated.

    Attributes:
        application: its name in Juju.
        worker_config: the workload's configuration file, bounded in size, otherwise as it came.
        loki_endpoints: Loki unit → push URL.
        charm_tracing_receivers: protocol → URL.
        workload_tracing_receivers: protocol → URL (`otlp_grpc`: host:port).
        ca_cert: certificates in PEM that the coordinator's is from, or '' for plain HTTP.
    """

    application: str
    worker_config: str
    loki_endpoints: Mapping[str, str]
    charm_tracing_receivers: Mapping[str, str]
    workload_tracing_receivers: Mapping[str, str]
    ca_cert: str = ''


def read_coordinator(bags: databags.Databags, endpoint: str) -> Coordinator | None:
    """Read the coordinator's data (worker's side); None while it is not ready or left out."""
    for relation in bags.relations(endpoint):
        data = bags.load(relation, relation.app, CoordinatorData)
        if data is not None:
            name = relation.app.name

            def checked(
                key: str, of: Mapping[str, Any] | None, name: str = name
            ) -> dict[str, str]:
                return _checked(bags, f'{name} {key}', of or {})

            return Coordinator(
                application=name,
                worker_config=data.worker_config,
                loki_endpoints=checked('loki_endpoints', data.loki_endpoints),
                charm_tracing_receivers=checked(
                    'charm_tracing_receivers', data.charm_tracing_receivers
                ),
                workload_tracing_receivers=checked(
                    'workload_tracing_receivers', data.workload_tracing_receivers
                ),
                ca_cert=_checked_ca(bags, f'{name} ca_cert', data.ca_cert),
            )
    return None


def _checked(bags: databags.Databags, name: str, urls: Mapping[str, Any]) -> dict[str, str]:
    """The entries whose URL is fit to be used; the others are left out one by one."""
    accepted: dict[str, str] = {}
    for key, url in sorted(urls.items()):
        check: Callable[[str], str] = (
            addresses.check_host_port if key.endswith('_grpc') else addresses.check_url
        )
        try:
            accepted[key] = check(url if isinstance(url, str) else '')
        except ValueError as error:
            bags.leave_out(f'{name} {addresses.shorten(key)}', databags.reason(error))
    return accepted


def _checked_ca(bags: databags.Databags, name: str, certificates: str | None) -> str:
    if certificates is None:
        return ''
    try:
        return pem.check_certificates(certificates)
    except ValueError as error:
        bags.leave_out(name, databags.reason(error))
        return ''


def ensure_worker_data(
    bags: databags.Databags,
    endpoint: str,
    charm: ops.CharmBase,
    worker: Worker,
) -> bool:
    """Publish the worker's address and topology, and the leader the roles.

    Args:
        bags: where the relations are found.
        endpoint: the name of the `cluster` endpoint.
        charm: the worker charm.
        worker: this unit; `roles` as they are configured, meta-roles included.

    Returns:
        True if anything was changed.
    """
    topology = worker.topology
    data = WorkerUnitData(
        address=worker.address,
        juju_topology=UnitTopology(
            application=topology.application, unit=topology.unit, charm_name=topology.charm
        ),
    )
    changed = bags.ensure(endpoint, charm.unit, data)
    if charm.unit.is_leader():
        role = WorkerApplicationData(role=','.join(worker.roles) or None)
        changed |= bags.ensure(endpoint, charm.app, role)
    return changed
