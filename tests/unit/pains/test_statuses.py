"""Statuses that say nothing to act on: pain 17."""

from ops import testing

from coordinator import scene as coordinators
from worker import scene as workers

# 17. Blocked while merely settling; statuses that flap or say nothing to act on.


def test_pain_17_what_passes_by_itself_is_waiting(unit, worker):
    settling = coordinators.workers('w', None, units=[], databags={0: {}})
    assert isinstance(unit.update_status(unit.state(settling)).unit_status, testing.WaitingStatus)
    related = worker.update_status(worker.state(workers.coordinator({})))
    assert isinstance(related.unit_status, testing.WaitingStatus)


def test_pain_17_what_is_blocked_names_the_command_to_run(unit, worker):
    for charm, state, command in (
        (unit, unit.state(), 'juju integrate coordinator:cluster WORKER'),
        (unit, unit.state(config={'log-level': 'loud'}), 'juju config coordinator'),
        (worker, worker.state(), 'juju integrate worker:cluster COORDINATOR'),
        (worker, worker.state(config={'role-all': False}), 'juju config worker role-all=true'),
    ):
        status = charm.update_status(state).unit_status
        assert isinstance(status, testing.BlockedStatus)
        assert command in status.message
