"""What happens to a unit when its pod is replaced, and when its turn comes."""

from localjuju.model.model import Model
from localjuju.model.unitstate import START, Life, Status, Unit


def may_roll(model: Model, unit: Unit) -> bool:
    """Whether to replace the unit's pod now because of a refresh.

    Like in a StatefulSet, one pod follows the other, the highest number first; a unit in error
    does not delay the others.
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
    """Whether a pod that will be replaced has nothing left to run."""
    return unit.pod_going and unit.life is Life.ALIVE


def pod_is_going(unit: Unit, now: float, *, killed: bool = False) -> None:
    """Record that the unit's pod is about to be replaced: it runs stop, and then nothing.

    A killed pod runs nothing, not even stop.
    """
    unit.pod_going = True
    unit.pod_killed = killed
    unit.agent = Status('executing', 'the pod is being replaced', now)


def pod_is_gone(unit: Unit, now: float) -> None:
    """Record that the unit's pod is gone, with everything in it.

    If a refresh replaced the pod, the charm has already run upgrade-charm and only starts in the
    new pod; otherwise the new pod finds no charm, and upgrade-charm comes first.
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
    """Record the address of the unit's new pod; a new address alone causes no config-changed."""
    unit.address = address
    if unit.config is not None:
        unit.config = {**unit.config, 'address': address}
