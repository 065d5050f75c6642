"""A coordinator unit under ops.testing, and what can be related to it."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ops import testing

import authority
import charms
import juju
from coordinated_telemetry import cluster
from coordinated_telemetry.workloads import Ports
from coordinator.source import charm, description, workload

SPECIFICATION = charms.specification('coordinator-charm')
APPLICATION = 'coordinator'
LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max processes             unlimited            unlimited            processes
Max open files            {:<20} {:<20} files
Max locked memory         8388608              8388608              bytes
"""
"""A /proc/PID/limits with its soft and hard limit of open files to be filled in."""


def host(unit: str) -> str:
    """Where a unit is, as Juju's Kubernetes services name it."""
    application, _, number = unit.partition('/')
    return f'{application}-{number}.{application}-endpoints.m.svc.cluster.local'


def encoded(**values: Any) -> dict[str, str]:
    """A databag with each value as JSON."""
    return {key: json.dumps(value) for key, value in values.items()}


def worker_unit(unit: str, charm_name: str = 'worker-k8s', **other: Any) -> dict[str, str]:
    """What a worker unit publishes; `other` replaces values before they are encoded."""
    topology = {'application': unit.partition('/')[0], 'unit': unit, 'charm_name': charm_name}
    return encoded(**{'address': host(unit), 'juju_topology': topology, **other})


def workers(
    application: str,
    role: str | None = 'all',
    units: Iterable[int] = (0,),
    *,
    databags: Mapping[int, Mapping[str, str]] | None = None,
    databag: Mapping[str, str] | None = None,
    **options: Any,
) -> testing.Relation:
    """A worker application.

    Args:
        application: its name.
        role: what it published; None for nothing.
        units: the numbers of those that published.
        databags: what some units published, in the place of what they should.
        databag: what the application published, in the place of its role.
        options: further fields of the relation.
    """
    if databag is None:
        databag = {} if role is None else encoded(role=role)
    published = {number: worker_unit(f'{application}/{number}') for number in units}
    published.update({number: dict(other) for number, other in (databags or {}).items()})
    return testing.Relation(
        'cluster',
        interface='coordinator_cluster',
        remote_app_name=application,
        remote_app_data=dict(databag),
        remote_units_data=published,
        local_unit_data={},
        **options,
    )


def scraper(application: str = 'prometheus', **options: Any) -> testing.Relation:
    """A scraper of metrics."""
    return testing.Relation(
        'metrics-endpoint',
        interface='prometheus_scrape',
        remote_app_name=application,
        remote_units_data={0: {}},
        local_unit_data={},
        **options,
    )


def push_url(unit: str) -> str:
    """The push URL of a Loki unit."""
    return f'http://{host(unit)}:3100/loki/api/v1/push'


def grafana(application: str = 'grafana', **options: Any) -> testing.Relation:
    """A Grafana, which shows dashboards."""
    return testing.Relation(
        'grafana-dashboard',
        interface='grafana_dashboard',
        remote_app_name=application,
        remote_units_data={0: {}},
        local_unit_data={},
        **options,
    )


def loki(
    application: str = 'loki',
    units: Iterable[int] = (0,),
    *,
    databags: Mapping[int, Mapping[str, str]] | None = None,
    **options: Any,
) -> testing.Relation:
    """A log store; `databags` replaces what some of its units published."""
    published = {
        number: encoded(endpoint={'url': push_url(f'{application}/{number}')}) for number in units
    }
    published.update({number: dict(other) for number, other in (databags or {}).items()})
    return testing.Relation(
        'logging',
        interface='loki_push_api',
        remote_app_name=application,
        remote_units_data=published,
        local_unit_data={},
        **options,
    )


def receiver(protocol: str, url: str) -> dict[str, Any]:
    """A receiver as a provider of `tracing` publishes it."""
    kind = 'grpc' if protocol.endswith('_grpc') else 'http'
    return {'protocol': {'name': protocol, 'type': kind}, 'url': url}


def tempo(
    endpoint: str,
    receivers: list[Any] | None = None,
    *,
    databag: Mapping[str, str] | None = None,
    app: str = 'tempo',
    **options: Any,
) -> testing.Relation:
    """A store of traces on `charm-tracing` or `workload-tracing`.

    Args:
        endpoint: which of the two.
        receivers: what it published, by default what it was asked for.
        databag: what it published, in the place of receivers.
        app: its name.
        options: further fields of the relation.
    """
    if receivers is None:
        receivers = [receiver('otlp_http', 'http://tempo:4318')]
        if endpoint == 'workload-tracing':
            receivers.append(receiver('otlp_grpc', 'tempo:4317'))
    return testing.Relation(
        endpoint,
        interface='tracing',
        remote_app_name=app,
        remote_app_data=encoded(receivers=receivers) if databag is None else dict(databag),
        remote_units_data={0: {}},
        local_unit_data={},
        **options,
    )


def otlp_endpoint(protocol: str, url: str, *telemetries: str, **other: Any) -> dict[str, Any]:
    """An endpoint as a provider of `otlp` publishes it."""
    return {'protocol': protocol, 'endpoint': url, 'telemetries': [*telemetries], **other}


def collector(
    endpoints: list[Any] | None = None,
    *,
    databag: Mapping[str, str] | None = None,
    app: str = 'otelcol',
    **options: Any,
) -> testing.Relation:
    """A collector.

    Args:
        endpoints: what it published, by default one for each protocol that takes everything.
        databag: what it published, in the place of endpoints.
        app: its name.
        options: further fields of the relation.
    """
    if endpoints is None:
        signals = ('logs', 'metrics', 'traces')
        endpoints = [
            otlp_endpoint('grpc', 'http://otelcol:4317', *signals, insecure=True),
            otlp_endpoint('http', 'http://otelcol:4318', *signals, insecure=True),
        ]
    return testing.Relation(
        'send-otlp',
        interface='otlp',
        remote_app_name=app,
        remote_app_data=encoded(endpoints=endpoints) if databag is None else dict(databag),
        remote_units_data={0: {}},
        local_unit_data={},
        **options,
    )


def peers(
    units: Iterable[int] = (),
    *,
    databags: Mapping[int, Mapping[str, str]] | None = None,
    **options: Any,
) -> testing.PeerRelation:
    """The peer relation; `databags` replaces what some of the other units published."""
    published = {number: encoded(address=host(f'{APPLICATION}/{number}')) for number in units}
    published.update({number: dict(other) for number, other in (databags or {}).items()})
    return testing.PeerRelation('peers', peers_data={**published}, local_unit_data={}, **options)


def certificates(databag: Mapping[str, str] | None = None, **options: Any) -> testing.Relation:
    """A CA; `databag` is what it published."""
    return testing.Relation(
        'certificates',
        interface='tls-certificates',
        remote_app_name='ca',
        remote_app_data=dict(databag or {}),
        remote_units_data={0: {}},
        local_unit_data={},
        **options,
    )


def store_ca(
    *certificates: str,
    databag: Mapping[str, str] | None = None,
    units: Mapping[int, Mapping[str, str]] | None = None,
    app: str = 'store-ca',
    **options: Any,
) -> testing.Relation:
    """A provider of CAs to trust.

    Args:
        certificates: what it published, in version 1 of the interface.
        databag: what it published, in the place of certificates.
        units: what its units published, as version 0 has it.
        app: its name.
        options: further fields of the relation.
    """
    if databag is None:
        databag = encoded(certificates=list(certificates), version=1) if certificates else {}
    return testing.Relation(
        'receive-ca-cert',
        interface='certificate_transfer',
        remote_app_name=app,
        remote_app_data=dict(databag),
        remote_units_data={number: dict(unit) for number, unit in (units or {0: {}}).items()},
        local_unit_data={},
        **options,
    )


def traefik(url: str | None = None, *, raw: str | None = None, **options: Any) -> testing.Relation:
    """An ingress, relation 23.

    Args:
        url: where it serves the application; None if it has not said so.
        raw: what it published in the place of that, as it is on the wire.
        options: further fields of the relation.
    """
    databag = {'ingress': raw} if raw is not None else encoded(ingress={'url': url})
    return testing.Relation(
        'ingress',
        interface='ingress',
        remote_app_name='traefik',
        remote_app_data={} if raw is None and url is None else databag,
        remote_units_data={0: {}},
        local_unit_data={},
        **{'id': 23, **options},
    )


def catalogue(application: str = 'catalogue', **options: Any) -> testing.Relation:
    """A catalogue, relation 22."""
    return testing.Relation(
        'catalogue',
        interface='catalogue',
        remote_app_name=application,
        remote_units_data={0: {}},
        local_unit_data={},
        **{'id': 22, **options},
    )


class Coordinator:
    """A unit of the coordinator whose container keeps its files from one event to the next.

    Attributes:
        ctx: what events are made of.
        folder: /etc/nginx of the container.
        exporter_folder: /etc/nginx-prometheus-exporter of the exporter's container.
        resolv_conf: /etc/resolv.conf of the container.
        certs: /etc/ssl/certs of each container, by its name.
    """

    def __init__(self, folder: Path, number: int = 0) -> None:
        self.ctx = testing.Context(
            charm.CoordinatorCharm, app_name=APPLICATION, unit_id=number, **SPECIFICATION
        )
        self.folder = folder / 'nginx'
        self.folder.mkdir(parents=True)
        self.exporter_folder = folder / 'exporter'
        self.exporter_folder.mkdir()
        self.resolv_conf = folder / 'resolv.conf'
        self.resolv_conf.write_text('nameserver 10.152.183.10\n')
        self.certs = {
            name: folder / f'{name}-certs' for name in SPECIFICATION['meta']['containers']
        }
        for certs in self.certs.values():
            certs.mkdir()

    def nginx(self, *, refuses: str = '', can_connect: bool = True) -> testing.Container:
        """The nginx container as a new pod has it; `refuses` is what `nginx -t` says."""
        return testing.Container(
            'nginx',
            can_connect=can_connect,
            mounts={
                'nginx': testing.Mount(location='/etc/nginx', source=self.folder),
                'dns': testing.Mount(location='/etc/resolv.conf', source=self.resolv_conf),
                **self._certs('nginx'),
            },
            execs={
                testing.Exec(['nginx', '-t'], return_code=1 if refuses else 0, stderr=refuses),
                testing.Exec(['nginx', '-s', 'reload']),
                testing.Exec(['nginx', '-v'], stdout='nginx version: nginx/1.27.5 (Ubuntu)\n'),
            },
        )

    def exporter(self) -> testing.Container:
        """The exporter's container as a new pod has it."""
        name = 'nginx-prometheus-exporter'
        files = testing.Mount(location=f'/etc/{name}', source=self.exporter_folder)
        mounts = {'exporter': files, **self._certs(name)}
        return testing.Container(name, can_connect=True, mounts=mounts)

    def _certs(self, container: str) -> dict[str, testing.Mount]:
        return {'certs': testing.Mount(location='/etc/ssl/certs', source=self.certs[container])}

    def state(
        self,
        *relations: testing.RelationBase,
        leader: bool = True,
        containers: Iterable[testing.Container] = (),
        config: Mapping[str, str] | None = None,
    ) -> testing.State:
        """A new unit's state, with both containers up but for those that are given."""
        started = (self.nginx(), self.exporter(), *containers)
        up = {container.name: container for container in started}
        return testing.State(
            leader=leader,
            relations=relations,
            containers=up.values(),
            config=dict(config or {}),
            model=juju.MODEL,
        )

    def update_status(self, state: testing.State) -> testing.State:
        """Run the event that says nothing."""
        return self.ctx.run(self.ctx.on.update_status(), state)

    @property
    def config(self) -> str:
        """The nginx.conf in use."""
        return (self.folder / 'nginx.conf').read_text()


def deployment() -> list[testing.RelationBase]:
    """Two coordinators, three worker applications, two of each store."""
    return [
        workers('gate', 'gate', [10, 2], id=11),
        workers('vault', 'vault', [0], id=12),
        workers('both', 'all', [1, 0], id=13),
        scraper(id=14),
        loki(units=[1, 0], id=15),
        loki('loki-b', id=16),
        tempo('charm-tracing', id=17),
        tempo('workload-tracing', id=18),
        peers([1], id=19),
    ]


def replaced(
    state: testing.State, *relations: testing.RelationBase, **options: Any
) -> testing.State:
    """The state with some relations in the place of those of the same id."""
    ids = {relation.id for relation in relations}
    others = [relation for relation in state.relations if relation.id not in ids]
    return dataclasses.replace(state, relations=[*others, *relations], **options)


def answered(
    unit: Coordinator, state: testing.State, databag: Mapping[str, str] | None = None
) -> testing.State:
    """The state after the CA, relation 20, published a databag; by default with what was asked."""
    relation = state.get_relation(20)
    if databag is None:
        requests = authority.requests(relation.local_unit_data)
        databag = authority.authority().databag(*requests)
    relation = dataclasses.replace(relation, remote_app_data=dict(databag))
    with juju.variables(JUJU_REMOTE_UNIT=''):
        event = unit.ctx.on.relation_changed(relation, remote_unit=0)
        return unit.ctx.run(event, replaced(state, relation))


def outcome(unit: Coordinator, state: testing.State) -> dict[str, Any]:
    """All that the coordinator published and configured, statuses aside.

    Everything that comes from a databag and is rendered anywhere is in here.
    """
    plans = {
        container.name: container.plan.to_dict()
        for container in sorted(state.containers, key=lambda container: container.name)
    }
    databags = {
        relation.id: [
            # A request for a certificate is not the same twice.
            {key: databag[key] for key in sorted(databag) if 'requests' not in key}
            for databag in (relation.local_app_data, relation.local_unit_data)
        ]
        for relation in sorted(state.relations, key=lambda relation: relation.id)
    }
    ports = sorted(port.port or 0 for port in state.opened_ports)
    return {'nginx.conf': unit.config, 'plans': plans, 'databags': databags, 'ports': ports}


def worker_config(level: str) -> str:
    """The configuration file that workers are sent at a log level."""
    return workload.config(description.Seen(level, cluster.Workers()))


def serving_at(port: int) -> description.Workload:
    """The workload at a port that a test has, whether with TLS or not."""
    return dataclasses.replace(workload.WORKLOAD, ports=Ports(port, tls=port))
