"""podinfo as a worker runs it: which configuration it may have, and how it is run."""

import time
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

import hostile
from coordinated_telemetry import topology, worker_workload
from worker.source import own_workload

workload = own_workload.WORKLOAD
WORKER = topology.Topology('m', '7c1a34b8-7d0f-4b8e-8f0e-1b1a2c3d4e5f', 'worker', 'worker/0', 'w')


def run(roles=('all',), **options):
    """What it is to run with."""
    return worker_workload.Run(roles, 'level: info\n', 'http://front:8080', WORKER, **options)


def layer(**options) -> Any:
    """The layer of its container."""
    return workload.layers(run(**options))['workload']


def service(**options):
    (found,) = layer(**options)['services'].values()
    return found


@pytest.mark.parametrize(
    ('roles', 'calls'),
    [
        (('all',), True),
        (('frontend',), True),
        (('backend',), False),
        (('backend', 'frontend'), True),
    ],
)
def test_a_frontend_calls_the_backend_through_the_coordinator(roles, calls):
    flag = '--backend-url=http://front:8080/backend/headers'
    assert (flag in service(roles=roles)['command'].split()) is calls
    assert workload.calls_coordinator(roles) is calls


@pytest.mark.parametrize(
    ('schemes', 'flags', 'asked'),
    [
        (('http',), {'--port': '9898'}, 'http://127.0.0.1:9898/readyz'),
        (
            ('http', 'https'),
            {'--port': '9898', '--secure-port': '9899', '--cert-path': '/etc/podinfo-tls/abc/'},
            'http://127.0.0.1:9898/readyz',
        ),
        (
            ('https',),
            {'--port': '0', '--secure-port': '9899', '--cert-path': '/etc/podinfo-tls/abc/'},
            'https://127.0.0.1:9899/readyz',
        ),
    ],
)
def test_it_serves_and_is_asked_at_the_ports_of_its_schemes(schemes, flags, asked):
    digest = 'abc' if 'https' in schemes else ''
    options = {'schemes': schemes, 'certificate_sha256': digest}
    words = {
        word.partition('=')[0]: word.partition('=')[2]
        for word in service(**options)['command'].split()
    }
    assert {name: words.get(name) for name in ('--port', '--secure-port', '--cert-path')} == {
        '--port': None,
        '--secure-port': None,
        '--cert-path': None,
        **flags,
    }
    (check,) = layer(**options)['checks'].values()
    assert asked in (check['http']['url'] if 'http' in check else check['exec']['command'])


def test_it_trusts_the_coordinators_ca_where_go_looks_for_it():
    assert service(ca='PEM')['environment']['SSL_CERT_DIR'] == workload.ca_file.rpartition('/')[0]
    assert 'SSL_CERT_DIR' not in service()['environment']


def test_traces_are_turned_on_by_an_option_that_goes_with_them():
    traced = service(traces='http://t:4317')['environment']
    assert traced['PODINFO_OTEL_SERVICE_NAME'] == 'worker'
    assert not any('OTEL_' in key for key in service()['environment'])


def test_it_gives_away_no_certificate():
    """podinfo gives the files of its configuration's folder to anyone."""
    folder = workload.config_file.rpartition('/')[0]
    assert not workload.certificate_folder.startswith(f'{folder}/')


# The configuration file

ACCEPTED = {
    'what the coordinator sends': 'level: "info"\nhttp-client-timeout: "1m"\n',
    'plain values': 'a: 1\nb: true\nc: 1.5\nd: text\ne: 2001-01-01\n',
    'quoted': "a: \"b\\n\\u00e9\"\n'c': 'd'\n",
    'flow': '{a: b, c: d}\n',
    'comments and marks': '---\n# comment\na: b\n...\n',
    'text of several lines': 'a: |\n  b\n  c\nd: >-\n  e\n',
    'names with dots, dashes and underscores': 'a.b-c_d: e\n',
    'nothing in it': 'a:\n',
    'carriage returns': 'a: b\r\nc: d\r\n',
    'nested': 'a:\n  b: {c: [d, 1]}\n',
}
REFUSED = {
    'empty': '',
    'a comment': '# nothing\n',
    'null': 'null',
    'a text': 'text',
    'a list': '- a\n',
    'a number as a key': '1: a\n',
    'nothing as a key': '? \n: a\n',
    # More of these: tests/unit/lib/test_yaml_text.py.
    'no YAML': 'a: b: c\n',
    'an alias': 'a: &x b\nc: *x\n',
    'deep lists': '[' * 200_000,
}


@pytest.mark.parametrize('text', ACCEPTED.values(), ids=ACCEPTED)
def test_a_mapping_is_taken_as_it_is(text):
    assert workload.checked_config(text) == text


@pytest.mark.parametrize('text', REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match=r'expected a mapping|not YAML|it has|nested'):
        workload.checked_config(text)


@hypothesis.given(st.text('ab:- ,[]{}&*!?|>"\'#%\n\t\0\ud8000123.~', max_size=60) | hostile.texts)
@hypothesis.settings(max_examples=hostile.examples(500))
def test_whatever_it_is_it_is_taken_or_refused(text):
    try:
        assert workload.checked_config(text) == text
    except ValueError:
        pass


LONG = {
    'nested lists': '[' * 250_000,
    'nested mappings': '{' * 250_000,
    'a number of many parts': 'a: ' + '1:' * 125_000 + '1',
    'digits': 'a: ' + '9' * 250_000,
    'many options': ''.join(f'k{number}: v\n' for number in range(25_000)),
}


@pytest.mark.parametrize('text', LONG.values(), ids=LONG)
def test_no_configuration_takes_long_to_check(text):
    started = time.process_time()
    try:
        workload.checked_config(text)
    except ValueError:
        pass
    # With PyYAML's safe_load the first took minutes.
    assert time.process_time() - started < 60
