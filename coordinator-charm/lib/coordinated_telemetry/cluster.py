"""The coordinator's side of `cluster`: it is the single integration point of its workers.

`cluster_data.py` has what the relation carries, `cluster_worker.py` is the workers' side. Both
sides are in one model, because labels and addresses are those of that model. A relation that
crosses models is ignored, whichever side offers it.
"""

import dataclasses
import re
from collections.abc import Iterator
from typing import NamedTuple

import ops

from . import addresses, databag, databags
from .cluster_data import Scheme, WorkerApplicationData, WorkerUnitData
from .roles import Roles
from .topology import Topology

COORDINATOR_PORT = 8080
"""Where a coordinator serves clients and workers, over HTTP or, with `ca_cert`, HTTPS."""

_OFFERED = re.compile(r'remote-[0-9a-f]{32}')  # how Juju names the consumer of an offer


class WorkerTls(NamedTuple):
    """What a worker unit publishes for TLS.

    Attributes:
        ip_addresses: those of its pod.
        request: its certificate signing request in PEM, or ''.
        schemes: what its workload serves now: `http`, `https`, both or none.
        certificate_sha256: of the certificates that it serves, or ''.
    """

    ip_addresses: tuple[str, ...] = ()
    request: str = ''
    schemes: tuple[Scheme, ...] = ('http',)
    certificate_sha256: str = ''


class Worker(NamedTuple):
    """A worker unit that has published who and where it is.

    Attributes:
        topology: the unit's own topology.
        address: a validated host.
        roles: sorted, without meta-roles; empty while the application has published no valid ones.
        tls: what it publishes for TLS.
    """

    topology: Topology
    address: str
    roles: tuple[str, ...]
    tls: WorkerTls = WorkerTls()


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
    for relation in in_model(bags, endpoint, coordinator):
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
                found.append(Worker(topology, data.address, of_application, _tls(data)))
        if units:
            applications[name] = coordinator.for_application(name, charm)
    found.sort(key=lambda worker: worker.topology.application)
    return Workers(
        related=bool(related),
        units=tuple(_with_own_address(bags, found)),
        awaited=tuple(awaited),
        applications=tuple(applications[name] for name in sorted(applications)),
    )


def in_model(bags: databags.Databags, endpoint: str, topology: Topology) -> Iterator[ops.Relation]:
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


def _tls(data: WorkerUnitData) -> WorkerTls:
    schemes: tuple[Scheme, ...] = tuple(data.schemes) if data.schemes is not None else ('http',)
    return WorkerTls(
        ip_addresses=tuple(data.ip_addresses or ()),
        request=data.certificate_signing_request or '',
        schemes=schemes,
        certificate_sha256=data.certificate_sha256 or '',
    )


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
