"""Dashboards for Grafana: what is published, how Grafana's charm reads it, and when."""

import json
import uuid
from unittest import mock

import cosl
import pytest

from coordinated_telemetry import dashboards
from lib.acting import act, related

ENDPOINT = 'grafana-dashboard'
CHARM = 'coordinator-k8s'
PROMETHEUS = {'type': 'datasource', 'name': 'prometheusds', 'query': 'prometheus'}
DASHBOARD = {
    'title': 'A',
    'uid': 'mine',
    'tags': ['nginx'],
    'templating': {'list': [PROMETHEUS]},
    'panels': [{'datasource': {'type': 'prometheus', 'uid': '${prometheusds}'}}],
}


@pytest.fixture
def root(tmp_path):
    """A charm's folder with one dashboard."""
    (tmp_path / dashboards.FOLDER).mkdir(parents=True)
    put(tmp_path, 'a.json', DASHBOARD)
    return tmp_path


def put(root, name, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (root / dashboards.FOLDER / name).write_text(text)


def grafana(databag=None, **options):
    return related(ENDPOINT, 'grafana', {0: {}}, local_app_data=dict(databag or {}), **options)


def published(root, *relations, charm_name=CHARM):
    """What came of publishing."""

    def publish(bags, charm):
        return dashboards.ensure(bags, ENDPOINT, charm.app, charm_name, root)

    return act(publish, *(relations or [grafana(id=1)]))


def databag(done, number=1):
    return done.state.get_relation(number).local_app_data


def shown(databag):
    """The dashboards by id, as Grafana's charm shows them.

    Its library, charms.grafana_k8s.v0.grafana_dashboard, is in no package; this does what its
    consumer does with the templates. It needs every key that is read with brackets.
    """
    found = {}
    for name, template in json.loads(databag['dashboards']).pop('templates').items():
        content = json.loads(cosl.LZMABase64.decompress(template['content']))
        if not content.get('uid') and 'dashboard_alt_uid' in template:
            content['uid'] = template['dashboard_alt_uid']
        assert template['charm']
        assert not template.get('inject_dropdowns', True)
        assert not template.get('juju_topology', {})
        found[name] = content
    return found


def test_grafana_shows_what_is_in_the_file(root):
    (content,) = shown(databag(published(root))).values()
    same = {key: value for key, value in content.items() if key not in ('uid', 'tags')}
    assert same == {key: DASHBOARD[key] for key in ('title', 'templating', 'panels')}


def test_the_uid_is_made_of_the_charm_and_the_path_alone(root):
    before = shown(databag(published(root)))['file:a']
    put(root, 'a.json', {**DASHBOARD, 'title': 'B', 'uid': 'other'})
    after = shown(databag(published(root)))['file:a']
    expected = cosl.DashboardPath40UID.generate(CHARM, 'src/grafana_dashboards/a.json')
    assert before['uid'] == after['uid'] == expected
    assert len(expected) <= 40  # Grafana's limit
    other = shown(databag(published(root, charm_name='other-k8s')))['file:a']
    assert other['uid'] != expected


def test_a_uid_of_the_prescribed_form_stays(root):
    put(root, 'a.json', {**DASHBOARD, 'uid': 'ab' * 20})
    assert shown(databag(published(root)))['file:a']['uid'] == 'ab' * 20


@pytest.mark.parametrize('uid', [None, '', 5, []])
def test_a_dashboard_without_a_usable_uid_gets_one(root, uid):
    put(root, 'a.json', {**DASHBOARD, 'uid': uid})
    assert cosl.DashboardPath40UID.is_valid(shown(databag(published(root)))['file:a']['uid'])


def test_the_charms_name_is_a_tag(root):
    assert shown(databag(published(root)))['file:a']['tags'] == ['nginx', f'charm: {CHARM}']


def test_every_grafana_gets_the_same(root):
    done = published(root, grafana(id=1), grafana(id=2))
    assert done.result
    assert databag(done) == databag(done, 2) != {}


def test_the_digest_of_the_files_has_the_form_of_a_uuid_and_changes_with_them(root):
    before = json.loads(databag(published(root))['dashboards'])['uuid']
    assert str(uuid.UUID(before)) == before
    assert json.loads(databag(published(root))['dashboards'])['uuid'] == before
    put(root, 'b.json', DASHBOARD)
    assert json.loads(databag(published(root))['dashboards'])['uuid'] != before


def test_what_is_there_already_is_neither_compressed_nor_written(root):
    before = databag(published(root))
    with mock.patch.object(dashboards, 'template', side_effect=AssertionError):
        done = published(root, grafana(before, id=1))
    assert not done.result
    assert databag(done) == before


def test_a_second_grafana_gets_it_although_the_first_has_it(root):
    before = databag(published(root))
    done = published(root, grafana(before, id=1), grafana(id=2))
    assert databag(done, 2) == before


def test_a_changed_file_is_published(root):
    before = databag(published(root))
    put(root, 'a.json', {**DASHBOARD, 'title': 'B'})
    done = published(root, grafana(before, id=1))
    assert done.result
    assert shown(databag(done))['file:a']['title'] == 'B'


def test_a_file_that_is_gone_goes(root):
    put(root, 'b.json', DASHBOARD)
    before = databag(published(root))
    (root / dashboards.FOLDER / 'b.json').unlink()
    assert shown(databag(published(root, grafana(before, id=1)))).keys() == {'file:a'}


def test_without_files_the_key_is_erased(root):
    before = databag(published(root))
    (root / dashboards.FOLDER / 'a.json').unlink()
    done = published(root, grafana({**before, 'foreign': 'x'}, id=1))
    assert databag(done) == {'foreign': 'x'}


def test_without_grafana_nothing_is_read(root):
    with mock.patch.object(dashboards, 'load', side_effect=AssertionError):
        done = published(root, related('logging', 'loki', id=1))
    assert not done.result


@pytest.mark.parametrize(
    ('content', 'why'),
    [
        ('{', 'not JSON, EOF while parsing an object at line 1 column 1'),
        ('[]', 'not a JSON object'),
        ('[' * 10**5, 'not JSON, recursion limit exceeded at line 1 column '),
    ],
)
def test_a_file_that_is_no_dashboard_is_left_out_alone_and_named(root, content, why):
    put(root, 'b.json', content)
    done = published(root)
    assert shown(databag(done)).keys() == {'file:a'}
    (said,) = done.report.blocked
    assert said.startswith(f'[{ENDPOINT}] b.json: {why}')
    again = published(root, grafana(databag(done), id=1))
    assert not again.result
    assert again.report.blocked == done.report.blocked


def test_more_than_a_databag_may_hold_is_not_published(root, monkeypatch):
    monkeypatch.setattr(dashboards.ProviderData, 'max_bytes', 100)
    done = published(root)
    assert databag(done) == {}
    (said,) = done.report.blocked
    assert said.startswith(f'[{ENDPOINT}] cannot publish ')
