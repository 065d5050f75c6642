#!/usr/bin/env python3
"""podinfo, which keeps what is posted to it in Juju's storage."""

import pathlib

import ops

CONTAINER = 'web'
STORAGE = 'files'
PORT = 9898


class FilesCharm(ops.CharmBase):
    """Each unit serves its own files."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self._container = self.unit.get_container(CONTAINER)
        framework.observe(self.on.files_storage_attached, self._start)
        framework.observe(self.on.web_pebble_ready, self._start)
        framework.observe(self.on.upgrade_charm, self._start)
        framework.observe(self.on.files_storage_detaching, self._stop)
        framework.observe(self.on.collect_unit_status, self._collect_status)
        framework.observe(self.on.usage_action, self._usage)

    def _start(self, _: ops.EventBase) -> None:
        """Serve as soon as there are both a container and somewhere to keep files."""
        if self._folder() is None or not self._container.can_connect():
            return
        self._container.add_layer(CONTAINER, self._layer(), combine=True)
        self._container.replan()
        self.unit.set_ports(PORT)

    def _stop(self, _: ops.StorageDetachingEvent) -> None:
        if self._container.can_connect() and CONTAINER in self._container.get_services():
            self._container.stop(CONTAINER)

    def _layer(self) -> ops.pebble.Layer:
        folder = self.meta.containers[CONTAINER].mounts[STORAGE].location
        command = f'/home/app/podinfo --port={PORT} --ui-path=/home/app/ui --data-path={folder}'
        return ops.pebble.Layer(
            {
                'services': {
                    CONTAINER: {
                        'override': 'replace',
                        'summary': 'podinfo',
                        'command': command,
                        'startup': 'enabled',
                    }
                },
                'checks': {
                    CONTAINER: {
                        'override': 'replace',
                        'level': 'ready',
                        'startup': 'enabled',
                        'http': {'url': f'http://localhost:{PORT}/healthz'},
                    }
                },
            }
        )

    def _folder(self) -> pathlib.Path | None:
        """Where the files are in the charm container; None without storage."""
        storages = self.model.storages[STORAGE]
        return storages[0].location if storages else None

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        if self._folder() is None:
            event.add_status(ops.WaitingStatus('waiting for storage'))
        elif not self._container.can_connect():
            event.add_status(ops.WaitingStatus('waiting for Pebble'))
        elif not self._is_serving():
            event.add_status(ops.MaintenanceStatus('starting podinfo'))
        event.add_status(ops.ActiveStatus())

    def _is_serving(self) -> bool:
        services = self._container.get_services(CONTAINER)
        return bool(services) and services[CONTAINER].is_running()

    def _usage(self, event: ops.ActionEvent) -> None:
        folder = self._folder()
        if folder is None:
            event.fail('there is no storage')
            return
        wanted = event.params['hash']
        files = [file for file in folder.iterdir() if file.is_file()]
        if wanted:
            files = [file for file in files if file.name == wanted]
            if not files:
                event.fail(f'there is no file {wanted}')
                return
        event.set_results({'files': len(files), 'bytes': sum(f.stat().st_size for f in files)})


if __name__ == '__main__':  # pragma: nocover
    ops.main(FilesCharm)
