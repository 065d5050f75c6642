"""Assertions on what the stores and the units' containers have, to be polled by `eventually`."""

from model import Model


def check_scraped(model: Model, units: set[str]) -> None:
    """Assert that exactly these units of ours are scraped."""
    assert model.scraped_units() == units


def check_log_targets(model: Model, unit: str, count: int) -> None:
    """Assert to how many stores a unit's workload sends its logs."""
    assert len(model.log_targets(unit)) == count, unit


def check_workload_tracing(model: Model, unit: str, *, on: bool) -> None:
    """Assert whether a worker's workload is told where to send its spans."""
    environments = [
        service.get('environment', {}) for service in model.plan(unit)['services'].values()
    ]
    told = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT' in variables for variables in environments]
    assert any(told) is on, environments


def check_has_trace(model: Model, trace_id: str) -> None:
    """Assert that the store has spans of a trace."""
    assert model.stores.trace(trace_id)


def check_upstreams(model: Model, workers: set[str]) -> None:
    """Assert that each coordinator's nginx balances over exactly these units."""
    for unit in model.units('coordinator'):
        assert model.upstream_hosts(unit) == workers, unit


def check_no_series(model: Model, unit: str) -> None:
    """Assert that the scraper has nothing current of a unit."""
    assert not model.stores.series(unit)


def check_rules(model: Model, applications: set[str]) -> None:
    """Assert that exactly these applications have rules, on metrics and on logs."""
    for rules in (model.stores.rules(), model.stores.log_rules()):
        assert {rule.labels['juju_application'] for rule in rules} == applications
