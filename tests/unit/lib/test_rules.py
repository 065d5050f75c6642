"""Alert rules: what is read, left out, and scoped to an application."""

import copy
from typing import Any

import pytest
import yaml

from coordinated_telemetry import rules, topology

UUID = '12345678-1234-4234-8234-123456789abc'
WORKER = topology.Topology('m', UUID, 'worker', '', 'worker-k8s')
MATCHERS = f'juju_model="m", juju_model_uuid="{UUID}", juju_application="worker"'

GROUP: dict[str, Any] = {
    'name': 'g',
    'rules': [
        {
            'alert': 'Down',
            'expr': 'up{%%juju_topology%%} == 0',
            'for': '5m',
            'labels': {'severity': 'critical'},
            'annotations': {'summary': '{{ $labels.juju_unit }} is down.'},
        }
    ],
}


def with_rule(**changes):
    """The group with another rule; None takes a key away."""
    group = copy.deepcopy(GROUP)
    rule = {**group['rules'][0], **changes}
    group['rules'] = [{key: value for key, value in rule.items() if value is not None}]
    return group


def write(folder, name, *groups):
    (folder / name).write_text(yaml.safe_dump({'groups': list(groups)}))


ACCEPTED = {
    'a whole one': GROUP,
    'an interval': {**GROUP, 'interval': '30s'},
    'a limit': {**GROUP, 'limit': 10},
    'only what is needed': with_rule(**{'for': None, 'labels': None, 'annotations': None}),
    'durations of several units': with_rule(**{'for': '1h30m', 'keep_firing_for': '90s'}),
    'a duration of nothing': with_rule(**{'for': '0m'}),
}
REFUSED = {
    'no mapping': ('text', '1: Input should be a valid dictionary'),
    'nothing': (None, '1: Input should be a valid dictionary'),
    'no name': ({'rules': GROUP['rules']}, '1: name: Field required'),
    'a name that is no text': ({**GROUP, 'name': 1}, '1: name: Input should be a valid string'),
    'an unknown key': ({**GROUP, 'intervall': '1m'}, 'g: intervall: Extra inputs are not'),
    'a bad interval': ({**GROUP, 'interval': 'often'}, 'g: interval: "often" is not a duration'),
    'no rules': ({'name': 'g'}, 'g: rules: Field required'),
    'empty rules': ({**GROUP, 'rules': []}, 'g: rules: List should have at least 1 item'),
    'rules that are no list': ({**GROUP, 'rules': {'alert': 'A'}}, 'g: rules: Input should be a'),
    'a rule that is no mapping': ({**GROUP, 'rules': ['x']}, 'g: rules.0: Input should be a'),
    'a recording rule': ({**GROUP, 'rules': [{'record': 'r'}]}, 'g: rule 0.alert: Field required'),
    'an unknown key of a rule': (with_rule(expression='x'), 'Down.expression: Extra inputs are'),
    'no expression': (with_rule(expr=None), 'g: Down.expr: Field required'),
    'an expression that is no text': (with_rule(expr=1), 'Down.expr: Input should be a valid str'),
    'no token': (with_rule(expr='up == 0'), 'Down.expr: no %%juju_topology%% in it'),
    'a bad duration': (
        with_rule(**{'for': '5 minutes'}),
        'Down.for: "5 minutes" is not a duration',
    ),
    'a number for a duration': (
        with_rule(keep_firing_for=5),
        'Down.keep_firing_for: Input should',
    ),
    'labels that are no mapping': (with_rule(labels=['a']), 'Down.labels: Input should be a'),
    'a label that is no name': (with_rule(labels={'a-b': 'c'}), 'Down.labels.a-b.[key]: String'),
    'a label that is no text': (with_rule(labels={'a': 1}), 'Down.labels.a: Input should be a'),
    'a label that ends its line': (with_rule(labels={'a\n': 'b'}), 'Down.labels.a'),
    'an alert of nothing': (with_rule(alert=''), 'g: rule 0.alert: String should have at least'),
    'a name of nothing': ({**GROUP, 'name': ''}, ': name: String should have at least 1'),
    'a limit that is no number': ({**GROUP, 'limit': 'many'}, 'g: limit: Input should be a valid'),
    'a limit that is a truth': ({**GROUP, 'limit': True}, 'g: limit: Input should be a valid'),
    'a key that is no text': ({**GROUP, 1: 2}, 'g: 1: Keys should be strings'),
    'a name that is taken': ({**GROUP, 'name': 'before'}, 'before: its name is already in use'),
    'an annotation of nothing': (with_rule(annotations={'a': None}), 'Down.annotations.a: Input'),
    'the second rule at fault': (
        {**GROUP, 'rules': [*GROUP['rules'], {'alert': 'Up', 'expr': 'up == 1'}]},
        'g: Up.expr: no %%juju_topology%% in it',
    ),
}


@pytest.mark.parametrize('group', ACCEPTED.values(), ids=ACCEPTED)
def test_a_group_is_taken_as_it_is(tmp_path, group):
    write(tmp_path, 'a.rules', group)
    assert rules.load(tmp_path) == rules.Rules((group,))


@pytest.mark.parametrize(('group', 'why'), REFUSED.values(), ids=REFUSED)
def test_a_bad_group_is_ignored_alone_and_named(tmp_path, group, why):
    write(tmp_path, 'a.rules', {**GROUP, 'name': 'before'}, group, {**GROUP, 'name': 'after'})
    loaded = rules.load(tmp_path)
    assert [group['name'] for group in loaded.groups] == ['before', 'after']
    (fault,) = loaded.faults
    assert fault.startswith('cannot use alert rule group a.rules: ')
    assert why in fault


@pytest.mark.parametrize(
    ('content', 'why'),
    [
        ('', 'no list "groups"'),
        ('text', 'no list "groups"'),
        ('[]', 'no list "groups"'),
        ('groups: {}', 'no list "groups"'),
        ('groups: [', 'while parsing'),
        ('a: b: c', 'mapping values are not allowed'),
        ('groups: !!python/object/apply:os.getcwd []', 'it has the tag'),
        ('\0', 'control characters are not allowed'),
        ('[' * 5000, ''),
        ('[' * 100_000, ''),
        ('{' * 100_000, ''),
        ('[' * 5000 + ']' * 5000, 'nested more than 20 deep'),
        ('- ' * 5000, 'nested more than 20 deep'),
        ('groups: !!bool x', ''),
        ('groups: !!int x', 'it has the tag'),
        (b'groups: "\xff"', "can't decode byte 0xff"),
    ],
)
def test_a_file_that_holds_no_groups_is_ignored_alone_and_named(tmp_path, content, why):
    write(tmp_path, 'good.rules', GROUP)
    (tmp_path / 'bad.rules').write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    loaded = rules.load(tmp_path)
    assert loaded.groups == (GROUP,)
    (fault,) = loaded.faults
    assert fault.startswith('cannot read alert rules bad.rules: ')
    assert why in fault
    assert '\n' not in fault


def test_a_path_that_is_no_file_is_ignored_alone_and_named(tmp_path):
    write(tmp_path, 'good.rules', GROUP)
    (tmp_path / 'folder.rules').mkdir()
    (tmp_path / 'nowhere.rules').symlink_to(tmp_path / 'missing')
    loaded = rules.load(tmp_path)
    assert loaded.groups == (GROUP,)
    assert [fault.split()[4] for fault in loaded.faults] == ['folder.rules:', 'nowhere.rules:']


def test_of_two_files_with_groups_of_one_name_the_first_is_used(tmp_path):
    write(tmp_path, 'a.rules', GROUP)
    write(tmp_path, 'b.rules', {**GROUP, 'interval': '1m'})
    loaded = rules.load(tmp_path)
    assert loaded.groups == (GROUP,)
    assert loaded.faults == ('cannot use alert rule group b.rules: g: its name is already in use',)


def test_files_are_read_in_the_order_of_their_names_and_others_are_not_read(tmp_path):
    for name in ('c.yaml', 'a.rules', 'b.rule', 'd.yml', 'README.md', 'e.json'):
        write(tmp_path, name, {**GROUP, 'name': name})
    groups = rules.load(tmp_path).groups
    assert [group['name'] for group in groups] == ['a.rules', 'b.rule', 'c.yaml', 'd.yml']


def test_a_folder_that_is_not_there_has_no_rules(tmp_path):
    assert rules.load(tmp_path / 'missing') == rules.Rules()


def test_every_token_becomes_the_matchers_of_the_application():
    group = with_rule(expr='a{%%juju_topology%%, x="y"} / b{%%juju_topology%%} > 1')
    (rendered,) = rules.render([group], WORKER)
    assert rendered['rules'][0]['expr'] == f'a{{{MATCHERS}, x="y"}} / b{{{MATCHERS}}} > 1'


def test_an_alert_carries_the_labels_of_the_application_and_its_own():
    group = with_rule(labels={'severity': 'warning', 'juju_application': 'another'})
    (rendered,) = rules.render([group], WORKER)
    assert rendered['rules'][0]['labels'] == {**WORKER.labels, 'severity': 'warning'}


def test_the_name_of_a_group_is_unique_among_applications_and_models():
    (rendered,) = rules.render([GROUP], WORKER)
    assert rendered['name'] == 'm_12345678_worker_g'


def test_rendering_leaves_the_rest_of_a_group_and_its_source_alone():
    group = {**GROUP, 'interval': '1m'}
    before = copy.deepcopy(group)
    (rendered,) = rules.render([group], WORKER)
    assert group == before
    rule, source = rendered['rules'][0], group['rules'][0]
    assert rendered['interval'] == '1m'
    assert {key: rule[key] for key in ('alert', 'for', 'annotations')} == {
        key: source[key] for key in ('alert', 'for', 'annotations')
    }
