"""The charm that provides a bucket: what it publishes to requirers of either version."""

import base64
import dataclasses
import importlib
import json
from typing import Any

import pytest
from ops import testing

charm = importlib.import_module('s3-integrator.src.charm')

KEYS = {'access-key': 'AKIDEXAMPLE', 'secret-key': 'hush'}
GIVEN = testing.Secret(KEYS)
CONFIG = {
    'endpoint': 'http://store:9000',
    'bucket': 'blocks',
    'region': 'eu-1',
    'credentials': GIVEN.id,
}
BUCKET = {'endpoint': 'http://store:9000', 'bucket': 'blocks', 'region': 'eu-1'}
ASKS_1 = {'version': '1', 'requested-secrets': '["access-key", "secret-key"]'}
ASKS_0 = {'bucket': 'relation-1'}


@pytest.fixture
def ctx():
    return testing.Context(charm.S3IntegratorCharm, app_name='s3-integrator')


def state(asked, *, leader=True, secrets=(GIVEN,), **config):
    relation = testing.Relation('s3-credentials', 's3', id=1, remote_app_data=asked)
    options = {**CONFIG, **config}
    return testing.State(relations=[relation], secrets=secrets, leader=leader, config=options)


def update(ctx, before):
    return ctx.run(ctx.on.update_status(), before)


def sent(after):
    return dict(after.get_relation(1).local_app_data)


def own(after):
    (secret,) = (one for one in after.secrets if one.owner == 'app')
    return secret


def test_version_1_has_the_keys_in_a_secret_alone(ctx):
    after = update(ctx, state(ASKS_1))
    secret = own(after)
    assert sent(after) == {**BUCKET, 'version': '1', 'secret-extra': secret.id}
    assert secret.latest_content == KEYS
    assert secret.remote_grants.keys() == {1}


@pytest.mark.parametrize('config', [{'interface-version': 0}, {}])
def test_version_0_has_them_in_the_databag_once_a_bucket_is_asked_for(ctx, config):
    asked = {**ASKS_1, **ASKS_0} if config else ASKS_0
    after = update(ctx, state(asked, **config))
    assert sent(after) == {**BUCKET, **KEYS, 'data': json.dumps(asked)}
    after = update(ctx, state({'x': ''}, **config))
    assert sent(after).keys() == {'data'}


def test_new_keys_are_a_new_revision(ctx):
    before = update(ctx, state(ASKS_1))
    new = {**KEYS, 'secret-key': 'other'}
    given = dataclasses.replace(before.get_secret(id=GIVEN.id), latest_content=new)
    secrets = [given, own(before)]
    after = update(ctx, dataclasses.replace(before, secrets=secrets))
    assert own(after).latest_content == new
    assert sent(after) == sent(before)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'bucket': ''}, 'set bucket'),
        ({'endpoint': '', 'bucket': ''}, 'set endpoint and bucket'),
        ({'secrets': ()}, 'set credentials to a granted secret of both keys'),
    ],
)
def test_without_one_of_them_it_publishes_no_bucket(ctx, changes, message):
    after = update(ctx, state(ASKS_1, **changes))
    assert sent(after) == {'version': '1'}
    assert after.unit_status == testing.BlockedStatus(message)


def test_only_the_leader_publishes(ctx):
    assert sent(update(ctx, state(ASKS_1, leader=False))) == {}


def test_the_ca_is_a_list(ctx):
    encoded = base64.b64encode(b'pem').decode()
    options: dict[str, Any] = {'tls-ca-chain': encoded}
    after = update(ctx, state(ASKS_1, **options))
    assert json.loads(sent(after)['tls-ca-chain']) == ['pem']
