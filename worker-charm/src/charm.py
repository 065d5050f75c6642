#!/usr/bin/env python3
"""The worker: one workload with one or more roles. All it knows comes from the coordinator.

Metrics need no code here: the coordinator tells the scraper where each worker is.
"""

import dataclasses
import functools
import logging
from collections.abc import Sequence

import ops
import pydantic

import workload
from coordinated_telemetry import (
    cluster,
    cluster_worker,
    containers,
    databag,
    databags,
    logs,
    reconciler,
    rolling,
    routes,
    traces,
    worker_tls,
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
        """The enabled roles, meta-roles not expanded, sorted."""
        enabled = (name for name, value in self if value)
        return tuple(sorted(name.removeprefix('role_') for name in enabled))


class WorkerCharm(reconciler.ReconcilingCharm):
    """The worker charm."""

    _roles: tuple[str, ...] = ()
    _is_related = False
    _config: str | None = None  # the workload's, if the coordinator sent a valid one
    _routes = routes.Routes()
    _ahead: Sequence[str] = ()

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self._stored.set_default(renewal='', refused='')
        self._container = self.unit.get_container(workload.CONTAINER)

    def reconcile(self, event: ops.EventBase, bags: databags.Databags) -> None:
        """Make the relation and the container match what the coordinator asks for."""
        self._roles = self.load_config(Config).roles
        coordinator = cluster_worker.read_coordinator(bags, 'cluster', self.topology)
        self._is_related = bool(bags.relations('cluster'))
        if coordinator:
            self._follow_routes(coordinator)
        elif not self._is_related:
            self.ensure_own_routes(self._routes)
        self._config = self._checked_config(coordinator)

        address = self.hosts.unit(self.unit.name)
        serving = self._serving()
        renewal = str(self._stored.renewal)
        refused = str(self._stored.refused)
        again = isinstance(event, ops.UpdateStatusEvent)
        tls = worker_tls.follow(
            bags, 'cluster', self, address, coordinator, serving, renewal, refused, again=again
        )
        # Before the workload changes: if Juju refuses the relation, it does not change at all.
        self._publish(event, bags, coordinator, tls, serving)
        try:
            if serving is None:
                bags.ensure('peers', self.unit, rolling.PeerData())
            else:
                self._write_container(bags, coordinator, tls, serving)
                self.ensure_version(event, lambda: workload.version(self._container))
        except ops.pebble.Error as error:
            self._fail(error)
            serving = None
        else:
            serving = serving and self._serving()
        announced = self._publish(event, bags, coordinator, tls, serving)
        self.unit.set_ports(*workload.ports(announced.schemes))
        if (tls.renewal, tls.refused) != (renewal, refused):
            self._stored.renewal, self._stored.refused = tls.renewal, tls.refused

    def describe(self) -> str:
        """Add to the report what blocks and what is awaited; return the message if all is well."""
        report = self.report
        if not self._roles:
            report.blocked.append(
                f'[roles] no role enabled: juju config {self.app.name} role-all=true'
            )
        if not self._is_related:
            report.blocked.append(
                '[cluster] not related to a coordinator: '
                f'juju integrate {self.app.name}:cluster COORDINATOR'
            )
        elif self._config is None:
            report.waiting.append("[cluster] waiting for the coordinator's configuration")
        if not workload.running(self._container):
            report.waiting.append('[workload] waiting for podinfo to start')
        if self._ahead:
            report.note(f'will restart after {", ".join(self._ahead)}')
        return f'ready: {", ".join(self._roles)}'

    def _serving(self) -> worker_tls.Serving | None:
        """What the workload serves; None if Pebble cannot be asked."""
        try:
            return workload.serving(self._container) if self._container.can_connect() else None
        except ops.pebble.Error as error:
            self._fail(error)
            return None

    def _fail(self, error: ops.pebble.Error) -> None:
        # The container disappeared meanwhile; when it returns, so does pebble-ready.
        logger.warning('cannot configure the workload: %s', error)
        self.report.waiting.append('[workload] not configured yet; see juju debug-log')

    def _publish(
        self,
        event: ops.EventBase,
        bags: databags.Databags,
        coordinator: cluster_worker.Coordinator | None,
        tls: worker_tls.Tls,
        serving: worker_tls.Serving | None,
    ) -> cluster.WorkerTls:
        """Tell the coordinator who and where this unit is, and what it serves by now."""
        announced = worker_tls.announced(bags, 'cluster', self, coordinator, tls, serving)
        address = self.hosts.unit(self.unit.name)
        worker = cluster.Worker(self.topology, address, self._roles, announced)
        changed = cluster_worker.ensure_worker_data(bags, 'cluster', self, worker)
        # The key goes with its request, which is there to see without asking Juju for secrets.
        is_broken = isinstance(event, ops.RelationBrokenEvent) and event.relation.name == 'cluster'
        if is_broken or (changed and not tls.request):
            worker_tls.ensure_no_key(self)
        return announced

    def _follow_routes(self, coordinator: cluster_worker.Coordinator) -> None:
        """Send this charm's own telemetry where the coordinator says; note what goes nowhere."""
        ca = coordinator.receive_ca_certs
        self._routes = routes.choose(
            self.report,
            coordinator.otlp_endpoints,
            coordinator.loki_endpoints,
            coordinator.charm_tracing_receivers,
            coordinator.workload_tracing_receivers,
            ca,
        )
        self.ensure_own_routes(self._routes, ca)
        if why := self._routes.workload_traces.refused:
            self.report.note(f'workload traces are not sent: {why}')

    def _checked_config(self, coordinator: cluster_worker.Coordinator | None) -> str | None:
        """The workload's configuration as the coordinator sent it; None if it is unusable."""
        if coordinator is None or coordinator.worker_config is None:
            return None
        try:
            return workload.checked_config(coordinator.worker_config)
        except ValueError as error:
            why = f'worker_config: {databag.reason(error)}'
            self.report.ignore(coordinator.application, why)
            return None

    def _write_container(
        self,
        bags: databags.Databags,
        coordinator: cluster_worker.Coordinator | None,
        tls: worker_tls.Tls,
        serving: worker_tls.Serving,
    ) -> None:
        if coordinator is None:
            # Without the coordinator's data, even for a moment, the workload keeps running as it
            # is. Without a relation it does too, but sends no telemetry.
            if not self._is_related:
                logs.ensure_log_targets(self._container, {}, self.topology, self.report)
                workload.ensure_untraced(self._container)
                bags.ensure('peers', self.unit, rolling.PeerData())
            return
        logs.ensure_log_targets(
            self._container,
            self._routes.loki,
            self.topology,
            self.report,
            coordinator.receive_ca_certs,
            self._routes.otlp_logs,
        )
        # Telemetry does not wait for a valid configuration: the workload keeps the one it has.
        config = self._config or workload.read_config(self._container)
        if config is None:
            return
        digest = tls.issued.sha256 if tls.issued else serving.certificate_sha256
        schemes = worker_tls.schemes(coordinator.schemes, serving, has_certificate=bool(digest))
        if 'https' in {*coordinator.schemes} - {*schemes}:
            self.report.waiting.append(
                f'[certificates] waiting for a certificate from {coordinator.application}'
            )
        if not schemes:
            bags.ensure('peers', self.unit, rolling.PeerData())
            return
        layer = self._layer(
            coordinator, config, self.topology, worker_tls.Serving(schemes, digest)
        )
        if self._is_after_others(bags, coordinator, layer, config):
            return
        files = workload.files(config, coordinator.ca_cert, self._traces_ca(coordinator))
        if workload.ensure_running(self._container, files, layer, tls.issued):
            logger.info('podinfo runs with a new configuration, as %s', ', '.join(self._roles))
        runs = self._runs(coordinator, config, self.unit.name)
        bags.ensure('peers', self.unit, rolling.PeerData(runs=runs))

    def _runs(self, coordinator: cluster_worker.Coordinator, config: str, unit: str) -> str:
        """The digest of what a unit of this application runs once it has acted on all it was told.

        A certificate that a unit ignores counts like one that it serves: nobody waits for it.
        """
        owner = dataclasses.replace(self.topology, unit='')
        wanted = worker_tls.Serving(coordinator.schemes)
        shared = {**self._layer(coordinator, config, owner, wanted)}
        if 'https' in coordinator.schemes:
            shared['certificate'] = worker_tls.issued_digest(coordinator, unit)
        return rolling.digest(shared)

    def _layer(
        self,
        coordinator: cluster_worker.Coordinator,
        config: str,
        owner: Topology,
        serving: worker_tls.Serving,
    ) -> ops.pebble.LayerDict:
        coordinator_host = self.hosts.application(coordinator.application)
        return workload.layer(
            schemes=serving.schemes,
            certificate_sha256=serving.certificate_sha256,
            config=config,
            ca=coordinator.ca_cert,
            backend=workload.backend_url(
                self._roles, coordinator_host, tls=bool(coordinator.ca_cert)
            ),
            service_name=self.app.name,
            traces_endpoint=self._routes.workload_traces.url,
            traces_ca=self._traces_ca(coordinator),
            resource_attributes=traces.resource_attributes(owner),
        )

    def _traces_ca(self, coordinator: cluster_worker.Coordinator) -> str:
        """What the workload has to trust to send its traces; nothing where they go over HTTP."""
        is_tls = (self._routes.workload_traces.url or '').startswith('https:')
        return coordinator.receive_ca_certs if is_tls else ''

    def _is_after_others(
        self,
        bags: databags.Databags,
        coordinator: cluster_worker.Coordinator,
        layer: ops.pebble.LayerDict,
        config: str,
    ) -> bool:
        """Whether other units restart before this one, which keeps running unchanged."""
        running = workload.running(self._container)
        wanted = functools.partial(self._runs, coordinator, config)
        self._ahead = ()
        patience = rolling.PATIENCE
        if running and not containers.has_layer(self._container, layer):
            self._ahead = rolling.ahead(bags, 'peers', self.unit, wanted)
            if not self._ahead:
                patience = rolling.UNHEARD_PATIENCE
                self._ahead = rolling.unheard(bags, 'peers', self.unit, wanted)
        own = wanted(self.unit.name) if self._ahead else ''
        if self.awaited(own) > patience:
            self._ahead = ()
        if self._ahead:
            rolling.ensure_waiting(bags, 'peers', self.unit, own)
        return bool(self._ahead)


if __name__ == '__main__':
    with reconciler.own_telemetry('worker-k8s'):
        ops.main(WorkerCharm)
