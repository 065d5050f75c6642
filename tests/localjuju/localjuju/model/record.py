"""The outcome of what a unit ran: what the unit has now seen, and what follows a failure.

The agent calls `prepare`, runs the hook, and calls `commit` (exit 0) or `fail`.
"""

from localjuju.model.hookcontext import HookContext
from localjuju.model.model import Model
from localjuju.model.secretstore import ROTATION
from localjuju.model.unitstate import START, Event, Status, Unit

#: Seconds until a failed hook runs again: doubled after each failure up to a limit, as in Juju.
FIRST_RETRY = 5.0
LAST_RETRY = 300.0


def prepare(unit: Unit, event: Event, now: float) -> None:
    """Prepare for an event that is about to run.

    Forgets what the unit remembers of the databag that the event concerns, so that it is reread,
    and sets the statuses that Juju sets before install and stop.
    """
    if event.relation is not None and event.relation in unit.seen:
        unit.seen[event.relation].settings.pop(event.remote_unit, None)
    if event.kind == 'install' and not unit.status_set:
        unit.workload = Status('maintenance', 'installing charm software', now)
    if event.kind == 'stop':
        unit.workload = Status('maintenance', 'stopping charm software', now)
    # Juju does not show that update-status runs: the status would flap all day.
    if event.kind != 'update-status':
        what = f'{event.hook} hook' if event.task is None else event.hook
        unit.agent = Status('executing', f'running {what}', now)


def fail(unit: Unit, event: Event, now: float) -> None:
    """Record that an event's hook failed: it runs again, with the same event."""
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
            since then is still to be announced. None for a skipped hook.
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
                unit.queued = START
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
        case 'storage-attached':
            unit.attached.add(event.storage)
        case 'storage-detaching':
            unit.attached.discard(event.storage)
            model.storages.detach(event.storage, now)
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


def queue_workload_event(unit: Unit, event: Event) -> None:
    """Queue an event of a container, unless the same event is already waiting."""
    if event not in unit.workload_events:
        unit.workload_events.append(event)


def retry_now(unit: Unit, *, skip: bool) -> None:
    """Do what ``juju resolved`` does: run the failed hook again immediately, or skip it."""
    unit.resolved = 'skip' if skip else 'retry'
