"""A probe for juju-doctor: whether coordinators and workers make complete clusters.

Each function looks at one artifact and raises one AssertionError that names all it found. It takes
what cluster-consistency.yaml has in `with`:

- `coordinator_charm`, `worker_charm`: the names of the two charms;
- `minimal_deployment`: role → the least number of units;
- `meta_roles`: meta-role → the roles that it stands for.

`status` sees which applications are related, `bundle` the roles that operators assigned, and
`show_unit` what the units really published. Needs only the standard library.
"""

import collections
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ENDPOINT = 'cluster'


def status(
    statuses: Mapping[str, Mapping[str, Any]],
    *,
    coordinator_charm: str,
    worker_charm: str,
    **_: object,
) -> None:
    """Each worker application has a coordinator in its model, and each coordinator a worker."""
    problems: list[str] = []
    for model in statuses.values():
        applications = model.get('applications') or {}
        of_coordinator = _of_charm(applications, coordinator_charm)
        for name, application in of_coordinator.items():
            if not _related(application):
                problems.append(f'{name} has no worker: juju integrate {name} WORKER')
        for name, application in _of_charm(applications, worker_charm).items():
            related = _related(application)
            if not related:
                problems.append(f'{name} has no coordinator: juju integrate COORDINATOR {name}')
            for other in related:
                if other not in applications:
                    problems.append(f'{name} has its coordinator, {other}, in another model')
    _report(problems)


def bundle(
    bundles: Mapping[str, Mapping[str, Any]],
    *,
    worker_charm: str,
    minimal_deployment: Mapping[str, int],
    meta_roles: Mapping[str, Sequence[str]],
    **_: object,
) -> None:
    """The workers' options and scales give every role its units."""
    problems: list[str] = []
    for model in bundles.values():
        workers = _of_charm(model.get('applications') or {}, worker_charm)
        have: collections.Counter[str] = collections.Counter()
        for application in workers.values():
            options = {'role-all': True, **(application.get('options') or {})}
            named = [
                role
                for role in {*meta_roles, *minimal_deployment}
                if options.get(f'role-{role}') in (True, 'true')
            ]
            for role in _expanded(named, meta_roles):
                have[role] += int(application.get('scale', 0))
        if workers:
            problems += _missing(have, minimal_deployment)
    _report(problems)


def show_unit(
    units_by_model: Mapping[str, Mapping[str, Any]],
    *,
    coordinator_charm: str,
    minimal_deployment: Mapping[str, int],
    meta_roles: Mapping[str, Sequence[str]],
    **_: object,
) -> None:
    """Every coordinator unit sees, for every role, enough workers that published an address."""
    problems: list[str] = []
    for units in units_by_model.values():
        for name, unit in units.items():
            if _charm_name(unit.get('charm', '')) != coordinator_charm:
                continue
            have: collections.Counter[str] = collections.Counter()
            for relation in unit.get('relation-info') or []:
                if relation['endpoint'] != ENDPOINT:
                    continue
                data = relation.get('application-data') or {}
                roles = _expanded(_decoded(data.get('role')).split(','), meta_roles)
                for worker, databag in (relation.get('related-units') or {}).items():
                    if not _decoded((databag.get('data') or {}).get('address')):
                        problems.append(f'{worker} published no address to {name}')
                        continue
                    have.update(roles)
            problems += [f'{name}: {one}' for one in _missing(have, minimal_deployment)]
    _report(problems)


def _of_charm(
    applications: Mapping[str, Mapping[str, Any]], charm: str
) -> dict[str, Mapping[str, Any]]:
    return {
        name: application
        for name, application in applications.items()
        if charm in (application.get('charm-name'), _charm_name(application.get('charm', '')))
    }


def _charm_name(url: str) -> str:
    """The charm's name in `local:NAME-3`, `ch:amd64/NAME-3` or `NAME`."""
    path = re.sub(r'^\w+:(?:\w+/)*', '', url)
    return re.sub(r'-\d+$', '', path) if path != url else url


def _related(application: Mapping[str, Any]) -> list[str]:
    relations = (application.get('relations') or {}).get(ENDPOINT) or []
    # Older Jujus list only names.
    return [one if isinstance(one, str) else one['related-application'] for one in relations]


def _decoded(value: str | None) -> str:
    """The text in a databag's value, which is JSON; '' for none."""
    try:
        text = json.loads(value or '""')
    except ValueError:
        return ''
    return text if isinstance(text, str) else ''


def _expanded(names: Sequence[str], meta_roles: Mapping[str, Sequence[str]]) -> set[str]:
    """The roles that some names stand for, which may be those of meta-roles."""
    stripped = [name.strip() for name in names]
    return {role for name in stripped if name for role in meta_roles.get(name, (name,))}


def _missing(have: Mapping[str, int], minimal_deployment: Mapping[str, int]) -> Iterator[str]:
    for role, least in minimal_deployment.items():
        if have.get(role, 0) < least:
            yield f'role {role} has {have.get(role, 0)} of at least {least} units'


def _report(problems: Sequence[str]) -> None:
    if problems:
        raise AssertionError('; '.join(problems))
