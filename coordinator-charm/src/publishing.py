"""What the leader publishes: to workers, scrapers and stores."""

import pathlib
from typing import Any

import alerts
import catalogue
import cluster_tls
import description
import ingress
import nginx_config
import s3
import schemes
import targets
import tls_data
from coordinated_telemetry import (
    cluster_data,
    dashboards,
    databags,
    logs,
    metrics,
    otlp,
    reconciler,
    topology,
    traces,
    trust,
)
from state import State
from workload import WORKLOAD

_ROOT = pathlib.Path(__file__).resolve().parent.parent


def ensure_published(
    charm: reconciler.ReconcilingCharm,
    bags: databags.Databags,
    seen: State,
    now: tls_data.Kept,
    *,
    narrows: bool,
) -> None:
    """Publish all of it; leader only.

    Args:
        charm: the coordinator's; its report names what is ignored.
        bags: the databags.
        seen: what was read.
        now: what this unit does now.
        narrows: whether what nobody uses may end now.
    """
    traces.ensure_request(bags, 'charm-tracing', charm.app, traces.CHARM_PROTOCOLS)
    protocols = traces.workload_protocols(WORKLOAD.traces)
    traces.ensure_request(bags, 'workload-tracing', charm.app, protocols)
    trust.ensure_request(bags, 'receive-ca-cert', charm.app)
    ensure_entry(charm, bags, seen, now)
    s3.ensure_request(bags, charm)
    bucket, keys = seen.storage.bucket, seen.storage.keys
    scheme = schemes.of_workers(seen, now)
    config = (
        WORKLOAD.config(description.Seen(seen.config.log_level, seen.workers, scheme, bucket))
        if bucket or not WORKLOAD.needs_s3
        else None
    )
    to_workers = cluster_data.CoordinatorData(
        worker_config=config,
        loki_endpoints=seen.log_endpoints or None,
        charm_tracing_receivers=seen.charm_receivers or None,
        workload_tracing_receivers=seen.workload_receivers or None,
        otlp_endpoints=dict(seen.otlp_endpoints) or None,
        receive_ca_certs=seen.store_ca or None,
        s3_secret_id=s3.ensure_secret(bags, charm, keys) if keys else None,
        s3_tls_ca_chain=(bucket and bucket.ca) or None,
    )
    ca = cluster_tls.ensure_published(
        bags, charm.app, charm.hosts.unit, seen, to_workers, now, narrows=narrows
    )
    ensure_telemetry(charm, bags, seen, now, ca)
    dashboards.ensure(bags, 'grafana-dashboard', charm.app, charm.meta.name, _ROOT)


def ensure_entry(
    charm: reconciler.ReconcilingCharm, bags: databags.Databags, seen: State, now: tls_data.Kept
) -> None:
    """Publish what leads clients here: to an ingress, and to catalogues.

    Args:
        charm: the coordinator's.
        bags: the databags.
        seen: what was read.
        now: what this unit does now.
    """
    ingress.ensure_request(bags, charm, schemes.of_workers(seen, now), seen.ingress_url)
    catalogue.ensure_item(bags, charm, entrypoint(charm, seen, now))


def entrypoint(charm: reconciler.ReconcilingCharm, seen: State, now: tls_data.Kept) -> str:
    """Where clients reach the workload: the URL of the ingress, or else of nginx in the cluster.

    Like the workers, clients change to https, and from it, when every unit serves it.
    """
    host = charm.hosts.application(charm.app.name)
    scheme = schemes.of_workers(seen, now)
    return seen.ingress_url or f'{scheme}://{host}:{nginx_config.PORT}'


def scrape_jobs(
    own: topology.Topology, seen: State, now: tls_data.Kept, ca: str = ''
) -> list[dict[str, Any]]:
    """The scrape jobs of coordinators and workers.

    Args:
        own: the coordinator's topology as an application.
        seen: what was read.
        now: what this unit does now.
        ca: the CAs that scrapers are to trust, in PEM.
    """
    exporters, is_tls = seen.exporters(now.exported), bool(seen.tls.ca)
    found = targets.targets(own, seen.coordinators, seen.workers, exporters, tls=is_tls)
    return metrics.scrape_jobs(found, ca=ca)


def ensure_telemetry(
    charm: reconciler.ReconcilingCharm,
    bags: databags.Databags,
    seen: State,
    now: tls_data.Kept,
    ca: str,
) -> None:
    """Publish the scrape targets and alert rules of coordinators and workers.

    Args:
        charm: the coordinator's; its report names what is ignored.
        bags: the databags.
        seen: what was read.
        now: what this unit does now.
        ca: the CAs that scrapers are to trust, in PEM.
    """
    own = charm.topology.for_application(charm.app.name, charm.meta.name)
    watched = [own] if seen.coordinators else []
    generic = charm.costly(alerts.generic_version(), alerts.generic_groups)
    metric_rules, faults = alerts.prometheus_rules(watched, seen.workers.applications, generic)
    charm.report.blocked += faults
    jobs = scrape_jobs(own, seen, now, ca)
    metrics.ensure_scrape_data(bags, 'metrics-endpoint', charm.app, own, jobs, metric_rules)
    log_rules, faults = alerts.loki_rules(watched, seen.workers.applications)
    charm.report.blocked += faults
    # Each rule goes where its signal goes, and nowhere twice.
    scraped = bool(bags.relations('metrics-endpoint'))
    collected = bool(seen.routes.otlp_logs) or not bags.relations('logging')
    logs.ensure_rules(bags, 'logging', charm.app, own, [] if collected else log_rules)
    otlp.ensure_rules(
        bags,
        'send-otlp',
        charm.app,
        own,
        [] if scraped else metric_rules,
        log_rules if collected else [],
    )
