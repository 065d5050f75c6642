"""Dashboards: what a charm gives to Grafana (`grafana_dashboard`, provider's side).

A folder of the charm holds them as JSON, one file for each. The leader publishes each with a uid
made from the charm's name and the file's path, so links to a dashboard outlive its changes, and
with the charm's name among its tags. Grafana's charm shows them as they are: they bring their own
variables for the Juju topology, and nothing is injected into their queries.

cosl compresses them, and importing it takes long. So a digest of the files stands in the databag
beside what was made of them, and a hook that finds it there does neither.
"""

import dataclasses
import hashlib
import json
import pathlib
import uuid
from collections.abc import Mapping
from typing import Any

import ops
import pydantic_core

from . import databag, databags

FOLDER = 'src/grafana_dashboards'
"""Where COS' charms keep their dashboards. Its path is part of each uid."""

_KEY = 'dashboards'
_FORMAT = '1'  # raise it when the same files are published in another form


class ProviderData(databag.Databag):
    """The application databag of a `grafana_dashboard` provider."""

    dashboards: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Loaded:
    """The dashboards in a folder.

    Attributes:
        dashboards: name of the file → dashboard, sorted.
        faults: a line for each file that is ignored.
        digest: of all files; a UUID, as the interface has one for each change.
    """

    dashboards: Mapping[str, dict[str, Any]]
    faults: tuple[str, ...]
    digest: str


def load(folder: pathlib.Path) -> Loaded:
    """Read all files `*.json` of a folder; one that is no JSON object is ignored."""
    found: dict[str, dict[str, Any]] = {}
    faults: list[str] = []
    digest = hashlib.sha256(_FORMAT.encode())
    for path in sorted(folder.glob('*.json')):
        content = path.read_bytes()
        digest.update(json.dumps([path.name, len(content)]).encode() + content)
        try:
            dashboard = pydantic_core.from_json(content)
        except ValueError as error:
            faults.append(f'{path.name}: not JSON, {databag.reason(error)}')
            continue
        if isinstance(dashboard, dict):
            found[path.name] = dashboard
        else:
            faults.append(f'{path.name}: not a JSON object')
    return Loaded(found, tuple(faults), str(uuid.UUID(bytes=digest.digest()[:16])))


def ensure(
    bags: databags.Databags,
    endpoint: str,
    application: ops.Application,
    charm_name: str,
    root: pathlib.Path,
) -> bool:
    """Publish the dashboards in `FOLDER` to every Grafana; leader only.

    Files that are ignored block, each alone. Without any dashboard the key is erased.

    Args:
        bags: the databags.
        endpoint: the endpoint.
        application: this application.
        charm_name: the charm's name, which all its applications share.
        root: the charm's folder.

    Returns:
        True if anything was changed.
    """
    relations = bags.relations(endpoint)
    if not relations:
        return False
    loaded = load(root / FOLDER)
    bags.report.blocked += [f'[{endpoint}] {fault}' for fault in loaded.faults]
    if not loaded.dashboards:
        return bags.ensure(endpoint, application, ProviderData())
    outdated = [
        relation
        for relation in relations
        if not bags.is_marked(relation, application, _KEY, loaded.digest)
    ]
    if not outdated:
        return False
    templates = {
        f'file:{name.removesuffix(".json")}': template(name, dashboard, charm_name)
        for name, dashboard in loaded.dashboards.items()
    }
    data = ProviderData(dashboards={'templates': templates, 'uuid': loaded.digest})
    values = databag.encoded(data)
    changed = [bags.ensure(endpoint, application, data, values, relation) for relation in outdated]
    return any(changed)


def template(name: str, dashboard: Mapping[str, Any], charm_name: str) -> dict[str, Any]:
    """A dashboard as Grafana's charm reads it from the databag.

    Args:
        name: its file's name in `FOLDER`.
        dashboard: as the file has it.
        charm_name: the charm's name.
    """
    from cosl import DashboardPath40UID, LZMABase64  # noqa: PLC0415 importing it takes long

    uid = str(dashboard.get('uid', ''))
    if not DashboardPath40UID.is_valid(uid):
        uid = DashboardPath40UID.generate(charm_name, f'{FOLDER}/{name}')
    tags = [*dashboard.get('tags', ()), f'charm: {charm_name}']
    text = json.dumps({**dashboard, 'tags': tags, 'uid': uid}, sort_keys=True)
    alternative = f'{charm_name}-file:{name.removesuffix(".json")}'
    return {
        'charm': charm_name,
        'content': LZMABase64.compress(text),
        # For a dashboard without a uid; Grafana's charm wants it of everybody.
        'dashboard_alt_uid': hashlib.shake_256(alternative.encode()).hexdigest(8),
        'inject_dropdowns': False,
        # With a topology, Grafana's charm would add matchers for its variables to each query.
        'juju_topology': {},
    }
