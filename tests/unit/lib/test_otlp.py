"""What a collector offers, what it gets to read, and what PyPI's library makes of both."""

import base64
import json
import lzma
from typing import Any

import cosl
import hypothesis
import ops
import pytest
from charmlibs.interfaces import otlp as charmlib
from hypothesis import strategies as st
from ops import testing

import hostile
import juju
from coordinated_telemetry import otlp, publication, rules, topology
from lib.acting import act, related

REQUIRER = topology.Topology('m', juju.UUID, 'c', '', 'c-k8s')


def offer(
    protocol: Any = 'http', url: Any = 'http://c:4318', telemetries: Any = ('logs',), **other
):
    return {'protocol': protocol, 'endpoint': url, 'telemetries': [*telemetries], **other}


def databag(*endpoints):
    return {'endpoints': json.dumps(endpoints)}


def read(*relations):
    done = act(lambda bags, _: otlp.read_endpoints(bags, 'send-otlp'), *relations)
    return done.result, done.ignored()


def offered(*endpoints):
    return read(related('send-otlp', 'otelcol', databag=databag(*endpoints)))


# What it offers


def test_without_a_collector_there_is_no_endpoint():
    assert read() == ({}, {})


@pytest.mark.parametrize('content', [{}, {'ingress-address': '10.0.0.1'}, {'endpoints': '[]'}])
def test_a_collector_that_is_not_ready_is_no_fault(content):
    assert read(related('send-otlp', 'otelcol', databag=content)) == ({}, {})


@pytest.mark.parametrize(
    ('endpoint', 'found'),
    [
        (offer(), {'logs_http': 'http://c:4318'}),
        (offer(telemetries=[]), {}),
        (offer(telemetries=['metrics', 'profiles', '']), {}),
        (offer(telemetries=['traces', 'logs', 'logs']),
         {'logs_http': 'http://c:4318', 'traces_http': 'http://c:4318'}),
        (offer(url='https://c/m-otelcol/'), {'logs_http': 'https://c/m-otelcol'}),
        (offer(url='http://c:4318/v1/logs'), {'logs_http': 'http://c:4318'}),
        (offer(url='http://c:4318/v1/logs/'), {'logs_http': 'http://c:4318'}),
        (offer(url='http://c:4318/v1/traces', telemetries=['traces']),
         {'traces_http': 'http://c:4318'}),
        (offer('grpc', 'http://c:4317', ['traces']), {'traces_grpc': 'http://c:4317'}),
        (offer('grpc', 'http://c:4317/', ['logs']), {'logs_grpc': 'http://c:4317'}),
        (offer('grpc', 'https://[::1]:4317', ['traces']), {'traces_grpc': 'https://[::1]:4317'}),
        (offer('kafka', 'kafka://c', ['logs']), {}),
        (offer('grpc', 'nonsense', ['metrics']), {}),
        ({**offer(), 'foreign': 1}, {'logs_http': 'http://c:4318'}),
    ],
)  # fmt: skip
def test_an_endpoint_counts_for_what_it_takes_and_is_sent(endpoint, found):
    assert offered(endpoint) == (found, {})


@pytest.mark.parametrize(
    ('url', 'insecure', 'found'),
    [
        ('c:4317', True, 'http://c:4317'),
        ('c:4317', False, 'https://c:4317'),
        ('c:4317', None, 'https://c:4317'),
        ('http://c:4317', False, 'http://c:4317'),
        ('https://c:4317', True, 'https://c:4317'),
    ],
)
def test_over_grpc_insecure_decides_only_where_there_is_no_scheme(url, insecure, found):
    other = {} if insecure is None else {'insecure': insecure}
    endpoint = offer('grpc', url, ['traces'], **other)
    assert offered(endpoint) == ({'traces_grpc': found}, {})


def test_insecure_never_makes_https_plain():
    assert offered(offer(url='https://c:4318', insecure=True))[0] == {
        'logs_http': 'https://c:4318'
    }


def test_of_two_endpoints_for_the_same_the_first_counts_and_the_order_is_fixed():
    found, _ = offered(
        offer('http', 'http://b:1', ['traces']),
        offer('http', 'http://a:1', ['logs', 'traces']),
        offer('grpc', 'http://b:2', ['traces']),
    )
    assert list(found.items()) == [
        ('logs_http', 'http://a:1'),
        ('traces_grpc', 'http://b:2'),
        ('traces_http', 'http://b:1'),
    ]


BAD = {
    'protocol of a number': offer(1),
    'no protocol': {'endpoint': 'http://c', 'telemetries': ['logs']},
    'no endpoint': {'protocol': 'http', 'telemetries': ['logs']},
    'endpoint of a list': offer(url=['http://c']),
    'no telemetries': {'protocol': 'http', 'endpoint': 'http://c'},
    'telemetries of text': {**offer(), 'telemetries': 'logs'},
    'telemetries of numbers': offer(telemetries=[1]),
    'insecure of text': offer(insecure='yes'),
    'insecure of a number': offer(insecure=0),
    'insecure of nothing': offer(insecure=None),
    'a query': offer(url='http://c:4318/?a=b'),
    'gRPC without a port': offer('grpc', 'http://c'),
    'gRPC with a path': offer('grpc', 'http://c:4317/v1'),
    'gRPC with another scheme': offer('grpc', 'dns://c:4317'),
    **{f'entry {case}': entry for case, entry in {
        'of nothing': None, 'of text': 'http://c', 'of a number': 1, 'of a list': [[]],
        'that is empty': {}}.items()},
    **{f'URL: {case}': offer(url=url) for case, url in hostile.NOT_URLS.items()
       if len(url) < 5000 and case != 'half a surrogate pair'},
    **{f'target: {case}': offer('grpc', target) for case, target in hostile.NOT_HOST_PORTS.items()
       if len(target) < 5000 and case != 'URL'},
}  # fmt: skip


@pytest.mark.parametrize('bad', BAD.values(), ids=BAD)
def test_a_bad_endpoint_is_ignored_alone_and_named(bad):
    found, ignored = offered(bad, offer(url='http://good:1', telemetries=['logs', 'traces']))
    assert found == {'logs_http': 'http://good:1', 'traces_http': 'http://good:1'}
    (why,) = ignored.values()
    assert ignored.keys() == {'otelcol send-otlp'}
    assert why.isprintable()
    assert len(why) < 250


@pytest.mark.parametrize('case', [*hostile.RAW])
def test_a_databag_that_makes_no_sense_is_ignored_and_named(case):
    raw = hostile.RAW[case]
    found, ignored = read(related('send-otlp', 'otelcol', databag={'endpoints': raw}))
    assert found == {}
    assert ignored.keys() == (set() if raw == '[]' else {'otelcol send-otlp'})


def test_more_endpoints_than_are_read_are_named_in_one_line():
    good = offer(url='http://good:1')
    found, ignored = offered(good, *[offer('x')] * 31, offer('http', 'http://c', ['traces']))
    assert found == {'logs_http': 'http://good:1'}
    assert ignored == {'otelcol send-otlp': '33 endpoints, of which the first 32 are read'}


@hypothesis.given(hostile.raw_values | st.lists(
    st.fixed_dictionaries({}, optional={
        'protocol': st.sampled_from(['http', 'grpc']) | hostile.json_values,
        'endpoint': hostile.texts | hostile.json_values,
        'telemetries': st.just(['logs', 'traces']) | hostile.json_values,
        'insecure': st.booleans() | hostile.json_values,
    }), max_size=4).map(json.dumps))  # fmt: skip
@hypothesis.settings(max_examples=hostile.examples(150))
def test_whatever_a_collector_publishes_only_urls_are_used(raw):
    found, ignored = read(related('send-otlp', 'otelcol', databag={'endpoints': raw}))
    assert found.keys() <= {*otlp.KEYS}
    assert ignored.keys() <= {'otelcol send-otlp'}
    for key, url in found.items():
        assert hostile.is_url(url)
        assert not url.endswith('/')
        if key.endswith('_grpc'):
            assert hostile.is_host_port(url.partition('://')[2])


# Alert rules


def group(application, name='g', expr='up == 0'):
    labels = {'juju_application': application, 'juju_model': 'm', 'juju_model_uuid': juju.UUID}
    rule = {'alert': 'Down', 'expr': expr, 'labels': labels}
    return {'name': f'{application}_{name}', 'rules': [rule]}


METRICS = [group('a'), group('b')]
LOGS = [group('a', 'l', 'count_over_time({juju_application="a"}[5m]) > 1')]


def publish(metrics, logs, relation=None):
    """Whether anything was changed, and what was published."""
    relation = relation or related('send-otlp', 'otelcol', id=3)
    done = act(
        lambda bags, charm: otlp.ensure_rules(
            bags, 'send-otlp', charm.app, REQUIRER, metrics, logs
        ),
        relation,
    )
    return done, done.state.get_relation(3)


def test_rules_are_published_once_with_who_publishes_them():
    done, relation = publish(METRICS, LOGS)
    assert done.result is True
    data = {key: json.loads(value) for key, value in relation.local_app_data.items()}
    assert data['metadata'] == {
        'application': 'c',
        'charm_name': 'c-k8s',
        'model': 'm',
        'model_uuid': juju.UUID,
        'unit': 'c/0',
    }
    assert json.loads(cosl.LZMABase64.decompress(data['rules'])) == {
        'promql': {'groups': METRICS},
        'logql': {'groups': LOGS},
    }
    assert publish(METRICS, LOGS, relation)[0].result is False


def test_the_bytes_are_those_that_cosl_writes():
    content = json.dumps({'logql': {'groups': LOGS}, 'promql': {}}, sort_keys=True)
    assert otlp.compressed([], LOGS) == cosl.LZMABase64.compress(content)


def test_without_a_collector_nothing_is_compressed(monkeypatch):
    monkeypatch.setattr(otlp, 'compressed', None)
    done = act(
        lambda bags, charm: otlp.ensure_rules(
            bags, 'send-otlp', charm.app, REQUIRER, METRICS, LOGS
        )
    )
    assert done.result is False


def decompressed(relation):
    text = json.loads(relation.local_app_data['rules'])
    content = json.loads(lzma.decompress(base64.b64decode(text)))
    return {kind: [each['name'] for each in content[kind].get('groups', [])] for kind in content}


def test_without_room_an_application_loses_its_rules_on_metrics_and_on_logs(monkeypatch):
    metrics, logs = [*METRICS, group('new')], [*LOGS, group('new', 'l')]
    _, before = publish(METRICS, LOGS)
    monkeypatch.setattr(publication, 'MAX_BYTES', len(json.dumps([*metrics, *logs])) - 1)
    # Those who have rules keep them, wherever the new one stands.
    done, after = publish([metrics[-1], *METRICS], logs, before)
    assert decompressed(after) == {'promql': ['a_g', 'b_g'], 'logql': ['a_l']}
    (blocked,) = done.report.blocked
    assert blocked.startswith('[send-otlp] no room for the alert rules of new, ')
    assert blocked.endswith(': divide the workers among several coordinators')


NOT_RULES = [
    *('', '"', '1', '"!"', '"aGFsbG8="', 'null', '{}'),
    json.dumps(cosl.LZMABase64.compress('[]')),
    json.dumps(cosl.LZMABase64.compress('{"promql": 1}')),
]


@pytest.mark.parametrize('text', NOT_RULES)
def test_rules_of_which_nothing_can_be_read_are_nobodys(text):
    assert otlp._applications(text) == set()


# PyPI's charmlibs-interfaces-otlp on the other side


class Provider(ops.CharmBase):
    """A collector's charm."""

    def __init__(self, framework):
        super().__init__(framework)
        framework.observe(self.on.update_status, self._publish)

    def _publish(self, _):
        signals = ('logs', 'metrics', 'traces')
        charmlib.OtlpProvider(self, 'receive-otlp').add_endpoint(
            'grpc', 'http://otelcol:4317', signals, insecure=True
        ).add_endpoint('http', 'https://otelcol:4318', signals).publish()


def provider():
    meta = {'name': 'otelcol-k8s', 'provides': {'receive-otlp': {'interface': 'otlp'}}}
    return testing.Context(Provider, meta=meta, app_name='otelcol')


def provided(ctx, content):
    relation = testing.Relation('receive-otlp', remote_app_name='c', remote_app_data=content)
    return testing.State(leader=True, model=juju.MODEL, relations=[relation]), relation


def test_what_the_real_provider_publishes_is_understood():
    ctx = provider()
    state, relation = provided(ctx, {})
    after = ctx.run(ctx.on.update_status(), state).get_relation(relation.id)
    found, ignored = read(related('send-otlp', 'otelcol', databag=after.local_app_data))
    assert ignored == {}
    assert found == {
        'logs_grpc': 'http://otelcol:4317',
        'logs_http': 'https://otelcol:4318',
        'traces_grpc': 'http://otelcol:4317',
        'traces_http': 'https://otelcol:4318',
    }


def rendered(expr):
    groups = [{'name': 'g', 'rules': [{'alert': 'A', 'expr': expr}]}]
    return rules.render(groups, REQUIRER)


def test_the_real_provider_reads_the_rules():
    metrics = rendered('up{%%juju_topology%%} == 0')
    logs = rendered('count_over_time({%%juju_topology%%}[5m]) > 1')
    _, published = publish(metrics, logs)
    ctx = provider()
    state, relation = provided(ctx, published.local_app_data)
    with ctx(ctx.on.update_status(), state) as manager:
        found = charmlib.OtlpProvider(manager.charm, 'receive-otlp').rules[relation.id]
        manager.run()
    for store, ours in ((found.promql, metrics), (found.logql, logs)):
        assert [each['rules'] for each in store.as_dict()['groups']] == [
            each['rules'] for each in ours
        ]


def test_the_real_requirer_publishes_the_same_keys():
    """What COS's own charms write, ours do: keys, compression and who published."""
    _, ours = publish(METRICS, LOGS)

    class Requirer(ops.CharmBase):
        pass

    ctx = testing.Context(
        Requirer, meta={'name': 'c-k8s', 'requires': {'send-otlp': {'interface': 'otlp'}}}
    )
    relation = testing.Relation('send-otlp', remote_app_name='otelcol')
    state = testing.State(leader=True, model=juju.MODEL, relations=[relation])
    with ctx(ctx.on.update_status(), state) as manager:
        charmlib.OtlpRequirer(manager.charm).publish()
        theirs = manager.run().get_relation(relation.id)
    assert theirs.local_app_data.keys() == ours.local_app_data.keys()
    for key in ('metadata', 'rules'):
        mine, other = (json.loads(side.local_app_data[key]) for side in (ours, theirs))
        if key == 'rules':
            mine, other = (json.loads(cosl.LZMABase64.decompress(text)) for text in (mine, other))
        assert mine.keys() == other.keys()
