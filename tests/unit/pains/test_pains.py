"""What hurts in the field, by number, and for each pain a test that fails without its behaviour.

Each pain is quoted as it was collected from the issue trackers of COS charms. More cases of the
same behaviours are in the folders lib, coordinator and worker.
"""

import dataclasses
import http.server
import json
import logging
import os
import subprocess
import threading
import time
from pathlib import Path
from unittest import mock

import ops
import pytest
from ops import pebble, testing

import charms
import hostile
import juju
import nginxconf
import relabelling
from coordinated_telemetry import charm_log, rules, topology
from coordinator import scene as coordinators
from worker import scene as workers


def test_every_pain_has_its_test():
    numbers = {int(name[10:12]) for name in globals() if name.startswith('test_pain_')}
    assert numbers == {*range(1, 23)} - {19}  # which has a file of its own


@pytest.fixture
def unit(tmp_path):
    """A unit of the coordinator."""
    return coordinators.Coordinator(tmp_path / 'coordinator')


@pytest.fixture
def worker(tmp_path):
    """A unit of a worker."""
    return workers.Worker(tmp_path / 'worker')


def scraped(state, relation=14):
    """Target → labels, as they are in the scraper."""
    return relabelling.scraped(state.get_relation(relation))


def alerts(state, relation=14):
    """The alert rules that a store gets."""
    groups = json.loads(state.get_relation(relation).local_app_data['alert_rules'])['groups']
    return [rule for group in groups for rule in group['rules']]


def watched(state, relation=14):
    """The applications that the alert rules watch."""
    return {rule['labels']['juju_application'] for rule in alerts(state, relation)}


def servers(unit, role):
    """The servers that nginx balances a role over."""
    return {
        server.words[1]
        for http in nginxconf.parse(unit.config)
        for upstream in http.block or ()
        if upstream.words == ('upstream', role)
        for server in upstream.block or ()
        if server.words[0] == 'server'
    }


def workload(unit_name):
    """Where a worker's workload is."""
    return f'{coordinators.host(unit_name)}:9898'


def without(state, number, unit_number):
    """The state without a unit of a relation."""
    relation = state.get_relation(number)
    units = {n: d for n, d in relation.remote_units_data.items() if n != unit_number}
    return coordinators.replaced(state, dataclasses.replace(relation, remote_units_data=units))


def changed(unit, state):
    """The state after config-changed, in which everything is read."""
    return unit.ctx.run(unit.ctx.on.config_changed(), state)


# 1. After scale-down or removal, scrape targets, upstreams and rules stay; the leaver is still in
# relation.units during departed.


def test_pain_01_in_its_own_departed_hook_a_worker_is_gone_everywhere(unit):
    deployment = [coordinators.workers('w', units=[0, 1], id=11), coordinators.scraper(id=14)]
    before = unit.update_status(unit.state(*deployment))
    assert workload('w/1') in scraped(before)
    event = unit.ctx.on.relation_departed(before.get_relation(11), remote_unit=1, departing_unit=1)
    after = unit.ctx.run(event, before)
    assert servers(unit, 'frontend') == {workload('w/0')}
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
    assert servers(unit, 'frontend') == servers(unit, 'backend') == set()
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


# 8. Same state, different output order in each process: databags churn, nginx reloads.


def test_pain_08_units_in_another_order_change_nothing(unit, calls):
    """test_the_same_state_gives_the_same_bytes_… does it in six processes."""
    forwards = coordinators.workers('w', units=range(20), id=11)
    scraper = coordinators.scraper(id=14)
    state = unit.update_status(unit.state(forwards, scraper))
    calls.clear()
    units = forwards.remote_units_data
    backwards = {number: units[number] for number in sorted(units, reverse=True)}
    relation = dataclasses.replace(state.get_relation(11), remote_units_data=backwards)
    changed(unit, coordinators.replaced(state, relation))
    assert calls.changes() == []


# 9. `address` or a URL from a databag breaks out of nginx.conf.


@pytest.mark.parametrize('case', ['a second server', 'a second server on its line', 'variable'])
def test_pain_09_an_address_cannot_break_out_of_the_configuration(unit, case):
    evil = coordinators.worker_unit('w/1', address=hostile.NOT_HOSTS[case])
    unit.update_status(unit.state(coordinators.workers('w', databags={1: evil})))
    (http,) = [d for d in nginxconf.parse(unit.config) if d.words == ('http',)]
    listening = [
        listen.words[1]
        for server in http.block or ()
        if server.words == ('server',)
        for listen in server.block or ()
        if listen.words[0] == 'listen'
    ]
    assert {address.rpartition(':')[2] for address in listening} == {'8080', '8081'}
    assert servers(unit, 'frontend') == {workload('w/0')}


# 10. One worker with an empty, IPv6, host:port or 1 MB address makes nginx.conf invalid for all; a
# failing reload is an uncaught exception.


@pytest.mark.parametrize(
    'case', ['empty', 'IPv6 in brackets and port', 'host:port', 'one megabyte', 'null byte']
)
def test_pain_10_a_worker_with_a_bad_address_is_ignored_alone_and_named(unit, case):
    bad = coordinators.worker_unit('w/1', address=hostile.NOT_HOSTS[case])
    after = unit.update_status(unit.state(coordinators.workers('w', databags={1: bad})))
    assert servers(unit, 'frontend') == {workload('w/0')}
    assert 'ignored: w/1 (' in after.unit_status.message


def test_pain_10_an_ipv6_address_is_served(unit):
    good = coordinators.worker_unit('w/1', address='fd00::1')
    unit.update_status(unit.state(coordinators.workers('w', databags={1: good})))
    assert servers(unit, 'frontend') == {workload('w/0'), '[fd00::1]:9898'}


def test_pain_10_a_configuration_that_nginx_refuses_is_not_activated_and_shows(unit):
    running = unit.update_status(unit.state(coordinators.workers('w', id=11)))
    before = unit.config
    container = running.get_container('nginx')
    refusing = dataclasses.replace(container, execs=unit.nginx(refuses='[emerg] oops').execs)
    others = [other for other in running.containers if other.name != 'nginx']
    state = coordinators.replaced(
        running, coordinators.workers('w', units=[0, 1], id=11), containers=[refusing, *others]
    )
    after = changed(unit, state)
    assert unit.config == before
    assert after.unit_status == testing.BlockedStatus(
        '[nginx] cannot use the new configuration: [emerg] oops'
    )


def test_pain_10_a_reload_that_fails_is_no_uncaught_exception_and_is_made_good(unit):
    running = unit.update_status(unit.state(coordinators.workers('w', id=11)))
    container = running.get_container('nginx')
    failing = {e for e in container.execs if e.command_prefix[:2] != ('nginx', '-s')}
    failing.add(testing.Exec(['nginx', '-s'], return_code=1, stderr='oops'))
    others = [other for other in running.containers if other.name != 'nginx']
    state = coordinators.replaced(
        running,
        coordinators.workers('w', units=[0, 1], id=11),
        containers=[dataclasses.replace(container, execs=failing), *others],
    )
    failed = changed(unit, state)
    assert failed.unit_status == testing.WaitingStatus(
        '[nginx] not configured yet: juju debug-log'
    )
    mended = dataclasses.replace(failed.get_container('nginx'), execs=container.execs)
    unit.ctx.exec_history.clear()
    changed(unit, dataclasses.replace(failed, containers=[mended, *others]))
    commands = [execution.command[:2] for execution in unit.ctx.exec_history['nginx']]
    assert ['nginx', '-s'] in commands


# 11. Invalid JSON, missing url, bad port, non-http URL, unknown secret id in a databag: uncaught
# exceptions.


@pytest.mark.parametrize(
    'databag',
    [
        {'endpoint': '{'},
        {'endpoint': '{}'},
        {'endpoint': '{"url": "http://loki:99999/push"}'},
        {'endpoint': '{"url": "ftp://loki/push"}'},
    ],
)
def test_pain_11_a_bad_endpoint_is_ignored_and_no_exception(unit, databag):
    after = unit.update_status(unit.state(coordinators.loki(databags={1: databag}, id=15)))
    targets = juju.enabled_log_targets(after.get_container('nginx'))
    assert list(targets) == [coordinators.push_url('loki/0')]


def test_pain_11_an_unknown_secret_is_not_even_asked_for(worker):
    databag = {**workers.published(), 'privkey_secret_id': '"secret:d0000000000000000000"'}
    after = worker.update_status(worker.state(workers.coordinator(databag)))
    assert isinstance(after.unit_status, testing.ActiveStatus)


# 12. A required role with zero units counts as coherent; unknown roles accepted.


def test_pain_12_a_role_counts_by_the_units_that_published(unit):
    no_units = coordinators.workers('b', 'backend', units=[], id=12)
    deployment = [coordinators.workers('f', 'frontend', id=11), no_units]
    after = unit.update_status(unit.state(*deployment))
    assert after.unit_status == testing.BlockedStatus('[cluster] missing roles: backend')


def test_pain_12_an_unknown_role_is_refused_and_named(unit):
    deployment = [coordinators.workers('f', id=11), coordinators.workers('b', 'backened', id=12)]
    after = unit.update_status(unit.state(*deployment))
    assert servers(unit, 'backend') == {workload('f/0')}
    assert 'ignored: b (unknown role "backened"' in after.unit_status.message


# 13. An application can claim another's identity in its databag.


@pytest.mark.parametrize(
    'topology_claimed',
    [
        {'application': 'victim', 'unit': 'victim/0'},
        {'application': 'victim', 'unit': 'w/1'},
        {'application': 'w', 'unit': 'w/0'},
    ],
)
def test_pain_13_nobody_can_be_somebody_else(unit, topology_claimed):
    claimed = {**topology_claimed, 'charm_name': 'worker-k8s'}
    liar = coordinators.worker_unit('w/1', juju_topology=claimed)
    deployment = [
        coordinators.workers('victim', id=10),
        coordinators.workers('w', databags={1: liar}, id=11),
        coordinators.scraper(id=14),
    ]
    after = unit.update_status(unit.state(*deployment))
    units = sorted(labels['juju_unit'] for labels in scraped(after).values())
    assert units == ['coordinator/0', 'victim/0', 'w/0']
    assert 'ignored: w/1 (claims to be ' in after.unit_status.message


# 14. 1,000 workers: 14 s per hook, all units re-parsed per worker; N+12 relation-get per hook.


def test_pain_14_an_event_costs_the_same_with_a_thousand_workers(tmp_path, calls):
    costs, seconds = [], 0.0
    for number in (2, 1000):
        unit = coordinators.Coordinator(tmp_path / str(number))
        relation = coordinators.workers('w', units=range(number), id=11)
        state = unit.update_status(unit.state(relation, coordinators.scraper(id=14)))
        calls.clear()
        event = unit.ctx.on.relation_changed(state.get_relation(11), remote_unit=1)
        started = time.process_time()
        unit.ctx.run(event, state)
        seconds = time.process_time() - started
        costs.append(len(calls.hook_tools()))
    assert costs[0] == costs[1]
    assert seconds < 2  # typically 0.05; the closest existing library takes 14


# 15. A hook with nothing to do runs 60-80 hook tools and ~140 juju-log processes, 8-9 relation-set
# without a net change.


def test_pain_15_a_hook_with_nothing_to_do_is_quiet(unit, worker, calls):
    charms_and_budgets = [
        (unit, unit.state(*coordinators.deployment()), 40),
        (worker, worker.state(*workers.deployment()), 15),
    ]
    for charm, state, budget in charms_and_budgets:
        settled = charm.update_status(state)
        calls.clear()
        charm.update_status(settled)
        assert calls.changes() == []
        assert calls.hook_tools().count('juju-log') <= 3
        assert len([tool for tool in calls.hook_tools() if tool != 'juju-log']) <= budget


# 16. Restart loops: reconcile on check-failed, layers compared with services that are not ours,
# config absent for a moment stops the workload.


def test_pain_16_a_failed_check_restarts_nothing(worker, calls):
    running = worker.update_status(worker.state(workers.coordinator()))
    container = running.get_container('workload')
    (check,) = container.check_infos
    down = dataclasses.replace(check, failures=3, status=pebble.CheckStatus.DOWN)
    container = dataclasses.replace(container, check_infos={down})
    calls.clear()
    event = worker.ctx.on.pebble_check_failed(container, info=down)
    worker.ctx.run(event, dataclasses.replace(running, containers=[container]))
    assert calls.changes() == []


def test_pain_16_services_of_others_in_the_plan_restart_nothing(unit, worker, calls):
    other = pebble.Layer({'services': {'other': {'override': 'replace', 'command': 'sleep 9'}}})
    for charm, state, name in (
        (unit, unit.state(coordinators.workers('w')), 'nginx'),
        (worker, worker.state(workers.coordinator()), 'workload'),
    ):
        running = charm.update_status(state)
        container = running.get_container(name)
        layers = {**container.layers, 'other': other}
        others = [c for c in running.containers if c.name != name]
        containers = [dataclasses.replace(container, layers=layers), *others]
        calls.clear()
        charm.update_status(dataclasses.replace(running, containers=containers))
        assert calls.changes() == []


def test_pain_16_a_worker_keeps_running_while_its_configuration_is_absent(worker, calls):
    running = worker.update_status(worker.state(workers.coordinator(id=21)))
    calls.clear()
    absent = dataclasses.replace(running.get_relation(21), remote_app_data={})
    after = changed(worker, dataclasses.replace(running, relations=[absent]))
    assert calls.changes() == []
    assert after.get_container('workload') == running.get_container('workload')


# 17. Blocked while merely settling; statuses that flap or say nothing to act on.


def test_pain_17_what_passes_by_itself_is_waiting(unit, worker):
    settling = coordinators.workers('w', None, units=[], databags={0: {}})
    assert isinstance(unit.update_status(unit.state(settling)).unit_status, testing.WaitingStatus)
    related = worker.update_status(worker.state(workers.coordinator({})))
    assert isinstance(related.unit_status, testing.WaitingStatus)


def test_pain_17_what_is_blocked_names_the_command_to_run(unit, worker):
    for charm, state, command in (
        (unit, unit.state(), 'juju integrate coordinator:cluster WORKER'),
        (unit, unit.state(config={'log-level': 'loud'}), 'juju config coordinator'),
        (worker, worker.state(), 'juju integrate worker:cluster COORDINATOR'),
        (worker, worker.state(config={'role-all': False}), 'juju config worker role-all=true'),
    ):
        status = charm.update_status(state).unit_status
        assert isinstance(status, testing.BlockedStatus)
        assert command in status.message


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


# 19. TLS falls back to plain HTTP whenever a worker is added, …: comes with the certificates.

# 20. Traces to https without a CA: error storms.


def test_pain_20_traces_to_tls_without_a_ca_are_not_sent_and_the_status_says_so(unit, worker):
    https = {'otlp_http': 'https://tempo:4318', 'otlp_grpc': 'tempo:4317'}
    tempo = coordinators.tempo('charm-tracing', [coordinators.receiver('otlp_http', 'https://t')])
    databag = workers.published(charm_tracing_receivers=https, workload_tracing_receivers=https)
    with mock.patch.object(ops.tracing, 'set_destination', autospec=True) as set_destination:
        coordinator = unit.update_status(unit.state(coordinators.workers('w'), tempo))
        running = worker.update_status(worker.state(workers.coordinator(databag)))
    assert set_destination.mock_calls == [mock.call(url=None, ca=None)] * 2
    assert 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT' not in workers.service(running)['environment']
    assert 'charm traces are not sent: no CA certificate' in coordinator.unit_status.message
    assert 'charm traces are not sent: no CA certificate' in running.unit_status.message
    assert 'workload traces are not sent: no CA certificate' in running.unit_status.message


def test_pain_20_that_traces_are_not_sent_is_said_once(unit, worker):
    https = {'otlp_http': 'https://tempo:4318', 'otlp_grpc': 'tempo:4317'}
    tempo = coordinators.tempo('charm-tracing', [coordinators.receiver('otlp_http', 'https://t')])
    databag = workers.published(charm_tracing_receivers=https, workload_tracing_receivers=https)
    for charm, state, said in (
        (unit, unit.state(tempo), 'charm traces are not sent: no CA certificate for https://t'),
        (
            worker,
            worker.state(workers.coordinator(databag)),
            (
                'charm traces are not sent: no CA certificate for https://tempo:4318; '
                'workload traces are not sent: no CA certificate for tempo:4317'
            ),
        ),
    ):
        for _ in range(3):
            state = charm.update_status(state)
        assert juju.warnings(charm.ctx) == [said]


# 21. Every log record of a charm is one HTTP request without a time limit.


def test_pain_21_a_dispatch_makes_one_push_for_all_its_records(tmp_path, caplog):
    pushes = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            pushes.append(json.loads(self.rfile.read(int(self.headers['Content-Length']))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format, *args):
            pass

    caplog.set_level(logging.INFO)
    unit = topology.Topology('m', juju.UUID, 'w', 'w/0', 'w-k8s')
    with http.server.HTTPServer(('127.0.0.1', 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with charm_log.CharmLog(tmp_path / 'log') as log:
            log.send_to([f'http://127.0.0.1:{server.server_port}/push'], unit)
            for number in range(100):
                logging.getLogger('charm').info('line %d', number)
        server.shutdown()
        thread.join()
    (push,) = pushes
    (stream,) = push['streams']
    assert stream['stream'] == unit.labels
    assert len(stream['values']) == 100


# 22. Integration tests need a cluster, take an hour, flake.


def test_pain_22_the_local_juju_needs_nothing_of_a_cluster(tmp_path):
    program = charms.ROOT / 'tests' / 'localjuju' / 'bin' / 'juju'
    environment = {'PATH': os.environ['PATH'], 'HOME': str(tmp_path)}
    done = subprocess.run([program, 'version'], env=environment, capture_output=True, text=True)
    assert done.stderr == ''
    assert done.stdout.startswith('3.6.')


def test_pain_22_the_same_tests_run_on_either_juju():
    tests = sorted((charms.ROOT / 'tests' / 'integration').glob('test_*.py'))
    assert tests
    for path in tests:
        text = Path(path).read_text()
        assert not [word for word in ('kubectl', 'localjuju', 'IS_LOCAL') if word in text]
