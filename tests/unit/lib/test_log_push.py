"""Pushes in parts: what is settled, and when a push ends."""

import http.client
import json
import types

import pytest

import authority
from coordinated_telemetry import log_push

LABELS = {'juju_unit': 'worker/3'}
VALUES = [log_push.render((number, f'{number} {"x" * 3000}')) for number in range(1000)]
LATER = 10.0**9
"""A deadline that no test reaches."""


def push(store, values=VALUES, part=log_push.LARGEST, path=''):
    return log_push.Push(store.url + path, LABELS, values, part)


def test_all_records_are_settled_in_order(store):
    loki = store()
    pushed = push(loki)
    pushed.run(LATER)
    assert pushed.close() == log_push.Outcome(1000, log_push.LARGEST)
    assert [int(text.split()[0]) for text in loki.taken] == list(range(1000))
    assert len(loki.sizes) == 3


def test_a_record_that_is_larger_than_a_part_goes_alone(store):
    loki = store()
    large = log_push.render((1, 'x' * log_push.SMALLEST))
    pushed = push(loki, [VALUES[0], large, VALUES[1]], log_push.SMALLEST)
    pushed.run(LATER)
    assert pushed.close().settled == 3
    assert [size > log_push.SMALLEST for size in loki.sizes] == [False, True, False]


def test_no_part_begins_after_the_deadline(store, monkeypatch):
    clock = types.SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(log_push, 'time', clock)

    def answer(size):
        clock.now += 1
        return 204

    loki = store(answer)
    pushed = push(loki)
    pushed.run(2.0)
    outcome = pushed.close()
    assert len(loki.sizes) == 2
    assert outcome == log_push.Outcome(len(loki.taken), log_push.LARGEST)


def test_no_part_begins_once_it_is_closed_and_what_it_said_holds(store):
    outcomes = []

    def answer(size):
        if len(loki.sizes) == 2:
            outcomes.append(pushed.close())
        return 204

    loki = store(answer)
    pushed = push(loki)
    pushed.run(LATER)
    assert len(loki.sizes) == 2
    # The first part; of the second nobody knows.
    assert 0 < outcomes[0].settled < len(loki.taken)
    assert pushed.close() == outcomes[0]


def test_a_thread_that_starts_late_sends_nothing(store):
    loki = store()
    pushed = push(loki)
    outcome = pushed.close()
    pushed.run(LATER)
    assert loki.sizes == []
    assert outcome == log_push.Outcome(0, log_push.LARGEST)


def test_an_answer_that_comes_before_the_end_of_a_push_is_read(store, monkeypatch):
    loki = store(lambda size: 204 if size <= log_push.SMALLEST else 413)
    loki.reads = log_push.SMALLEST
    send = http.client.HTTPConnection.send

    def broken_by_much(connection, data):
        if len(data) > log_push.SMALLEST:
            raise BrokenPipeError
        send(connection, data)

    monkeypatch.setattr(http.client.HTTPConnection, 'send', broken_by_much)
    pushed = push(loki)
    pushed.run(LATER)
    assert pushed.close().settled == 1000


def test_a_store_that_did_not_take_the_first_part_in_time_gets_less_next_time(store):
    outcomes = []

    def answer(size):
        outcomes.append(pushed.close())
        return 204

    loki = store(answer)
    pushed = push(loki)
    pushed.run(LATER)
    assert outcomes == [log_push.Outcome(0, log_push.LARGEST // 2)]


@pytest.mark.parametrize(
    ('before', 'answer', 'after'),
    [
        (log_push.LARGEST, 204, log_push.LARGEST),
        (log_push.SMALLEST, 204, 2 * log_push.SMALLEST),
        (log_push.LARGEST, 500, log_push.LARGEST // 2),
        (log_push.LARGEST, 429, log_push.LARGEST // 2),
        (log_push.SMALLEST, 500, log_push.SMALLEST),
        (log_push.LARGEST, 413, log_push.SMALLEST),
        (0, 204, 2 * log_push.SMALLEST),  # what a file may hold
        (10**30, 204, log_push.LARGEST),
    ],
)
def test_how_much_the_next_push_tries(store, before, answer, after):
    pushed = push(store(answer), VALUES[:20], part=before)
    pushed.run(LATER)
    assert pushed.close().part == after


def test_a_store_that_cannot_be_reached_says_nothing_about_size(refused):
    pushed = log_push.Push(refused, LABELS, VALUES)
    pushed.run(LATER)
    assert pushed.close() == log_push.Outcome(0, log_push.LARGEST)


@pytest.mark.parametrize('url', ['', 'http://', 'http://[', 'ftp://127.0.0.1:1/', 'http://a:b/'])
def test_a_url_that_cannot_be_used_fails_nothing(url):
    pushed = log_push.Push(url, LABELS, VALUES[:1])
    (outcome,) = log_push.push([pushed], 30.0)
    assert outcome.settled == 0


def test_the_query_of_a_url_is_sent(store):
    loki = store()
    push(loki, VALUES[:1], path='?org=a%20b').run(LATER)
    assert [where for where, _, _ in loki.pushes] == ['/loki/api/v1/push?org=a%20b']


@pytest.mark.parametrize(
    'text', ['plain', '"quoted"\n\t\\', 'é猫🐈', '\x00\x1f\x7f', 'half \ud800']
)
def test_a_rendered_record_is_json(text):
    nanoseconds, read = json.loads(log_push.render((1, text)))
    assert (nanoseconds, read) == ('1', text.replace('\ud800', '?'))


# TLS

CA = authority.authority().certificate
OTHER = authority.authority('other').certificate


@pytest.mark.parametrize(
    ('ca', 'settled'),
    [(CA, 3), (OTHER + CA, 3), (OTHER, 0), ('', 0), ('text', 0), ('\xe9', 0)],
    ids=['its CA', 'its CA and another', 'another', 'none', 'no certificate', 'no ASCII'],
)
def test_a_store_is_sent_records_over_tls_if_its_ca_is_trusted(tls_store, ca, settled):
    pushed = log_push.Push(tls_store.url, LABELS, VALUES[:3], ca=ca)
    pushed.run(LATER)
    assert pushed.close().settled == settled
    assert len(tls_store.lines) == settled


def test_a_certificate_is_trusted_without_its_issuer(tls_store):
    """Version 0 of `certificate_transfer` may bring a store's own certificate, or an issuer's."""
    pushed = log_push.Push(tls_store.url, LABELS, VALUES[:3], ca=tls_store.certificate)
    pushed.run(LATER)
    assert pushed.close().settled == 3


def test_the_certificate_of_another_host_is_not_trusted(tls_store):
    url = tls_store.url.replace('localhost', '127.0.0.1')
    pushed = log_push.Push(url, LABELS, VALUES[:3], ca=CA)
    pushed.run(LATER)
    assert pushed.close().settled == 0


def test_a_push_over_http_does_not_read_the_machines_certificates(store, monkeypatch):
    monkeypatch.setattr(log_push, '_trusting', None)
    pushed = log_push.Push(store().url, LABELS, VALUES[:3], ca=CA)
    pushed.run(LATER)
    assert pushed.close().settled == 3
