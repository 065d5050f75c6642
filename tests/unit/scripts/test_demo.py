"""What the demo draws and writes of what it found."""

import itertools
import json
import pathlib
from typing import Any
from unittest import mock

import pytest

import clients
import demo
import deployment
import listeners
import telemetry
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
        for application in demo.PLAIN.applications
    }
    units['frontend']['frontend/1'] = unit('waiting', 'idle', 'for the container')
    units['backend']['backend/0'] = unit('active', 'executing')
    del units['tempo']['tempo/0']
    status = {'applications': {name: {'units': of} for name, of in units.items()}}
    assert demo.not_active(status, demo.PLAIN.applications) == [
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
        demo.deploy(demo.Terminal(), demo.PLAIN, {})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every look at the clock be a second after the one before."""
    seconds = itertools.count()
    monkeypatch.setattr(demo.time, 'monotonic', lambda: float(next(seconds)))
    monkeypatch.setattr(demo.time, 'sleep', lambda _: None)


@pytest.mark.usefixtures('clock')
@pytest.mark.parametrize('passes', [True, False])
def test_a_unit_that_goes_on_not_sending_a_signal_ends_the_demo_with_its_status(
    monkeypatch: pytest.MonkeyPatch, passes: bool
) -> None:
    message = 'ready: backend; workload traces are not sent: no otlp_grpc receiver, only otlp_http'
    looks = itertools.count()

    def status() -> dict[str, Any]:
        units = {
            application.name: {
                name: {
                    'workload-status': {'current': 'active', 'message': 'ready'},
                    'juju-status': {'current': 'idle'},
                }
                for name in application.unit_names
            }
            for application in demo.PLAIN.applications
        }
        if not passes or next(looks) == 0:
            units['backend']['backend/1']['workload-status']['message'] = message
        return {'applications': {name: {'units': of} for name, of in units.items()}}

    monkeypatch.setattr(demo, 'juju', lambda *_: '')
    monkeypatch.setattr(demo, 'status', status)
    monkeypatch.setattr(demo.client, 'Model', lambda _: mock.Mock(hopeless=dict))
    if passes:
        demo.deploy(demo.Terminal(), demo.PLAIN, {})
        return
    with pytest.raises(demo.DemoError, match=f'backend/1: {message}\\n.*workload.py'):
        demo.deploy(demo.Terminal(), demo.PLAIN, {})


CELL = {True: telemetry.Cell(True, '1'), False: telemetry.Cell(False, 'none')}


@pytest.mark.parametrize(
    ('spans', 'logs', 'only'),
    [
        ((False, False), True, True),
        ((False, True), True, False),
        ((True, True), True, False),
        ((False, False), False, False),
        ((None, None), True, False),
    ],
)
def test_only_spans_are_missing_if_no_workload_sent_any_and_all_else_came(
    spans: tuple[bool | None, bool | None], logs: bool, only: bool
) -> None:
    cells = {
        f'backend/{number}': {
            **dict.fromkeys(telemetry.FLOWS, CELL[True]),
            'workload_logs': CELL[logs],
            'workload_traces': None if ok is None else CELL[ok],
        }
        for number, ok in enumerate(spans)
    }
    cells['coordinator/0'] = {
        **dict.fromkeys(telemetry.FLOWS, CELL[True]),
        'workload_traces': None,
    }
    assert demo.only_spans_missing(cells) is only


@pytest.mark.usefixtures('clock')
def test_workloads_that_send_no_spans_end_the_demo_with_the_protocol(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cells(_: object, wanted: dict[str, str], *, traced: bool) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(telemetry.FLOWS, CELL[True])
        return {**row, 'workload_traces': CELL[False] if traced else None}

    monkeypatch.setattr(demo.telemetry, 'cells', cells)
    with pytest.raises(demo.DemoError, match='does it speak otlp_grpc'):
        demo.collect(demo.Terminal(), mock.Mock(), 'uuid')


def test_with_tls_everything_of_the_plain_demo_is_there_and_a_ca_for_all() -> None:
    assert demo.PLAIN.tls is False
    assert demo.TLS.tls is True
    assert demo.TLS.applications == (*demo.PLAIN.applications, deployment.CERTIFICATES)
    assert set(demo.TLS.charms) - set(demo.PLAIN.charms) == {
        'tests/stores/self-signed-certificates'
    }
    assert set(demo.PLAIN.relations) < set(demo.TLS.relations)
    added = {one for one, _ in set(demo.TLS.relations) - set(demo.PLAIN.relations)}
    assert added == {
        'coordinator:certificates',
        'coordinator:receive-ca-cert',
        *(f'{store.name}:certificates' for store in deployment.STORES),
    }


@pytest.mark.parametrize('tls', [False, True])
def test_through_a_collector_logs_and_traces_go_to_no_store_directly(tls: bool) -> None:
    direct, plan = demo.plan_for(tls=tls, otlp=False), demo.plan_for(tls=tls, otlp=True)
    assert direct == (demo.TLS if tls else demo.PLAIN)
    assert plan.applications == (*direct.applications, deployment.COLLECTOR)
    endpoints = {one for one, _ in plan.relations if one.startswith('coordinator:')}
    assert endpoints == {one for one, _ in direct.relations if one.startswith('coordinator:')} - {
        'coordinator:logging',
        'coordinator:charm-tracing',
        'coordinator:workload-tracing',
    } | {'coordinator:send-otlp'}
    assert (deployment.COLLECTOR_TLS in plan.relations) is tls
    asked = {str(listener) for listener in demo.the_listeners(otlp=True)}
    added = asked - {str(listener) for listener in demo.the_listeners()}
    assert added == {'otel-collector:4317', 'otel-collector:4318'}


@pytest.mark.parametrize(
    ('tls', 'otlp', 'plan'),
    [
        (None, None, demo.PLAIN),
        ('', '', demo.PLAIN),
        ('0', '0', demo.PLAIN),
        ('1', None, demo.TLS),
        (None, '1', demo.plan_for(tls=False, otlp=True)),
        ('1', '1', demo.plan_for(tls=True, otlp=True)),
    ],
)
def test_the_environment_chooses_what_is_deployed(
    tls: str | None,
    otlp: str | None,
    plan: demo.Plan,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen: list[tuple[demo.Plan, bool]] = []

    def show(_: demo.Terminal, plan: demo.Plan, *, stay: bool) -> bool:
        chosen.append((plan, stay))
        return True

    monkeypatch.setattr(demo, 'BUILD', tmp_path)
    monkeypatch.setattr(demo, 'LOG', tmp_path / 'log')
    monkeypatch.setattr(demo, 'show', show)
    monkeypatch.setattr(demo.signal, 'signal', lambda *_: None)
    monkeypatch.setenv('LOCALJUJU_OWNER', '')
    monkeypatch.setenv('KEEP', '0')
    for name, value in {'TLS': tls, 'OTLP': otlp}.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert demo.main() == 0
    assert chosen == [(plan, False)]


def test_the_cas_are_those_that_issued_for_the_unit() -> None:
    def relation(endpoint: str, *cas: str) -> dict[str, object]:
        issued = json.dumps([{'certificate': 'x', 'ca': ca} for ca in cas])
        return {'endpoint': endpoint, 'application-data': {'certificates': issued}}

    unanswered: dict[str, object] = {'endpoint': 'certificates', 'application-data': {}}
    shown = {
        'relation-info': [
            unanswered,
            relation('certificates', 'one\n', 'two', 'one'),
            relation('receive-ca-cert', 'three'),
        ]
    }
    assert demo.cas_of(shown) == 'one\ntwo\n'
    assert demo.cas_of({'relation-info': [unanswered]}) == ''


def test_every_unit_and_store_is_asked_whether_it_speaks_tls() -> None:
    asked = [str(listener) for listener in demo.the_listeners()]
    assert asked == [
        'coordinator/0:8080',
        'coordinator/0:9114',
        *(f'{role}/{number}:9899' for role in deployment.ROLES for number in range(2)),
        'prometheus:9090',
        'loki:3100',
        'tempo:4317',
        'tempo:4318',
        'tempo:16686',
    ]


def test_with_tls_urls_have_the_names_of_the_certificates_and_curl_finds_them(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert demo.base_url('loki', 3, tls=False) == 'http://127.0.0.1:3'
    assert demo.base_url('loki', 3, tls=True) == 'https://loki.demo.svc.cluster.local:3'
    monkeypatch.setattr(demo, 'CA_FILE', tmp_path / 'ca.pem')
    monkeypatch.setattr(demo, 'CURL', tmp_path / 'curlrc')
    demo.write_curl('the CA\n', {'loki': 3, 'tempo': 4})
    assert (tmp_path / 'ca.pem').read_text() == 'the CA\n'
    assert (tmp_path / 'curlrc').read_text() == (
        f'cacert = "{tmp_path}/ca.pem"\n'
        'resolve = "loki.demo.svc.cluster.local:3:127.0.0.1"\n'
        'resolve = "tempo.demo.svc.cluster.local:4:127.0.0.1"\n'
    )


def test_the_result_says_which_listeners_speak_tls_alone(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, 'BUILD', tmp_path)
    [nginx, exporter] = listeners.of_coordinator('coordinator/0')
    answers = [
        listeners.Answer(nginx, 'TLSv1.3', ''),
        listeners.Answer(exporter, 'TLSv1.3', 'port 9113 serves plain HTTP'),
    ]
    demo.write_result({}, {}, [], answers)
    assert json.loads((tmp_path / 'demo.json').read_text())['tls'] == {
        'coordinator/0:8080': True,
        'coordinator/0:9114': False,
    }


@pytest.mark.parametrize('otlp', [False, True])
def test_the_collector_is_set_up_only_where_it_runs(monkeypatch, capsys, otlp: bool) -> None:
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(demo, 'run', lambda _, *command: commands.append(command))
    demo.prepare(demo.Terminal(), demo.plan_for(tls=False, otlp=otlp), {})
    assert ('extra-images' in commands[0]) == otlp
