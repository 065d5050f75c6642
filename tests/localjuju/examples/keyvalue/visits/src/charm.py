#!/usr/bin/env python3
"""A counter of visits, kept in a key-value store."""

import ops

import keyvalue

ENDPOINT = 'store'


class VisitsCharm(ops.CharmBase):
    """Each visit is an action; its count is in the store."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        for event in (
            self.on.leader_elected,
            self.on[ENDPOINT].relation_created,
            self.on[ENDPOINT].relation_changed,
        ):
            framework.observe(event, self._request)
        framework.observe(self.on.secret_changed, self._use_new_password)
        framework.observe(self.on.visit_action, self._visit)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    @property
    def _relation(self) -> ops.Relation | None:
        return next((r for r in self.model.relations[ENDPOINT] if r.active), None)

    def _request(self, _: ops.EventBase) -> None:
        """Tell the store which keys are this application's."""
        if self._relation and self.unit.is_leader():
            self._relation.data[self.app]['prefix'] = self._prefix

    @property
    def _prefix(self) -> str:
        return f'{self.app.name}-{self.model.uuid}'

    def _store(self) -> keyvalue.Store | None:
        """The store, once it has said where it is."""
        relation = self._relation
        if relation is None or relation.app is None:
            return None
        data = relation.data[relation.app]
        if not (data.get('url') and data.get('secret')):
            return None
        content = self.model.get_secret(id=data['secret']).get_content()
        return keyvalue.Store(data['url'], content['username'], content['password'])

    def _use_new_password(self, event: ops.SecretChangedEvent) -> None:
        event.secret.get_content(refresh=True)

    def _visit(self, event: ops.ActionEvent) -> None:
        store = self._store()
        if store is None:
            event.fail('there is no store')
            return
        key = f'{self._prefix}/visits'
        try:
            visits = int(store.get(key) or 0) + 1
            store.put(key, str(visits))
        except OSError as error:
            event.fail(f'cannot use the store: {error}')
            return
        event.set_results({'visits': visits})

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        if self._relation is None:
            event.add_status(ops.BlockedStatus('not related to a store'))
        elif self._store() is None:
            event.add_status(ops.WaitingStatus('waiting for the store'))
        event.add_status(ops.ActiveStatus())


if __name__ == '__main__':  # pragma: nocover
    ops.main(VisitsCharm)
