"""Logs: the stores' push URLs, Pebble's log targets and log alert rules (`loki_push_api`).

- `read_endpoints` gives the coordinator the stores' push URLs; the workers get them over
  `cluster`.
- `ensure_log_targets` makes Pebble forward the logs of a container's services to all of them.
- `ensure_rules` publishes the log alert rules.

What the charm itself logs goes to the same URLs: see `charm_log`.
"""

import dataclasses
import hashlib
from collections.abc import Collection, Mapping

import ops

from . import addresses, databag, databags, publication, report, rules
from .topology import Topology

LAYER = 'telemetry-logs'
"""The label of the Pebble layer that holds the log targets."""

_PREFIX = 'telemetry-'  # of our own log targets


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


@dataclasses.dataclass(frozen=True)
class Trusted:
    """The endpoints that logs can be sent to: Loki unit → push URL.

    Attributes:
        charm: for the charm's own log.
        pebble: for the logs of the workloads.
    """

    charm: Mapping[str, str]
    pebble: Mapping[str, str]


def trusted(found: report.Report, endpoints: Mapping[str, str], ca: str = '') -> Trusted:
    """The endpoints that logs can be sent to; the others are noted.

    Without a store's CA, every push to an https endpoint would fail unseen. Pebble is not given
    one, so only the charm's own log goes there.

    Args:
        found: where to note the others.
        endpoints: Loki unit → push URL.
        ca: PEM certificates to trust, or ''.
    """
    plain = {unit: url for unit, url in endpoints.items() if not url.startswith('https:')}
    if untrusted := [unit for unit in endpoints if unit not in plain]:
        named, first = ', '.join(untrusted[:3]), endpoints[untrusted[0]]
        if ca:
            found.note(
                f'workload logs are not sent to {named}: Pebble is not given the CA of {first}'
            )
        else:
            found.note(f'logs are not sent to {named}: no CA certificate for {first}')
    return Trusted(charm=endpoints if ca else plain, pebble=plain)


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
    urls: Collection[str], topology: Topology, in_plan: Collection[str] = ()
) -> dict[str, ops.pebble.LogTargetDict]:
    """The log targets that Pebble should have: name → definition.

    Pebble cannot remove a target from its plan, so one of ours that is no longer wanted is
    disabled. Nor does it ever move an existing target to a new location (it creates the client
    once), so the name contains a digest of the URL: another URL is another target.

    Args:
        urls: push URLs; duplicates count once.
        topology: gives the labels; Pebble adds `pebble_service`.
        in_plan: names of the targets that the plan has now.
    """
    targets: dict[str, ops.pebble.LogTargetDict] = {
        name: {
            'override': 'replace',
            'type': 'loki',
            'location': 'http://disabled.invalid',
            'services': ['-all'],
        }
        for name in in_plan
        if name.startswith(_PREFIX)
    }
    for url in set(urls):
        targets[_PREFIX + hashlib.sha256(url.encode()).hexdigest()[:12]] = {
            'override': 'replace',
            'type': 'loki',
            'location': url,
            'services': ['all'],
            'labels': topology.labels,
        }
    return dict(sorted(targets.items()))


def ensure_log_targets(
    container: ops.Container, urls: Collection[str], topology: Topology
) -> bool:
    """Make Pebble forward all logs of a container to these URLs, and to no others of ours.

    This compares with the live plan: a rescheduled pod starts with an empty plan, and no event
    announces that. Pebble applies the change without restarting anything. The container must be
    reachable. Returns True if anything was changed.
    """
    have = container.get_plan().log_targets
    wanted = log_targets(urls, topology, have)
    if all(name in have and have[name] == target for name, target in wanted.items()):
        return False
    container.add_layer(LAYER, {'log-targets': wanted}, combine=True)
    return True
