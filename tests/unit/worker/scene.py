"""A worker unit under ops.testing, and the coordinator that it is related to."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ops import testing

import charms
import juju
from worker.source import charm

SPECIFICATION = charms.specification('worker-charm')
SPECIFICATION['config'] = {
    'options': {
        f'role-{role}': {'type': 'boolean', 'default': role == 'all'}
        for role in ('all', 'gate', 'vault')
    }
}
APPLICATION = 'worker'
CONFIG = 'level: "info"\n'


def encoded(**values: Any) -> dict[str, str]:
    """A databag with each value as JSON; what is None is not in it."""
    return {key: json.dumps(value) for key, value in values.items() if value is not None}


def push_url(unit: str) -> str:
    """The push URL of a Loki unit."""
    return f'http://{unit.replace("/", "-")}:3100/loki/api/v1/push'


def published(**changes: Any) -> dict[str, str]:
    """What a coordinator publishes when all stores are related; `changes` before encoding."""
    return encoded(
        **{
            'worker_config': CONFIG,
            'loki_endpoints': {unit: push_url(unit) for unit in ('loki/0', 'loki/1')},
            'charm_tracing_receivers': {'otlp_http': 'http://tempo:4318'},
            'workload_tracing_receivers': {
                'otlp_grpc': 'tempo:4317',
                'otlp_http': 'http://tempo:4318',
            },
            **changes,
        }
    )


def coordinator(
    databag: Mapping[str, str] | None = None, *, app: str = 'coordinator', **options: Any
) -> testing.Relation:
    """The relation with the coordinator, by default one with everything."""
    return testing.Relation(
        'cluster',
        interface='coordinator_cluster',
        remote_app_name=app,
        remote_app_data=published() if databag is None else dict(databag),
        remote_units_data={0: {}},
        local_unit_data={},
        **options,
    )


def peers(
    runs: Mapping[int, str | None] | None = None,
    *,
    databags: Mapping[int, Mapping[str, str]] | None = None,
    **options: Any,
) -> testing.PeerRelation:
    """The peer relation: what the workload of each other unit runs."""
    data = {number: encoded(runs=digest) for number, digest in (runs or {}).items()}
    data.update({number: dict(databag) for number, databag in (databags or {}).items()})
    return testing.PeerRelation('peers', peers_data={**data}, local_unit_data={}, **options)


class Worker:
    """A unit of the worker whose container keeps its files from one event to the next.

    Attributes:
        ctx: what events are made of.
        folder: /etc/imagined of the container.
        certs: /etc/ssl/certs of the container.
        tls: /etc/imagined-tls of the container.
        unit: the unit's name.
    """

    def __init__(self, folder: Path, number: int = 0) -> None:
        self.ctx = testing.Context(
            charm.WorkerCharm, app_name=APPLICATION, unit_id=number, **SPECIFICATION
        )
        self.unit = f'{APPLICATION}/{number}'
        self.folder = folder / 'imagined'
        self.folder.mkdir(parents=True)
        self.certs = folder / 'certs'
        self.certs.mkdir()
        self.tls = folder / 'imagined-tls'
        self.tls.mkdir()

    def container(self, *, can_connect: bool = True) -> testing.Container:
        """The workload's container as a new pod has it."""
        return testing.Container(
            'workload',
            can_connect=can_connect,
            mounts={
                'config': testing.Mount(location='/etc/imagined', source=self.folder),
                'certs': testing.Mount(location='/etc/ssl/certs', source=self.certs),
                'tls': testing.Mount(location='/etc/imagined-tls', source=self.tls),
            },
            execs={testing.Exec(['/bin/imagined', '--version'], stdout='6.9.2\n')},
        )

    def state(
        self,
        *relations: testing.RelationBase,
        leader: bool = True,
        container: testing.Container | None = None,
        config: Mapping[str, bool] | None = None,
    ) -> testing.State:
        """A new unit's state, with its container up unless another is given."""
        return testing.State(
            leader=leader,
            relations=relations,
            containers=[container or self.container()],
            config=dict(config or {}),
            model=juju.MODEL,
        )

    def update_status(self, state: testing.State) -> testing.State:
        """Run the event that says nothing."""
        return self.ctx.run(self.ctx.on.update_status(), state)

    @property
    def config(self) -> str | None:
        """The configuration file of the workload, if there is one."""
        path = self.folder / 'config.yaml'
        return path.read_bytes().decode() if path.exists() else None


def service(state: testing.State) -> dict[str, Any]:
    """The workload's service as the plan has it."""
    return dict(juju.services(state.get_container('workload'))['imagined'])


def outcome(unit: Worker, state: testing.State) -> dict[str, Any]:
    """All that the worker published and configured, statuses aside.

    Everything that comes from a databag and is rendered anywhere is in here.
    """
    container = state.get_container('workload')
    files = {path.name: path.read_text() for path in sorted(unit.folder.rglob('*.pem'))}
    databags = {
        relation.id: [
            dict(sorted(databag.items()))
            for databag in (relation.local_app_data, relation.local_unit_data)
        ]
        for relation in sorted(state.relations, key=lambda relation: relation.id)
    }
    ports = sorted(port.port or 0 for port in state.opened_ports)
    return {
        'config.yaml': unit.config,
        'files': files,
        'plan': container.plan.to_dict() if container.can_connect else None,
        'databags': databags,
        'ports': ports,
    }


def deployment(**changes: Any) -> list[testing.RelationBase]:
    """The coordinator with everything, and two other units that run something else."""
    return [
        coordinator(published(**changes), id=21),
        peers({1: 'other', 2: 'other'}, id=22),
    ]


def of(relations: Iterable[testing.RelationBase], endpoint: str) -> testing.RelationBase:
    """The one relation of an endpoint."""
    (found,) = [relation for relation in relations if relation.endpoint == endpoint]
    return found
