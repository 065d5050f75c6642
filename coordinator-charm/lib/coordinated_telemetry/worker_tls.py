"""TLS of a worker unit: its own key, the request that it publishes, and what it is to serve.

The key never leaves the unit: it is in a secret that belongs to the unit and is granted to nobody,
so that a new pod keeps it, and where the workload reads it. Only the request goes to the
coordinator, which has a CA sign it.

Cheap to import. `worker_key.py` makes and checks what needs cryptography, and is imported only if
there is no request yet, if a certificate was issued that the workload does not serve and that was
not refused before, or if the one that it serves has to be renewed.
"""

import dataclasses
import hashlib
import math
import socket
import time
from collections.abc import Sequence

import ops

from . import addresses, cluster, cluster_data, cluster_worker, databag, databags
from .cluster_data import Scheme, WorkerUnitData

LABEL = 'worker-tls-key'
"""The label of the secret with the unit's key."""

_KEY = 'private-key'
_LOOPBACK = ('127.', '::1', 'fe80:')


@dataclasses.dataclass(frozen=True)
class Certificate:
    """Certificates that fit the unit, and their key; all in PEM.

    Attributes:
        chain: the unit's certificate, then each one's issuer.
        key: the unit's private key.
    """

    chain: str
    key: str = dataclasses.field(repr=False)

    @property
    def sha256(self) -> str:
        """The name by which others know what is served."""
        return cluster_data.sha256(self.chain)


@dataclasses.dataclass(frozen=True)
class Serving:
    """What a workload serves now.

    Attributes:
        schemes: `http`, `https`, both or none.
        certificate_sha256: of the certificates that it serves, or ''.
    """

    schemes: tuple[Scheme, ...] = ()
    certificate_sha256: str = ''


@dataclasses.dataclass(frozen=True)
class Tls:
    """What a unit has for TLS.

    Attributes:
        request: the certificate signing request to publish, or ''.
        issued: a certificate to serve in the place of the one that the workload serves, or None.
        renewal: which certificate is to be renewed when, for the next dispatch.
        refused: which certificate cannot be served and why, for the next dispatch.
    """

    request: str = ''
    issued: Certificate | None = None
    renewal: str = ''
    refused: str = ''


def issued_digest(coordinator: cluster_worker.Coordinator, unit: str) -> str:
    """A digest of what the coordinator published for a unit, usable or not; '' for nothing.

    With it, each unit can tell which of the others still have a certificate to change to.
    """
    found = coordinator.issued.get(unit)
    if found is None:
        return ''
    return hashlib.sha256(str(found).encode(errors='surrogatepass')).hexdigest()


def follow(
    bags: databags.Databags,
    endpoint: str,
    charm: ops.CharmBase,
    host: str,
    coordinator: cluster_worker.Coordinator | None,
    serving: Serving | None,
    renewal: str = '',
    refused: str = '',
    *,
    again: bool = True,
) -> Tls:
    """Keep a key and a request while the coordinator wants https, and check what was issued.

    A certificate that cannot be served is ignored and named in the report; what the workload
    serves is not checked again.

    Args:
        bags: the databags of this dispatch.
        endpoint: the name of the `cluster` endpoint.
        charm: the worker charm.
        host: the DNS name that the certificate has to cover, and the published `address`.
        coordinator: what was read of it; while it is not ready, the request stays as published.
        serving: what the workload serves; None while nobody can tell.
        renewal: that of the last dispatch, or ''. Without it, the certificate is read again.
        refused: that of the last dispatch, or ''.
        again: whether to check what was refused once more: a certificate may become valid.
    """
    if coordinator is not None and 'https' not in coordinator.schemes:
        return Tls()
    own = bags.own(endpoint, charm.unit, WorkerUnitData)
    request = (own and own.certificate_signing_request) or ''
    if coordinator is None:
        return Tls(request, renewal=renewal, refused=refused)
    if own is None or own.address != host:
        request = ''
    chain = coordinator.certificate
    digest = cluster_data.sha256(chain)
    is_served = serving is not None and digest == serving.certificate_sha256
    is_new = bool(chain) and serving is not None and not is_served
    name = f'{coordinator.application} worker_certificates'
    checked, _, why = refused.partition(' ')
    # Whether it can be served depends on the key too, and each key has a request of its own.
    if is_new and not again and checked == cluster_data.sha256(chain + request):
        bags.report.ignore(name, why)
        is_new = False
    elif serving is not None:
        refused = ''
    is_due = is_served and _is_due(renewal, digest)
    if request and not is_new and not is_due:
        return Tls(request, renewal=renewal, refused=refused)
    from . import worker_key  # noqa: PLC0415 see the module's docstring

    key = _read_key(charm)
    if not key:
        key, request = worker_key.new(), ''
        charm.unit.add_secret({_KEY: key}, label=LABEL)
    issued, why = None, ''
    if is_new:
        try:
            worker_key.check(chain, key, host)
        except ValueError as error:
            why = databag.reason(error)
            bags.report.ignore(name, why)
        else:
            issued = Certificate(chain, key)
    if issued or is_due:
        when = worker_key.renewal(chain)
        if when <= time.time():
            # Once: until the CA has answered, the request stays.
            request, when = '', math.inf
        renewal = f'{digest} {when}'
    request = request or worker_key.request(key, host)
    refused = f'{cluster_data.sha256(chain + request)} {why}' if why else refused
    return Tls(request, issued, renewal, refused)


def schemes(
    wanted: Sequence[Scheme], serving: Serving, *, has_certificate: bool
) -> tuple[Scheme, ...]:
    """What the workload can serve of what is wanted.

    Without a certificate, a workload that is to serve https only is not started; one that serves
    http goes on, as the coordinator has stopped using it, and whoever has not can still.
    """
    if has_certificate:
        return tuple(sorted({*wanted}))
    return ('http',) if 'http' in (*wanted, *serving.schemes) else ()


def announced(
    bags: databags.Databags,
    endpoint: str,
    charm: ops.CharmBase,
    coordinator: cluster_worker.Coordinator | None,
    tls: Tls,
    serving: Serving | None,
) -> cluster.WorkerTls:
    """What to publish: what the workload serves now, or what was published while nobody can tell.

    Args:
        bags: the databags of this dispatch.
        endpoint: the name of the `cluster` endpoint.
        charm: the worker charm.
        coordinator: what was read of it.
        tls: from `follow`.
        serving: what the workload serves once it has been configured; None if nobody can tell.
    """
    # A workload of which nothing is known, with a coordinator that never spoke of https, is to be
    # reached as ever.
    is_plain = coordinator is None or 'https' not in coordinator.schemes
    now = serving or Serving()
    if serving is None or (coordinator is None and not now.schemes):
        own = bags.own(endpoint, charm.unit, WorkerUnitData)
        if own is not None:
            published = ('http',) if own.schemes is None else tuple(own.schemes)
            now, is_plain = Serving(published, own.certificate_sha256 or ''), False
    return cluster.WorkerTls(
        ip_addresses=pod_addresses() if tls.request else (),
        request=tls.request,
        schemes=now.schemes or (('http',) if is_plain else ()),
        certificate_sha256=now.certificate_sha256,
    )


def ensure_no_key(charm: ops.CharmBase) -> bool:
    """Remove the unit's key. True if there was one."""
    try:
        secret = charm.model.get_secret(label=LABEL)
    except ops.SecretNotFoundError:
        return False
    secret.remove_all_revisions()
    return True


def pod_addresses() -> tuple[str, ...]:
    """The IP addresses of this pod, sorted.

    Kubernetes writes them to the pod's /etc/hosts together with its name, so this asks no server.
    Juju's own (`network-get`) come from its database, which for a while still has those of the
    pod before this one.
    """
    try:
        found = socket.getaddrinfo(socket.getfqdn(), None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    hosts = {str(address[0]) for *_, address in found}
    accepted = {host for host in hosts if not host.startswith(_LOOPBACK) and '%' not in host}
    return tuple(sorted(map(addresses.check_ip_address, accepted)))


def _is_due(renewal: str, digest: str) -> bool:
    """Whether it is time to read when these certificates have to be renewed."""
    known, _, when = renewal.partition(' ')
    try:
        return known != digest or float(when) <= time.time()
    except ValueError:
        return True


def _read_key(charm: ops.CharmBase) -> str:
    try:
        return charm.model.get_secret(label=LABEL).get_content().get(_KEY, '')
    except ops.SecretNotFoundError:
        return ''
