"""Who changes over before whom."""

import json

import ops
import pytest
from ops import testing

from coordinated_telemetry import databags, reconciler, rolling

META = {'name': 'toy', 'peers': {'peers': {'interface': 'peers'}}}


class Toy(reconciler.ReconcilingCharm):
    """Looks at who is ahead of it."""

    ahead: tuple[str, ...] = ()
    unheard: tuple[str, ...] = ()

    def reconcile(self, event: ops.EventBase, bags: databags.Databags) -> None:
        self.ahead = tuple(rolling.ahead(bags, 'peers', self.unit, lambda _: 'new'))
        self.unheard = tuple(rolling.unheard(bags, 'peers', self.unit, lambda _: 'new'))


def ahead(peers, unit=10, departing=None):
    """The units that go before this one, which wants to run `new`."""
    ctx = testing.Context(Toy, meta=META, unit_id=unit)
    data = {
        number: {} if runs is None else {'runs': json.dumps(runs)}
        for number, runs in peers.items()
    }
    relation = testing.PeerRelation('peers', peers_data=data)
    event = ctx.on.update_status()
    if departing is not None:
        event = ctx.on.relation_departed(relation, remote_unit=departing, departing_unit=departing)
    with ctx(event, testing.State(relations=[relation])) as manager:
        manager.run()
        return manager.charm.ahead


@pytest.mark.parametrize(
    ('peers', 'expected'),
    [
        ({}, ()),
        ({0: 'new', 9: 'new'}, ()),
        ({0: 'old'}, ('toy/0',)),
        ({9: 'old', 2: 'old', 3: 'new'}, ('toy/2', 'toy/9')),
        ({11: 'old', 100: 'old'}, ()),
        ({0: None, 1: 'old'}, ('toy/1',)),
    ],
)
def test_units_of_lower_number_that_still_run_something_else_go_first(peers, expected):
    assert ahead(peers) == expected


def test_the_first_unit_waits_for_nobody():
    assert ahead({1: 'old', 2: 'old'}, unit=0) == ()


def test_at_any_time_one_unit_may_change_over_and_only_one():
    for changed in range(4):
        runs = {number: 'new' if number < changed else 'old' for number in range(4)}
        free = [
            number
            for number in range(4)
            if runs[number] == 'old'
            and not ahead({n: r for n, r in runs.items() if n != number}, unit=number)
        ]
        assert free == [changed]


def test_a_unit_that_departs_is_not_waited_for():
    assert ahead({0: 'old', 1: 'old'}, departing=0) == ('toy/1',)


def test_a_unit_whose_databag_is_not_valid_is_not_waited_for():
    assert ahead({0: ['old'], 1: 'old'}) == ('toy/1',)


@pytest.mark.parametrize(
    ('peers', 'expected'),
    [
        ({}, ()),
        ({11: {'runs': 'new'}}, ()),
        ({11: {'runs': 'old', 'waits': 'new'}, 12: {'waits': 'new'}}, ()),
        ({11: {'runs': 'old'}, 100: {'runs': 'older', 'waits': 'old'}}, ('toy/11', 'toy/100')),
        ({11: {}}, ()),  # it runs nothing that could end
        ({9: {'runs': 'old'}}, ()),  # goes first anyway
    ],
)
def test_a_unit_after_this_one_may_still_restart_unless_it_says_that_it_waits(peers, expected):
    ctx = testing.Context(Toy, meta=META, unit_id=10)
    data = {
        number: {key: json.dumps(value) for key, value in said.items()}
        for number, said in peers.items()
    }
    relation = testing.PeerRelation('peers', peers_data=data)
    with ctx(ctx.on.update_status(), testing.State(relations=[relation])) as manager:
        manager.run()
        assert manager.charm.unheard == expected


def test_without_a_peer_relation_nobody_is_waited_for():
    ctx = testing.Context(Toy, meta=META)
    with ctx(ctx.on.update_status(), testing.State()) as manager:
        manager.run()
        assert manager.charm.ahead == ()


def test_a_digest_is_that_of_the_content_whatever_its_order():
    assert rolling.digest({'a': 1, 'b': {'c': 2, 'd': 3}}) == rolling.digest(
        {'b': {'d': 3, 'c': 2}, 'a': 1}
    )
    assert rolling.digest({'a': 1}) != rolling.digest({'a': 2})
    assert len(rolling.digest({})) == 16
