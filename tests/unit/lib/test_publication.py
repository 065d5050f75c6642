"""Publishing alert rules, and what becomes of those for which there is no room."""

import json

import pytest

from coordinated_telemetry import databag, databags, logs, metrics, publication

OVERHEAD = len(json.dumps({'groups': [{}]}))


def group(application, text='', name='g'):
    labels = {'juju_application': application}
    return {'name': f'{application}_{name}', 'rules': [{'expr': text, 'labels': labels}]}


GROUPS = [group('a'), group('b'), group('b', name='h'), group('c')]
SIZE = len(json.dumps(GROUPS[0])) + len(', ')  # the same for each


@pytest.mark.parametrize(
    ('room', 'first', 'left_out'),
    [
        (4, (), []),
        (3, (), ['c']),
        (2, (), ['b']),  # all groups of an application, or none
        (1, (), ['b', 'c']),
        (0, (), ['a', 'b', 'c']),
        (-9, (), ['a', 'b', 'c']),
        (3, {'b', 'c'}, ['a']),
        (2, {'b'}, ['a', 'c']),
        (1, {'b'}, ['b', 'c']),
        (3, {'c', 'gone'}, ['b']),
    ],
)
def test_applications_have_all_of_their_groups_or_none(room, first, left_out):
    kept, without = publication.fit(GROUPS, OVERHEAD + room * SIZE, first)
    assert without == left_out
    assert kept == [one for one in GROUPS if one['name'][0] not in left_out]


@pytest.mark.parametrize('room', range(OVERHEAD - 1, OVERHEAD + 6 * SIZE, 7))
def test_what_is_kept_fits_and_is_kept_again(room):
    groups = [*GROUPS, group('d', 'x' * 2 * SIZE), group('e')]
    kept, left_out = publication.fit(groups, room)
    assert not kept or len(json.dumps(publication.published(kept))) <= room
    assert publication.fit(groups, room, {one['name'][0] for one in kept}) == (kept, left_out)


@pytest.mark.parametrize(
    ('text', 'found'),
    [
        (json.dumps({'groups': GROUPS}), {'a', 'b', 'c'}),
        ('{}', set()),
        ('', set()),
        ('[', set()),
        ('[' * 100_000, set()),
        ('7', set()),
        ('{"groups": [7]}', set()),
        ('{"groups": [{"rules": []}]}', set()),
        ('{"groups": [{"rules": [{"labels": {"juju_application": []}}]}]}', set()),
    ],
)
def test_what_any_revision_published_can_be_read(text, found):
    assert publication._applications(text) == found


@pytest.mark.parametrize('model', [metrics.ProviderData, logs.RequirerData])
def test_one_databag_is_never_too_much_for_one_hook(model):
    assert model.max_bytes == publication.MAX_BYTES <= databags.MAX_WRITTEN
    assert model.max_bytes > databag.MAX_BYTES  # no databag of this kind is read by this library
