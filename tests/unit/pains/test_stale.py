"""What is gone stays, and what is there gets lost: pains 1 to 4."""

import dataclasses
import json

from ops import testing

import juju
from coordinator import scene as coordinators
from pains.found import changed, scraped, servers, watched, without, workload
from worker import scene as workers

# 1. After scale-down or removal, scrape targets, upstreams and rules stay; the leaver is still in
# relation.units during departed.


def test_pain_01_in_its_own_departed_hook_a_worker_is_gone_everywhere(unit):
    deployment = [coordinators.workers('w', units=[0, 1], id=11), coordinators.scraper(id=14)]
    before = unit.update_status(unit.state(*deployment))
    assert workload('w/1') in scraped(before)
    event = unit.ctx.on.relation_departed(before.get_relation(11), remote_unit=1, departing_unit=1)
    after = unit.ctx.run(event, before)
    assert servers(unit, 'gate') == {workload('w/0')}
    assert workload('w/1') not in scraped(after)


def test_pain_01_a_removed_application_leaves_no_target_upstream_or_rule(unit):
    deployment = [
        coordinators.workers('w', units=[0, 1], id=11),
        coordinators.scraper(id=14),
        coordinators.loki(id=15),
    ]
    before = unit.update_status(unit.state(*deployment))
    assert watched(before) == watched(before, 15) == {'coordinator', 'w'}
    after = unit.ctx.run(unit.ctx.on.relation_broken(before.get_relation(11)), before)
    assert servers(unit, 'gate') == servers(unit, 'vault') == set()
    assert {labels['juju_application'] for labels in scraped(after).values()} == {'coordinator'}
    assert watched(after) == watched(after, 15) == {'coordinator'}


def test_pain_01_a_leader_that_is_removed_does_not_publish_that_all_others_are_gone(unit, calls):
    before = unit.update_status(unit.state(*coordinators.deployment()))
    calls.clear()
    state = without(before, 11, 2)
    with juju.variables(JUJU_DEPARTING_UNIT='coordinator/0'):
        event = unit.ctx.on.relation_departed(state.get_relation(11), remote_unit=2)
        dying = unit.ctx.run(event, state)
    unit.ctx.run(unit.ctx.on.relation_broken(dying.get_relation(11)), dying)
    assert calls.of('relation-set') == []


# 2. Log targets gone after pod churn: the plan is empty, and there is no relation-changed.


def test_pain_02_log_targets_come_back_with_a_new_pod(unit, worker):
    relation = coordinators.loki(id=15)
    before = unit.update_status(unit.state(relation))
    fresh = testing.Container('nginx-prometheus-exporter', can_connect=True)
    state = dataclasses.replace(before, containers=[unit.nginx(), fresh])
    after = unit.ctx.run(unit.ctx.on.pebble_ready(fresh), state)
    for container in after.containers:
        assert list(juju.enabled_log_targets(container)) == [coordinators.push_url('loki/0')]

    running = worker.update_status(worker.state(workers.coordinator()))
    fresh = worker.container()
    state = dataclasses.replace(running, containers=[fresh])
    after = worker.ctx.run(worker.ctx.on.pebble_ready(fresh), state)
    targets = juju.enabled_log_targets(after.get_container('workload'))
    assert set(targets) == {workers.push_url('loki/0'), workers.push_url('loki/1')}


# 3. The last log target stays for ever when Loki goes.


def test_pain_03_the_last_log_target_is_disabled_when_loki_goes(unit, worker):
    before = unit.update_status(unit.state(coordinators.loki(id=15)))
    after = unit.ctx.run(unit.ctx.on.relation_broken(before.get_relation(15)), before)
    for container in after.containers:
        assert juju.enabled_log_targets(container) == {}
        assert container.plan.log_targets

    running = worker.update_status(worker.state(workers.coordinator(id=21)))
    relation = dataclasses.replace(
        running.get_relation(21), remote_app_data=workers.published(loki_endpoints=None)
    )
    after = changed(worker, dataclasses.replace(running, relations=[relation]))
    assert juju.enabled_log_targets(after.get_container('workload')) == {}


# 4. A second Loki unit without data yet switches logging off for all.


def test_pain_04_a_loki_unit_without_data_takes_nothing_from_the_others(unit):
    before = unit.update_status(
        unit.state(coordinators.workers('w', id=11), coordinators.loki(id=15))
    )
    joined = coordinators.loki(databags={1: {}}, id=15)
    event = unit.ctx.on.relation_joined(joined, remote_unit=1)
    after = unit.ctx.run(event, coordinators.replaced(before, joined))
    url = coordinators.push_url('loki/0')
    assert list(juju.enabled_log_targets(after.get_container('nginx'))) == [url]
    published = after.get_relation(11).local_app_data['loki_endpoints']
    assert json.loads(published) == {'loki/0': url}
