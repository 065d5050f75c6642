"""The coordinator's actions: they gather what this unit knows, and write nothing.

Any unit answers. An action finds the databags as the last hook remembered them, so its answer is
about what the charm has acted on.
"""

from collections.abc import Iterator
from typing import Literal

import ops
import pydantic
import pydantic_core

import exporter
import nginx
import publishing
import state
import telemetry_text
import telemetry_view
import workers_view
from coordinated_telemetry import (
    charm_log,
    cluster_data,
    containers,
    databag,
    databags,
    logs,
    reconciler,
    topology,
)


class ListWorkers(pydantic.BaseModel):
    """The parameters of `list-workers`, as in charmcraft.yaml."""

    format: Literal['text', 'json'] = 'text'


class ShowTelemetry(ListWorkers):
    """The parameters of `show-telemetry`, as in charmcraft.yaml."""

    only: str = ''


def show_telemetry(charm: reconciler.ReconcilingCharm, event: ops.ActionEvent) -> None:
    """Answer where the telemetry of every unit goes, and why what does not flow does not."""
    asked = event.load_params(ShowTelemetry, errors='fail')
    facts = charm.look(event, lambda bags: _telemetry(charm, bags))
    if asked.only and asked.only not in _names(facts):
        event.fail(f'there is no unit and no application {asked.only}')
        return
    render = telemetry_text.as_json if asked.format == 'json' else telemetry_text.as_text
    event.set_results({'telemetry': render(facts, asked.only)})


def list_workers(charm: reconciler.ReconcilingCharm, event: ops.ActionEvent) -> None:
    """Answer which workers there are, and what this unit's nginx does with them."""
    asked = event.load_params(ListWorkers, errors='fail')
    facts = charm.look(event, lambda bags: _workers(charm, bags))
    render = workers_view.as_json if asked.format == 'json' else workers_view.as_text
    event.set_results({'workers': render(facts)})


def _names(facts: telemetry_view.Facts) -> set[str]:
    units = (*facts.coordinators, *(u for units in facts.workers.values() for u in units))
    return {facts.application, *facts.workers, *units}


def _telemetry(
    charm: reconciler.ReconcilingCharm, bags: databags.Databags
) -> telemetry_view.Facts:
    seen = state.read(charm, bags)
    leads = charm.unit.is_leader()
    expected = telemetry_view.Sent(
        log_endpoints=seen.log_endpoints,
        charm_receivers=seen.charm_receivers,
        workload_receivers=seen.workload_receivers,
        ca=seen.store_ca,
        collector=seen.otlp_endpoints,
    )
    return telemetry_view.Facts(
        unit=charm.unit.name,
        leads=leads,
        entrypoint=publishing.entrypoint(charm, seen, seen.kept),
        related={
            endpoint: [relation.app.name for relation in bags.relations(endpoint)]
            for endpoint in telemetry_view.STORES
        },
        coordinators=sorted(seen.coordinators, key=topology.unit_number),
        workers={name: [u.name for u in bags.units(r)] for name, r in _applications(bags)},
        expected=expected,
        published=dict(_published(charm, bags)) if leads else None,
        expected_scrapes=_expected_scrapes(charm, seen),
        scrapes=dict(_scrapes(charm, bags)) if leads else None,
        log_targets=dict(_log_targets(charm)),
        charm_log=charm_log.CharmLog.current.lacking if charm_log.CharmLog.current else None,
        awaited=seen.workers.awaited,
        ignored={item.name: item.why for item in bags.report.ignored},
        notes=[*bags.report.blocked, *bags.report.notes],
    )


def _applications(bags: databags.Databags) -> Iterator[tuple[str, ops.Relation]]:
    """The worker applications of this model, each with the relation that counts."""
    found: set[str] = set()
    for relation in bags.relations('cluster'):  # without those that `state.read` dropped
        if relation.app.name not in found:
            found.add(relation.app.name)
            yield relation.app.name, relation


def _published(
    charm: reconciler.ReconcilingCharm, bags: databags.Databags
) -> Iterator[tuple[str, telemetry_view.Sent]]:
    """What each worker application is told, read as a worker reads it; leader only."""
    for name, relation in _applications(bags):
        content = bags.content(relation, charm.app)
        found = databag.parse(cluster_data.CoordinatorData, content).get('data')
        if found:
            yield (
                name,
                telemetry_view.Sent(
                    log_endpoints=_texts(found.get('loki_endpoints')),
                    charm_receivers=_texts(found.get('charm_tracing_receivers')),
                    workload_receivers=_texts(found.get('workload_tracing_receivers')),
                    ca=found.get('receive_ca_certs') or '',
                    collector=_texts(found.get('otlp_endpoints')),
                ),
            )


def _texts(found: object) -> dict[str, str]:
    entries = found.items() if isinstance(found, dict) else ()
    return {str(key): text for key, text in entries if isinstance(text, str)}


def _expected_scrapes(
    charm: reconciler.ReconcilingCharm, seen: state.State
) -> dict[str, tuple[str, ...]]:
    own = charm.topology.for_application(charm.app.name, charm.meta.name)
    return telemetry_view.scraped(publishing.scrape_jobs(own, seen, seen.kept))


def _scrapes(
    charm: reconciler.ReconcilingCharm, bags: databags.Databags
) -> Iterator[tuple[str, dict[str, tuple[str, ...]]]]:
    """What each scraper is told to scrape; leader only."""
    for relation in bags.relations('metrics-endpoint'):
        text = bags.content(relation, charm.app).get('scrape_jobs', '[]')
        try:
            jobs = pydantic_core.from_json(text)
        except ValueError:
            jobs = []
        yield relation.app.name, telemetry_view.scraped(jobs)


def _log_targets(charm: reconciler.ReconcilingCharm) -> Iterator[tuple[str, list[str] | None]]:
    for name in (nginx.CONTAINER, exporter.CONTAINER):
        container = charm.unit.get_container(name)
        try:
            yield name, logs.sent_to(container) if container.can_connect() else None
        except ops.pebble.Error:
            yield name, None


def _workers(charm: reconciler.ReconcilingCharm, bags: databags.Databags) -> workers_view.Facts:
    seen = state.read(charm, bags)
    container = charm.unit.get_container(nginx.CONTAINER)
    config: str | None = None
    try:
        if container.can_connect():
            config = nginx.read_config(container)
    except ops.pebble.Error:
        pass
    found = {worker.topology.unit: worker for worker in seen.workers.units}
    named = dict(_applications(bags))
    return workers_view.Facts(
        unit=charm.unit.name,
        units=[unit.name for name in sorted(named) for unit in bags.units(named[name])],
        workers=found,
        scheme=seen.kept.upstream,
        upstreams=workers_view.upstreams(config) if config is not None else None,
        runs=containers.is_running(container, nginx.SERVICE),
        awaited=seen.workers.awaited,
        ignored={item.name: item.why for item in bags.report.ignored},
    )
