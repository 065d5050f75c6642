"""The charm around the trace store."""

import json

import pytest
from ops import pebble, testing

from tempo.src import charm

HTTP = {
    'protocol': {'name': 'otlp_http', 'type': 'http'},
    'url': 'http://tempo.m.svc.cluster.local:4318',
}
GRPC = {
    'protocol': {'name': 'otlp_grpc', 'type': 'grpc'},
    'url': 'tempo.m.svc.cluster.local:4317',
}


@pytest.fixture
def ctx():
    return testing.Context(charm.TempoCharm, app_name='tempo')


def relation(receivers=None, app='coordinator'):
    data = {}
    if receivers is not None:
        data['receivers'] = receivers if isinstance(receivers, str) else json.dumps(receivers)
    return testing.Relation(
        'tracing', interface='tracing', remote_app_name=app, remote_app_data=data
    )


def state(*relations, leader=True, can_connect=True):
    container = testing.Container(
        'tempo',
        can_connect=can_connect,
        execs={testing.Exec([charm.BINARY, 'version'], stdout='{"gitVersion":"v1.62.0"}')},
    )
    return testing.State(
        containers={container},
        relations=set(relations),
        leader=leader,
        model=testing.Model('m'),
    )


def published(after, first):
    text = after.get_relation(first.id).local_app_data.get('receivers')
    return json.loads(text) if text else None


@pytest.mark.parametrize(
    ('asked', 'answer'),
    [
        (None, [HTTP]),
        ([], [HTTP]),
        (['otlp_http'], [HTTP]),
        (['otlp_grpc'], [GRPC, HTTP]),
        (['otlp_grpc', 'otlp_http'], [GRPC, HTTP]),
        (['zipkin'], [HTTP]),
    ],
)
def test_what_is_asked_for_and_can_be_had_is_answered(ctx, asked, answer):
    first = relation(asked)
    after = ctx.run(ctx.on.relation_changed(first), state(first))
    assert published(after, first) == answer
    assert after.unit_status == testing.ActiveStatus()


def test_all_requirers_are_told_of_what_any_asks_for(ctx):
    first, second = relation(['otlp_http'], 'a'), relation(['otlp_grpc'], 'b')
    after = ctx.run(ctx.on.relation_changed(second), state(first, second))
    assert published(after, first) == published(after, second) == [GRPC, HTTP]


@pytest.mark.parametrize(
    'asked', ['{', '7', '"otlp_grpc"', '["otlp_grpc", "x"]', '[[]]', '[' * 10**5]
)
def test_a_request_that_cos_would_not_read_is_disregarded_and_named(ctx, asked):
    first, second = relation(asked, 'bad'), relation(['otlp_http'], 'good')
    after = ctx.run(ctx.on.relation_changed(first), state(first, second))
    assert published(after, first) == published(after, second) == [HTTP]
    assert after.unit_status == testing.ActiveStatus('not understood: receivers of bad')


def test_only_the_leader_answers(ctx):
    first = relation(['otlp_http'])
    after = ctx.run(ctx.on.relation_changed(first), state(first, leader=False))
    assert published(after, first) is None


def test_a_new_leader_answers_what_was_asked_before(ctx):
    first = relation(['otlp_grpc'])
    after = ctx.run(ctx.on.leader_elected(), state(first))
    assert published(after, first) == [GRPC, HTTP]


def test_it_starts(ctx):
    before = state()
    after = ctx.run(ctx.on.pebble_ready(before.get_container('tempo')), before)
    container = after.get_container('tempo')
    assert container.service_statuses == {'tempo': pebble.ServiceStatus.ACTIVE}
    assert after.opened_ports == {testing.TCPPort(port) for port in (4317, 4318, 16686)}
    assert after.workload_version == '1.62.0'
    assert after.unit_status == testing.ActiveStatus()


def test_it_waits_for_its_container(ctx):
    after = ctx.run(ctx.on.update_status(), state(can_connect=False))
    assert after.unit_status == testing.WaitingStatus('[tempo] waiting for the container')


def test_a_hook_with_nothing_to_do_writes_nothing(ctx, monkeypatch):
    first = relation(['otlp_grpc'])
    before = state(first)
    before = ctx.run(ctx.on.pebble_ready(before.get_container('tempo')), before)

    def written(*args, **options):
        raise AssertionError('written')

    monkeypatch.setattr('ops.Container.replan', written)
    monkeypatch.setattr('ops.RelationDataContent.__setitem__', written)
    ctx.run(ctx.on.update_status(), before)
