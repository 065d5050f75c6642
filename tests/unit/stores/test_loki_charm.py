"""The charm around the log store."""

import dataclasses
import json

import pytest
from ops import pebble, testing

from loki.src import charm

URL = 'http://loki-0.loki-endpoints.{}.svc.cluster.local:3100/insert/loki/api/v1/push'
GROUP = {'name': 'g', 'rules': [{'alert': 'A', 'expr': 'count_over_time({a="b"}[5m]) > 1'}]}


@pytest.fixture
def ctx():
    return testing.Context(charm.LokiCharm, app_name='loki')


def relation(app='coordinator', rules=None, **options):
    data = {
        'alert_rules': rules if isinstance(rules, str) else json.dumps({'groups': rules or []})
    }
    return testing.Relation(
        'logging', interface='loki_push_api', remote_app_name=app, remote_app_data=data, **options
    )


@pytest.fixture
def files(tmp_path):
    """The container's folder of rule files, which lasts from one event to the next."""
    return tmp_path


def state(files, *relations, can_connect=True):
    container = testing.Container(
        'loki',
        mounts={'rules': testing.Mount(location='/loki/rules/fake', source=files)},
        can_connect=can_connect,
        execs={testing.Exec(['/victoria-logs-prod', '-version'], stdout='victoria-logs-v1.51.1')},
    )
    return testing.State(containers={container}, relations=set(relations))


def started(ctx, files, *relations):
    before = state(files, *relations)
    return ctx.run(ctx.on.pebble_ready(before.get_container('loki')), before)


def test_each_unit_publishes_its_own_push_url_before_its_container_is_there(ctx, files):
    first = relation()
    before = state(files, first, can_connect=False)
    after = ctx.run(ctx.on.relation_created(first), before)
    endpoint = json.loads(after.get_relation(first.id).local_unit_data['endpoint'])
    assert endpoint == {'url': URL.format(after.model.name)}
    assert after.unit_status == testing.WaitingStatus('[loki] waiting for the container')


def test_it_starts(ctx, files):
    after = started(ctx, files)
    container = after.get_container('loki')
    assert container.service_statuses == {'loki': pebble.ServiceStatus.ACTIVE}
    assert '-loki.disableMessageParsing' in container.plan.services['loki'].command
    assert after.opened_ports == {testing.TCPPort(3100)}
    assert after.workload_version == '1.51.1'
    assert after.unit_status == testing.ActiveStatus()


def test_a_unit_that_is_going_publishes_nothing(ctx, files):
    first = relation('loki')  # so that the unit that departs can be given this one's name
    before = state(files, first)
    after = ctx.run(ctx.on.relation_departed(first, remote_unit=0, departing_unit=0), before)
    assert 'endpoint' not in after.get_relation(first.id).local_unit_data


def test_rules_are_kept_as_files_and_go_with_their_relation(ctx, files):
    first, second = relation('a', [GROUP]), relation('b', [GROUP])
    before = started(ctx, files, first, second)
    names = [f'{r.remote_app_name}_logging_{r.id}_alert.rules' for r in (first, second)]
    assert sorted(path.name for path in files.iterdir()) == names
    assert json.loads((files / names[0]).read_text()) == {'groups': [GROUP]}
    ctx.run(ctx.on.relation_broken(before.get_relation(first.id)), before)
    assert [path.name for path in files.iterdir()] == names[1:]


@pytest.mark.parametrize(
    ('rules', 'line'),
    [
        ('{', 'alert_rules hold no rule groups'),
        ('[]', 'alert_rules hold no rule groups'),
        ('{"groups": 7}', 'alert_rules hold no rule groups'),
        ('[' * 100_000, 'alert_rules hold no rule groups'),
        ([{'name': 'g', 'rules': []}], 'rule group g has no rules'),
        ([{'rules': []}], 'rule group 0 has no name'),
        ([{'name': 'a\ud800\0\nb', 'rules': []}], 'rule group a???b has no rules'),
        ([{'name': 'g', 'rules': [{}]}], 'rule group g has a rule without expr'),
    ],
)
def test_rules_that_would_crash_cos_are_left_out_and_named(ctx, files, rules, line):
    after = started(ctx, files, relation('bad', rules), relation('good', [GROUP]))
    assert [path.name[:5] for path in files.iterdir()] == ['good_']
    assert after.unit_status == testing.ActiveStatus(f'left out: bad: {line}')


def test_a_hook_with_nothing_to_do_writes_nothing(ctx, files, monkeypatch):
    before = started(ctx, files, relation(rules=[GROUP]))

    def push(*args, **options):
        raise AssertionError('written')

    monkeypatch.setattr('ops.Container.push', push)
    monkeypatch.setattr('ops.Container.replan', push)
    after = ctx.run(ctx.on.update_status(), before)
    assert dataclasses.asdict(after)['relations'] == dataclasses.asdict(before)['relations']
