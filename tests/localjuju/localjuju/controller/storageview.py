"""Storage as Juju shows it: the JSON of `juju storage`, of `show-storage` and in `juju status`.

Each instance is shown as a file system on a volume of its own, as on Kubernetes.
"""

from typing import Any

from localjuju.controller.stamps import stamp
from localjuju.model.model import Model
from localjuju.model.storage import POOL, Instance
from localjuju.model.unitstate import Life


def storage(model: Model) -> dict[str, Any]:
    """What ``juju storage --format json`` prints; nothing if there is no storage."""
    instances = sorted(model.storages.instances.values(), key=lambda i: (i.store.name, i.number))
    if not instances:
        return {}
    by_number = sorted(instances, key=lambda i: i.number)
    return {
        'storage': {i.id: instance(model, i) for i in instances},
        'filesystems': {str(i.number): _filesystem(model, i) for i in by_number},
        'volumes': {str(i.number): _volume(model, i) for i in by_number},
    }


def instance(model: Model, one: Instance) -> dict[str, Any]:
    """What ``juju show-storage`` prints for an instance."""
    shown: dict[str, Any] = {
        'kind': 'filesystem',
        'life': str(one.life),
        'status': _status(model, one),
        'persistent': False,
    }
    if one.unit:
        shown['attachments'] = {'units': _units(model, one)}
    return shown


def _status(model: Model, one: Instance) -> dict[str, str]:
    current = 'detached'
    if one.unit:
        unit = model.unit(one.unit)
        current = 'detaching' if unit.life is not Life.ALIVE else 'attached'
        if not one.since:
            current = 'pending'
    return {'current': current, 'since': stamp(one.since)}


def _units(model: Model, one: Instance) -> dict[str, Any]:
    life = str(model.unit(one.unit).life)
    return {one.unit: {'location': one.location, 'life': life}}


def _filesystem(model: Model, one: Instance) -> dict[str, Any]:
    mount = {'mount-point': one.location, 'read-only': one.store.read_only}
    return {
        'provider-id': f'{model.uuid}-{one.number}',
        'volume': str(one.number),
        **_common(model, one, mount),
    }


def _volume(model: Model, one: Instance) -> dict[str, Any]:
    return {
        'provider-id': f'pvc-{model.uuid}-{one.number}',
        **_common(model, one, {'read-only': one.store.read_only}),
        'persistent': False,
    }


def _common(model: Model, one: Instance, attachment: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {'storage': one.id}
    if one.unit:
        units = _units(model, one)
        attachment = {**attachment, 'life': units[one.unit]['life']}
        shown['attachments'] = {'containers': {one.unit: attachment}, 'units': units}
    return {
        **shown,
        'pool': POOL,
        'size': one.size,
        'life': str(one.life),
        'status': _status(model, one),
    }
