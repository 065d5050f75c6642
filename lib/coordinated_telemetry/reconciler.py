"""A charm that handles every event the same way: read the model, compute, write what differs."""

import contextlib
import logging
import os
import pathlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import ops

from . import charm_log, databags, routes, traces
from .report import Report
from .topology import Hosts, Topology

logger = logging.getLogger(__name__)

# A stopping unit has nothing to bring up, and a notice is for whoever asked for it.
_OTHER_EVENTS = (
    ops.StopEvent,
    ops.RemoveEvent,
    ops.PebbleCustomNoticeEvent,
    ops.CollectMetricsEvent,
)

# An argument has at most 128 KiB; ops splits longer messages into several calls of juju-log.
_LOG_LENGTH = 120_000

_Found = TypeVar('_Found')


class ReconcilingCharm(ops.CharmBase):
    """The base of both charms; subclasses implement `reconcile` and `describe`.

    It remembers databags between hooks, logs once what is ignored, sets the unit's status, and
    stops working when the unit is being removed: a dying unit sees its relations shrink but must
    not publish that, and its workload keeps serving unchanged to the end.

    Attributes:
        topology: who this unit is.
        hosts: the DNS names in its model.
        report: what this dispatch tells an operator.
    """

    _stored = ops.StoredState()

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        # ops sets DEBUG on import, and each record starts a process (juju-log).
        logging.getLogger().setLevel(logging.INFO)
        self._stored.set_default(
            databags='',
            departing=False,
            ignored='',
            notes='',
            version='',
            awaited='',
            awaited_since=0.0,
            checked=0.0,
            costly='',
            costly_version='',
        )
        self.topology = Topology.of(self)
        self.hosts = Hosts.of(self.topology)
        self.report = Report()
        self._is_reconciled = False  # a dying unit reads nothing
        for event in self.on.events().values():
            kind = event.event_type
            if issubclass(kind, ops.HookEvent) and not issubclass(kind, _OTHER_EVENTS):
                framework.observe(event, self._on_any_event)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def reconcile(self, event: ops.EventBase, bags: databags.Databags) -> None:
        """Read, compute, write. Not called once the unit is dying.

        If Juju refuses a relation, it is called again in the same dispatch, without that relation.
        """
        raise NotImplementedError

    def describe(self) -> str:
        """Add to the report what blocks and what is awaited; return the message if all is well.

        Called after `reconcile`, at the end of the dispatch.
        """
        return ''

    def withdraw(self, bags: databags.Databags) -> None:
        """Withdraw what this application published, as it is scaled to 0; leader only.

        Called in the first dispatch in which its last unit is dying, while the relations are
        still complete.
        """

    def look(self, event: ops.ActionEvent, read: Callable[[databags.Databags], _Found]) -> _Found:
        """What `read` finds in the databags, for an action: nothing is written or remembered.

        An action event is no hook: it does not reconcile. What other units published is what the
        last hook knew. If Juju refuses a relation, `read` is called again without it.
        """
        found: list[_Found] = []
        self._with_databags(event, lambda _, bags: found.append(read(bags)))
        return found[-1]

    def ensure_own_telemetry(
        self, log_endpoints: Mapping[str, str], receivers: Mapping[str, str], ca: str = ''
    ) -> None:
        """From now on, send this charm's own log and traces to these stores.

        Call it first in `reconcile`, so that what follows is logged and traced there.

        Args:
            log_endpoints: Loki unit → push URL.
            receivers: protocol → URL.
            ca: PEM certificates to trust, or ''.
        """
        destination = traces.charm_destination(receivers, ca)
        self.ensure_own_routes(routes.Routes(log_endpoints, charm_traces=destination), ca)

    def ensure_own_routes(self, chosen: routes.Routes, ca: str = '') -> None:
        """From now on, send this charm's own log and traces as `routes.choose` says.

        Call it first in `reconcile`, so that what follows is logged and traced there.

        Args:
            chosen: where they go.
            ca: PEM certificates to trust, or ''.
        """
        charm_log.ensure_charm_log(chosen.loki, self.topology, ca, chosen.otlp_log_push)
        destination = chosen.charm_traces
        traces.ensure_charm_tracing(destination, ca)
        if destination.refused:
            self.report.note(f'charm traces are not sent: {destination.refused}')
        chosen.note(self.report)

    def ensure_version(self, event: ops.EventBase, read: Callable[[], str]) -> None:
        """Tell Juju the workload's version; only a new container can change it."""
        if self._stored.version and not isinstance(event, ops.PebbleReadyEvent):
            return
        version = read()
        if version and version != self._stored.version:
            self.unit.set_workload_version(version)
            self._stored.version = version

    def costly(self, version: str, find: Callable[[], str]) -> str:
        """What `find` returns, which takes long: it is called once for each version."""
        if self._stored.costly_version != version:
            self._stored.costly = find()
            self._stored.costly_version = version
        return str(self._stored.costly)

    def awaited(self, what: str) -> float:
        """For how many seconds one hook after the other has been waiting for `what`."""
        now = time.time()
        since = float(str(self._stored.awaited_since))
        # If the clock was set back, start anew.
        if self._stored.awaited != what or since > now:
            self._stored.awaited, self._stored.awaited_since = what, now
            return 0.0
        return now - since

    def is_due(self, period: float) -> bool:
        """Whether `period` seconds have passed since this was last True; for what costs much."""
        now = time.time()
        # If the clock was set back, it is due.
        if 0 <= now - float(str(self._stored.checked)) < period:
            return False
        self._stored.checked = now
        return True

    def _on_any_event(self, event: ops.EventBase) -> None:
        if self._stored.departing:
            return
        bags = self._with_databags(event, self._reconcile_or_leave)
        if self._stored.departing:
            return
        self._is_reconciled = True
        if (text := bags.remember()) != self._stored.databags:
            self._stored.databags = text
        ignored = sorted(map(str, self.report.ignored))
        self._log_new('ignored', 'ignored: %s', ignored)
        self._log_new('notes', '%s', self.report.notes)

    def _with_databags(
        self, event: ops.EventBase, act: Callable[[ops.EventBase, databags.Databags], None]
    ) -> databags.Databags:
        """Act on the databags; start again without each relation that Juju refuses."""
        refused: dict[int, str] = {}
        while True:
            self.report = Report()
            remembered = str(self._stored.databags)
            bags = databags.Databags(self, event, self.report, remembered, refused)
            try:
                act(event, bags)
            except databags.RefusedError as refusal:
                refused[refusal.relation] = str(refusal)
            else:
                return bags

    def _reconcile_or_leave(self, event: ops.EventBase, bags: databags.Databags) -> None:
        if not bags.departing:
            self.reconcile(event, bags)
            return
        # goal-state counts only the units that stay.
        if self.unit.is_leader() and self.app.planned_units() == 0:
            self.withdraw(bags)
        self._stored.departing = True

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        if self._is_reconciled:
            fine = self.describe()
            for status in self.report.statuses(fine):
                event.add_status(status)

    def _log_new(self, key: str, message: str, found: list[str]) -> None:
        """Log in one line what is new since the last dispatch."""
        before = str(getattr(self._stored, key)).splitlines()
        if found != before:
            setattr(self._stored, key, '\n'.join(found))
        if new := sorted({*found} - {*before}):
            logger.warning(message, '; '.join(new)[:_LOG_LENGTH])


@contextlib.contextmanager
def own_telemetry() -> Iterator[None]:
    """Label the charm's own spans and send its own log; wrap it around `ops.main`."""
    if name := _charm_name():
        traces.label_charm_spans(name)
    with charm_log.CharmLog():
        yield


def _charm_name() -> str:
    """The charm's name, or '' outside of a charm.

    ops reads it after it has begun to trace; a YAML parser takes longer for the whole file.
    """
    metadata = pathlib.Path(os.environ.get('JUJU_CHARM_DIR', '.')) / 'metadata.yaml'
    try:
        found = re.search(r'^name: *(\S+)', metadata.read_text(), re.MULTILINE)
    except OSError:
        return ''
    return found[1] if found else ''
