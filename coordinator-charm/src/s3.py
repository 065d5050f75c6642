"""The bucket of the workload (`s3`, requirer's side), such as that of s3-integrator.

Version 1 of the interface has the keys in a Juju secret, version 0 in the databag. Both are read;
the keys are asked for in a secret. What is known of the bucket goes into the configuration of the
workers, and its keys into a secret of this application that is granted to them.

Keys and values are those of PyPI's object-storage-charmlib, which writes them in events of its
own, and takes whatever a provider publishes.
"""

import json
import os
from typing import Annotated, Literal, NamedTuple

import ops
import pydantic
import pydantic_core

import description
from coordinated_telemetry import (
    addresses,
    cluster_data,
    databag,
    databags,
    pem,
    reconciler,
    s3_keys,
)

ENDPOINT = 's3'
LABEL = 's3-keys'
"""The label of the application's secret with the keys, as the workers get them."""

_PUBLISHED = 's3_secret_id'  # in the databag on `cluster`


def _check_chain(value: str) -> str:
    """Accept a JSON list of certificates in PEM, or PEM; return PEM."""
    if not value.lstrip().startswith('['):
        return pem.check_certificates(value)
    found = pydantic_core.from_json(value)
    if not all(isinstance(one, str) for one in found):
        raise ValueError('expected certificates in PEM')
    return pem.check_certificates('\n'.join(found))


_Key = Annotated[str, pydantic.Field(pattern=s3_keys.PATTERN)]


class RequirerData(databag.Databag):
    """The requirer's application databag.

    Attributes:
        version: that of the interface; it makes a provider of version 1 answer.
        requested_secrets: JSON list of the keys that it is to put into a secret.
        bucket: a name that a provider of version 0 waits for, and ignores. One of version 1 would
            take it for the bucket that is to be used.
    """

    plain = True

    version: str = '1'
    requested_secrets: str = pydantic.Field(
        default=json.dumps(['access-key', 'secret-key']), serialization_alias='requested-secrets'
    )
    bucket: str | None = None


class ProviderData(databag.Databag):
    """The provider's application databag.

    Attributes:
        endpoint: the URL of the store.
        bucket: its name.
        region: or None.
        path: the prefix of all objects in the bucket, or None.
        s3_uri_style: whether the bucket is in the URL's host or in its path.
        tls_ca_chain: JSON list of certificates in PEM; read as PEM.
        access_key: in version 0.
        secret_key: in version 0.
        secret_extra: URI of the secret with the keys in version 1.
    """

    plain = True
    by_endpoint = True

    endpoint: addresses.Url
    bucket: str = pydantic.Field(pattern=r'^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$')
    region: str | None = pydantic.Field(default=None, pattern=r'^[A-Za-z0-9._-]{1,64}$')
    path: str | None = pydantic.Field(default=None, pattern=r'^[A-Za-z0-9._/~=-]{1,1024}$')
    s3_uri_style: Literal['host', 'path'] | None = pydantic.Field(
        default=None, serialization_alias='s3-uri-style'
    )
    tls_ca_chain: Annotated[str, pydantic.AfterValidator(_check_chain)] | None = pydantic.Field(
        default=None, serialization_alias='tls-ca-chain'
    )
    access_key: _Key | None = pydantic.Field(
        default=None, serialization_alias='access-key', repr=False
    )
    secret_key: _Key | None = pydantic.Field(
        default=None, serialization_alias='secret-key', repr=False
    )
    secret_extra: cluster_data.SecretId | None = pydantic.Field(
        default=None, serialization_alias='secret-extra'
    )


class _Began(databag.Databag):
    """What a provider publishes before it has an answer.

    Attributes:
        data: in version 0, once it has seen the relation.
        version: in version 1.
    """

    plain = True
    by_endpoint = True

    data: str | None = None
    version: str | None = None
    endpoint: str | None = None


class Related(NamedTuple):
    """A provider, and what it published.

    Attributes:
        provider: its name, or '' if none is related.
        bucket: if it is usable. Only the leader reads a secret, so others do not know of its keys.
        keys: of the bucket; the leader's alone.
    """

    provider: str = ''
    bucket: description.S3 | None = None
    keys: s3_keys.S3Keys | None = None


def read(bags: databags.Databags, charm: ops.CharmBase) -> Related:
    """Read it; the report names what is unusable."""
    for relation in bags.relations(ENDPOINT)[:1]:
        provider = relation.app.name
        data = bags.load(relation, relation.app, ProviderData)
        if data is None:
            return Related(provider)
        keys = None
        try:
            if charm.unit.is_leader() or not data.secret_extra:
                keys = _read_keys(charm, data)
        except ValueError as error:
            bags.report.ignore(f'{provider} {ENDPOINT}', databag.reason(error))
            return Related(provider)
        bucket = description.S3(
            endpoint=data.endpoint,
            bucket=data.bucket,
            region=data.region or '',
            path=data.path or '',
            uri_style=data.s3_uri_style or '',
            ca=data.tls_ca_chain or '',
        )
        return Related(provider, bucket, keys)
    return Related()


def _read_keys(charm: ops.CharmBase, data: ProviderData) -> s3_keys.S3Keys:
    """The keys of the bucket.

    Raises:
        ValueError: without any key in it, if they are missing or Juju does not give them.
    """
    if not data.secret_extra:
        keys = {'access-key': data.access_key or '', 'secret-key': data.secret_key or ''}
        return s3_keys.check(keys)
    try:
        return s3_keys.read(charm.model, data.secret_extra).nameless
    except ValueError as error:
        raise ValueError(f'secret-extra: {error}') from None


def ensure_request(bags: databags.Databags, charm: reconciler.ReconcilingCharm) -> bool:
    """Ask for a bucket; leader only. True if anything was changed."""
    for relation in bags.relations(ENDPOINT)[:1]:
        began = bags.load(relation, relation.app, _Began)
        is_old = began is not None and began.version is None
        bucket = f'relation-{relation.id}' if is_old else None
        return bags.ensure(ENDPOINT, charm.app, RequirerData(bucket=bucket))
    return False


def ensure_secret(
    bags: databags.Databags, charm: reconciler.ReconcilingCharm, keys: s3_keys.S3Keys
) -> str:
    """Keep the keys in a secret that all workers may read; leader only. Returns its id.

    A revision is added only when the keys differ. Each revision has a random mark of its own, by
    which the workers tell one another what they run, without anything that depends on the keys.
    """
    content = {'access-key': keys.access_key, 'secret-key': keys.secret_key}
    try:
        secret = charm.model.get_secret(label=LABEL)
    except ops.SecretNotFoundError:
        content['mark'] = os.urandom(8).hex()
        secret = charm.app.add_secret(content, label=LABEL)
    else:
        before = secret.peek_content()  # the newest, whichever revision this unit last saw
        if {key: before.get(key) for key in content} != content:
            secret.set_content({**content, 'mark': os.urandom(8).hex()})
    # ops does not know the id of a secret that was found by its label, and Juju tells it with the
    # model's UUID, but a new secret's without: published, that would be news to every worker.
    named = secret.id or secret.get_info().id
    secret_id = f'secret:{named.removeprefix("secret:").rpartition("/")[2]}'
    for relation in bags.relations('cluster'):
        # The id is published with the grant.
        if not bags.is_marked(relation, charm.app, _PUBLISHED, secret_id):
            try:
                secret.grant(relation)
            except ops.ModelError as error:
                raise databags.RefusedError(relation) from error
    return secret_id


def is_over(event: ops.EventBase, bags: databags.Databags) -> bool:
    """Whether the leader may have a secret of a relation that is gone.

    A new leader may: its predecessor perhaps lost the leadership before its own relation-broken,
    and this unit had its own before it led. In other events nobody has to ask Juju.
    """
    if isinstance(event, ops.LeaderElectedEvent):
        return not bags.relations(ENDPOINT)
    return isinstance(event, ops.RelationBrokenEvent) and event.relation.name == ENDPOINT


def ensure_no_secret(charm: reconciler.ReconcilingCharm) -> bool:
    """Remove the secret; leader only. True if there was one."""
    try:
        secret = charm.model.get_secret(label=LABEL)
    except ops.SecretNotFoundError:
        return False
    secret.remove_all_revisions()
    return True
