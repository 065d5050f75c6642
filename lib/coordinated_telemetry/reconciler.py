"""A charm that takes every event the same way: read the model, compute, write what differs."""

import logging
import time
from collections.abc import Callable, Iterable

import ops

from . import databags
from .topology import Hosts, Topology

logger = logging.getLogger(__name__)

# At the end there is nothing to be brought up; a notice is for whoever asked for it.
_OTHER_EVENTS = (
    ops.StopEvent,
    ops.RemoveEvent,
    ops.PebbleCustomNoticeEvent,
    ops.CollectMetricsEvent,
)

# An argument has at most 128 KiB; ops makes several calls of juju-log of what is longer.
_LOG_LENGTH = 120_000


class ReconcilingCharm(ops.CharmBase):
    """The base of both charms: subclasses say what `reconcile` does.

    It remembers databags between hooks, logs what is left out once, and does nothing more once
    the unit is being removed: a dying unit sees its relations shrink, must publish none of that,
    and its workload serves what it has to the end.

    Attributes:
        topology: who this unit is.
        hosts: the DNS names in its model.
        faults: what an operator must do something about, as found in this dispatch.
        unsettled: what did not work in this dispatch and is tried again in the next.
        notes: what an operator should know of, as found in this dispatch.
        left_out: what came over a relation and is not used, as found in this dispatch.
    """

    _stored = ops.StoredState()

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        # ops sets DEBUG on import, and each record is a process (juju-log).
        logging.getLogger().setLevel(logging.INFO)
        self._stored.set_default(
            databags='',
            departing=False,
            left_out='',
            notes='',
            version='',
            awaited='',
            awaited_since=0.0,
        )
        self.topology = Topology.of(self)
        self.hosts = Hosts.of(self.topology)
        self.faults: list[str] = []
        self.unsettled: list[str] = []
        self.notes: list[str] = []
        self.left_out: list[databags.LeftOut] = []
        for event in self.on.events().values():
            kind = event.event_type
            if issubclass(kind, ops.HookEvent) and not issubclass(kind, _OTHER_EVENTS):
                framework.observe(event, self._on_any_event)

    def reconcile(self, event: ops.EventBase, bags: databags.Databags) -> None:
        """Read, compute, write. Called once in a dispatch, unless the unit is dying."""
        raise NotImplementedError

    def ensure_version(self, event: ops.EventBase, read: Callable[[], str]) -> None:
        """Tell Juju the workload's version, which only a new container can have changed."""
        if self._stored.version and not isinstance(event, ops.PebbleReadyEvent):
            return
        version = read()
        if version and version != self._stored.version:
            self.unit.set_workload_version(version)
            self._stored.version = version

    def awaited(self, what: str) -> float:
        """For how many seconds `what` has been waited for, over the hooks that asked in a row."""
        now = time.time()
        since = float(str(self._stored.awaited_since))
        # A clock that was set back starts anew.
        if self._stored.awaited != what or since > now:
            self._stored.awaited, self._stored.awaited_since = what, now
            return 0.0
        return now - since

    def _on_any_event(self, event: ops.EventBase) -> None:
        bags = databags.Databags(self, event, str(self._stored.databags))
        if bags.departing or self._stored.departing:
            self._stored.departing = True
            return
        self.reconcile(event, bags)
        if (remembered := bags.remember()) != self._stored.databags:
            self._stored.databags = remembered
        self.faults += bags.faults
        self.unsettled += bags.unsettled
        self.left_out = sorted(set(bags.left_out))
        self._log_new('left_out', 'left out: %s', [str(item) for item in self.left_out])
        self._log_new('notes', '%s', self.notes)

    def _log_new(self, key: str, message: str, found: list[str]) -> None:
        """Log in one line what the last dispatch has not found already."""
        before = str(getattr(self._stored, key)).splitlines()
        if found != before:
            setattr(self._stored, key, '\n'.join(found))
        if new := sorted({*found} - {*before}):
            logger.warning(message, '; '.join(new)[:_LOG_LENGTH])


def statuses(
    blocked: Iterable[str],
    waiting: Iterable[str],
    fine: str,
    *,
    notes: list[str],
    left_out: list[databags.LeftOut],
) -> list[ops.StatusBase]:
    """All statuses that apply, each with what else is to be said; Juju shows the most urgent one.

    Args:
        blocked: what an operator must do something about.
        waiting: what passes by itself.
        fine: what is said when there is neither.
        notes: what an operator should know of.
        left_out: what came over a relation and is not used.
    """
    return [
        *(ops.BlockedStatus(summary(message, notes, left_out)) for message in blocked),
        *(ops.WaitingStatus(summary(message, notes, left_out)) for message in waiting),
        ops.ActiveStatus(summary(fine, notes, left_out)),
    ]


def summary(message: str, notes: list[str], left_out: list[databags.LeftOut]) -> str:
    """The message of a status, and after it in short what is not used.

    Args:
        message: what is fine, awaited or to be done.
        notes: what an operator should know of.
        left_out: the first two come with their reasons, some others with their names.
    """
    if left_out:
        named = [*map(str, left_out[:2]), *(item.name for item in left_out[2:8])]
        more = f' and {len(left_out) - 8} more' if len(left_out) > 8 else ''
        notes = [*notes, f'left out: {", ".join(named)}{more}']
    return '; '.join([message, *notes])
