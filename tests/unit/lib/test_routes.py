"""What goes to a collector and what to the stores, signal by signal, and what is said of it."""

import itertools

import hypothesis
import pytest
from hypothesis import strategies as st

from coordinated_telemetry import report, routes, traces

LOKI = {'loki/0': 'http://loki/push'}
CHARM = {'otlp_http': 'http://tempo:4318'}
WORKLOAD = {'otlp_grpc': 'tempo:4317', 'otlp_http': 'http://tempo:4318'}
OTLP = {
    'logs_grpc': 'http://c:4317',
    'logs_http': 'http://c:4318',
    'traces_grpc': 'http://c:4317',
    'traces_http': 'http://c:4318',
}
TLS = {key: url.replace('http:', 'https:') for key, url in OTLP.items()}
ALL = ('logs', 'charm traces', 'workload traces')


BOTH = ('otlp_grpc', 'otlp_http')


def choose(collector, *, stores=True, ca='', speaks=('otlp_grpc',)):
    """The routes, and what is noted."""
    found = report.Report()
    of_stores = (LOKI, CHARM, WORKLOAD) if stores else ({}, {}, {})
    chosen = routes.choose(found, collector, *of_stores, ca, workload=speaks)
    chosen.note(found)
    return chosen, found.notes


def test_without_a_collector_everything_goes_to_the_stores():
    chosen, notes = choose({})
    assert chosen == routes.Routes(
        loki=LOKI,
        charm_traces=traces.Destination('http://tempo:4318/v1/traces'),
        workload_traces=traces.Destination('http://tempo:4317', protocol='otlp_grpc'),
    )
    assert (chosen.otlp_log_push, notes) == ('', [])


@pytest.mark.parametrize('stores', [True, False], ids=['with stores', 'alone'])
def test_a_collector_that_takes_everything_gets_everything_and_the_stores_nothing(stores):
    chosen, notes = choose(OTLP, stores=stores)
    assert chosen == routes.Routes(
        otlp_logs='http://c:4318',
        charm_traces=traces.Destination('http://c:4318/v1/traces'),
        workload_traces=traces.Destination('http://c:4317', protocol='otlp_grpc'),
        over_otlp=frozenset(ALL),
    )
    assert (chosen.otlp_log_push, notes) == ('http://c:4318/v1/logs', [])


OFFERS = [
    {key: OTLP[key] for key in keys}
    for number in range(5)
    for keys in itertools.combinations(OTLP, number)
]


@pytest.mark.parametrize('offer', OFFERS, ids=lambda offer: ' '.join(offer) or 'nothing')
@pytest.mark.parametrize('stores', [True, False], ids=['with stores', 'alone'])
def test_each_signal_goes_to_the_collector_if_it_takes_it_and_else_to_its_store(offer, stores):
    chosen, notes = choose(offer, stores=stores)
    over_otlp = {
        'logs': 'logs_http' in offer,
        'charm traces': 'traces_http' in offer,
        'workload traces': 'traces_grpc' in offer,
    }
    assert chosen.over_otlp == {signal for signal, is_so in over_otlp.items() if is_so}
    assert bool(chosen.otlp_logs) == over_otlp['logs']
    assert chosen.loki == (LOKI if stores and not over_otlp['logs'] else {})
    for signal, destination in (
        ('charm traces', chosen.charm_traces),
        ('workload traces', chosen.workload_traces),
    ):
        where = 'c' if over_otlp[signal] else 'tempo' if stores else ''
        assert where in (destination.url or '').partition('://')[2].partition(':')[0]
        assert bool(destination.url) == bool(where)
    nowhere = {
        'logs': 'logs_grpc' in offer,
        'charm traces': 'traces_grpc' in offer,
        'workload traces': 'traces_http' in offer,
    }
    told = {
        signal
        for signal, is_offered in nowhere.items()
        if is_offered and not over_otlp[signal] and not stores
    }
    said = {
        signal: needed
        for note in notes
        for signals, needed in [note.split(' are not sent over OTLP: no ')]
        for signal in signals.split(', ')
    }
    http, grpc = (f'{protocol} endpoint takes them' for protocol in ('HTTP', 'gRPC'))
    wanted = {'logs': http, 'charm traces': http, 'workload traces': grpc}
    assert said == {signal: wanted[signal] for signal in told}


@pytest.mark.parametrize(
    ('offer', 'speaks', 'expected'),
    [
        (OTLP, BOTH, traces.Destination('http://c:4317', protocol='otlp_grpc')),
        (OTLP, BOTH[::-1], traces.Destination('http://c:4318/v1/traces', protocol='otlp_http')),
        (
            {'traces_http': 'http://c:4318'},
            BOTH,
            traces.Destination('http://c:4318/v1/traces', protocol='otlp_http'),
        ),
        (
            {'traces_grpc': 'http://c:4317'},
            BOTH[::-1],
            traces.Destination('http://c:4317', protocol='otlp_grpc'),
        ),
    ],
)
def test_a_workload_that_speaks_both_sends_in_the_preferred_one_that_is_offered(
    offer, speaks, expected
):
    chosen, notes = choose(offer, stores=False, speaks=speaks)
    assert chosen.workload_traces == expected
    assert chosen.over_otlp >= {'workload traces'}
    assert not [note for note in notes if 'workload' in note]


def test_a_workload_that_speaks_http_alone_gets_nothing_from_a_grpc_collector():
    grpc = {'traces_grpc': 'http://c:4317'}
    chosen, notes = choose(grpc, stores=False, speaks=('otlp_http',))
    assert chosen.workload_traces.url is None
    why = 'are not sent over OTLP: no HTTP endpoint takes them'
    assert notes == [f'charm traces, workload traces {why}']


def test_an_https_collector_without_a_ca_gets_nothing_and_one_note_says_so():
    chosen, notes = choose(TLS)
    assert (chosen.over_otlp, chosen.loki) == (frozenset(), LOKI)
    assert chosen.charm_traces.url == 'http://tempo:4318/v1/traces'
    why = 'are not sent over OTLP: no CA certificate for https://c:4318'
    assert notes == [f'logs, charm traces, workload traces {why}']


def test_with_a_ca_an_https_collector_gets_everything():
    chosen, notes = choose(TLS, ca='CA')
    assert chosen.over_otlp == {*ALL}
    assert chosen.otlp_logs == 'https://c:4318'
    assert chosen.charm_traces.url == 'https://c:4318/v1/traces'
    assert chosen.workload_traces.url == 'https://c:4317'
    assert notes == []


def test_a_store_that_is_not_used_is_not_complained_of():
    found = report.Report()
    https = {'loki/0': 'https://loki/push'}
    assert routes.choose(found, OTLP, https, {'otlp_http': 'https://t'}, {}).loki == {}
    assert found.notes == []


def test_what_needs_the_same_is_one_note():
    _, notes = choose({'logs_grpc': 'http://c:4317', 'traces_grpc': 'http://c:4317'}, stores=False)
    assert notes == ['logs, charm traces are not sent over OTLP: no HTTP endpoint takes them']


@hypothesis.given(
    st.dictionaries(st.sampled_from([*OTLP]), st.sampled_from(['http://c:1', 'https://c:1'])),
    st.booleans(),
    st.booleans(),
)
def test_nothing_goes_two_ways(collector, stores, ca):
    chosen, _ = choose(collector, stores=stores, ca='CA' if ca else '')
    assert not (chosen.loki and chosen.otlp_logs)
    assert ('logs' in chosen.over_otlp) == bool(chosen.otlp_logs)
    if not ca:
        used = [chosen.otlp_logs, chosen.charm_traces.url, chosen.workload_traces.url]
        assert not any((url or '').startswith('https:') for url in used)
