#!/usr/bin/env python3
"""A key-value store, with a password for each client."""

import json
import os
import pathlib
import secrets
import socket
import subprocess
import sys

import ops

import server

ENDPOINT = 'store'
#: The charm's container is new with each pod, and so is /tmp: what is there belongs to this pod.
CLIENTS = pathlib.Path('/tmp/keyvalue-clients.json')
PID = pathlib.Path('/tmp/keyvalue.pid')


class StoreCharm(ops.CharmBase):
    """Runs the server, and tells each client its password."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        for event in (
            self.on.start,
            self.on.upgrade_charm,
            self.on.leader_elected,
            self.on.update_status,
            self.on[ENDPOINT].relation_created,
            self.on[ENDPOINT].relation_changed,
            self.on[ENDPOINT].relation_broken,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.rotate_action, self._rotate)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    def _reconcile(self, _: ops.EventBase) -> None:
        if self.unit.is_leader():
            self._serve_clients()
        self._run()
        self.unit.set_ports(server.PORT)

    def _serve_clients(self, *, new_passwords: bool = False) -> int:
        """Tell the clients how to reach the server, and the server who they are; their number."""
        clients = {}
        relations = [r for r in self.model.relations[ENDPOINT] if r.active]
        for relation in relations:
            secret, content = self._secret(relation)
            if new_passwords:
                content = {**content, 'password': secrets.token_urlsafe()}
                secret.set_content(content)
            data = relation.data[self.app]
            data['url'] = f'http://{self._host()}:{server.PORT}'
            # A secret that was found by its label does not know its id.
            data['secret'] = secret.id or secret.get_info().id
            if prefix := relation.data[relation.app].get('prefix'):
                client = {'password': content['password'], 'prefix': prefix}
                clients[content['username']] = client
        self._write_clients(clients)
        return len(relations)

    def _secret(self, relation: ops.Relation) -> tuple[ops.Secret, dict[str, str]]:
        """A client's secret, and what is in it."""
        label = f'{ENDPOINT}-{relation.id}'
        try:
            secret = self.model.get_secret(label=label)
            return secret, secret.peek_content()
        except ops.SecretNotFoundError:
            content = {'username': label, 'password': secrets.token_urlsafe()}
            secret = self.app.add_secret(content, label=label)
            secret.grant(relation)
            return secret, content

    def _host(self) -> str:
        """The name of the application's service, in the namespace and domain of this pod."""
        _, _, rest = socket.getfqdn().partition(f'{self.app.name}-endpoints.')
        return f'{self.app.name}.{rest}'

    def _write_clients(self, clients: dict[str, dict[str, str]]) -> None:
        draft = CLIENTS.with_suffix('.new')
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(clients))
        draft.rename(CLIENTS)

    def _run(self) -> None:
        """Start the server unless it runs."""
        if self._is_running():
            return
        if not CLIENTS.exists():
            self._write_clients({})
        process = subprocess.Popen(
            [sys.executable, server.__file__, str(CLIENTS)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        PID.write_text(str(process.pid))

    def _is_running(self) -> bool:
        try:
            os.kill(int(PID.read_text()), 0)
        except (FileNotFoundError, ProcessLookupError):
            return False
        return True

    def _rotate(self, event: ops.ActionEvent) -> None:
        if not self.unit.is_leader():
            event.fail('only the leader gives passwords')
            return
        event.set_results({'clients': self._serve_clients(new_passwords=True)})

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        if self.app.planned_units() > 1:
            event.add_status(ops.BlockedStatus('scale to 1: each unit would have its own values'))
        if not self._is_running():
            event.add_status(ops.MaintenanceStatus('starting the server'))
        event.add_status(ops.ActiveStatus())


if __name__ == '__main__':  # pragma: nocover
    ops.main(StoreCharm)
