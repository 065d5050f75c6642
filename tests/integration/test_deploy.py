"""From nothing to the smallest deployment, one command at a time, and what each status says.

The tests go on from each other's state, in this order.
"""

import pytest

import deployment
from deployment import WORKLOAD_PORT
from model import Model, eventually
from traffic import ask

pytestmark = pytest.mark.usefixtures('model')


def test_a_coordinator_alone_says_how_to_get_workers(model: Model) -> None:
    model.deploy(deployment.coordinator())
    model.wait_status('coordinator', 'blocked: [cluster] no worker related: juju integrate')


def test_a_worker_without_a_role_says_how_to_enable_one(model: Model) -> None:
    model.deploy(deployment.worker('worker', role=''))
    model.wait_status('worker', 'blocked: [roles] no role enabled: juju config worker')


def test_a_worker_alone_says_how_to_get_a_coordinator(model: Model) -> None:
    model.juju.config('worker', {'role-frontend': True})
    model.wait_status('worker', 'blocked: [cluster] not related to a coordinator: juju integrate')


def test_a_role_without_units_is_missing(model: Model) -> None:
    missing = ', '.join(sorted({*deployment.ROLES} - {'frontend'}))
    model.integrate(('coordinator:cluster', 'worker:cluster'))
    model.wait_status('worker', 'active: ready: frontend')
    model.wait_status('coordinator', f'blocked: [cluster] missing roles: {missing}')


def test_all_required_roles_make_it_active(model: Model) -> None:
    model.juju.config('worker', {'role-all': True, 'role-frontend': False})
    model.wait_status('worker', 'active: ready: all')
    model.wait_status('coordinator', 'active: 1 worker')


def test_a_bad_option_blocks_and_is_named_and_serving_goes_on(model: Model) -> None:
    model.juju.config('coordinator', {'log-level': 'loud'})
    model.wait_status('coordinator', 'blocked: [config] log-level: ')
    ask(model, 'coordinator')
    model.juju.config('coordinator', reset='log-level')
    model.wait_status('coordinator', 'active: ')


@pytest.mark.workload
def test_a_worker_with_all_roles_is_asked_exactly_twice(model: Model) -> None:
    """Once as the frontend and once as the backend, and never again by itself."""
    before = requests_by_path(model)
    ask(model, 'coordinator')

    def check() -> None:
        after = requests_by_path(model)
        asked = {path: count - before.get(path, 0) for path, count in after.items()}
        assert {path: count for path, count in asked.items() if count} == {'echo': 1, 'headers': 1}

    eventually(check)


def test_a_worker_waits_for_a_coordinator_that_has_no_unit(model: Model) -> None:
    model.juju.remove_relation('coordinator:cluster', 'worker:cluster')
    model.wait_status('worker', 'blocked: [cluster] not related to a coordinator')
    model.scale('coordinator', 0)
    eventually(lambda: _no_units(model, 'coordinator'))
    model.integrate(('coordinator:cluster', 'worker:cluster'))
    model.wait_status('worker', "waiting: [cluster] waiting for the coordinator's configuration")
    model.scale('coordinator', 1)
    model.wait_status('worker', 'active: ready: all')
    model.wait_status('coordinator', 'active: 1 worker')
    eventually(lambda: ask(model, 'coordinator'))


def requests_by_path(model: Model) -> dict[str, int]:
    """How often each path of the worker was asked for, all methods and statuses together."""
    counts: dict[str, int] = {}
    metrics = model.cluster.http('worker/0', WORKLOAD_PORT, '/metrics').body.decode()
    for line in metrics.splitlines():
        name, _, count = line.rpartition(' ')
        if name.startswith('http_request_duration_seconds_count{'):
            path = name.partition('path="')[2].partition('"')[0]
            counts[path] = counts.get(path, 0) + int(count)
    # Asked by Kubernetes and Pebble, and by this test.
    return {path: count for path, count in counts.items() if path not in {'readyz', 'metrics'}}


def _no_units(model: Model, application: str) -> None:
    assert not model.units(application)
