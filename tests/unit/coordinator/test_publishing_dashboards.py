"""The coordinator's dashboards: when they are published, and that Grafana can show each panel."""

import collections
import dataclasses
import itertools
import json
import os
import re
import subprocess
import sys

import cosl
import pytest

import charms
import deployment
import grafana
import juju
import programs
from clients import logql
from coordinated_telemetry import dashboards
from coordinator import scene

CHARM = scene.SPECIFICATION['meta']['name']
FILES = {path.stem: grafana.read(path) for path in grafana.files()}
PANELS = {
    f'{name}: {panel.title}': panel
    for name, dashboard in FILES.items()
    for panel in grafana.panels(dashboard)
}
QUERIES = {
    f'{title} {query.ref}': query for title, panel in PANELS.items() for query in panel.queries
}
VALUES = grafana.values(window='5m', time_range='1h', topology={'juju_unit': ['a.b/0']})
DATASOURCES = {'prometheus': '${prometheusds}', 'loki': '${lokids}', 'tempo': '${tempods}'}


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


def databag(state, number=30):
    return dict(state.get_relation(number).local_app_data)


def expressions(language):
    return [query.expression for query in QUERIES.values() if query.language == language]


# When they are published


def test_the_leader_publishes_every_dashboard(unit):
    after = unit.update_status(unit.state(scene.grafana(id=30)))
    published = json.loads(databag(after)['dashboards'])['templates']
    assert published.keys() == {f'file:{name}' for name in FILES}
    for name, dashboard in FILES.items():
        template = published[f'file:{name}']
        shown = json.loads(cosl.LZMABase64.decompress(template['content']))
        assert shown['panels'] == dashboard['panels']
        assert f'charm: {CHARM}' in shown['tags']


def test_a_unit_that_does_not_lead_publishes_none(unit):
    after = unit.update_status(unit.state(scene.grafana(id=30), leader=False))
    assert databag(after) == {}


def test_they_do_not_depend_on_the_deployment(unit, tmp_path):
    alone = unit.update_status(unit.state(scene.grafana(id=30)))
    other = scene.Coordinator(tmp_path / 'other', number=3)
    full = other.update_status(other.state(*scene.deployment(), scene.grafana(id=30)))
    assert databag(alone) == databag(full)


def test_a_hook_with_nothing_to_do_reads_none_and_compresses_none(unit, calls, monkeypatch):
    state = unit.update_status(unit.state(*scene.deployment(), scene.grafana(id=30)))
    state = unit.update_status(state)
    monkeypatch.setattr(dashboards, 'template', None)
    costs = []
    for relations in (state.relations, [one for one in state.relations if one.id != 30]):
        calls.clear()
        unit.update_status(dataclasses.replace(state, relations=relations))
        assert calls.changes() == []
        costs.append([tool for tool in calls.hook_tools() if tool != 'juju-log'])
    more = collections.Counter(costs[0]) - collections.Counter(costs[1])
    assert more == {'relation-list': 1}


@pytest.mark.parametrize('tools', [('relation_get', 'relation_model_get'), ('relation_set',)])
def test_a_grafana_that_juju_refuses_costs_only_its_own(unit, tools):
    relations = [scene.workers('both', id=11), scene.grafana(id=30), scene.grafana('b', id=31)]
    with juju.refusing(30, tools):
        after = unit.update_status(unit.state(*relations))
    assert databag(after) == {}
    assert databag(after, 31).keys() == {'dashboards'}
    assert databag(after, 11)['worker_config']
    assert 'grafana-dashboard:30' in after.unit_status.message


def test_importing_the_charm_imports_no_cosl():
    folders = charms.ROOT / 'coordinator-charm' / 'src', charms.ROOT / 'lib'
    code = 'import sys, charm; sys.exit("cosl" in sys.modules)'
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(map(str, folders))}
    assert subprocess.run([sys.executable, '-c', code], env=environment).returncode == 0


def test_they_stay_within_half_of_what_may_be_published(unit):
    after = unit.update_status(unit.state(scene.grafana(id=30)))
    assert len(databag(after)['dashboards']) <= dashboards.ProviderData.max_bytes / 2


# What is in the files


@pytest.mark.parametrize('path', grafana.files(), ids=lambda path: path.stem)
def test_a_file_is_sorted_and_indented(path):
    text = path.read_text()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + '\n'


def test_titles_differ_from_each_other_and_from_those_of_other_charms():
    titles = {dashboard['title'] for dashboard in FILES.values()}
    assert len(titles) == len(FILES)
    assert all(title.startswith(f'{CHARM}: ') for title in titles)


@pytest.mark.parametrize('dashboard', FILES.values(), ids=FILES)
def test_each_leads_to_the_charms_others(dashboard):
    """By the tag that each of them gets when it is published."""
    assert [link['tags'] for link in dashboard['links']] == [[f'charm: {CHARM}']]


@pytest.mark.parametrize('dashboard', FILES.values(), ids=FILES)
def test_ids_and_titles_are_unique(dashboard):
    ids = [panel['id'] for panel in dashboard['panels']]
    titles = [panel['title'] for panel in dashboard['panels']]
    assert len({*ids}) == len(ids)
    assert len({*titles}) == len(titles)
    for panel in grafana.panels(dashboard):
        refs = [query.ref for query in panel.queries]
        assert len({*refs}) == len(refs) > 0


@pytest.mark.parametrize('dashboard', FILES.values(), ids=FILES)
def test_the_grid_has_no_overlap_and_each_row_is_full(dashboard):
    taken: dict[int, set[int]] = {}
    for panel in dashboard['panels']:
        place = panel['gridPos']
        cells = itertools.product(
            range(place['y'], place['y'] + place['h']), range(place['x'], place['x'] + place['w'])
        )
        for y, x in cells:
            assert x not in taken.setdefault(y, set()), panel['title']
            taken[y].add(x)
    assert all(columns == {*range(24)} for columns in taken.values())
    assert [*taken] == [*range(len(taken))]


@pytest.mark.parametrize('dashboard', FILES.values(), ids=FILES)
def test_variables_are_those_of_cos(dashboard):
    variables = {variable['name']: variable for variable in dashboard['templating']['list']}
    assert [*variables] == ['prometheusds', 'lokids', 'tempods', *grafana.TOPOLOGY]
    for name in grafana.TOPOLOGY:
        assert variables[name]['datasource']['uid'] == '${prometheusds}'
        # Loki wants a matcher that does not match what is absent. Of applications, all are those
        # that the variable offers: others have some of the metrics, too.
        expected = None if name == 'juju_application' else grafana.ALL
        assert variables[name]['allValue'] == expected


@pytest.mark.parametrize('dashboard', FILES.values(), ids=FILES)
@pytest.mark.parametrize(
    ('name', 'label', 'kind'),
    [
        ('prometheusds', 'Prometheus datasource', 'prometheus'),
        ('lokids', 'Loki datasource', 'loki'),
    ],
)
def test_grafanas_charm_does_not_add_the_datasources_again(dashboard, name, label, kind):
    """Its library adds each of these two variables unless exactly this one is there."""
    wanted = {
        **dict.fromkeys(('description', 'error')),
        'hide': 0,
        'includeAll': True,
        'label': label,
        'multi': True,
        'name': name,
        'options': [],
        'query': kind,
        'refresh': 1,
        'regex': '',
        'skipUrlSync': False,
        'type': 'datasource',
    }
    assert wanted in dashboard['templating']['list']


@pytest.mark.parametrize('panel', PANELS.values(), ids=PANELS)
def test_a_panel_says_what_it_shows(panel):
    assert re.fullmatch(r'[A-Z].*\.', panel.json['description'])
    assert panel.unit
    assert panel.thresholds[0][0] is None
    sources = [panel.json['datasource'], *(t['datasource'] for t in panel.json['targets'])]
    assert all(source['uid'] == DATASOURCES[source['type']] for source in sources)


@pytest.mark.parametrize('query', QUERIES.values(), ids=QUERIES)
def test_each_selector_of_a_query_is_scoped(query):
    selectors = re.findall(r'\{(?!\{)[^{}]*\}', query.expression)
    assert selectors
    for selector in selectors:
        for variable in grafana.TOPOLOGY:
            assert f'{variable}=~"${variable}"' in selector
    # And there is no metric without one.
    rest = re.sub(r'\{[^{}]*\}', '{}', re.sub(r'by \([^)]*\)', '', query.expression))
    if query.language == 'prometheus':
        assert {*re.findall(r'\b[a-z_]{2,}\b(?! *[({])', rest)} <= {'or', '__rate_interval'} | {
            '__range'
        }


@pytest.mark.parametrize('query', QUERIES.values(), ids=QUERIES)
def test_labels_in_a_legend_are_kept_by_the_query(query):
    kept = {
        label
        for labels in re.findall(r'by \(([^)]*)\)', query.expression)
        for label in re.split(r', *', labels)
    }
    assert {*re.findall(r'\{\{(\w+)\}\}', query.legend)} <= kept


def test_promql_parses(tmp_path):
    image = deployment.upstream_sources('tests/stores/prometheus')['prometheus-image']
    promtool = programs.command(image, '/usr/bin/promtool')
    rules = [
        {'record': f'q{number}', 'expr': grafana.substituted(expression, VALUES)}
        for number, expression in enumerate(expressions('prometheus'))
    ]
    assert rules
    (tmp_path / 'rules').write_text(json.dumps({'groups': [{'name': 'g', 'rules': rules}]}))
    command = [*promtool, 'check', 'rules', '--lint=none', str(tmp_path / 'rules')]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize('title', [t for t, query in QUERIES.items() if query.language == 'loki'])
def test_logql_has_an_equivalent_in_the_local_store(title):
    expression = grafana.substituted(QUERIES[title].expression, VALUES)
    if PANELS[title.rpartition(' ')[0]].has_lines:
        assert logql.lines(expression)
    else:
        logql.evaluate(expression, lambda _: {})


@pytest.mark.parametrize('dashboard', FILES.values(), ids=FILES)
def test_a_line_leads_to_its_trace(dashboard):
    links = [
        link['url']
        for panel in grafana.panels(dashboard)
        for override in panel.json['fieldConfig']['overrides']
        if override['matcher']['options'] == 'Trace'
        for prop in override['properties']
        if prop['id'] == 'links'
        for link in prop['value']
    ]
    (url,) = links
    assert url.startswith('/explore?')
    assert '${tempods}' in url
    assert '${__value.raw}' in url
