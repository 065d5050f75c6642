"""The changes that one hook has made to secrets so far; they take effect when it ends."""

import dataclasses

from localjuju.model.secretstore import (
    ROTATION,
    Content,
    Secret,
    SecretNotFoundError,
    Store,
    bare_id,
)
from localjuju.model.unitstate import Unit


@dataclasses.dataclass
class Update:
    """What secret-set changes about a secret; None leaves a value unchanged."""

    content: Content | None = None
    label: str | None = None
    description: str | None = None
    rotation: str | None = None
    expires: float | None = None


@dataclasses.dataclass
class Changes:
    """The buffered changes of a unit's hook, by secret id."""

    store: Store
    unit: Unit
    created: dict[str, Secret] = dataclasses.field(default_factory=dict)
    updates: dict[str, Update] = dataclasses.field(default_factory=dict)
    grants: dict[tuple[str, str], int | None] = dataclasses.field(default_factory=dict)
    revokes: list[tuple[str, str, int | None]] = dataclasses.field(default_factory=list)
    removed: list[tuple[str, int | None]] = dataclasses.field(default_factory=list)

    def existing(self, identity: str) -> Secret | None:
        """A secret that the unit may change, created in this hook or earlier."""
        identity = bare_id(identity)
        if identity in self.created:
            return self.created[identity]
        try:
            secret = self.store.find(identity)
        except SecretNotFoundError:
            return None
        return secret if self.store.can_manage(secret, self.unit) else None

    def owned(self, owner: str, label: str) -> Secret | None:
        """The secret to which an owner gave this label, in this hook or earlier."""
        for secret in self.created.values():
            if (secret.owner, secret.label) == (owner, label):
                return secret
        for identity, update in self.updates.items():
            if update.label == label:
                return self.existing(identity)
        return self.store.owned_with_label(owner, label)

    def flush(self, now: float) -> bool:
        """Apply all changes to the model; whether there were any."""
        for secret in self.created.values():
            self.store.add(secret)
        for identity, update in self.updates.items():
            if secret := self.existing(identity):
                apply(secret, update, now)
        for (identity, accessor), relation in self.grants.items():
            if secret := self.existing(identity):
                secret.grants[accessor] = relation
        for identity, accessor, relation in self.revokes:
            if secret := self.existing(identity):
                secret.grants = {
                    k: v
                    for k, v in secret.grants.items()
                    if not (k == accessor or (not accessor and v == relation))
                }
        for identity, revision in self.removed:
            if secret := self.existing(identity):
                self.store.remove(secret, revision)
        return any((self.created, self.updates, self.grants, self.revokes, self.removed))


def apply(secret: Secret, update: Update, now: float) -> None:
    """Apply an update to a secret."""
    if update.label is not None:
        secret.label = update.label
    if update.description is not None:
        secret.description = update.description
    if update.rotation is not None:
        secret.rotation = update.rotation
        secret.rotates = now + ROTATION[update.rotation] if ROTATION[update.rotation] else None
    if update.content is not None:
        secret.add_revision(update.content, now, update.expires)
    elif update.expires is not None:
        secret.revisions[secret.latest].expires = update.expires
