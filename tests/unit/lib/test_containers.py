"""Files and layers of a workload container: written only where they differ."""

import dataclasses
from collections.abc import Callable
from typing import Any

import ops
import pytest
from ops import pebble, testing
from scenario import mocking

from coordinated_telemetry import containers, topology

META = {'name': 'toy', 'containers': {'work': {}}}
UNIT = topology.Topology('m', 'u', 'worker', 'worker/3', 'worker-k8s')


class Toy(ops.CharmBase):
    """A charm with a container."""


@pytest.fixture
def ctx():
    return testing.Context(Toy, meta=META)


@pytest.fixture
def files(tmp_path):
    return {'files': testing.Mount(location='/files', source=tmp_path)}


def act(ctx, action: Callable[[ops.Container], Any], container=None):
    """What `action` returns, and the container as it left it."""
    container = container or testing.Container('work', can_connect=True)
    with ctx(ctx.on.update_status(), testing.State(containers=[container])) as manager:
        result = action(manager.charm.unit.get_container('work'))
        return result, manager.run().get_container('work')


# Files


def ensure_file(ctx, files, content, **options):
    container = testing.Container('work', can_connect=True, mounts=files)
    return act(
        ctx, lambda work: containers.ensure_file(work, '/files/a/b', content, **options), container
    )[0]


@pytest.mark.parametrize(
    'content', ['', 'text', 'é\n', 'dos\r\nlines\r\n', 'old\rmac', '\u2028\x85']
)
def test_a_file_is_written_once(ctx, files, content, tmp_path, calls):
    assert ensure_file(ctx, files, content) is True
    assert (tmp_path / 'a' / 'b').read_bytes() == content.encode()
    assert ensure_file(ctx, files, content) is False
    assert len(calls.of('pebble push')) == 1


@pytest.mark.parametrize('before', [b'other', b'text\n', b'\xff\xfe', b''])
def test_a_file_that_differs_is_written(ctx, files, tmp_path, before):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / 'b').write_bytes(before)
    assert ensure_file(ctx, files, 'text') is True
    assert (tmp_path / 'a' / 'b').read_bytes() == b'text'


@pytest.mark.parametrize(('options', 'mode'), [({}, 0o644), ({'mode': 0o600}, 0o600)])
def test_a_file_has_the_permissions_that_are_asked_for(ctx, files, tmp_path, options, mode):
    ensure_file(ctx, files, 'text', **options)
    assert (tmp_path / 'a' / 'b').stat().st_mode & 0o777 == mode


@pytest.mark.parametrize(
    ('folder', 'pattern', 'expected'),
    [
        ('/files', None, ['one.pem', 'two.txt']),
        ('/files', '*.pem', ['one.pem']),
        ('/files/missing', None, []),
        ('/files/missing', '*.pem', []),
    ],
)
def test_a_missing_folder_has_no_files(ctx, files, tmp_path, folder, pattern, expected):
    for name in ('one.pem', 'two.txt'):
        (tmp_path / name).write_text('')
    container = testing.Container('work', can_connect=True, mounts=files)
    found, _ = act(ctx, lambda work: containers.list_files(work, folder, pattern), container)
    assert sorted(file.name for file in found) == expected


def test_a_file_that_is_not_wanted_is_removed_once(ctx, files, tmp_path):
    ensure_file(ctx, files, 'text')
    container = testing.Container('work', can_connect=True, mounts=files)
    for removed in (True, False):
        assert (
            act(ctx, lambda work: containers.ensure_no_file(work, '/files/a/b'), container)[0]
            is removed
        )
        assert not (tmp_path / 'a' / 'b').exists()


def test_a_file_that_is_not_there_has_no_text(ctx):
    assert act(ctx, lambda work: containers.read_file(work, '/missing'))[0] is None


def test_a_file_that_cannot_be_read_is_not_one_that_is_not_there(ctx, monkeypatch):
    def pull(*arguments, **options):
        raise pebble.PathError('permission-denied', 'not yours')

    def read(work):
        with pytest.raises(pebble.PathError, match='not yours'):
            containers.read_file(work, '/secret')

    monkeypatch.setattr(mocking._MockPebbleClient, 'pull', pull)
    act(ctx, read)


# Layers

LAYER: Any = {
    'services': {
        'a': {'override': 'replace', 'command': 'a --flag', 'startup': 'enabled'},
        'b': {'override': 'replace', 'command': 'b', 'startup': 'enabled'},
    },
    'checks': {
        'ready': {'override': 'replace', 'level': 'ready', 'http': {'url': 'http://localhost'}}
    },
}


def ensure_layer(ctx, layer, container=None):
    return act(ctx, lambda work: containers.ensure_layer(work, 'own', layer), container)


def test_a_layer_is_added_and_started_once(ctx, calls):
    changed, container = ensure_layer(ctx, LAYER)
    assert changed is True
    assert calls.changes() == ['pebble add', 'pebble replan']
    assert set(container.service_statuses.values()) == {pebble.ServiceStatus.ACTIVE}
    calls.clear()
    changed, _ = ensure_layer(ctx, LAYER, container)
    assert changed is False
    assert calls.changes() == []


def changed_layer(section, name, **change) -> Any:
    content = {**LAYER[section].get(name, {}), **change}
    return {**LAYER, section: {**LAYER[section], name: content}}


@pytest.mark.parametrize(
    'layer',
    [
        changed_layer('services', 'a', command='a --other'),
        changed_layer('services', 'a', environment={'x': 'y'}),
        changed_layer('services', 'c', override='replace', command='c'),
        changed_layer('checks', 'ready', http={'url': 'http://localhost/other'}),
        changed_layer('checks', 'alive', override='replace', exec={'command': 'true'}),
    ],
)
def test_a_layer_that_differs_is_added(ctx, calls, layer):
    _, container = ensure_layer(ctx, LAYER)
    calls.clear()
    changed, after = ensure_layer(ctx, layer, container)
    assert changed is True
    assert calls.changes() == ['pebble add', 'pebble replan']
    assert pebble.Layer(layer).services == after.plan.services


def test_what_pebble_adds_to_a_check_is_no_difference(ctx, calls):
    _, container = ensure_layer(ctx, LAYER)
    with_defaults = changed_layer('checks', 'ready', period='10s', timeout='3s', threshold=3)
    (own,) = container.layers.values()
    own.checks.update(pebble.Layer(with_defaults).checks)
    calls.clear()
    assert ensure_layer(ctx, LAYER, container)[0] is False
    assert calls.changes() == []


def test_services_of_others_are_not_looked_at(ctx, calls):
    _, container = ensure_layer(ctx, LAYER)
    other = pebble.Layer(
        {'services': {'other': {'override': 'replace', 'command': 'x', 'startup': 'disabled'}}}
    )
    container = dataclasses.replace(container, layers={**container.layers, 'other': other})
    calls.clear()
    assert ensure_layer(ctx, LAYER, container)[0] is False
    assert calls.changes() == []


def with_status(container, status):
    return dataclasses.replace(
        container, service_statuses={**container.service_statuses, 'a': status}
    )


def test_a_service_that_never_started_is_started(ctx, calls):
    _, container = ensure_layer(ctx, LAYER)
    calls.clear()
    stopped = with_status(container, pebble.ServiceStatus.INACTIVE)
    changed, container = ensure_layer(ctx, LAYER, stopped)
    assert changed is True
    assert calls.changes() == ['pebble replan']
    assert container.service_statuses['a'] == pebble.ServiceStatus.ACTIVE


def test_a_service_that_exited_is_left_to_pebble(ctx, calls):
    _, container = ensure_layer(ctx, LAYER)
    calls.clear()
    failed = with_status(container, pebble.ServiceStatus.ERROR)
    assert ensure_layer(ctx, LAYER, failed)[0] is False
    assert calls.changes() == []
