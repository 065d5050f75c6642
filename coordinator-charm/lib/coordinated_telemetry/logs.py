"""Logs: the stores' push URLs, Pebble's log targets and log alert rules (`loki_push_api`).

- `read_endpoints` gives the coordinator the stores' push URLs; the workers get them over
  `cluster`.
- `ensure_log_targets` makes Pebble forward the logs of a container's services to all of them.
- `ensure_rules` publishes the log alert rules.

What the charm itself logs goes to the same URLs: see `charm_log`. Whom Pebble trusts over https is
in `log_trust`. Logs go to a collector instead if there is one: see `routes`.
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import Literal

import ops

from . import addresses, databag, databags, log_trust, publication, report, rules
from .topology import Topology

LAYER = 'telemetry-logs'
"""The label of the Pebble layer that holds the log targets."""

_PREFIX = 'telemetry-'  # of our own log targets
_ADDED = {'opentelemetry': '/v1/logs'}  # by Pebble, to a location


class _EndpointUrl(databag.Databag):
    url: addresses.Url


class EndpointData(databag.Databag):
    """The unit databag of a `loki_push_api` provider."""

    endpoint: _EndpointUrl


class RequirerData(publication.Publication):
    """The application databag of a `loki_push_api` requirer."""

    metadata: publication.Metadata


def read_endpoints(bags: databags.Databags, endpoint: str) -> dict[str, str]:
    """Where logs go: Loki unit → push URL, without units that are not ready or ignored."""
    found: dict[str, str] = {}
    for relation in bags.relations(endpoint):
        for unit in bags.units(relation):
            data = bags.load(relation, unit, EndpointData)
            if data is not None:
                found[unit.name] = data.endpoint.url
    return found


def trusted(found: report.Report, endpoints: Mapping[str, str], ca: str = '') -> Mapping[str, str]:
    """The endpoints that logs can be sent to: Loki unit → push URL; the others are noted.

    Without a store's CA, every push to an https endpoint would fail unseen.

    Args:
        found: where to note the others.
        endpoints: Loki unit → push URL.
        ca: PEM certificates to trust, or ''.
    """
    untrusted = () if ca else _over_tls(endpoints)
    if untrusted:
        named, first = ', '.join(untrusted[:3]), endpoints[untrusted[0]]
        found.note(f'logs are not sent to {named}: no CA certificate for {first}')
    return {unit: url for unit, url in endpoints.items() if unit not in untrusted}


def _over_tls(endpoints: Mapping[str, str]) -> list[str]:
    return [unit for unit, url in endpoints.items() if url.startswith('https:')]


def ensure_rules(
    bags: databags.Databags,
    endpoint: str,
    application: ops.Application,
    requirer: Topology,
    groups: list[rules.Group],
) -> bool:
    """Publish log alert rules to every store; leader only. True if anything was changed."""
    data = RequirerData(
        metadata=publication.Metadata.of(requirer), alert_rules=publication.published(groups)
    )
    return publication.ensure(bags, endpoint, application, data)


def log_targets(
    urls: Collection[str], topology: Topology, in_plan: Collection[str] = (), otlp: str = ''
) -> dict[str, ops.pebble.LogTargetDict]:
    """The log targets that Pebble should have: name → definition.

    Pebble cannot remove a target from its plan, so one of ours that is no longer wanted is
    disabled. Nor does it ever move an existing target to a new location (it creates the client
    once), so the name contains a digest of the URL: another URL is another target. To a collector
    it speaks OTLP over HTTP, and adds `/v1/logs` to the location by itself.

    Args:
        urls: push URLs; duplicates count once.
        topology: gives the labels; Pebble adds `pebble_service`, and over OTLP `service.name`.
        in_plan: names of the targets that the plan has now.
        otlp: where a collector takes logs, without the path, or ''.
    """
    targets: dict[str, ops.pebble.LogTargetDict] = {
        name: log_trust.DISABLED for name in in_plan if name.startswith(_PREFIX)
    }
    for url in set(urls):
        targets[_name(url)] = _target('loki', url, topology)
    if otlp:
        # A store's push URL could be the same.
        targets[_name(f'otlp {otlp}')] = _target('opentelemetry', otlp, topology)
    return dict(sorted(targets.items()))


def sent_to(container: ops.Container) -> list[str]:
    """Where Pebble forwards the logs of a container now: the push URLs of our log targets, sorted.

    To the location of a collector it adds a path by itself, which is part of the URL here.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    targets = container.get_plan().log_targets
    ours = [target for name, target in targets.items() if name.startswith(_PREFIX)]
    return sorted(
        f'{target.location}{_ADDED.get(target.type, "")}'
        for target in ours
        if target.services == ['all']
    )


def _name(text: str) -> str:
    return _PREFIX + hashlib.sha256(text.encode()).hexdigest()[:12]


def _target(
    kind: Literal['loki', 'opentelemetry'], location: str, topology: Topology
) -> ops.pebble.LogTargetDict:
    return {
        'override': 'replace',
        'type': kind,
        'location': location,
        'services': ['all'],
        'labels': topology.labels,
    }


def ensure_log_targets(
    container: ops.Container,
    endpoints: Mapping[str, str],
    topology: Topology,
    found: report.Report,
    ca: str = '',
    otlp: str = '',
) -> bool:
    """Make Pebble forward all logs of a container to these endpoints, and to no others of ours.

    This compares with the live plan: a rescheduled pod starts with an empty plan, and no event
    announces that. Pebble applies the change without restarting anything. Endpoints over https
    need one of the CAs in Pebble's trust store, which `log_trust` sees to.

    Args:
        container: reachable.
        endpoints: Loki unit → push URL, from `trusted`.
        topology: of this unit.
        found: where to note what is not sent.
        ca: PEM certificates to trust, or ''. Without them the trust in earlier ones ends.
        otlp: where a collector takes logs over HTTP, without the path, or ''.

    Returns:
        True if anything was changed.
    """
    have = container.get_plan().log_targets
    over_tls = _over_tls({**endpoints, otlp: otlp})
    before = log_trust.remembered(have.get(log_trust.TARGET))
    can_verify, trust = log_trust.ensure(container, before, ca, over_tls, topology.unit, found)
    urls = [url for unit, url in endpoints.items() if can_verify or unit not in over_tls]
    collector = otlp if can_verify or otlp not in over_tls else ''
    wanted = log_targets(urls, topology, have, collector)
    if trust:
        wanted[log_trust.TARGET] = trust.target()
    if all(name in have and have[name] == target for name, target in wanted.items()):
        return False
    container.add_layer(LAYER, {'log-targets': wanted}, combine=True)
    return True
