"""What the demo draws and writes of what it found."""

import json
import pathlib

import pytest

import clients
import demo
from clients.types import tree

TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'


def span(number: int, parent: int, unit: str, name: str, kind: str) -> clients.Span:
    application = unit.partition('/')[0]
    return clients.Span(
        trace_id=TRACE,
        span_id=f'{number:016x}',
        parent_id=f'{parent:016x}',
        name=name,
        service=application,
        scope='',
        start=number,
        duration=number * 1_000_000,
        attributes={'span.kind': kind},
        resource={'juju_unit': unit},
    )


SPANS = [
    span(1, 0xBAD, 'frontend/1', 'POST /echo', 'server'),
    span(2, 1, 'frontend/1', 'HTTP POST', 'client'),
    span(4, 1, 'frontend/1', 'http.getconn', 'client'),  # leads nowhere: not shown
    span(3, 2, 'backend/0', 'POST /headers', 'server'),
]
# nginx logs a request when it is over, so the inner one may come first or last.
ACCESS_LOG = [
    {'method': 'POST', 'uri': '/backend/headers', 'status': 200, 'seconds': 0.0},
    {'method': 'POST', 'uri': '/echo', 'status': 200, 'seconds': 0.005},
]


def test_a_trace_shows_where_nginx_passed_each_request_on() -> None:
    assert demo.trace_rows(tree(SPANS), ACCESS_LOG) == [
        ('coordinator/0', 'nginx: POST /echo -> 200', '5 ms  '),
        ('└─ frontend/1', 'POST /echo (server)', '1.0 ms'),
        ('   └─ frontend/1', 'HTTP POST (client)', '2.0 ms'),
        ('      └─ coordinator/0', 'nginx: POST /backend/headers -> 200', '<1 ms  '),
        ('         └─ backend/0', 'POST /headers (server)', '3.0 ms'),
    ]


@pytest.mark.parametrize(
    ('spans', 'lines', 'whole'),
    [(SPANS, 2, True), (SPANS[:-1], 2, False), (SPANS, 1, False), ([], 0, False)],
)
def test_a_trace_is_whole_with_both_requests_and_both_lines(
    spans: list[clients.Span], lines: int, whole: bool
) -> None:
    assert demo.is_whole(tree(spans), [''] * lines) is whole


def test_the_result_says_what_was_found_by_unit(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, 'BUILD', tmp_path)
    flows = ('metrics', 'workload_logs', 'charm_logs', 'charm_traces', 'workload_traces')
    row = {flow: demo.telemetry.Cell(flow != 'charm_logs', '') for flow in flows}
    demo.write_result(
        {'coordinator/0': {**row, 'workload_traces': None}},
        {'setup': 0.123456},
        [{'tools': {'juju-log': 2, 'relation-get': 3}}, {'tools': {'relation-get': 1}}],
    )
    assert json.loads((tmp_path / 'demo.json').read_text()) == {
        'units': [
            {
                'unit': 'coordinator/0',
                'metrics': True,
                'workload_logs': True,
                'charm_logs': False,
                'charm_traces': True,
                'workload_traces': None,
            }
        ],
        'seconds': {'setup': 0.12},
        'hooks': {'dispatches': 2, 'hook_tools': 6, 'juju_log': 2},
    }


def test_a_unit_that_is_not_active_or_not_idle_is_waited_for() -> None:
    def unit(workload: str, agent: str, message: str = '') -> dict[str, dict[str, str]]:
        return {
            'workload-status': {'current': workload, 'message': message},
            'juju-status': {'current': agent},
        }

    units = {
        application.name: {name: unit('active', 'idle') for name in application.unit_names}
        for application in demo.APPLICATIONS
    }
    units['frontend']['frontend/1'] = unit('waiting', 'idle', 'for the container')
    units['backend']['backend/0'] = unit('active', 'executing')
    del units['tempo']['tempo/0']
    status = {'applications': {name: {'units': of} for name, of in units.items()}}
    assert demo.not_active(status) == [
        'frontend/1 waiting: for the container',
        'backend/0 executing ',
        'tempo/0 unknown: no message',
    ]


def test_a_unit_that_cannot_run_ends_the_demo_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reason = 'cannot run the charm: it was packed for Python 3.12, which this machine lacks'

    class Model:
        def __init__(self, name: str) -> None:
            assert name == demo.MODEL

        def hopeless(self) -> dict[str, str]:
            return {'backend/0': reason}

    monkeypatch.setattr(demo, 'juju', lambda *_: '')
    monkeypatch.setattr(demo, 'status', lambda: {'applications': {}})
    monkeypatch.setattr(demo.client, 'Model', Model)
    with pytest.raises(demo.DemoError, match=f'backend/0: {reason}'):
        demo.deploy(demo.Terminal(), {})
