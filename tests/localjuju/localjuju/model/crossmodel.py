"""Relations between models: offering, consuming, and what one side tells the other.

Each model has its own relation, with its own id, and copies what the other side publishes. A
`half` is all that a model publishes about a relation: the same half twice changes nothing, and a
newer one replaces those before it. So messages need only arrive in order, not each of them.

What Juju does when one side is removed by force, or its controller is gone, is here too: the
other side's relation stays, its units list it, and may neither read nor write it (`lose`).
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from localjuju.model.charmmeta import Endpoint, ModelError, Role
from localjuju.model.model import Model
from localjuju.model.offers import Across, Farewell, Offer, Saas, new_token
from localjuju.model.relation import End, Relation
from localjuju.model.secretstore import Consumer, Revision, Secret, SecretNotFoundError
from localjuju.model.unitstate import Life, Status, app_of

Half = dict[str, Any]


# Offers


def offer(model: Model, app: str, endpoints: Sequence[str], name: str = '') -> Offer:
    """Offer endpoints of an application, by its own name unless another is given."""
    declared = model.application(app).charm.endpoints
    for endpoint in endpoints:
        if endpoint not in declared or declared[endpoint].role == 'peers':
            raise ModelError(
                f'cannot offer "{app}": application "{app}" has no "{endpoint}" relation'
            )
    made = Offer(name or app, app, tuple(endpoints))
    before = model.offers.get(made.name)
    if before and before.app != app:
        raise ModelError(f'cannot add application offer "{made.name}": it already exists')
    if before and not {r.end(app).endpoint.name for r in connections(model, made.name)} <= {
        *endpoints
    }:
        raise ModelError(f'cannot update application offer "{made.name}": endpoint is in use')
    model.offers[made.name] = made
    return made


def connections(model: Model, name: str) -> list[Relation]:
    """The relations of other models with an offer."""
    return [
        relation
        for relation in model.relations.values()
        if relation.across and relation.across.offering and relation.across.offer == name
    ]


def consumers_of(model: Model, app: str) -> list[Relation]:
    """The relations of other models with any offer of an application."""
    return [r for r in model.relations_of(app) if r.across and r.across.offering]


def remove_offer(model: Model, name: str, *, force: bool = False) -> None:
    """Remove an offer; with `force` its relations too, of which the other models hear nothing."""
    if name not in model.offers:
        raise ModelError(f'offer "{name}" not found')
    connected = connections(model, name)
    if connected and not force:
        count = f'{len(connected)} relation{"s" if len(connected) > 1 else ""}'
        raise ModelError(f'cannot delete application offer "{name}": offer has {count}')
    del model.offers[name]
    for relation in connected:
        sever(model, relation)
        model.destroy_relation(relation)


# The consuming side


def consume(model: Model, saas: Saas) -> Saas:
    """Add an offer of another model, or take it again; ModelError if its name is taken."""
    known = model.saas.get(saas.name)
    if saas.name in model.applications or (
        known and (known.model, known.offer) != (saas.model, saas.offer)
    ):
        raise ModelError(
            f'cannot add remote application "{saas.name}": application already exists'
        )
    if known and known.life is not Life.ALIVE:
        raise ModelError(f'cannot add remote application "{saas.name}": it is {known.life}')
    if known and known.gone and model.relations_of(saas.name):
        raise ModelError(
            f'cannot add remote application "{saas.name}": its offer was removed; '
            f'first run "juju remove-saas {saas.name}"'
        )
    model.saas[saas.name] = saas
    return saas


def remove_saas(model: Model, name: str, *, force: bool = False) -> None:
    """Remove a saas with its relations; by force, both sides' units lose these without notice."""
    if name not in model.saas:
        raise ModelError(f'saas application "{name}" not found')
    saas = model.saas[name]
    saas.life = Life.DYING
    for relation in model.relations_of(name):
        if force:
            sever(model, relation)
            lose(relation)
        else:
            model.destroy_relation(relation)
    if force:
        del model.saas[name]
    else:
        model.forget_saas_if_gone(name)


def introduce(model: Model, ends: Sequence[End]) -> dict[str, Any]:
    """Prepare a relation with a saas: the arguments of `connect` on the offering side.

    Args:
        model: the consuming model.
        ends: as `Model.ends_of` gives them.
    """
    local, remote = sorted(ends, key=lambda end: end.app in model.saas)
    saas = model.saas[remote.app]
    # All relations of an application have the same remote application on the other side.
    names = {
        r.across.token.partition('.')[0]
        for r in model.relations_of(local.app)
        if r.across and not r.across.offering and r.across.uuid == saas.uuid
    }
    return {
        'offer': saas.offer,
        'endpoint': remote.endpoint.name,
        'token': f'{next(iter(names), None) or new_token()}.{new_token()}',
        'remote': [local.endpoint.name, local.endpoint.role, local.endpoint.interface],
        'consumer': [model.name, model.uuid],
    }


def join(model: Model, ends: Sequence[End], token: str) -> Relation:
    """Add the consuming side's relation, with the token of its introduction."""
    saas = next(model.saas[end.app] for end in ends if end.app in model.saas)
    relation = model.add_relation(*ends)
    relation.across = Across(saas.name, saas.model, saas.uuid, saas.offer, token, offering=False)
    return relation


def retract(model: Model, saas: Saas, token: str) -> None:
    """Undo the introduction of a relation that cannot be added after all."""
    model.farewells.append(Farewell(saas.model, saas.uuid, token, forced=False))


# The offering side


def connect(
    model: Model,
    *,
    offer: str,
    endpoint: str,
    token: str,
    remote: tuple[str, Role, str],
    consumer: tuple[str, str],
) -> Relation:
    """Add the offering side's relation.

    Args:
        model: the model of the offer.
        offer: the offer's name.
        endpoint: one of its endpoints.
        token: ``<remote application>.<relation>``; the first becomes ``remote-<…>`` here.
        remote: the other endpoint's name, role and interface.
        consumer: the other model's name and UUID.
    """
    found = model.offers.get(offer)
    if found is None or endpoint not in found.endpoints:
        raise ModelError(f'application offer "{offer}" not found')
    local = End(found.app, model.application(found.app).charm.endpoints[endpoint])
    other = End(f'remote-{token.partition(".")[0]}', Endpoint(*remote))
    ends = (local, other) if local.endpoint.role == 'requires' else (other, local)
    model.check_end(local, f'{ends[0]} {ends[1]}')
    relation = model.add_relation(*ends)
    relation.across = Across(other.app, *consumer, offer, token, offering=True, heard=False)
    return relation


# What one side tells the other


def by_token(model: Model, token: str) -> Relation | None:
    """The relation that two models know by this token."""
    for relation in model.relations.values():
        if relation.across and relation.across.token == token:
            return relation
    return None


def half(model: Model, relation: Relation) -> Half:
    """All that the other side may know of this side, as JSON; units by their numbers."""
    assert relation.across
    app = _local(relation)
    present = relation.scope - relation.leaving if relation.life is Life.ALIVE else set()
    return {
        'life': str(relation.life),
        'app': relation.data.get(app, {}),
        'units': {
            _number(unit): relation.data.get(unit, {}) for unit in present if app_of(unit) == app
        },
        'secrets': _granted(model, relation),
        'reading': _reading(model, relation.across.app),
    }


def apply(model: Model, relation: Relation, told: Half) -> bool:
    """Copy what the other side tells; return whether that changes anything here."""
    across = relation.across
    assert across
    changed = not across.heard
    across.heard = True
    if across.refused:
        return changed
    if told['life'] != Life.ALIVE and relation.life is Life.ALIVE:
        model.destroy_relation(relation)
        return True
    changed |= _replace(relation, across.app, told['app'])
    units = {f'{across.app}/{number}': bag for number, bag in told['units'].items()}
    present = {unit for unit in relation.scope if app_of(unit) == across.app}
    if relation.life is Life.ALIVE:
        for unit in units.keys() - present:
            relation.data.pop(unit, None)
            relation.scope.add(unit)
            changed = True
        for unit in present - units.keys():
            relation.scope.discard(unit)
            changed = True
    for unit, bag in units.items():
        changed |= _replace(relation, unit, bag)
    changed |= _copy_secrets(model, relation, told['secrets'])
    return _note_readers(model, relation, told['reading']) or changed


def _local(relation: Relation) -> str:
    """The name of the application that is in this model."""
    assert relation.across
    return next(end.app for end in relation.ends if end.app != relation.across.app)


def _number(unit: str) -> str:
    return unit.rpartition('/')[2]


def _replace(relation: Relation, owner: str, bag: Mapping[str, str]) -> bool:
    gone = dict.fromkeys(relation.data.get(owner, {}), '')
    return relation.write(owner, {**gone, **bag})


# Secrets


def _granted(model: Model, relation: Relation) -> dict[str, Any]:
    """The secrets that this side grants over a relation, and the ids of all that it has."""
    assert relation.across
    own = [s for s in model.secrets if s.owner and app_of(s.owner) in model.applications]
    granted = {}
    for secret in own:
        to = [name for name, number in secret.grants.items() if number == relation.id]
        to = [name for name in to if app_of(name) == relation.across.app]
        if to:
            granted[secret.id] = {
                'to': [_number(name) if '/' in name else '' for name in to],
                'latest': secret.latest,
                'revisions': {str(n): r.content for n, r in secret.revisions.items()},
            }
    return {'granted': granted, 'existing': sorted(secret.id for secret in own)}


def _copy_secrets(model: Model, relation: Relation, told: Mapping[str, Any]) -> bool:
    """Let the units here read what the other side grants, and no more."""
    assert relation.across
    remote, local = relation.across.app, _local(relation)
    changed = False
    for secret in [secret for secret in model.secrets if secret.owner == remote]:
        if secret.id not in told['existing']:
            model.secrets.remove(secret)
            changed = True
        elif secret.id not in told['granted'] and relation.id in secret.grants.values():
            secret.grants = {k: v for k, v in secret.grants.items() if v != relation.id}
            changed = True
    for identity, granted in told['granted'].items():
        now = time.time()
        try:
            secret = model.secrets.find(identity)
        except SecretNotFoundError:
            secret = Secret(identity, remote, created=now)
            model.secrets.add(secret)
        revisions = {int(n): content for n, content in granted['revisions'].items()}
        before = {n: revision.content for n, revision in secret.revisions.items()}
        others = {k: v for k, v in secret.grants.items() if v != relation.id}
        to = {f'{local}/{n}' if n else local: relation.id for n in granted['to']}
        if (before, secret.grants) == (revisions, {**others, **to}):
            continue
        secret.revisions = {n: Revision(content, now) for n, content in revisions.items()}
        secret.latest = granted['latest']
        secret.updated = now
        secret.grants = {**others, **to}
        changed = True
    return changed


def _reading(model: Model, remote: str) -> dict[str, dict[str, int]]:
    """The revision of each of the other side's secrets that each unit here tracks."""
    return {
        secret.id: {_number(unit): consumer.tracked for unit, consumer in readers.items()}
        for secret in model.secrets
        if secret.owner == remote and (readers := secret.consumers)
    }


def _note_readers(model: Model, relation: Relation, told: Mapping[str, Mapping[str, int]]) -> bool:
    """Record which revisions the other side's units track, so that none counts as obsolete."""
    assert relation.across
    remote = relation.across.app
    changed = False
    for secret in model.secrets:
        if app_of(secret.owner) != _local(relation):
            continue
        numbers = told.get(secret.id, {})
        wanted = {f'{remote}/{n}': tracked for n, tracked in numbers.items()}
        before = {u: c.tracked for u, c in secret.consumers.items() if app_of(u) == remote}
        if wanted != before:
            changed = True
            for unit in before:
                del secret.consumers[unit]
            for unit, tracked in wanted.items():
                secret.consumers[unit] = Consumer(tracked=tracked, told=tracked)
    return changed


# Loss


def sever(model: Model, relation: Relation) -> None:
    """Remove a relation by force: the other side loses it, and is told nothing else."""
    across = relation.across
    if across and not across.cut:
        across.cut = True
        farewell = Farewell(across.model, across.uuid, across.token, forced=True)
        model.farewells.append(farewell)


def lose(relation: Relation) -> None:
    """Record that Juju has forgotten a relation of which the units here still know.

    One that is dying ends as it would have.
    """
    if relation.across:
        relation.across.cut = True
        relation.across.refused = relation.life is Life.ALIVE


def lose_model(model: Model, name: str, uuid: str, status: Status) -> bool:
    """Record that another model is gone without a word; return whether that is news."""
    news = False
    for saas in model.saas.values():
        if (saas.model, saas.uuid) == (name, uuid) and not saas.gone:
            saas.gone, saas.status = True, status
            news = True
    for relation in list(model.relations.values()):
        across = relation.across
        if across and not across.cut and (across.model, across.uuid) == (name, uuid):
            lose(relation)
            news = True
    return news


def peers(model: Model) -> dict[tuple[str, str], list[str]]:
    """The other models that matter to this one, by name and UUID → the offers consumed there."""
    found: dict[tuple[str, str], list[str]] = {}
    for relation in model.relations.values():
        if relation.across and not relation.across.cut:
            found.setdefault((relation.across.model, relation.across.uuid), [])
    for saas in model.saas.values():
        if not saas.gone:
            found.setdefault((saas.model, saas.uuid), []).append(saas.offer)
    return found
