#!/usr/bin/env python3
"""The worker: one workload with one or more roles. All it knows comes from the coordinator.

Metrics need no code here: the coordinator tells the scraper where each worker is.
"""

import gc
import os
import sys

if __name__ == '__main__':
    if os.environ.get('JUJU_DISPATCH_PATH', '').endswith('-relation-joined'):
        sys.exit()  # relation-changed comes next, and this charm does the same in both
    gc.disable()  # nothing that is imported is garbage, and to look for some takes long

import dataclasses
import functools
import logging
from collections.abc import Sequence
from typing import Any

import ops

from coordinated_telemetry import (
    cluster,
    cluster_worker,
    databag,
    databags,
    logs,
    reconciler,
    rolling,
    routes,
    worker_running,
    worker_tls,
)
from coordinated_telemetry.topology import Topology
from coordinated_telemetry.worker_workload import Run
from workload import WORKLOAD

logger = logging.getLogger(__name__)

_ROLE_OPTION = 'role-'


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
        self._runner = worker_running.Runner(self.unit, WORKLOAD)

    def reconcile(self, event: ops.EventBase, bags: databags.Databags) -> None:
        """Make the relation and the container match what the coordinator asks for."""
        self._roles = self._enabled_roles()
        coordinator = cluster_worker.read_coordinator(bags, 'cluster', self.topology, self.model)
        if coordinator and not WORKLOAD.ports.tls:
            coordinator = dataclasses.replace(coordinator, schemes=('http',))
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
                self.ensure_version(event, self._runner.version)
        except ops.pebble.Error as error:
            self._fail(error)
            serving = None
        else:
            serving = serving and self._serving()
        announced = self._publish(event, bags, coordinator, tls, serving)
        self.unit.set_ports(*WORKLOAD.open_ports(announced.schemes))
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
        if not self._runner.is_running():
            report.waiting.append(f'[workload] waiting for {WORKLOAD.name} to start')
        for name in self._runner.unreachable():
            report.waiting.append(f'[{name}] waiting for the container')
        if self._ahead:
            report.note(f'will restart after {", ".join(self._ahead)}')
        return f'ready: {", ".join(self._roles)}'

    def _enabled_roles(self) -> tuple[str, ...]:
        """The roles of which the option is true, meta-roles not expanded, sorted."""
        enabled = [one for one, on in self.config.items() if on and one.startswith(_ROLE_OPTION)]
        return tuple(sorted(option.removeprefix(_ROLE_OPTION) for option in enabled))

    def _serving(self) -> worker_tls.Serving | None:
        """What the workload serves; None if Pebble cannot be asked."""
        try:
            return self._runner.serving() if self._runner.main.can_connect() else None
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
            workload=WORKLOAD.traces,
        )
        self.ensure_own_routes(self._routes, ca)
        if why := self._routes.workload_traces.refused:
            self.report.note(f'workload traces are not sent: {why}')

    def _checked_config(self, coordinator: cluster_worker.Coordinator | None) -> str | None:
        """The workload's configuration as the coordinator sent it; None if it is unusable."""
        if coordinator is None or coordinator.worker_config is None:
            return None
        try:
            return WORKLOAD.checked_config(coordinator.worker_config)
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
                self._ensure_log_targets()
                self._runner.ensure_untraced()
                bags.ensure('peers', self.unit, rolling.PeerData())
            return
        self._ensure_log_targets(coordinator.receive_ca_certs)
        if WORKLOAD.needs_s3 and not coordinator.s3:
            self.report.waiting.append('[s3] waiting for the keys of the bucket')
            return
        # Telemetry does not wait for a valid configuration: the workload keeps the one it has.
        config = self._config or self._runner.read_config()
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
        run = self._run(coordinator, config, self.topology, worker_tls.Serving(schemes, digest))
        if self._is_after_others(bags, coordinator, run):
            return
        if self._runner.ensure_running(run, tls.issued):
            roles = ', '.join(self._roles)
            logger.info('%s runs with a new configuration, as %s', WORKLOAD.name, roles)
        runs = self._runs(coordinator, config, self.unit.name)
        bags.ensure('peers', self.unit, rolling.PeerData(runs=runs))

    def _ensure_log_targets(self, ca: str = '') -> None:
        for container in self._runner.reachable:
            logs.ensure_log_targets(
                container,
                self._routes.loki,
                self.topology,
                self.report,
                ca,
                self._routes.otlp_logs,
            )

    def _runs(self, coordinator: cluster_worker.Coordinator, config: str, unit: str) -> str:
        """The digest of what a unit of this application runs once it has acted on all it was told.

        A certificate that a unit ignores counts like one that it serves: nobody waits for it.
        """
        owner = dataclasses.replace(self.topology, unit='')
        wanted = worker_tls.Serving(coordinator.schemes)
        layers = WORKLOAD.layers(self._run(coordinator, config, owner, wanted).redacted)
        shared: dict[str, Any] = {**layers}
        if 'https' in coordinator.schemes:
            shared['certificate'] = worker_tls.issued_digest(coordinator, unit)
        return rolling.digest(shared)

    def _run(
        self,
        coordinator: cluster_worker.Coordinator,
        config: str,
        owner: Topology,
        serving: worker_tls.Serving,
    ) -> Run:
        """What the workload is to run with."""
        scheme = 'https' if coordinator.ca_cert else 'http'
        host = self.hosts.application(coordinator.application)
        traces = self._routes.workload_traces
        is_tls = (traces.url or '').startswith('https:')
        return Run(
            roles=self._roles,
            config=config,
            coordinator=f'{scheme}://{host}:{cluster.COORDINATOR_PORT}',
            topology=owner,
            schemes=serving.schemes,
            certificate_sha256=serving.certificate_sha256,
            ca=coordinator.ca_cert if WORKLOAD.calls_coordinator(self._roles) else '',
            traces=traces.url,
            protocol=traces.protocol,
            traces_ca=coordinator.receive_ca_certs if is_tls else '',
            s3=coordinator.s3,
            s3_ca=coordinator.s3_tls_ca_chain,
        )

    def _is_after_others(
        self, bags: databags.Databags, coordinator: cluster_worker.Coordinator, run: Run
    ) -> bool:
        """Whether other units restart before this one, which keeps running unchanged."""
        wanted = functools.partial(self._runs, coordinator, run.config)
        self._ahead = ()
        patience = rolling.PATIENCE
        if self._runner.is_running() and not self._runner.has_layers(run):
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
    gc.freeze()
    gc.enable()
    with reconciler.own_telemetry():
        ops.main(WorkerCharm)
