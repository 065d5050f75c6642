"""How a worker runs its workload: what an author describes, and the Pebble layers that follow.

An author subclasses `Workload` in `workload.py` of the worker charm: names, ports and paths as
attributes, and what the service's command is as a method. The digests of files, the certificate
and the tracing environment are added here, so that a service restarts when a file changes that it
reads, and for nothing else. Everything here is pure; `worker_running` makes containers run it.
"""

import abc
import dataclasses
import hashlib
import urllib.parse
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

import ops

from . import s3_keys, traces
from .cluster_data import Scheme
from .topology import Topology
from .workloads import Ports, Protocol

SERVES = 'SERVES'
"""In the service's environment: the schemes that it serves, separated by spaces."""
CERTIFICATE = 'CERTIFICATE_SHA256'
"""In the service's environment: the certificates that it serves, as `cluster_data.sha256`."""
TRACES = 'OTEL_'
"""In the name of each variable of the service's environment that is about traces, and no other."""

_PROTOCOLS: Mapping[Protocol, str] = {'otlp_grpc': 'grpc', 'otlp_http': 'http/protobuf'}


@dataclasses.dataclass(frozen=True)
class Run:
    """What a workload is to run with.

    Attributes:
        roles: those of the unit as configured, meta-roles not expanded.
        config: the text of the configuration file, as the coordinator sent it.
        coordinator: the coordinator's URL without a path, such as `http://HOST:8080`.
        topology: of whom spans tell.
        schemes: what to serve, at least one.
        certificate_sha256: of the certificates to serve with `https`; '' if there are none.
        ca: PEM certificates to trust, besides the image's own, when calling the coordinator; ''
            for none, and if the unit does not call it.
        traces: the OTLP receiver of spans with its scheme, or None for no traces; with HTTP, the
            whole URL.
        protocol: how the receiver is spoken to.
        traces_ca: PEM certificates to trust when sending traces, or ''.
        s3: the keys of the bucket, for the service's environment, or None.
        s3_ca: PEM certificates to trust, besides the image's own, when calling it, or ''.
    """

    roles: tuple[str, ...]
    config: str
    coordinator: str
    topology: Topology
    schemes: Sequence[Scheme] = ('http',)
    certificate_sha256: str = ''
    ca: str = ''
    traces: str | None = None
    protocol: Protocol = 'otlp_grpc'
    traces_ca: str = ''
    s3: s3_keys.S3Keys | None = None
    s3_ca: str = ''

    @property
    def redacted(self) -> 'Run':
        """The same without the keys of the bucket, for what others may know."""
        return dataclasses.replace(self, s3=self.s3.redacted) if self.s3 else self

    @property
    def coordinator_host(self) -> str:
        """The host of the coordinator, for what does not speak HTTP."""
        return urllib.parse.urlsplit(self.coordinator).hostname or ''


class Workload(abc.ABC):
    """A workload as a worker runs it. Paths are absolute, in the workload's container."""

    name: ClassVar[str]
    """The service in Pebble, and what statuses call the workload."""
    container: ClassVar[str] = 'workload'
    sidecars: ClassVar[tuple[str, ...]] = ()
    """Other containers of the pod, such as an exporter's; see `sidecar_layers`."""
    ports: ClassVar[Ports]
    """Where it serves."""
    more_ports: ClassVar[tuple[Ports, ...]] = ()
    """Those of the roles that have ports of their own."""
    config_file: ClassVar[str]
    ca_file: ClassVar[str] = ''
    """Holds `Run.ca`; '' for a workload that does not call the coordinator."""
    certificate_folder: ClassVar[str] = ''
    """Has a folder for each certificate: a workload never finds one with another's key."""
    certificate_names: ClassVar[tuple[str, str]] = ('tls.crt', 'tls.key')
    """Of the certificates and the key in that folder."""
    traces: ClassVar[tuple[Protocol, ...]] = ()
    """How it can send spans, preferred first; none for a workload that makes none.

    Standard variables (`OTEL_…`) tell it where.
    """
    traces_ca_file: ClassVar[str] = ''
    """Holds `Run.traces_ca`; not in the folder of `ca_file`."""
    s3_ca_file: ClassVar[str] = ''
    """Holds `Run.s3_ca`; '' for a workload without a bucket."""
    needs_s3: ClassVar[bool] = False
    """Whether it cannot work without a bucket: it is then neither started nor changed."""
    version_command: ClassVar[tuple[str, ...]] = ()
    """Prints the version."""
    validate_command: ClassVar[tuple[str, ...]] = ()
    """Fails for a configuration file, whose path follows, that the workload could not use.

    For tests of what the coordinator sends: in the pod, `checked_config` decides.
    """

    @abc.abstractmethod
    def service(self, run: Run) -> ops.pebble.ServiceDict:
        """The service; `command` at least. What is not said has a default."""

    def check(self, run: Run) -> ops.pebble.CheckDict | None:  # noqa: ARG002 an author's needs it
        """What tells Kubernetes that the pod is ready: one of `http`, `tcp` and `exec`.

        It may depend on `run.roles`: a change of it restarts nothing. A pod with several roles
        has one check too, such as an `exec` that asks for each. If some roles have a check, all
        need one, since Pebble removes none while a pod lives. Without any, a pod gets requests
        as soon as Pebble answers.
        """
        return None

    def calls_coordinator(self, roles: Collection[str]) -> bool:  # noqa: ARG002 likewise
        """Whether a unit with these roles calls the coordinator, and so has to trust its CA."""
        return bool(self.ca_file)

    def checked_config(self, text: str) -> str:
        """The configuration file as the coordinator sent it, if the workload can read it.

        The library bounds its size only.

        Raises:
            ValueError: if the workload could not read it.
        """
        return text

    def files(self, run: Run) -> Mapping[str, str]:  # noqa: ARG002 likewise
        """Further files, path → text. The service restarts when one changes."""
        return {}

    def sidecar_layers(
        self,
        run: Run,  # noqa: ARG002 likewise
    ) -> Mapping[str, ops.pebble.LayerDict]:
        """The layer of each of the `sidecars`."""
        return {}

    def version_in(self, said: str) -> str:
        """The version in what `version_command` printed; '' if there is none."""
        return said.strip()

    # What follows is not for an author to change.

    def open_ports(self, schemes: Collection[Scheme]) -> list[int]:
        """The ports at which these schemes are served, sorted."""
        every = (self.ports, *self.more_ports)
        return sorted({ports.of(scheme) for ports in every for scheme in schemes})

    def certificate_path(self, run: Run) -> str:
        """The folder with the certificates to serve and their key, with a `/` at its end."""
        return f'{self.certificate_folder}/{run.certificate_sha256}/'

    def all_files(self, run: Run) -> dict[str, str | None]:
        """The files that the workload reads: path → text, None where there is to be none."""
        optional = {
            self.ca_file: run.ca or None,
            self.traces_ca_file: run.traces_ca or None,
            self.s3_ca_file: run.s3_ca or None,
        }
        optional.pop('', None)
        return {self.config_file: run.config, **self.files(run), **optional}

    def layers(self, run: Run) -> dict[str, ops.pebble.LayerDict]:
        """The layer of each container, by its name; the workload's first."""
        given = self.service(run)
        service: ops.pebble.ServiceDict = {
            'override': 'replace',
            'summary': 'the workload',
            'startup': 'enabled',
            **given,
            'environment': {**given.get('environment', {}), **self._environment(run)},
        }
        layer: ops.pebble.LayerDict = {'summary': self.name, 'services': {self.name: service}}
        if check := self.check(run):
            layer['checks'] = {
                f'{self.name}-ready': {
                    'override': 'replace',
                    'level': 'ready',
                    'period': '2s',
                    'timeout': '1s',
                    'threshold': 2,
                    **check,
                }
            }
        return {self.container: layer, **self.sidecar_layers(run)}

    def _environment(self, run: Run) -> dict[str, str]:
        found = {'CONFIG_SHA256': _sha256(run.config), SERVES: ' '.join(run.schemes)}
        if more := self.files(run):
            found['FILES_SHA256'] = _sha256(
                '\0'.join(f'{path}\0{more[path]}' for path in sorted(more))
            )
        if 'https' in run.schemes:
            found[CERTIFICATE] = run.certificate_sha256
        if run.ca:
            found['CA_SHA256'] = _sha256(run.ca)
        if run.s3_ca and self.s3_ca_file:
            found['S3_CA_SHA256'] = _sha256(run.s3_ca)
        if run.traces:
            found |= {
                'OTEL_SERVICE_NAME': run.topology.application,
                'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT': run.traces,
                'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL': _PROTOCOLS[run.protocol],
                'OTEL_RESOURCE_ATTRIBUTES': traces.resource_attributes(run.topology),
            }
        if run.traces and run.traces_ca and self.traces_ca_file:
            found['OTEL_EXPORTER_OTLP_CERTIFICATE'] = self.traces_ca_file
            found['OTEL_CA_SHA256'] = _sha256(run.traces_ca)
        return found


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
