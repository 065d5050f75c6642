"""A coordinator and a worker made with PyPI's coordinated-workers, under ops.testing.

This program runs in an environment of its own (`environments.other_side_dir`). Each line of its
input asks, in JSON, what comes of one unit with these relations; each line of its output answers,
in JSON.

- A question has `side`, `coordinator` or `worker`; `relations`, a list of {endpoint, app,
  app_data, units_data}, one of them `cluster`; for a worker `roles`, each an option that is on;
  and for a coordinator `proxy`, whether its workers' telemetry goes through it. One that is
  related to `certificates` asks for one and gets it.
- The answer has `published`, application at the other side of `cluster` → [the databag of the
  unit's application, the unit's]; `status`; `charm_traces`, how ops.tracing was told to send; for
  a worker also `log_targets`, their locations, `services`, those of the plan, and `files`, path →
  text; and what the library itself makes of it all: see `_seen_by_coordinator` and
  `_seen_by_worker`.
- `side` may be `keys`, too: the answer is those of `cluster`, by the library's models.
- With `rounds` the question is what an event costs: the answer has `seconds` of so many dispatches
  of a unit that has settled, and `hook_tools`, the names of those that the last one ran.

coordinated-workers wants eight charm libraries, which are in no package. Tempo's is a part of
ops.tracing. The others have no part in `cluster`, but for two, which are made here as far as they
do: what S3 answers, and how logs are forwarded. Nor is there a Kubernetes to patch.
"""

# pyright: reportAttributeAccessIssue=false, reportMissingImports=false

import contextlib
import dataclasses
import json
import pathlib
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

import ops
import ops_tracing
from ops import testing
from ops_tracing.vendor.charms.tempo_coordinator_k8s.v0 import tracing

import authority
import juju

ROLES = ('gate', 'vault')
CONFIG = 'level: "info"\n'
PORT = 7070
HOST = 'real-0.real-endpoints.m.svc.cluster.local'
REQUIRED = {
    'certificates': 'tls-certificates',
    'charm-tracing': 'tracing',
    'logging': 'loki_push_api',
    's3': 's3',
    'workload-tracing': 'tracing',
}
PROVIDED = {
    'cluster': 'cluster',
    'datasource': 'grafana_datasource_exchange',
    'dashboards': 'grafana_dashboard',
    'metrics': 'prometheus_scrape',
}


class Forwarding:
    """Loki's library, as far as it writes log targets."""

    check_juju_version = mock.Mock()
    disable_inactive_endpoints = mock.Mock()

    @staticmethod
    def enable_endpoints(
        container: ops.Container, active_endpoints: Mapping[str, str], **_: Any
    ) -> None:
        """Forward all logs of the container to each of these."""
        targets: dict[str, ops.pebble.LogTargetDict] = {
            unit: {
                'override': 'replace',
                'type': 'loki',
                'location': url,
                'services': ['all'],
            }
            for unit, url in active_endpoints.items()
        }
        container.add_layer('logs', {'log-targets': targets}, combine=True)


def _s3(*_: Any) -> mock.Mock:
    names = ('endpoint', 'bucket', 'access-key', 'secret-key')
    answer = {name: f'http://{name}' for name in names}
    return mock.Mock(get_s3_connection_info=lambda: answer)


for _name, _library in {
    'catalogue_k8s.v1.catalogue': mock.MagicMock(),
    'data_platform_libs.v0.s3': mock.MagicMock(S3Requirer=_s3),
    'grafana_k8s.v0.grafana_dashboard': mock.MagicMock(),
    'istio_beacon_k8s.v0.service_mesh': mock.MagicMock(),
    'loki_k8s.v1.loki_push_api': mock.MagicMock(_PebbleLogClient=Forwarding),
    'observability_libs.v0.kubernetes_compute_resources_patch': mock.MagicMock(),
    'prometheus_k8s.v0.prometheus_scrape': mock.MagicMock(),
    'tempo_coordinator_k8s.v0.tracing': tracing,
}.items():
    sys.modules[f'charms.{_name}'] = _library

from charmlibs import nginx_k8s  # noqa: E402
from coordinated_workers import coordinator, worker, worker_telemetry  # noqa: E402
from coordinated_workers.interfaces import cluster  # noqa: E402


class CoordinatorCharm(ops.CharmBase):
    """A coordinator of no more than the library has."""

    protocols = ('otlp_grpc', 'otlp_http')
    proxy: worker_telemetry.WorkerTelemetryProxyConfig | None = None

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self.coordinator = coordinator.Coordinator(
            charm=self,
            roles_config=coordinator.ClusterRolesConfig(
                roles={*ROLES, 'all'}, meta_roles={'all': ROLES}, minimal_deployment=ROLES
            ),
            external_url='http://real',
            worker_metrics_port=PORT,
            endpoints={
                'certificates': 'certificates',
                'charm-tracing': 'charm-tracing',
                'cluster': 'cluster',
                'grafana-dashboards': 'dashboards',
                'logging': 'logging',
                'metrics': 'metrics',
                's3': 's3',
                'send-datasource': 'datasource',
                'workload-tracing': 'workload-tracing',
            },
            nginx_config=nginx_k8s.NginxConfig('real', [], {}),
            workers_config=lambda _: CONFIG,
            workload_tracing_protocols=[*self.protocols],
            worker_telemetry_proxy_config=self.proxy,
        )


class ProxyCharm(CoordinatorCharm):
    """A coordinator through whose nginx the telemetry of its workers goes: no gRPC does."""

    protocols = ('otlp_http',)
    proxy = worker_telemetry.WorkerTelemetryProxyConfig(http_port=3300, https_port=3301)


class WorkerCharm(ops.CharmBase):
    """A worker of no more than the library has."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self.worker = worker.Worker(self, 'workload', _layer, {'cluster': 'cluster'})


def _layer(of: Any) -> ops.pebble.Layer:
    receivers = of.cluster.get_workload_tracing_receivers()
    return ops.pebble.Layer(
        {
            'services': {
                'workload': {
                    'override': 'replace',
                    'command': '/bin/workload',
                    'environment': {'TRACES': json.dumps(receivers, sort_keys=True)},
                }
            }
        }
    )


def _seen_by_coordinator(charm: CoordinatorCharm) -> dict[str, Any]:
    found = charm.coordinator
    by_role = found.cluster.gather_addresses_by_role()
    return {
        'addresses': {role: sorted(hosts) for role, hosts in by_role.items()},
        'roles': found.cluster.gather_roles(),
        'scrape_jobs': found._workers_scrape_jobs,
    }


def _seen_by_worker(charm: WorkerCharm) -> dict[str, Any]:
    return {'serves_tls': charm.worker.cluster.get_tls_data() is not None}


def _context(question: Mapping[str, Any]) -> testing.Context[Any]:
    if question['side'] == 'coordinator':
        meta = {
            'name': 'real-coordinator-k8s',
            'requires': {name: {'interface': one, 'limit': 1} for name, one in REQUIRED.items()},
            'provides': {name: {'interface': one} for name, one in PROVIDED.items()},
            'peers': {'peers': {'interface': 'peers'}},
            'containers': {'nginx': {}, 'nginx-prometheus-exporter': {}},
        }
        charm = ProxyCharm if question.get('proxy') else CoordinatorCharm
        return testing.Context(charm, meta=meta, app_name='real')
    meta = {
        'name': 'real-worker-k8s',
        'requires': {'cluster': {'interface': 'cluster'}},
        'containers': {'workload': {}},
    }
    options = {f'role-{role}': {'type': 'boolean', 'default': True} for role in question['roles']}
    return testing.Context(WorkerCharm, meta=meta, config={'options': options}, app_name='real')


def _state(question: Mapping[str, Any]) -> testing.State:
    relations = [
        testing.Relation(
            one['endpoint'],
            remote_app_name=one['app'],
            remote_app_data=one.get('app_data', {}),
            remote_units_data={int(n): data for n, data in one['units_data'].items()},
        )
        for one in question['relations']
    ]
    workload = testing.Container(
        'workload',
        can_connect=True,
        execs={
            testing.Exec(['update-ca-certificates', '--fresh']),
            testing.Exec(['/bin/workload', '-version'], stdout='version 1'),
        },
    )
    # nginx is none of the other side's business, but for what it costs.
    names = ('nginx', 'nginx-prometheus-exporter')
    away = [
        testing.Container(
            name,
            can_connect='rounds' in question,
            execs={
                testing.Exec(['update-ca-certificates', '--fresh']),
                testing.Exec(['nginx', '-s', 'reload']),
            },
        )
        for name in names
    ]
    is_worker = question['side'] == 'worker'
    return testing.State(
        leader=True,
        model=juju.MODEL,
        relations=relations,
        containers=[workload] if is_worker else away,
    )


def _issued(state: testing.State) -> testing.State:
    """The state after the CA answered."""
    relations = []
    for relation in state.relations:
        if isinstance(relation, testing.Relation) and relation.endpoint == 'certificates':
            databag = authority.authority().databag(*authority.requests(relation.local_unit_data))
            relation = dataclasses.replace(relation, remote_app_data=databag)
        relations.append(relation)
    return dataclasses.replace(state, relations=relations)


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """What comes of a unit that is as the question says."""
    ctx, state = _context(question), _state(question)
    if state.get_relations('certificates'):  # asks for one
        state = _issued(ctx.run(_changed(ctx, state), state))
    with (
        mock.patch.object(ops_tracing, 'set_destination') as told,
        ctx(_changed(ctx, state), state) as manager,
    ):
        state = manager.run()
        see = _seen_by_worker if question['side'] == 'worker' else _seen_by_coordinator
        seen = see(manager.charm)
    return {
        **seen,
        'charm_traces': [call.kwargs for call in told.mock_calls],
        'published': {
            one.remote_app_name: [one.local_app_data, one.local_unit_data]
            for one in state.get_relations('cluster')
            if isinstance(one, testing.Relation)
        },
        'status': [state.unit_status.name, state.unit_status.message],
        **_workload(ctx, state),
    }


def cost(question: Mapping[str, Any]) -> dict[str, Any]:
    """What an event costs in which nothing changes."""
    ctx, state = _context(question), _state(question)
    seconds: list[float] = []
    with mock.patch.object(ops_tracing, 'set_destination'):
        for _ in range(2):  # the second reads back what the first wrote
            state = ctx.run(_changed(ctx, state), state)
        for _ in range(question['rounds']):
            start = time.perf_counter()
            ctx.run(_changed(ctx, state), state)
            seconds.append(time.perf_counter() - start)
        with juju.recorded() as calls:
            ctx.run(_changed(ctx, state), state)
    return {'seconds': seconds, 'hook_tools': calls.hook_tools()}


def _changed(ctx: testing.Context[Any], state: testing.State) -> Any:
    relation = state.get_relations('cluster')[0]
    return ctx.on.relation_changed(relation, remote_unit=0)


def _workload(ctx: testing.Context[Any], state: testing.State) -> dict[str, Any]:
    """What the worker's container has."""
    for container in state.containers:
        if container.name == 'workload':
            root = container.get_filesystem(ctx)
            files = {f'/{p.relative_to(root)}': p for p in sorted(root.rglob('*')) if p.is_file()}
            return {
                'files': {path: file.read_text() for path, file in files.items()},
                'log_targets': sorted(juju.enabled_log_targets(container)),
                'services': juju.services(container),
            }
    return {}


@contextlib.contextmanager
def _this_machine_untouched() -> Iterator[None]:
    """Let nothing of the library reach beyond a folder that is removed at the end."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as patches:
        for name in 'prometheus_alert_rules', 'loki_alert_rules':
            pathlib.Path(folder, 'src', name).mkdir(parents=True)
        ca = pathlib.Path(folder, 'ca.crt')
        for patch in (
            mock.patch.object(coordinator, 'Client'),
            mock.patch.object(worker, 'Client'),
            mock.patch.object(worker, 'ROOT_CA_CERT_PATH', ca),
            mock.patch.object(worker, 'subprocess'),
            mock.patch.object(socket, 'getfqdn', return_value=HOST),
        ):
            patches.enter_context(patch)
        patches.enter_context(contextlib.chdir(folder))
        yield


def keys() -> dict[str, list[str]]:
    """The keys of `cluster`, by the library's models."""
    models = (
        cluster.ClusterProviderAppData,
        cluster.ClusterRequirerAppData,
        cluster.ClusterRequirerUnitData,
    )
    return {model.__name__: sorted(model.model_fields) for model in models}


def main() -> None:
    """Answer until there are no more questions."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        question = json.loads(line)
        try:
            with _this_machine_untouched():
                if question['side'] == 'keys':
                    said: Mapping[str, Any] = keys()
                else:
                    said = cost(question) if 'rounds' in question else answer(question)
        except Exception:  # noqa: BLE001 whoever asks shows it
            said = {'failed': traceback.format_exc()}
        print(json.dumps(said), file=answers, flush=True)


if __name__ == '__main__':
    main()
