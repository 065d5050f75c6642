"""A store's TLS: each unit's own key and certificate, by the CA on `certificates`.

One module for the charms of the stores: their `src` has a symbolic link to it, which packs as a
file. The work is done by PyPI's charmlibs-interfaces-tls-certificates, which keeps the key in a
secret of the unit and its request in the unit's databag. Importing it takes as long as importing
ops, so that only a unit with that relation does.
"""

import functools
import logging
import os
import ssl
from typing import TYPE_CHECKING, NamedTuple

import ops

if TYPE_CHECKING:
    from charmlibs.interfaces import tls_certificates

ENDPOINT = 'certificates'
# The unit's certificate, those of its issuers, and its key, in the container of the store. All in
# one file, so that a server that reads it again never finds a certificate without its key.
FILE = '/etc/store-tls/own.pem'
_COMMON_NAME_LENGTH = 64  # RFC 5280, appendix A.1


class _Issued(NamedTuple):
    """What the CA issued, in PEM: `FILE`, and the CA's own certificate."""

    file: str
    ca: str


class StoreTls:
    """The TLS of a unit. Make it before anything is observed: what it observes comes first.

    Args:
        charm: whose unit it is.
    """

    def __init__(self, charm: ops.CharmBase) -> None:
        self._charm = charm
        app, model = charm.app.name, charm.model.name
        # Not socket.getfqdn(), as COS's charms do: this name needs no resolver that knows it.
        unit = charm.unit.name.replace('/', '-')
        self.unit_host = f'{unit}.{app}-endpoints.{model}.svc.cluster.local'
        """The name of this unit in the cluster."""
        self.service_host = f'{app}.{model}.svc.cluster.local'
        """The name of all units of the application."""
        self._request: tls_certificates.CertificateRequestAttributes | None = None
        # A relation that is just broken is none of the model's, but leaves a key to remove.
        if charm.model.relations[ENDPOINT] or os.environ.get('JUJU_RELATION') == ENDPOINT:
            self._observe()

    def _observe(self) -> None:
        from charmlibs.interfaces import tls_certificates  # noqa: PLC0415 see the module

        # It says in every hook what ends in the status here.
        logging.getLogger(tls_certificates.__name__).setLevel(logging.ERROR)
        hosts = (self.unit_host, self.service_host)
        self._request = tls_certificates.CertificateRequestAttributes(
            common_name=next((host for host in hosts if len(host) <= _COMMON_NAME_LENGTH), None),
            sans_dns=hosts,
        )
        self._requirer = tls_certificates.TLSCertificatesRequiresV4(
            self._charm, ENDPOINT, [self._request]
        )

    @functools.cached_property
    def _issued(self) -> _Issued | None:
        if self._request is None or not self._charm.model.relations[ENDPOINT]:
            return None
        found, key = self._requirer.get_assigned_certificate(self._request)
        if found is None or key is None:
            return None
        own = str(found.certificate)
        chain = [own, *(str(one) for one in found.chain if str(one) != own)]
        return _Issued(file='\n'.join([*chain, str(key), '']), ca=str(found.ca))

    @property
    def is_on(self) -> bool:
        """Whether the unit has a certificate, and hence serves nothing without TLS."""
        return self._issued is not None

    @property
    def scheme(self) -> str:
        """The scheme of the store's URLs."""
        return 'https' if self.is_on else 'http'

    def ensure_file(self, container: ops.Container) -> bool:
        """Have `FILE` in a container, or no such file without TLS. Return True if it changed."""
        if not container.exists(FILE):
            there = None
        else:
            with container.pull(FILE) as file:
                there = file.read()
        wanted = self._issued.file if self._issued else None
        if there == wanted:
            return False
        if wanted is None:
            container.remove_path(FILE)
        else:
            container.push(FILE, wanted, permissions=0o600, make_dirs=True)
        return True

    def ready_check(self, port: int, url: str) -> ops.pebble.CheckDict:
        """Return the check that says whether the store is ready: without TLS, by its URL.

        With TLS, Pebble only connects: it has no CA to trust, and no certificate is for localhost.
        """
        check: ops.pebble.CheckDict = {
            'override': 'replace',
            'level': 'ready',
            'period': '2s',
            'timeout': '1s',
        }
        if self.is_on:
            check['tcp'] = {'port': port}
        else:
            check['http'] = {'url': url}
        return check

    def own_context(self) -> ssl.SSLContext | None:
        """Return what a request to this unit's own server takes, by any name; None without TLS.

        The server has to show a certificate of the unit's CA.
        """
        if self._issued is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=self._issued.ca)
        return context

    def add_status(self, event: ops.CollectStatusEvent) -> None:
        """Say in the unit's status that a certificate is still to come."""
        if self._charm.model.relations[ENDPOINT] and not self.is_on:
            event.add_status(ops.WaitingStatus(f'[{ENDPOINT}] waiting for a certificate'))
