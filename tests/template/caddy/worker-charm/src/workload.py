"""Caddy: how a worker runs it."""

from collections.abc import Collection

import ops

from coordinated_telemetry import worker_workload
from coordinated_telemetry.workloads import Ports


class Caddy(worker_workload.Workload):
    """Caddy. Of TLS it knows all, but this charm does not use it."""

    name = 'caddy'
    ports = Ports(7000)
    config_file = '/etc/caddy/Caddyfile'
    traces = ('otlp_grpc',)
    traces_ca_file = '/etc/caddy/traces-ca.pem'
    version_command = ('/usr/bin/caddy', 'version')
    validate_command = ('/usr/bin/caddy', 'validate', '--adapter', 'caddyfile', '--config')

    def calls_coordinator(self, roles: Collection[str]) -> bool:
        """Those with the role edge do."""
        return not {'all', 'edge'}.isdisjoint(roles)

    def service(self, run: worker_workload.Run) -> ops.pebble.ServiceDict:
        """The Caddyfile takes the rest from the environment."""
        environment = {'HOME': '/var/lib/caddy', 'STORE': run.coordinator}
        if run.traces:
            # It begins like all that goes when the relation for traces goes.
            environment['OTEL_DIRECTIVE'] = 'tracing'
        return {
            'command': f'/usr/bin/caddy run --adapter caddyfile --config {self.config_file}',
            'environment': environment,
        }

    def check(self, run: worker_workload.Run) -> ops.pebble.CheckDict:  # noqa: ARG002
        """Ask Caddy itself."""
        return {'http': {'url': 'http://127.0.0.1:7000/healthz'}}


WORKLOAD = Caddy()
