#!/usr/bin/env python3
"""The coordinator: nginx in front of the workers, and their single integration point.

Every event is handled the same way: `state.read` reads the model into a `State`, pure functions
compute from it what is wanted, and the rest of `reconcile` writes what differs, signal by signal.
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
from typing import TYPE_CHECKING

import ops

import exporter
import ingress
import nginx
import nginx_config
import nginx_pod
import running
import s3
import state
import statuses
import tls
import tls_data
import trusted
from coordinated_telemetry import containers, databags, logs, metrics, reconciler
from workload import WORKLOAD

if TYPE_CHECKING:
    import certificates

logger = logging.getLogger(__name__)


class CoordinatorCharm(reconciler.ReconcilingCharm):
    """The coordinator charm."""

    _state: state.State
    # What this unit does at the end of the dispatch.
    _now: tls_data.Kept

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self._nginx = self.unit.get_container(nginx.CONTAINER)
        self._exporter = self.unit.get_container(exporter.CONTAINER)
        self._stored.set_default(useless='')
        framework.observe(self.on.show_telemetry_action, self._on_show_telemetry)
        framework.observe(self.on.list_workers_action, self._on_list_workers)

    def reconcile(self, event: ops.EventBase, bags: databags.Databags) -> None:
        """Make relations and containers match what the model asks for."""
        seen = self._state = state.read(self, bags)
        self._narrows = isinstance(event, ops.UpdateStatusEvent)
        self.ensure_own_routes(seen.routes, seen.store_ca)
        statuses.note_unused(self.report, seen)
        issued, useless = tls.ensure_requested(
            event, bags, seen.tls, lambda: self._requirer, self.is_due, str(self._stored.useless)
        )
        if useless != self._stored.useless:
            self._stored.useless = useless
        self._write_containers(event, seen, issued)
        if seen.tls.ca and self._now.certificate and issued is None:
            self.report.note(
                f'serving the previous certificate until {seen.tls.ca} issues a new one'
            )
        self._write_unit_data(bags, seen)
        if self.unit.is_leader():
            import publishing  # noqa: PLC0415 the other units do without it

            publishing.ensure_published(self, bags, seen, self._now, narrows=self._narrows)
            if s3.is_over(event, bags):
                s3.ensure_no_secret(self)

    def describe(self) -> str:
        """Add to the report what blocks and what is awaited; return the message if all is well."""
        return statuses.describe(
            self.report,
            self.app.name,
            self._state,
            nginx_reachable=self._nginx.can_connect(),
            nginx_running=containers.is_running(self._nginx, nginx.SERVICE),
            awaits_certificate=bool(self._state.tls.ca) and self._now.certificate is None,
        )

    def withdraw(self, bags: databags.Databags) -> None:
        """Withdraw this application's own targets and rules; its workers stay watched."""
        seen = dataclasses.replace(state.read(self, bags), coordinators={})
        self._now = seen.kept
        import publishing  # noqa: PLC0415 see reconcile

        publishing.ensure_telemetry(self, bags, seen, self._now, trusted.by_unit(seen))

    def _on_show_telemetry(self, event: ops.ActionEvent) -> None:
        import actions  # noqa: PLC0415 hooks do without it

        actions.show_telemetry(self, event)

    def _on_list_workers(self, event: ops.ActionEvent) -> None:
        import actions  # noqa: PLC0415 hooks do without it

        actions.list_workers(self, event)

    @functools.cached_property
    def _requirer(self) -> 'certificates.Requirer':
        import certificates  # noqa: PLC0415 importing it takes long, and few events need it

        hosts = [self.hosts.unit(self.unit.name), self.hosts.application(self.app.name)]
        return certificates.Requirer(self, tls.ENDPOINT, hosts)

    def _write_unit_data(self, bags: databags.Databags, seen: state.State) -> None:
        self.unit.set_ports(nginx_config.PORT, *WORKLOAD.streams)
        address = seen.coordinators[self.unit.name]
        bags.ensure('peers', self.unit, state.PeerData(address=address, **dict(self._now)))
        metrics.ensure_unit_data(bags, 'metrics-endpoint', self)
        ingress.ensure_unit_data(bags, self)

    def _write_containers(
        self,
        event: ops.EventBase,
        seen: state.State,
        issued: tls_data.Certificate | None,
    ) -> None:
        """Make both containers match what is wanted, nginx's first: the exporter has its key."""
        self._now = seen.kept  # until something else is known
        for container in (self._nginx, self._exporter):
            try:
                if not container.can_connect():
                    continue
                logs.ensure_log_targets(
                    container,
                    seen.routes.loki,
                    self.topology,
                    self.report,
                    seen.store_ca,
                    seen.routes.otlp_logs,
                )
                if container is self._exporter:
                    self._now = running.ensure_exporter(
                        container, seen, self._now, file=self._file, narrows=self._narrows
                    )
                    continue
                if shortage := self._pod.shortage:
                    self.report.note(shortage)
                self._now = running.ensure_nginx(
                    container,
                    seen,
                    self._pod,
                    issued,
                    file=self._file,
                    waited=self.awaited,
                    narrows=self._narrows,
                    found=self.report,
                )
                self.ensure_version(event, lambda: nginx.version(self._nginx))
            except nginx.ConfigError as error:
                self.report.blocked.append(f'[nginx] cannot use the new configuration: {error}')
            except ops.pebble.Error as error:
                # It disappeared meanwhile; when it returns, so does pebble-ready.
                logger.warning('cannot configure the container %s: %s', container.name, error)
                self.report.waiting.append(
                    f'[{container.name}] not configured yet; see juju debug-log'
                )

    def _file(self, certificate: tls_data.Certificate) -> str:
        return self._requirer.file(certificate)

    @functools.cached_property
    def _pod(self) -> nginx_pod.Pod:
        return nginx.read_pod(self._nginx)


if __name__ == '__main__':
    gc.freeze()
    gc.enable()
    with reconciler.own_telemetry():
        ops.main(CoordinatorCharm)
