"""Which event a unit sees next: Juju's unit agent, as decisions over a model.

The cycle of a unit's agent: `next_event` says what to run; `prepare` sets the scene for it; the
hook runs; `commit` (exit 0) or `fail` records it. Nothing here blocks or does I/O. `next_event`
itself changes only what Juju changes without a hook: the unit enters the scope of new relations,
accepts the lead or resigns it. Asked again, it gives the same answer.

The order of precedence is that of Juju's uniter: pending upgrade, relation-created, leadership,
workload, secrets, actions, commands, queued or failed hook, then what remains (install, upgrade,
config-changed, relations, update-status).
"""

import functools

from localjuju import JUJU_VERSION
from localjuju.model.application import Application
from localjuju.model.hookcontext import HookContext
from localjuju.model.model import Model
from localjuju.model.relation import Relation
from localjuju.model.secretstore import ROTATION
from localjuju.model.unitstate import Event, Life, Seen, Status, Unit

#: Seconds until a failed hook is run again: doubled at each failure up to a limit, as in Juju.
FIRST_RETRY = 5.0
LAST_RETRY = 300.0

_LEADER_ELECTED = Event('leader-elected')
_START = Event('start')
_UPGRADE_CHARM = Event('upgrade-charm')


def next_event(model: Model, unit: Unit, now: float) -> Event | None:
    """What the unit has to run now, or None if there is nothing.

    A unit that is dying and has nothing left to run is to be removed: see `is_done`.
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
    if not unit.leader:
        unit.queued = None if unit.queued == _LEADER_ELECTED else unit.queued
        unit.failed = None if unit.failed == _LEADER_ELECTED else unit.failed
    if unit.queued:
        return unit.queued
    if unit.failed:
        return _retry(unit, now)
    return _idle(model, app, unit)


def is_done(model: Model, unit: Unit, now: float) -> bool:
    """Whether the unit has died in good order: it is dying and has run its last hook."""
    return unit.life is Life.DYING and next_event(model, unit, now) is None and not unit.busy


def next_deadline(unit: Unit) -> float | None:
    """When, without any change of the model, `next_event` may have a new answer."""
    return unit.retry_at if unit.failed else None


def synchronize(model: Model, unit: Unit) -> bool:
    """Let the unit enter the scope of its application's new relations.

    Returns:
        Whether it entered any, which makes it visible to other units.
    """
    if not unit.installed or unit.life is not Life.ALIVE:
        return False
    entered = False
    for relation in model.relations_of(unit.app):
        if relation.life is Life.ALIVE and relation.id not in unit.seen:
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
        if relation and relation.life is Life.ALIVE and not seen.created:
            return _relation_event('relation-created', unit, relation)
    return None


def _follow_leadership(app: Application, unit: Unit) -> None:
    """Accept the lead, which queues leader-elected, or resign it, which runs nothing."""
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


def _retry(unit: Unit, now: float) -> Event | None:
    if unit.resolved or now >= unit.retry_at:
        return unit.failed
    return None


def _idle(model: Model, app: Application, unit: Unit) -> Event | None:
    """What a unit does when nothing more urgent is there."""
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
    """The next event of one relation, by comparing what is with what the unit has seen."""
    ending = unit.life is not Life.ALIVE or relation.life is not Life.ALIVE
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


def prepare(unit: Unit, event: Event, now: float) -> None:
    """Set the scene for an event that is about to run.

    Drops what the unit remembers of a databag that the event is about, so that it is read anew,
    and sets the statuses that Juju sets before install and stop.
    """
    if event.relation is not None and event.relation in unit.seen:
        unit.seen[event.relation].settings.pop(event.remote_unit, None)
    if event.kind == 'install' and not unit.status_set:
        unit.workload = Status('maintenance', 'installing charm software', now)
    if event.kind == 'stop':
        unit.workload = Status('maintenance', 'stopping charm software', now)
    # Juju does not show update-status running: it would flap all day.
    if event.kind != 'update-status':
        what = f'{event.hook} hook' if event.task is None else event.hook
        unit.agent = Status('executing', f'running {what}', now)


def fail(unit: Unit, event: Event, now: float) -> None:
    """Record that an event's hook failed: it comes again, with the same event."""
    unit.failed = event
    if unit.queued == event:
        unit.queued = None
    unit.resolved = ''
    unit.retry_at = now + min(FIRST_RETRY * 2**unit.retries, LAST_RETRY)
    unit.retries += 1
    unit.agent = Status('idle', '', now)


def commit(
    model: Model, unit: Unit, event: Event, now: float, context: HookContext | None = None
) -> None:
    """Record that an event was seen (or, after ``juju resolved --no-retry``, skipped).

    Args:
        model: the model.
        unit: the unit that ran it.
        event: what it ran.
        now: seconds since the epoch.
        context: knows the config and the charm as they were when the hook began: what changed
            since then is still to be told. None for a skipped hook.
    """
    app = model.application(unit.app)
    if unit.failed == event:
        unit.failed = None
        unit.retries = 0
        unit.resolved = ''
    if unit.queued == event:
        unit.queued = None
    if event in unit.workload_events:
        unit.workload_events.remove(event)
    if any(requested is event for requested in unit.requested):
        unit.requested = [r for r in unit.requested if r is not event]
    match event.kind:
        case 'install':
            unit.installed = True
            unit.charm_version = context.charm_version if context else app.charm_version
        case 'upgrade-charm':
            version = context.charm_version if context else app.charm_version
            unit.roll_pending = unit.charm_version != version and not unit.charm_missing
            unit.charm_missing = False
            unit.charm_version = version
            unit.queued = Event('config-changed')
        case 'config-changed':
            unit.config = context.fingerprint if context else app.fingerprint(unit)
            for number in unit.seen:
                if relation := model.relations.get(number):
                    model.publish_addresses(relation, unit)
            if not unit.started and unit.queued is None:
                unit.queued = _START
        case 'start':
            unit.started = True
            unit.stopped = False
            if not unit.status_set:
                unit.workload = Status('unknown', '', now)
        case 'stop':
            unit.stopped = True
        case 'remove':
            unit.removed = True
        case 'leader-settings-changed':
            unit.leader_version = event.version
        case 'update-status':
            unit.update_status_due = False
        case _:
            if event.relation is not None:
                _commit_relation(model, unit, event)
            elif event.secret:
                _commit_secret(model, unit, event, now)


def _commit_relation(model: Model, unit: Unit, event: Event) -> None:
    assert event.relation is not None
    relation = model.relations.get(event.relation)
    seen = unit.seen.get(event.relation)
    if relation is None or seen is None:
        return
    match event.kind:
        case 'relation-created':
            seen.created = True
        case 'relation-joined':
            seen.members[event.remote_unit] = event.version
            seen.changed_pending = event.remote_unit
        case 'relation-changed' if event.remote_unit:
            seen.members[event.remote_unit] = event.version
            seen.changed_pending = ''
        case 'relation-changed':
            seen.applications[event.remote_app] = event.version
        case 'relation-departed':
            seen.members.pop(event.remote_unit, None)
        case 'relation-broken':
            del unit.seen[event.relation]
            model.leave_scope(relation, unit.name)


def _commit_secret(model: Model, unit: Unit, event: Event, now: float) -> None:
    try:
        secret = model.secrets.find(event.secret)
    except LookupError:
        return
    match event.kind:
        case 'secret-changed':
            if consumer := secret.consumers.get(unit.name):
                consumer.told = max(consumer.told, event.revision)
        case 'secret-remove':
            secret.obsolete_told.add(event.revision)
        case 'secret-expired':
            secret.expiry_told.add(event.revision)
        case 'secret-rotate':
            secret.rotates = now + ROTATION[secret.rotation] if secret.rotates else None


def may_roll(model: Model, unit: Unit) -> bool:
    """Whether the unit's pod is to be replaced now, because of a refresh.

    As a StatefulSet does, one pod after the other, the highest number first; a unit in error
    holds up no one.
    """
    if not unit.roll_pending or unit.pod_going or unit.life is not Life.ALIVE or unit.busy:
        return False
    app = model.application(unit.app)
    higher = [u for u in app.units.values() if u.number > unit.number and u.life is Life.ALIVE]
    return all(
        (u.charm_version == app.charm_version and u.started and not u.roll_pending) or u.failed
        for u in higher
    )


def is_pod_finished(unit: Unit) -> bool:
    """Whether a pod that is to be replaced has nothing left to run."""
    return unit.pod_going and unit.life is Life.ALIVE


def pod_is_going(unit: Unit, now: float, *, killed: bool = False) -> None:
    """Record that the unit's pod is about to be replaced: it runs stop, and then nothing.

    A pod that is killed runs nothing more.
    """
    unit.pod_going = True
    unit.pod_killed = killed
    unit.agent = Status('executing', 'the pod is being replaced', now)


def pod_is_gone(unit: Unit, now: float) -> None:
    """Record that the unit's pod is gone, and all that was in it.

    If a refresh rolled the pod, its charm has run upgrade-charm already and only starts in the
    new one; else the new pod finds the charm missing, and upgrade-charm comes first.
    """
    if unit.roll_pending:
        unit.queued = _START
    else:
        unit.charm_missing = unit.installed
    unit.pod_going = unit.pod_killed = unit.roll_pending = False
    unit.started = unit.stopped = False
    unit.ready_containers.clear()
    unit.workload_events.clear()
    unit.agent = Status('allocating', '', now)


def pod_is_up(unit: Unit, address: str) -> None:
    """Record the address of the unit's new pod; a change of it alone is no config-changed."""
    unit.address = address
    if unit.config is not None:
        unit.config = {**unit.config, 'address': address}


def environment(model: Model, unit: Unit, event: Event, context: str) -> dict[str, str]:
    """The JUJU_… variables of an event."""
    task = event.task
    agent = f'/var/lib/juju/agents/unit-{unit.name.replace("/", "-")}'
    variables = {
        'JUJU_CHARM_DIR': f'{agent}/charm',
        'CHARM_DIR': f'{agent}/charm',
        'JUJU_CONTEXT_ID': context,
        'JUJU_HOOK_NAME': '' if task else event.hook,
        'JUJU_DISPATCH_PATH': event.hook if task else f'hooks/{event.hook}',
        'JUJU_AGENT_SOCKET_ADDRESS': f'{agent}/agent.sock',
        'JUJU_AGENT_SOCKET_NETWORK': 'unix',
        'JUJU_UNIT_NAME': unit.name,
        'JUJU_MODEL_NAME': model.name,
        'JUJU_MODEL_UUID': model.uuid,
        'JUJU_API_ADDRESSES': '10.152.183.1:17070',
        'JUJU_MACHINE_ID': '',
        'JUJU_PRINCIPAL_UNIT': '',
        'JUJU_AVAILABILITY_ZONE': '',
        'JUJU_VERSION': JUJU_VERSION,
        'JUJU_CHARM_HTTP_PROXY': '',
        'JUJU_CHARM_HTTPS_PROXY': '',
        'JUJU_CHARM_FTP_PROXY': '',
        'JUJU_CHARM_NO_PROXY': '127.0.0.1,localhost,::1',
    }
    if event.relation is not None:
        variables['JUJU_RELATION'] = event.subject
        variables['JUJU_RELATION_ID'] = f'{event.subject}:{event.relation}'
        variables['JUJU_REMOTE_UNIT'] = event.remote_unit
        variables['JUJU_REMOTE_APP'] = event.remote_app
        if event.departing:
            variables['JUJU_DEPARTING_UNIT'] = event.departing
    elif event.subject:
        variables['JUJU_WORKLOAD_NAME'] = event.subject
    if event.notice[0]:
        for name, value in zip(('ID', 'TYPE', 'KEY'), event.notice, strict=True):
            variables[f'JUJU_NOTICE_{name}'] = value
    if event.check:
        variables['JUJU_PEBBLE_CHECK_NAME'] = event.check
    if event.secret:
        variables['JUJU_SECRET_ID'] = event.secret
        variables['JUJU_SECRET_LABEL'] = event.label
        if event.revision:
            variables['JUJU_SECRET_REVISION'] = str(event.revision)
    if task and task.action:
        variables['JUJU_ACTION_NAME'] = task.action
        variables['JUJU_ACTION_UUID'] = str(task.id)
        variables['JUJU_ACTION_TAG'] = f'action-{task.id}'
    return variables


def queue_workload_event(unit: Unit, event: Event) -> None:
    """Queue what happened in a container; an event that waits already is not queued twice."""
    if event not in unit.workload_events:
        unit.workload_events.append(event)


def retry_now(unit: Unit, *, skip: bool) -> None:
    """What ``juju resolved`` does: run the failed hook again at once, or skip it."""
    unit.resolved = 'skip' if skip else 'retry'
