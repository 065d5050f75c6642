"""The coordinator's entry in a catalogue."""

import json
from pathlib import Path

import pytest

import golden
from coordinator import scene, serving

GOLDEN = Path(__file__).parent / 'golden'
INSIDE = '://coordinator.m.svc.cluster.local:8080'


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


def items(*relations):
    """What a catalogue shows, read as the library of catalogue-k8s does, versions 1 and 2."""
    return [
        {
            **{
                key: relation.local_app_data.get(key, '')
                for key in ('name', 'url', 'icon', 'description', 'api_docs')
            },
            'api_endpoints': json.loads(relation.local_app_data.get('api_endpoints', '{}')),
        }
        for relation in relations
    ]


def test_the_leader_publishes_the_entry(unit):
    after = unit.update_status(unit.state(scene.catalogue())).get_relation(22)
    golden.check(GOLDEN / 'catalogue.app.txt', golden.databag(after.local_app_data))
    assert after.local_unit_data == {}


def test_every_catalogue_shows_it(unit):
    state = unit.state(scene.catalogue(), scene.catalogue('other', id=24))
    after = unit.update_status(state)
    first, second = items(after.get_relation(22), after.get_relation(24))
    assert first == second == {
        'name': 'coordinator',
        'url': f'http{INSIDE}',
        'icon': 'server-network',
        'description': scene.SPECIFICATION['meta']['summary'],
        'api_docs': '',
        'api_endpoints': {},
    }  # fmt: skip


def test_a_unit_that_does_not_lead_publishes_nothing(unit):
    after = unit.update_status(unit.state(scene.catalogue(), leader=False)).get_relation(22)
    assert (after.local_app_data, after.local_unit_data) == ({}, {})


def test_the_url_is_https_when_all_units_serve_it(unit):
    state = unit.state(
        scene.workers('w', id=11),
        scene.peers(databags={1: serving.OTHER_UNIT}, id=19),
        scene.certificates(id=20),
        scene.catalogue(),
    )
    asking = unit.update_status(state)
    assert asking.get_relation(22).local_app_data['url'] == f'http{INSIDE}'
    served = scene.answered(unit, asking)
    assert served.get_relation(22).local_app_data['url'] == f'https{INSIDE}'


def test_the_url_is_that_of_the_ingress(unit):
    url = 'https://a.example/m-coordinator'
    after = unit.update_status(unit.state(scene.catalogue(), scene.traefik(url=url)))
    assert after.get_relation(22).local_app_data['url'] == url


def test_whatever_a_catalogue_says_is_not_read(unit, calls):
    relation = scene.catalogue(remote_app_data={'url': 'http://elsewhere', 'name': '};'})
    after = unit.update_status(unit.state(relation))
    assert after.get_relation(22).local_app_data['url'] == f'http{INSIDE}'
    calls.clear()
    unit.update_status(after)
    assert calls.changes() == []
