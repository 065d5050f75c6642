"""A running controller with fake pods: requests in, events out, what a model leaves behind."""

import contextlib
import dataclasses
import functools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from fakepods import Charm, FakePods

from localjuju.cli import main as cli
from localjuju.client import Model as Client
from localjuju.client import RequestError
from localjuju.common import registry
from localjuju.controller import podrunner, server
from localjuju.controller.controller import Controller
from localjuju.model.charmmeta import ModelError
from localjuju.model.model import Model
from localjuju.model.unitstate import Status
from localjuju.pods.namespaces import HopelessError
from localjuju.pods.pods import PodError, Pods

METADATA = """
name: tiny
provides: {out: {interface: link}}
requires: {in: {interface: link}}
resources: {image: {type: oci-image, upstream-source: known}}
"""
CONFIG = 'options: {color: {type: string, default: red}, size: {type: int}}'
ACTIONS = 'greet: {params: {name: {type: string, default: world}}}'


class Running:
    """A controller under test."""

    def __init__(self, tmp_path: Path) -> None:
        self.pods = FakePods(tmp_path)
        self.charm = tmp_path / 'tiny'
        self.charm.mkdir()
        self.write('dispatch', '')
        self.write('metadata.yaml', METADATA)
        self.write('config.yaml', CONFIG)
        self.write('actions.yaml', ACTIONS)

        def find_image(image: str) -> None:
            if image != 'known':
                raise PodError(f'cannot find image {image}')

        self.controller = Controller(
            Model('m'), cast('Pods', self.pods), tmp_path, find_image, lambda _: '10.152.183.20'
        )

    def write(self, name: str, text: str) -> None:
        (self.charm / name).write_text(text)

    def ask(self, command: str, /, **arguments: Any) -> Any:
        return server.run(self.controller, command, arguments)

    def deploy(self, app: str, **arguments: Any) -> None:
        self.ask('deploy', path=str(self.charm), app=app, **arguments)

    def wait(self, condition: Callable[[], Any], seconds: float = 60.0) -> None:
        """Wait until a condition holds, looking at each change and a little later."""
        deadline = time.monotonic() + seconds
        changes = self.controller.changes
        with changes:
            while not condition():
                left = deadline - time.monotonic()
                assert left > 0, f'still not so: {self.ask("status")["applications"]}'
                changes.wait(changes.generation, min(left, 0.02))

    def settle(self) -> None:
        """Wait until all units are idle and have nothing to do."""

        def settled() -> bool:
            applications = self.ask('status')['applications'].values()
            units = [unit for app in applications for unit in app['units'].values()]
            return all(unit['juju-status']['current'] == 'idle' for unit in units)

        self.wait(settled)


@pytest.fixture
def running(tmp_path: Path) -> Running:
    return Running(tmp_path)


DEPLOYED = ['pod made', 'install', 'leader-elected', 'config-changed', 'start']


def test_deployed_units_run_in_pods(running: Running):
    running.deploy('a', units=2)
    running.settle()
    assert running.pods.of('a/0') == DEPLOYED
    assert running.pods.of('a/1')[:2] == ['pod made', 'install']
    status = running.ask('status')['applications']['a']
    assert status['scale'] == 2
    assert status['address'] == '10.152.183.20'
    assert status['units']['a/0']['leader']
    assert status['units']['a/0']['workload-status']['current'] == 'unknown'
    assert status['units']['a/1']['address'].startswith('10.1.0.')


def test_hook_tools_work_over_the_units_socket(running: Running):
    def script(charm: Charm) -> None:
        if charm.env['JUJU_HOOK_NAME'] == 'start':
            charm.tool('open-port', '8080/tcp')
            charm.tool('status-set', 'active', '--', charm.tool('config-get', 'color').strip())

    running.pods.script = script
    running.deploy('a', config={'color': 'blue'})
    running.settle()
    running.wait(lambda: running.pods.services['a'] == ({('tcp', 8080)}, {'a/0'}))
    unit = running.ask('status')['applications']['a']['units']['a/0']
    assert unit['workload-status']['message'] == 'blue'
    assert unit['open-ports'] == ['8080/tcp']
    stats = running.ask('stats')['dispatches']
    assert stats[-1]['tools'] == {'open-port': 1, 'config-get': 1, 'status-set': 1}


def test_a_crash_shows_its_traceback_and_is_retried_on_request(running: Running):
    failing = threading.Event()
    failing.set()

    def script(charm: Charm) -> None:
        if charm.env['JUJU_HOOK_NAME'] == 'install' and failing.is_set():
            raise RuntimeError('out of luck')

    running.pods.script = script
    running.deploy('a')
    running.wait(lambda: running.controller.model.unit('a/0').failed)
    lines, _ = running.ask('debug-log')
    assert any('WARNING unit.a/0.install Traceback: out of luck' in line for line in lines)
    status = running.ask('status')['applications']['a']['units']['a/0']
    assert status['workload-status']['message'] == 'hook failed: "install"'
    assert status['juju-status']['current'] == 'idle'
    failing.clear()
    running.ask('resolved', unit='a/0', retry=True)
    running.settle()
    assert running.pods.of('a/0') == ['pod made', 'install', *DEPLOYED[1:]]


def test_a_deleted_pod_comes_back_with_its_charm(running: Running):
    running.deploy('a')
    running.settle()
    before = running.controller.model.unit('a/0').address
    (running.pods.pods['a/0'] / 'charm' / '.unit-state.db').write_text('state')
    running.ask('delete-pod', unit='a/0', kill=False)
    running.settle()
    after = ['stop', 'pod deleted', 'pod made', 'upgrade-charm', 'config-changed', 'start']
    assert running.pods.of('a/0') == [*DEPLOYED, *after]
    assert running.controller.model.unit('a/0').address != before
    assert not (running.pods.pods['a/0'] / 'charm' / '.unit-state.db').exists()


def test_a_killed_pod_runs_nothing_more(running: Running):
    running.deploy('a')
    running.settle()
    running.ask('delete-pod', unit='a/0', kill=True)
    running.settle()
    after = ['pod deleted', 'pod made', 'upgrade-charm', 'config-changed', 'start']
    assert running.pods.of('a/0') == [*DEPLOYED, *after]
    running.ask('delete-pod', unit='a/0', kill=False)
    running.settle()
    assert 'stop' in running.pods.of('a/0')


def test_a_refresh_brings_the_new_charm_then_a_new_pod(running: Running):
    running.write('old.txt', 'old')
    running.deploy('a')
    running.settle()
    (running.charm / 'old.txt').unlink()
    running.write('new.txt', 'new')
    seen = []

    def script(charm: Charm) -> None:
        folder = charm.folder / 'charm'
        seen.append((charm.env['JUJU_HOOK_NAME'], sorted(p.name for p in folder.glob('*.txt'))))

    running.pods.script = script
    running.ask('refresh', app='a', path=str(running.charm))
    running.settle()
    rolled = ['upgrade-charm', 'config-changed', 'stop', 'pod deleted', 'pod made', 'start']
    assert running.pods.of('a/0') == [*DEPLOYED, *rolled]
    assert all(files == ['new.txt'] for _, files in seen)
    assert running.ask('status')['applications']['a']['charm-rev'] == 1


def test_what_was_deployed_is_what_later_units_get(running: Running):
    running.deploy('a')
    running.settle()
    running.write('late.txt', '')
    running.ask('scale', app='a', by=1)
    running.wait(lambda: 'a/1' in running.controller.model.application('a').units)
    running.settle()
    assert not (running.pods.pods['a/1'] / 'charm' / 'late.txt').exists()


def test_a_removed_application_says_goodbye_before_its_pods_vanish(running: Running):
    running.deploy('a')
    running.deploy('b')
    running.ask('integrate', one='a:in', other='b:out')
    running.settle()
    running.ask('remove-application', app='b')
    running.wait(lambda: 'b' not in running.controller.model.applications)
    assert running.pods.of('b/0')[-5:] == [
        'out-relation-departed',
        'out-relation-broken',
        'stop',
        'remove',
        'pod deleted',
    ]
    running.settle()
    assert running.pods.of('a/0')[-2:] == ['in-relation-departed', 'in-relation-broken']
    running.wait(lambda: 'b' not in running.pods.services)


def test_a_forced_removal_leaves_out_the_hooks(running: Running):
    running.deploy('a')
    running.settle()
    running.ask('remove-application', app='a', force=True)
    running.wait(lambda: not running.controller.model.applications)
    assert running.pods.of('a/0') == [*DEPLOYED, 'pod deleted']


@pytest.mark.parametrize(
    ('error', 'status', 'hopeless'),
    [
        (PodError('cannot run ip: no luck'), 'waiting: cannot run ip: no luck; trying again', {}),
        (
            HopelessError('cannot run the charm: no Python'),
            'error: cannot run the charm: no Python',
            {'a/0': 'cannot run the charm: no Python'},
        ),
    ],
)
def test_a_pod_that_cannot_be_made_shows_why(
    running: Running, error: PodError, status: str, hopeless: dict
):
    running.pods.broken = error
    running.deploy('a')

    def shown() -> str:
        unit = running.ask('status')['applications']['a']['units']['a/0']['workload-status']
        return f'{unit["current"]}: {unit["message"]}'

    running.wait(lambda: shown() == status)
    assert running.ask('hopeless') == hopeless
    running.ask('remove-application', app='a')
    running.wait(lambda: not running.controller.model.applications)


@pytest.mark.parametrize('error', [PodError('cannot'), HopelessError('cannot')])
def test_a_pod_that_can_be_made_at_last_runs(running: Running, error: PodError, monkeypatch):
    monkeypatch.setattr(podrunner, '_POD_RETRY', 0.05)
    running.pods.broken = error
    running.deploy('a')
    unit = running.controller.model.unit('a/0')
    running.wait(lambda: 'cannot' in unit.workload.message)
    running.pods.broken = None
    running.settle()
    assert running.pods.of('a/0') == DEPLOYED
    assert running.ask('hopeless') == {}


@pytest.mark.parametrize(
    ('code', 'hopeless'), [(1, False), (126, True), (127, True), (137, False)]
)
def test_a_hook_whose_program_cannot_be_run_is_hopeless(
    running: Running, code: int, hopeless: bool
):
    running.pods.exit = code
    running.deploy('a')
    running.wait(lambda: running.controller.model.unit('a/0').failed)
    reasons = running.ask('hopeless')
    assert bool(reasons) is hopeless
    assert all(
        f'"install": its program or interpreter cannot be run (exit status {code})' in r
        for r in reasons.values()
    )


def test_a_unit_whose_agent_broke_is_hopeless(running: Running):
    running.deploy('a')
    running.settle()
    assert running.ask('hopeless') == {}
    running.controller.model.unit('a/0').agent = Status('failed', 'the local Juju failed')
    assert running.ask('hopeless') == {'a/0': 'the local Juju failed'}


def test_a_destroyed_model_ends_when_its_last_application_is_gone(running: Running):
    running.deploy('a')
    running.settle()
    running.ask('destroy-model')
    assert running.controller.ended.wait(60)
    assert running.pods.of('a/0')[-3:] == ['stop', 'remove', 'pod deleted']


# Storage

STORED = f"""{METADATA}
storage:
  data: {{type: filesystem, location: /srv}}
containers:
  web: {{resource: image, mounts: [{{storage: data, location: /var/www}}]}}
"""


def data(running: Running, unit: str) -> Path:
    """The folder that a unit's pod mounts at /srv."""
    return running.pods.mounts[unit]['/srv'].source


@pytest.fixture
def stored(running: Running) -> Running:
    """A controller with an application `a` that has storage."""
    running.write('metadata.yaml', STORED)
    running.deploy('a', storage=['data=2G'])
    running.settle()
    return running


def test_the_charm_and_its_workload_mount_the_same_folder(stored: Running):
    mount = stored.pods.mounts['a/0']['/srv']
    assert mount.writable
    assert stored.pods.mounts['a/0 web'] == {
        '/var/www': dataclasses.replace(mount, target='/var/www')
    }
    # Whoever the workload runs as may write.
    assert mount.source.stat().st_mode & 0o777 == 0o777


def test_data_stays_while_pods_come_and_go(stored: Running):
    (data(stored, 'a/0') / 'file').write_text('mine')
    for kill in (False, True):
        stored.ask('delete-pod', unit='a/0', kill=kill)
        stored.settle()
        assert (data(stored, 'a/0') / 'file').read_text() == 'mine'
    stored.ask('refresh', app='a', path=str(stored.charm))
    stored.settle()
    assert (data(stored, 'a/0') / 'file').read_text() == 'mine'
    assert stored.pods.of('a/0').count('data-storage-attached') == 1


def test_data_stays_when_its_unit_goes_and_returns_with_it(stored: Running):
    stored.ask('scale', app='a', to=2)
    stored.wait(lambda: 'a/1' in stored.pods.pods)
    stored.settle()
    (data(stored, 'a/1') / 'file').write_text('mine')
    stored.ask('scale', app='a', to=1)
    stored.wait(lambda: 'a/1' not in stored.controller.model.application('a').units)
    assert 'attachments' not in stored.ask('storage')['storage']['data/1']
    stored.ask('scale', app='a', to=2)
    stored.wait(lambda: 'a/1' in stored.pods.pods)
    assert (data(stored, 'a/1') / 'file').read_text() == 'mine'


def test_detached_storage_is_removed_with_its_data(stored: Running):
    folder = data(stored, 'a/0')
    assert stored.ask('remove-storage', ids=['data/0', 'x/1']) == {
        'data/0': 'storage is attached', 'x/1': 'storage "x/1" not found',
    }  # fmt: skip
    stored.ask('remove-application', app='a')
    stored.wait(lambda: not stored.controller.model.applications)
    assert stored.pods.of('a/0')[-4:] == [
        'data-storage-detaching', 'stop', 'remove', 'pod deleted',
    ]  # fmt: skip
    shown = stored.ask('show-storage', ids=['data/0'])['data/0']
    assert shown['status']['current'] == 'detached'
    assert folder.exists()
    assert stored.ask('remove-storage', ids=['data/0']) == {}
    assert not folder.exists()
    assert stored.ask('storage') == {}
    with pytest.raises(ModelError, match='storage instance "data/0" not found'):
        stored.ask('show-storage', ids=['data/0'])


@pytest.mark.parametrize('force', [False, True])
def test_storage_goes_with_its_application_on_request(stored: Running, force: bool):
    folder = data(stored, 'a/0')
    stored.ask('remove-application', app='a', destroy_storage=True, force=force)
    stored.wait(lambda: not stored.controller.model.applications)
    stored.wait(lambda: not folder.exists())
    assert stored.ask('storage') == {}


def test_a_model_with_storage_is_not_destroyed_by_accident(stored: Running):
    for arguments, why in (
        ({}, r'1 volume\(s\)\n    1 filesystem\(s\)'),
        ({'force': True}, '"--destroy-storage" option'),
        ({'release_storage': True}, '--release-storage is not supported locally'),
    ):
        with pytest.raises(ModelError, match=why):
            stored.ask('destroy-model', **arguments)
    assert not stored.controller.model.destroying
    stored.ask('destroy-model', destroy_storage=True)
    assert stored.controller.ended.wait(10)


def test_a_failed_storage_hook_shows_as_juju_names_it(running: Running):
    def script(charm: Charm) -> None:
        assert charm.env['JUJU_HOOK_NAME'] != 'data-storage-attached'

    running.pods.script = script
    running.write('metadata.yaml', STORED)
    running.deploy('a')
    running.wait(lambda: running.controller.model.unit('a/0').failed)
    unit = running.ask('status')['applications']['a']['units']['a/0']
    assert unit['workload-status']['message'] == 'hook failed: "storage-attached"'


def test_storage_is_shown_as_jubilant_reads_it(stored: Running):
    statustypes = pytest.importorskip('jubilant.statustypes')
    shown = statustypes.Status._from_dict(stored.ask('status')).storage
    assert shown.storage['data/0'].attachments.units['a/0'].location == '/srv'
    assert shown.storage['data/0'].status.current == 'attached'
    assert (shown.filesystems['0'].size, shown.filesystems['0'].pool) == (2048, 'kubernetes')
    assert shown.filesystems['0'].attachments.containers['a/0'].mount_point == '/srv'
    assert shown.volumes['0'].storage == 'data/0'
    assert not shown.volumes['0'].attachments.containers['a/0'].read_only
    stored.ask('remove-application', app='a')
    stored.wait(lambda: not stored.controller.model.applications)
    shown = statustypes.Status._from_dict(stored.ask('status')).storage
    assert shown.storage['data/0'].attachments is None


# Config


def test_config_is_set_reset_and_shown(running: Running):
    running.deploy('a')
    shown = running.ask('config', app='a', values={'color': 'blue', 'size': '3'})
    assert shown['settings']['color']['value'] == 'blue'
    assert shown['settings']['size'] == {
        'description': '', 'type': 'int', 'source': 'user', 'value': 3,
    }  # fmt: skip
    shown = running.ask('config', app='a', reset=['color', 'size'])
    assert shown['settings']['color']['source'] == 'default'
    assert 'value' not in shown['settings']['size']


@pytest.mark.parametrize(
    ('arguments', 'why'),
    [
        ({'values': {'colour': 'x'}}, 'unknown option "colour"'),
        ({'reset': ['colour']}, 'unknown option "colour"'),
        ({'values': {'size': 'x'}}, 'option "size" expected int, got "x"'),
    ],
)
def test_config_is_refused(running: Running, arguments, why):
    running.deploy('a')
    with pytest.raises(ModelError) as caught:
        running.ask('config', app='a', **arguments)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ('arguments', 'why'),
    [
        ({'config': {'colour': 'x'}}, 'unknown option "colour"'),
        ({'resources': {'imagee': 'known'}}, 'unrecognized resource "imagee"'),
        ({'resources': {'image': 'unknown'}}, 'cannot find image unknown'),
        ({'storage': ['data=1G']}, 'charm "tiny" has no store called "data"'),
        ({'base': 'ubuntu@22.04'}, 'base "ubuntu@22.04" is not the charm\'s'),
        ({'path': '/nowhere'}, 'cannot read charm /nowhere: no such file'),
    ],
)
def test_a_deployment_is_refused_before_anything_happens(running: Running, arguments, why):
    with pytest.raises((ModelError, PodError)) as caught:
        running.ask('deploy', **{'path': str(running.charm), 'app': 'a', **arguments})
    assert why in str(caught.value)
    assert not running.controller.model.applications
    assert not running.pods.services


def test_model_config_is_checked(running: Running):
    running.ask('set-model-config', values={'update-status-hook-interval': '1m30s'})
    assert running.controller.update_status_interval == 90
    assert running.ask('model-config')['update-status-hook-interval']['Source'] == 'model'
    for values in ({'update-status-hook-interval': 'soon'}, {'ftp-proxy': 'x'}):
        with pytest.raises(ModelError):
            running.ask('set-model-config', values=values)


def test_update_status_comes_at_its_interval(running: Running):
    running.deploy('a')
    running.settle()
    running.ask('set-model-config', values={'update-status-hook-interval': '1s'})
    running.wait(lambda: 'update-status' in running.pods.of('a/0'))


# Tasks


def test_an_action_and_a_command_give_results(running: Running):
    def script(charm: Charm) -> None:
        if charm.env.get('JUJU_ACTION_NAME'):
            charm.tool('action-set', f'hello={charm.tool("action-get", "name").strip()}')

    running.pods.script = script
    running.deploy('a')
    running.settle()
    task = running.ask('run', unit='a/leader', action='greet', params={})
    done = running.ask('task', id=int(task['id']), wait=10)
    assert (done['unit'], done['status']) == ('a/0', 'completed')
    assert done['results'] == {'hello': 'world', 'return-code': 0}
    (task,) = running.ask('exec', command='fail', units=['a'])
    done = running.ask('task', id=int(task['id']), wait=10)
    assert done['results']['return-code'] == 1
    with pytest.raises(ModelError, match='action "x" not defined on unit "a/0"'):
        running.ask('run', unit='a/0', action='x', params={})


def test_a_hook_runs_on_request_and_gives_its_entry(running: Running):
    running.deploy('a')
    running.settle()
    entry = running.ask('run-hook', unit='a/0', hook='update-status')
    assert (entry['unit'], entry['hook'], entry['exit']) == ('a/0', 'update-status', 0)
    with pytest.raises(ModelError, match='cannot run in-relation-joined'):
        running.ask('run-hook', unit='a/0', hook='in-relation-joined')


def test_a_hook_runs_as_if_it_were_later(running: Running):
    def script(charm: Charm) -> None:
        if charm.env['JUJU_HOOK_NAME'] == 'start':
            charm.tool('secret-add', '--owner', 'unit', '--expire', '1h', 'password=one')

    running.pods.script = script
    running.deploy('a', units=2)
    running.settle()
    running.pods.later.clear()
    running.ask('run-hook', unit='a/0', hook='update-status', later=3601)
    assert running.pods.later == [
        ('a/0', 'secret-expired', 3601),
        ('a/0', 'update-status', 3601),
    ]
    running.ask('run-hook', unit='a/0', hook='update-status')
    assert running.pods.later[-1] == ('a/0', 'update-status', 0)


def test_a_leader_is_deposed_on_request(running: Running):
    running.deploy('a', units=2)
    running.settle()
    assert running.ask('depose-leader', app='a') == 'a/1'
    running.wait(lambda: running.pods.of('a/1')[-1] == 'leader-elected')


# Over the socket


@pytest.fixture
def client(running: Running, tmp_path: Path, monkeypatch) -> Iterator[Client]:
    """A client of the running controller, found through the registry."""
    monkeypatch.setenv('LOCALJUJU_HOME', str(tmp_path / 'home'))
    registry.make_folder('m')
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(registry.control_socket('m')))
        listener.listen()
        threading.Thread(
            target=_until_closed,
            args=(functools.partial(server.serve, running.controller), listener),
            daemon=True,
        ).start()
        yield Client('controller:admin/m')
        listener.shutdown(socket.SHUT_RDWR)


def _until_closed(serve: Callable[[socket.socket], None], listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        serve(listener)


def _echo(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(connection.recv(100).upper())


def test_a_client_asks_and_is_refused(running: Running, client: Client):
    assert client.status()['model']['name'] == 'm'
    with pytest.raises(RequestError, match='application "x" not found'):
        client.request('config', app='x')
    with pytest.raises(RequestError, match='does not know the request "dance"'):
        client.request('dance')


def test_a_client_connects_and_forwards(client: Client):
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]

        threading.Thread(target=_until_closed, args=(_echo, server), daemon=True).start()
        for near in (port, client.forward('127.0.0.1', port)):
            connect = client.connect if near == port else _plain
            with connect('127.0.0.1', near) as connection:
                connection.sendall(b'hello')
                assert connection.recv(100) == b'HELLO'
        server.shutdown(socket.SHUT_RDWR)
    with pytest.raises(ConnectionError, match='refused'):
        client.connect('127.0.0.1', port)


def _plain(host: str, port: int) -> socket.socket:
    return socket.create_connection((host, port))


def test_the_program_shows_and_removes_storage(stored: Running, client: Client, capsys):
    def said(*argv: str) -> str:
        cli.main([*argv, '-m', client.name])
        out, err = capsys.readouterr()
        return out + err

    assert said('storage').splitlines()[1].split() == [
        'a/0', 'data/0', 'filesystem', 'kubernetes', '2.0', 'GiB', 'attached',
    ]  # fmt: skip
    shown = json.loads(said('storage', '--format', 'json'))
    assert shown.keys() == {'storage', 'filesystems', 'volumes'}
    assert json.loads(said('storage', '--filesystem', '--format=json')).keys() == {'filesystems'}
    assert said('show-storage', 'data/0').startswith('data/0:\n  kind: filesystem\n')
    assert 'Mountpoint' not in said('status')
    assert '/srv' in said('status', '--storage')
    with pytest.raises(SystemExit):
        said('remove-storage', 'data/0')
    assert 'failed to remove data/0: storage is attached' in capsys.readouterr().err
    said('remove-application', 'a')
    stored.wait(lambda: not stored.controller.model.applications)
    assert said('remove-storage', 'data/0') == 'removing data/0\n'
    assert said('storage') == 'No storage to display.\n'


# Jubilant


def test_jubilant_understands_what_is_shown(running: Running):
    statustypes = pytest.importorskip('jubilant.statustypes')
    unittypes = pytest.importorskip('jubilant.unittypes')
    modeltypes = pytest.importorskip('jubilant.modeltypes')
    running.deploy('a')
    running.deploy('b')
    running.ask('integrate', one='a:in', other='b:out')
    running.settle()
    status = statustypes.Status._from_dict(running.ask('status'))
    assert status.apps['a'].relations['in'][0].related_app == 'b'
    assert status.apps['a'].units['a/0'].leader
    (unit,) = running.ask('show-unit', unit='a/0').values()
    assert unittypes.UnitInfo._from_dict(unit).relation_info[0].related_units['b/0'].in_scope
    (model,) = running.ask('show-model').values()
    assert modeltypes.ModelInfo._from_dict(model).short_name == 'm'
