"""Each relation removed and added again: what it carried goes, and comes back."""

import time

import pytest

import baseline
from checks import (
    check_has_trace,
    check_log_targets,
    check_rules,
    check_scraped,
    check_upstreams,
    check_workload_tracing,
)
from deployment import LOCATIONS, NGINX_PORT, TELEMETRY, TRACED, WORKLOAD_PORT
from model import Model, eventually
from traffic import ask


@pytest.fixture(autouse=True)
def _deployed(deployed: Model) -> None:
    """Begin each test at the baseline."""


def test_metrics(deployed: Model) -> None:
    relation = TELEMETRY['metrics-endpoint']
    eventually(lambda: check_scraped(deployed, set(baseline.UNITS)))
    deployed.juju.remove_relation(*relation)

    def nothing_left() -> None:
        check_scraped(deployed, set())
        assert not deployed.stores.rules()

    eventually(nothing_left)
    deployed.wait_active()
    deployed.integrate(relation)
    eventually(lambda: check_scraped(deployed, set(baseline.UNITS)))
    deployed.check_telemetry(*baseline.UNITS)


def test_logs(deployed: Model) -> None:
    relation = TELEMETRY['logging']
    deployed.juju.remove_relation(*relation)
    for unit in baseline.UNITS:
        eventually(lambda unit=unit: check_log_targets(deployed, unit, 0))
    deployed.integrate(relation)
    for unit in baseline.UNITS:
        eventually(lambda unit=unit: check_log_targets(deployed, unit, 1))
    trace_id = ask(deployed, 'coordinator/1')

    def logged() -> None:
        assert deployed.stores.lines('coordinator/1', charm_logs=False, containing=trace_id)

    eventually(logged)


def test_charm_traces(deployed: Model) -> None:
    relation = TELEMETRY['charm-tracing']
    deployed.juju.remove_relation(*relation)
    deployed.wait_active()
    since = time.time_ns()
    for unit in baseline.UNITS:
        deployed.cluster.run_hook(unit, 'update-status')
    assert [unit for unit, start in charm_spans(deployed).items() if start >= since] == []
    deployed.integrate(relation)
    deployed.wait_active()
    for unit in baseline.UNITS:
        deployed.cluster.run_hook(unit, 'update-status')

    def all_trace_again() -> None:
        now = charm_spans(deployed)
        assert [unit for unit in baseline.UNITS if now[unit] < since] == []

    eventually(all_trace_again)


@pytest.mark.skipif(not TRACED, reason='the workload makes no spans')
def test_workload_traces(deployed: Model) -> None:
    relation = TELEMETRY['workload-tracing']
    deployed.juju.remove_relation(*relation)
    for unit in baseline.WORKERS:
        eventually(lambda unit=unit: check_workload_tracing(deployed, unit, on=False))
    deployed.wait_active()  # until the hooks are over, a workload as it was may still serve
    untraced = eventually(lambda: ask(deployed, 'coordinator/0'))
    deployed.integrate(relation)
    for unit in baseline.WORKERS:
        eventually(lambda unit=unit: check_workload_tracing(deployed, unit, on=True))

    def traced() -> None:
        trace_id = ask(deployed, 'coordinator/0')
        eventually(lambda: check_has_trace(deployed, trace_id), timeout=10)

    eventually(traced)
    assert not deployed.stores.trace(untraced)


@pytest.mark.parametrize('role', ['backend', 'frontend'])
def test_cluster(deployed: Model, role: str) -> None:
    """The worker applications are named after their roles."""
    relation = ('coordinator:cluster', f'{role}:cluster')
    leavers = {unit for unit in baseline.WORKERS if unit.startswith(f'{role}/')}
    deployed.juju.remove_relation(*relation)
    deployed.wait_status('coordinator', f'blocked: [cluster] missing roles: {role}')
    deployed.wait_status(role, 'blocked: [cluster] not related to a coordinator')

    def nothing_left_of_it() -> None:
        check_scraped(deployed, set(baseline.UNITS) - leavers)
        check_rules(deployed, {'coordinator', *baseline.COUNTS} - {role})
        check_upstreams(deployed, set(baseline.WORKERS) - leavers)
        for unit in leavers:
            check_log_targets(deployed, unit, 0)

    eventually(nothing_left_of_it)
    # What is left serves, and so does what is on its own now.
    left = [prefix for prefix, served in LOCATIONS.items() if served != role]
    for prefix in left:
        assert deployed.cluster.http('coordinator', NGINX_PORT, prefix).status == 200
    for unit in leavers:
        deployed.cluster.connect(unit, WORKLOAD_PORT).close()

    deployed.integrate(relation)
    deployed.wait_status('coordinator', f'active: {baseline.MESSAGE}')
    eventually(lambda: ask(deployed, 'coordinator'))
    eventually(lambda: check_scraped(deployed, set(baseline.UNITS)))
    for unit in leavers:
        eventually(lambda unit=unit: check_log_targets(deployed, unit, 1))
        if TRACED:
            eventually(lambda unit=unit: check_workload_tracing(deployed, unit, on=True))


def charm_spans(model: Model) -> dict[str, float]:
    """When the newest span of each unit's charm began, in nanoseconds since the epoch."""
    spans = {unit: model.stores.spans(unit, charm=True) for unit in baseline.UNITS}
    return {unit: max((span.start for span in of), default=0) for unit, of in spans.items()}
