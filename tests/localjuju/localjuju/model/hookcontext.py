"""What one running hook sees and writes.

A `HookContext` buffers what a hook writes: databags, ports, secrets, state. The hook reads its
own writes; everyone else sees them only after `flush`, which the agent calls if the hook exits
with 0. Statuses, logs, the workload version and action results take effect immediately.
"""

import collections
import time
from collections.abc import Callable

from localjuju.model.application import Application
from localjuju.model.model import Model
from localjuju.model.relation import Relation
from localjuju.model.secretchanges import Changes
from localjuju.model.toolargs import Arguments, ToolError, UsageError
from localjuju.model.unitstate import Databag, Event, Seen, Status, Unit, app_of


class HookContext:
    """What one dispatch may see and do.

    Args:
        model: the model; the caller holds its lock during `call` and `flush`.
        unit: the unit that runs the hook.
        event: the event that runs.
        identity: the value of JUJU_CONTEXT_ID.
        log: receives level and message of each juju-log.
    """

    def __init__(
        self,
        model: Model,
        unit: Unit,
        event: Event,
        identity: str,
        log: Callable[[str, str], None],
    ):
        self.model = model
        self.unit = unit
        self.event = event
        self.identity = identity
        self.log = log
        #: Gives the path of a resource in the charm's container.
        self.resource_path: Callable[[str], str] = '/resources/{}'.format
        #: How often each tool was called.
        self.calls: collections.Counter[str] = collections.Counter()
        self.app: Application = model.application(unit.app)
        self.fingerprint = self.app.fingerprint(unit)
        self.charm_version = self.app.charm_version
        self.writes: dict[tuple[int, str], Databag] = {}
        self.ports: dict[tuple[str, str], bool] = {}
        self.state: dict[str, str | None] = {}
        self.secrets = Changes(model.secrets, unit)
        self._app_settings: dict[int, Databag] = {}

    @property
    def leads(self) -> bool:
        """Whether the unit is the leader now."""
        return self.app.leader == self.unit.name

    def flush(self, now: float) -> bool:
        """Make what the hook wrote visible; call it only if the hook exited with 0.

        Returns:
            Whether anything changed that other units can see.
        """
        changed = False
        for (number, owner), values in self.writes.items():
            relation = self.model.relations.get(number)
            if relation is None or relation.is_refused or not relation.write(owner, values):
                continue
            changed = True
            # A change is news only to the others.
            if owner == self.app.name and relation.is_peer and number in self.unit.seen:
                self.unit.seen[number].applications[owner] = relation.versions[owner]
        for port, is_open in self.ports.items():
            (self.unit.ports.add if is_open else self.unit.ports.discard)(port)
        for key, value in self.state.items():
            if value is None:
                self.unit.state.pop(key, None)
            else:
                self.unit.state[key] = value
        return self.secrets.flush(now) or changed or bool(self.ports)

    # Shared by the tools

    def relation(self, arguments: Arguments, *, refused: bool = False) -> tuple[Relation, Seen]:
        """The relation that ``-r`` or the event names.

        Args:
            arguments: the tool's.
            refused: whether the tool works for a relation that Juju has forgotten, because it
                asks the unit's agent alone.
        """
        reference = arguments.text('r') or arguments.text('relation')
        number = self.event.relation
        if reference:
            name, _, digits = reference.rpartition(':')
            if not digits.isdecimal():
                raise UsageError(f'invalid value "{reference}" for option -r: invalid relation id')
            number = int(digits)
            known = self.model.relations.get(number)
            if (
                known is None
                or number not in self.unit.seen
                or (name and known.end(self.app.name).endpoint.name != name)
            ):
                raise UsageError(f'invalid value "{reference}" for option -r: relation not found')
        if number is None:
            raise UsageError('no relation id specified')
        if number not in self.model.relations or number not in self.unit.seen:
            raise ToolError('relation not found')
        relation = self.model.relations[number]
        if relation.is_refused and not refused:
            raise ToolError('permission denied')
        return relation, self.unit.seen[number]

    def members(self, relation: Relation, seen: Seen) -> set[str]:
        """The remote units that the hook should see in a relation."""
        members = set(seen.members)
        if self.event.relation == relation.id and self.event.remote_unit:
            if self.event.kind == 'relation-departed':
                members.discard(self.event.remote_unit)
            else:
                members.add(self.event.remote_unit)
        return members

    def own(self, relation: Relation, owner: str) -> Databag:
        """The unit's or its application's databag, including this hook's writes."""
        bag = {**relation.data.get(owner, {}), **self.writes.get((relation.id, owner), {})}
        return {k: v for k, v in bag.items() if v != ''}

    def settings(self, relation: Relation, seen: Seen, name: str, *, app: bool) -> Databag:
        """A databag of a relation, if the unit may read it."""
        remote = relation.remote(self.app.name).app
        if app:
            name = app_of(name)
            if name == self.app.name and self.leads:
                return self.own(relation, name)
            if name != remote:
                raise ToolError('permission denied (unauthorized access)')
            return self._app_settings.setdefault(relation.id, dict(relation.data.get(name, {})))
        if '/' not in name:
            raise ToolError(f'expected unit name, got application name "{name}"')
        if name == self.unit.name:
            return self.own(relation, name)
        if app_of(name) != remote:
            raise ToolError('permission denied (unauthorized access)')
        if name not in relation.data:
            raise ToolError(
                f'cannot read settings for unit "{name}" in relation "{relation}": '
                f'unit "{name}": settings not found'
            )
        if name in self.members(relation, seen):
            return seen.settings.setdefault(name, dict(relation.data[name]))
        return relation.data[name]

    def set_status(self, status: str, message: str, *, app: bool) -> None:
        """Set the unit's or (leader only) its application's status immediately."""
        now = time.time()
        if app:
            if not self.leads:
                raise ToolError('setting application status: this unit is not the leader')
            self.app.status = _status(self.app.status, status, message, now)
        else:
            self.unit.status_set = True
            self.unit.workload = _status(self.unit.workload, status, message, now)


def _status(before: Status | None, current: str, message: str, now: float) -> Status:
    """A status whose ``since`` moves only when something changes."""
    if before and (before.current, before.message) == (current, message):
        return before
    return Status(current, message, now)
