#!/usr/bin/env python3
"""The coordinator: nginx in front of the workers, and the single integration point of them all.

Every event takes the same way: `state.read` takes the model into a `State`, pure functions
compute from it what is wanted, and the rest of `reconcile` writes what differs, signal by signal.
"""

import functools
import logging
from typing import TYPE_CHECKING

import ops

import alerts
import nginx
import nginx_config
import nginx_pod
import roles
import state
import statuses
import workload_config
from coordinated_telemetry import (
    addresses,
    charm_log,
    cluster,
    containers,
    databags,
    logs,
    metrics,
    traces,
)
from coordinated_telemetry.reconciler import ReconcilingCharm

if TYPE_CHECKING:
    import certificates

logger = logging.getLogger(__name__)


class CoordinatorCharm(ReconcilingCharm):
    """The coordinator charm."""

    _state: state.State | None = None  # until it is read; a dying unit reads nothing
    _charm_traces = traces.Destination(None)
    _issued: state.Certificate | None = None  # by the CA, for this unit's present request
    _served: state.Certificate | None = None  # by nginx, at the end of the dispatch

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self._nginx = self.unit.get_container(nginx.CONTAINER)
        self._exporter = self.unit.get_container(nginx.EXPORTER_CONTAINER)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def reconcile(self, event: ops.EventBase, bags: databags.Databags) -> None:
        """Bring relations and containers to what the model asks for."""
        seen = self._state = state.read(self, bags)
        # First of all, so that what is logged and traced from here on has somewhere to go.
        charm_log.ensure_charm_log(seen.log_endpoints, self.topology)
        self._charm_traces = traces.charm_destination(seen.charm_receivers)
        traces.ensure_charm_tracing(self._charm_traces)
        if refused := self._charm_traces.refused:
            self.notes.append(f'charm traces are not sent: {refused}')
        self._issued = self._ensure_requested(event, bags, seen)
        self._write_containers(event, bags, seen)
        if self._served and self._issued is None:
            self.notes.append(f'the old certificate until {seen.ca} issues another')
        self._write_unit_data(bags, seen)
        if self.unit.is_leader():
            self._write_application_data(bags, seen)

    @functools.cached_property
    def _requirer(self) -> 'certificates.Requirer':
        import certificates  # noqa: PLC0415 takes long, and few events need it

        hosts = [self.hosts.unit(self.unit.name), self.hosts.application(self.app.name)]
        return certificates.Requirer(self, 'certificates', hosts)

    def _ensure_requested(
        self, event: ops.EventBase, bags: databags.Databags, seen: state.State
    ) -> state.Certificate | None:
        """Keep a certificate requested while there is a CA, and return what it issued."""
        # A relation that is broken is not there any more, but has secrets to be cleared away.
        broken = isinstance(event, ops.RelationBrokenEvent) and event.relation.name
        if not seen.ca and broken != 'certificates':
            return None
        if seen.serves_issued and isinstance(event, ops.RelationEvent | ops.WorkloadEvent):
            return seen.certificate  # such as when a worker joins: there is nothing to ask for
        if bags.is_left_out(seen.ca):
            return None
        try:
            self._requirer.follow(event)
            return self._requirer.issued(seen.provided) if seen.ca else None
        except ValueError as error:
            bags.leave_out(seen.ca or 'certificates', databags.reason(error))
            return None

    def _write_unit_data(self, bags: databags.Databags, seen: state.State) -> None:
        self.unit.set_ports(nginx_config.PORT)
        address = seen.coordinators[self.unit.name]
        bags.ensure('peers', self.unit, state.PeerData(address=address))
        bags.ensure('peers', self.unit, state.Kept(certificate=self._served))
        metrics.ensure_unit_data(bags, 'metrics-endpoint', self)

    def _write_application_data(self, bags: databags.Databags, seen: state.State) -> None:
        """All that the leader publishes: to the workers, the scraper, the stores."""
        traces.ensure_request(bags, 'charm-tracing', self.app, traces.CHARM_PROTOCOLS)
        traces.ensure_request(bags, 'workload-tracing', self.app, traces.WORKLOAD_PROTOCOLS)
        to_workers = cluster.CoordinatorData(
            worker_config=workload_config.workload_config(seen.config.log_level),
            loki_endpoints=seen.log_endpoints or None,
            charm_tracing_receivers=seen.charm_receivers or None,
            workload_tracing_receivers=seen.workload_receivers or None,
            ca_cert=self._served.ca if self._served else None,
        )
        bags.ensure('cluster', self.app, to_workers)

        own = self.topology.for_application(self.app.name, self.meta.name)
        workers = seen.workers.applications()
        metric_rules, faults = alerts.prometheus_rules(own, workers)
        self.faults += faults
        metrics.ensure_scrape_data(
            bags,
            'metrics-endpoint',
            self.app,
            own,
            metrics.scrape_jobs(self._targets(seen)),
            metric_rules,
        )
        log_rules, faults = alerts.loki_rules(own, workers)
        self.faults += faults
        logs.ensure_rules(bags, 'logging', self.app, own, log_rules)

    def _targets(self, seen: state.State) -> list[metrics.Target]:
        """Every coordinator unit's exporter, and every worker unit."""
        exporters = [
            metrics.Target(
                self.topology.for_unit(self.app.name, unit, self.meta.name),
                address,
                nginx.EXPORTER_PORT,
            )
            for unit, address in seen.coordinators.items()
        ]
        return exporters + [
            metrics.Target(worker.topology, worker.address, workload_config.WORKLOAD_PORT)
            for worker in seen.workers.units
        ]

    def _write_containers(
        self, event: ops.EventBase, bags: databags.Databags, seen: state.State
    ) -> None:
        self._served = seen.certificate  # whatever becomes of the container

        def ensure_exporter() -> None:
            containers.ensure_layer(
                self._exporter, nginx.EXPORTER_CONTAINER, nginx.exporter_layer()
            )

        def ensure_nginx() -> None:
            if shortage := self._pod.shortage:
                self.notes.append(shortage)
            if self._ensure_serves(bags, seen):
                logger.info('nginx runs with a new configuration')
            self.ensure_version(event, lambda: nginx.version(self._nginx))

        ensures = ((self._exporter, ensure_exporter), (self._nginx, ensure_nginx))
        for container, ensure in ensures:
            try:
                if container.can_connect():
                    urls = seen.log_endpoints.values()
                    logs.ensure_log_targets(container, urls, self.topology)
                    ensure()
            except nginx.ConfigError as error:
                self.faults.append(f'[nginx] cannot use the new configuration: {error}')
            except ops.pebble.Error as error:
                # It went away under our hands; when it is back, so is pebble-ready.
                logger.warning('cannot configure the container %s: %s', container.name, error)
                self.unsettled.append(f'[{container.name}] not configured yet: juju debug-log')

    def _ensure_serves(self, bags: databags.Databags, seen: state.State) -> bool:
        """Run nginx with what was issued, else with what it had, else with plain HTTP.

        Raises:
            nginx.ConfigError: if nginx takes none of them; it goes on with what it runs with.
        """
        refused: list[str] = []
        for certificate in filter(None, dict.fromkeys((self._issued, seen.certificate))):
            path = nginx.certificate_path(certificate.chain)
            try:
                nginx.ensure_certificate(
                    self._nginx, path, lambda wanted=certificate: self._requirer.file(wanted)
                )
                changed = self._ensure_running(seen, path)
            except (ValueError, nginx.ConfigError) as error:
                why = addresses.shorten(str(error), 160)
                refused.append(f'cannot serve with its certificate: {why}')
            else:
                break
        else:
            certificate, path = None, ''
            changed = self._ensure_running(seen, path)
        self._served = certificate
        nginx.ensure_no_other_certificate(self._nginx, path)
        for why in refused:
            bags.leave_out(seen.ca, why)
        return changed

    def _ensure_running(self, seen: state.State, certificate: str) -> bool:
        # A new unit gets to know the workers one by one, and its certificate comes later than the
        # others': until then they serve better.
        complete = not roles.ROLES.missing(seen.workers.units) and bool(certificate or not seen.ca)
        return nginx.ensure_running(
            self._nginx, self._nginx_config(seen, certificate), ready=complete
        )

    def _nginx_config(self, seen: state.State, certificate: str) -> str:
        return nginx_config.config(
            {
                role: [worker.address for worker in seen.workers.of_role(role)]
                for role in nginx_config.LOCATIONS.values()
            },
            upstream_port=workload_config.WORKLOAD_PORT,
            pod=self._pod,
            log_level=seen.config.log_level,
            certificate=certificate,
        )

    @functools.cached_property
    def _pod(self) -> nginx_pod.Pod:
        return nginx.read_pod(self._nginx)

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        if self._state is None:
            return
        for status in statuses.statuses(
            self.app.name,
            self._state,
            nginx_reachable=self._nginx.can_connect(),
            nginx_running=containers.is_running(self._nginx, nginx.SERVICE),
            faults=self.faults,
            unsettled=self.unsettled,
            notes=self.notes,
            awaits_certificate=bool(self._state.ca) and self._served is None,
            left_out=self.left_out,
        ):
            event.add_status(status)


if __name__ == '__main__':
    traces.label_charm_spans('coordinator-k8s')
    with charm_log.CharmLog():
        ops.main(CoordinatorCharm)
