#!/usr/bin/env python3
"""A provider of a bucket that somebody else made, like s3-integrator.

It publishes what its options say, and the keys of the user's secret: to a requirer of version 1 of
the interface in a secret of its own, to one of version 0 in the databag. There is no store.
"""

import gc
import os
import sys

if __name__ == '__main__':
    if os.environ.get('JUJU_DISPATCH_PATH', '').endswith('-relation-joined'):
        sys.exit()  # relation-changed comes next, and does what there is to do
    gc.disable()  # nothing that is imported is garbage, and to look for some takes long

import base64
import json
import logging

import ops

ENDPOINT = 's3-credentials'
LABEL = 'keys'
KEYS = ('access-key', 'secret-key')


class S3IntegratorCharm(ops.CharmBase):
    """A provider of one bucket; the leader publishes it."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        logging.getLogger().setLevel(logging.INFO)  # each debug record starts a process (juju-log)
        for event in (
            self.on.config_changed,
            self.on.leader_elected,
            self.on.secret_changed,
            self.on.update_status,
            self.on[ENDPOINT].relation_changed,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    def _reconcile(self, _: ops.EventBase) -> None:
        if not self.unit.is_leader():
            return
        keys, bucket = self._keys(), self._bucket()
        for relation in self.model.relations[ENDPOINT]:
            wanted = self._wanted(relation, keys, bucket)
            databag = relation.data[self.app]
            for key in [*databag]:
                if key not in wanted:
                    del databag[key]
            databag.update(wanted)

    def _wanted(
        self, relation: ops.Relation, keys: dict[str, str], bucket: dict[str, str]
    ) -> dict[str, str]:
        """The databag for one requirer."""
        asked = dict(relation.data[relation.app])
        if asked.get('version') == '1' and self.config['interface-version'] == 1:
            wanted = {'version': '1'}
            if keys and bucket:
                wanted |= {**bucket, 'secret-extra': self._ensure_secret(relation, keys)}
            return wanted
        # As its library keeps, in its own databag, what it last saw in the requirer's.
        wanted = {'data': json.dumps(asked)}
        if keys and bucket and 'bucket' in asked:
            wanted |= {**bucket, **keys}
        return wanted

    def _keys(self) -> dict[str, str]:
        """The keys in the user's secret; empty without both of them."""
        try:
            secret = self.model.get_secret(id=str(self.config['credentials']))
            content = secret.get_content(refresh=True)
        except (KeyError, ops.ModelError):
            return {}
        return {key: content[key] for key in KEYS} if {*KEYS} <= content.keys() else {}

    def _bucket(self) -> dict[str, str]:
        """What the options say of the bucket; empty without endpoint and name."""
        names = ('endpoint', 'bucket', 'region')
        found = {name: str(self.config[name]) for name in names if self.config[name]}
        if encoded := str(self.config['tls-ca-chain']):
            found['tls-ca-chain'] = json.dumps([base64.b64decode(encoded).decode()])
        return found if {'endpoint', 'bucket'} <= found.keys() else {}

    def _ensure_secret(self, relation: ops.Relation, keys: dict[str, str]) -> str:
        """Keep the keys in a secret that the requirer may read; return its id."""
        try:
            secret = self.model.get_secret(label=LABEL)
        except ops.SecretNotFoundError:
            secret = self.app.add_secret(keys, label=LABEL)
        else:
            if secret.peek_content() != keys:
                secret.set_content(keys)
        secret.grant(relation)
        # Found by its label, it has the model's UUID in its id; a new one has not.
        named = secret.id or secret.get_info().id
        return f'secret:{named.removeprefix("secret:").rpartition("/")[2]}'

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        lacking = [name for name in ('endpoint', 'bucket') if not self.config[name]]
        if lacking:
            event.add_status(ops.BlockedStatus(f'set {" and ".join(lacking)}'))
        if not self._keys():
            event.add_status(ops.BlockedStatus('set credentials to a granted secret of both keys'))
        event.add_status(ops.ActiveStatus())


if __name__ == '__main__':
    gc.freeze()
    gc.enable()
    ops.main(S3IntegratorCharm)
