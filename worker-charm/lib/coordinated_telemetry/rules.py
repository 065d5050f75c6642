"""Alert rules: read from the charm's folder, scoped to one application, checked group by group.

An expression says where its label matchers go with `%%juju_topology%%`:

    nginx_up{%%juju_topology%%} == 0

The matchers are written in by this module, in Prometheus' and in Loki's rules alike, so that a
rule watches the application it was rendered for and nothing else. (cosl would do it with a
binary, cos-tool, and without it leaves `up` unscoped.)
"""

import dataclasses
import pathlib
import re
from collections.abc import Iterable
from typing import Any

import yaml

from .topology import Topology

PLACEHOLDER = '%%juju_topology%%'
_SUFFIXES = ('.rule', '.rules', '.yml', '.yaml')
_DURATION = re.compile(r'([0-9]+(ms|[smhdwy]))+')
_LABEL_NAME = re.compile(r'[a-zA-Z_][a-zA-Z0-9_]*')
_GROUP_KEYS = {'name', 'rules', 'interval', 'limit'}  # what Prometheus and Loki both know
_RULE_KEYS = {'alert', 'expr', 'for', 'keep_firing_for', 'labels', 'annotations'}
_LOADER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)

Group = dict[str, Any]
"""A rule group as Prometheus and Loki read it: `name`, `rules` and perhaps `interval`."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """Rule groups that passed their checks, not yet scoped to an application.

    Attributes:
        groups: with `PLACEHOLDER` in every expression.
        faults: a line for each group or file that was left out, naming it.
    """

    groups: tuple[Group, ...] = ()
    faults: tuple[str, ...] = ()


def load(folder: pathlib.Path) -> Rules:
    """Read all rule files of a folder, in the order of their names.

    A file holds `groups:`, as Prometheus has it. A group that fails its checks is left out alone,
    a file that is not YAML is left out whole.
    """
    groups: list[Group] = []
    faults: list[str] = []
    for path in sorted(folder.glob('*')):
        if path.suffix not in _SUFFIXES:
            continue
        try:
            text = path.read_text()
            _check_depth(text)
            content = yaml.load(text, Loader=_LOADER)  # noqa: S506 it is a safe one
        # PyYAML lets a KeyError through for some tags.
        except (yaml.YAMLError, ValueError, KeyError, OSError) as error:
            faults.append(f'cannot read alert rules {path.name}: {_first_line(error)}')
            continue
        found = content.get('groups') if isinstance(content, dict) else None
        if not isinstance(found, list):
            faults.append(f'cannot read alert rules {path.name}: no list "groups"')
            continue
        for number, group in enumerate(found):
            try:
                checked = _checked(group)
                # A store refuses all groups of a file when two of them have one name.
                if any(other['name'] == checked['name'] for other in groups):
                    raise ValueError('another group has its name')
                groups.append(checked)
            except ValueError as error:
                name = group.get('name', number) if isinstance(group, dict) else number
                faults.append(f'cannot use alert rule group {path.name}: {name}: {error}')
    return Rules(tuple(groups), tuple(faults))


def render(groups: Iterable[Group], application: Topology) -> list[Group]:
    """Scope groups to an application: matchers in every expression, labels on every alert.

    A group's name becomes unique in a store that many applications share. A label that a rule
    already has is kept, the topology's excepted.
    """
    prefix = f'{application.model}_{application.model_uuid[:8]}_{application.application}'
    return [
        {
            **group,
            'name': f'{prefix}_{group["name"]}',
            'rules': [
                {
                    **rule,
                    'expr': rule['expr'].replace(PLACEHOLDER, application.matchers),
                    'labels': {**rule.get('labels', {}), **application.labels},
                }
                for rule in group['rules']
            ],
        }
        for group in groups
    ]


def _checked(group: Any) -> Group:
    """Give the group back if a store would take it.

    Raises:
        ValueError: naming the rule and what is wrong with it.
    """
    if not isinstance(group, dict) or not _is_text(group.get('name')):
        raise ValueError('it has no name')
    if unknown := {str(key) for key in group} - _GROUP_KEYS:
        raise ValueError(f'it has unknown keys {", ".join(sorted(unknown))}')
    if 'interval' in group and not _DURATION.fullmatch(str(group['interval'])):
        raise ValueError(f'its interval {group["interval"]!r} is no duration')
    if 'limit' in group and type(group['limit']) is not int:
        raise ValueError(f'its limit {group["limit"]!r} is no number')
    rules = group.get('rules')
    # COS's consumer fails on an empty list.
    if not isinstance(rules, list) or not rules:
        raise ValueError('it has no rules')
    for rule in rules:
        if not isinstance(rule, dict) or not _is_text(rule.get('alert')):
            raise ValueError('a rule has no "alert"')
        name = rule['alert']
        if unknown := {str(key) for key in rule} - _RULE_KEYS:
            raise ValueError(f'{name} has unknown keys {", ".join(sorted(unknown))}')
        expr = rule.get('expr')
        if not isinstance(expr, str) or PLACEHOLDER not in expr:
            raise ValueError(f'{name} has no {PLACEHOLDER} in its expr')
        for key in ('for', 'keep_firing_for'):
            if key in rule and not _DURATION.fullmatch(str(rule[key])):
                raise ValueError(f'{name} has "{key}" {rule[key]!r}, which is no duration')
        for key in ('labels', 'annotations'):
            texts = rule.get(key, {})
            if not isinstance(texts, dict) or not all(
                isinstance(label, str) and _LABEL_NAME.fullmatch(label) and isinstance(text, str)
                for label, text in texts.items()
            ):
                raise ValueError(f'{name} has "{key}" that are not names with texts')
    return group


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _check_depth(text: str) -> None:
    """Refuse nesting on which libyaml's loader would end the process.

    Raises:
        ValueError: if there is more of it than rules can have.
        yaml.YAMLError: if it is not YAML.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > 20:
            raise ValueError('it is nested too deeply')


def _first_line(error: BaseException) -> str:
    return str(error).split('\n', 1)[0]
