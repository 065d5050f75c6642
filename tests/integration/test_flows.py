"""The three flows of every unit of both charms: two coordinators, two worker applications."""

import json
import secrets

import pytest

import baseline
import telemetry
from deployment import NGINX_PORT
from model import Model, eventually
from podinfo import answering, echo, requested, trace_id_of, websocket_echo
from traffic import ask, ask_all


def test_everything_becomes_active_and_says_what_it_serves(deployed: Model) -> None:
    deployed.wait_status('coordinator', f'active: {baseline.MESSAGE}')
    for role in baseline.COUNTS:
        deployed.wait_status(role, f'active: ready: {role}')


@pytest.mark.parametrize('unit', baseline.COORDINATORS)
def test_each_coordinator_serves(deployed: Model, unit: str) -> None:
    eventually(lambda: ask_all(deployed, unit))


@pytest.mark.workload
@pytest.mark.parametrize('unit', baseline.COORDINATORS)
def test_each_coordinator_serves_both_roles(deployed: Model, unit: str) -> None:
    eventually(lambda: ask(deployed, unit))
    assert answering(deployed, unit, '/') == {'frontend-0'}
    assert answering(deployed, unit, '/backend/') == {'backend-0', 'backend-1'}


@pytest.mark.workload
def test_a_large_body_comes_and_goes_through_nginx(deployed: Model) -> None:
    body = secrets.token_bytes(5 * 2**20)
    answer = deployed.cluster.http(
        'coordinator', NGINX_PORT, '/backend/echo', method='POST', body=body
    )
    assert answer.status == 202
    assert answer.body == body


@pytest.mark.workload
def test_a_websocket_goes_through_nginx(deployed: Model) -> None:
    assert json.loads(websocket_echo(deployed, 'coordinator', 'hello'))['msg'] == 'hello'


def test_every_flow_of_every_unit_arrives_in_its_store(deployed: Model) -> None:
    for _ in range(4):  # enough for each worker to get one
        for unit in baseline.COORDINATORS:
            ask_all(deployed, unit)
    deployed.check_telemetry(*baseline.UNITS)


@pytest.mark.parametrize('unit', baseline.UNITS)
def test_a_unit_has_the_same_five_labels_on_all_three_signals(deployed: Model, unit: str) -> None:
    """Compared with each other, whatever they are; that they are right is the test before."""

    def topologies(found: list[dict[str, str]]) -> set[tuple[str | None, ...]]:
        return {tuple(labels.get(label) for label in telemetry.LABELS) for labels in found}

    def check() -> None:
        series = topologies([dict(one.labels) for one in deployed.stores.series(unit)])
        lines = topologies([dict(line.labels) for line in deployed.stores.lines(unit)])
        spans = topologies([dict(span.resource) for span in deployed.stores.spans(unit)])
        assert len(series) == 1
        assert series == lines == spans
        assert None not in next(iter(series))

    eventually(check)


@pytest.mark.workload
def test_a_request_is_one_trace_through_nginx_frontend_and_backend(deployed: Model) -> None:
    trace_id, parent_id = secrets.token_hex(16), secrets.token_hex(8)
    response = echo(deployed, 'coordinator/0', traceparent=f'00-{trace_id}-{parent_id}-01')
    assert trace_id_of(response) == trace_id

    def check() -> None:
        roots = deployed.stores.trace(trace_id)
        spans = [span for root in roots for _, span in root.walk()]
        assert requested(spans) == ['frontend', 'backend']
        # The frontend's span hangs on what the client sent; all others are below it.
        assert [root.span.parent_id for root in roots] == [parent_id]

    eventually(check)
    check_access_log(deployed, trace_id)


@pytest.mark.workload
def test_nginx_begins_a_trace_where_a_client_has_none(deployed: Model) -> None:
    trace_id = trace_id_of(echo(deployed, 'coordinator/0'))

    def check() -> None:
        roots = deployed.stores.trace(trace_id)
        spans = [span for root in roots for _, span in root.walk()]
        assert requested(spans) == ['frontend', 'backend']

    eventually(check)
    check_access_log(deployed, trace_id)


def test_each_application_has_alert_rules_of_its_own(deployed: Model) -> None:
    applications = {'coordinator', *baseline.COUNTS}

    def check() -> None:
        rules = deployed.stores.rules()
        assert not [rule for rule in rules if rule.error]
        labelled = {rule.labels['juju_application'] for rule in rules}
        assert labelled == applications
        for rule in rules:
            # `up` of another application must not raise this one's alert.
            scope = f'juju_application="{rule.labels["juju_application"]}"'
            assert rule.expr.count(scope) >= 1, rule.expr
            assert 'juju_unit=' not in rule.expr
        assert {rule.labels['juju_application'] for rule in deployed.stores.log_rules()} == (
            applications
        )

    eventually(check)


def check_access_log(model: Model, trace_id: str) -> None:
    """Wait for nginx's two lines of a trace: the request from outside, and the frontend's."""

    def check() -> None:
        found = [
            json.loads(line.text)
            for unit in baseline.COORDINATORS
            for line in model.stores.lines(unit, charm_logs=False, containing=trace_id)
        ]
        assert {line['trace_id'] for line in found} == {trace_id}
        assert len(found) == 2, found

    eventually(check)
