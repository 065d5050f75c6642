"""The order of events, for every situation of Juju's that a charm can tell apart."""

from world import World, charm

PEER = charm(peers={'peers': 'p'})


def test_deploy_of_the_leader():
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
