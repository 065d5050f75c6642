"""The keys of the bucket at the worker: in the service's environment, and nowhere else."""

import dataclasses
import json

import ops
import pytest
from ops import testing

import authority
from worker import scene
from worker.source import charm, workload

CA = authority.authority().certificate
KEYS = testing.Secret({'access-key': 'AKID', 'secret-key': 'hush', 'mark': 'one'})


class WithBucket(type(workload.WORKLOAD)):
    """The neutral workload with a bucket."""

    s3_ca_file = '/etc/imagined/s3/ca.pem'

    def service(self, run) -> ops.pebble.ServiceDict:
        found = super().service(run)
        environment = found.get('environment', {})
        if run.s3:
            environment |= {
                'AWS_ACCESS_KEY_ID': run.s3.access_key,
                'AWS_SECRET_ACCESS_KEY': run.s3.secret_key,
            }
        return {**found, 'environment': environment}


class NeedsBucket(WithBucket):
    """One that does not work without."""

    needs_s3 = True


@pytest.fixture
def unit(tmp_path, monkeypatch):
    return use(monkeypatch, WithBucket(), tmp_path)


@pytest.fixture
def needing(tmp_path, monkeypatch):
    return use(monkeypatch, NeedsBucket(), tmp_path)


def use(monkeypatch, described, folder):
    monkeypatch.setattr(charm, 'WORKLOAD', described)
    return scene.Worker(folder)


def state(unit, *secrets, peers=(), **changes):
    published = scene.published(s3_secret_id=KEYS.id, **changes)
    found = unit.state(scene.coordinator(published, id=21), *peers)
    return dataclasses.replace(found, secrets=secrets)


def environment(after):
    return scene.service(after)['environment']


def test_the_workload_gets_the_keys_and_nobody_else(unit, calls):
    before = state(unit, KEYS, peers=[scene.peers(id=22)], s3_tls_ca_chain=CA)
    after = unit.update_status(before)
    assert environment(after)['AWS_ACCESS_KEY_ID'] == 'AKID'
    assert environment(after)['AWS_SECRET_ACCESS_KEY'] == 'hush'
    assert 'S3_CA_SHA256' in environment(after)
    assert (unit.folder / 's3' / 'ca.pem').read_text() == CA
    everywhere = str([(one.local_app_data, one.local_unit_data) for one in after.relations])
    assert 'hush' not in everywhere + str(unit.ctx.juju_log) + after.unit_status.message
    calls.clear()
    unit.update_status(after)
    assert calls.changes() == []


def test_what_other_units_see_does_not_depend_on_the_keys(unit):
    def runs(**content):
        secret = dataclasses.replace(KEYS, tracked_content=content, latest_content=content)
        after = unit.update_status(state(unit, secret, peers=[scene.peers(id=22)]))
        return after.get_relation(22).local_unit_data['runs']

    first = runs(**{'access-key': 'AKID', 'secret-key': 'hush', 'mark': 'one'})
    assert runs(**{'access-key': 'A', 'secret-key': 'B', 'mark': 'one'}) == first
    assert runs(**{'access-key': 'AKID', 'secret-key': 'hush', 'mark': 'two'}) != first


def with_new_keys(unit, before):
    """What the unit does when the coordinator has changed the keys."""
    content = {'access-key': 'AKID', 'secret-key': 'other', 'mark': 'two'}
    secret = dataclasses.replace(before.get_secret(id=KEYS.id), latest_content=content)
    changed = dataclasses.replace(before, secrets=[secret])
    return unit.ctx.run(unit.ctx.on.secret_changed(secret), changed)


def test_new_keys_restart_it(unit):
    after = with_new_keys(unit, unit.update_status(state(unit, KEYS)))
    assert environment(after)['AWS_SECRET_ACCESS_KEY'] == 'other'


def test_with_new_keys_it_waits_for_the_unit_before_it(unit, tmp_path):
    runs_of = unit.update_status(state(unit, KEYS, peers=[scene.peers(id=22)])).get_relation(22)
    runs = json.loads(runs_of.local_unit_data['runs'])
    second = scene.Worker(tmp_path / 'second', number=1)
    before = second.update_status(state(second, KEYS, peers=[scene.peers({0: runs}, id=22)]))
    after = with_new_keys(second, before)
    assert environment(after)['AWS_SECRET_ACCESS_KEY'] == 'hush'
    assert after.unit_status.message == 'ready: all; will restart after worker/0'


@pytest.mark.parametrize('secrets', [(), (testing.Secret({'a-key': 'b'}, id=KEYS.id),)])
def test_a_secret_that_is_refused_or_empty_is_as_none_and_named(unit, secrets):
    after = unit.update_status(state(unit, *secrets))
    assert 'AWS_ACCESS_KEY_ID' not in environment(after)
    assert 'ignored: coordinator s3_secret_id (' in after.unit_status.message


@pytest.mark.parametrize('value', ['x', 'secret:', 'secret:UPPER', 'secret:a\n', 7, ['x']])
def test_a_hostile_id_is_not_asked_for(unit, calls, value):
    relation = scene.coordinator(scene.published(s3_secret_id=value))
    settled = unit.update_status(unit.state(relation))
    calls.clear()
    after = unit.update_status(settled)
    assert calls.of('secret-get') == []
    assert 'ignored: coordinator (s3_secret_id: ' in after.unit_status.message


def test_without_an_id_nothing_is_asked_for(unit, calls):
    settled = unit.update_status(unit.state(scene.coordinator()))
    calls.clear()
    unit.update_status(settled)
    assert calls.of('secret-get') == []


def test_a_workload_that_needs_them_waits_for_them_and_keeps_running_without(needing):
    waiting = needing.update_status(state(needing))
    assert '[s3] waiting for the keys of the bucket' in waiting.unit_status.message
    assert waiting.get_container('workload').plan.services == {}
    running = needing.update_status(state(needing, KEYS))
    gone = needing.update_status(dataclasses.replace(running, secrets=[]))
    assert environment(gone) == environment(running)
