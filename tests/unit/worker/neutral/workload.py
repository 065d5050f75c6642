"""A workload that there is not, in the place of the charm's own: the rest holds for any.

The twin of `coordinator/neutral/workload.py`.
"""

from collections.abc import Collection

import ops

from coordinated_telemetry import worker_workload, yaml_text
from coordinated_telemetry.workloads import Ports


class Imagined(worker_workload.Workload):
    """It can do everything that a workload can."""

    name = 'imagined'
    ports = Ports(7070, tls=7071)
    config_file = '/etc/imagined/config.yaml'
    ca_file = '/etc/imagined/ca/ca.pem'
    certificate_folder = '/etc/imagined-tls'
    certificate_names = ('chain', 'key')
    traces = ('otlp_grpc',)
    traces_ca_file = '/etc/imagined/traces-ca.pem'
    version_command = ('/bin/imagined', '--version')

    def checked_config(self, text: str) -> str:
        """Accept a mapping."""
        return yaml_text.check_mapping(text)

    def calls_coordinator(self, roles: Collection[str]) -> bool:
        """Those with the role gate do."""
        return not {'all', 'gate'}.isdisjoint(roles)

    def service(self, run: worker_workload.Run) -> ops.pebble.ServiceDict:
        """All in its command line."""
        command = ['/bin/imagined', 'serve']
        if 'http' in run.schemes:
            command.append(f'--plain={self.ports.plain}')
        if 'https' in run.schemes:
            command += [f'--tls={self.ports.tls}', f'--with={self.certificate_path(run)}']
        if self.calls_coordinator(run.roles):
            command.append(f'--calls={run.coordinator}/vault/')
        return {
            'command': ' '.join(command),
            'kill-delay': '15s',
            'environment': {'TRUSTS': self.ca_file} if run.ca else {},
        }

    def check(self, run: worker_workload.Run) -> ops.pebble.CheckDict:
        """Ask at the first port; a gate alone answers no questions."""
        scheme = run.schemes[0]
        if run.roles == ('gate',):
            return {'tcp': {'port': self.ports.of(scheme)}}
        return {'exec': {'command': f'/bin/imagined ask {scheme} {self.ports.of(scheme)}'}}


WORKLOAD = Imagined()
