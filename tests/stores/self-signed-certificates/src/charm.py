#!/usr/bin/env python3
"""A certificate authority that issues whatever is requested, like self-signed-certificates.

The first leader makes its certificate and key, once, and a secret of the application keeps them.
`send-ca-cert` sends the certificate to whoever is to trust it. Another `ca-common-name` makes
another CA, which is sent at once, and issues from the next update-status on.
"""

import gc
import os
import sys

if __name__ == '__main__':
    if os.environ.get('JUJU_DISPATCH_PATH', '').endswith('-relation-joined'):
        sys.exit()  # relation-changed comes next, and does what there is to do
    gc.disable()  # nothing that is imported is garbage, and to look for some takes long

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

    def _reconcile(self, event: ops.EventBase) -> None:
        if self.unit.is_leader():
            ca, key = self._authority(event)
            self._issue(ca, key)

    def _issue(self, ca: tls.Certificate, key: tls.PrivateKey) -> None:
        """Sign every request that has no certificate of this CA yet."""
        validity = datetime.timedelta(seconds=int(self.config['certificate-validity']))
        current = {
            (issued.relation_id, issued.certificate_signing_request)
            for issued in self._certificates.get_issued_certificates()
            if issued.ca == ca
        }
        for request in self._certificates.get_certificate_requests():
            if (request.relation_id, request.certificate_signing_request) in current:
                continue
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

    def _send(self, *cas: str) -> None:
        """Publish the CA's certificates, in version 1 of `certificate_transfer`."""
        wanted = {'certificates': json.dumps(cas), 'version': '1'}
        for relation in self.model.relations['send-ca-cert']:
            relation.data[self.app].update(wanted)

    def _authority(self, event: ops.EventBase) -> tuple[tls.Certificate, tls.PrivateKey]:
        """The CA that issues now; publishes it, and the one that will or did before."""
        name = str(self.config['ca-common-name']) or self.app.name
        try:
            secret = self.model.get_secret(label=SECRET)
            content = before = secret.get_content(refresh=True)
        except ops.SecretNotFoundError:
            secret, before, content = None, {}, _new_authority(name)
        newest = content.get('next-ca-certificate', content['ca-certificate'])
        if tls.Certificate.from_string(newest).common_name != name:
            content = {
                **content,
                **{f'next-{key}': pem for key, pem in _new_authority(name).items()},
            }
        elif isinstance(event, ops.UpdateStatusEvent) and 'next-ca-certificate' in content:
            content = {
                'ca-certificate': content['next-ca-certificate'],
                'private-key': content['next-private-key'],
                'previous-ca-certificate': content['ca-certificate'],
            }
        if secret is None:
            self.app.add_secret(content, label=SECRET)
        elif content != before:
            secret.set_content(content)
        kinds = ('ca-certificate', 'next-ca-certificate', 'previous-ca-certificate')
        self._send(*(content[kind] for kind in kinds if kind in content))
        return (
            tls.Certificate.from_string(content['ca-certificate']),
            tls.PrivateKey.from_string(content['private-key']),
        )

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(ops.ActiveStatus())


def _new_authority(name: str) -> dict[str, str]:
    """A new CA, as the secret keeps it."""
    key = tls.PrivateKey.generate()
    attributes = tls.CertificateRequestAttributes(common_name=name, is_ca=True)
    ca = tls.Certificate.generate_self_signed_ca(attributes, key, VALIDITY)
    return {'ca-certificate': str(ca), 'private-key': str(key)}


if __name__ == '__main__':
    gc.freeze()
    gc.enable()
    ops.main(CertificateAuthorityCharm)
