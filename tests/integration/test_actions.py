"""What the coordinator's actions say, held against the stores and against nginx."""

import json
from typing import Any

import pytest

import baseline
import deployment
import telemetry
from deployment import WORKER_CHARM
from model import Model, eventually
from podinfo import answering
from traffic import ask_all


def ask(model: Model, unit: str, action: str, **params: str) -> Any:
    """The answer of an action, for programs."""
    task = model.juju.run(unit, action, {'format': 'json', **params})
    (answer,) = task.results.values()
    return json.loads(answer)


@pytest.mark.parametrize('unit', baseline.COORDINATORS)
def test_what_flows_is_what_the_action_says(deployed: Model, unit: str) -> None:
    for _ in range(4):  # enough for each worker to get one
        for coordinator in baseline.COORDINATORS:
            ask_all(deployed, coordinator)

    def check() -> None:
        shown = ask(deployed, unit, 'show-telemetry')
        assert shown['leader'] == (unit == deployed.leader('coordinator'))
        assert [*shown['units']] == [*baseline.COORDINATORS, *sorted(baseline.WORKERS)]
        assert (shown['ignored'], shown['notes'], shown['left-out']) == ({}, [], 0)
        scraped = {one.labels['juju_unit']: one.url for one in deployed.stores.targets()
                   if one.labels.get('juju_unit') in baseline.UNITS}  # fmt: skip
        for name, flows in shown['units'].items():
            wanted = deployed.topology(name)
            traced = wanted['juju_charm'] == WORKER_CHARM
            for flow, cell in telemetry.cells(deployed.stores, wanted, traced=traced).items():
                said = flows[flow.replace('_', '-')]
                # A cell is None where nothing is expected, and so the action says why.
                assert bool(said['to']) == (cell is not None and cell.ok), (name, flow, cell, said)
                assert bool(said['why']) == (cell is None), (name, flow, said)
            assert flows['metrics']['at'] == [scraped[name]]
            assert flows['metrics']['to'] == ['prometheus']

    eventually(check)


@pytest.mark.parametrize('unit', baseline.COORDINATORS)
def test_the_own_log_targets_are_those_of_pebble(deployed: Model, unit: str) -> None:
    flows = ask(deployed, unit, 'show-telemetry', only=unit)['units'][unit]
    assert flows['workload-logs']['known'] == flows['charm-logs']['known'] == 'configured'
    assert flows['workload-logs']['to'] == deployed.log_targets(unit) != []
    assert flows['charm-logs']['to'] == deployed.log_targets(unit)


@pytest.mark.parametrize('unit', baseline.COORDINATORS)
def test_workers_are_listed_as_nginx_has_them(deployed: Model, unit: str) -> None:
    listed = ask(deployed, unit, 'list-workers')
    assert (listed['nginx-runs'], listed['outdated-hosts']) == (True, [])
    workers = listed['workers']
    assert {name for name, one in workers.items() if one['upstreams']} == (
        deployed.upstream_hosts(unit)
    )
    assert {name: one['roles'] for name, one in workers.items()} == {
        name: [name.partition('/')[0]] for name in baseline.WORKERS
    }


@pytest.mark.workload
@pytest.mark.parametrize('unit', baseline.COORDINATORS)
def test_the_workers_that_are_listed_answer(deployed: Model, unit: str) -> None:
    workers = ask(deployed, unit, 'list-workers')['workers']
    assert answering(deployed, unit, '/backend/') == {
        name.replace('/', '-') for name, one in workers.items() if one['upstreams'] == ['backend']
    }


def test_people_read_it_too(deployed: Model) -> None:
    task = deployed.juju.run(deployed.leader('coordinator'), 'show-telemetry')
    assert task.results['telemetry'].startswith('Asked coordinator/')
    assert 'frontend: 1 unit\n' in task.results['telemetry']
    task = deployed.juju.run(deployed.leader('coordinator'), 'list-workers')
    assert len(task.results['workers'].splitlines()) == 1 + len(baseline.WORKERS)


@pytest.mark.parametrize('params', [{'format': 'xml'}, {'form': 'json'}], ids=str)
def test_juju_refuses_what_the_action_does_not_declare(
    deployed: Model, params: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match='validation failed'):
        deployed.juju.run('coordinator/0', 'list-workers', params)


def test_what_stops_flowing_is_explained(deployed: Model) -> None:
    """The last of them: it takes the log store away."""
    leader = deployed.leader('coordinator')
    deployed.juju.remove_relation(*deployment.TELEMETRY['logging'])

    def check() -> None:
        for flows in ask(deployed, leader, 'show-telemetry')['units'].values():
            for name in ('workload-logs', 'charm-logs'):
                assert flows[name]['to'] == []
                assert flows[name]['why'] == (
                    'nothing is related to logging: juju integrate coordinator:logging LOKI'
                )
            assert flows['metrics']['to'] == ['prometheus']

    eventually(check)
