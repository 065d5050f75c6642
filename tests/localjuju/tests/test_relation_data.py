"""Who sees what in a databag, and when."""

import pytest
from world import Hook, World, charm

PROVIDER = charm('provider', provides={'db': 'sql'}, peers={'peers': 'p'})
REQUIRER = charm('requirer', requires={'db': 'sql'})
#: The number of the relation between a and b: the peer relation of a is older.
DB = 1


@pytest.fixture
def world() -> World:
    world = World()
    world.deploy('a', PROVIDER, scale=2)
    world.deploy('b', REQUIRER, scale=2)
    world.model.integrate('a', 'b')
    world.settle()
    world.forget()
    return world


def refused(hook: Hook, *argv: str) -> str:
    result = hook.run(*argv)
    assert result.code == 1
    assert result.stdout == ''
    return result.stderr


# Buffering


def test_a_hook_reads_its_own_writes_and_others_do_not_before_its_end(world: World):
    def write(hook):
        hook.set(DB, {'k': 'v'})
        assert hook.get(DB, 'a/0')['k'] == 'v'
        assert 'k' not in world.model.relations[DB].data['a/0']

    world.in_hook('a/0', write)
    assert world.model.relations[DB].data['a/0']['k'] == 'v'


def test_a_failed_hook_writes_nothing(world: World):
    def write(hook):
        hook.set(DB, {'k': 'v'})
        hook.ok('open-port', '80/tcp')
        hook.ok('state-set', 'k=v')
        hook.ok('secret-add', '--owner', 'unit', 'key=value')
        return 1

    world.once('a/0', 'config-changed', write)
    world.model.application('a').settings['color'] = 'blue'
    world.settle()
    unit = world.model.unit('a/0')
    assert 'k' not in world.model.relations[DB].data['a/0']
    assert unit.failed is not None
    assert unit.ports == set()
    assert unit.state == {}
    assert list(world.model.secrets) == []


def test_statuses_and_the_version_show_even_when_the_hook_fails(world: World):
    def write(hook):
        hook.ok('status-set', '--application=False', 'blocked', '--', 'no luck')
        hook.ok('application-version-set', '--', '1.2')
        return 1

    world.once('a/0', 'update-status', write)
    world.model.unit('a/0').update_status_due = True
    world.settle()
    assert world.model.unit('a/0').workload.message == 'no luck'
    assert world.model.application('a').workload_version == '1.2'


def test_an_empty_value_deletes_its_key(world: World):
    world.in_hook('a/0', lambda hook: hook.set(DB, {'k': 'v', 'l': 'w'}))
    world.in_hook('a/0', lambda hook: hook.set(DB, {'k': ''}))

    def read(hook):
        assert 'k' not in hook.get(DB, 'a/0')
        assert hook.get(DB, 'a/0')['l'] == 'w'

    world.in_hook('b/0', read)


def test_juju_itself_writes_how_to_reach_a_unit():
    world = World()
    world.deploy('a', PROVIDER)
    world.deploy('b', REQUIRER)
    world.model.integrate('a', 'b')
    world.settle()
    expected = {
        'egress-subnets': '10.152.183.20/32',
        'ingress-address': '10.152.183.20',
        'private-address': '10.152.183.20',
    }
    seen = []
    world.in_hook('b/0', lambda hook: seen.append(hook.get(DB, 'a/0')))
    assert seen == [expected]


# relation-changed


def test_a_change_is_told_to_the_others_only(world: World):
    world.in_hook('a/0', lambda hook: hook.set(DB, {'k': 'v'}))
    assert world.take('a/0') == ['update-status']
    assert world.take('a/1') == []
    assert world.take('b/0') == ['db-relation-changed a/0']
    assert world.take('b/1') == ['db-relation-changed a/0']


def test_there_and_back_again_is_silent(world: World):
    def write(hook):
        hook.set(DB, {'k': 'v'})
        hook.set(DB, {'k': ''})

    world.in_hook('a/0', write)
    assert world.take('b/0') == []


def test_writing_what_is_there_is_silent(world: World):
    world.in_hook('a/0', lambda hook: hook.set(DB, {'k': 'v'}))
    world.forget()
    world.in_hook('a/0', lambda hook: hook.set(DB, {'k': 'v'}))
    assert world.take('b/0') == []


def test_a_change_undone_before_it_was_told_is_told_all_the_same(world: World):
    """Juju compares versions, not contents."""
    relation = world.model.relations[DB]
    relation.write('a/0', {'k': 'v'})
    relation.write('a/0', {'k': ''})
    world.settle()
    assert world.take('b/0') == ['db-relation-changed a/0']


def test_peer_application_data_is_told_to_all_but_the_leader_who_wrote_it(world: World):
    world.in_hook('a/0', lambda hook: hook.set(0, {'k': 'v'}, app=True))
    assert world.take('a/0') == ['update-status']
    assert world.take('a/1') == ['peers-relation-changed a']


def test_a_unit_sees_a_remote_databag_as_it_was_when_it_was_last_told(world: World):
    seen: list[str | None] = []

    def note(hook):
        seen.append(hook.get(DB, 'a/0').get('k'))

    world.in_hook('b/0', note)
    world.model.relations[DB].write('a/0', {'k': 'new'})
    # b/0 has another hook first; the new value waits for its relation-changed.
    world.on('b/0', 'config-changed', note)
    world.on('b/0', 'db-relation-changed', note)
    world.model.application('b').settings['color'] = 'blue'
    world.settle()
    assert world.take('b/0')[-2:] == ['config-changed', 'db-relation-changed a/0']
    assert seen == [None, None, 'new']


def test_remote_application_data_is_read_anew_in_every_hook(world: World):
    seen = []
    world.on('b/0', 'config-changed', lambda hook: seen.append(hook.get(DB, 'a', app=True)))
    world.model.relations[DB].write('a', {'k': 'v'})
    world.model.application('b').settings['color'] = 'blue'
    world.settle()
    assert seen == [{'k': 'v'}]


# Departure


def test_a_departed_units_data_stays_readable_but_it_is_listed_no_longer(world: World):
    world.in_hook('a/1', lambda hook: hook.set(DB, {'k': 'v'}))
    seen = {}

    def departed(hook):
        seen['units'] = hook.json('relation-list', '-r', f'db:{DB}')
        seen['data'] = hook.get(DB, 'a/1')['k']

    def later(hook):
        seen['later'] = hook.get(DB, 'a/1')['k']

    world.on('b/0', 'db-relation-departed', departed)
    world.model.set_scale(world.model.application('a'), 1)
    world.settle()
    world.in_hook('b/0', later)
    assert seen == {'units': ['a/0'], 'data': 'v', 'later': 'v'}


def test_a_joining_unit_is_listed_in_its_joined():
    world = World()
    world.deploy('a', PROVIDER)
    world.deploy('b', REQUIRER)
    seen = []
    world.on('b/0', 'db-relation-joined', lambda hook: seen.append(hook.json('relation-list')))
    world.on('b/0', 'db-relation-created', lambda hook: seen.append(hook.json('relation-list')))
    world.model.integrate('a', 'b')
    world.settle()
    assert seen == [[], ['a/0']]


def test_in_broken_the_relation_is_still_there_and_empty_and_afterwards_it_is_gone(world: World):
    seen = {}

    def broken(hook):
        seen['ids'] = hook.json('relation-ids', 'db')
        seen['units'] = hook.json('relation-list', '-r', f'db:{DB}')
        seen['app'] = hook.json('relation-list', '--app', '-r', f'db:{DB}')
        hook.get(DB, 'a', app=True)

    world.on('b/0', 'db-relation-broken', broken)
    world.model.destroy_relation(world.model.relations[DB])
    world.settle()
    assert seen == {'ids': [f'db:{DB}'], 'units': [], 'app': 'a'}

    def after(hook):
        assert hook.json('relation-ids', 'db') == []
        result = hook.run('relation-get', '-r', f'db:{DB}', '-', 'a/0')
        assert result.stderr == (
            f'ERROR invalid value "db:{DB}" for option -r: relation not found\n'
        )

    world.in_hook('b/0', after)


# Permissions


@pytest.mark.parametrize(
    ('unit', 'argv', 'message'),
    [
        # Own application data of a relation that is no peer relation: the leader's alone.
        ('a/1', ('-r', 'db:1', '--app', '-', 'a'), 'permission denied (unauthorized access)'),
        # Other units of the own application, outside of the peer relation.
        ('a/0', ('-r', 'db:1', '-', 'a/1'), 'permission denied (unauthorized access)'),
        # An application that has nothing to do with it.
        ('a/0', ('-r', 'db:1', '--app', '-', 'c'), 'permission denied (unauthorized access)'),
        ('a/0', ('-r', 'db:1', '-', 'b'), 'expected unit name, got application name "b"'),
        (
            'a/0',
            ('-r', 'db:1', '-', 'b/7'),
            (
                'cannot read settings for unit "b/7" in relation "b:db a:db": '
                'unit "b/7": settings not found'
            ),
        ),
    ],
)
def test_reading_is_refused(world: World, unit, argv, message):
    def read(hook):
        assert refused(hook, 'relation-get', '--format=json', *argv) == f'ERROR {message}\n'

    world.in_hook(unit, read)


@pytest.mark.parametrize(
    ('unit', 'argv'),
    [
        ('a/0', ('-r', 'db:1', '--app', '-', 'a')),  # as leader
        ('a/1', ('-r', 'peers:0', '--app', '-', 'a')),  # every unit, in a peer relation
        ('a/1', ('-r', 'peers:0', '-', 'a/0')),
        ('a/1', ('-r', 'db:1', '--app', '-', 'b')),
        ('a/1', ('-r', 'db:1', '-', 'b/1')),
        ('a/1', ('-r', '1', '-', 'a/1')),
    ],
)
def test_reading_is_allowed(world: World, unit, argv):
    world.in_hook(unit, lambda hook: hook.json('relation-get', *argv))


def test_only_the_leader_writes_application_data(world: World):
    def write(hook):
        argv = ('relation-set', '-r', 'db:1', '--app', 'k=v')
        assert refused(hook, *argv) == 'ERROR cannot write relation settings\n'

    world.in_hook('a/1', write)
    world.in_hook('a/0', lambda hook: hook.set(DB, {'k': 'v'}, app=True))
    assert world.model.relations[DB].data['a'] == {'k': 'v'}


@pytest.mark.parametrize(
    ('reference', 'why'),
    [
        ('5', 'relation not found'),
        ('db:5', 'relation not found'),
        ('peers:1', 'relation not found'),
        ('db', 'invalid relation id'),
    ],
)
@pytest.mark.parametrize('tool', ['relation-get', 'relation-list', 'relation-set', 'network-get'])
def test_a_relation_that_is_not_there_is_refused(world: World, tool, reference, why):
    def call(hook):
        result = hook.run(tool, '-r', reference, 'db')
        assert result.stderr == f'ERROR invalid value "{reference}" for option -r: {why}\n'
        assert result.code == 2

    world.in_hook('a/0', call)
