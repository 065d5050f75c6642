"""What is said of every unit's telemetry, from what the coordinator knows."""

import dataclasses

import pytest

from coordinated_telemetry import metrics, topology
from coordinator.source import telemetry_view

LOKI = 'http://loki:3100/loki/api/v1/push'
OTLP = 'http://tempo:4318'
SENT = telemetry_view.Sent(
    {'loki/0': LOKI}, {'otlp_http': OTLP}, {'otlp_http': OTLP, 'otlp_grpc': 'tempo:4317'}
)
NOTHING = telemetry_view.Sent({}, {}, {})
URLS = {
    'c/0': ('http://c-0:9113/metrics',),
    'c/1': ('http://c-1:9113/metrics',),
    'w/0': ('http://w-0:9898/metrics',),
}
FACTS = telemetry_view.Facts(
    unit='c/0',
    leads=True,
    entrypoint='http://c:8080',
    related={
        'metrics-endpoint': ['prometheus'],
        'logging': ['loki'],
        'charm-tracing': ['tempo'],
        'workload-tracing': ['tempo'],
    },
    coordinators=['c/0', 'c/1'],
    workers={'w': ['w/0']},
    expected=SENT,
    published={'w': SENT},
    expected_scrapes=URLS,
    scrapes={'prometheus': URLS},
    log_targets={'nginx': [LOKI], 'exporter': [LOKI]},
    charm_log={LOKI: 0},
)


def flow(unit, name, **changes):
    return telemetry_view.view(dataclasses.replace(FACTS, **changes))[unit][name]


flow_to = telemetry_view.Flow


def test_all_that_flows_says_where_to_and_how_that_is_known():
    traces = flow_to((f'{OTLP}/v1/traces',))
    assert telemetry_view.view(FACTS) == {
        'c/0': {
            'metrics': flow_to(('prometheus',), '', 'published', URLS['c/0']),
            'workload-logs': flow_to((LOKI,), '', 'configured'),
            'charm-logs': flow_to((LOKI,), '', 'configured'),
            'charm-traces': traces,
            'workload-traces': flow_to(why=telemetry_view.NO_SPANS),
        },
        'c/1': {
            'metrics': flow_to(('prometheus',), '', 'published', URLS['c/1']),
            'workload-logs': flow_to((LOKI,)),
            'charm-logs': flow_to((LOKI,)),
            'charm-traces': traces,
            'workload-traces': flow_to(why=telemetry_view.NO_SPANS),
        },
        'w/0': {
            'metrics': flow_to(('prometheus',), '', 'published', URLS['w/0']),
            'workload-logs': flow_to((LOKI,), '', 'published'),
            'charm-logs': flow_to((LOKI,), '', 'published'),
            'charm-traces': dataclasses.replace(traces, known='published'),
            'workload-traces': flow_to(('http://tempo:4317',), '', 'published'),
        },
    }


def test_the_flows_are_those_of_the_tests_and_the_demo():
    import telemetry

    assert [name.replace('-', '_') for name in telemetry_view.FLOWS] == [*telemetry.FLOWS]


def test_a_unit_that_does_not_lead_only_expects_what_is_published():
    found = telemetry_view.view(
        dataclasses.replace(FACTS, leads=False, published=None, scrapes=None)
    )
    known = {(unit, name): one.known for unit, of in found.items() for name, one in of.items()}
    configured = {at for at, how in known.items() if how == 'configured'}
    assert configured == {('c/0', 'workload-logs'), ('c/0', 'charm-logs')}
    assert {how for at, how in known.items() if at not in configured} == {'expected'}
    assert found['w/0']['metrics'].at == URLS['w/0']
    assert found['w/0']['charm-logs'].to == (LOKI,)


# Why it does not flow


@pytest.mark.parametrize(
    ('name', 'endpoint', 'store'),
    [
        ('metrics', 'metrics-endpoint', 'PROMETHEUS'),
        ('workload-logs', 'logging', 'LOKI'),
        ('charm-logs', 'logging', 'LOKI'),
        ('charm-traces', 'charm-tracing', 'TEMPO'),
        ('workload-traces', 'workload-tracing', 'TEMPO'),
    ],
)
def test_without_a_store_the_command_is_named_that_relates_one(name, endpoint, store):
    found = flow(
        'w/0', name, related={**FACTS.related, endpoint: []}, expected=NOTHING,
        published={'w': NOTHING}, scrapes={},
    )  # fmt: skip
    assert found.to == ()
    assert found.why == (f'nothing is related to {endpoint}: juju integrate c:{endpoint} {store}')


def test_a_store_that_has_published_nothing_is_named():
    found = flow('c/1', 'charm-traces', expected=NOTHING)
    assert found.why == 'tempo has not published where to send'


def test_a_receiver_that_the_workload_cannot_use_is_named():
    sent = telemetry_view.Sent({}, {}, {'otlp_http': 'http://tempo:4318'})
    found = flow('w/0', 'workload-traces', expected=sent, published={'w': sent})
    assert found == telemetry_view.Flow(
        why='no otlp_grpc receiver, only otlp_http', known='published'
    )


@pytest.mark.parametrize(
    ('ignored', 'why'),
    [
        ({'tempo charm-tracing': 'bad'}, 'ignored: tempo charm-tracing (bad)'),
        ({'tempo': 'bad'}, 'ignored: tempo (bad)'),
        ({'tempo workload-tracing': 'bad'}, 'tempo has not published where to send'),
        ({'tempo-b': 'bad'}, 'tempo has not published where to send'),
    ],
)
def test_a_store_that_is_ignored_is_named_with_the_reason(ignored, why):
    assert flow('c/1', 'charm-traces', expected=NOTHING, ignored=ignored).why == why


def test_of_two_stores_one_may_be_ignored():
    found = flow('c/1', 'charm-logs', ignored={'loki/1': 'bad'})
    assert found == telemetry_view.Flow((LOKI,))


def test_what_is_not_published_to_a_worker_does_not_flow():
    for name in telemetry_view.FLOWS[1:]:
        found = flow('w/0', name, published={})
        assert found == telemetry_view.Flow(why='nothing is published to w yet', known='published')


def test_a_key_that_is_not_published_yet_does_not_flow():
    found = flow('w/0', 'charm-traces', published={'w': NOTHING})
    assert found.to == ()
    assert found.why == 'what tempo offers is not usable, or not published yet'


HTTPS = telemetry_view.Sent(
    {'loki/0': 'https://loki/push', 'loki/1': LOKI},
    {'otlp_http': 'https://tempo:4318'},
    {'otlp_http': 'https://tempo:4318', 'otlp_grpc': 'tempo:4317'},
)


@pytest.mark.parametrize('unit', ['c/1', 'w/0'])
def test_https_without_a_ca_is_not_sent_and_says_so(unit):
    changes = {'expected': HTTPS, 'published': {'w': HTTPS}}
    logs = flow(unit, 'charm-logs', **changes)
    assert logs.to == (LOKI,)
    assert logs.why == 'logs are not sent to loki/0: no CA certificate for https://loki/push'
    traces = flow(unit, 'charm-traces', **changes)
    assert (traces.to, traces.why) == ((), 'no CA certificate for https://tempo:4318')
    spans = flow('w/0', 'workload-traces', **changes)
    assert (spans.to, spans.why) == ((), 'no CA certificate for tempo:4317')


def test_https_with_a_ca_is_sent():
    sent = dataclasses.replace(HTTPS, ca='a CA')
    changes = {'expected': sent, 'published': {'w': sent}}
    assert flow('w/0', 'charm-logs', **changes).to == (LOKI, 'https://loki/push')
    assert flow('w/0', 'workload-traces', **changes).to == ('https://tempo:4317',)


@pytest.mark.parametrize(
    ('changes', 'why'),
    [
        ({'awaited': ['w/0']}, 'it has not published its address yet'),
        ({'ignored': {'w/0': 'has the address of w/1'}}, 'ignored: has the address of w/1'),
        ({}, 'it has no valid address'),
    ],
)
@pytest.mark.parametrize('leads', [True, False])
def test_a_unit_without_a_target_says_why(changes, why, leads):
    without = {unit: url for unit, url in URLS.items() if unit != 'w/0'}
    scrapes = {'prometheus': without} if leads else None
    found = flow('w/0', 'metrics', expected_scrapes=without, scrapes=scrapes, **changes)
    assert (found.to, found.at, found.why) == ((), (), why)


def test_a_scraper_that_has_not_been_told_yet_is_named():
    names = {'metrics-endpoint': ['prometheus', 'other']}
    found = flow('w/0', 'metrics', related={**FACTS.related, **names})
    assert found.to == ('prometheus',)
    assert found.why == 'not published to other yet'


def test_what_a_scraper_is_told_counts_not_what_it_should_be_told():
    old = ('http://old:9898/metrics',)
    found = flow('w/0', 'metrics', scrapes={'prometheus': {'w/0': old}})
    assert found.at == old


@pytest.mark.parametrize(
    ('log_targets', 'to', 'why'),
    [
        ({'nginx': [LOKI], 'exporter': None}, (LOKI,), 'the container exporter cannot be asked'),
        ({'nginx': [LOKI], 'exporter': []}, (LOKI,), f'exporter sends nothing to {LOKI}'),
        ({'nginx': None}, (), 'the container nginx cannot be asked'),
        ({'nginx': ['http://old'], 'exporter': [LOKI]}, (LOKI, 'http://old'),
         f'nginx sends nothing to {LOKI}'),
    ],
)  # fmt: skip
def test_the_own_containers_are_asked(log_targets, to, why):
    found = flow('c/0', 'workload-logs', log_targets=log_targets)
    assert (found.to, found.why, found.known) == (to, why, 'configured')


@pytest.mark.parametrize(
    ('records', 'why'), [(1, f'1 record wait for {LOKI}'), (7, f'7 records wait for {LOKI}')]
)
def test_records_that_a_store_has_not_taken_are_counted(records, why):
    found = flow('c/0', 'charm-logs', charm_log={LOKI: records})
    assert (found.to, found.why) == ((LOKI,), why)


def test_a_charm_without_a_log_of_its_own_only_expects_one():
    assert flow('c/0', 'charm-logs', charm_log=None) == telemetry_view.Flow((LOKI,))


# What is scraped, as it stands in a databag


def test_urls_are_read_from_scrape_jobs():
    unit = topology.Topology('m', 'u', 'w', 'w/0', 'worker-k8s')
    other = unit.for_unit('w', 'w/1', 'worker-k8s')
    jobs = metrics.scrape_jobs(
        [metrics.Target(unit, 'w-0', 9899, 'https'), metrics.Target(other, '::1', 9899, 'https')]
    )
    assert telemetry_view.scraped(jobs) == {
        'w/0': ('https://w-0:9899/metrics',),
        'w/1': ('https://[::1]:9899/metrics',),
    }


def test_a_unit_with_metrics_at_several_places_has_all_their_urls():
    unit = topology.Topology('m', 'u', 'w', 'w/0', 'worker-k8s')
    places = [metrics.Target(unit, 'w-0', 9121, place='vault'), metrics.Target(unit, 'w-0', 9898)]
    assert telemetry_view.scraped(metrics.scrape_jobs(places)) == {
        'w/0': ('http://w-0:9898/metrics', 'http://w-0:9121/metrics')
    }


@pytest.mark.parametrize('jobs', [None, 1, {}, [1], [{}], [{'static_configs': [{}]}]])
def test_jobs_of_another_revision_are_read_as_none(jobs):
    assert telemetry_view.scraped(jobs) == {}


# Through a collector

PUSH = 'http://otelcol:4318/v1/logs'
COLLECTOR = {
    'logs_http': 'http://otelcol:4318',
    'traces_grpc': 'http://otelcol:4317',
    'traces_http': 'http://otelcol:4318',
}
ALONE = {**{name: [] for name in FACTS.related}, 'send-otlp': ['otelcol']}


def collected(collector=COLLECTOR, *, stores=True, **changes):
    """Facts of units that are told of a collector, beside the stores or alone."""
    sent = dataclasses.replace(SENT if stores else NOTHING, collector=collector)
    related = {**FACTS.related, 'send-otlp': ['otelcol']} if stores else ALONE
    return {'expected': sent, 'published': {'w': sent}, 'related': related, **changes}


@pytest.mark.parametrize('stores', [True, False], ids=['with stores', 'alone'])
def test_what_a_collector_takes_goes_there_alone(stores):
    facts = collected(stores=stores, log_targets={'nginx': [PUSH]}, charm_log={PUSH: 0})
    for unit in ('c/0', 'c/1', 'w/0'):
        for name in ('workload-logs', 'charm-logs'):
            found = flow(unit, name, **facts)
            assert (found.to, found.why) == ((PUSH,), '')
        assert flow(unit, 'charm-traces', **facts).to == ('http://otelcol:4318/v1/traces',)
    assert flow('w/0', 'workload-traces', **facts).to == ('http://otelcol:4317',)


def test_what_it_does_not_take_goes_to_the_stores():
    facts = collected({'traces_http': COLLECTOR['traces_http']})
    assert flow('c/1', 'charm-logs', **facts).to == (LOKI,)
    assert flow('w/0', 'workload-traces', **facts) == telemetry_view.Flow(
        ('http://tempo:4317',), '', 'published'
    )


@pytest.mark.parametrize(
    ('collector', 'name', 'why'),
    [
        (
            {'logs_grpc': 'http://otelcol:4317'},
            'charm-logs',
            'not sent over OTLP: no HTTP endpoint takes it',
        ),
        (
            {'traces_http': 'http://otelcol:4318'},
            'workload-traces',
            'not sent over OTLP: no gRPC endpoint takes it',
        ),
        (
            {'traces_http': 'https://otelcol:4318'},
            'charm-traces',
            'not sent over OTLP: no CA certificate for https://otelcol:4318',
        ),
        ({}, 'charm-logs', 'otelcol has not published where to send'),
        (
            {'traces_http': 'http://otelcol:4318'},
            'charm-logs',
            'what otelcol offers is not usable, or not published yet',
        ),
    ],
)
def test_why_a_collector_does_not_get_it_is_said(collector, name, why):
    found = flow('w/0', name, **collected(collector, stores=False))
    assert (found.to, found.why) == ((), why)
