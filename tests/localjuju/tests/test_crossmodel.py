"""Relations between models: what each side sees, and what remains when one of them is lost."""

import re
from collections.abc import Callable

import pytest
from pair import APP, SHOP, Pair
from world import Hook, charm

from localjuju.controller import statusview
from localjuju.model import crossmodel
from localjuju.model.charmmeta import ModelError

DB = charm('db', provides={'db': 'sql', 'metrics': 'scrape'})
WEB = charm('web', requires={'db': 'sql'})


@pytest.fixture
def pair() -> Pair:
    """A web server with two units, related to a database with two units in another model."""
    pair = Pair()
    pair.shop.deploy('db', DB, scale=2)
    pair.app.deploy('web', WEB, scale=2)
    crossmodel.offer(pair.shop.model, 'db', ['db'])
    pair.consume('db', 'storage')
    pair.integrate('web', 'storage')
    pair.settle()
    return pair


def proxy(pair: Pair) -> str:
    """The consuming application's name in the offering model."""
    (relation,) = pair.shop.model.relations.values()
    return relation.remote('db').app


def read(hook: Hook, name: str, *, app: bool = False) -> dict[str, str]:
    (relation,) = hook.json('relation-ids', 'db')
    return hook.get(int(relation.partition(':')[2]), name, app=app)


def knows(relations: list[str]) -> Callable[[Hook], None]:
    """A script that finds these relations."""

    def look(hook: Hook) -> None:
        assert hook.json('relation-ids', 'db') == relations

    return look


def refusal(hook: Hook, tool: str, *argv: str) -> str:
    result = hook.run(tool, '-r', '0', *argv)
    assert result.code == 1
    return result.stderr


# Names and order


def test_each_side_sees_the_other_under_its_own_name_for_it(pair: Pair):
    remote = proxy(pair)
    assert re.fullmatch('remote-[0-9a-f]{32}', remote)
    assert pair.app.take('web/0')[-5:] == [
        'start',
        'db-relation-joined storage/0',
        'db-relation-changed storage/0',
        'db-relation-joined storage/1',
        'db-relation-changed storage/1',
    ]
    assert pair.shop.take('db/1')[-4:] == [
        f'db-relation-joined {remote}/0',
        f'db-relation-changed {remote}/0',
        f'db-relation-joined {remote}/1',
        f'db-relation-changed {remote}/1',
    ]
    env = pair.shop.envs['db/1'][-1]
    assert (env['JUJU_REMOTE_APP'], env['JUJU_REMOTE_UNIT']) == (remote, f'{remote}/1')


def test_tools_name_the_other_side_and_its_model(pair: Pair):
    def look(hook: Hook, other: str, uuid: str) -> None:
        assert hook.json('relation-list', '-r', '0') == [f'{other}/0', f'{other}/1']
        assert hook.json('relation-list', '-r', '0', '--app') == other
        assert hook.json('relation-model-get', '-r', '0') == {'uuid': uuid}

    pair.app.in_hook('web/0', lambda hook: look(hook, 'storage', SHOP))
    pair.shop.in_hook('db/0', lambda hook: look(hook, proxy(pair), APP))


def test_all_relations_of_an_application_have_one_remote_application():
    pair = Pair()
    pair.shop.deploy('db', DB)
    pair.app.deploy('web', charm('web', requires={'db': 'sql', 'metrics': 'scrape'}))
    crossmodel.offer(pair.shop.model, 'db', ['db', 'metrics'])
    pair.consume('db')
    pair.integrate('web:db', 'db')
    pair.integrate('web:metrics', 'db')
    names = {relation.remote('db').app for relation in pair.shop.model.relations.values()}
    assert len(names) == 1
    pair.app.deploy('other', WEB)
    pair.integrate('other', 'db:db')
    names = {relation.remote('db').app for relation in pair.shop.model.relations.values()}
    assert len(names) == 2


# Databags


def test_units_and_applications_read_each_others_data(pair: Pair):
    remote = proxy(pair)
    pair.forget()
    leader = pair.shop.model.application('db').leader
    pair.shop.in_hook(leader, lambda hook: hook.set(0, {'name': 'shop'}, app=True))
    pair.app.in_hook('web/1', lambda hook: hook.set(0, {'wish': 'table'}))
    pair.settle()
    assert pair.app.take('web/0') == ['db-relation-changed storage']
    assert pair.shop.take('db/1') == [f'db-relation-changed {remote}/1']
    seen = []
    pair.app.in_hook('web/0', lambda hook: seen.append(read(hook, 'storage', app=True)))
    pair.shop.in_hook('db/1', lambda hook: seen.append(read(hook, f'{remote}/1')['wish']))
    assert seen == [{'name': 'shop'}, 'table']


def test_a_key_is_removed_on_the_other_side_too(pair: Pair):
    pair.app.in_hook('web/0', lambda hook: hook.set(0, {'a': '1', 'b': '2'}))
    pair.settle()
    pair.app.in_hook('web/0', lambda hook: hook.set(0, {'a': ''}))
    pair.settle()
    bag = pair.shop.model.relations[0].data[f'{proxy(pair)}/0']
    assert (bag.get('a'), bag.get('b')) == (None, '2')


def test_the_same_data_again_changes_nothing(pair: Pair):
    relation = pair.app.model.relations[0]
    half = crossmodel.half(pair.app.model, relation)
    assert relation.across
    other = crossmodel.by_token(pair.shop.model, relation.across.token)
    assert other
    assert not crossmodel.apply(pair.shop.model, other, half)


# Units come and go


def test_a_new_unit_joins_and_a_removed_one_departs(pair: Pair):
    remote = proxy(pair)
    pair.forget()
    pair.app.model.set_scale(pair.app.model.application('web'), 3)
    pair.settle()
    assert pair.shop.take('db/0') == [
        f'db-relation-joined {remote}/2',
        f'db-relation-changed {remote}/2',
    ]
    pair.app.in_hook('web/2', lambda hook: hook.set(0, {'k': 'v'}))
    pair.settle()
    pair.forget()
    pair.app.model.set_scale(pair.app.model.application('web'), 2)
    pair.settle()
    assert pair.shop.take('db/0') == [f'db-relation-departed {remote}/2 ({remote}/2)']
    # A departed unit's data stays readable.
    pair.shop.in_hook('db/0', lambda hook: read(hook, f'{remote}/2')['k'])


@pytest.mark.parametrize('side', ['app', 'shop'])
def test_either_side_removes_the_relation(pair: Pair, side: str):
    pair.forget()
    world = pair.worlds[side]
    world.model.destroy_relation(world.model.relations[0])
    pair.settle()
    remote = [told for told in pair.app.take('web/0') if 'broken' not in told]
    assert remote == [f'db-relation-departed storage/{n} (storage/{n})' for n in (0, 1)]
    assert pair.shop.take('db/1')[-1] == 'db-relation-broken'
    assert pair.app.model.relations == pair.shop.model.relations == {}
    assert pair.app.model.saas['storage'].status.current != 'terminated'


def test_removing_the_saas_removes_its_relations(pair: Pair):
    pair.forget()
    crossmodel.remove_saas(pair.app.model, 'storage')
    pair.settle()
    assert pair.app.take('web/1')[-1] == 'db-relation-broken'
    assert pair.shop.take('db/1')[-1] == 'db-relation-broken'
    assert pair.app.model.saas == {}


def test_removing_the_consuming_application_breaks_the_other_side(pair: Pair):
    pair.forget()
    pair.app.model.destroy_application(pair.app.model.application('web'))
    pair.settle()
    assert pair.shop.take('db/1')[-1] == 'db-relation-broken'
    assert pair.app.model.applications == {}


# Offers


def test_an_offer_in_use_is_not_removed(pair: Pair):
    why = 'cannot delete application offer "db": offer has 1 relation'
    with pytest.raises(ModelError, match=why):
        crossmodel.remove_offer(pair.shop.model, 'db')


def test_an_offer_without_relations_goes_and_the_saas_says_so(pair: Pair):
    pair.app.model.destroy_relation(pair.app.model.relations[0])
    pair.settle()
    crossmodel.remove_offer(pair.shop.model, 'db')
    pair.settle()
    status = pair.app.model.saas['storage'].status
    assert (status.current, status.message) == ('terminated', 'offer has been removed')


@pytest.mark.parametrize(
    ('endpoints', 'why'),
    [(['db', 'none'], 'application "db" has no "none" relation'), (['peers'], 'has no "peers"')],
)
def test_only_endpoints_that_exist_are_offered(endpoints, why):
    pair = Pair()
    pair.shop.deploy('db', charm('db', provides={'db': 'sql'}, peers={'peers': 'p'}))
    with pytest.raises(ModelError, match=why):
        crossmodel.offer(pair.shop.model, 'db', endpoints)


def test_the_offered_endpoints_limit_counts():
    pair = Pair()
    pair.shop.deploy('db', charm('db', provides={'db': 'sql'}, limits={'db': 1}))
    crossmodel.offer(pair.shop.model, 'db', ['db'])
    pair.consume('db')
    for app in 'one', 'two':
        pair.app.deploy(app, WEB)
    pair.integrate('one', 'db')
    with pytest.raises(ModelError, match='would exceed its maximum relation limit of 1'):
        pair.integrate('two', 'db')


def test_an_endpoint_that_is_not_offered_is_unknown(pair: Pair):
    assert 'metrics' not in pair.app.model.saas['storage'].endpoints
    with pytest.raises(ModelError, match='application "storage" has no "metrics" relation'):
        pair.app.model.ends_of('web', 'storage:metrics')


def test_a_saas_and_an_application_cannot_share_a_name(pair: Pair):
    with pytest.raises(ModelError, match='remote application already exists'):
        pair.app.deploy('storage', WEB)
    with pytest.raises(ModelError, match='application already exists'):
        pair.consume('db', 'web')


def test_the_saas_shows_the_status_of_the_offered_application(pair: Pair):
    pair.shop.in_hook('db/0', lambda hook: hook.ok('status-set', 'blocked', '--', 'full'))
    pair.settle()
    status = pair.app.model.saas['storage'].status
    assert (status.current, status.message) == ('blocked', 'full')


# Force: a relation that is listed and refuses


def forced_offer(pair: Pair) -> str:
    crossmodel.remove_offer(pair.shop.model, 'db', force=True)
    return 'web/0'


def forced_provider(pair: Pair) -> str:
    for relation in pair.shop.model.relations_of('db'):
        crossmodel.sever(pair.shop.model, relation)
    pair.shop.model.destroy_application(pair.shop.model.application('db'))
    return 'web/0'


def forced_consumer(pair: Pair) -> str:
    for relation in pair.app.model.relations_of('web'):
        crossmodel.sever(pair.app.model, relation)
    pair.app.model.destroy_application(pair.app.model.application('web'))
    return 'db/0'


def killed_provider(pair: Pair) -> str:
    pair.alive.discard('shop')
    return 'web/0'


def killed_consumer(pair: Pair) -> str:
    pair.alive.discard('app')
    return 'db/0'


def forced_saas(pair: Pair) -> str:
    crossmodel.remove_saas(pair.app.model, 'storage', force=True)
    return 'web/0'


LOSSES = [
    forced_offer,
    forced_provider,
    forced_consumer,
    killed_provider,
    killed_consumer,
    forced_saas,
]


@pytest.mark.parametrize('lose', LOSSES)
def test_who_lost_the_other_side_lists_a_relation_that_refuses(pair: Pair, lose):
    pair.forget()
    unit = lose(pair)
    other = 'storage' if unit == 'web/0' else proxy(pair)
    pair.settle()
    world = pair.app if unit == 'web/0' else pair.shop
    assert world.take(unit) == []

    def look(hook: Hook) -> None:
        assert hook.json('relation-ids', 'db') == ['db:0']
        assert hook.json('relation-list', '-r', '0') == [f'{other}/0', f'{other}/1']
        assert hook.json('relation-list', '-r', '0', '--app') == other
        for tool, *argv in (
            ('relation-get', '-', f'{other}/0'),
            ('relation-get', '-', unit),
            ('relation-get', '--app', '-', other),
            ('relation-set', 'k=v'),
            ('relation-model-get',),
        ):
            assert refusal(hook, tool, *argv) == 'ERROR permission denied\n'

    world.in_hook(unit, look)


@pytest.mark.parametrize('lose', LOSSES)
def test_a_relation_that_refuses_breaks_when_it_is_removed(pair: Pair, lose):
    world = pair.app if lose(pair) == 'web/0' else pair.shop
    pair.settle()
    pair.forget()
    world.model.destroy_relation(world.model.relations[0])
    pair.settle()
    (told, *_) = [world.take(unit) for unit in ('web/0', 'db/0') if unit in world.seen]
    assert told[-1] == 'db-relation-broken'
    assert world.model.relations == {}


def test_the_side_that_forces_has_an_orderly_end(pair: Pair):
    pair.forget()
    forced_offer(pair)
    pair.settle()
    assert pair.shop.take('db/0')[-1] == 'db-relation-broken'
    assert pair.shop.model.relations == {}


def test_a_unit_that_comes_later_does_not_know_the_lost_relation(pair: Pair):
    forced_offer(pair)
    pair.settle()
    pair.app.model.set_scale(pair.app.model.application('web'), 3)
    pair.settle()
    pair.app.in_hook('web/2', knows([]))


def test_a_lost_relation_does_not_prevent_a_new_one(pair: Pair):
    forced_saas(pair)
    pair.settle()
    pair.consume('db', 'storage')
    pair.integrate('web', 'storage')
    pair.settle()
    pair.app.in_hook('web/0', knows(['db:0', 'db:1']))
    assert pair.app.model.find_relation('web', 'storage').id == 1


def test_a_model_that_ends_in_good_order_ends_its_offers(pair: Pair):
    pair.exchange('shop').end()
    pair.alive.discard('shop')
    pair.settle()
    assert pair.app.model.saas['storage'].status.current == 'terminated'
    assert pair.app.model.relations[0].is_refused
    assert pair.parted == [('app', 'shop')]


def test_a_relation_that_is_dying_when_the_other_model_ends_stays_readable(pair: Pair):
    pair.app.in_hook('web/0', lambda hook: hook.set(0, {'wish': 'table'}))
    pair.settle()
    pair.app.model.destroy_application(pair.app.model.application('web'))
    pair.exchange('app').end()
    pair.alive.discard('app')
    wishes = []

    def read_wish(hook: Hook) -> None:
        wishes.append(hook.get(0, f'{remote}/0')['wish'])

    remote = proxy(pair)
    pair.shop.once('db/0', 'db-relation-broken', read_wish)
    pair.settle()
    assert wishes == ['table']
    assert pair.shop.model.relations == {}


def test_a_model_that_dies_shows_as_an_error(pair: Pair):
    killed_provider(pair)
    pair.settle()
    status = pair.app.model.saas['storage'].status
    assert status.current == 'error'
    assert status.message == 'model "shop" is gone: its controller does not answer'
    assert pair.parted == [('app', 'shop')]


def test_a_model_that_hangs_hears_everything_later(pair: Pair):
    pair.hanging.add('shop')
    pair.app.in_hook('web/1', lambda hook: hook.set(0, {'wish': 'table'}))
    pair.settle()
    assert not pair.app.model.relations[0].is_refused
    pair.hanging.clear()
    pair.settle()
    assert pair.shop.model.relations[0].data[f'{proxy(pair)}/1']['wish'] == 'table'
    pair.hanging.add('shop')
    pair.app.model.destroy_relation(pair.app.model.relations[0])
    pair.app.settle()
    pair.exchange('app').speak()
    pair.hanging.clear()
    pair.settle()
    assert pair.shop.model.relations == {}


def test_a_relation_that_only_the_offering_side_made_goes_again(pair: Pair):
    pair.app.deploy('other', WEB)
    saas = pair.app.model.saas['storage']
    introduction = crossmodel.introduce(pair.app.model, pair.app.model.ends_of('other', 'storage'))
    pair.ask('shop', 'connect-offer', uuid=SHOP, **introduction)
    assert len(pair.shop.model.relations) == 2
    crossmodel.retract(pair.app.model, saas, introduction['token'])
    pair.settle()
    assert len(pair.shop.model.relations) == 1


def test_a_new_model_of_the_same_name_is_another_one(pair: Pair):
    pair.shop.model.uuid = 'another'
    pair.settle()
    assert pair.app.model.saas['storage'].status.current == 'error'
    assert pair.app.model.relations[0].is_refused


# Secrets


def grant(pair: Pair, **content: str) -> str:
    """A secret of db's leader, granted to web."""
    uris = []

    def add(hook: Hook) -> None:
        pairs = [f'{key}={value}' for key, value in content.items()]
        uris.append(hook.ok('secret-add', '--owner', 'application', *pairs).strip())
        hook.ok('secret-grant', '--relation', '0', uris[0])

    pair.shop.in_hook(pair.shop.model.application('db').leader, add)
    pair.settle()
    return uris[0]


def secret(pair: Pair, unit: str, *argv: str) -> list[str]:
    said = []

    def get(hook: Hook) -> None:
        result = hook.run('secret-get', *argv)
        said.append(result.stdout.strip() or result.stderr.strip())

    pair.app.in_hook(unit, get)
    pair.settle()
    return said


def test_a_granted_secret_is_readable_in_the_other_model(pair: Pair):
    uri = grant(pair, password='one')
    assert secret(pair, 'web/1', uri, 'password') == ['one']
    other = f'secret://{SHOP}/{uri.removeprefix("secret:")}'
    assert secret(pair, 'web/0', other, 'password') == ['one']


def test_a_new_revision_is_announced_and_the_old_one_kept_while_it_is_read(pair: Pair):
    uri = grant(pair, password='one')
    assert secret(pair, 'web/1', uri, 'password') == ['one']
    pair.forget()
    leader = pair.shop.model.application('db').leader
    pair.shop.in_hook(leader, lambda hook: hook.ok('secret-set', uri, 'password=two'))
    pair.settle()
    assert pair.app.take('web/1') == ['secret-changed']
    assert pair.app.take('web/0') == []
    assert pair.shop.take(leader) == ['update-status']
    assert secret(pair, 'web/1', uri, 'password') == ['one']
    assert secret(pair, 'web/1', uri, 'password', '--refresh') == ['two']
    # Nobody reads the old one any more.
    assert pair.shop.take(leader) == ['secret-remove']


def test_a_revoked_secret_is_refused_and_a_removed_one_unknown(pair: Pair):
    uri = grant(pair, password='one')
    leader = pair.shop.model.application('db').leader
    pair.shop.in_hook(leader, lambda hook: hook.ok('secret-revoke', '--relation', '0', uri))
    pair.settle()
    assert secret(pair, 'web/1', uri) == ['ERROR permission denied']
    pair.shop.in_hook(leader, lambda hook: hook.ok('secret-remove', uri))
    pair.settle()
    (said,) = secret(pair, 'web/1', uri)
    assert said == f'ERROR secret "{uri.removeprefix("secret:")}" not found'


def test_a_secret_ends_with_its_relation(pair: Pair):
    grant(pair, password='one')
    pair.app.model.destroy_relation(pair.app.model.relations[0])
    pair.settle()
    assert list(pair.app.model.secrets) == []


def test_a_secret_of_the_consumer_reaches_the_offering_side(pair: Pair):
    uris: list[str] = []

    def add(hook: Hook) -> None:
        uris.append(hook.ok('secret-add', '--owner', 'unit', 'key=value').strip())
        hook.ok('secret-grant', '--relation', '0', '--unit', 'storage/0', uris[0])

    pair.app.in_hook('web/0', add)
    pair.settle()
    said = []

    def get(hook: Hook) -> None:
        said.append(hook.run('secret-get', uris[0], 'key'))

    pair.shop.in_hook('db/0', get)
    pair.shop.in_hook('db/1', get)
    assert [(r.code, r.stdout) for r in said] == [(0, 'value\n'), (1, '')]


# Status


def test_both_models_show_their_side(pair: Pair):
    (shown,) = statusview.status(pair.app.model, 0)['application-endpoints'].items()
    name, saas = shown
    assert name == 'storage'
    assert saas['url'] == 'localjuju:admin/shop.db'
    assert saas['endpoints'] == {'db': {'interface': 'sql', 'role': 'provider'}}
    assert saas['relations'] == {'db': ['web']}
    offer = statusview.status(pair.shop.model, 0)['offers']['db']
    assert (offer['active-connected-count'], offer['total-connected-count']) == (1, 1)
    killed_consumer(pair)
    pair.settle()
    offer = statusview.status(pair.shop.model, 0)['offers']['db']
    assert (offer['active-connected-count'], offer['total-connected-count']) == (0, 1)


def test_jubilant_understands_saas_and_offers(pair: Pair):
    statustypes = pytest.importorskip('jubilant.statustypes')
    parsed = {
        name: statustypes.Status._from_dict(statusview.status(world.model, 0))
        for name, world in pair.worlds.items()
    }
    saas = parsed['app'].app_endpoints['storage']
    assert (saas.app_status.current, saas.relations) == ('unknown', {'db': ['web']})
    assert saas.endpoints['db'].interface == 'sql'
    assert parsed['shop'].offers['db'].endpoints['db'].role == 'provider'
    assert parsed['shop'].offers['db'].active_connected_count == 1


def test_offers_list_their_connections(pair: Pair):
    shown = pair.ask('shop', 'offers')['db']
    assert shown['offer-url'] == 'admin/shop.db'
    (connection,) = shown['connections']
    assert connection['source-model-uuid'] == APP
    assert (connection['relation-id'], connection['endpoint']) == (0, 'db')
    assert connection['status'] == {'current': 'joined'}


def test_the_secrets_of_another_model_are_not_listed(pair: Pair):
    grant(pair, password='one')
    assert len(pair.ask('shop', 'secrets', owner='')) == 1
    assert pair.ask('app', 'secrets', owner='') == {}


def test_an_offered_application_is_removed_only_by_force(pair: Pair):
    why = 'cannot destroy application "db": application is used by 1 consumer'
    with pytest.raises(ModelError, match=why):
        pair.ask('shop', 'remove-application', app='db')
    assert pair.shop.model.offers
