"""Alert rules: read from the charm's folder, scoped to one application, checked group by group.

An expression marks the place of its label matchers with `%%juju_topology%%`:

    nginx_up{%%juju_topology%%} == 0

This module writes the matchers there, for Prometheus' and Loki's rules alike, so a rule watches
only the application that it was rendered for. (cosl does it with a binary, cos-tool, and without
it leaves `up` unscoped.)
"""

import pathlib
import re
from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple

import pydantic

from . import addresses, databag, yaml_text
from .topology import Topology

PLACEHOLDER = '%%juju_topology%%'

_SUFFIXES = ('.rule', '.rules', '.yml', '.yaml')
_DURATION = re.compile(r'([0-9]+(ms|[smhdwy]))+')

Group = dict[str, Any]
"""A rule group as Prometheus and Loki read it: `name`, `rules` and perhaps `interval`."""


def _check_duration(text: str) -> str:
    if not _DURATION.fullmatch(text):
        raise ValueError(f'"{addresses.shorten(text)}" is not a duration')
    return text


def _check_scope(expr: str) -> str:
    if PLACEHOLDER not in expr:
        raise ValueError(f'no {PLACEHOLDER} in it')
    return expr


_Text = Annotated[str, pydantic.Field(min_length=1)]
_Duration = Annotated[str, pydantic.AfterValidator(_check_duration)]
_LabelName = Annotated[str, pydantic.Field(pattern='^[a-zA-Z_][a-zA-Z0-9_]*$')]


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra='forbid', defer_build=True)


class AlertRule(_Strict):
    """An alert rule; recording rules are refused."""

    alert: _Text
    expr: Annotated[str, pydantic.AfterValidator(_check_scope)]
    for_: Annotated[_Duration, pydantic.Field(alias='for')] = '0s'
    keep_firing_for: _Duration = '0s'
    labels: dict[_LabelName, str] = {}
    annotations: dict[_LabelName, str] = {}


class RuleGroup(_Strict):
    """The keys of a rule group that both Prometheus and Loki know."""

    name: _Text
    # COS's consumer fails on an empty list.
    rules: Annotated[list[AlertRule], pydantic.Field(min_length=1)]
    interval: _Duration = '1m'
    limit: int = 0


class Rules(NamedTuple):
    """Rule groups that passed their checks, not yet scoped to an application.

    Attributes:
        groups: with `PLACEHOLDER` in every expression.
        faults: a line for each group or file that is ignored, naming it.
    """

    groups: tuple[Group, ...] = ()
    faults: tuple[str, ...] = ()


def load(folder: pathlib.Path) -> Rules:
    """Read all rule files of a folder, in the order of their names.

    A file holds `groups:`, in Prometheus' format. A group that fails its checks is ignored alone;
    a file that is not YAML is ignored as a whole.
    """
    groups: list[Group] = []
    faults: list[str] = []
    for path in sorted(folder.glob('*')):
        if path.suffix not in _SUFFIXES:
            continue
        try:
            content = yaml_text.load(path.read_text(), aliases=True)
        except (ValueError, OSError) as error:
            why = str(error).split('\n', 1)[0]
            faults.append(f'cannot read alert rules {path.name}: {why}')
            continue
        found = content.get('groups') if isinstance(content, dict) else None
        if not isinstance(found, list):
            faults.append(f'cannot read alert rules {path.name}: no list "groups"')
            continue
        checked = check(found, path.name, groups)
        groups += checked.groups
        faults += checked.faults
    return Rules(tuple(groups), tuple(faults))


def check(found: Iterable[Any], source: str, others: Iterable[Group] = ()) -> Rules:
    """The groups that pass their checks; each of the others is ignored alone.

    Args:
        found: groups as they stand in a file.
        source: where they are from, to name those that are ignored.
        others: groups that go with them to a store, which all have to have names of their own.
    """
    groups: list[Group] = []
    faults: list[str] = []
    names = {other['name'] for other in others}
    for number, group in enumerate(found):
        try:
            RuleGroup.model_validate(group)
            # A store refuses all groups of a file when two of them have the same name.
            if group['name'] in names:
                raise ValueError('its name is already in use')
            names.add(group['name'])
            groups.append(group)
        except ValueError as error:
            name = group.get('name', number) if isinstance(group, dict) else number
            why = _why(error, group)
            faults.append(f'cannot use alert rule group {source}: {name}: {why}')
    return Rules(tuple(groups), tuple(faults))


def render(groups: Iterable[Group], application: Topology) -> list[Group]:
    """Scope groups to an application: matchers in every expression, labels on every alert.

    A group's name becomes unique in a store that many applications share. A rule's own labels
    stay, unless the topology has a label of the same name. Every rule gets all the keys that the
    published schema of `prometheus_scrape` requires.
    """
    prefix = f'{application.model}_{application.model_uuid[:8]}_{application.application}'
    return [
        {
            **group,
            'name': f'{prefix}_{group["name"]}',
            'rules': [
                {
                    'annotations': {},
                    'for': '0s',
                    **rule,
                    'expr': rule['expr'].replace(PLACEHOLDER, application.matchers),
                    'labels': {**rule.get('labels', {}), **application.labels},
                }
                for rule in group['rules']
            ],
        }
        for group in groups
    ]


def _why(error: ValueError, group: Any) -> str:
    """The first thing that is wrong with a group, naming the rule: `Down.for: …`."""
    why = databag.reason(error)
    if found := re.match(r'rules\.(\d+)\.', why):
        rule = group['rules'][int(found[1])]
        name = rule.get('alert') if isinstance(rule, dict) else None
        why = f'{name or f"rule {found[1]}"}.{why[found.end() :]}'
    return why
