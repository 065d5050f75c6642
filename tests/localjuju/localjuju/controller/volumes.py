"""Where the data of storage is: a folder for each instance, beside the pods that mount it.

A file system has no limit of its own here; its size is only what Juju shows.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from localjuju.controller.agent import Changes
from localjuju.model.charmmeta import Charm
from localjuju.model.storage import Instance, Storages
from localjuju.pods.pods import Mount


class Mounts(NamedTuple):
    """What a pod mounts: in its charm container, and in each workload container."""

    charm: tuple[Mount, ...]
    workloads: dict[str, tuple[Mount, ...]]


class Volumes:
    """The folders of a model's storage."""

    def __init__(self, folder: Path, storages: Storages, changes: Changes) -> None:
        self._folder = folder
        self._storages = storages
        self._changes = changes
        folder.mkdir()

    def path(self, instance: Instance) -> Path:
        """The folder of an instance."""
        return self._folder / instance.id.replace('/', '-')

    def mounts(self, charm: Charm, instances: Iterable[Instance]) -> Mounts:
        """What a pod with these instances mounts; makes the folders that are missing."""
        instances = list(instances)
        for instance in instances:
            folder = self.path(instance)
            if not folder.exists():
                folder.mkdir()
                # Kubernetes gives a pod's users access to its volumes.
                folder.chmod(0o777)
        workloads = {
            container: _by_target(
                self._mount(instance, instance.location_in(location))
                for instance in instances
                for location in charm.mounts.get(container, {}).get(instance.store.name, ())
            )
            for container in charm.containers
        }
        return Mounts(_by_target(self._mount(i, i.location) for i in instances), workloads)

    def _mount(self, instance: Instance, target: str) -> Mount:
        return Mount(self.path(instance), target, writable=not instance.store.read_only)

    def sweep(self) -> None:
        """Delete the data of storage that is gone. Call it when no pod mounts it any more."""
        # An id is never used again, so what has a folder and no instance now will never have one.
        folders = list(self._folder.iterdir())
        with self._changes:
            present = {self.path(instance) for instance in self._storages.instances.values()}
        for folder in folders:
            if folder not in present:
                shutil.rmtree(folder, ignore_errors=True)


def _by_target(mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """Mounts in an order in which none hides another one inside it."""
    return tuple(sorted(mounts, key=lambda mount: mount.target))
