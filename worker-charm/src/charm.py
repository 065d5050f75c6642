#!/usr/bin/env python3
"""The worker: one workload with some roles. All it knows comes from the coordinator.

Its metrics need nothing here: the coordinator tells the scraper where each worker is.
"""

import dataclasses
import logging
from collections.abc import Sequence

import ops
import pydantic

import workload
from coordinated_telemetry import (
    charm_log,
    cluster,
    containers,
    databags,
    logs,
    reconciler,
    rolling,
    traces,
)
from coordinated_telemetry.topology import Topology

logger = logging.getLogger(__name__)


class Config(pydantic.BaseModel):
    """The charm's options: one for each role."""

    role_all: bool = True
    role_frontend: bool = False
    role_backend: bool = False

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that are enabled, meta-roles as they are, sorted."""
        enabled = (name for name, value in self if value)
        return tuple(sorted(name.removeprefix('role_') for name in enabled))


class WorkerCharm(reconciler.ReconcilingCharm):
    """The worker charm."""

    _is_read = False  # a dying unit reads nothing
    _roles: tuple[str, ...] = ()
    _coordinator: cluster.Coordinator | None = None
    _charm_traces = traces.Destination(None)
    _workload_traces = traces.Destination(None)
    _ahead: Sequence[str] = ()

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self._container = self.unit.get_container(workload.CONTAINER)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def reconcile(self, event: ops.EventBase, bags: databags.Databags) -> None:
        """Bring the relation and the container to what the coordinator asks for."""
        self._roles = self.load_config(Config).roles
        self._coordinator = self._read_coordinator(bags)
        self._is_read = True
        if self._coordinator:
            charm_log.ensure_charm_log(self._coordinator.loki_endpoints, self.topology)
            self._charm_traces = traces.charm_destination(
                self._coordinator.charm_tracing_receivers
            )
            traces.ensure_charm_tracing(self._charm_traces)
            self._workload_traces = traces.workload_destination(
                self._coordinator.workload_tracing_receivers
            )
        elif not bags.relations('cluster'):
            charm_log.ensure_charm_log({}, self.topology)
            traces.ensure_charm_tracing(traces.Destination(None))

        refused = {'charm': self._charm_traces.refused, 'workload': self._workload_traces.refused}
        self.notes += [
            f'{kind} traces are not sent: {why}' for kind, why in refused.items() if why
        ]

        self.unit.set_ports(workload.PORT)
        address = self.hosts.unit(self.unit.name)
        worker = cluster.Worker(self.topology, address, self._roles)
        cluster.ensure_worker_data(bags, 'cluster', self, worker)
        try:
            if not self._container.can_connect():
                bags.ensure('peers', self.unit, rolling.PeerData())
            else:
                self._write_container(bags)
                self.ensure_version(event, lambda: workload.version(self._container))
        except ops.pebble.Error as error:
            # The container went away under our hands; when it is back, so is pebble-ready.
            logger.warning('cannot configure the workload: %s', error)
            self.unsettled.append('[workload] not configured yet: juju debug-log')

    def _read_coordinator(self, bags: databags.Databags) -> cluster.Coordinator | None:
        """The coordinator's data, if its configuration is one that the workload can have."""
        coordinator = cluster.read_coordinator(bags, 'cluster')
        if coordinator is None:
            return None
        try:
            workload.checked_config(coordinator.worker_config)
        except ValueError as error:
            bags.leave_out(coordinator.application, databags.reason(error))
            return None
        return coordinator

    def _write_container(self, bags: databags.Databags) -> None:
        coordinator = self._coordinator
        if coordinator is None:
            # Without its data, be it for a moment, the workload keeps running with what it has.
            # On its own it does so too, but sends nobody anything.
            if not bags.relations('cluster'):
                logs.ensure_log_targets(self._container, (), self.topology)
                workload.ensure_untraced(self._container)
                bags.ensure('peers', self.unit, rolling.PeerData())
            return
        urls = coordinator.loki_endpoints.values()
        logs.ensure_log_targets(self._container, urls, self.topology)
        layer = self._layer(coordinator, self.topology)
        definition = self._layer(coordinator, dataclasses.replace(self.topology, unit=''))
        runs = rolling.digest(definition)
        if self._is_after_others(bags, layer, runs):
            return
        if workload.ensure_running(
            self._container, coordinator.worker_config, coordinator.ca_cert, layer
        ):
            logger.info('podinfo runs anew, with the roles %s', ', '.join(self._roles))
        bags.ensure('peers', self.unit, rolling.PeerData(runs=runs))

    def _layer(self, coordinator: cluster.Coordinator, owner: Topology) -> ops.pebble.LayerDict:
        coordinator_host = self.hosts.application(coordinator.application)
        return workload.layer(
            config=coordinator.worker_config,
            ca=coordinator.ca_cert,
            backend=workload.backend_url(
                self._roles, coordinator_host, tls=bool(coordinator.ca_cert)
            ),
            service_name=self.app.name,
            traces_endpoint=self._workload_traces.url,
            resource_attributes=traces.resource_attributes(owner),
        )

    def _is_after_others(
        self, bags: databags.Databags, layer: ops.pebble.LayerDict, runs: str
    ) -> bool:
        """Whether other units restart before this one, which goes on running what it has."""
        running = workload.running(self._container)
        if running and not containers.has_layer(self._container, layer):
            self._ahead = rolling.ahead(bags, 'peers', self.unit, runs)
        if self.awaited(runs if self._ahead else '') > rolling.PATIENCE:
            self._ahead = ()
        return bool(self._ahead)

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        if not self._is_read:
            return
        blocked, waiting = list(self.faults), list(self.unsettled)
        if not self._roles:
            blocked.append(f'[roles] no role enabled: juju config {self.app.name} role-all=true')
        if not self.model.relations['cluster']:
            blocked.append(
                '[cluster] not related to a coordinator: '
                f'juju integrate {self.app.name}:cluster COORDINATOR'
            )
        elif self._coordinator is None:
            waiting.append("[cluster] waiting for the coordinator's configuration")
        if not workload.running(self._container):
            waiting.append('[workload] waiting for podinfo to run')
        ahead = [f'restarts after {", ".join(self._ahead)}'] if self._ahead else []
        fine = f'ready: {", ".join(self._roles)}'
        for status in reconciler.statuses(
            blocked, waiting, fine, notes=[*self.notes, *ahead], left_out=self.left_out
        ):
            event.add_status(status)


if __name__ == '__main__':
    traces.label_charm_spans('worker-k8s')
    with charm_log.CharmLog():
        ops.main(WorkerCharm)
