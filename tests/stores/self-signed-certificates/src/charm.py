#!/usr/bin/env python3
"""A certificate authority that issues whatever is requested, like self-signed-certificates.

The first leader makes its certificate and key, once, and a secret of the application keeps them.
`send-ca-cert` sends the certificate to whoever is to trust it.
"""

import datetime
import json
import logging

import ops
from charmlibs.interfaces import tls_certificates as tls

SECRET = 'ca'
VALIDITY = datetime.timedelta(days=365)


class CertificateAuthorityCharm(ops.CharmBase):
    """A certificate authority; the leader issues."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        logging.getLogger().setLevel(logging.INFO)  # each debug record starts a process (juju-log)
        self._certificates = tls.TLSCertificatesProvidesV4(self, 'certificates')
        for event in (
            self.on.config_changed,
            self.on.leader_elected,
            self.on.update_status,
            self.on['certificates'].relation_changed,
            self.on['send-ca-cert'].relation_created,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    def _reconcile(self, _: ops.EventBase) -> None:
        if self.unit.is_leader():
            ca, key = self._authority()
            self._issue(ca, key)
            self._send(ca)

    def _issue(self, ca: tls.Certificate, key: tls.PrivateKey) -> None:
        """Sign every request that has no certificate yet."""
        validity = datetime.timedelta(seconds=int(self.config['certificate-validity']))
        for request in self._certificates.get_outstanding_certificate_requests():
            csr = request.certificate_signing_request
            certificate = csr.sign(ca, key, validity)
            self._certificates.set_relation_certificate(
                tls.ProviderCertificate(
                    relation_id=request.relation_id,
                    certificate=certificate,
                    certificate_signing_request=csr,
                    ca=ca,
                    chain=[certificate, ca],
                )
            )

    def _send(self, ca: tls.Certificate) -> None:
        """Publish the CA's certificate, in version 1 of `certificate_transfer`."""
        wanted = {'certificates': json.dumps([str(ca)]), 'version': '1'}
        for relation in self.model.relations['send-ca-cert']:
            relation.data[self.app].update(wanted)

    def _authority(self) -> tuple[tls.Certificate, tls.PrivateKey]:
        try:
            content = self.model.get_secret(label=SECRET).get_content(refresh=True)
        except ops.SecretNotFoundError:
            key = tls.PrivateKey.generate()
            attributes = tls.CertificateRequestAttributes(common_name=self.app.name, is_ca=True)
            ca = tls.Certificate.generate_self_signed_ca(attributes, key, VALIDITY)
            content = {'ca-certificate': str(ca), 'private-key': str(key)}
            self.app.add_secret(content, label=SECRET)
        return (
            tls.Certificate.from_string(content['ca-certificate']),
            tls.PrivateKey.from_string(content['private-key']),
        )

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(ops.ActiveStatus())


if __name__ == '__main__':
    ops.main(CertificateAuthorityCharm)
