"""Alert rules on the real stores: for exactly the unit at fault, and silent about all others.

Rules on metrics fire in Prometheus, after a `for` of seconds. Rules on logs are evaluated by no
engine on the local Juju: the store is asked what their expressions count (`Stores.log_vector`).
"""

import math
import re
import secrets
import time
from collections.abc import Iterator

import pytest

import baseline
from clients import Alert
from deployment import LOCATIONS, NGINX_PORT, WORKLOAD_PORT
from killing import killed
from model import Model, eventually
from podinfo import echo
from this_juju import PATIENCE, PROMETHEUS_OPTIONS

RANGE = '[5m]'
"""Of which lines the rules on logs are about."""


@pytest.fixture(scope='module', autouse=True)
def _short_for(shared_model: Model) -> Iterator[None]:
    """Let the rules on metrics wait for seconds, not minutes."""
    shared_model.converge(baseline.APPLICATIONS, baseline.RELATIONS)
    if PROMETHEUS_OPTIONS:
        shared_model.juju.config('prometheus', PROMETHEUS_OPTIONS)
    yield
    if PROMETHEUS_OPTIONS:
        shared_model.juju.config('prometheus', reset=[*PROMETHEUS_OPTIONS])


def check_silent(model: Model, name: str) -> None:
    """Assert that an alert is raised for nobody, not even pending."""
    assert [alert for alert in model.stores.alerts() if alert.name == name] == []


def check_fires(model: Model, name: str, unit: str) -> Alert:
    """Assert that an alert fires for this unit and is not even pending for another."""
    alerts = [alert for alert in model.stores.alerts() if alert.name == name]
    states = {alert.labels['juju_unit']: alert.state for alert in alerts}
    assert states == {unit: 'firing'}
    [alert] = alerts
    return alert


@pytest.mark.parametrize('unit', ['frontend/0', 'backend/1'])
def test_a_killed_worker_makes_its_own_host_down_fire_until_it_is_healed(
    deployed: Model, unit: str
) -> None:
    eventually(lambda: check_silent(deployed, 'HostDown'))
    topology = deployed.topology(unit)
    with killed(deployed, unit):
        alert = eventually(lambda: check_fires(deployed, 'HostDown', unit))
    own = {name: text for name, text in alert.labels.items() if name not in {'job', 'instance'}}
    assert own == {**topology, 'severity': 'critical'}
    assert alert.annotations['summary'] == f'{unit} cannot be scraped.'
    eventually(lambda: check_silent(deployed, 'HostDown'))


@pytest.mark.workload
def test_a_worker_that_answers_with_errors_makes_its_own_alert_fire(deployed: Model) -> None:
    # The rule looks back over five minutes.
    eventually(lambda: check_silent(deployed, 'WorkerErrors'), timeout=2 * PATIENCE)

    def fires() -> Alert:
        assert deployed.cluster.http('backend/0', WORKLOAD_PORT, '/status/500').status == 500
        assert deployed.cluster.http('backend/1', WORKLOAD_PORT, '/').status == 200
        return check_fires(deployed, 'WorkerErrors', 'backend/0')

    alert = eventually(fires)
    assert alert.labels == {**deployed.topology('backend/0'), 'severity': 'warning'}


def test_every_series_that_a_rule_asks_for_is_scraped(deployed: Model) -> None:
    """By its name and the names of its labels; a misspelled one would be silent for ever."""

    def check() -> None:
        rules = deployed.stores.rules()
        assert rules
        for rule in rules:
            scraped = deployed.stores.series(f'{rule.labels["juju_application"]}/0')
            for name, matchers in re.findall(r'(\w+)\{([^}]*)\}', rule.expr):
                labels = set(re.findall(r'(\w+)[=!]~?"', matchers))
                assert [
                    one for one in scraped if one.name == name and labels <= one.labels.keys()
                ], f'{rule.name}: {name} {labels}'

    eventually(check)


def check_raised(model: Model, name: str, since: float, units: set[str]) -> None:
    """Assert for whom a rule on logs raises its alert by what was logged since a time."""
    rules = [rule for rule in model.stores.log_rules() if rule.name == name]
    assert rules
    seconds = math.ceil(time.time() - since)
    raised = [
        dict(series.labels)
        for rule in rules
        for series in model.stores.log_vector(rule.expr.replace(RANGE, f'[{seconds}s]'))
    ]
    assert {labels['juju_unit'] for labels in raised} == units
    assert raised == [model.topology(labels['juju_unit']) for labels in raised]


def request(model: Model, coordinator: str, path: str, *, agent: str = '') -> int:
    """Send a request and wait until the log store has the line of it; return the status."""
    mark = secrets.token_hex(8)
    headers = {'User-Agent': agent}
    status = model.cluster.http(coordinator, NGINX_PORT, f'{path}?{mark}', headers=headers).status

    def logged() -> None:
        assert model.stores.lines(coordinator, charm_logs=False, containing=mark)

    eventually(logged)
    return status


def test_the_rules_on_logs_are_those_tested_here(deployed: Model) -> None:
    def check() -> None:
        names = {rule.name for rule in deployed.stores.log_rules()}
        assert names == {'NginxServerErrors', 'NginxErrors', 'WorkerErrorLogs'}
        assert all(RANGE in rule.expr for rule in deployed.stores.log_rules())

    eventually(check)


def test_server_errors_are_those_of_the_coordinator_that_answered_with_them(
    deployed: Model,
) -> None:
    since = time.time()
    with killed(deployed, *baseline.BACKENDS):
        of = {role: prefix for prefix, role in LOCATIONS.items()}
        assert request(deployed, 'coordinator/0', of['backend']) == 502
        assert request(deployed, 'coordinator/1', of['frontend']) == 200
        eventually(lambda: check_raised(deployed, 'NginxServerErrors', since, {'coordinator/0'}))


def test_nginx_errors_are_its_own_and_not_what_a_client_says(deployed: Model) -> None:
    since = time.time()
    request(
        deployed,
        'coordinator/0',
        next(iter(LOCATIONS)),
        agent='2025/01/01 00:00:00 [crit] 1#1: it burns',
    )
    check_raised(deployed, 'NginxErrors', since, set())
    # Its master says so, as [alert], and starts another.
    worker = '$(cut -d" " -f1 /proc/$(cat /tmp/nginx.pid)/task/*/children)'
    deployed.run('coordinator/1', f'kill -KILL {worker}')
    eventually(lambda: check_raised(deployed, 'NginxErrors', since, {'coordinator/1'}))


@pytest.mark.workload
def test_more_than_ten_errors_are_those_of_the_worker_that_logged_them(deployed: Model) -> None:
    since = time.time()

    def logged(count: int) -> None:
        lines = deployed.stores.lines(
            'frontend/0', charm_logs=False, containing='backend call failed'
        )
        assert len([line for line in lines if line.time > since * 1e9]) == count

    with killed(deployed, *baseline.BACKENDS):
        for _ in range(10):
            echo(deployed, 'coordinator/0')
        eventually(lambda: logged(10))
        check_raised(deployed, 'WorkerErrorLogs', since, set())
        echo(deployed, 'coordinator/1')
        eventually(lambda: check_raised(deployed, 'WorkerErrorLogs', since, {'frontend/0'}))
