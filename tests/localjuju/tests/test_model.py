"""The model: integrating, limits, configuration, scale."""

import pytest
from world import World, charm

from localjuju.model.charmmeta import ModelError, Option, parse_option, parse_settings

CLIENT = charm('client', requires={'db': 'sql', 'cache': 'kv', 'web': 'http'}, limits={'cache': 1})
SERVER = charm('server', provides={'db': 'sql', 'kv': 'kv', 'spare': 'sql'})


def world() -> World:
    world = World()
    world.deploy('c', CLIENT)
    world.deploy('s', SERVER)
    world.deploy('t', SERVER)
    return world


@pytest.mark.parametrize(
    ('one', 'other', 'key'),
    [
        ('c:cache', 's:kv', 'c:cache s:kv'),
        ('s:kv', 'c:cache', 'c:cache s:kv'),
        ('c:cache', 's', 'c:cache s:kv'),
        ('s:kv', 'c', 'c:cache s:kv'),
        ('c', 's:spare', 'c:db s:spare'),
    ],
)
def test_integrating_finds_the_endpoints(one, other, key):
    assert str(world().model.integrate(one, other)) == key


@pytest.mark.parametrize(
    ('one', 'other', 'why'),
    [
        ('c', 'x', 'application "x" not found'),
        ('c:nothing', 's', 'application "c" has no "nothing" relation'),
        ('c:web', 's', 'no relations found'),
        ('s', 't', 'no relations found'),
        (
            'c:db',
            's',
            'ambiguous relation: "c:db s" could refer to "c:db s:db"; "c:db s:spare"',
        ),
    ],
)
def test_integrating_is_refused(one, other, why):
    with pytest.raises(ModelError) as caught:
        world().model.integrate(one, other)
    assert str(caught.value) == why


def test_a_relation_is_there_only_once():
    model = world().model
    model.integrate('c:cache', 's:kv')
    with pytest.raises(ModelError, match='relation c:cache s:kv already exists'):
        model.integrate('s:kv', 'c:cache')


def test_an_endpoint_has_a_limit():
    model = world().model
    model.integrate('c:cache', 's:kv')
    with pytest.raises(ModelError, match='exceed its maximum relation limit of 1'):
        model.integrate('c:cache', 't:kv')


def test_a_relation_is_found_as_it_was_made():
    model = world().model
    relation = model.integrate('c:cache', 's:kv')
    assert model.find_relation('s', 'c') is relation
    with pytest.raises(ModelError, match='relation "c:db s:db" not found'):
        model.find_relation('c:db', 's:db')


ID = '9m4e2mr0ui3e8a215n4g'


@pytest.mark.parametrize(
    ('kind', 'text', 'value'),
    [
        ('string', 'x', 'x'),
        ('string', '1', '1'),
        ('int', '-3', -3),
        ('float', '0.5', 0.5),
        ('boolean', 'true', True),
        ('boolean', 'False', False),
        ('boolean', '0', False),
        ('secret', f'secret:{ID}', f'secret:{ID}'),
        ('secret', f'secret://uuid/{ID}', f'secret://uuid/{ID}'),
        ('secret', '', ''),
    ],
)
def test_config_values_have_types(kind, text, value):
    assert parse_option(Option('o', kind), text) == value


@pytest.mark.parametrize(
    ('kind', 'text'),
    [
        ('int', '1.5'),
        ('int', ''),
        ('float', 'x'),
        ('boolean', 'yes'),
        ('secret', ID),
        ('secret', 'secret:abc'),
    ],
)
def test_config_values_of_another_type_are_refused(kind, text):
    with pytest.raises(ModelError) as caught:
        parse_option(Option('o', kind), text)
    assert str(caught.value) == f'option "o" expected {kind}, got "{text}"'


def test_an_unknown_option_is_named():
    with pytest.raises(ModelError, match='unknown option "colour"'):
        parse_settings(charm(), {'colour': 'red'})


def test_a_refresh_may_not_take_away_an_endpoint_in_use():
    model = world().model
    model.integrate('c:cache', 's:kv')
    with pytest.raises(ModelError, match='would break relation "c:cache s:kv"'):
        model.refresh(model.application('s'), charm('server', provides={'db': 'sql'}))


def test_a_refresh_adds_new_peer_relations_and_forgets_settings_of_options_that_are_gone():
    world = World()
    world.deploy('a', charm(options={'old': Option('old', 'string')}), settings={'old': 'x'})
    world.settle()
    world.model.refresh(world.model.application('a'), charm(peers={'peers': 'p'}, options={}))
    world.settle()
    assert world.take('a/0')[-3:] == ['peers-relation-created', 'upgrade-charm', 'config-changed']
    assert world.model.application('a').config() == {}


@pytest.mark.parametrize('number', [0, 1])
def test_the_leader_is_followed_by_a_living_unit(number):
    world = World()
    world.deploy('a', scale=2)
    world.settle()
    app = world.model.application('a')
    if number:
        world.model.depose(app)
    world.model.set_scale(app, 1)
    world.settle()
    assert app.leader == 'a/0'


def test_an_only_unit_cannot_be_deposed():
    world = World()
    world.deploy('a')
    with pytest.raises(ModelError, match='no other unit is alive'):
        world.model.depose(world.model.application('a'))


def test_scaled_to_nothing_and_back_there_is_a_leader_again():
    world = World()
    world.deploy('a')
    world.settle()
    app = world.model.application('a')
    world.model.set_scale(app, 0)
    world.settle()
    assert (app.leader, app.units) == ('', {})
    world.model.set_scale(app, 1)
    world.settle()
    assert app.leader == 'a/0'
    assert world.take('a/0').count('leader-elected') == 2


def test_a_scale_below_nothing_is_refused():
    world = World()
    world.deploy('a')
    with pytest.raises(ModelError, match='cannot remove more units'):
        world.model.set_scale(world.model.application('a'), -1)


def test_a_number_is_not_given_away_before_its_unit_is_gone():
    world = World()
    world.deploy('a', scale=2)
    world.settle()
    app = world.model.application('a')
    leaver = world.model.unit('a/1')
    world.model.set_scale(app, 1)
    world.model.set_scale(app, 2)
    assert app.units['a/1'] is leaver
    world.settle()
    assert app.units['a/1'] is not leaver
    assert world.take('a/1')[-4:] == [
        'install',
        'leader-settings-changed',
        'config-changed',
        'start',
    ]


def test_units_are_found_by_name_and_by_lead():
    world = World()
    world.deploy('a', scale=2)
    assert world.model.unit('a/leader').name == 'a/0'
    for name in ('a/7', 'x/0', 'x/leader'):
        with pytest.raises(ModelError, match=f'unit "{name}" not found'):
            world.model.unit(name)


def test_a_removed_application_can_be_deployed_again():
    world = World()
    world.deploy('a', charm(peers={'peers': 'p'}))
    world.settle()
    world.model.destroy_application(world.model.application('a'))
    world.settle()
    world.forget()
    world.deploy('a', charm(peers={'peers': 'p'}))
    world.settle()
    assert world.take('a/0')[0] == 'install'
