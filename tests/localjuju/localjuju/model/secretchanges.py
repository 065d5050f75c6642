"""What one hook has changed of secrets so far, which its end makes true."""

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
    """What secret-set wants of a secret; None leaves as it is."""

    content: Content | None = None
    label: str | None = None
    description: str | None = None
    rotation: str | None = None
    expires: float | None = None


@dataclasses.dataclass
class Changes:
    """The buffered changes of one hook of a unit, by the secret's id."""

    store: Store
    unit: Unit
    created: dict[str, Secret] = dataclasses.field(default_factory=dict)
    updates: dict[str, Update] = dataclasses.field(default_factory=dict)
    grants: dict[tuple[str, str], int | None] = dataclasses.field(default_factory=dict)
    revokes: list[tuple[str, str, int | None]] = dataclasses.field(default_factory=list)
    removed: list[tuple[str, int | None]] = dataclasses.field(default_factory=list)

    def existing(self, identity: str) -> Secret | None:
        """A secret that the unit may change, created in this hook or before."""
        identity = bare_id(identity)
        if identity in self.created:
            return self.created[identity]
        try:
            secret = self.store.find(identity)
        except SecretNotFoundError:
            return None
        return secret if self.store.can_manage(secret, self.unit) else None

    def owned(self, owner: str, label: str) -> Secret | None:
        """The secret that an owner gave this label, in this hook or before."""
        for secret in self.created.values():
            if (secret.owner, secret.label) == (owner, label):
                return secret
        for identity, update in self.updates.items():
            if update.label == label:
                return self.existing(identity)
        return self.store.owned_with_label(owner, label)

    def flush(self, now: float) -> bool:
        """Apply all to the model; whether there was anything."""
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
    """Make of a secret what an update wants."""
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
