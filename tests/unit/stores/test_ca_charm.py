"""The charm of the CA: what it sends to those who are to trust it."""

import dataclasses
import importlib
import json

import pytest
from ops import testing

import authority
from coordinated_telemetry import pem

charm = importlib.import_module('self-signed-certificates.src.charm')


@pytest.fixture
def ctx():
    return testing.Context(charm.CertificateAuthorityCharm)


def receiver(app='coordinator'):
    return testing.Relation('send-ca-cert', 'certificate_transfer', remote_app_name=app)


def state(*relations, leader=True):
    return testing.State(relations=relations, leader=leader, config={'certificate-validity': 60})


def sent(after, relation):
    return dict(after.get_relation(relation.id).local_app_data)


def test_everybody_is_sent_the_certificate_that_it_signs_with(ctx):
    first, second = receiver(), receiver('b')
    after = ctx.run(ctx.on.relation_created(first), state(first, second))
    assert sent(after, first) == sent(after, second)
    assert sent(after, first).keys() == {'certificates', 'version'}
    assert sent(after, first)['version'] == '1'
    (secret,) = after.secrets
    (certificate,) = json.loads(sent(after, first)['certificates'])
    assert certificate == secret.tracked_content['ca-certificate']
    assert pem.check_certificate(certificate).strip() == certificate.strip()


def test_it_is_sent_once(ctx, calls):
    first = receiver()
    after = ctx.run(ctx.on.relation_created(first), state(first))
    assert 'relation-set' in calls.changes()
    calls.clear()
    ctx.run(ctx.on.update_status(), after)
    assert calls.changes() == []


def test_only_the_leader_sends_it(ctx):
    first = receiver()
    after = ctx.run(ctx.on.relation_created(first), state(first, leader=False))
    assert sent(after, first) == {}


def issued(after, relation):
    return json.loads(after.get_relation(relation.id).local_app_data['certificates'])


def test_another_common_name_makes_another_ca_that_is_trusted_before_it_issues(ctx):
    """As whoever is to trust it needs some time."""
    requests = [{'certificate_signing_request': authority.request('w.example'), 'ca': False}]
    requirer = testing.Relation(
        'certificates',
        'tls-certificates',
        remote_units_data={0: {'certificate_signing_requests': json.dumps(requests)}},
    )
    trusting = receiver()
    before = ctx.run(ctx.on.relation_changed(requirer, remote_unit=0), state(requirer, trusting))
    (first,) = json.loads(sent(before, trusting)['certificates'])
    assert [one['ca'].strip() for one in issued(before, requirer)] == [first.strip()]

    renamed = dataclasses.replace(before, config={**before.config, 'ca-common-name': 'second'})
    announced = ctx.run(ctx.on.config_changed(), renamed)
    known, second = json.loads(sent(announced, trusting)['certificates'])
    assert known == first != second
    assert issued(announced, requirer) == issued(before, requirer)
    again = ctx.run(ctx.on.config_changed(), announced)
    assert sent(again, trusting) == sent(announced, trusting)

    changed = ctx.run(ctx.on.update_status(), again)
    (certificate,) = issued(changed, requirer)
    assert certificate['ca'].strip() == second.strip()
    assert certificate['certificate'] != issued(before, requirer)[0]['certificate']
    assert set(json.loads(sent(changed, trusting)['certificates'])) == {first, second}
    settled = ctx.run(ctx.on.update_status(), changed)
    assert issued(settled, requirer) == issued(changed, requirer)
    assert sent(settled, trusting) == sent(changed, trusting)
