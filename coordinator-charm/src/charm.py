#!/usr/bin/env python3
"""The coordinator: nginx in front of the workers, and the single integration point of them all.

Every event takes the same way: `state.read` takes the model into a `State`, pure functions
compute from it what is wanted, and the rest of `reconcile` writes what differs, signal by signal.
"""

import logging
import pathlib

import ops

import alerts
import nginx
import roles
import state
import statuses
import workload_config
from coordinated_telemetry import charm_log, cluster, containers, databags, logs, metrics, traces
from coordinated_telemetry.reconciler import ReconcilingCharm

logger = logging.getLogger(__name__)


class CoordinatorCharm(ReconcilingCharm):
    """The coordinator charm."""

    _state: state.State | None = None  # until it is read; a dying unit reads nothing
    _charm_traces = traces.Destination(None)

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
        self._write_unit_data(bags, seen)
        if self.unit.is_leader():
            self._write_application_data(bags, seen)
        self._write_containers(event, seen)

    def _write_unit_data(self, bags: databags.Databags, seen: state.State) -> None:
        self.unit.set_ports(nginx.PORT)
        address = seen.coordinators[self.unit.name]
        bags.ensure('peers', self.unit, state.PeerData(address=address))
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

    def _write_containers(self, event: ops.EventBase, seen: state.State) -> None:
        def ensure_exporter() -> None:
            containers.ensure_layer(
                self._exporter, nginx.EXPORTER_CONTAINER, nginx.exporter_layer()
            )

        def ensure_nginx() -> None:
            # A new unit gets to know the workers one by one; until it has some of each role, the
            # others serve better.
            ready = not roles.ROLES.missing(seen.workers.units)
            if nginx.ensure_running(self._nginx, self._nginx_config(seen), ready=ready):
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

    def _nginx_config(self, seen: state.State) -> str:
        resolv_conf = containers.read_file(self._nginx, '/etc/resolv.conf') or ''
        return nginx.config(
            {
                role: [worker.address for worker in seen.workers.of_role(role)]
                for role in nginx.LOCATIONS.values()
            },
            upstream_port=workload_config.WORKLOAD_PORT,
            resolvers=nginx.resolvers(resolv_conf),
            ipv6=pathlib.Path('/proc/net/if_inet6').exists(),
            log_level=seen.config.log_level,
        )

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
            left_out=self.left_out,
        ):
            event.add_status(status)


if __name__ == '__main__':
    traces.label_charm_spans('coordinator-k8s')
    with charm_log.CharmLog():
        ops.main(CoordinatorCharm)
