"""Secrets.

Like all writes, changes are buffered until the hook ends. The hook can immediately read a secret
that it created, but a new revision only with ``--refresh`` or ``--peek``.
"""

import dataclasses
import datetime
import re
import time
from typing import Any

from localjuju.model.hookcontext import HookContext
from localjuju.model.secretchanges import Update, apply
from localjuju.model.secretstore import (
    ROTATION,
    Content,
    Secret,
    SecretDeniedError,
    SecretNotFoundError,
    bare_id,
    checked,
    new_id,
)
from localjuju.model.toolargs import Arguments, ToolError, UsageError, parse_mapping, rfc3339
from localjuju.model.tools.table import tool
from localjuju.model.unitstate import app_of

_OPTIONS = 'label description expire rotate owner file format'
_DURATION = re.compile(r'(\d+(?:\.\d+)?)(h|m(?!s)|s|ms)')
_SECONDS = {'h': 3600, 'm': 60, 's': 1, 'ms': 0.001}


def _update(arguments: Arguments) -> Update:
    """The update that the options and the key-value arguments request."""
    content = parse_mapping(arguments.file()) if arguments.text('file') else {}
    first = 1 if arguments.positional and '=' not in arguments.positional[0] else 0
    content |= arguments.pairs(first)
    try:
        content = checked(content)
    except ValueError as e:
        raise UsageError(str(e)) from None
    rotation = arguments.options.get('rotate')
    if rotation is not None and rotation not in ROTATION:
        raise UsageError(f'rotate policy "{rotation}" not valid')
    expire = arguments.text('expire')
    return Update(
        content or None,
        arguments.options.get('label'),
        arguments.options.get('description'),
        rotation,
        _moment(expire) if expire else None,
    )


def _moment(text: str) -> float:
    """Seconds since the epoch, from an RFC 3339 time or a Go duration from now."""
    parts = _DURATION.findall(text)
    if parts and ''.join(number + unit for number, unit in parts) == text:
        return time.time() + sum(float(number) * _SECONDS[unit] for number, unit in parts)
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UsageError(f'expire time or duration "{text}" not valid') from None


@tool('secret-add', options=_OPTIONS)
def _secret_add(context: HookContext, arguments: Arguments) -> str:
    """``secret-add [--owner application|unit] [--label …] key=value…``: prints the URI."""
    update = _update(arguments)
    if not update.content:
        raise UsageError('missing secret value or filename')
    kind = arguments.text('owner') or 'application'
    if kind not in ('application', 'unit'):
        raise UsageError(f'secret owner "{kind}" not valid')
    if kind == 'application' and not context.leads:
        raise ToolError('this unit is not the leader')
    owner = context.app.name if kind == 'application' else context.unit.name
    if update.label and context.secrets.owned(owner, update.label):
        raise ToolError(f'secret with label "{update.label}" already exists')
    now = time.time()
    secret = Secret(new_id(), owner, created=now, updated=now)
    apply(secret, update, now)
    context.secrets.created[secret.id] = secret
    return secret.uri


@tool('secret-set', options=_OPTIONS)
def _secret_set(context: HookContext, arguments: Arguments) -> None:
    """``secret-set <id> [key=value…]``: a new revision, or other metadata."""
    identity = bare_id(arguments.required(0, 'missing secret URI'))
    update = _update(arguments)
    secret = context.secrets.existing(identity)
    if secret is None:
        return
    if identity in context.secrets.created:
        if update.content is not None:
            secret.latest = 0
            secret.revisions.clear()
        apply(secret, update, time.time())
        return
    before = context.secrets.updates.get(identity, Update())
    changes = {k: v for k, v in dataclasses.asdict(update).items() if v is not None}
    context.secrets.updates[identity] = dataclasses.replace(before, **changes)


@tool('secret-get', options='format label', switches='refresh peek')
def _secret_get(context: HookContext, arguments: Arguments) -> Any:
    """``secret-get [<id>] [key] [--label …] [--refresh|--peek]``: the content, or one value."""
    identity = bare_id(arguments.optional(0))
    label = arguments.text('label')
    if not identity and not label:
        raise UsageError('require either a secret URI or label')
    refresh, peek = arguments.switch('refresh'), arguments.switch('peek')
    if refresh and peek:
        raise UsageError('specify one of --refresh or --peek but not both')
    key = arguments.optional(1)
    content = _content(context, identity, label, refresh=refresh, peek=peek)
    if not key:
        return content
    if key not in content:
        raise ToolError(f'invalid secret key "{key}"')
    return content[key]


def _content(
    context: HookContext, identity: str, label: str, *, refresh: bool, peek: bool
) -> Content:
    changes = context.secrets
    if not identity:
        for owner in (context.unit.name, context.app.name):
            if owned := context.secrets.owned(owner, label):
                identity = owned.id
                label = ''
    if (identity, None) in changes.removed:
        raise ToolError(f'secret "{identity}" not found')
    if identity in changes.created:
        created = changes.created[identity]
        return created.revisions[created.latest].content
    store = context.model.secrets
    try:
        secret = store.find(identity) if identity else store.with_label(context.unit, label)
        content = store.read(secret, context.unit, label=label, refresh=refresh, peek=peek)
    except (SecretNotFoundError, SecretDeniedError) as e:
        raise ToolError(str(e)) from e
    pending = changes.updates.get(secret.id)
    if (refresh or peek) and pending and pending.content is not None:
        return pending.content
    return content


@tool('secret-info-get', options='format label')
def _secret_info_get(context: HookContext, arguments: Arguments) -> Any:
    """``secret-info-get <id>`` or ``--label``: the metadata of a secret that the unit manages."""
    identity, label = bare_id(arguments.optional(0)), arguments.text('label')
    if bool(identity) == bool(label):
        raise UsageError('require either a secret URI or label')
    if label:
        owned = [
            context.secrets.owned(owner, label) for owner in (context.unit.name, context.app.name)
        ]
        secret = next((s for s in owned if s and context.secrets.existing(s.id)), None)
    else:
        secret = context.secrets.existing(identity)
    if secret is None or (secret.id, None) in context.secrets.removed:
        raise ToolError(f'secret "{identity or label}" not found')
    update = context.secrets.updates.get(secret.id, Update())
    expires = update.expires or secret.revisions[secret.latest].expires
    rotation = update.rotation or secret.rotation
    info: dict[str, Any] = {
        'revision': secret.latest,
        'label': secret.label if update.label is None else update.label,
        'owner': 'unit' if '/' in secret.owner else 'application',
        'description': secret.description if update.description is None else update.description,
        'rotation': rotation,
    }
    if expires:
        info['expiry'] = rfc3339(expires)
    if secret.rotates:
        info['rotates'] = rfc3339(secret.rotates)
    if secret.grants:
        info['access'] = [_access(context, *grant) for grant in sorted(secret.grants.items())]
    return {secret.id: info}


def _access(context: HookContext, accessor: str, relation: int | None) -> dict[str, str]:
    kind = 'unit' if '/' in accessor else 'application'
    key = str(context.model.relations.get(relation if relation is not None else -1, ''))
    tag = f'relation-{key.replace(":", ".").replace(" ", "#")}'
    return {'target': f'{kind}-{accessor.replace("/", "-")}', 'scope': tag, 'role': 'view'}


@tool('secret-ids', options='format')
def _secret_ids(context: HookContext, arguments: Arguments) -> Any:  # noqa: ARG001
    """``secret-ids``: the secrets that the unit manages."""
    ids = {secret.id for secret in context.model.secrets.managed_by(context.unit)}
    gone = {identity for identity, revision in context.secrets.removed if revision is None}
    return sorted((ids | set(context.secrets.created)) - gone)


@tool('secret-grant', options='relation r unit')
def _secret_grant(context: HookContext, arguments: Arguments) -> None:
    """``secret-grant --relation <id> [--unit …] <id>``: lets the remote side read."""
    identity = bare_id(arguments.required(0, 'missing secret URI'))
    if not (arguments.text('relation') or arguments.text('r')):
        raise UsageError('missing relation id')
    relation, _ = context.relation(arguments)
    secret = context.secrets.existing(identity)
    if secret is None:
        raise ToolError(f'secret "{identity}" not found')
    remote = relation.remote(context.app.name).app
    accessor = arguments.text('unit') or remote
    if app_of(accessor) != remote:
        raise ToolError(f'cannot grant access: {accessor} is not in relation "{relation}"')
    context.secrets.grants[secret.id, accessor] = relation.id


@tool('secret-revoke', options='relation r unit app application')
def _secret_revoke(context: HookContext, arguments: Arguments) -> None:
    """``secret-revoke [--relation <id>] [--app …] [--unit …] <id>``: ends a grant."""
    identity = bare_id(arguments.required(0, 'missing secret URI'))
    accessor = arguments.text('unit') or arguments.text('app') or arguments.text('application')
    relation = None
    if arguments.text('relation') or arguments.text('r'):
        relation = context.relation(arguments)[0].id
    if not accessor and relation is None:
        raise UsageError('missing application or unit or relation')
    if secret := context.secrets.existing(identity):
        for key in [k for k in context.secrets.grants if k[0] == secret.id]:
            if key[1] == accessor or context.secrets.grants[key] == relation:
                del context.secrets.grants[key]
        context.secrets.revokes.append((secret.id, accessor, relation))


@tool('secret-remove', options='revision')
def _secret_remove(context: HookContext, arguments: Arguments) -> None:
    """``secret-remove <id> [--revision n]``: removes all revisions, or one."""
    identity = bare_id(arguments.required(0, 'missing secret URI'))
    revision = arguments.text('revision')
    if revision and not revision.isdecimal():
        raise UsageError(f'invalid value "{revision}" for option --revision')
    if context.secrets.existing(identity):
        context.secrets.removed.append((identity, int(revision) if revision else None))
