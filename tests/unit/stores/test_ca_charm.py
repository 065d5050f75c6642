"""The charm of the CA: what it sends to those who are to trust it."""

import importlib
import json

import pytest
from ops import testing

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
