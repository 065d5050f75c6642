"""The telemetry matrix: a cell is ok only for what is there and labelled as it must be."""

import dataclasses
from typing import Any

import pytest

import clients
import telemetry

WANTED = telemetry.topology('demo', 'uuid', 'frontend/0', 'worker-k8s')
OTHER = {**WANTED, 'juju_charm': 'another'}


def span(resource: dict[str, str]) -> clients.Span:
    return clients.Span('t', 's', '', 'GET', 'frontend', '', 0, 0, {}, resource)


@dataclasses.dataclass
class FakeStores:
    """One series, two lines and a span of the unit, of which a test changes one."""

    metrics: list[clients.Series]
    scraped: list[clients.Target]
    logged: list[clients.Line]
    traced: list[clients.Span]

    def series(self, unit: str) -> list[clients.Series]:
        assert unit == 'frontend/0'
        return self.metrics

    def samples(self, unit: str) -> int:
        return 40

    def targets(self) -> list[clients.Target]:
        return self.scraped

    def lines(self, unit: str, *, charm_logs: bool | None = None, **_: Any) -> list[clients.Line]:
        assert charm_logs is not None
        return self.logged

    def spans(self, unit: str, *, charm: bool | None = None, **_: Any) -> list[clients.Span]:
        assert charm is not None
        return self.traced


@pytest.fixture
def stores() -> FakeStores:
    return FakeStores(
        metrics=[clients.Series('http_requests_total', WANTED, 3.0)],
        scraped=[clients.Target(WANTED, 'http://x/metrics', 'up', '')],
        logged=[clients.Line(1, 'one', WANTED), clients.Line(2, 'two', WANTED)],
        traced=[span(WANTED)],
    )


def texts(stores: Any, *, traced: bool = True) -> dict[str, str | None]:
    cells = telemetry.cells(stores, WANTED, traced=traced)
    return {
        flow: cell and f'{"ok" if cell.ok else "missing"}: {cell.what}'
        for flow, cell in cells.items()
    }


def test_all_that_is_there_is_counted(stores: FakeStores) -> None:
    assert texts(stores) == {
        'metrics': 'ok: 40 samples',
        'workload_logs': 'ok: 2 lines',
        'charm_logs': 'ok: 2 lines',
        'charm_traces': 'ok: 1 span',
        'workload_traces': 'ok: 1 span',
    }


def test_a_workload_without_spans_has_no_cell_for_them(stores: FakeStores) -> None:
    assert texts(stores, traced=False)['workload_traces'] is None


@pytest.mark.parametrize(
    ('change', 'flow', 'said'),
    [
        ({'metrics': []}, 'metrics', 'no series of this unit'),
        # `up` is made by the scraper, whether or not there was an answer.
        ({'metrics': [clients.Series('up', WANTED, 1.0)]}, 'metrics', 'no series of this unit'),
        (
            {'scraped': [clients.Target(WANTED, 'http://x/metrics', 'down', 'refused')]},
            'metrics',
            'http://x/metrics is down: refused',
        ),
        (
            {'metrics': [clients.Series('http_requests_total', OTHER, 3.0)]},
            'metrics',
            "juju_charm='another' instead of 'worker-k8s'",
        ),
        ({'logged': []}, 'charm_logs', 'no lines of this unit'),
        (
            {'logged': [clients.Line(1, 'one', WANTED), clients.Line(2, 'two', OTHER)]},
            'workload_logs',
            "juju_charm='another' instead of 'worker-k8s'",
        ),
        ({'traced': []}, 'charm_traces', 'no spans of this unit'),
        (
            {'traced': [span({'juju_unit': 'frontend/0'})]},
            'workload_traces',
            (
                "juju_application=None instead of 'frontend', "
                "juju_charm=None instead of 'worker-k8s', "
                "juju_model=None instead of 'demo', "
                "juju_model_uuid=None instead of 'uuid'"
            ),
        ),
    ],
)
def test_what_is_missing_or_mislabelled_is_said(
    stores: FakeStores, change: dict[str, Any], flow: str, said: str
) -> None:
    changed = dataclasses.replace(stores, **change)
    assert texts(changed)[flow] == f'missing: {said}'


def test_a_store_that_does_not_answer_is_said(
    stores: FakeStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> list[clients.Target]:
        raise clients.StoreError('cannot ask prometheus: refused')

    monkeypatch.setattr(stores, 'targets', refuse)
    assert texts(stores)['metrics'] == 'missing: cannot ask prometheus: refused'
