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
    nginx_running: bool,
    faults: list[str],
    unsettled: list[str],
    notes: list[str],
    awaits_certificate: bool,
    left_out: list[databags.LeftOut],
) -> list[ops.StatusBase]:
    """All statuses that apply; Juju shows the most urgent one.

    Args:
        application: the coordinator's name, for the commands that blocked statuses show.
        state: what was read.
        nginx_reachable: whether nginx's container is there.
        nginx_running: whether nginx runs in it.
        faults: what an operator must do something about.
        unsettled: what did not work and is tried again.
        notes: what an operator should know of.
        awaits_certificate: whether nginx serves plain HTTP until there is a certificate.
        left_out: what came over a relation and is not used.
    """
    workers = state.workers
    blocked, waiting = list(faults), list(unsettled)
    if state.config_fault:
        blocked.append(state.config_fault)
    if not workers.related:
        blocked.append(f'[cluster] no worker related: juju integrate {application}:cluster WORKER')
    elif missing := roles.ROLES.missing(workers.units):
        if workers.awaited:
            waiting.append(f'[cluster] waiting for the data of {", ".join(workers.awaited[:3])}')
        else:
            blocked.append(f'[cluster] missing roles: {", ".join(missing)}')
    if not nginx_reachable:
        waiting.append('[nginx] waiting for the container')
    elif not nginx_running:
        waiting.append('[nginx] waiting for nginx to run')
    if awaits_certificate:
        waiting.append(f'[certificates] plain HTTP until {state.ca} issues a certificate')
    counts = collections.Counter(role for worker in workers.units for role in worker.roles)
    by_role = ', '.join(f'{role} {count}' for role, count in sorted(counts.items()))
    total = len(workers.units)
    fine = f'{total} worker{"" if total == 1 else "s"} ({by_role})'
    return reconciler.statuses(blocked, waiting, fine, notes=notes, left_out=left_out)
