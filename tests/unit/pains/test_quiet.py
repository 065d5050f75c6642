"""What hooks cost, and what they disturb: pains 8, 14 to 16 and 21."""

import dataclasses
import http.server
import json
import logging
import threading
import time

from ops import pebble

import juju
from coordinated_telemetry import charm_log, topology
from coordinator import scene as coordinators
from pains.found import changed
from worker import scene as workers

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
    # Juju is asked about each endpoint, related or not.
    meta = coordinators.SPECIFICATION['meta']
    endpoints = [name for side in ('provides', 'requires', 'peers') for name in meta[side]]
    charms_and_budgets = [
        (unit, unit.state(*coordinators.deployment()), 32 + len(endpoints)),
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
