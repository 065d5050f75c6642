"""The bucket of the workload: what is asked for, what is read, and what the workers get of it."""

import dataclasses
import json

import ops
import pytest
from ops import testing

import authority
from coordinator import scene
from coordinator.source import description, publishing, s3, statuses, workload

CA = authority.authority().certificate
ACCESS, SECRET = 'AKIDEXAMPLE', 'hush/hush+hush'
BUCKET = {'endpoint': 'https://store:9000', 'bucket': 'blocks', 'region': 'eu-1'}
OLD = {**BUCKET, 'access-key': ACCESS, 'secret-key': SECRET, 'data': '{}'}
KEYS = testing.Secret({'access-key': ACCESS, 'secret-key': SECRET})
NEW = {**BUCKET, 'version': '1', 'secret-extra': KEYS.id}


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


def provider(databag=None, **options):
    return testing.Relation(
        's3',
        interface='s3',
        id=31,
        remote_app_name='s3-integrator',
        remote_app_data=dict(databag or {}),
        local_unit_data={},
        **options,
    )


def state(unit, databag=None, *relations, leader=True, secrets=(KEYS,)):
    workers = [scene.workers('both', id=11), scene.workers('more', id=12)]
    found = unit.state(*workers, provider(databag), *relations, leader=leader)
    return dataclasses.replace(found, secrets=secrets)


@pytest.fixture
def needing(monkeypatch):
    """A workload that needs a bucket, whose configuration names it."""

    def config(seen):
        return f'bucket: {seen.s3.bucket}\nregion: {seen.s3.region}\nca: {bool(seen.s3.ca)}\n'

    needy = dataclasses.replace(workload.WORKLOAD, needs_s3=True, config=config)
    monkeypatch.setattr(publishing, 'WORKLOAD', needy)
    monkeypatch.setattr(statuses, 'WORKLOAD', needy)


def published(after, number=11):
    databag = after.get_relation(number).local_app_data
    return {key: json.loads(databag[key]) for key in databag}


def kept(after):
    return [one for one in after.secrets if one.owner == 'app']


def own(after):
    (found,) = kept(after)
    return found


def read(unit, before):
    with unit.ctx(unit.ctx.on.update_status(), before) as manager:
        manager.run()
        return manager.charm._state.storage


# What is asked for


def test_it_asks_for_keys_in_a_secret_and_no_bucket_of_its_own(unit):
    asked = unit.update_status(state(unit)).get_relation(31).local_app_data
    assert asked == {'version': '1', 'requested-secrets': '["access-key", "secret-key"]'}


@pytest.mark.parametrize(('databag', 'bucket'), [({'data': '{}'}, 'relation-31'), (NEW, None)])
def test_a_provider_of_version_0_waits_for_a_name(unit, databag, bucket):
    asked = unit.update_status(state(unit, databag)).get_relation(31).local_app_data
    assert asked.get('bucket') == bucket


def test_only_the_leader_asks_and_reads_the_secret(unit, calls):
    after = unit.update_status(state(unit, NEW, leader=False))
    assert after.get_relation(31).local_app_data == {}
    assert calls.of('secret-get') == []
    assert 's3' not in after.unit_status.message


# What is read


@pytest.mark.parametrize('databag', [OLD, NEW], ids=['version 0', 'version 1'])
def test_the_bucket_is_read_and_its_keys_are_in_no_repr(unit, databag):
    found = read(unit, state(unit, databag))
    assert found.provider == 's3-integrator'
    assert found.bucket == description.S3('https://store:9000', 'blocks', 'eu-1')
    assert found.keys == (ACCESS, SECRET, '')
    assert ACCESS not in repr(found)
    assert SECRET not in repr(found)
    data = s3.ProviderData(
        endpoint='http://a', bucket='blocks', access_key=ACCESS, secret_key=SECRET
    )
    assert ACCESS not in repr(data)
    assert SECRET not in repr(data)


@pytest.mark.parametrize('chain', [json.dumps([CA]), CA])
def test_the_ca_and_the_rest_are_read(unit, chain):
    more = {'tls-ca-chain': chain, 'path': 'a/b', 's3-uri-style': 'path'}
    found = read(unit, state(unit, {**OLD, **more}))
    assert found.bucket == description.S3(
        'https://store:9000', 'blocks', 'eu-1', 'a/b', 'path', CA
    )


HOSTILE = {
    'endpoint': ['store', 'ftp://store', 'http://a b', 'http://u:p@store', 'http://a"\n'],
    'bucket': ['', 'x', 'a b', '../../etc', 'a"b', 'b' * 300, 'blocks\n'],
    'secret-key': ['', 'a b', 'x' * 300, 'hush\nhush', 'h\x00', 'ü'],
    'access-key': ['a\nb'],
}


@pytest.mark.parametrize(
    ('key', 'value'), [(key, value) for key, values in HOSTILE.items() for value in values]
)
def test_what_is_unusable_is_ignored_and_named(unit, needing, key, value):
    after = unit.update_status(state(unit, {**OLD, key: value}))
    message = after.unit_status.message
    assert isinstance(after.unit_status, testing.BlockedStatus)
    assert message.startswith('[s3] s3-integrator published no usable bucket')
    assert 'ignored: s3-integrator s3 (' in message
    assert SECRET not in message
    assert 'p@' not in message
    assert 's3_secret_id' not in published(after)
    assert 'worker_config' not in published(after)
    assert kept(after) == []


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('region', 'a b'),
        ('region', 'r' * 65),
        ('path', 'a"b'),
        ('s3-uri-style', 'odd'),
        ('tls-ca-chain', '["x"]'),
        ('tls-ca-chain', '[1]'),
        ('tls-ca-chain', '['),
    ],
)
def test_an_optional_key_is_ignored_alone_by_its_name(unit, key, value):
    after = unit.update_status(state(unit, {**OLD, key: value}))
    assert f'ignored: s3-integrator s3 ({key}: ' in after.unit_status.message
    assert 's3_secret_id' in published(after)


@pytest.mark.parametrize('missing', ['endpoint', 'bucket', 'access-key', 'secret-key'])
def test_without_one_of_these_there_is_no_bucket(unit, missing):
    databag = {key: value for key, value in OLD.items() if key != missing}
    found = read(unit, state(unit, databag))
    assert found.bucket is None


@pytest.mark.parametrize('secrets', [(), (testing.Secret({'a-key': 'x'}, id=KEYS.id),)])
def test_a_secret_that_is_refused_or_empty_is_named(unit, needing, secrets):
    after = unit.update_status(state(unit, NEW, secrets=secrets))
    assert 'ignored: s3-integrator s3 (secret-extra: ' in after.unit_status.message
    assert kept(after) == []


# What the workers get


@pytest.mark.parametrize('databag', [OLD, NEW], ids=['version 0', 'version 1'])
def test_the_workers_get_the_keys_in_a_secret_alone(unit, needing, databag):
    chain = {'tls-ca-chain': json.dumps([CA])}
    after = unit.update_status(state(unit, {**databag, **chain}))
    secret = own(after)
    content = dict(secret.latest_content)
    assert len(content.pop('mark')) == 16
    assert content == {'access-key': ACCESS, 'secret-key': SECRET}
    assert secret.remote_grants.keys() == {11, 12}
    for number in (11, 12):
        sent = published(after, number)
        assert sent['s3_secret_id'] == secret.id
        assert sent['s3_tls_ca_chain'] == CA
        assert sent['worker_config'] == 'bucket: blocks\nregion: eu-1\nca: True\n'
    everywhere = str([(one.local_app_data, one.local_unit_data) for one in after.relations])
    assert SECRET not in everywhere + str(unit.ctx.juju_log) + after.unit_status.message
    assert isinstance(after.unit_status, testing.ActiveStatus)


def test_an_event_with_nothing_new_writes_nothing(unit, calls):
    settled = unit.update_status(unit.update_status(state(unit, NEW)))
    calls.clear()
    unit.update_status(settled)
    assert calls.changes() == []
    assert len(calls.of('secret-get', 'secret-info-get')) <= 6


def test_the_id_of_a_secret_that_is_found_by_its_label_is_no_news(unit, calls, monkeypatch):
    before = unit.update_status(state(unit, OLD))
    get_info = ops.Secret.get_info

    def as_from_juju(secret):
        """With the model in the id: Juju's secret-info-get has no `secret:`."""
        found = get_info(secret)
        found.id = f'secret://{before.model.uuid}/{found.id.removeprefix("secret:")}'
        return found

    monkeypatch.setattr(ops.Secret, 'get_info', as_from_juju)
    calls.clear()
    after = unit.update_status(before)
    assert published(after) == published(before)
    assert 'secret-grant' not in calls.hook_tools()


def test_new_keys_are_a_new_revision_of_the_same_secret(unit):
    before = unit.update_status(state(unit, OLD))
    changed = scene.replaced(before, provider({**OLD, 'secret-key': 'other'}))
    after = unit.update_status(changed)
    assert own(after).id == own(before).id
    assert own(after).latest_content['secret-key'] == 'other'
    assert own(after).latest_content['mark'] != own(before).latest_content['mark']


def test_a_worker_that_comes_later_may_read_it_too(unit):
    before = unit.update_status(state(unit, OLD))
    after = unit.update_status(scene.replaced(before, scene.workers('late', id=13)))
    assert own(after).remote_grants.keys() == {11, 12, 13}
    assert published(after, 13)['s3_secret_id'] == own(after).id


def test_the_secret_goes_with_the_relation(unit):
    before = unit.update_status(state(unit, OLD))
    after = unit.ctx.run(unit.ctx.on.relation_broken(before.get_relation(31)), before)
    assert kept(after) == []
    assert 's3_secret_id' not in published(after)
    assert 'worker_config' in published(after)  # this workload does without


def test_a_new_leader_removes_a_secret_that_its_predecessor_left(unit, calls):
    before = unit.update_status(state(unit, OLD))
    follower = dataclasses.replace(before, leader=False)
    left = unit.ctx.run(unit.ctx.on.relation_broken(before.get_relation(31)), follower)
    assert kept(left)  # only a leader may remove it
    relations = [one for one in left.relations if one.id != 31]
    elected = dataclasses.replace(left, leader=True, relations=relations)
    after = unit.ctx.run(unit.ctx.on.leader_elected(), elected)
    assert kept(after) == []
    assert 's3_secret_id' not in published(after)
    calls.clear()
    unit.update_status(after)
    assert [tool for tool in calls.hook_tools() if tool.startswith('secret')] == []


def test_a_new_leader_keeps_the_secret_of_a_relation_that_is_there(unit):
    before = unit.update_status(state(unit, OLD))
    after = unit.ctx.run(unit.ctx.on.leader_elected(), before)
    assert own(after).id == own(before).id


def test_without_a_provider_no_secret_is_asked_for(unit, calls):
    unit.update_status(unit.state(scene.workers('both', id=11)))
    assert [tool for tool in calls.hook_tools() if tool.startswith('secret')] == []


# Statuses of a workload that needs it


def test_it_is_blocked_without_a_provider_and_waits_for_its_answer(unit, needing):
    alone = unit.update_status(unit.state(scene.workers('both', id=11)))
    assert alone.unit_status == testing.BlockedStatus(
        '[s3] no bucket: juju integrate coordinator:s3 S3-INTEGRATOR'
    )
    assert 'worker_config' not in published(alone)
    waiting = unit.update_status(state(unit))
    assert waiting.unit_status == testing.WaitingStatus('[s3] waiting for data from s3-integrator')
