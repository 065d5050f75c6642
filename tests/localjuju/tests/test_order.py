"""The order of events, for every situation of Juju's that a charm can tell apart."""

from world import World, charm

from localjuju.model import record, rollout
from localjuju.model.unitstate import Event

PEER = charm(peers={'peers': 'p'})
PROVIDER = charm('provider', provides={'db': 'sql'})
REQUIRER = charm('requirer', requires={'db': 'sql'})
DEPLOYED = ['install', 'leader-elected', 'config-changed', 'start']


def related(a: int = 1, b: int = 1) -> World:
    """Provider a and requirer b, related as relation 0, at rest and with nothing seen."""
    world = World()
    world.deploy('a', PROVIDER, scale=a)
    world.deploy('b', REQUIRER, scale=b)
    world.model.integrate('a', 'b')
    world.settle()
    world.forget()
    return world


# Deploy


def test_leader_is_deployed():
    world = World()
    world.deploy('a', PEER)
    world.settle()
    assert world.take('a/0') == [
        'install',
        'peers-relation-created',
        'leader-elected',
        'config-changed',
        'start',
    ]


def test_non_leader_has_leader_settings_changed_in_place_of_leader_elected():
    world = World()
    world.deploy('a', PEER, scale=2)
    world.settle()
    assert world.take('a/1') == [
        'install',
        'peers-relation-created',
        'leader-settings-changed',
        'config-changed',
        'start',
        'peers-relation-joined a/0',
        'peers-relation-changed a/0',
    ]


def test_relations_known_at_install_are_created_before_the_leader_is_elected():
    world = World()
    world.deploy('a', charm(provides={'db': 'sql'}, peers={'peers': 'p'}))
    world.deploy('b', REQUIRER)
    world.model.integrate('b:db', 'a:db')
    world.settle()
    assert world.take('a/0')[:4] == [
        'install',
        'peers-relation-created',
        'db-relation-created',
        'leader-elected',
    ]


def test_alone_in_a_peer_relation_a_unit_only_sees_it_created():
    world = World()
    world.deploy('a', PEER)
    world.settle()
    assert [e for e in world.take('a/0') if 'peers' in e] == ['peers-relation-created']


def test_pebble_ready_comes_once_installed_and_before_config_changed():
    world = World()
    world.deploy('a', charm(containers={'web': 'image'}))
    record.queue_workload_event(world.model.unit('a/0'), Event('pebble-ready', 'web'))
    world.settle()
    assert world.take('a/0') == [
        'install',
        'leader-elected',
        'web-pebble-ready',
        'config-changed',
        'start',
    ]


def test_nothing_comes_between_config_changed_and_the_start_that_it_queues():
    world = World()
    world.deploy('a', charm(containers={'web': 'image'}))

    def pebble_answers(hook):
        record.queue_workload_event(hook.agent.unit, Event('pebble-ready', 'web'))

    world.once('a/0', 'config-changed', pebble_answers)
    world.settle()
    assert world.take('a/0')[2:] == ['config-changed', 'start', 'web-pebble-ready']


# Relations


def test_relating_creates_then_joins_and_changes_each_remote_unit():
    world = World()
    world.deploy('a', PROVIDER)
    world.deploy('b', REQUIRER, scale=2)
    world.settle()
    world.forget()
    world.model.integrate('a', 'b')
    world.settle()
    assert world.take('a/0') == [
        'db-relation-created',
        'db-relation-joined b/0',
        'db-relation-changed b/0',
        'db-relation-joined b/1',
        'db-relation-changed b/1',
    ]
    assert world.take('b/1') == [
        'db-relation-created',
        'db-relation-joined a/0',
        'db-relation-changed a/0',
    ]


def test_application_data_is_told_only_once_it_was_set():
    world = related()
    world.in_hook('a/0', lambda hook: hook.set(0, {'k': 'v'}, app=True))
    assert world.take('b/0') == ['db-relation-changed a']


def test_application_data_set_before_the_join_is_told_first():
    world = World()
    world.deploy('a', PROVIDER)
    world.deploy('b', REQUIRER)
    world.on('a/0', 'db-relation-created', lambda hook: hook.set(0, {'k': 'v'}, app=True))
    world.model.integrate('a', 'b')
    world.settle()
    assert world.take('b/0')[len(DEPLOYED) + 1 :] == [
        'db-relation-changed a',
        'db-relation-joined a/0',
        'db-relation-changed a/0',
    ]


def test_changed_follows_joined_at_once_even_when_a_unit_departed_meanwhile():
    world = related(b=2)
    world.model.set_scale(world.model.application('b'), 3)

    def scale_down(hook):
        world.model.set_scale(world.model.application('b'), 2)

    world.once('a/0', 'db-relation-joined', scale_down)
    world.settle()
    assert world.take('a/0') == [
        'db-relation-joined b/2',
        'db-relation-changed b/2',
        'db-relation-departed b/2 (b/2)',
    ]


def test_removing_a_relation_departs_each_remote_unit_then_breaks():
    world = related(b=2)
    world.model.destroy_relation(world.model.find_relation('a', 'b'))
    world.settle()
    assert world.take('a/0') == [
        'db-relation-departed b/0 (b/0)',
        'db-relation-departed b/1 (b/1)',
        'db-relation-broken',
    ]
    assert world.take('b/0') == ['db-relation-departed a/0 (a/0)', 'db-relation-broken']
    assert not world.model.relations


def test_removed_and_added_again_a_relation_is_a_new_one():
    world = related()
    world.model.destroy_relation(world.model.find_relation('a', 'b'))
    world.settle()
    world.forget()
    world.model.integrate('a', 'b')
    world.settle()
    assert world.take('a/0')[0] == 'db-relation-created'
    assert world.envs['a/0'][-1]['JUJU_RELATION_ID'] == 'db:1'


def test_a_relation_removed_before_it_was_created_says_nothing():
    world = World()
    world.deploy('a', PROVIDER)
    world.deploy('b', REQUIRER)
    world.model.integrate('a', 'b')
    world.model.destroy_relation(world.model.find_relation('a', 'b'))
    world.settle()
    assert world.take('a/0') == DEPLOYED
    assert not world.model.relations


# Scale


def test_scaled_up_the_new_unit_is_deployed_and_the_others_see_it_join():
    world = World()
    world.deploy('a', PEER)
    world.settle()
    world.forget()
    world.model.set_scale(world.model.application('a'), 2)
    world.settle()
    assert world.take('a/0') == ['peers-relation-joined a/1', 'peers-relation-changed a/1']
    assert world.take('a/1')[-2:] == ['peers-relation-joined a/0', 'peers-relation-changed a/0']


def test_scaled_down_the_highest_unit_leaves_and_departs_itself():
    world = related(a=2)
    world.model.set_scale(world.model.application('a'), 1)
    world.settle()
    assert world.take('b/0') == ['db-relation-departed a/1 (a/1)']
    assert world.take('a/1') == [
        'db-relation-departed b/0 (a/1)',
        'db-relation-broken',
        'stop',
        'remove',
    ]
    assert world.take('a/0') == []


def test_a_leaving_peer_departs_from_every_peer_and_never_breaks():
    world = World()
    world.deploy('a', PEER, scale=3)
    world.settle()
    world.forget()
    world.model.set_scale(world.model.application('a'), 2)
    world.settle()
    assert world.take('a/2') == [
        'peers-relation-departed a/0 (a/2)',
        'peers-relation-departed a/1 (a/2)',
        'stop',
        'remove',
    ]
    assert world.take('a/0') == ['peers-relation-departed a/2 (a/2)']


def test_a_unit_number_is_used_again():
    world = related(a=2)
    world.model.set_scale(world.model.application('a'), 1)
    world.settle()
    world.forget()
    world.model.set_scale(world.model.application('a'), 2)
    world.settle()
    assert world.take('a/1')[0] == 'install'
    assert world.take('b/0') == ['db-relation-joined a/1', 'db-relation-changed a/1']


def test_a_unit_scaled_down_before_it_was_installed_runs_nothing():
    world = World()
    world.deploy('a', PEER, scale=2)
    world.model.set_scale(world.model.application('a'), 1)
    world.settle()
    assert world.take('a/1') == []
    assert list(world.model.application('a').units) == ['a/0']


def test_removing_an_application_departs_its_own_units():
    world = related(b=2)
    world.model.destroy_application(world.model.application('b'))
    world.settle()
    assert world.take('b/0') == [
        'db-relation-departed a/0 (b/0)',
        'db-relation-broken',
        'stop',
        'remove',
    ]
    assert world.take('a/0') == [
        'db-relation-departed b/0 (b/0)',
        'db-relation-departed b/1 (b/1)',
        'db-relation-broken',
    ]
    assert list(world.model.applications) == ['a']


# Charm and pod


def test_refresh_upgrades_in_place_then_rolls_the_pod():
    world = World()
    world.deploy('a', charm(containers={'web': 'image'}))
    world.settle()
    world.forget()
    unit = world.model.unit('a/0')
    world.model.refresh(world.model.application('a'), charm(containers={'web': 'image'}))
    world.settle()
    assert rollout.may_roll(world.model, unit)
    rollout.pod_is_going(unit, world.now)
    world.settle()
    rollout.pod_is_gone(unit, world.now)
    rollout.pod_is_up(unit, '10.1.0.99')
    record.queue_workload_event(unit, Event('pebble-ready', 'web'))
    world.settle()
    assert world.take('a/0') == [
        'upgrade-charm',
        'config-changed',
        'stop',
        'start',
        'web-pebble-ready',
    ]


def test_a_refresh_rolls_one_pod_after_the_other_the_highest_number_first():
    world = World()
    world.deploy('a', scale=3)
    world.settle()
    world.model.refresh(world.model.application('a'), charm())
    units = [world.model.unit(f'a/{n}') for n in (2, 1, 0)]
    assert not any(rollout.may_roll(world.model, unit) for unit in units)
    world.settle()
    rolled = []
    while ready := [unit for unit in units if rollout.may_roll(world.model, unit)]:
        (unit,) = ready
        rolled.append(unit.name)
        rollout.pod_is_going(unit, world.now)
        world.settle()
        rollout.pod_is_gone(unit, world.now)
        world.settle()
    assert rolled == ['a/2', 'a/1', 'a/0']


def test_a_refresh_during_upgrade_charm_is_another_one():
    world = World()
    world.deploy('a')
    world.settle()
    world.forget()
    app = world.model.application('a')
    world.once('a/0', 'upgrade-charm', lambda hook: world.model.refresh(app, charm()))
    world.model.refresh(app, charm())
    world.settle()
    assert world.take('a/0') == ['upgrade-charm', 'config-changed'] * 2


def test_a_failing_upgrade_charm_of_a_rescheduled_pod_backs_off():
    world = World()
    world.deploy('a')
    world.settle()
    world.forget()
    unit = world.model.unit('a/0')
    world.once('a/0', 'upgrade-charm', lambda hook: 1)
    rollout.pod_is_going(unit, world.now)
    world.settle()
    rollout.pod_is_gone(unit, world.now)
    world.settle()
    assert world.take('a/0') == ['stop', 'upgrade-charm']
    world.now += 5
    world.settle()
    assert world.take('a/0') == ['upgrade-charm', 'config-changed', 'start']


def test_a_rescheduled_pod_upgrades_configures_starts_and_sees_no_relation_changed():
    world = World()
    world.deploy('a', charm(provides={'db': 'sql'}, containers={'web': 'image'}))
    world.deploy('b', REQUIRER)
    world.model.integrate('a', 'b')
    world.settle()
    world.forget()
    unit = world.model.unit('a/0')
    rollout.pod_is_going(unit, world.now)
    world.settle()
    rollout.pod_is_gone(unit, world.now)
    rollout.pod_is_up(unit, '10.1.0.99')
    world.settle()
    record.queue_workload_event(unit, Event('pebble-ready', 'web'))
    world.settle()
    assert world.take('a/0') == [
        'stop',
        'upgrade-charm',
        'config-changed',
        'start',
        'web-pebble-ready',
    ]
    assert world.take('b/0') == []


def test_while_its_pod_goes_a_unit_runs_only_stop():
    world = related()
    unit = world.model.unit('a/0')
    unit.update_status_due = True
    world.model.application('a').settings['color'] = 'blue'
    rollout.pod_is_going(unit, world.now)
    world.settle()
    assert world.take('a/0') == ['stop']


def test_a_restarted_container_is_only_ready_again():
    world = World()
    world.deploy('a', charm(containers={'web': 'image'}))
    world.settle()
    world.forget()
    record.queue_workload_event(world.model.unit('a/0'), Event('pebble-ready', 'web'))
    world.settle()
    assert world.take('a/0') == ['web-pebble-ready']
    assert world.envs['a/0'][-1]['JUJU_WORKLOAD_NAME'] == 'web'


# Leadership


def test_a_deposed_leader_and_the_others_see_leader_settings_changed():
    world = World()
    world.deploy('a', scale=3)
    world.settle()
    world.forget()
    assert world.model.depose(world.model.application('a')) == 'a/1'
    world.settle()
    assert world.take('a/0') == ['leader-settings-changed']
    assert world.take('a/1') == ['leader-elected']
    assert world.take('a/2') == ['leader-settings-changed']


def test_leader_elected_is_dropped_when_the_unit_leads_no_longer():
    world = World()
    world.deploy('a', scale=2)
    world.on('a/0', 'leader-elected', lambda hook: 1)
    world.settle()
    world.forget()
    world.model.depose(world.model.application('a'))
    world.now += 1000
    world.settle()
    assert 'leader-elected' not in world.take('a/0')
    assert world.take('a/1')[-1] == 'leader-elected'


def test_a_dying_leader_leads_until_its_last_hook():
    world = World()
    world.deploy('a', scale=2)
    world.settle()
    world.model.depose(world.model.application('a'))
    world.settle()
    world.forget()
    leads = {}
    for hook in ('stop', 'remove'):
        world.on('a/1', hook, lambda hook: leads.update({hook.event.hook: hook.json('is-leader')}))
    world.model.set_scale(world.model.application('a'), 1)
    world.settle()
    assert leads == {'stop': True, 'remove': True}
    assert world.take('a/0') == ['leader-elected']


# Config, update-status, failures


def test_config_changed_comes_only_for_a_difference():
    world = World()
    world.deploy('a')
    world.settle()
    world.forget()
    app = world.model.application('a')
    app.settings['color'] = 'red'  # which is its default
    world.settle()
    assert world.take('a/0') == []
    app.settings['color'] = 'blue'
    world.settle()
    assert world.take('a/0') == ['config-changed']


def test_a_change_during_config_changed_is_another_one():
    world = World()
    world.deploy('a')
    world.settle()
    world.forget()
    settings = world.model.application('a').settings
    settings['color'] = 'blue'
    world.once('a/0', 'config-changed', lambda hook: settings.update(color='green'))
    world.settle()
    assert world.take('a/0') == ['config-changed', 'config-changed']


def test_update_status_is_last():
    world = related()
    world.model.unit('a/0').update_status_due = True
    world.model.application('a').settings['color'] = 'blue'
    world.in_hook('b/0', lambda hook: hook.set(0, {'k': 'v'}), hook='config-changed')
    assert world.take('a/0') == ['config-changed', 'db-relation-changed b/0', 'update-status']


def test_a_failed_hook_is_retried_with_the_same_event_and_backs_off():
    world = related(b=2)
    world.on('a/0', 'db-relation-changed', lambda hook: 1)
    world.in_hook('b/1', lambda hook: hook.set(0, {'k': 'v'}))
    for seconds in (5, 10, 20, 40):
        assert world.take('a/0') == ['db-relation-changed b/1']
        world.now += seconds - 1
        world.settle()
        assert world.take('a/0') == []
        world.now += 1
        world.settle()


def test_the_wait_for_a_retry_is_limited():
    world = World()
    world.deploy('a')
    world.on('a/0', 'install', lambda hook: 1)
    for _ in range(20):
        world.settle()
        world.now += record.LAST_RETRY
    assert len(world.take('a/0')) == 20


def test_a_failed_hook_holds_back_all_but_actions_and_commands():
    world = related()
    world.once('a/0', 'update-status', lambda hook: 1)
    unit = world.model.unit('a/0')
    unit.update_status_due = True
    world.settle()
    world.forget()
    world.model.application('a').settings['color'] = 'blue'
    record.queue_workload_event(unit, Event('pebble-ready', 'web'))
    world.model.add_task(unit, 'greet')
    world.model.add_task(unit, command='true')
    world.settle()
    assert world.take('a/0') == ['actions/greet', 'juju-exec']
    record.retry_now(unit, skip=False)
    world.settle()
    assert world.take('a/0') == ['update-status', 'web-pebble-ready', 'config-changed']


def test_a_failed_hook_can_be_skipped():
    world = World()
    world.deploy('a')
    world.on('a/0', 'install', lambda hook: 1)
    world.settle()
    record.retry_now(world.model.unit('a/0'), skip=True)
    world.settle()
    assert world.take('a/0') == ['install', 'leader-elected', 'config-changed', 'start']


def test_a_failing_start_is_retried_before_anything_else():
    world = World()
    world.deploy('a')
    world.once('a/0', 'start', lambda hook: 1)
    world.settle()
    world.now += 5
    world.settle()
    assert world.take('a/0') == [*DEPLOYED, 'start']


def test_a_pod_that_goes_does_not_wait_for_a_stop_that_fails():
    world = World()
    world.deploy('a')
    world.settle()
    world.on('a/0', 'stop', lambda hook: 1)
    unit = world.model.unit('a/0')
    rollout.pod_is_going(unit, world.now)
    world.settle()
    assert unit.stopped
    assert unit.failed is None


def test_a_hook_that_failed_before_the_pod_went_is_retried_after_it_is_back():
    world = World()
    world.deploy('a')
    world.settle()
    world.forget()
    unit = world.model.unit('a/0')
    world.once('a/0', 'update-status', lambda hook: 1)
    unit.update_status_due = True
    world.settle()
    rollout.pod_is_going(unit, world.now)
    world.settle()
    rollout.pod_is_gone(unit, world.now)
    world.settle()
    assert world.take('a/0') == [
        'update-status',
        'stop',
        'upgrade-charm',
        'config-changed',
        'start',
    ]
    world.now += 5
    world.settle()
    assert world.take('a/0') == ['update-status']
