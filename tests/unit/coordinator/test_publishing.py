"""To whom the leader publishes what, and what it erases again."""

import dataclasses
import json

import pytest

from coordinator import scene


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


def test_every_relation_of_an_endpoint_gets_the_same(unit):
    published = unit.update_status(unit.state(*scene.deployment()))
    relations = {number: published.get_relation(number) for number in (11, 12, 13, 15, 16)}
    assert relations[11].local_app_data == relations[12].local_app_data
    assert relations[11].local_app_data == relations[13].local_app_data
    assert relations[15].local_app_data == relations[16].local_app_data


def test_a_unit_that_does_not_lead_publishes_nothing_for_the_application(unit):
    after = unit.update_status(unit.state(*scene.deployment(), leader=False))
    assert [dict(relation.local_app_data) for relation in after.relations] == [{}] * 9


KEYS = {
    'loki_endpoints': [scene.loki(id=15)],
    'charm_tracing_receivers': [scene.tempo('charm-tracing', id=17)],
    'workload_tracing_receivers': [scene.tempo('workload-tracing', id=18)],
}


@pytest.mark.parametrize('key', KEYS)
def test_what_there_is_not_is_erased(unit, key):
    relations = KEYS[key]
    before = unit.update_status(unit.state(scene.workers('both', id=11), *relations))
    assert key in before.get_relation(11).local_app_data
    after = unit.ctx.run(unit.ctx.on.relation_broken(before.get_relation(relations[0].id)), before)
    assert after.get_relation(11).local_app_data.keys() == {'worker_config'}


def test_what_an_older_revision_published_is_erased_once_and_foreign_keys_stay(unit):
    kept = {'foreign': 'x', 'ingress-address': '10.0.0.1'}
    metrics = dataclasses.replace(
        scene.scraper(id=14),
        local_app_data={**kept, 'external_url': 'http://x'},
        local_unit_data={
            **kept,
            'external_url': 'http://x',
            'prometheus_scrape_host': '10.0.0.1',
            'prometheus_scrape_unit_path': '/old',
            'prometheus_scrape_unit_fqdn': 'x',
        },
    )
    cluster = dataclasses.replace(
        scene.workers('both', id=11),
        local_app_data={**kept, 'server_cert': '"x"', 'worker_ports': '[1]'},
    )
    state = unit.state(metrics, cluster)
    after = unit.ctx.run(unit.ctx.on.upgrade_charm(), state)
    assert after.get_relation(14).local_app_data.keys() == {
        *(*kept, 'scrape_metadata', 'scrape_jobs', 'alert_rules')
    }
    assert after.get_relation(14).local_unit_data.keys() == {
        *(*kept, 'prometheus_scrape_unit_address', 'prometheus_scrape_unit_name')
    }
    assert after.get_relation(11).local_app_data.keys() == {*kept, 'worker_config'}
    assert scene.outcome(unit, unit.update_status(after)) == scene.outcome(unit, after)


def test_without_workers_there_are_the_coordinators_own_jobs_and_rules(unit):
    after = unit.update_status(unit.state(scene.scraper(id=14), scene.loki(id=15)))
    metrics = after.get_relation(14).local_app_data
    assert [job['job_name'] for job in json.loads(metrics['scrape_jobs'])] == ['coordinator']
    watched = {
        rule['labels']['juju_application']
        for relation in (14, 15)
        for group in json.loads(after.get_relation(relation).local_app_data['alert_rules'])[
            'groups'
        ]
        for rule in group['rules']
    }
    assert watched == {'coordinator'}


def test_workers_are_scraped_before_their_roles_are_known(unit):
    after = unit.update_status(
        unit.state(scene.workers('settling', role=None), scene.scraper(id=14))
    )
    jobs = json.loads(after.get_relation(14).local_app_data['scrape_jobs'])
    assert [job['job_name'] for job in jobs] == ['coordinator', 'settling']
