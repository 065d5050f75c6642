"""Which event a unit sees next: Juju's unit agent, as decisions over a model.

The cycle of a unit's agent: `next_event` says what to run, the hook runs, and `record` notes the
outcome. Nothing here blocks or does I/O. `next_event` itself changes only what Juju changes
without a hook: the unit enters the scope of new relations, and accepts or resigns leadership.
Called again, it gives the same answer.

The order of precedence is that of Juju's uniter: pending upgrade, relation-created, leadership,
workload, secrets, actions, commands, storage, queued or failed hook, then everything else
(install, upgrade, config-changed, relations, update-status).
"""

import functools

from localjuju.model.application import Application
from localjuju.model.model import Model
from localjuju.model.relation import Relation
from localjuju.model.unitstate import Event, Life, Seen, Unit

_LEADER_ELECTED = Event('leader-elected')
_UPGRADE_CHARM = Event('upgrade-charm')


def next_event(model: Model, unit: Unit, now: float) -> Event | None:
    """What the unit must run now, or None if there is nothing.

    A dying unit with nothing left to run should be removed: see `is_done`.
    """
    if unit.pod_going and unit.life is Life.ALIVE:
        going = unit.started and not unit.stopped and not unit.pod_killed
        return Event('stop') if going else None
    app = model.application(unit.app)
    if unit.charm_missing:
        return _retry(unit, now) if unit.failed == _UPGRADE_CHARM else _UPGRADE_CHARM
    synchronize(model, unit)
    undisturbed = not unit.busy and unit.installed
    if undisturbed and unit.life is Life.ALIVE:
        if event := _created(model, unit):
            return event
    _follow_leadership(app, unit)
    if not unit.busy and unit.installed:
        if not unit.leader and unit.leader_version != app.leader_version:
            return Event('leader-settings-changed', version=app.leader_version)
        if unit.workload_events:
            return unit.workload_events[0]
        if unit.life is Life.ALIVE and (event := _secret(model, unit, now)):
            return event
    if unit.tasks and unit.installed and (unit.queued is None or not unit.tasks[0].action):
        return _task(unit)
    if event := _storage(model, unit):
        return event
    if not unit.leader:
        unit.queued = None if unit.queued == _LEADER_ELECTED else unit.queued
        unit.failed = None if unit.failed == _LEADER_ELECTED else unit.failed
    if unit.queued:
        return unit.queued
    if unit.failed:
        return _retry(unit, now)
    return _idle(model, app, unit)


def is_done(model: Model, unit: Unit, now: float) -> bool:
    """Whether the unit has shut down properly: it is dying and has run its last hook."""
    return unit.life is Life.DYING and next_event(model, unit, now) is None and not unit.busy


def next_deadline(unit: Unit) -> float | None:
    """When `next_event` may have a new answer although the model does not change."""
    return unit.retry_at if unit.failed else None


def synchronize(model: Model, unit: Unit) -> bool:
    """Let the unit enter the scope of its application's new relations.

    Returns:
        Whether it entered any; other units then see it.
    """
    if not unit.installed or unit.life is not Life.ALIVE:
        return False
    entered = False
    for relation in model.relations_of(unit.app):
        exists = relation.life is Life.ALIVE and not relation.is_refused
        if exists and relation.id not in unit.seen:
            unit.seen[relation.id] = Seen()
            model.enter_scope(relation, unit)
            entered = True
    return entered


def _relation_event(
    kind: str,
    unit: Unit,
    relation: Relation,
    *,
    remote_unit: str = '',
    departing: str = '',
    version: int = 0,
) -> Event:
    return Event(
        kind,
        subject=relation.end(unit.app).endpoint.name,
        relation=relation.id,
        remote_app=relation.remote(unit.app).app,
        remote_unit=remote_unit,
        departing=departing,
        version=version,
    )


def _created(model: Model, unit: Unit) -> Event | None:
    for number, seen in sorted(unit.seen.items()):
        relation = model.relations.get(number)
        if relation is None or relation.is_refused:
            continue
        if relation.life is Life.ALIVE and not seen.created:
            return _relation_event('relation-created', unit, relation)
    return None


def _follow_leadership(app: Application, unit: Unit) -> None:
    """Accept leadership, which queues leader-elected, or resign it, which runs nothing."""
    leads = app.leader == unit.name
    if leads and not unit.leader and unit.installed and unit.life is Life.ALIVE and not unit.busy:
        unit.leader = True
        unit.leader_version = app.leader_version
        unit.queued = _LEADER_ELECTED
    elif unit.leader and (not leads or unit.life is not Life.ALIVE):
        unit.leader = False


def _secret(model: Model, unit: Unit, now: float) -> Event | None:
    store = model.secrets
    if found := store.expired(unit, now):
        secret, revision = found
        return Event('secret-expired', secret=secret.uri, label=secret.label, revision=revision)
    if secret := store.to_rotate(unit, now):
        return Event('secret-rotate', secret=secret.uri, label=secret.label)
    if changed := store.changed(unit):
        secret, label = changed
        return Event('secret-changed', secret=secret.uri, label=label, revision=secret.latest)
    if found := store.newly_obsolete(unit):
        secret, revision = found
        return Event('secret-remove', secret=secret.uri, label=secret.label, revision=revision)
    return None


def _task(unit: Unit) -> Event:
    task = unit.tasks[0]
    return Event('action' if task.action else 'exec', task=task)


def _storage(model: Model, unit: Unit) -> Event | None:
    """The next storage hook.

    On Kubernetes storage comes with the pod, so its first hook waits for install, and for a
    queued start. A dying unit loses its storage before anything else.
    """
    if not unit.installed or unit.failed or (unit.queued and not unit.started):
        return None
    alive = unit.life is Life.ALIVE
    for instance in model.storages.of(unit.name):
        if alive == (instance.id in unit.attached):
            continue
        kind = 'storage-attached' if alive else 'storage-detaching'
        return Event(kind, instance.store.name, storage=instance.id)
    return None


def _retry(unit: Unit, now: float) -> Event | None:
    if unit.resolved or now >= unit.retry_at:
        return unit.failed
    return None


def _idle(model: Model, app: Application, unit: Unit) -> Event | None:
    """What a unit runs when nothing is more urgent."""
    if unit.life is not Life.ALIVE:
        return _dying(model, unit)
    if not unit.installed:
        return Event('install')
    if unit.charm_version != app.charm_version:
        return _UPGRADE_CHARM
    if unit.requested:
        return unit.requested[0]
    if unit.config != app.fingerprint(unit):
        return Event('config-changed')
    if event := _relations(model, unit):
        return event
    if unit.update_status_due and unit.started:
        return Event('update-status')
    return None


def _dying(model: Model, unit: Unit) -> Event | None:
    if event := _relations(model, unit):
        return event
    if unit.started and not unit.stopped:
        return Event('stop')
    if unit.installed and not unit.removed:
        return Event('remove')
    return None


def _relations(model: Model, unit: Unit) -> Event | None:
    for number, seen in sorted(unit.seen.items()):
        relation = model.relations.get(number)
        if relation and (event := _relation(model, unit, relation, seen)):
            return event
    return None


def _relation(model: Model, unit: Unit, relation: Relation, seen: Seen) -> Event | None:
    """The next event of one relation: its state compared with what the unit has seen."""
    ending = unit.life is not Life.ALIVE or relation.life is not Life.ALIVE
    if relation.is_refused and not ending:
        return None
    members = {} if ending else relation.members(unit.name)
    remote = relation.remote(unit.app).app
    event = functools.partial(_relation_event, unit=unit, relation=relation)
    if seen.changed_pending:
        changed = seen.changed_pending
        version = members.get(changed, 0)
        return event('relation-changed', remote_unit=changed, version=version)
    for name in sorted(seen.members):
        if name not in members:
            alive = unit.life is Life.ALIVE and model.application(unit.app).life is Life.ALIVE
            departing = name if alive else unit.name
            return event('relation-departed', remote_unit=name, departing=departing)
    if ending:
        return None if relation.is_peer else event('relation-broken')
    version = relation.versions.get(remote, 0)
    if seen.applications.get(remote, 0) != version:
        return event('relation-changed', version=version)
    for name in sorted(members):
        if name not in seen.members:
            return event('relation-joined', remote_unit=name, version=members[name])
    for name in sorted(members):
        if seen.members[name] != members[name]:
            return event('relation-changed', remote_unit=name, version=members[name])
    return None
