"""A unit's pod comes and goes: what the unit makes of it, and when its turn is."""

from localjuju.model.model import Model
from localjuju.model.unitstate import START, Life, Status, Unit


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
        unit.queued = START
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
