"""The list of workers, and what nginx does with each."""

import dataclasses
import json

import pytest

from coordinated_telemetry import cluster, topology
from coordinator.source import nginx_config, nginx_pod, workers_view, workload

OWN = topology.Topology('m', 'u', 'c', 'c/0', 'coordinator-k8s')


def worker(unit, roles=('gate', 'vault'), schemes=('http',)):
    application = unit.partition('/')[0]
    return cluster.Worker(
        OWN.for_unit(application, unit, 'worker-k8s'),
        unit.replace('/', '-'),
        roles,
        cluster.WorkerTls(schemes=schemes),
    )


def facts(*workers, **changes):
    found = {one.topology.unit: one for one in workers}
    hosts = frozenset(one.address for one in workers)
    default = workers_view.Facts(
        unit='c/0',
        units=sorted(found),
        workers=found,
        scheme='http',
        upstreams={'vault': hosts, 'gate': hosts},
        runs=True,
    )
    return dataclasses.replace(default, **changes)


def listed(one, **changes):
    return workers_view.view(facts(one, **changes))[one.topology.unit]


# What nginx has


@pytest.mark.parametrize('certificate', ['', '/etc/nginx/tls.pem'])
def test_the_upstreams_are_those_of_nginx_conf(certificate):
    config = nginx_config.config(
        {'gate': ['a.b', '::1'], 'vault': []},
        workload=workload.WORKLOAD,
        pod=nginx_pod.Pod(('10.0.0.1',), ipv6=False),
        log_level='info',
        certificate=certificate,
        serves_plain=bool(certificate),
    )
    assert ('upstream _plain' in config) == bool(certificate)
    assert workers_view.upstreams(config) == {'gate': {'a.b', '::1'}}


def test_a_file_of_somebody_else_has_no_upstreams():
    assert workers_view.upstreams('nonsense {') == {}


# What is said of a worker


def test_a_worker_that_gets_requests_has_nothing_to_explain():
    assert listed(worker('w/0')) == workers_view.Listed(
        ('gate', 'vault'), 'w-0', ('gate', 'vault')
    )


@pytest.mark.parametrize(
    ('one', 'changes', 'why'),
    [
        (worker('w/0', ()), {}, 'w has no role'),
        (worker('w/0', ()), {'awaited': ['w']}, 'w has not published its roles yet'),
        (worker('w/0', ()), {'ignored': {'w': 'unknown role'}}, 'w is ignored: unknown role'),
        (worker('w/0'), {'upstreams': None}, 'the nginx.conf of c/0 cannot be read'),
        (worker('w/0'), {'upstreams': {}, 'scheme': 'https'},
         'nginx calls workers with https, and it serves http now'),
        (worker('w/0', schemes=()), {'upstreams': {}},
         'nginx calls workers with http, and it serves nothing now'),
        (worker('w/0'), {'upstreams': {}},
         'the nginx.conf in use lacks it: see the status of c/0'),
        (worker('w/0'), {'upstreams': {'vault': frozenset(('w-0',))}},
         'the nginx.conf in use lacks it: see the status of c/0'),
        (worker('w/0'), {'runs': False}, 'nginx does not run'),
    ],
)  # fmt: skip
def test_a_worker_that_gets_none_says_why(one, changes, why):
    assert listed(one, **changes).why == why


@pytest.mark.parametrize(
    ('ignored', 'why'),
    [({}, 'it has not published its address yet'), ({'w/1': 'bad'}, 'ignored: bad')],
)
def test_a_unit_without_valid_data_is_listed_too(ignored, why):
    found = workers_view.view(facts(worker('w/0'), units=['w/0', 'w/1'], ignored=ignored))
    assert found['w/1'] == workers_view.Listed(why=why)


# How it is shown


def test_as_text():
    shown = workers_view.as_text(
        facts(
            worker('b/0', ('vault',)),
            worker('f/0', ('gate',), ()),
            units=['b/0', 'f/0', 'f/1'],
            upstreams={'vault': frozenset(('b-0', 'gone'))},
        )
    )
    assert (
        shown
        == """\
unit  roles  address  nginx of c/0
b/0   vault  b-0      sends requests as vault
f/0   gate   f-0      -; nginx calls workers with http, and it serves nothing now
f/1   -      -        -; it has not published its address yet
nginx also has hosts that no worker has now: gone"""
    )


def test_without_workers_that_is_what_is_said():
    assert workers_view.as_text(facts()) == 'There are no workers.'


def test_as_json():
    assert json.loads(workers_view.as_json(facts(worker('w/0', ('vault',))))) == {
        'unit': 'c/0',
        'nginx-runs': True,
        'workers': {
            'w/0': {'roles': ['vault'], 'address': 'w-0',
                    'upstreams': ['gate', 'vault'], 'why': ''},
        },
        'left-out': 0,
        'outdated-hosts': [],
    }  # fmt: skip


def test_a_thousand_workers_with_long_addresses_are_too_many_for_one_answer():
    units = [worker(f'w/{n}')._replace(address=f'{n}.{200 * "h"}') for n in range(999)]
    shown = json.loads(workers_view.as_json(facts(*units)))
    assert shown['left-out'] > 0
    assert len(shown['workers']) + shown['left-out'] == 999
    assert ' more units' in workers_view.as_text(facts(*units))
