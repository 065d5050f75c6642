"""Metrics: what the coordinator tells a scraper (`prometheus_scrape`, provider's side).

The leader publishes one scrape job for each application, its coordinator's and the workers', with
a fully qualified target and the topology of each unit, and the alert rules. The scraper then GETs
each unit by itself; nothing is set up in the workers for it.
"""

import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any

import ops

from . import addresses, databag, databags, publication, rules
from .topology import Topology, unit_number

_OF_THE_PROVIDER = ('juju_model', 'juju_model_uuid')  # labels that a scraper adds by itself


@dataclasses.dataclass(frozen=True)
class Target:
    """Where a unit's metrics are.

    Attributes:
        topology: the unit's own, whoever publishes it.
        address: a validated host.
        port: the port that serves the metrics.
    """

    topology: Topology
    address: str
    port: int


class UnitData(databag.Databag):
    """The unit databag of a `prometheus_scrape` provider: plain texts."""

    plain = True
    # COS's library reads all of these, so that one with an old value moves targets elsewhere.
    retired = frozenset(
        (
            'external_url',
            'prometheus_scrape_host',
            'prometheus_scrape_unit_fqdn',
            'prometheus_scrape_unit_path',
        )
    )

    prometheus_scrape_unit_address: str
    prometheus_scrape_unit_name: str


class ProviderData(publication.Publication):
    """The application databag of a `prometheus_scrape` provider."""

    retired = frozenset(('external_url',))

    scrape_metadata: publication.Metadata
    scrape_jobs: list[dict[str, Any]]


def scrape_jobs(targets: Iterable[Target], metrics_path: str = '/metrics') -> list[dict[str, Any]]:
    """One scrape job for each application, each of its units with the unit's own labels.

    A label is stated once wherever that is enough, as there may be a thousand targets: those of
    the model are the provider's (`scrape_metadata`), and those that all units of a job share are
    in its relabelling, which also wins over the provider's application in every version of the
    scraper's library. The rules have no `$`: a collector may take it for an environment variable.
    """

    def by_unit(target: Target) -> tuple[str, int]:
        return unit_number(target.topology.unit)

    jobs = itertools.groupby(
        sorted(targets, key=by_unit), key=lambda target: target.topology.application
    )
    return [_job(application, list(units), metrics_path) for application, units in jobs]


def _job(application: str, targets: list[Target], metrics_path: str) -> dict[str, Any]:
    labels = [target.topology.labels for target in targets]
    shared = {
        label: labels[0][label]
        for label in ('juju_application', 'juju_charm')
        # Two charms in one application: while it is refreshed to another.
        if all(one[label] == labels[0][label] for one in labels)
    }
    stated = {*_OF_THE_PROVIDER, *shared}
    return {
        'job_name': application,
        'metrics_path': metrics_path,
        'relabel_configs': [
            {'target_label': label, 'replacement': value} for label, value in shared.items()
        ],
        'static_configs': [
            {
                'targets': [addresses.join(target.address, target.port)],
                'labels': {label: own[label] for label in own if label not in stated},
            }
            for target, own in zip(targets, labels, strict=True)
        ],
    }


def ensure_scrape_data(
    bags: databags.Databags,
    endpoint: str,
    application: ops.Application,
    provider: Topology,
    jobs: list[dict[str, Any]],
    groups: list[rules.Group],
) -> bool:
    """Publish jobs and alert rules to every scraper; leader only. True if anything changed.

    Without room for all rules, those of some applications are left out: `publication.ensure`.
    """
    data = ProviderData(
        scrape_metadata=publication.Metadata.of(provider),
        scrape_jobs=jobs,
        alert_rules=publication.published(groups),
    )
    return publication.ensure(bags, endpoint, application, data)


def ensure_unit_data(bags: databags.Databags, endpoint: str, charm: ops.CharmBase) -> bool:
    """Publish where this unit is, as every `prometheus_scrape` provider unit does.

    Plain strings, not JSON. Returns True if anything was changed.
    """
    if not bags.relations(endpoint):
        return False
    try:
        binding = charm.model.get_binding(endpoint)
        address = binding.network.bind_address if binding else None
    except ops.ModelError:
        address = None
    if address is None:  # the pod has none yet; wildcard targets, which need it, are not used here
        return False
    data = UnitData(
        # Its IP, while targets have names: COS's scraper moves a target at an address that a unit
        # publishes into a job of that unit alone, and back when the unit departs. Of a job that is
        # gone, Prometheus keeps the last `up` for five minutes: with a 0, HostDown may fire.
        prometheus_scrape_unit_address=str(address),
        prometheus_scrape_unit_name=charm.unit.name,
    )
    return bags.ensure(endpoint, charm.unit, data)
