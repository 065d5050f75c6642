"""COS Lite in a model of its own, and the pair in another one, which consumes its offers.

First without COS' internal TLS, then with it. On the local Juju, stand-ins have the names of COS'
charms, and the tests of what no stand-in has are skipped; tests/README.md lists those.
"""

import dataclasses
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import deployment
import switching
from checks import check_has_trace, check_rules, check_scraped
from clients import Alert
from conftest import temporary_model
from cos_lite import ARE_STAND_INS, OFFERS, Cos, needs
from killing import killed
from model import Model, eventually
from this_juju import PROMETHEUS_OPTIONS
from traffic import ask

WORKERS = tuple(
    deployment.worker(role, role=role, units=2 if role == 'backend' else 1)
    for role in deployment.ROLES
)
UNITS = ('coordinator/0', *(unit for worker in WORKERS for unit in worker.unit_names))


@pytest.fixture(scope='module')
def cos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cos]:
    """COS Lite and Tempo without TLS, with their offers."""
    with temporary_model('cos-lite') as model:
        terraform = not ARE_STAND_INS and shutil.which('terraform') is not None
        cos = Cos(model, tmp_path_factory.mktemp('terraform'), by_terraform=terraform)
        cos.deploy()
        if PROMETHEUS_OPTIONS:
            model.juju.config('prometheus', PROMETHEUS_OPTIONS)
        yield cos


@pytest.fixture(scope='module')
def pair(cos: Cos) -> Iterator[Model]:
    """The coordinator and its workers in another model; its `stores` are those of COS."""
    with temporary_model('pair') as model:
        model.deploy(deployment.coordinator(), *WORKERS)
        model.integrate(*deployment.cluster_relations(WORKERS))
        consume(model, cos)
        model.wait_active()
        yield dataclasses.replace(model, found_stores=cos.stores())


@pytest.fixture(scope='module')
def over_tls(pair: Model, cos: Cos) -> Model:
    """The same, with COS' internal TLS, and its CA known to the pair."""
    cos.turn_on_internal_tls()
    consume(pair, cos)
    pair.wait_active()
    return dataclasses.replace(pair, found_stores=cos.stores())


def consume(model: Model, cos: Cos) -> None:
    """Consume every offer that COS makes to the coordinator, and integrate with it.

    What is there already stays.
    """
    there, consumed = cos.there, model.juju.status().app_endpoints
    related = model.juju.status().apps['coordinator'].relations
    for endpoint, (application, _, offer) in OFFERS.items():
        if application not in there or endpoint in related:
            continue
        if offer not in consumed:
            model.juju.consume(f'{switching.name_of(cos.model)}.{offer}', owner='admin')
            consumed = model.juju.status().app_endpoints
        model.integrate((f'coordinator:{endpoint}', offer))


def check_flows(model: Model) -> None:
    """Wait until every flow of every unit arrives, and everything of a request that is sent now.

    What arrived earlier does not count: a new level of the logs makes every charm and workload
    say something.
    """
    since = time.time_ns()
    level = model.juju.config('coordinator')['log-level']
    model.juju.config('coordinator', {'log-level': 'info' if level == 'debug' else 'debug'})
    model.wait_active()
    eventually(lambda: check_scraped(model, {*UNITS}))
    trace_id = eventually(lambda: ask(model, 'coordinator'))
    eventually(lambda: check_has_trace(model, trace_id))

    def logged() -> None:
        assert model.stores.lines('coordinator/0', charm_logs=False, containing=trace_id)
        for unit in UNITS:
            lines = model.stores.lines(unit, charm_logs=True)
            assert [line for line in lines if line.time >= since], unit
            spans = model.stores.spans(unit, charm=True)
            assert [span for span in spans if span.start >= since], unit

    eventually(logged)
    model.check_telemetry(*UNITS)


def check_fires(model: Model, unit: str) -> Alert:
    """Assert that HostDown fires for this unit and for no other of ours."""
    alerts = [alert for alert in model.stores.alerts() if alert.name == 'HostDown']
    ours = [alert for alert in alerts if alert.labels.get('juju_unit') in UNITS]
    assert {alert.labels['juju_unit']: alert.state for alert in ours} == {unit: 'firing'}
    return ours[0]


# Without internal TLS


def test_every_flow_of_every_unit_arrives(pair: Model) -> None:
    check_flows(pair)


def test_every_application_has_its_rules_in_both_stores(pair: Model) -> None:
    applications = {unit.partition('/')[0] for unit in UNITS}
    if ARE_STAND_INS:
        eventually(lambda: check_rules(pair, applications))
        return

    def check() -> None:  # COS has rules of its own beside them
        for rules in (pair.stores.rules(), pair.stores.log_rules()):
            assert applications <= {rule.labels.get('juju_application') for rule in rules}

    eventually(check)


def test_a_killed_worker_makes_its_own_host_down_fire(pair: Model) -> None:
    topology = pair.topology('backend/1')
    with killed(pair, 'backend/1'):
        alert = eventually(lambda: check_fires(pair, 'backend/1'))
    assert topology.items() <= alert.labels.items()


def test_loki_evaluates_the_rules_on_logs(pair: Model) -> None:
    needs('Loki')

    def check() -> None:
        rules = pair.stores.log_rules()
        ours = [rule for rule in rules if rule.labels.get('juju_application') == 'coordinator']
        assert ours
        assert [rule.error for rule in ours] == [''] * len(ours)
        for rule in ours:
            assert isinstance(pair.stores.log_vector(rule.expr), list)

    eventually(check)


def test_tempo_finds_the_spans_of_a_unit_by_its_topology(pair: Model) -> None:
    needs('Tempo, so no TraceQL')

    def check() -> None:
        for charm in (True, False):
            spans = pair.stores.spans('frontend/0', charm=charm)
            assert spans
            topology = pair.topology('frontend/0')
            assert all(topology.items() <= span.resource.items() for span in spans)

    eventually(check)


def test_alertmanager_is_told_of_a_killed_worker(pair: Model, cos: Cos) -> None:
    needs('Alertmanager')

    def told() -> None:
        alerts = [labels for labels in cos.alerts() if labels['alertname'] == 'HostDown']
        assert {labels.get('juju_unit') for labels in alerts} & {*UNITS} == {'backend/0'}

    with killed(pair, 'backend/0'):
        eventually(told)


@pytest.mark.usefixtures('pair')
def test_grafana_has_the_dashboards(cos: Cos) -> None:
    needs('Grafana')
    folder = deployment.ROOT / 'coordinator-charm/src/grafana_dashboards'
    wanted = {dashboard_title(path) for path in folder.glob('*.json*')}
    assert wanted

    def found() -> None:
        assert wanted <= {dashboard['title'] for dashboard in cos.dashboards()}

    eventually(found)


def dashboard_title(path: Path) -> str:
    """The title of a dashboard's template."""
    return json.loads(path.read_text())['title']


def test_the_catalogue_lists_the_workload(pair: Model, cos: Cos) -> None:
    needs('catalogue')

    def listed() -> None:
        urls = [entry['url'] for entry in cos.catalogue().values()]
        name = switching.name_of(pair)
        assert [url for url in urls if f'coordinator.{name}.' in url or '/pair-' in url]

    eventually(listed)


# With internal TLS


def test_every_flow_of_every_unit_arrives_over_tls(over_tls: Model) -> None:
    check_flows(over_tls)


def test_nothing_is_held_back_for_want_of_a_ca(over_tls: Model) -> None:
    units = over_tls.units(*{unit.partition('/')[0] for unit in UNITS})
    messages = {name: unit.workload_status.message for name, unit in units.items()}
    assert not [text for text in messages.values() if 'not sent' in text], messages
    if not ARE_STAND_INS:
        return  # what COS publishes depends on its traefik, which ends TLS
    for unit in UNITS:
        assert [target.partition(':')[0] for target in over_tls.log_targets(unit)] == ['https']
    for unit in UNITS[1:]:
        for service in over_tls.plan(unit)['services'].values():
            endpoint = service['environment']['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']
            assert endpoint.startswith('https://'), unit
