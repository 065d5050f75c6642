"""Logs, traces and rules through a collector: one relation in the place of three."""

from collections.abc import Iterator

import pytest

import deployment
import switching
from checks import check_log_targets
from conftest import temporary_model
from model import Model, eventually
from traffic import HOPS, ask

WORKERS = tuple(deployment.worker(role, role=role) for role in deployment.ROLES)
UNITS = ('coordinator/0', *(unit for worker in WORKERS for unit in worker.unit_names))
METRICS = deployment.TELEMETRY['metrics-endpoint']
DIRECT = tuple(pair for name, pair in deployment.TELEMETRY.items() if pair != METRICS)
UNUSED = 'send-otlp is used instead of logging, charm-tracing, workload-tracing'
FINE = f'active: {deployment.workers_message(dict.fromkeys(deployment.ROLES, 1))}'
TLS = (
    *(deployment.TLS, deployment.STORES_CA, deployment.COLLECTOR_TLS),
    *deployment.STORE_TLS,
)


@pytest.fixture(scope='module')
def collected() -> Iterator[Model]:
    """Everything related through the collector, and metrics directly."""
    with temporary_model('otlp') as model:
        if model.found_stores is None:
            pytest.skip('the charms of the stores run on the local Juju only')
        model.deploy(
            deployment.coordinator(),
            *WORKERS,
            *deployment.STORES,
            deployment.COLLECTOR,
            deployment.CERTIFICATES,
        )
        model.integrate(*deployment.cluster_relations(WORKERS), METRICS, *deployment.OTLP)
        model.wait_active()
        eventually(lambda: ask(model, 'coordinator'))
        yield model


def is_related(model: Model, pair: tuple[str, str]) -> bool:
    name, _, endpoint = pair[0].partition(':')
    there = model.juju.status().apps[name].relations.get(endpoint, [])
    return pair[1].partition(':')[0] in [relation.related_app for relation in there]


def relate(model: Model, *wanted: tuple[str, str]) -> None:
    """Bring the model to these of the relations that the tests add and remove."""
    for pair in (deployment.OTLP[0], *DIRECT, *TLS):
        if pair in wanted and not is_related(model, pair):
            model.integrate(pair)
        elif pair not in wanted and is_related(model, pair):
            model.juju.remove_relation(*pair)


def check_log_target(model: Model, unit: str, url: str) -> None:
    targets = model.plan(unit)['log-targets'].values()
    used = {(one['type'], one['location']) for one in targets if 'all' in one['services']}
    assert used == {('opentelemetry', url)}


def check_once(model: Model) -> None:
    """Assert that no line of any charm is in the store twice.

    Pebble sends a workload's last lines again whenever its plan changes; Loki drops such copies.
    """
    for unit in UNITS:
        lines = [(line.time, line.text) for line in model.stores.lines(unit, charm_logs=True)]
        assert lines
        assert len(lines) == len({*lines}), unit


def test_every_flow_of_every_unit_arrives_through_the_collector(collected: Model) -> None:
    relate(collected, deployment.OTLP[0])
    for _ in range(4):
        ask(collected, 'coordinator')
    collected.check_telemetry(*UNITS)
    url = f'http://{deployment.COLLECTOR.name}.{switching.name_of(collected)}.svc.cluster.local'
    for unit in UNITS:
        eventually(lambda unit=unit: check_log_target(collected, unit, f'{url}:4318'))
    collected.wait_status('coordinator', FINE)


def test_the_rules_on_logs_of_each_application_arrive_through_the_collector(
    collected: Model,
) -> None:
    relate(collected, deployment.OTLP[0])

    def check() -> None:
        rules = collected.stores.log_rules()
        assert {rule.labels['juju_application'] for rule in rules} == {
            'coordinator',
            *deployment.ROLES,
        }
        assert len(rules) == len({(rule.group, rule.name) for rule in rules})

    eventually(check)


def test_with_the_stores_related_too_nothing_arrives_twice(collected: Model) -> None:
    relate(collected, deployment.OTLP[0], *DIRECT)
    collected.wait_status('coordinator', f'{FINE}; {UNUSED}')
    collected.wait_active()
    trace_id = ask(collected, 'coordinator')

    def arrived() -> None:
        found = collected.stores.lines('coordinator/0', charm_logs=False, containing=trace_id)
        assert len(found) == HOPS  # of nginx: of the request from outside, and of each worker's
        spans = [span for tree in collected.stores.trace(trace_id) for _, span in tree.walk()]
        assert len(spans) == len({span.span_id for span in spans})

    eventually(arrived)
    for unit in UNITS:
        check_log_targets(collected, unit, 1)
    check_once(collected)
    rules = [(rule.group, rule.name) for rule in collected.stores.log_rules()]
    assert len(rules) == len({*rules})


def test_without_the_collector_everything_goes_to_the_stores_again(collected: Model) -> None:
    relate(collected, *DIRECT)
    collected.wait_status('coordinator', FINE)

    def to_loki() -> None:
        for unit in UNITS:
            [target] = collected.log_targets(unit)
            assert target.startswith('http://loki-0.')

    eventually(to_loki)
    trace_id = ask(collected, 'coordinator')
    eventually(lambda: check_traced(collected, trace_id))


def check_traced(model: Model, trace_id: str) -> None:
    lines = model.stores.lines('coordinator/0', charm_logs=False, containing=trace_id)
    assert len({line.text for line in lines}) == HOPS
    assert model.stores.trace(trace_id)


def test_over_tls_every_flow_arrives_through_the_collector(collected: Model) -> None:
    relate(collected, deployment.OTLP[0], *TLS)
    collected.wait_active()
    url = f'https://{deployment.COLLECTOR.name}.{switching.name_of(collected)}.svc.cluster.local'
    for unit in UNITS:
        eventually(lambda unit=unit: check_log_target(collected, unit, f'{url}:4318'))
    context = switching.trusting(collected)
    for _ in range(4):
        eventually(lambda: ask(collected, 'coordinator', context=context))
    trace_id = ask(collected, 'coordinator', context=context)
    eventually(lambda: check_traced(collected, trace_id))
    for unit in UNITS:  # a charm's spans wait for its next hook while the store restarts
        collected.cluster.run_hook(unit, 'update-status')
    collected.check_telemetry(*UNITS)
