"""What the tests on COS Lite know of it, as far as it can be looked at without one."""

import ast
import re
import tomllib

import pytest
import yaml

import cos_lite
import deployment
from this_juju import STAND_INS

TESTS = deployment.ROOT / 'tests'


def test_the_urls_are_those_of_traefik_and_tempo_has_its_port_there() -> None:
    answer = {
        'traefik': {'url': 'http://10.64.140.43/'},
        'prometheus/0': {'url': 'http://10.64.140.43/cos-prometheus-0'},
        'loki/0': {'url': 'http://10.64.140.43/cos-loki-0'},
        'alertmanager': {'url': 'http://10.64.140.43/cos-alertmanager'},
        'grafana': {'url': 'http://10.64.140.43/cos-grafana'},
    }
    assert cos_lite.urls(answer) == cos_lite.Urls(
        prometheus='http://10.64.140.43/cos-prometheus-0',
        loki='http://10.64.140.43/cos-loki-0',
        tempo='http://10.64.140.43:3200',
        alertmanager='http://10.64.140.43/cos-alertmanager',
    )


TABLE = tomllib.loads(STAND_INS.read_text())['charms']


def test_every_stand_in_can_be_deployed_by_the_name_of_a_part_of_cos() -> None:
    parts = (*cos_lite.COS_LITE, *cos_lite.TEMPO, cos_lite.CA)
    beside = {'opentelemetry-collector-k8s', 's3-integrator'}
    assert TABLE.keys() == cos_lite.stand_ins().keys()
    assert TABLE.keys() - beside <= {part.charm for part in parts}


@pytest.mark.parametrize('charm', sorted(TABLE))
def test_a_stand_in_gets_the_images_of_its_charm(charm: str) -> None:
    entry = TABLE[charm]
    packed = (STAND_INS.parent / entry['file']).resolve()
    assert packed.stem == charm
    [folder] = [
        path.parent.name
        for path in (TESTS / 'stores').glob('*/charmcraft.yaml')
        if deployment.charm_name(f'tests/stores/{path.parent.name}') == charm
    ]
    assert packed == deployment.store(folder).charm
    assert entry.get('resources', {}) == deployment.upstream_sources(f'tests/stores/{folder}')


def test_every_relation_and_offer_is_between_applications_that_are_deployed() -> None:
    parts = (*cos_lite.COS_LITE, *cos_lite.TEMPO, cos_lite.CA)
    names = {part.name for part in parts}
    assert len(names) == len(parts)
    relations = (
        *cos_lite.COS_LITE_RELATIONS,
        *cos_lite.TEMPO_RELATIONS,
        *cos_lite.COS_LITE_TLS,
        *cos_lite.TEMPO_TLS,
    )
    assert {end.partition(':')[0] for pair in relations for end in pair} == names
    assert {application for application, _, _ in cos_lite.OFFERS.values()} <= names


def test_what_cos_offers_is_for_an_endpoint_of_the_coordinator() -> None:
    charm = yaml.safe_load((deployment.ROOT / 'coordinator-charm/charmcraft.yaml').read_text())
    assert cos_lite.OFFERS.keys() <= {**charm['provides'], **charm['requires']}.keys()


def test_the_readme_lists_what_the_local_juju_skips() -> None:
    text = (TESTS / 'README.md').read_text()
    listed = re.findall(r'^\| `(test_\w+)` \| ', text, re.MULTILINE)
    tree = ast.parse((TESTS / 'integration/test_cos_lite.py').read_text())
    skipped = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and 'needs(' in ast.unparse(node)
    ]
    assert listed == skipped
    assert len(skipped) == 5
