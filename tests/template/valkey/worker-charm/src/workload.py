"""Valkey and its exporter: how a worker runs them."""

from collections.abc import Mapping

import ops

from coordinated_telemetry import worker_workload
from coordinated_telemetry.workloads import Ports


class Valkey(worker_workload.Workload):
    """Valkey, with its data in the unit's storage."""

    name = 'valkey'
    sidecars = ('exporter',)
    ports = Ports(6379)
    config_file = '/etc/valkey.conf'
    version_command = ('/usr/bin/valkey-server', '--version')

    def service(self, run: worker_workload.Run) -> ops.pebble.ServiceDict:
        """Replicas copy what the primary has that the coordinator leads them to."""
        command = f'/usr/bin/valkey-server {self.config_file}'
        if run.roles == ('replica',):
            command += f' --replicaof {run.coordinator_host} 6379'
        return {'command': command, 'kill-delay': '15s'}

    def check(self, run: worker_workload.Run) -> ops.pebble.CheckDict:  # noqa: ARG002
        """Valkey accepts connections once it has read its data."""
        return {'tcp': {'port': self.ports.plain}}

    def sidecar_layers(
        self,
        run: worker_workload.Run,  # noqa: ARG002
    ) -> Mapping[str, ops.pebble.LayerDict]:
        """The exporter, which asks Valkey on the loopback of the pod."""
        service: ops.pebble.ServiceDict = {
            'override': 'replace',
            'command': '/redis_exporter --redis.addr=redis://127.0.0.1:6379',
            'startup': 'enabled',
        }
        return {'exporter': {'services': {'exporter': service}}}

    def version_in(self, said: str) -> str:
        """`Server v=8.1.3 sha=…`."""
        return said.partition('v=')[2].partition(' ')[0]


WORKLOAD = Valkey()
