"""Storage in a model: what units get, which hooks say so, what outlives them."""

import pytest
from world import World, charm

from localjuju.model import storage
from localjuju.model.charmmeta import ModelError, Store
from localjuju.model.storage import Directive

DATA = Store('data')
CACHE = Store('cache', minimum=100, least=0, most=3, location='/cache')


def world(*stores: Store, texts: tuple[str, ...] = (), scale: int = 1) -> World:
    """A world with an application `a` that has stores."""
    made = World()
    declared = {store.name: store for store in stores}
    given = storage.directives('charm', declared, texts)
    made.deploy('a', charm(stores=declared), scale=scale, directives=given)
    return made


def attached(made: World, unit: str) -> list[str]:
    return [instance.id for instance in made.model.storages.of(unit)]


# Hooks


def test_storage_is_attached_after_install_and_before_start():
    made = world(DATA)
    made.settle()
    assert made.take('a/0') == [
        'install',
        'leader-elected',
        'data-storage-attached',
        'config-changed',
        'start',
    ]


def test_a_storage_hook_names_its_instance():
    made = world(Store('data', location='/srv'))
    made.settle()
    env = next(e for e in made.envs['a/0'] if e['JUJU_HOOK_NAME'] == 'data-storage-attached')
    assert env['JUJU_STORAGE_ID'] == 'data/0'
    assert env['JUJU_STORAGE_LOCATION'] == '/srv'
    assert env['JUJU_STORAGE_KIND'] == 'filesystem'
    assert 'JUJU_WORKLOAD_NAME' not in env
    assert not any('JUJU_STORAGE_ID' in e for e in made.envs['a/0'] if e is not env)


def test_a_dying_unit_loses_its_storage_first():
    made = World()
    stores = {'data': DATA}
    made.deploy('a', charm(requires={'in': 'i'}, stores=stores), directives={'data': Directive()})
    made.deploy('b', charm(provides={'out': 'i'}))
    made.model.integrate('a', 'b')
    made.settle()
    made.forget()
    made.model.destroy_application(made.model.application('a'))
    made.settle()
    assert made.take('a/0') == [
        'data-storage-detaching',
        'in-relation-departed b/0 (a/0)',
        'in-relation-broken',
        'stop',
        'remove',
    ]


def test_a_failed_hook_holds_storage_back():
    made = world(DATA)
    made.once('a/0', 'leader-elected', lambda hook: 1)
    made.settle()
    assert made.take('a/0') == ['install', 'leader-elected']
    made.now += 10
    made.settle()
    assert made.take('a/0')[:2] == ['leader-elected', 'data-storage-attached']


def test_storage_is_attached_once_whatever_happens_to_the_pod():
    from localjuju.model import rollout

    made = world(DATA)
    made.settle()
    made.forget()
    unit = made.model.unit('a/0')
    rollout.pod_is_going(unit, made.now)
    made.settle()
    rollout.pod_is_gone(unit, made.now)
    made.settle()
    assert made.take('a/0') == ['stop', 'upgrade-charm', 'config-changed', 'start']
    assert attached(made, 'a/0') == ['data/0']


# Instances


def test_each_unit_has_its_own_and_ids_count_through_the_model():
    made = world(DATA, CACHE, texts=('cache=2',), scale=2)
    assert attached(made, 'a/0') == ['cache/0', 'cache/1', 'data/2']
    assert attached(made, 'a/1') == ['cache/3', 'cache/4', 'data/5']


@pytest.mark.parametrize(
    ('store', 'index', 'charm_path', 'workload_path'),
    [
        (Store('data'), 0, '/var/lib/juju/storage/data/0', '/var/www'),
        (Store('data', location='/srv'), 0, '/srv', '/var/www'),
        (Store('data', most=2, location='/srv'), 1, '/srv/data/1', '/var/www/1'),
        (Store('data', most=None), 1, '/var/lib/juju/storage/data/1', '/var/www/1'),
    ],
)
def test_where_an_instance_is(store: Store, index: int, charm_path: str, workload_path: str):
    instance = storage.Instance('data/7', store, 1, 'a/0', index)
    assert instance.location == charm_path
    assert instance.location_in('/var/www') == workload_path
    assert instance.location_in('') == charm_path


def test_a_unit_that_comes_back_gets_its_data_back():
    made = world(DATA, scale=2)
    made.settle()
    app = made.model.application('a')
    made.model.set_scale(app, 1)
    made.settle()
    assert made.model.storages.find('data/1').unit == ''
    made.forget()
    made.model.set_scale(app, 2)
    made.settle()
    assert attached(made, 'a/1') == ['data/1']
    assert 'data-storage-attached' in made.take('a/1')


def test_a_new_application_of_the_same_name_starts_without_the_data():
    made = world(DATA)
    made.settle()
    made.model.destroy_application(made.model.application('a'))
    made.settle()
    assert made.model.storages.find('data/0').unit == ''
    made.deploy('a', charm(stores={'data': DATA}), directives={'data': Directive()})
    assert attached(made, 'a/0') == ['data/1']


def test_storage_is_destroyed_with_its_application_on_request():
    made = world(DATA, scale=2)
    made.settle()
    made.model.set_scale(made.model.application('a'), 1)
    made.settle()
    made.model.destroy_application(made.model.application('a'), destroy_storage=True)
    made.settle()
    # What a former unit left behind is not this application's any more.
    assert list(made.model.storages.instances) == ['data/1']


def test_a_unit_that_never_installed_leaves_its_storage():
    made = world(DATA)
    unit = made.model.unit('a/0')
    made.model.destroy_application(made.model.application('a'))
    made.model.bury(unit)
    assert made.model.storages.find('data/0').unit == ''


def test_only_detached_storage_is_removed():
    made = world(DATA)
    with pytest.raises(ModelError, match='storage is attached'):
        made.model.storages.remove('data/0')
    made.model.storages.detach('data/0', made.now)
    made.model.storages.remove('data/0')
    with pytest.raises(ModelError, match='storage "data/0" not found'):
        made.model.storages.remove('data/0')


# Hook tools


def test_a_charm_lists_and_finds_its_own_storage():
    made = world(DATA, CACHE, texts=('cache=2',), scale=2)
    made.settle()

    def script(hook):
        assert hook.json('storage-list') == ['cache/0', 'cache/1', 'data/2']
        assert hook.json('storage-list', 'data') == ['data/2']
        assert hook.json('storage-list', 'none') == []
        assert hook.json('storage-get', '-s', 'cache/1') == {
            'kind': 'filesystem', 'location': '/cache/cache/1',
        }  # fmt: skip
        assert hook.ok('storage-get', '-s', 'data/2', 'location').strip().endswith('/data/0')
        missing = hook.run('storage-get', '-s', 'data/5')
        why = 'ERROR invalid value "data/5" for option -s: storage not found\n'
        assert (missing.code, missing.stderr) == (2, why)
        assert hook.run('storage-get').code == 2
        assert 'invalid storage attribute' in hook.run('storage-get', '-s', 'data/2', 'x').stderr
        assert 'not supported' in hook.run('storage-add', 'data=1').stderr

    made.in_hook('a/0', script)


def test_in_its_hook_an_instance_needs_no_name():
    made = world(DATA)
    seen = []
    made.on('a/0', 'data-storage-attached', lambda hook: seen.append(hook.json('storage-get')))
    made.settle()
    assert seen == [{'kind': 'filesystem', 'location': '/var/lib/juju/storage/data/0'}]


# What users and charms write


@pytest.mark.parametrize(
    ('text', 'directive'),
    [
        ('data=2G', Directive(2048)),
        ('data=1', Directive(500)),
        ('data=kubernetes', Directive(500)),
        ('data=kubernetes,1,0.5T', Directive(512 * 1024)),
        ('data=501MiB,kubernetes', Directive(501)),
    ],
)
def test_a_directive_is_read(text, directive):
    store = Store('data', minimum=500)
    assert storage.directives('c', {'data': store}, [text]) == {'data': directive}


def test_without_a_directive_the_charm_decides():
    stores = {'data': DATA, 'cache': CACHE, 'logs': Store('logs', minimum=50, least=2, most=None)}
    assert storage.directives('c', stores, []) == {
        'data': Directive(1024), 'logs': Directive(50, 2),
    }  # fmt: skip


@pytest.mark.parametrize(
    ('texts', 'why'),
    [
        (['web=1G'], 'charm "c" has no store called "web"'),
        (['data'], 'expected <store>=<constraints>, got "data"'),
        (['data='], 'storage constraints require at least one field to be specified'),
        (['data=1G', 'data=2G'], 'storage "data" specified more than once'),
        (['data=2'], 'charm "c" store "data": storage is singular, 2 specified'),
        (['data=0'], 'cannot parse count: count must be greater than zero, got "0"'),
        (['data=-1G'], 'cannot parse size: expected a non-negative number, got "-1G"'),
        (['data=1X!'], 'unrecognized storage constraint "1X!" not valid'),
        (['data=ebs'], 'storage pool "ebs" is not supported locally (only kubernetes)'),
        (['data=ebs,ssd'], 'pool name is already set to "ebs", new value "ssd"'),
        (['cache=4'], 'charm "c" store "cache": at most 3 instances supported, 4 specified'),
        (
            ['cache=99M'],
            'charm "c" store "cache": minimum storage size is 100 MB, 99 MB specified',
        ),
    ],
)
def test_a_directive_is_refused(texts, why):
    with pytest.raises(ModelError) as caught:
        storage.directives('c', {'data': DATA, 'cache': CACHE}, texts)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ('text', 'bounds'),
    [('2', (2, 2)), ('0-1', (0, 1)), ('1+', (1, None)), ('3-', (3, None)), ('1-10', (1, 10))],
)
def test_a_range_is_read(text, bounds):
    assert storage.counts(text) == bounds


@pytest.mark.parametrize('text', ['', 'x', '-1', '1..2'])
def test_no_range(text):
    with pytest.raises(ModelError, match='cannot parse storage range'):
        storage.counts(text)


@pytest.mark.parametrize(('text', 'mib'), [('1G', 1024), ('0.1G', 103), ('700', 700), ('5M', 5)])
def test_a_minimum_size_is_read(text, mib):
    assert storage.minimum_size(text) == mib


# Refresh


@pytest.mark.parametrize(
    ('stores', 'why'),
    [
        ([CACHE], 'required storage "data" removed'),
        ([DATA], 'in-use storage "cache" removed'),
        ([Store('data', location='/x'), CACHE], 'location changed from "" to "/x"'),
        ([Store('data', read_only=True), CACHE], 'read-only changed from "false" to "true"'),
        ([DATA, Store('cache', 100, 0, 2, '/cache')], '"cache" range contracted'),
        ([DATA, CACHE, Store('new')], 'required storage "new" added: not possible'),
    ],
)
def test_a_charm_with_other_storage_cannot_follow(stores, why):
    made = world(DATA, CACHE, texts=('cache=1',))
    app = made.model.application('a')
    with pytest.raises(ModelError, match=why) as caught:
        made.model.refresh(app, charm(stores={store.name: store for store in stores}))
    assert str(caught.value).startswith('cannot upgrade application "a": ')
    assert app.charm_version == 1


def test_a_charm_may_drop_a_store_that_nobody_uses():
    made = world(DATA, CACHE)
    made.model.refresh(made.model.application('a'), charm(stores={'data': DATA}))
    assert made.model.application('a').charm_version == 2


def test_a_charm_that_follows_leaves_the_storage_alone():
    made = world(DATA)
    made.settle()
    made.forget()
    wider = {'data': DATA, 'cache': CACHE}
    made.model.refresh(made.model.application('a'), charm(stores=wider))
    made.settle()
    assert made.take('a/0') == ['upgrade-charm', 'config-changed']
    assert attached(made, 'a/0') == ['data/0']
