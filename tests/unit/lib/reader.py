"""A charm that reads the databags of `db`, and what comes of it."""

import dataclasses
import json
from typing import Any

import ops
from ops import testing

import juju
from coordinated_telemetry import addresses, databag, databags, reconciler

META = {
    'name': 'reader',
    'requires': {'db': {'interface': 'db'}, 'other': {'interface': 'other'}},
    'peers': {'peers': {'interface': 'peers'}},
}


class Inner(databag.Databag):
    """A mapping in a databag."""

    host: addresses.Host


class Data(databag.Databag):
    """The databags of these tests."""

    retired = frozenset(('old', 'older'))
    max_bytes = 100
    remedy = 'name less'

    name: str
    numbers: list[int] | None = None
    inner: Inner | None = None


class Plain(databag.Databag):
    """A databag of plain texts."""

    plain = True
    retired = frozenset(('port',))

    host: str


class Reader(reconciler.ReconcilingCharm):
    """Reads all databags of `db`, and writes what the test wants.

    Attributes:
        found: unit or application → what was read.
        wanted: Sequence[Data] = ()  # one after the other
        changed: what `ensure` said of it.
    """

    found: dict[str, Any]
    wanted: Any = ()
    changed: bool | None = None

    def describe(self) -> str:
        return ''

    def reconcile(self, event: ops.EventBase, bags: databags.Databags) -> None:
        self.found = {}
        for relation in bags.relations('db'):
            self.found[relation.app.name] = bags.load(relation, relation.app, Data)
            for unit in bags.units(relation):
                self.found[unit.name] = bags.load(relation, unit, Data)
        for wanted in self.wanted:
            self.changed = bags.ensure('db', self.unit, wanted)


@dataclasses.dataclass
class Read:
    """What came of an event."""

    found: dict[str, Any]
    ignored: list[str]
    changed: bool | None
    state: testing.State

    def units(self):
        """The units whose databags were accepted."""
        return [name for name, data in self.found.items() if data is not None]


def run(ctx, event, state, *wanted):
    with ctx(event, state) as manager:
        manager.charm.wanted = wanted
        after = manager.run()
        charm = manager.charm
        ignored = [str(item) for item in charm.report.ignored]
        return Read(charm.found, ignored, charm.changed, after)


def db(units, app='db', app_data=None, **options):
    return testing.Relation(
        'db',
        remote_app_name=app,
        remote_app_data=app_data or {},
        remote_units_data=units,
        local_unit_data=options.pop('local', {}),
        **options,
    )


def named(name):
    return {'name': json.dumps(name)}


def state(*relations, **options):
    return testing.State(relations=relations, model=juju.MODEL, **options)


def reads(calls):
    return sorted(
        arguments[1] for arguments in calls.of('relation-get') if arguments[1] != 'reader/0'
    )


def changed(state, units=None, app_data=None):
    """The state with other databags behind the charm's back."""
    before = state.get_relation(3)
    relation = dataclasses.replace(
        before,
        remote_units_data=before.remote_units_data if units is None else units,
        remote_app_data=before.remote_app_data if app_data is None else app_data,
    )
    return dataclasses.replace(state, relations=[relation])
