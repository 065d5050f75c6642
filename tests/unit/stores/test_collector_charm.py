"""The charm around the collector."""

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path

import pytest
import yaml
from ops import pebble, testing

import juju
from coordinated_telemetry import databag, otlp, publication, rules, topology

ROOT = Path(__file__).parents[2] / 'stores' / 'otel-collector'


@pytest.fixture(scope='module')
def charm():
    """Its folder's name is no package's."""
    spec = importlib.util.spec_from_file_location('otel_collector_charm', ROOT / 'src/charm.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.append(str(ROOT / 'src'))
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ctx(charm):
    content = yaml.safe_load((ROOT / 'charmcraft.yaml').read_text())
    names = ('name', 'containers', 'resources', 'provides', 'requires')
    meta = {name: content[name] for name in names}
    return testing.Context(charm.CollectorCharm, meta=meta, app_name='otel-collector')


LOKI = {'endpoint': json.dumps({'url': 'http://loki-0:3100/insert/loki/api/v1/push'})}
TEMPO = [
    {'protocol': {'name': 'otlp_grpc', 'type': 'grpc'}, 'url': 'tempo:4317'},
    {'protocol': {'name': 'otlp_http', 'type': 'http'}, 'url': 'http://tempo:4318'},
]
SERVER = testing.Relation('receive-otlp', remote_app_name='coordinator', id=1)
LOGS = testing.Relation(
    'send-loki-logs', remote_app_name='loki', remote_units_data={0: LOKI}, id=2
)
TRACES = testing.Relation(
    'send-traces', remote_app_name='tempo', remote_app_data={'receivers': json.dumps(TEMPO)}, id=3
)


def run(ctx, *relations, leader=True, container=None):
    container = container or testing.Container('otelcol', can_connect=True)
    state = testing.State(
        containers=[container], relations=relations, leader=leader, model=testing.Model('m')
    )
    return ctx.run(ctx.on.update_status(), state)


def offered(after):
    content = json.loads(after.get_relation(1).local_app_data['endpoints'])
    return {entry['protocol']: (entry['endpoint'], entry['telemetries']) for entry in content}


def config(ctx, after, charm):
    folder = after.get_container('otelcol').get_filesystem(ctx)
    return json.loads((folder / charm.CONFIG.lstrip('/')).read_text())


@pytest.mark.parametrize(
    ('relations', 'telemetries'),
    [([], []), ([LOGS], ['logs']), ([TRACES], ['traces']), ([LOGS, TRACES], ['logs', 'traces'])],
)
def test_what_can_be_passed_on_is_offered(ctx, relations, telemetries):
    after = run(ctx, SERVER, *relations)
    host = 'otel-collector.m.svc.cluster.local'
    assert offered(after) == {
        'grpc': (f'http://{host}:4317', telemetries),
        'http': (f'http://{host}:4318', telemetries),
    }
    services = after.get_container('otelcol').service_statuses
    assert ('otelcol' in services) == bool(telemetries)
    if telemetries:
        assert services['otelcol'] == pebble.ServiceStatus.ACTIVE
        assert after.unit_status == testing.ActiveStatus(f'passes on {" and ".join(telemetries)}')


def test_each_signal_goes_to_its_store(ctx, charm):
    found = config(ctx, run(ctx, SERVER, LOGS, TRACES), charm)
    assert found['exporters'] == {
        'otlp_http/logs-0': {'logs_endpoint': 'http://loki-0:3100/insert/opentelemetry/v1/logs'},
        'otlp_http/traces-0': {'endpoint': 'http://tempo:4318'},
    }
    assert {kind: one['exporters'] for kind, one in found['service']['pipelines'].items()} == {
        'logs': ['otlp_http/logs-0'],
        'traces': ['otlp_http/traces-0'],
    }


def test_stores_are_asked_for_what_is_needed(ctx):
    after = run(ctx, SERVER, LOGS, TRACES)
    assert json.loads(after.get_relation(3).local_app_data['receivers']) == ['otlp_http']
    assert json.loads(after.get_relation(2).local_app_data['alert_rules']) == {}


def test_only_the_leader_publishes(ctx):
    after = run(ctx, SERVER, LOGS, TRACES, leader=False)
    assert [dict(relation.local_app_data) for relation in after.relations] == [{}, {}, {}]


def test_rules_on_logs_are_passed_on(ctx):
    application = topology.Topology('m', juju.UUID, 'c', '', 'c-k8s')
    group = {'name': 'g', 'rules': [{'alert': 'A', 'expr': 'rate({%%juju_topology%%}[5m]) > 1'}]}
    rendered = rules.render([group], application)
    data = otlp.RequirerData(
        metadata=publication.Metadata.of(application), rules=otlp.compressed([], rendered)
    )
    server = dataclasses.replace(SERVER, remote_app_data=databag.encoded(data))
    passed_on = json.loads(run(ctx, server, LOGS).get_relation(2).local_app_data['alert_rules'])
    assert [each['rules'] for each in passed_on['groups']] == [each['rules'] for each in rendered]
