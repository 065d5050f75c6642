"""Units that come, go, move and lead: after each, exactly what is there is served and watched."""

import datetime
import json
import time
from typing import Any

import jubilant
import pytest

import baseline
import deployment
from checks import (
    check_log_targets,
    check_no_series,
    check_rules,
    check_scraped,
    check_upstreams,
)
from model import Model, eventually
from traffic import ask


@pytest.fixture(autouse=True)
def _deployed(deployed: Model) -> None:
    """Begin each test at the baseline."""


def test_a_unit_more_is_served_and_watched_and_one_less_is_forgotten(deployed: Model) -> None:
    deployed.scale('frontend', 2)
    deployed.wait_status('coordinator', f'active: {one_more("frontend")}')
    eventually(lambda: check_upstreams(deployed, {*baseline.WORKERS, 'frontend/1'}))
    for _ in range(8):  # enough for both frontends to have traced one
        ask(deployed, 'coordinator/0')
    deployed.check_telemetry('frontend/1')

    deployed.scale('frontend', 1)
    deployed.wait_status('coordinator', f'active: {baseline.MESSAGE}')
    eventually(lambda: check_upstreams(deployed, set(baseline.WORKERS)))
    eventually(lambda: check_scraped(deployed, set(baseline.UNITS)))
    eventually(lambda: check_no_series(deployed, 'frontend/1'))
    ask(deployed, 'coordinator/0')


def test_an_application_that_leaves_takes_its_rules_along(deployed: Model) -> None:
    extra = deployment.worker('extra')
    deployed.deploy(extra)
    deployed.integrate(('coordinator:cluster', 'extra:cluster'))
    deployed.wait_status('coordinator', f'active: {one_more(*baseline.COUNTS)}')
    eventually(lambda: check_rules(deployed, {'coordinator', 'extra', *baseline.COUNTS}))
    eventually(lambda: check_upstreams(deployed, {*baseline.WORKERS, 'extra/0'}))
    eventually(lambda: check_log_targets(deployed, 'extra/0', 1))

    deployed.juju.remove_application('extra')
    deployed.wait_status('coordinator', f'active: {baseline.MESSAGE}')
    eventually(lambda: check_rules(deployed, {'coordinator', *baseline.COUNTS}))
    eventually(lambda: check_upstreams(deployed, set(baseline.WORKERS)))
    eventually(lambda: check_scraped(deployed, set(baseline.UNITS)))


@pytest.mark.parametrize('unit', ['frontend/0', 'coordinator/0'])
def test_a_pod_that_comes_back_empty_gets_all_of_it_again(deployed: Model, unit: str) -> None:
    """Its Pebble plan is lost, and no relation-changed tells of it."""
    gone = time.time_ns()
    deployed.cluster.delete_pod(unit)
    deployed.wait_active()
    eventually(lambda: check_log_targets(deployed, unit, 1))
    eventually(lambda: ask(deployed, 'coordinator'))

    target = unit if unit.startswith('coordinator') else 'coordinator'
    trace_id = ask(deployed, target)

    def all_flows_go_on() -> None:
        if unit.startswith('coordinator'):
            assert deployed.stores.lines(unit, charm_logs=False, containing=trace_id)
        else:
            assert started(deployed, unit) >= gone // 10**9
            assert max(span.start for span in deployed.stores.spans(unit, charm=False)) > gone
        assert max(span.start for span in deployed.stores.spans(unit, charm=True)) > gone
        check_scraped(deployed, set(baseline.UNITS))

    eventually(all_flows_go_on)
    deployed.check_telemetry(unit)


def test_a_workload_that_is_killed_is_back(deployed: Model) -> None:
    before = started(deployed, 'frontend/0')
    deployed.kill_workload('frontend/0')

    def is_back() -> None:
        assert started(deployed, 'frontend/0') > before
        ask(deployed, 'coordinator')

    eventually(is_back)


def test_a_new_leader_goes_on_where_the_old_one_was(deployed: Model) -> None:
    old = deployed.leader('coordinator')
    before = published(deployed)
    new = deployed.cluster.depose_leader('coordinator')
    assert new != old
    deployed.wait_active()
    assert published(deployed) == before
    # It has the last word from now on.
    deployed.scale('backend', 3)
    eventually(lambda: check_scraped(deployed, {*baseline.UNITS, 'backend/2'}))
    deployed.scale('backend', 2)
    eventually(lambda: check_scraped(deployed, set(baseline.UNITS)))


def test_a_leading_coordinator_that_is_removed_takes_nobody_along(deployed: Model) -> None:
    """On its way out the leader sees its relations shrink; that must not be published."""
    if deployed.leader('coordinator') != 'coordinator/1':
        # Kubernetes removes the unit with the highest number.
        assert deployed.cluster.depose_leader('coordinator') == 'coordinator/1'
        deployed.wait_active()
    eventually(lambda: check_scraped(deployed, set(baseline.UNITS)))
    survivors = set(baseline.UNITS) - {'coordinator/1'}
    deployed.scale('coordinator', 1)

    def is_gone() -> None:
        targets = published_units(deployed)
        if not survivors <= targets:
            pytest.fail(f'not told to the scraper any more: {sorted(survivors - targets)}')
        assert targets == survivors
        check_scraped(deployed, survivors)
        assert list(deployed.units('coordinator')) == ['coordinator/0']

    eventually(is_gone)
    deployed.wait(jubilant.all_active)
    is_gone()
    assert deployed.leader('coordinator') == 'coordinator/0'
    ask(deployed, 'coordinator')


def one_more(*roles: str) -> str:
    """What the coordinator says when there is one worker more, with these roles."""
    counts = {role: count + (role in roles) for role, count in baseline.COUNTS.items()}
    return deployment.workers_message(counts, len(baseline.WORKERS) + 1)


def published(model: Model) -> dict[str, Any]:
    """What the coordinator's leader tells the scraper."""
    [data] = model.application_data('prometheus/0', 'metrics-endpoint')
    return {key: json.loads(value) for key, value in data.items()}


def published_units(model: Model) -> set[str]:
    """The units that the scraper is told of."""
    return {
        config['labels']['juju_unit']
        for job in published(model)['scrape_jobs']
        for config in job['static_configs']
    }


def started(model: Model, worker: str) -> float:
    """When a worker's workload started, in whole seconds since the epoch."""
    state, since = model.processes(worker)[deployment.WORKER['name']]
    assert state == 'active'
    return datetime.datetime.fromisoformat(since).timestamp()
