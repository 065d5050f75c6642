"""Who uses http and who uses https now, while TLS is turned on or off: pure.

Whoever serves begins with the new scheme at once and ends with the old one in an update-status,
when nobody uses it any more. Until then both work, so no request and no sample is lost.
"""

from collections.abc import Callable, Collection, Iterable

from coordinated_telemetry import rolling
from coordinated_telemetry.cluster_data import Scheme
from state import State
from tls_data import Kept

_ALL: tuple[Scheme, ...] = ('http', 'https')


def of_upstreams(
    seen: State, serves_tls: bool, has_ca: bool, waited: Callable[[str], float]
) -> Scheme:
    """How this unit's nginx reaches the workers.

    It changes as soon as all workers that serve anything serve the other scheme, so that each
    role keeps all its workers; after `rolling.PATIENCE`, one worker of each role is enough. With
    https, it does not go back to http before the CA is gone.

    Args:
        seen: what was read.
        serves_tls: whether nginx itself serves TLS.
        has_ca: whether there is a CA with which it can check the workers.
        waited: for how many seconds a change has been waited for; '' for nothing.
    """
    now: Scheme = seen.kept.upstream if has_ca else 'http'
    wanted: Scheme = 'http'
    if has_ca and seen.tls.ca and (serves_tls or now == 'https'):
        wanted = 'https'
    roles = [
        [worker.tls.schemes for worker in workers if worker.tls.schemes]
        for workers in seen.workers_by_role.values()
        if workers
    ]
    possible = bool(roles) and all(any(wanted in one for one in role) for role in roles)
    if wanted == now or not possible:
        waited('')
        return now
    if all(wanted in one for role in roles for one in role):
        waited('')
        return wanted
    return wanted if waited(f'workers with {wanted}') > rolling.PATIENCE else now


def of_clients(seen: State, narrows: bool) -> list[Scheme]:
    """What this unit's nginx is to serve to clients, as far as it has a certificate.

    It serves both until all units serve the new scheme and call the workers with it: then the
    workers, which call the coordinator themselves, have followed.

    Args:
        seen: what was read.
        narrows: whether what nobody uses may end now.
    """
    wanted: Scheme = 'https' if seen.tls.ca else 'http'
    others = seen.others.values()
    if others and all(one.clients == [wanted] for one in others):
        return [wanted]  # the others have waited, and a unit that joins need not
    kept = {wanted, *seen.kept.clients}
    units = (seen.kept, *others)
    if narrows and all(wanted in one.clients and wanted == one.upstream for one in units):
        kept = {wanted}
    return [scheme for scheme in _ALL if scheme in kept]


def of_workers(seen: State, now: Kept) -> Scheme:
    """What the workers are to serve in the end, and how they are to call the coordinator.

    It changes when every unit of the coordinator serves that to clients.

    Args:
        seen: what was read.
        now: what this unit does now.
    """
    wanted: Scheme = 'https' if seen.tls.ca else 'http'
    if all(wanted in unit.clients for unit in (now, *seen.others.values())):
        return wanted
    return 'https' if seen.shared.worker_schemes else 'http'


def of_scrape(units: Iterable[Collection[Scheme]], tls: bool) -> Scheme:
    """How an application is scraped.

    Args:
        units: the schemes that each of its units serves.
        tls: whether it should be https.
    """
    serving = [schemes for schemes in units if schemes]
    if tls and all('https' in schemes for schemes in serving):
        return 'https'
    if all('http' in schemes for schemes in serving):
        return 'http'
    return 'https'


def to_serve(
    tls: bool, used: Iterable[Scheme], before: Iterable[Scheme], narrows: bool
) -> list[Scheme]:
    """What to serve.

    Args:
        tls: whether it should be https.
        used: by others, now.
        before: what was to be served before.
        narrows: whether what nobody uses may end now.
    """
    kept = {'https' if tls else 'http', *used, *(() if narrows else before)}
    return [scheme for scheme in _ALL if scheme in kept]
