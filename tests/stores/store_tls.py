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
from typing import TYPE_CHECKING

import ops

if TYPE_CHECKING:
    from charmlibs.interfaces import tls_certificates

ENDPOINT = 'certificates'
# The unit's key, its certificate and those of its issuers, in the store's container. All in one
# file, so that a server that reads it again never finds a certificate without its key.
FILE = '/etc/store-tls/own.pem'
_COMMON_NAME_LENGTH = 64  # RFC 5280, appendix A.1


class StoreTls:
    """The TLS of a unit. Make it before anything is observed: what it observes comes first.

    Args:
        charm: whose unit it is.
        container: where the store runs.
    """

    def __init__(self, charm: ops.CharmBase, container: ops.Container) -> None:
        self._charm = charm
        self._container = container
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
    def _text(self) -> str | None:
        """What `FILE` is to hold; None without TLS."""
        if self._request is None or not self._charm.model.relations[ENDPOINT]:
            return None
        found, key = self._requirer.get_assigned_certificate(self._request)
        if found is None or key is None:
            # A certificate that is about to expire serves until there is another.
            return self._there()
        certificates = [str(one) for one in (found.certificate, *found.chain, found.ca)]
        return '\n'.join([str(key), *dict.fromkeys(certificates), ''])

    def _there(self) -> str | None:
        if not self._container.can_connect() or not self._container.exists(FILE):
            return None
        with self._container.pull(FILE) as file:
            return file.read()

    @property
    def is_on(self) -> bool:
        """Whether the unit has a certificate, and hence serves nothing without TLS."""
        return self._text is not None

    @property
    def scheme(self) -> str:
        """The scheme of the store's URLs."""
        return 'https' if self.is_on else 'http'

    def ensure_file(self) -> bool:
        """Have `FILE` in the container, or none without TLS. Return True if that is a change."""
        wanted, there = self._text, self._there()
        if there == wanted:
            return False
        if wanted is None:
            self._container.remove_path(FILE)
        else:
            self._container.push(FILE, wanted, permissions=0o600, make_dirs=True)
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
        if self._text is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=self._text)
        return context

    def add_status(self, event: ops.CollectStatusEvent) -> None:
        """Say in the unit's status that a certificate is still to come."""
        if self._charm.model.relations[ENDPOINT] and not self.is_on:
            event.add_status(ops.WaitingStatus(f'[{ENDPOINT}] waiting for a certificate'))
