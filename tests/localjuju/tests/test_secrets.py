"""Secrets: owners, grants, revisions, labels, and who is told of what."""

import json
import time

import pytest
from world import Hook, World, charm

DB = 0


@pytest.fixture
def world() -> World:
    """Application a (two units) provides to b and, not related, there is c."""
    world = World()
    world.deploy('a', charm('a', provides={'db': 'sql'}), scale=2)
    world.deploy('b', charm('b', requires={'db': 'sql'}), scale=2)
    world.deploy('c')
    world.model.integrate('a', 'b')
    world.settle()
    world.forget()
    return world


def add(world: World, unit: str = 'a/0', owner: str = 'application', *options: str) -> str:
    """Add a secret in a hook; its URI."""
    uris = []

    def call(hook):
        uris.append(hook.ok('secret-add', *options, '--owner', owner, 'password=one').strip())

    world.in_hook(unit, call)
    world.forget()
    return uris[0]


def grant(world: World, uri: str, *options: str) -> None:
    world.in_hook('a/0', lambda h: h.ok('secret-grant', '--relation', '0', *options, uri))


def read(world: World, unit: str, *argv: str) -> str:
    """The password that a unit reads, or the error."""
    results = []
    argv = ('--format=json', *argv)
    world.in_hook(unit, lambda h: results.append(h.run('secret-get', *argv)))
    world.forget()
    (result,) = results
    return json.loads(result.stdout)['password'] if result.stdout else result.stderr.strip()


def update(world: World, uri: str, password: str, unit: str = 'a/0') -> None:
    world.in_hook(unit, lambda h: h.ok('secret-set', uri, f'password={password}'))


# Owners

NOT_FOUND = 'ERROR secret "{}" not found'


def test_an_application_secret_is_added_by_the_leader_only(world: World):
    def call(hook):
        result = hook.run('secret-add', '--owner', 'application', 'password=x')
        assert (result.code, result.stderr) == (1, 'ERROR this unit is not the leader\n')

    world.in_hook('a/1', call)


@pytest.mark.parametrize(
    ('owner', 'unit', 'answer'),
    [
        ('application', 'a/0', 'one'),
        ('application', 'a/1', 'one'),
        ('application', 'b/0', 'ERROR permission denied'),
        ('application', 'c/0', 'ERROR permission denied'),
        ('unit', 'a/0', 'one'),
        ('unit', 'a/1', 'ERROR permission denied'),
        ('unit', 'b/0', 'ERROR permission denied'),
    ],
)
def test_who_reads_without_a_grant(world: World, owner, unit, answer):
    assert read(world, unit, add(world, owner=owner)) == answer


def test_a_secret_that_is_not_there(world: World):
    assert read(world, 'b/0', 'secret:nothing') == NOT_FOUND.format('nothing')
    assert read(world, 'b/0', '--label', 'nothing') == NOT_FOUND.format('nothing')


@pytest.mark.parametrize(
    ('owner', 'unit', 'manages'),
    [
        ('application', 'a/0', True),
        ('application', 'a/1', False),
        ('application', 'b/0', False),
        ('unit', 'a/0', True),
        ('unit', 'a/1', False),
    ],
)
def test_who_manages(world: World, owner, unit, manages):
    uri = add(world, owner=owner)
    bare = uri.removeprefix('secret:')

    def call(hook):
        assert (bare in hook.json('secret-ids')) == manages
        info = hook.run('secret-info-get', '--format=json', uri)
        assert (info.code == 0) == manages
        if not manages:
            assert info.stderr == f'ERROR secret "{bare}" not found\n'
        # What one may not manage one changes silently not.
        hook.ok('secret-set', uri, 'password=changed')
        hook.ok('secret-remove', uri, '--revision', '99')

    world.in_hook(unit, call)
    assert read(world, 'a/0', uri, '--peek') == ('changed' if manages else 'one')


def test_secrets_end_with_their_owner(world: World):
    add(world, 'b/1', 'unit')
    world.model.set_scale(world.model.application('b'), 1)
    world.settle()
    assert list(world.model.secrets) == []


# Grants


def test_a_grant_lets_the_related_application_read(world: World):
    uri = add(world)
    grant(world, uri)
    assert read(world, 'b/0', uri) == 'one'
    assert read(world, 'b/1', uri) == 'one'
    assert read(world, 'c/0', uri) == 'ERROR permission denied'


def test_a_grant_may_be_for_one_unit(world: World):
    uri = add(world)
    grant(world, uri, '--unit', 'b/1')
    assert read(world, 'b/0', uri) == 'ERROR permission denied'
    assert read(world, 'b/1', uri) == 'one'


def test_a_grant_ends_with_its_relation(world: World):
    uri = add(world)
    grant(world, uri)
    world.model.destroy_relation(world.model.relations[DB])
    world.settle()
    assert read(world, 'b/0', uri) == 'ERROR permission denied'


@pytest.mark.parametrize(
    'argv', [('--relation', '0'), ('--app', 'b'), ('--relation', '0', '--app', 'b')]
)
def test_a_grant_can_be_revoked(world: World, argv):
    uri = add(world)
    grant(world, uri)
    world.in_hook('a/0', lambda h: h.ok('secret-revoke', *argv, uri))
    assert read(world, 'b/0', uri) == 'ERROR permission denied'


def test_granting_or_revoking_what_is_not_there(world: World):
    def call(hook):
        result = hook.run('secret-grant', '--relation', '0', 'secret:nothing')
        assert result.stderr == 'ERROR secret "nothing" not found\n'
        hook.ok('secret-revoke', '--relation', '0', 'secret:nothing')
        hook.ok('secret-remove', 'secret:nothing')

    world.in_hook('a/0', call)


def test_a_granted_secret_shows_its_access(world: World):
    uri = add(world)
    grant(world, uri)

    def call(hook):
        (info,) = hook.json('secret-info-get', uri).values()
        assert info['access'] == [
            {'target': 'application-b', 'scope': 'relation-b.db#a.db', 'role': 'view'}
        ]
        assert (info['revision'], info['owner'], info['rotation']) == (1, 'application', 'never')

    world.in_hook('a/0', call)


# Revisions


def test_a_consumer_stays_with_its_revision_until_it_refreshes(world: World):
    uri = add(world)
    grant(world, uri)
    assert read(world, 'b/0', uri) == 'one'
    update(world, uri, 'two')
    assert read(world, 'b/0', uri) == 'one'
    assert read(world, 'b/0', uri, '--peek') == 'two'
    assert read(world, 'b/0', uri) == 'one'
    assert read(world, 'b/0', uri, '--refresh') == 'two'
    assert read(world, 'b/0', uri) == 'two'
    # Who reads for the first time reads the latest.
    assert read(world, 'b/1', uri) == 'two'


def test_each_observer_is_told_of_a_new_revision_and_no_one_else(world: World):
    uri = add(world)
    grant(world, uri)
    read(world, 'b/0', uri, '--label', 'mine')
    read(world, 'a/1', uri)
    update(world, uri, 'two')
    assert world.take('b/0') == ['secret-changed']
    assert world.take('a/1') == ['secret-changed']
    assert world.take('b/1') == []
    assert 'secret-changed' not in world.take('a/0')
    env = world.envs['b/0'][-1]
    assert (env['JUJU_SECRET_ID'], env['JUJU_SECRET_LABEL']) == (uri, 'mine')


def test_a_revision_is_told_once(world: World):
    uri = add(world)
    grant(world, uri)
    read(world, 'b/0', uri)
    update(world, uri, 'two')
    world.forget()
    world.settle()
    assert world.take('b/0') == []
    update(world, uri, 'three')
    assert world.take('b/0') == ['secret-changed']


def test_the_same_content_is_no_new_revision(world: World):
    uri = add(world)
    grant(world, uri)
    read(world, 'b/0', uri)
    update(world, uri, 'one')
    assert world.take('b/0') == []


def test_an_observer_without_a_grant_any_more_is_told_nothing(world: World):
    uri = add(world)
    grant(world, uri)
    read(world, 'b/0', uri)
    world.in_hook('a/0', lambda h: h.ok('secret-revoke', '--relation', '0', uri))
    update(world, uri, 'two')
    assert world.take('b/0') == []


def test_the_owner_is_told_of_a_revision_that_no_one_needs_any_longer(world: World):
    uri = add(world)
    grant(world, uri)
    read(world, 'b/0', uri)
    update(world, uri, 'two')
    assert 'secret-remove' not in world.take('a/0')
    read(world, 'b/0', uri, '--refresh')
    world.settle()
    env = next(e for e in world.envs['a/0'] if e['JUJU_HOOK_NAME'] == 'secret-remove')
    assert (env['JUJU_SECRET_ID'], env['JUJU_SECRET_REVISION']) == (uri, '1')


def test_a_secret_is_removed_as_a_whole_or_by_revision(world: World):
    uri = add(world)
    update(world, uri, 'two')
    world.in_hook('a/0', lambda h: h.ok('secret-remove', uri, '--revision', '1'))
    assert read(world, 'a/1', uri) == 'two'
    world.in_hook('a/0', lambda h: h.ok('secret-remove', uri))
    assert read(world, 'a/1', uri) == NOT_FOUND.format(uri.removeprefix('secret:'))


# Within one hook


def test_a_hook_reads_the_secret_that_it_added(world: World):
    def call(hook: Hook):
        uri = hook.ok('secret-add', '--label', 'mine', 'password=one').strip()
        assert hook.json('secret-get', uri) == {'password': 'one'}
        assert hook.json('secret-get', '--label', 'mine') == {'password': 'one'}
        hook.ok('secret-set', uri, 'password=two')
        assert hook.json('secret-get', uri) == {'password': 'two'}
        hook.ok('secret-grant', '--relation', '0', uri)
        assert list(world.model.secrets) == []

    world.in_hook('a/0', call)
    (secret,) = world.model.secrets
    assert secret.latest == 1
    assert secret.grants == {'b': 0}


def test_a_hook_reads_its_own_update_only_when_it_asks_for_the_latest(world: World):
    uri = add(world)
    read(world, 'a/0', uri)

    def call(hook: Hook):
        hook.ok('secret-set', uri, 'password=two')
        assert hook.json('secret-get', uri) == {'password': 'one'}
        assert hook.json('secret-get', uri, '--peek') == {'password': 'two'}

    world.in_hook('a/0', call)


def test_a_hook_does_not_find_the_secret_that_it_removed(world: World):
    uri = add(world)

    def call(hook: Hook):
        hook.ok('secret-remove', uri)
        assert 'not found' in hook.run('secret-get', uri).stderr
        assert hook.json('secret-ids') == []

    world.in_hook('a/0', call)


# Labels


def test_owner_and_consumer_have_labels_of_their_own(world: World):
    uri = add(world, 'a/0', 'application', '--label', 'owners')
    grant(world, uri)
    assert read(world, 'b/0', uri, '--label', 'consumers') == 'one'
    assert read(world, 'b/0', '--label', 'consumers') == 'one'
    assert read(world, 'b/0', '--label', 'owners') == NOT_FOUND.format('owners')
    assert read(world, 'a/1', '--label', 'owners') == 'one'


def test_a_label_is_the_owners_only_once(world: World):
    add(world, 'a/0', 'application', '--label', 'mine')

    def call(hook):
        result = hook.run('secret-add', '--label', 'mine', 'password=two')
        assert result.stderr == 'ERROR secret with label "mine" already exists\n'

    world.in_hook('a/0', call)


# Time


def test_a_secret_expires_and_its_owner_is_told(world: World):
    uri = add(world, 'a/0', 'application', '--expire', '1h')
    world.now = time.time() + 3601
    world.settle()
    assert 'secret-expired' in world.take('a/0')
    env = next(e for e in world.envs['a/0'] if e['JUJU_HOOK_NAME'] == 'secret-expired')
    assert (env['JUJU_SECRET_ID'], env['JUJU_SECRET_REVISION']) == (uri, '1')
    world.settle()
    assert world.take('a/0') == []


def test_a_secret_rotates_again_and_again(world: World):
    world.now = time.time()
    add(world, 'a/0', 'application', '--rotate', 'hourly')
    for _ in range(3):
        world.now += 3601
        world.settle()
        assert world.take('a/0') == ['secret-rotate']


@pytest.mark.parametrize(
    ('argv', 'why'),
    [
        (['--rotate', 'often', 'password=x'], 'rotate policy "often" not valid'),
        (['--expire', 'soon', 'password=x'], 'expire time or duration "soon" not valid'),
        (['--owner', 'me', 'password=x'], 'secret owner "me" not valid'),
        (['Key=x'], 'key "Key" not valid'),
        ([], 'missing secret value or filename'),
    ],
)
def test_adding_is_refused(world: World, argv, why):
    def call(hook):
        result = hook.run('secret-add', *argv)
        assert (result.code, result.stderr) == (2, f'ERROR {why}\n')

    world.in_hook('a/0', call)
