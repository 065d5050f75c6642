"""Whose a sample, a line, a span and an alert is: pains 5 to 7 and 18."""

import dataclasses

import juju
from coordinated_telemetry import rules, topology
from coordinator import scene as coordinators
from pains.found import alerts, scraped, workload
from worker import scene as workers

# 5. Labels differ between signals (charm / juju_charm, unit / juju_unit).


def test_pain_05_the_labels_of_a_worker_are_the_same_on_all_three_signals(unit, worker):
    """What the worker publishes goes to the coordinator, and the other way round."""
    related = workers.coordinator({}, id=21)
    first = worker.update_status(worker.state(related)).get_relation(21)
    relation = coordinators.workers(
        'worker', databag=first.local_app_data, databags={0: first.local_unit_data}, id=11
    )
    stores = [
        coordinators.scraper(id=14),
        coordinators.loki(id=15),
        coordinators.tempo('workload-tracing', id=18),
    ]
    after = unit.update_status(unit.state(relation, *stores))
    on_metrics = scraped(after)[workload('worker/0')]
    back = dataclasses.replace(first, remote_app_data=after.get_relation(11).local_app_data)
    running = worker.update_status(worker.state(back))
    (on_logs,) = juju.enabled_log_targets(running.get_container('workload')).values()
    attributes = workers.service(running)['environment']['OTEL_RESOURCE_ATTRIBUTES']
    on_traces = dict(pair.split('=', 1) for pair in attributes.split(','))
    assert on_metrics == on_logs == on_traces
    assert on_metrics.keys() == {*topology.LABELS}
    assert on_metrics['juju_charm'] == 'worker-k8s'


def test_pain_05_the_labels_of_a_coordinator_are_the_same_on_metrics_and_logs(unit):
    after = unit.update_status(unit.state(coordinators.scraper(id=14), coordinators.loki(id=15)))
    (on_metrics,) = scraped(after).values()
    for container in after.containers:
        (on_logs,) = juju.enabled_log_targets(container).values()
        assert on_logs == on_metrics
    assert on_metrics.keys() == {*topology.LABELS}


# 6. Worker rules carry the coordinator's topology, HostDown never fires for a worker.


def test_pain_06_each_worker_application_has_rules_of_its_own(unit):
    deployment = [coordinators.workers('a', id=11), coordinators.workers('b', id=12)]
    after = unit.update_status(unit.state(*deployment, coordinators.scraper(id=14)))
    down = {
        rule['labels']['juju_application']: rule
        for rule in alerts(after)
        if rule['alert'] == 'HostDown'
    }
    assert down.keys() == {'coordinator', 'a', 'b'}
    for application, rule in down.items():
        assert f'juju_application="{application}"' in rule['expr']
        assert rule['expr'].count('juju_application=') == 1
    assert down['a']['labels']['juju_charm'] == 'worker-k8s'


# 7. Exporters of several nginx units share all labels.


def test_pain_07_each_exporter_has_the_labels_of_its_own_unit(unit):
    after = unit.update_status(unit.state(coordinators.scraper(id=14), coordinators.peers([1, 2])))
    found = {labels['juju_unit']: target for target, labels in scraped(after).items()}
    assert found == {
        f'coordinator/{number}': f'{coordinators.host(f"coordinator/{number}")}:9113'
        for number in range(3)
    }


# 18. One bad rule group blocks all rules.


def test_pain_18_a_bad_rule_group_is_ignored_alone_and_named(tmp_path):
    (tmp_path / 'own.rules').write_text(
        'groups:\n'
        '- {name: good, rules: [{alert: A, expr: "up{%%juju_topology%%} == 0"}]}\n'
        '- {name: bad, rules: [{alert: B, expr: "up{%%juju_topology%%} == 0", for: soon}]}\n'
        '- {name: empty, rules: []}\n'
    )
    loaded = rules.load(tmp_path)
    assert [group['name'] for group in loaded.groups] == ['good']
    assert [fault.split(': ')[1] for fault in loaded.faults] == ['bad', 'empty']
