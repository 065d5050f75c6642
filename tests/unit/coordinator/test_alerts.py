"""The charm's own alert rules, as stores get them."""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from cosl.rules import generic_alert_groups

import charms
from coordinated_telemetry import rules, topology
from coordinator import scene
from coordinator.source import alerts

UUID = '12345678-1234-4234-8234-123456789abc'
COORDINATOR = topology.Topology('m', UUID, 'coordinator', '', 'coordinator-k8s')
WORKERS = [COORDINATOR.for_application(name, 'worker-k8s') for name in ('a', 'b')]

GENERIC = alerts.generic_groups()


def prometheus_rules(coordinators, workers, generic=GENERIC):
    return alerts.prometheus_rules(coordinators, workers, generic)


KINDS = {'prometheus': prometheus_rules, 'loki': alerts.loki_rules}
RULES = [
    (kind, group['name'], rule)
    for kind, render in KINDS.items()
    for group in render([COORDINATOR], WORKERS)[0]
    for rule in group['rules']
]
IDS = [f'{kind}-{group}-{rule["alert"]}' for kind, group, rule in RULES]
APPLICATIONS = {application.application: application for application in (COORDINATOR, *WORKERS)}


@pytest.mark.parametrize('render', KINDS.values(), ids=KINDS)
def test_no_rule_of_the_charm_is_ignored(render):
    assert render([COORDINATOR], WORKERS)[1] == []


def test_each_application_has_its_rules_once():
    found = sorted(
        (kind, rule['labels']['juju_application'], rule['alert']) for kind, _, rule in RULES
    )
    generic = ['HostDown', 'HostMetricsMissing']
    of_nginx = ['NginxConnectionsDropped', 'NginxDown']
    of_workers = ['WorkerErrors', 'WorkerLatency', 'WorkerRestarts']
    assert found == sorted(
        [
            *(('prometheus', 'coordinator', alert) for alert in [*generic, *of_nginx]),
            *(('prometheus', app, alert) for app in 'ab' for alert in [*generic, *of_workers]),
            *(('loki', 'coordinator', alert) for alert in ['NginxErrors', 'NginxServerErrors']),
            *(('loki', app, 'WorkerErrorLogs') for app in 'ab'),
        ]
    )


@pytest.mark.parametrize('render', KINDS.values(), ids=KINDS)
def test_names_of_groups_are_unique(render):
    names = [group['name'] for group in render([COORDINATOR], WORKERS)[0]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(('kind', 'group', 'rule'), RULES, ids=IDS)
def test_every_selector_of_a_rule_is_scoped_to_the_application_of_its_labels(kind, group, rule):
    application = APPLICATIONS[rule['labels']['juju_application']]
    # Braces in strings and in regular expressions are not selectors.
    selectors = re.findall(r'\{([^{}]*)\}', re.sub(r'`[^`]*`', '', rule['expr']))
    assert selectors
    assert all(selector.startswith(application.matchers) for selector in selectors)
    assert rules.PLACEHOLDER not in json.dumps(rule)


@pytest.mark.parametrize(('kind', 'group', 'rule'), RULES, ids=IDS)
def test_no_metric_of_a_rule_is_without_a_selector(kind, group, rule):
    if kind == 'prometheus':
        expr = re.sub(r'"[^"]*"', '""', rule['expr'])
        metrics = re.findall(r'\b(?:up|[a-z]+_[a-z_]+)\b(?=\s*[\[{<>=)])', expr)
        own = [
            name
            for name in metrics
            if not name.startswith('juju_') and name != 'histogram_quantile'
        ]
        assert own
        assert all(f'{name}{{juju_model="m"' in rule['expr'] for name in own)


@pytest.mark.parametrize(('kind', 'group', 'rule'), RULES, ids=IDS)
def test_a_rule_never_names_a_unit_but_its_alert_can(kind, group, rule):
    assert 'juju_unit=' not in rule['expr'].replace(' ', '')
    assert 'juju_unit' not in rule['labels']
    # An aggregation that loses the labels would leave the texts empty.
    for grouping in re.findall(r'\bsum by \(([^)]*)\)', rule['expr']):
        assert set(topology.LABELS) <= {label.strip() for label in grouping.split(',')}


@pytest.mark.parametrize(('kind', 'group', 'rule'), RULES, ids=IDS)
def test_a_rule_is_complete(kind, group, rule):
    application = APPLICATIONS[rule['labels']['juju_application']]
    assert rule['labels'] == {**application.labels, 'severity': rule['labels']['severity']}
    assert rule['labels']['severity'] in ('warning', 'critical')
    assert rule['annotations'].keys() == {'summary', 'description'}
    assert all('$labels.juju_' in text for text in rule['annotations'].values())


def test_the_generic_rules_are_those_of_cos_but_for_their_texts():
    ours = [rule for _, group, rule in RULES if group == 'm_12345678_a_HostHealth']
    groups: Any = generic_alert_groups.application_rules.get('groups', [])
    (theirs,) = [group['rules'] for group in groups]
    for own, of_cosl in zip(ours, theirs, strict=True):
        unscoped = own['expr'].replace(f'{{{WORKERS[0].matchers}}}', '')
        labels = {**of_cosl['labels'], **WORKERS[0].labels}
        texts = own['annotations']
        assert own == {**of_cosl, 'expr': unscoped, 'labels': labels, 'annotations': texts} | {
            'expr': own['expr']
        }
        assert unscoped == of_cosl['expr'] != own['expr']
        assert texts != of_cosl['annotations']


def test_a_generic_rule_that_is_new_in_cosl_is_used_with_its_own_texts():
    new = {
        'alert': 'New',
        'expr': 'avg_over_time(up[5m]) < 1 and startup == 0',
        'for': '1m',
        'labels': {'severity': 'warning'},
        'annotations': {'summary': 'x'},
    }
    bad = {**new, 'alert': 'Bad', 'expr': 'other == 0'}
    groups = json.dumps([{'name': rule['alert'], 'rules': [rule]} for rule in (new, bad)])
    found, faults = prometheus_rules([COORDINATOR], [], groups)
    (group,) = [group for group in found if group['name'].endswith('_New')]
    assert group['rules'][0]['expr'] == (
        f'avg_over_time(up{{{COORDINATOR.matchers}}}[5m]) < 1 and startup == 0'
    )
    assert group['rules'][0]['annotations'] == {'summary': 'x'}
    assert faults == [
        '[rules] cannot use alert rule group of cosl: Bad: Bad.expr: no %%juju_topology%% in it'
    ]


def test_cosl_is_imported_once_for_each_of_its_versions(tmp_path, monkeypatch):
    unit = scene.Coordinator(tmp_path)
    asked = []
    monkeypatch.setattr(alerts, 'generic_groups', lambda: asked.append(1) or GENERIC)
    state = unit.update_status(unit.state(scene.scraper(id=14)))
    again = unit.update_status(state)
    assert len(asked) == 1
    assert again.get_relation(14).local_app_data == state.get_relation(14).local_app_data
    monkeypatch.setattr(alerts, 'generic_version', lambda: 'next')
    unit.update_status(again)
    assert len(asked) == 2


def test_a_unit_that_does_not_lead_never_imports_it(tmp_path, monkeypatch):
    unit = scene.Coordinator(tmp_path)
    monkeypatch.setattr(alerts, 'generic_groups', lambda: 1 / 0)
    unit.update_status(unit.state(*scene.deployment(), leader=False))


def test_the_hooks_of_both_charms_start_without_cosl():
    code = 'import sys, charm; print([name for name in sys.modules if name.startswith("cosl")])'
    for folder in ('coordinator-charm', 'worker-charm'):
        path = os.pathsep.join(str(charms.ROOT / part) for part in ('lib', f'{folder}/src'))
        done = subprocess.run(
            [sys.executable, '-c', code], env={**os.environ, 'PYTHONPATH': path},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == '[]\n'


def test_a_bad_group_is_ignored_alone_and_blocks_with_its_name(tmp_path, monkeypatch):
    source = tmp_path / 'src'
    for kind in ('prometheus_alert_rules', 'loki_alert_rules'):
        for folder in ('nginx', 'workers'):
            (source / kind / folder).mkdir(parents=True)
    (source / 'prometheus_alert_rules' / 'workers' / 'own.rules').write_text(
        'groups:\n'
        '- {name: bad, rules: [{alert: A, expr: up == 0}]}\n'
        '- {name: good, rules: [{alert: B, expr: "up{%%juju_topology%%} == 0"}]}\n'
    )
    monkeypatch.setattr(alerts, '_SOURCE', source)
    unit = scene.Coordinator(tmp_path)
    after = unit.update_status(unit.state(scene.workers('both'), scene.scraper(id=14)))
    published = json.loads(after.get_relation(14).local_app_data['alert_rules'])
    names = [group['name'].removeprefix('m_12345678_') for group in published['groups']]
    assert [name for name in names if name in ('both_bad', 'both_good')] == ['both_good']
    assert after.unit_status.message == (
        '[rules] cannot use alert rule group own.rules: bad: A.expr: no %%juju_topology%% in it'
    )
