"""Make a worker's containers run its workload, and see what they run: see `worker_workload`."""

import functools

import ops

from . import containers, worker_tls
from .cluster_data import Scheme
from .worker_workload import CERTIFICATE, SERVES, TRACES, Run, Workload

_MODES = (0o644, 0o600)  # of certificates and key


class Runner:
    """The containers of one unit and the workload in them.

    Attributes:
        main: the container of the workload itself.
    """

    def __init__(self, unit: ops.Unit, workload: Workload) -> None:
        self._workload = workload
        self.main = unit.get_container(workload.container)
        self._sidecars = [unit.get_container(name) for name in workload.sidecars]

    @functools.cached_property
    def reachable(self) -> list[ops.Container]:
        """The containers whose Pebble answers, the workload's first; asked once in a dispatch."""
        return [one for one in (self.main, *self._sidecars) if one.can_connect()]

    def unreachable(self) -> list[str]:
        """The names of the other containers, but for the workload's."""
        return [one.name for one in self._sidecars if one not in self.reachable]

    def read_config(self) -> str | None:
        """The configuration file in the container, or None if there is none.

        Raises:
            ops.pebble.Error: if Pebble cannot be reached.
        """
        return containers.read_file(self.main, self._workload.config_file)

    def is_running(self) -> bool:
        """Whether the workload runs."""
        return containers.is_running(self.main, self._workload.name)

    def serving(self) -> worker_tls.Serving:
        """What the workload was told to serve. Certificates whose files are missing do not count.

        Raises:
            ops.pebble.Error: if Pebble cannot be reached.
        """
        service = self.main.get_plan().services.get(self._workload.name)
        environment = service.environment if service else {}
        digest = environment.get(CERTIFICATE, '')
        known: tuple[Scheme, ...] = ('http', 'https')
        told = environment.get(SERVES, '').split()
        return worker_tls.Serving(
            schemes=tuple(scheme for scheme in known if scheme in told),
            certificate_sha256=digest if digest and self._has_certificate(digest) else '',
        )

    def has_layers(self, run: Run) -> bool:
        """Whether all reachable containers run what they should.

        Raises:
            ops.pebble.Error: if Pebble cannot be reached.
        """
        wanted = self._workload.layers(run)
        return all(
            containers.has_layer(one, wanted[one.name])
            for one in self.reachable
            if one.name in wanted
        )

    def ensure_running(self, run: Run, certificate: worker_tls.Certificate | None = None) -> bool:
        """Make the workload run like this. True if anything was changed.

        A file that is not wanted any more goes when the workload runs without it.

        Args:
            run: what it is to run with.
            certificate: the one that `run` names, if its files are not there yet.

        Raises:
            ops.pebble.Error: if Pebble cannot be reached or a service does not start.
        """
        changed = False
        texts = self._workload.all_files(run)
        for path, text in texts.items():
            if text is not None:
                changed |= containers.ensure_file(self.main, path, text)
        if certificate is not None:
            changed |= self._ensure_certificate(certificate)
        layers = self._workload.layers(run)
        for container in self.reachable:
            if layer := layers.get(container.name):
                changed |= containers.ensure_layer(container, container.name, layer)
        for path, text in texts.items():
            if text is None:
                changed |= containers.ensure_no_file(self.main, path)
        return self._ensure_no_other_certificate() or changed

    def ensure_untraced(self) -> bool:
        """Make the workload send no traces and otherwise run as it is. True if anything changed.

        Raises:
            ops.pebble.Error: if Pebble cannot be reached or the workload does not start.
        """
        changed = False
        service = self.main.get_plan().services.get(self._workload.name)
        if service is not None and any(TRACES in key for key in service.environment):
            definition = service.to_dict()
            definition['environment'] = {
                key: value for key, value in service.environment.items() if TRACES not in key
            }
            layer: ops.pebble.LayerDict = {'services': {self._workload.name: definition}}
            changed = containers.ensure_layer(self.main, self.main.name, layer)
        if path := self._workload.traces_ca_file:
            changed |= containers.ensure_no_file(self.main, path)
        return changed

    def version(self) -> str:
        """The workload's version; '' if it cannot be read."""
        command = [*self._workload.version_command]
        if not command:
            return ''
        try:
            # Some programs print it to stderr.
            process = self.main.exec(command, timeout=10, combine_stderr=True)
            said = process.wait_output()[0]
        except (ops.pebble.Error, TimeoutError):
            return ''
        return self._workload.version_in(said)

    def _has_certificate(self, digest: str) -> bool:
        """Whether the files of a certificate are there, and the key is its owner's alone."""
        files = containers.list_files(self.main, f'{self._workload.certificate_folder}/{digest}')
        wanted = dict(zip(self._workload.certificate_names, _MODES, strict=True))
        return {file.name: file.permissions for file in files} == wanted

    def _ensure_certificate(self, certificate: worker_tls.Certificate) -> bool:
        if self._has_certificate(certificate.sha256):
            return False
        texts = (certificate.chain, certificate.key)
        for name, text, mode in zip(self._workload.certificate_names, texts, _MODES, strict=True):
            path = f'{self._workload.certificate_folder}/{certificate.sha256}/{name}'
            # Pebble writes a new file with these permissions, and renames it once it is complete.
            self.main.push(path, text, make_dirs=True, permissions=mode)
        return True

    def _ensure_no_other_certificate(self) -> bool:
        if not self._workload.certificate_folder:
            return False
        found = containers.list_files(self.main, self._workload.certificate_folder)
        if not found:
            return False
        kept = self.serving().certificate_sha256
        others = [one.path for one in found if one.name != kept]
        for path in others:
            self.main.remove_path(path, recursive=True)
        return bool(others)
