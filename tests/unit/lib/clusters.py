"""A coordinator and its workers, for the tests of both sides of `cluster`."""

import json

import juju
from coordinated_telemetry import cluster, roles, topology
from lib.acting import act, related

ROLES = roles.Roles(
    minimal_deployment={'read': 1, 'write': 1}, meta_roles={'all': ('read', 'write')}
)
COORDINATOR = topology.Topology('m', juju.UUID, 'c', 'c/0', 'c-k8s')
OFFERED = f'remote-{"0123456789abcdef" * 2}'
ELSEWHERE = juju.UUID[::-1]
ACROSS = 'in another model, but "cluster" cannot cross models'


def encoded(**values):
    return {key: json.dumps(value, sort_keys=True) for key, value in values.items()}


def unit_data(unit, /, address=None, charm='w-k8s', **claimed):
    """What a worker unit publishes."""
    application, _, number = unit.partition('/')
    who = {'application': application, 'unit': unit, 'charm_name': charm, **claimed}
    return encoded(address=address or f'{application}-{number}.example', juju_topology=who)


def worker_application(app='w', role: str | None = 'all', numbers=(0,), others=None, **options):
    """A worker application; `others` is what some units published in the place of that."""
    units = {number: unit_data(f'{app}/{number}') for number in numbers}
    databag = {} if role is None else encoded(role=role)
    return related('cluster', app, {**units, **(others or {})}, databag, **options)


def read(*relations):
    """The workers, and the report."""
    done = act(
        lambda bags, _: cluster.read_workers(bags, 'cluster', COORDINATOR, ROLES), *relations
    )
    return done.result, done.ignored()
