"""Metrics: what the coordinator tells a scraper (`prometheus_scrape`, provider's side).

The leader publishes the alert rules and one scrape job for each application, the coordinator's
own and every worker's, with each unit's fully qualified target and topology. An application whose
units serve metrics at several places has a job for each. The scraper then GETs each unit
directly; workers set up nothing for it.
"""

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

import ops

from . import addresses, databag, databags, publication, rules
from .cluster_data import Scheme
from .topology import Topology, bind_address, unit_number

_OF_THE_PROVIDER = ('juju_model', 'juju_model_uuid')  # labels that the scraper adds


class Target(NamedTuple):
    """Where a unit serves its metrics.

    Attributes:
        topology: the unit's own topology, whoever publishes the target.
        address: a validated host.
        port: the port that serves the metrics.
        scheme: how it serves them; the same for all units of an application.
        path: where; likewise.
        place: names the place, if units of the application may serve metrics at more than one:
            scheme, port and path are then the same for each place. No `/`; '' for the usual one.
    """

    topology: Topology
    address: str
    port: int
    scheme: Scheme = 'http'
    path: str = '/metrics'
    place: str = ''


class UnitData(databag.Databag):
    """The unit databag of a `prometheus_scrape` provider: plain text."""

    plain = True
    # COS's library reads all of these, so an outdated value would move targets elsewhere.
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


def scrape_jobs(targets: Iterable[Target], *, ca: str = '') -> list[dict[str, Any]]:
    """One scrape job for each place of each application; each target gets its own unit's labels.

    The usual place has the application's name, any other has its own name behind it: `app_place`,
    which no application can have. A unit's places need jobs of their own, since nothing but the
    label `job` distinguishes their series: `instance` is the application's.

    There may be a thousand targets, so a label that targets share is stated once: the scraper
    takes model and UUID from the provider (`scrape_metadata`), and the job's relabelling states
    what all its units share. Relabelling also overrides the provider's application, in every
    version of the scraper's library. It contains no `$`, which collectors may read as an
    environment variable.

    Args:
        targets: in any order.
        ca: the CAs of the targets with https, in PEM; the scraper writes them to a file.
    """

    def by_job(target: Target) -> tuple[str, str]:
        return target.topology.application, target.place

    def by_unit(target: Target) -> tuple[str, str, int]:
        application, number = unit_number(target.topology.unit)
        return application, target.place, number

    jobs = itertools.groupby(sorted(targets, key=by_unit), key=by_job)
    return [
        _job(f'{application}_{place}' if place else application, list(units), ca)
        for (application, place), units in jobs
    ]


def _job(name: str, targets: list[Target], ca: str) -> dict[str, Any]:
    labels = [target.topology.labels for target in targets]
    shared = {
        label: labels[0][label]
        for label in ('juju_application', 'juju_charm')
        # An application has two charms while it is refreshed to another one.
        if all(one[label] == labels[0][label] for one in labels)
    }
    stated = {*_OF_THE_PROVIDER, *shared}
    return {
        'job_name': name,
        'metrics_path': targets[0].path,
        **({'scheme': 'https', 'tls_config': {'ca': ca}} if targets[0].scheme == 'https' else {}),
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

    If not all rules fit, `publication.ensure` leaves out those of some applications.
    """
    data = ProviderData(
        scrape_metadata=publication.Metadata.of(provider),
        scrape_jobs=jobs,
        alert_rules=publication.published(groups),
    )
    return publication.ensure(bags, endpoint, application, data)


def ensure_unit_data(bags: databags.Databags, endpoint: str, charm: ops.CharmBase) -> bool:
    """Publish this unit's address, as every `prometheus_scrape` provider unit does.

    Plain text, not JSON. Returns True if anything was changed.
    """
    if not bags.relations(endpoint):
        return False
    address = bind_address(charm, endpoint)
    if not address:  # the pod has none yet; only wildcard targets would need it
        return False
    data = UnitData(
        # The pod's IP, while targets have names: when a target's host equals a unit's published
        # address, COS's scraper gives it its own job, and takes that back when the unit departs.
        # Prometheus keeps a removed job's last `up` for five minutes: with a 0, HostDown may fire.
        prometheus_scrape_unit_address=address,
        prometheus_scrape_unit_name=charm.unit.name,
    )
    return bags.ensure(endpoint, charm.unit, data)
