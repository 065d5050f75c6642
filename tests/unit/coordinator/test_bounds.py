"""How much the coordinator publishes at most, and what it does when there is more."""

import dataclasses
import json

import pytest
from ops import testing

from coordinated_telemetry import cluster_data, databag, logs, metrics, publication
from coordinator import scene

ENDPOINTS = {14: ('metrics-endpoint', metrics.ProviderData), 15: ('logging', logs.RequirerData)}


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


def workers(names):
    """Worker applications, each of which is the same relation in all states."""
    return [scene.workers(name, id=ord(name)) for name in names]


def updated(unit, names, before=None):
    """The state after a hook with these worker applications, and the databags of `before`."""
    stores = [scene.scraper(id=14), scene.loki(id=15)]
    if before is None:
        return unit.update_status(unit.state(*workers(names), *stores))
    stores = [before.get_relation(number) for number in (14, 15)]
    now = dataclasses.replace(before, relations=[*workers(names), *stores])
    return unit.update_status(now)


def published(state, relation=14):
    return dict(state.get_relation(relation).local_app_data)


def watched(state, relation=14):
    groups = json.loads(published(state, relation)['alert_rules'])['groups']
    return {rule['labels']['juju_application'] for group in groups for rule in group['rules']}


def scraped(state):
    return {job['job_name'] for job in json.loads(published(state)['scrape_jobs'])}


@pytest.fixture(params=ENDPOINTS, ids=lambda number: ENDPOINTS[number][0])
def bounded(request, unit, monkeypatch):
    """The relation whose databag has room for the rules of b, c and d, and a few bytes more."""
    _, model = ENDPOINTS[request.param]
    size = databag.size_of(published(updated(unit, 'bcd'), request.param))
    monkeypatch.setattr(model, 'max_bytes', size + 700)
    return request.param


def test_targets_go_first_and_the_rules_without_room_are_left_out_and_named(unit, bounded):
    after = updated(unit, 'bcdef')
    assert scraped(after) == {'coordinator', *'bcdef'}
    assert watched(after, bounded) == {'coordinator', *'bcd'}
    endpoint, model = ENDPOINTS[bounded]
    status = after.unit_status
    assert isinstance(status, testing.BlockedStatus)
    assert status.message.startswith(f'[{endpoint}] no room for the alert rules of e, f, ')
    assert f' bytes where {model.max_bytes} may be: divide the workers among ' in status.message
    assert databag.size_of(published(after, bounded)) <= model.max_bytes


def test_the_other_store_has_them_all(unit, bounded):
    after = updated(unit, 'bcdef')
    (other,) = ENDPOINTS.keys() - {bounded}
    assert watched(after, other) == {'coordinator', *'bcdef'}


def test_another_hook_changes_nothing(unit, bounded):
    after = updated(unit, 'bcdef')
    again = updated(unit, 'bcdef', after)
    assert scene.outcome(unit, again) == scene.outcome(unit, after)
    assert again.unit_status == after.unit_status


def test_a_new_application_takes_no_rules_from_those_that_have_them(unit, bounded):
    after = updated(unit, 'abcd', updated(unit, 'bcd'))
    assert scraped(after) == {'coordinator', *'abcd'}
    assert watched(after, bounded) == {'coordinator', *'bcd'}
    assert 'no room for the alert rules of a, ' in after.unit_status.message


def test_rules_are_published_as_soon_as_there_is_room(unit, bounded):
    after = updated(unit, 'abc', updated(unit, 'abcd', updated(unit, 'bcd')))
    assert watched(after, bounded) == {'coordinator', *'abc'}
    assert isinstance(after.unit_status, testing.ActiveStatus)


def test_many_applications_without_room_are_counted(unit, monkeypatch):
    monkeypatch.setattr(metrics.ProviderData, 'max_bytes', 9000)
    after = updated(unit, 'bcdefgh')
    assert watched(after) == {'coordinator'}
    assert ' of b, c, d and 4 more, ' in after.unit_status.message


def test_when_not_even_the_targets_fit_what_was_published_stays(unit, monkeypatch):
    before = updated(unit, 'bcd')
    monkeypatch.setattr(metrics.ProviderData, 'max_bytes', 1000)
    after = updated(unit, 'bcde', before)
    assert published(after) == published(before)
    assert isinstance(after.unit_status, testing.BlockedStatus)
    assert after.unit_status.message.startswith('[metrics-endpoint] cannot publish ')
    assert ' bytes, at most 1000: divide the workers among ' in after.unit_status.message


def test_what_is_too_large_for_the_workers_to_read_is_not_sent(unit, monkeypatch):
    assert cluster_data.CoordinatorData.max_bytes == databag.MAX_BYTES
    monkeypatch.setattr(cluster_data.CoordinatorData, 'max_bytes', 10)
    after = updated(unit, 'b')
    assert published(after, ord('b')) == {}
    assert after.unit_status.message.startswith('[cluster] cannot publish ')
    assert " bytes, at most 10: shorten the workers' configuration" in after.unit_status.message


@pytest.mark.parametrize('number', ENDPOINTS)
def test_without_a_store_nothing_is_too_large(unit, monkeypatch, number):
    monkeypatch.setattr(ENDPOINTS[number][1], 'max_bytes', 10)
    after = unit.update_status(unit.state(*workers('b')))
    assert isinstance(after.unit_status, testing.ActiveStatus)


def test_two_hundred_worker_applications_take_less_than_a_quarter_of_what_may_be(unit):
    names = [f'worker-{number:03}' for number in range(200)]
    relations = [scene.workers(name, id=100 + number) for number, name in enumerate(names)]
    after = unit.update_status(unit.state(*relations, scene.scraper(id=14)))
    assert watched(after) == {'coordinator', *names}
    assert databag.size_of(published(after)) < publication.MAX_BYTES / 4
