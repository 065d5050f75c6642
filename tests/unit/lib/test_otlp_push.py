"""Log records in OTLP: what a collector gets, and in which parts."""

import json

import pytest

from coordinated_telemetry import log_push, otlp_push

LABELS = {'juju_application': 'worker', 'juju_unit': 'worker/3'}
VALUES = [otlp_push.render((number, f'{number} {"x" * 3000}')) for number in range(1000)]
LATER = 10.0**9
"""A deadline that no test reaches."""


def push(store, values=VALUES, part=log_push.LARGEST):
    return log_push.Push(store.otlp_url, LABELS, values, part, form=otlp_push.OTLP)


def test_a_push_is_what_a_collector_takes(store):
    collector = store(200)
    records = [(1_700_000_000_250_000_001, 'WARNING root: é'), (5, 'one\nINFO more')]
    push(collector, [otlp_push.render(record) for record in records]).run(LATER)
    ((where, headers, body),) = collector.pushes
    assert (where, headers['Content-Type']) == ('/v1/logs', 'application/json')
    assert body == {
        'resourceLogs': [
            {
                'resource': {
                    'attributes': [
                        {'key': 'service.name', 'value': {'stringValue': 'worker'}},
                        {'key': 'juju_application', 'value': {'stringValue': 'worker'}},
                        {'key': 'juju_unit', 'value': {'stringValue': 'worker/3'}},
                    ]
                },
                'scopeLogs': [
                    {
                        'scope': {'name': 'charm'},
                        'logRecords': [
                            {
                                'timeUnixNano': '1700000000250000001',
                                'body': {'stringValue': 'WARNING root: é'},
                                'severityNumber': 13,
                                'severityText': 'WARNING',
                            },
                            {'timeUnixNano': '5', 'body': {'stringValue': 'one\nINFO more'}},
                        ],
                    }
                ],
            }
        ]
    }


@pytest.mark.parametrize(
    ('level', 'number'),
    [('DEBUG', 5), ('INFO', 9), ('WARNING', 13), ('ERROR', 17), ('CRITICAL', 21)],
)
def test_a_record_has_the_severity_that_its_text_begins_with(level, number):
    record = json.loads(otlp_push.render((1, f'{level} charm: x')))
    assert (record['severityNumber'], record['severityText']) == (number, level)


def test_half_a_surrogate_pair_is_replaced():
    assert json.loads(otlp_push.render((1, '\ud800')))['body'] == {'stringValue': '?'}


def test_all_records_are_settled_in_order_and_in_parts(store):
    collector = store(200)
    pushed = push(collector)
    pushed.run(LATER)
    assert pushed.close() == log_push.Outcome(1000, log_push.LARGEST)
    assert [int(text.split()[0]) for text in collector.taken] == list(range(1000))
    assert len(collector.sizes) > 2
    assert max(collector.sizes) <= log_push.LARGEST


def test_a_part_that_is_too_large_is_halved_and_sent_again(store):
    collector = store(lambda size: 413 if size > 2**18 else 200)
    pushed = push(collector)
    pushed.run(LATER)
    assert pushed.close().settled == 1000
    assert [int(text.split()[0]) for text in collector.taken] == list(range(1000))


@pytest.mark.parametrize(
    ('answer', 'settled'), [(200, 1000), (400, 1000), (429, 0), (503, 0), (404, 0)]
)
def test_what_was_refused_for_good_is_not_sent_again(store, answer, settled):
    collector = store(answer)
    pushed = push(collector)
    pushed.run(LATER)
    assert pushed.close().settled == settled


def test_a_partial_success_settles_the_whole_push(store):
    """OTLP: what a 200 says was rejected must not be sent again."""
    said = b'{"partialSuccess": {"rejectedLogRecords": "3", "errorMessage": "too old"}}'
    collector = store(200, (), said)
    pushed = push(collector, VALUES[:9])
    pushed.run(LATER)
    assert pushed.close().settled == 9
    assert len(collector.pushes) == 1
