"""What the coordinator's status says: pure, one function."""

import collections

import ops

import roles
from coordinated_telemetry import databags, reconciler
from state import State


def statuses(
    application: str,
    state: State,
    *,
    nginx_reachable: bool,
    faults: list[str],
    notes: list[str],
    left_out: list[databags.LeftOut],
) -> list[ops.StatusBase]:
    """All statuses that apply; Juju shows the most urgent one.

    Args:
        application: the coordinator's name, for the commands that blocked statuses show.
        state: what was read.
        nginx_reachable: whether nginx's container is there.
        faults: what an operator must do something about.
        notes: what an operator should know of.
        left_out: what came over a relation and is not used.
    """
    workers = state.workers
    found: list[ops.StatusBase] = [ops.BlockedStatus(fault) for fault in faults]
    if state.config_fault:
        found.append(ops.BlockedStatus(state.config_fault))
    if not workers.related:
        found.append(
            ops.BlockedStatus(
                f'[cluster] no worker related: juju integrate {application}:cluster WORKER'
            )
        )
    elif missing := roles.ROLES.missing(workers.units):
        if workers.awaited:
            message = f'[cluster] waiting for the data of {", ".join(workers.awaited[:3])}'
            found.append(ops.WaitingStatus(message))
        else:
            message = reconciler.summary(
                f'[cluster] missing roles: {", ".join(missing)}', [], left_out
            )
            found.append(ops.BlockedStatus(message))
    if not nginx_reachable:
        found.append(ops.WaitingStatus('[nginx] waiting for the container'))
    counts = collections.Counter(role for worker in workers.units for role in worker.roles)
    by_role = ', '.join(f'{role} {count}' for role, count in sorted(counts.items()))
    total = len(workers.units)
    message = f'{total} worker{"" if total == 1 else "s"} ({by_role})'
    found.append(ops.ActiveStatus(reconciler.summary(message, notes, left_out)))
    return found
