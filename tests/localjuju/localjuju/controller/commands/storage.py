"""Storage."""

from collections.abc import Sequence
from typing import Any

from localjuju.controller import storageview
from localjuju.controller.commands.table import command
from localjuju.controller.controller import Controller
from localjuju.model.charmmeta import ModelError


@command('storage')
def _storage(controller: Controller) -> dict[str, Any]:
    with controller.changes:
        return storageview.storage(controller.model)


@command('show-storage')
def _show_storage(controller: Controller, ids: Sequence[str]) -> dict[str, Any]:
    with controller.changes:
        model = controller.model
        return {i: storageview.instance(model, model.storages.find(i)) for i in ids}


@command('remove-storage')
def _remove_storage(controller: Controller, ids: Sequence[str]) -> dict[str, str]:
    """Remove detached storage; return why some of it was not removed, by id."""
    failed = {}
    with controller.changes:
        for identity in ids:
            try:
                controller.model.storages.remove(identity)
            except ModelError as e:
                failed[identity] = str(e)
        controller.changes.announce()
    controller.volumes.sweep()
    return failed
