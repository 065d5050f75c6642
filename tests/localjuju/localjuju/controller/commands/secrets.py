"""The user's side of secrets: the requests of `juju add-secret` and its siblings."""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from localjuju.controller.commands.table import command
from localjuju.controller.controller import Controller
from localjuju.model.charmmeta import ModelError
from localjuju.model.secretstore import Secret, checked, new_id
from localjuju.model.toolargs import ToolError, parse_mapping, rfc3339
from localjuju.model.unitstate import app_of


def _content(values: Mapping[str, str], file: str) -> dict[str, str]:
    try:
        return checked({**(parse_mapping(file) if file.strip() else {}), **values})
    except (ToolError, ValueError) as e:
        raise ModelError(str(e)) from None


def _users(controller: Controller, identifier: str) -> Secret:
    """A secret that the user owns."""
    secret = controller.model.secrets.find(identifier)
    if secret.owner:
        raise ModelError(f'secret "{secret.id}" belongs to {secret.owner}')
    return secret


@command('add-secret')
def _add(
    controller: Controller, name: str, values: Mapping[str, str], file: str, info: str
) -> str:
    content = _content(values, file)
    if not content:
        raise ModelError('missing secret value or filename')
    with controller.changes:
        store = controller.model.secrets
        if any(not s.owner and s.name == name for s in store):
            raise ModelError(f'secret with name "{name}" already exists')
        now = time.time()
        secret = Secret(new_id(), '', created=now, updated=now, name=name, description=info)
        secret.add_revision(content, now, None)
        store.add(secret)
        return secret.uri


@command('update-secret')
def _update(
    controller: Controller,
    identifier: str,
    values: Mapping[str, str],
    file: str,
    info: str | None,
    name: str | None,
    auto_prune: bool,
) -> None:
    content = _content(values, file)
    with controller.changes:
        secret = _users(controller, identifier)
        secret.name = secret.name if name is None else name
        secret.description = secret.description if info is None else info
        secret.auto_prune = secret.auto_prune or auto_prune
        if content:
            secret.add_revision(content, time.time(), None)
        if secret.auto_prune:
            for revision in secret.obsolete():
                del secret.revisions[revision]
        controller.changes.announce()


@command('remove-secret')
def _remove(controller: Controller, identifier: str, revision: int | None) -> None:
    with controller.changes:
        controller.model.secrets.remove(_users(controller, identifier), revision)
        controller.changes.announce()


@command('grant-secret')
def _grant(controller: Controller, identifier: str, apps: tuple[str, ...]) -> None:
    with controller.changes:
        secret = _users(controller, identifier)
        for app in apps:
            secret.grants[controller.model.application(app).name] = None
        controller.changes.announce()


@command('revoke-secret')
def _revoke(controller: Controller, identifier: str, apps: tuple[str, ...]) -> None:
    with controller.changes:
        secret = _users(controller, identifier)
        for app in apps:
            secret.grants.pop(app, None)
        controller.changes.announce()


@command('secrets')
def _list(controller: Controller, owner: str) -> dict[str, Any]:
    with controller.changes:
        apps = controller.model.applications
        # Those that another model grants are copies, which only charms see.
        own = [s for s in controller.model.secrets if not s.owner or app_of(s.owner) in apps]
        found = [s for s in own if owner in ('', _owner(controller, s))]
        return {secret.id: _view(controller, secret) for secret in found}


@command('show-secret')
def _show(
    controller: Controller, identifier: str, reveal: bool, revision: int | None, revisions: bool
) -> dict[str, Any]:
    with controller.changes:
        secret = controller.model.secrets.find(identifier)
        view = _view(controller, secret)
        if reveal:
            number = revision or secret.latest
            if number not in secret.revisions:
                raise ModelError(f'secret "{secret.id}" revision {number} not found')
            content = secret.revisions[number].content
            digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
            view |= {'content': {'Data': content}, 'checksum': digest}
        if revisions:
            view['revisions'] = [
                {
                    'revision': number,
                    'backend': 'internal',
                    'created': rfc3339(each.created),
                    'updated': rfc3339(each.created),
                }
                for number, each in secret.revisions.items()
            ]
        return {secret.id: view}


def _owner(controller: Controller, secret: Secret) -> str:
    return secret.owner or controller.model.name


def _view(controller: Controller, secret: Secret) -> dict[str, Any]:
    """A secret as `juju secrets` shows it, without unset values."""
    grants = [
        {
            'target': f'{"unit" if "/" in accessor else "application"}-{accessor}',
            'scope': 'model' if relation is None else f'relation-{relation}',
            'role': 'view',
        }
        for accessor, relation in sorted(secret.grants.items())
    ]
    optional = {
        'name': secret.name,
        'label': secret.label,
        'description': secret.description,
        'rotation': secret.rotation if secret.rotation != 'never' else '',
        'access': grants,
    }
    return {
        'revision': secret.latest,
        'owner': _owner(controller, secret),
        'created': rfc3339(secret.created),
        'updated': rfc3339(secret.updated),
        **{key: value for key, value in optional.items() if value},
    }
