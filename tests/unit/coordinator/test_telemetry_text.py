"""How the answer of show-telemetry reads, for people and for programs."""

import dataclasses
import json

import pytest

from coordinator.source import telemetry_text, telemetry_view
from coordinator.test_telemetry_view import FACTS, LOKI, OTLP, URLS


def test_as_text():
    assert (
        telemetry_text.as_text(FACTS)
        == f"""\
Asked c/0, the leader.
Clients reach the workload at http://c:8080

c: 2 units
  metrics          c/0: http://c-0:9113/metrics by prometheus (published)
                   c/1: http://c-1:9113/metrics by prometheus (published)
  workload-logs    c/0: {LOKI} (configured)
                   c/1: {LOKI} (expected)
  charm-logs       c/0: {LOKI} (configured)
                   c/1: {LOKI} (expected)
  charm-traces     all units: {OTLP}/v1/traces (expected)
  workload-traces  all units: - {telemetry_view.NO_SPANS}

w: 1 unit
  metrics          w/0: http://w-0:9898/metrics by prometheus (published)
  workload-logs    w/0: {LOKI} (published)
  charm-logs       w/0: {LOKI} (published)
  charm-traces     w/0: {OTLP}/v1/traces (published)
  workload-traces  w/0: http://tempo:4317 (published)

configured: as c/0 has it in its containers and in its charm now
published: as the databag of whoever acts on it has it now
expected: as follows from the relations; the unit itself acts on it"""
    )


def test_all_places_where_a_unit_is_scraped_are_shown():
    urls = ('http://w-0:9898/metrics', 'http://w-0:9121/metrics')
    facts = dataclasses.replace(FACTS, scrapes={'prometheus': {'w/0': urls}})
    assert f' w/0: {urls[0]} and {urls[1]} by prometheus (published)' in telemetry_text.as_text(
        facts, 'w'
    )
    assert json.loads(telemetry_text.as_json(facts))['units']['w/0']['metrics']['at'] == [*urls]


def test_a_unit_that_does_not_lead_names_the_one_to_ask():
    facts = dataclasses.replace(FACTS, leads=False, published=None, scrapes=None)
    assert telemetry_text.as_text(facts).splitlines()[0] == (
        'Asked c/0. Only the leader can read what is published: juju run c/leader show-telemetry'
    )


def test_notes_and_what_is_ignored_are_shown():
    facts = dataclasses.replace(FACTS, ignored={'x/0': 'bad'}, notes=['something'])
    text = telemetry_text.as_text(facts)
    assert 'note: something\nignored: x/0 (bad)\n' in text
    shown = json.loads(telemetry_text.as_json(facts))
    assert (shown['ignored'], shown['notes']) == ({'x/0': 'bad'}, ['something'])


def test_as_json():
    shown = json.loads(telemetry_text.as_json(FACTS))
    assert shown['units'].keys() == {'c/0', 'c/1', 'w/0'}
    assert shown['units']['w/0']['metrics'] == {
        'to': ['prometheus'],
        'at': [*URLS['w/0']],
        'known': 'published',
        'why': '',
    }
    del shown['units']
    assert shown == {
        'unit': 'c/0',
        'leader': True,
        'entrypoint': 'http://c:8080',
        'left-out': 0,
        'ignored': {},
        'notes': [],
    }


@pytest.mark.parametrize(
    ('only', 'units'), [('w', {'w/0'}), ('c/1', {'c/1'}), ('c', {'c/0', 'c/1'})]
)
def test_one_unit_or_application_alone(only, units):
    assert json.loads(telemetry_text.as_json(FACTS, only))['units'].keys() == units
    assert ('w: 1 unit' in telemetry_text.as_text(FACTS, only)) == ('w/0' in units)


def test_an_answer_is_never_longer_than_an_argument_of_a_process():
    units = [f'w/{number}' for number in range(1000)]
    facts = dataclasses.replace(
        FACTS,
        workers={'w': units},
        expected_scrapes={unit: (f'http://{unit}/metrics',) for unit in units},
        scrapes={'prometheus': {unit: (f'http://{unit}/metrics',) for unit in units}},
    )
    text = telemetry_text.as_json(facts)
    shown = json.loads(text)
    assert telemetry_text.MAX_BYTES // 2 < len(text) <= telemetry_text.MAX_BYTES
    assert len(shown['units']) + shown['left-out'] == 1002
    assert [*shown['units']] == ['c/0', 'c/1', *units[: len(shown['units']) - 2]]
    longer = dataclasses.replace(
        facts, scrapes={'prometheus': {unit: (f'http://{unit}/{200 * "w"}',) for unit in units}}
    )
    lines = telemetry_text.as_text(longer).splitlines()
    assert 'more units: name one, or an application, with only=NAME' in '\n'.join(lines)
    assert json.loads(telemetry_text.as_json(longer, 'w/999'))['units'].keys() == {'w/999'}
