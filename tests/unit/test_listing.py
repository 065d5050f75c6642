"""What Charmhub's reviewers look for in each charm's own folder."""

import urllib.parse
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

import charms

CHARMS = ('coordinator-charm', 'worker-charm')
SVG = '{http://www.w3.org/2000/svg}'

of_each_charm = pytest.mark.parametrize('charm', CHARMS)


@of_each_charm
def test_the_icon_is_a_drawing_in_a_circle_on_100_by_100(charm):
    icon = ElementTree.parse(charms.ROOT / charm / 'icon.svg').getroot()
    assert (icon.get('width'), icon.get('height')) == ('100', '100')
    assert icon.get('viewBox') == '0 0 100 100'
    shapes = [element for element in icon if element.tag != f'{SVG}title']
    assert shapes[0].tag == f'{SVG}circle'
    assert [shapes[0].get(name) for name in ('cx', 'cy', 'r')] == ['50', '50', '50']
    assert len(shapes) > 1


def test_the_icons_differ():
    icons = {(charms.ROOT / charm / 'icon.svg').read_text() for charm in CHARMS}
    assert len(icons) == len(CHARMS)


@of_each_charm
def test_the_license_is_the_repositorys(charm):
    assert (charms.ROOT / charm / 'LICENSE').read_bytes() == (charms.ROOT / 'LICENSE').read_bytes()


@of_each_charm
def test_the_links_are_complete_and_lead_nowhere_until_there_is_a_home(charm):
    text = (charms.ROOT / charm / 'charmcraft.yaml').read_text()
    links = yaml.safe_load(text)['links']
    assert links.keys() == {'documentation', 'issues', 'source', 'website', 'contact'}
    hosts = {
        name: urllib.parse.urlsplit(link).hostname or link.partition('@')[2]
        for name, link in links.items()
    }
    # RFC 2606 reserves .example: none of them can be somebody else's by accident.
    placeholders = {name for name, host in hosts.items() if host.endswith('.example')}
    said = '# Placeholders' in text[: text.index('links:')]
    assert said == bool(placeholders)
    assert placeholders in ({*links}, set())
