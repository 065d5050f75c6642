"""What the clients ask of the stores, and what they make of recorded answers."""

import base64
import json
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest

from clients import (
    Alert,
    CosLiteStores,
    Line,
    LocalStores,
    Rule,
    Series,
    StoreError,
    Target,
    wait_until,
)
from clients.http import Api
from clients.types import Span, tree

UNIT = 'worker/0'
TRACE = '0af7651916cd43dd8448eb211c80319c'
X = 1795508305_000000000  # nanoseconds


class Wire:
    """Stands in for the network: answers by path, remembers what was asked, refuses the rest."""

    def __init__(self, **answers):
        self.answers = {path.replace('__', '/'): answer for path, answer in answers.items()}
        self.asked = []

    def get(self, url, timeout):
        assert timeout > 0
        parts = urlsplit(url)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.asked.append((parts.netloc, parts.path, query))
        status, answer = self.answers[parts.path]
        return status, (answer if isinstance(answer, str) else json.dumps(answer)).encode()

    # A model, to LocalStores.
    name = 'm'
    files = ''

    def request(self, command, /, **arguments):
        self.asked.append((command, arguments))
        return {'code': 0 if self.files else 1, 'stdout': self.files, 'stderr': 'no such folder'}

    def http(self, url, *, timeout=10.0, context=None):
        assert context is None
        return Response(*self.get(url, timeout))


@dataclass
class Response:
    status: int
    body: bytes


def local(**answers):
    wire = Wire(**answers)
    return LocalStores(wire), wire


def cos(**answers):
    wire = Wire(**answers)
    return CosLiteStores('http://p', 'http://l', 'http://t', get=wire.get), wire


BACKENDS = pytest.mark.parametrize('backend', [local, cos])


def vector(*results):
    return 200, {'status': 'success', 'data': {'resultType': 'vector', 'result': list(results)}}


@BACKENDS
def test_series_are_those_of_the_unit_without_their_name_among_the_labels(backend):
    labels = {'juju_unit': UNIT, 'job': 'x'}
    answer = vector({'metric': {'__name__': 'up', **labels}, 'value': [1795508304.8, '1']})
    stores, wire = backend(__api__v1__query=answer)
    assert stores.series(UNIT) == [Series('up', labels, 1.0)]
    assert wire.asked[0][2] == {'query': '{juju_unit="worker/0"}'}


@BACKENDS
@pytest.mark.parametrize(
    ('results', 'count'), [([], 0), ([{'metric': {}, 'value': [1, '1.2e+03']}], 1200)]
)
def test_samples_are_counted(backend, results, count):
    stores, _ = backend(__api__v1__query=vector(*results))
    assert stores.samples(UNIT) == count


@BACKENDS
def test_targets_say_how_they_are(backend):
    answer = {
        'status': 'success',
        'data': {
            'activeTargets': [
                {
                    'discoveredLabels': {'__address__': 'w:9898'},
                    'labels': {'juju_unit': UNIT, 'instance': 'm_x_w', 'job': 'j'},
                    'scrapePool': 'j',
                    'scrapeUrl': 'http://w:9898/metrics',
                    'lastError': 'connection refused',
                    'health': 'down',
                }
            ],
            'droppedTargets': [],
        },
    }
    stores, _ = backend(__api__v1__targets=(200, answer))
    labels = {'juju_unit': UNIT, 'instance': 'm_x_w', 'job': 'j'}
    assert stores.targets() == [
        Target(labels, 'http://w:9898/metrics', 'down', 'connection refused')
    ]


RULES = {
    'status': 'success',
    'data': {
        'groups': [
            {
                'name': 'g',
                'file': 'f',
                'interval': 2,
                'rules': [
                    {
                        'state': 'firing',
                        'name': 'Down',
                        'query': 'up < 1',
                        'duration': 0,
                        'labels': {'severity': 'critical'},
                        'annotations': {},
                        'alerts': [],
                        'health': 'ok',
                        'type': 'alerting',
                    }
                ],
            }
        ]
    },
}
RULE = Rule('g', 'Down', 'up < 1', {'severity': 'critical'}, 'firing', '')


@BACKENDS
def test_rules_have_a_state(backend):
    stores, _ = backend(__api__v1__rules=(200, RULES))
    assert stores.rules() == [RULE]


@BACKENDS
def test_alerts_have_their_labels_without_the_name(backend):
    alert = {
        'labels': {'alertname': 'HostDown', 'juju_unit': UNIT},
        'annotations': {'summary': 'It is down.'},
        'state': 'firing',
        'activeAt': '2025-01-01T00:00:00Z',
        'value': '0e+00',
    }
    answer = {'status': 'success', 'data': {'alerts': [alert]}}
    stores, _ = backend(__api__v1__alerts=(200, answer))
    assert stores.alerts() == [
        Alert('HostDown', {'juju_unit': UNIT}, {'summary': 'It is down.'}, 'firing')
    ]


def test_cos_evaluates_the_expression_of_a_log_rule_itself():
    answer = vector({'metric': {'juju_unit': UNIT}, 'value': [1795508304.8, '3']})
    stores, wire = cos(__loki__api__v1__query=answer)
    assert stores.log_vector('x > 1') == [Series('', {'juju_unit': UNIT}, 3.0)]
    assert wire.asked == [('l', '/loki/api/v1/query', {'query': 'x > 1'})]


def test_a_local_store_counts_for_the_expression_of_a_log_rule():
    answer = vector(
        {'metric': {'__name__': 'lines', 'juju_unit': UNIT}, 'value': [1795508304.8, '3']}
    )
    stores, wire = local(__select__logsql__stats_query=answer)
    expression = 'sum by (juju_unit) (count_over_time({juju_model="m"} [5m])) > 1'
    assert stores.log_vector(expression) == [Series('', {'juju_unit': UNIT}, 3.0)]
    assert wire.asked[0][2] == {
        'query': '_time:5m {juju_model="m"} | stats by (juju_unit) count() as lines'
    }


def test_a_local_store_counts_for_another_time():
    stores, wire = local(__select__logsql__stats_query=vector())
    assert stores.log_vector('sum(count_over_time({juju_model="m"} [5m]))', at=1.5) == []
    assert wire.asked[0][2]['time'] == '1.5'


@pytest.mark.parametrize(
    ('backend', 'path', 'query'),
    [
        (
            'local',
            '/select/logsql/query',
            '_time:1h {a="b"} | filter _msg:~`c` | sort by (_time desc) limit 5',
        ),
        ('cos', '/loki/api/v1/query_range', '{a="b"} |~ `c`'),
    ],
)
def test_lines_of_an_expression_are_looked_up(backend, path, query):
    answers = {
        'local': '{"_msg":"x","_time":"2026-11-24T08:18:25Z","a":"b"}\n',
        'cos': {'data': {'result': [{'stream': {'a': 'b'}, 'values': [[f'{X}', 'x']]}]}},
    }
    stores, wire = {'local': local, 'cos': cos}[backend](**{path: (200, answers[backend])})
    assert stores.log_lines('{a="b"} |~ `c`', limit=5) == [Line(X, 'x', {'a': 'b'})]
    assert wire.asked[0][1:2] == (path,)
    assert wire.asked[0][2]['query'] == query


@BACKENDS
def test_a_vector_is_that_of_the_expression(backend):
    answer = vector({'metric': {'__name__': 'up', 'a': 'b'}, 'value': [1795508304.8, '1']})
    stores, wire = backend(__api__v1__query=answer)
    assert stores.vector('up > 0') == [Series('up', {'a': 'b'}, 1.0)]
    assert wire.asked[0][2] == {'query': 'up > 0'}


@BACKENDS
def test_a_history_is_that_of_the_expression(backend):
    result = [{'metric': {'a': 'b'}, 'values': [[1, '2'], [3, 'NaN']]}]
    answer = 200, {'status': 'success', 'data': {'resultType': 'matrix', 'result': result}}
    stores, wire = backend(__api__v1__query_range=answer)
    ((labels, points),) = stores.history('up', 1, 3, 2)
    assert labels == {'a': 'b'}
    assert str(points) == '[(1, 2.0), (3, nan)]'
    assert wire.asked[0][2] == {'query': 'up', 'start': '1', 'end': '3', 'step': '2'}


def test_cos_has_log_rules_with_a_state():
    stores, wire = cos(__prometheus__api__v1__rules=(200, RULES))
    assert stores.log_rules() == [RULE]
    assert wire.asked[0][0] == 'l'


def test_local_log_rules_are_read_from_the_charms_files():
    stores, wire = local()
    groups = [
        {'name': name, 'rules': [{'alert': 'A', 'expr': 'x', 'labels': {'severity': 'low'}}]}
        for name in 'gh'
    ]
    wire.files = '\n'.join(json.dumps({'groups': [group]}, indent=1) for group in groups)
    assert stores.log_rules() == [
        Rule(name, 'A', 'x', {'severity': 'low'}, '', '') for name in 'gh'
    ]
    assert wire.asked[0][1]['unit'] == 'loki/0'


def test_local_log_rules_that_cannot_be_read_are_an_error():
    stores, _ = local()
    with pytest.raises(StoreError, match='cannot read the rules of loki/0: no such folder'):
        stores.log_rules()


@pytest.mark.parametrize(
    ('options', 'query'),
    [
        ({}, '_time:1h juju_unit:="worker/0" | sort by (_time desc) limit 1000'),
        (
            {'charm_logs': True, 'limit': 5},
            (
                '_time:1h juju_unit:="worker/0" !(pebble_service:* or "scope.name":=pebble)'
                ' | sort by (_time desc) limit 5'
            ),
        ),
        (
            {'charm_logs': False, 'containing': 'a"b.c'},
            (
                '_time:1h juju_unit:="worker/0" (pebble_service:* or "scope.name":=pebble)'
                ' ~"a\\"b\\\\.c"'
                ' | sort by (_time desc) limit 1000'
            ),
        ),
    ],
)
def test_lines_of_a_local_unit_come_oldest_first(options, query):
    answer = (
        '{"_msg":"new","_stream":"{}","_stream_id":"0","_time":"2026-11-24T08:18:25Z","a":"b"}\n'
        '{"_msg":"old","_stream":"{}","_stream_id":"0","_time":"2026-11-24T08:18:24.89Z"}\n'
    )
    stores, wire = local(__select__logsql__query=(200, answer))
    assert stores.lines(UNIT, **options) == [
        Line(1795508304_890000000, 'old', {}),
        Line(1795508305_000000000, 'new', {'a': 'b'}),
    ]
    host = 'loki-0.loki-endpoints.m.svc.cluster.local:3100'
    assert wire.asked == [(host, '/select/logsql/query', {'query': query})]


@pytest.mark.parametrize(
    ('options', 'query'),
    [
        ({}, '{juju_unit="worker/0"}'),
        ({'charm_logs': True}, '{juju_unit="worker/0", pebble_service=""}'),
        (
            {'charm_logs': False, 'containing': 'a"b'},
            '{juju_unit="worker/0", pebble_service!=""} |= "a\\"b"',
        ),
    ],
)
def test_lines_of_a_unit_in_cos_come_oldest_first(options, query):
    result = [
        {
            'stream': {'a': '1'},
            'values': [['1795508305000000000', 'c'], ['1795508303000000000', 'a']],
        },
        {'stream': {'a': '2'}, 'values': [['1795508304000000000', 'b']]},
    ]
    answer = {'status': 'success', 'data': {'resultType': 'streams', 'result': result}}
    stores, wire = cos(__loki__api__v1__query_range=(200, answer))
    lines = stores.lines(UNIT, **options)
    assert [(line.text, line.labels) for line in lines] == [
        ('a', {'a': '1'}),
        ('b', {'a': '2'}),
        ('c', {'a': '1'}),
    ]
    assert wire.asked[0][2]['query'] == query


def jaeger_span(span_id, process='p1', parent='', scope='podinfo'):
    references = [{'refType': 'CHILD_OF', 'traceID': TRACE, 'spanID': parent}] if parent else []
    return {
        'traceID': TRACE,
        'spanID': span_id,
        'operationName': f'op {span_id}',
        'references': references,
        'startTime': 1795508308636073,
        'duration': 1000,
        'tags': [
            {'key': 'otel.scope.name', 'type': 'string', 'value': scope},
            {'key': 'http.status_code', 'type': 'int64', 'value': 200},
        ],
        'logs': [],
        'processID': process,
        'warnings': None,
    }


def jaeger(*spans):
    processes = {
        name: {
            'serviceName': f'service of {unit}',
            'tags': [{'key': 'juju_unit', 'type': 'string', 'value': unit}],
        }
        for name, unit in (('p1', UNIT), ('p2', 'worker/1'))
    }
    trace = {'traceID': TRACE, 'spans': list(spans), 'processes': processes, 'warnings': None}
    return 200, {'data': [trace], 'total': 0, 'limit': 0, 'offset': 0, 'errors': None}


def test_spans_of_a_local_unit_are_found_in_every_service_once():
    stores, wire = local(
        __api__services=(200, {'data': ['a', 'b']}),
        __api__traces=jaeger(
            jaeger_span('1' * 16, parent='f' * 16),
            jaeger_span('2' * 16, scope='ops'),
            jaeger_span('3' * 16, process='p2'),
        ),
    )
    first, second = stores.spans(UNIT)
    assert first == Span(
        trace_id=TRACE,
        span_id='1' * 16,
        parent_id='f' * 16,
        name=f'op {"1" * 16}',
        service='service of worker/0',
        scope='podinfo',
        start=1795508308636073_000,
        duration=1000_000,
        attributes={'otel.scope.name': 'podinfo', 'http.status_code': '200'},
        resource={'juju_unit': UNIT, 'service.name': 'service of worker/0'},
    )
    assert [second] == stores.spans(UNIT, charm=True)
    assert [first] == stores.spans(UNIT, charm=False)
    asked = [query for _, path, query in wire.asked if path == '/api/traces']
    assert [query['service'] for query in asked[:2]] == ['a', 'b']
    assert asked[0]['tags'] == '{"juju_unit": "worker/0"}'
    assert int(asked[0]['end']) - int(asked[0]['start']) == 3600 * 10**6


def test_an_empty_jaeger_has_no_spans():
    stores, _ = local(__api__services=(200, {'data': None}))
    assert stores.spans(UNIT) == []


def test_a_local_trace_is_a_tree_whose_root_may_have_an_unknown_parent():
    path = f'__api__traces__{TRACE}'
    spans = (
        jaeger_span('3' * 16, parent='2' * 16, process='p2'),
        jaeger_span('2' * 16, parent='1' * 16),
        jaeger_span('1' * 16, parent='f' * 16),
    )
    stores, _ = local(**{path: jaeger(*spans)})
    (root,) = stores.trace(TRACE)
    assert [(depth, span.span_id[0]) for depth, span in root.walk()] == [
        (0, '1'),
        (1, '2'),
        (2, '3'),
    ]


@BACKENDS
def test_a_trace_that_is_not_there_is_empty(backend):
    stores, _ = backend(**{f'__api__traces__{TRACE}': (404, 'trace not found')})
    assert stores.trace(TRACE) == ()


def otlp(identifier):
    return base64.b64encode(bytes.fromhex(identifier)).decode()


@pytest.mark.parametrize('encode', [otlp, str])
@pytest.mark.parametrize(
    ('batches', 'scopes', 'scope'),
    [
        ('batches', 'scopeSpans', 'scope'),
        ('resourceSpans', 'instrumentationLibrarySpans', 'instrumentationLibrary'),
    ],
)
def test_spans_of_a_unit_in_cos_are_looked_up_by_trace(encode, batches, scopes, scope):
    span = {
        'traceId': encode(TRACE),
        'spanId': encode('1' * 16),
        'parentSpanId': encode('f' * 16),
        'name': 'GET',
        'startTimeUnixNano': '1795508308636073000',
        'endTimeUnixNano': '1795508308637073000',
        'attributes': [{'key': 'n', 'value': {'intValue': '7'}}, {'key': 'e', 'value': {}}],
    }
    trace = {
        batches: [
            {
                'resource': {
                    'attributes': [
                        {'key': 'juju_unit', 'value': {'stringValue': UNIT}},
                        {'key': 'service.name', 'value': {'stringValue': 'w'}},
                    ]
                },
                scopes: [{scope: {'name': 'ops'}, 'spans': [span]}],
            }
        ]
    }
    stores, wire = cos(
        __api__search=(200, {'traces': [{'traceID': TRACE}]}),
        **{f'__api__traces__{TRACE}': (200, trace)},
    )
    (found,) = stores.spans(UNIT, charm=True)
    assert (found.trace_id, found.span_id, found.parent_id) == (TRACE, '1' * 16, 'f' * 16)
    assert (found.start, found.duration) == (1795508308636073000, 1000000)
    assert found.attributes == {'n': '7', 'e': ''}
    assert found.service == 'w'
    assert wire.asked[0][2]['q'] == '{ resource.juju_unit = "worker/0" }'


def test_an_empty_tempo_has_no_spans():
    stores, _ = cos(__api__search=(200, {'metrics': {}}))
    assert stores.spans(UNIT) == []


def test_children_are_in_the_order_of_their_start():
    def span(span_id, parent, start):
        return Span(TRACE, span_id, parent, '', '', '', start, 1, {}, {})

    (root,) = tree([span('c', 'a', 3), span('b', 'a', 2), span('a', '', 1)])
    assert [node.span.span_id for node in root.children] == ['b', 'c']


@pytest.mark.parametrize(
    ('answer', 'message'),
    [
        ((500, 'oh\nno '), 'cannot ask prometheus: HTTP 500: oh\nno'),
        ((200, 'no JSON'), 'cannot read the answer of prometheus: '),
    ],
)
@BACKENDS
def test_an_answer_that_is_none_is_an_error_that_names_the_store(backend, answer, message):
    stores, _ = backend(__api__v1__targets=answer)
    with pytest.raises(StoreError) as raised:
        stores.targets()
    assert str(raised.value).startswith(message)


def test_a_store_that_is_away_is_an_error_that_names_it():
    def get(url, timeout):
        raise ConnectionRefusedError('refused')

    with pytest.raises(StoreError, match='cannot ask loki: refused'):
        Api('loki', 'http://l', get).text('/x')


def test_waiting_ends_with_what_the_probe_found(monkeypatch):
    monkeypatch.setattr('time.sleep', lambda seconds: None)
    answers = iter([[], 0, StoreError('away'), ['found']])

    def probe():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert wait_until(probe, 'a line') == ['found']


def test_waiting_in_vain_says_what_was_seen_last(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr('time.monotonic', lambda: next(clock))
    monkeypatch.setattr('time.sleep', lambda seconds: None)
    with pytest.raises(TimeoutError, match=r'^a line: not within 5 s; last seen: \[\]$'):
        wait_until(list, 'a line', timeout=5)


def test_a_failing_probe_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 / 0, 'a line')
