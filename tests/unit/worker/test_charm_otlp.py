"""A collector at the worker: what goes there instead of the stores, and what is said."""

import dataclasses
from pathlib import Path

import pytest
from ops import testing

import golden
import hostile
import juju
from coordinated_telemetry import databag as databag_lib
from worker import scene

GOLDEN = Path(__file__).parent / 'golden'
OTLP = {
    'logs_grpc': 'http://otelcol:4317',
    'logs_http': 'http://otelcol:4318',
    'traces_grpc': 'http://otelcol:4317',
    'traces_http': 'http://otelcol:4318',
}
TLS = {key: url.replace('http:', 'https:') for key, url in OTLP.items()}
STORES = ('loki_endpoints', 'charm_tracing_receivers', 'workload_tracing_receivers')
ENDPOINT = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'
NO_HTTP = 'are not sent over OTLP: no HTTP endpoint takes them'
FINE = 'ready: all'


@pytest.fixture
def unit(tmp_path):
    return scene.Worker(tmp_path)


def related(collector=None, *, stores=True, **changes):
    """The coordinator that offers a collector, beside the stores or alone."""
    others = {} if stores else dict.fromkeys(STORES)
    databag = scene.published(otlp_endpoints=collector or OTLP, **others, **changes)
    return scene.coordinator(databag, id=21)


def log_targets(state):
    targets = state.get_container('workload').plan.log_targets.values()
    return {(str(one.type), one.location) for one in targets if one.services == ['all']}


@pytest.mark.parametrize('stores', [True, False], ids=['with stores', 'alone'])
def test_everything_goes_to_the_collector_and_nothing_twice(unit, log, set_destination, stores):
    after = unit.update_status(unit.state(related(stores=stores)))
    assert {url: state.otlp for url, state in log._kept.endpoints.items()} == {
        'http://otelcol:4318/v1/logs': True
    }
    set_destination.assert_called_once_with(url='http://otelcol:4318/v1/traces', ca=None)
    assert log_targets(after) == {('opentelemetry', 'http://otelcol:4318')}
    assert scene.service(after)['environment'][ENDPOINT] == 'http://otelcol:4317'
    assert after.unit_status == testing.ActiveStatus(FINE)


def test_the_plan(unit):
    after = unit.update_status(unit.state(related()))
    plan = after.get_container('workload').plan.to_dict()
    golden.check(GOLDEN / 'workload-with-collector.plan.yaml', golden.layer(plan))


def test_what_the_collector_does_not_take_goes_to_the_stores(unit, set_destination):
    after = unit.update_status(unit.state(related({'traces_http': OTLP['traces_http']})))
    assert {kind for kind, _ in log_targets(after)} == {'loki'}
    set_destination.assert_called_once_with(url='http://otelcol:4318/v1/traces', ca=None)
    assert scene.service(after)['environment'][ENDPOINT] == 'http://tempo:4317'
    assert after.unit_status == testing.ActiveStatus(FINE)


@pytest.mark.parametrize(
    ('collector', 'note'),
    [
        (
            {'logs_grpc': 'http://otelcol:4317', 'traces_http': 'http://otelcol:4318'},
            f'logs {NO_HTTP}; workload traces are not sent over OTLP: no gRPC endpoint takes them',
        ),
        (
            {'traces_grpc': 'http://otelcol:4317'},
            f'charm traces {NO_HTTP}',
        ),
    ],
)
def test_what_goes_nowhere_is_said(unit, collector, note):
    after = unit.update_status(unit.state(related(collector, stores=False)))
    assert after.unit_status == testing.ActiveStatus(f'{FINE}; {note}')


def test_an_https_collector_without_a_ca_gets_nothing_and_it_is_said(unit, set_destination):
    after = unit.update_status(unit.state(related(TLS, stores=False)))
    set_destination.assert_called_once_with(url=None, ca=None)
    assert log_targets(after) == set()
    assert ENDPOINT not in scene.service(after)['environment']
    assert after.unit_status == testing.ActiveStatus(
        f'{FINE}; logs, charm traces, workload traces are not sent over OTLP: no CA certificate '
        'for https://otelcol:4318'
    )


def test_an_https_collector_gets_everything_with_a_ca(unit, set_destination):
    ca = (GOLDEN / 'store-ca.pem').read_text()
    after = unit.update_status(unit.state(related(TLS, receive_ca_certs=ca)))
    set_destination.assert_called_once_with(url='https://otelcol:4318/v1/traces', ca=ca)
    assert log_targets(after) == {('opentelemetry', 'https://otelcol:4318')}
    assert (unit.certs / 'coordinated-telemetry.pem').read_text() == ca
    environment = scene.service(after)['environment']
    assert environment[ENDPOINT] == 'https://otelcol:4317'
    assert environment['OTEL_EXPORTER_OTLP_CERTIFICATE'] == '/etc/imagined/traces-ca.pem'
    assert (unit.folder / 'traces-ca.pem').read_text() == ca


def test_when_the_relation_goes_so_does_the_collector(unit, set_destination):
    state = unit.update_status(unit.state(related()))
    after = unit.ctx.run(unit.ctx.on.relation_broken(state.get_relation(21)), state)
    assert log_targets(after) == set()
    assert ENDPOINT not in scene.service(after)['environment']
    set_destination.assert_called_with(url=None, ca=None)


SMALL_URLS = [url for case, url in hostile.NOT_URLS.items()
              if len(url) < 5000 and case != 'half a surrogate pair']  # fmt: skip


@pytest.mark.parametrize('key', ['logs_http', 'traces_http', 'traces_grpc'])
def test_every_bad_endpoint_is_ignored_alone(tmp_path, key):
    others = {name: url for name, url in OTLP.items() if name != key}
    reference = scene.Worker(tmp_path / 'reference')
    expected = reference.update_status(reference.state(related(others)))
    for number, url in enumerate([*SMALL_URLS, None, 1, [], {'a': 'b'}]):
        unit = scene.Worker(tmp_path / str(number))
        after = unit.update_status(unit.state(related({**others, key: url})))
        assert scene.outcome(unit, after) == scene.outcome(reference, expected)
        assert f'ignored: coordinator otlp_endpoints {key} (' in after.unit_status.message


@pytest.mark.parametrize('case', [*hostile.RAW])
def test_a_key_that_makes_no_sense_is_one_that_is_not_there(tmp_path, case):
    reference, unit = scene.Worker(tmp_path / 'reference'), scene.Worker(tmp_path / 'unit')
    good = scene.published()
    databag = {**good, 'otlp_endpoints': hostile.RAW[case]}
    if sum(len(name) + len(text) for name, text in databag.items()) > databag_lib.MAX_BYTES:
        good = {}  # all of it is too large
    expected = reference.update_status(reference.state(scene.coordinator(good, id=21)))
    after = unit.update_status(unit.state(scene.coordinator(databag, id=21)))
    assert scene.outcome(unit, after) == scene.outcome(reference, expected)


def test_a_hook_with_nothing_to_do_writes_nothing(unit, calls):
    state = unit.update_status(unit.update_status(unit.state(related())))
    calls.clear()
    unit.update_status(state)
    assert calls.changes() == []


def test_a_worker_follows_when_the_collector_comes_and_goes(unit):
    state = unit.update_status(unit.state(scene.coordinator(id=21)))
    before = log_targets(state)
    for relation, expected in (
        (related(), {('opentelemetry', 'http://otelcol:4318')}),
        (scene.coordinator(id=21), before),
    ):
        known = state.get_relation(21)
        changed = dataclasses.replace(known, remote_app_data=relation.remote_app_data)
        state = unit.update_status(dataclasses.replace(state, relations=[changed]))
        assert log_targets(state) == expected
    assert juju.warnings(unit.ctx) == []
