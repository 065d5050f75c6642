"""What the coordinator publishes and configures, byte for byte."""

import json
from pathlib import Path

import ops
import pytest
from ops import testing

import golden
import juju
import relabelling
from coordinator import scene

GOLDEN = Path(__file__).parent / 'golden'
ENDPOINTS = {
    11: 'cluster',
    14: 'metrics-endpoint',
    15: 'logging',
    17: 'charm-tracing',
    18: 'workload-tracing',
    19: 'peers',
}


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


@pytest.fixture
def published(unit):
    return unit.update_status(unit.state(*scene.deployment()))


@pytest.mark.parametrize('relation', ENDPOINTS, ids=ENDPOINTS.get)
def test_the_leader_publishes_for_the_application(published, relation):
    content = published.get_relation(relation).local_app_data
    golden.check(GOLDEN / f'{ENDPOINTS[relation]}.app.txt', golden.databag(content))


@pytest.mark.parametrize('relation', ENDPOINTS, ids=ENDPOINTS.get)
def test_each_unit_publishes_for_itself(published, relation):
    content = published.get_relation(relation).local_unit_data
    golden.check(GOLDEN / f'{ENDPOINTS[relation]}.unit.txt', golden.databag(content))


@pytest.mark.parametrize('container', ['nginx', 'nginx-prometheus-exporter'])
def test_the_plan_of_each_container(published, container):
    plan = published.get_container(container).plan.to_dict()
    golden.check(GOLDEN / f'{container}.plan.yaml', golden.layer(plan))


def test_a_unit_that_does_not_lead_publishes_and_configures_its_own(unit, published, tmp_path):
    (tmp_path / 'other').mkdir()
    other = scene.Coordinator(tmp_path / 'other')
    after = other.update_status(other.state(*scene.deployment(), leader=False))
    assert other.config == unit.config
    for relation in ENDPOINTS:
        unit_data = after.get_relation(relation).local_unit_data
        assert unit_data == published.get_relation(relation).local_unit_data
    for container in ('nginx', 'nginx-prometheus-exporter'):
        assert after.get_container(container).plan == published.get_container(container).plan


def test_workers_are_in_the_order_of_applications_and_numbers(unit):
    state = unit.state(scene.workers('b', units=[10, 9], id=11), scene.workers('a', id=12))
    with unit.ctx(unit.ctx.on.update_status(), state) as manager:
        manager.run()
        found = manager.charm._state.workers.units
    assert [worker.topology.unit for worker in found] == ['a/0', 'b/9', 'b/10']


def test_the_ports_of_the_service_are_open(published):
    assert {(port.protocol, port.port) for port in published.opened_ports} == {('tcp', 8080)}


def test_the_version_of_nginx_is_set(published):
    assert published.workload_version == '1.27.5'


@pytest.mark.parametrize(
    ('level', 'in_nginx'),
    [('debug', 'info'), ('info', 'notice'), ('warning', 'warn'), ('error', 'error')],
)
def test_the_log_level_goes_to_nginx_and_to_the_workers(unit, level, in_nginx):
    after = unit.update_status(
        unit.state(scene.workers('both', id=11), config={'log-level': level})
    )
    worker_config = json.loads(after.get_relation(11).local_app_data['worker_config'])
    assert worker_config == scene.worker_config(level)
    assert f'error_log /dev/stderr {in_nginx};' in unit.config


def test_the_five_labels_are_the_same_on_metrics_and_logs(unit, published):
    labels = relabelling.scraped(published.get_relation(14)).values()
    scraped = {of_unit['juju_unit']: of_unit for of_unit in labels}
    for container in ('nginx', 'nginx-prometheus-exporter'):
        targets = juju.enabled_log_targets(published.get_container(container))
        assert len(targets) == 3
        assert all(labels == scraped['coordinator/0'] for labels in targets.values())


def test_no_scrape_target_is_at_an_address_that_a_unit_publishes(published):
    """COS's scraper would move it to another job, and back when the unit departs."""
    relation = published.get_relation(14)
    address = relation.local_unit_data['prometheus_scrape_unit_address']
    jobs = json.loads(relation.local_app_data['scrape_jobs'])
    targets = [
        target for job in jobs for static in job['static_configs'] for target in static['targets']
    ]
    assert 'coordinator-0.coordinator-endpoints.m.svc.cluster.local:9113' in targets
    assert not any(target.startswith(address) for target in targets)


def test_a_unit_without_an_address_yet_fails_nothing(unit, monkeypatch):
    from scenario import mocking

    def network_get(self, *arguments, **options):
        raise ops.ModelError('no network config found')

    monkeypatch.setattr(mocking._MockModelBackend, 'network_get', network_get)
    after = unit.update_status(unit.state(*scene.deployment()))
    assert after.get_relation(14).local_unit_data == {}
    assert isinstance(after.unit_status, testing.ActiveStatus)
