"""podinfo: how a worker runs it, and what to replace to make the charm your own.

Roles only change command-line flags; everything else comes from one configuration file that the
coordinator sends, the same for all workers. The twin of the coordinator's `workload.py`, which
knows what the workload is for others.
"""

from collections.abc import Collection

import ops

from coordinated_telemetry import worker_workload, yaml_text
from coordinated_telemetry.workloads import Ports

_FOLDER = '/home/app'


class Podinfo(worker_workload.Workload):
    """podinfo. It serves TLS itself.

    In the place of a workload that cannot, let a small proxy in the pod (such as nginx or
    ghostunnel) serve the TLS port with the same files and pass requests on to the workload.
    """

    name = 'podinfo'
    ports = Ports(9898, tls=9899)
    config_file = '/etc/podinfo/config.yaml'
    ca_file = '/etc/podinfo/ca/ca.pem'
    # Not below /etc/podinfo: podinfo gives the files in there to anyone, at /configs.
    certificate_folder = '/etc/podinfo-tls'
    traces = ('otlp_grpc',)
    traces_ca_file = '/etc/podinfo/traces-ca.pem'
    version_command = (f'{_FOLDER}/podinfo', '--version')

    def checked_config(self, text: str) -> str:
        """Accept a YAML mapping with text keys."""
        return yaml_text.check_mapping(text)

    def calls_coordinator(self, roles: Collection[str]) -> bool:
        """Those with the role frontend do."""
        return not {'all', 'frontend'}.isdisjoint(roles)

    def service(self, run: worker_workload.Run) -> ops.pebble.ServiceDict:
        """podinfo, which after SIGTERM serves for another 3 s and ends requests in flight."""
        command = [
            f'{_FOLDER}/podinfo',
            f'--port={self.ports.plain if "http" in run.schemes else 0}',
            '--config-path=/etc/podinfo',
            '--config=config.yaml',
            '--server-shutdown-timeout=10s',
        ]
        if 'https' in run.schemes:
            folder = self.certificate_path(run)
            command += [f'--secure-port={self.ports.tls}', f'--cert-path={folder}']
        if self.calls_coordinator(run.roles):
            # `/headers` answers a POST without calling further. With `/echo`, a worker that has
            # both roles would call itself endlessly.
            command.append(f'--backend-url={run.coordinator}/backend/headers')
        environment: dict[str, str] = {}
        if run.ca:
            # Go still reads the image's bundle: that is a file, and this variable names folders.
            environment['SSL_CERT_DIR'] = '/etc/podinfo/ca'
        if run.traces:
            # The option of this name turns traces on; the standard variable alone does not.
            environment['PODINFO_OTEL_SERVICE_NAME'] = run.topology.application
        return {
            'command': ' '.join(command),
            'working-dir': _FOLDER,
            'kill-delay': '15s',
            'environment': environment,
        }

    def check(self, run: worker_workload.Run) -> ops.pebble.CheckDict:
        """Ask podinfo itself.

        Pebble's own HTTP check verifies certificates with the CAs of the image, which are not
        those of this one; podinfo's image has curl. Nothing has to be verified on the loopback,
        and a pod whose certificate expires would take nothing but itself away. Of two ports, one
        is enough: if podinfo cannot serve either of them, it exits.
        """
        if 'http' in run.schemes:
            return {'http': {'url': f'http://127.0.0.1:{self.ports.plain}/readyz'}}
        url = f'https://127.0.0.1:{self.ports.tls}/readyz'
        return {'exec': {'command': f'curl --silent --fail --insecure --output /dev/null {url}'}}


WORKLOAD = Podinfo()
