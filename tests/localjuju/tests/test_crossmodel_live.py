"""Two models with real pods, related to each other. Skipped where pods cannot be made."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localjuju.common import paths
from localjuju.pods import goprograms, namespaces

try:
    namespaces.check()
except namespaces.PodError as e:
    pytestmark = pytest.mark.skip(str(e))
else:
    pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='only root links networks')

#: The hook tools' client, as the one in Go.
HOOKTOOL = """#!/usr/bin/env python3
import os, socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(os.environ['JUJU_AGENT_SOCKET_ADDRESS'])
tool = os.path.basename(sys.argv[0])
fields = [os.environ['JUJU_CONTEXT_ID'], tool, '', '0', *sys.argv[1:]]
message = len(fields).to_bytes(4, 'big')
for field in map(str.encode, fields):
    message += len(field).to_bytes(4, 'big') + field
sock.sendall(message)
answer = sock.makefile('rb')
code, out, err = (answer.read(int.from_bytes(answer.read(4), 'big')).decode() for _ in range(3))
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(int(code))
"""
SERVE = """#!/bin/sh
case $JUJU_DISPATCH_PATH in
hooks/start)
    echo "hello from $(hostname)" > /tmp/index.html
    (cd /tmp && exec python3 -m http.server 8080 >/dev/null 2>&1) &
    open-port 8080/tcp
    ;;
hooks/db-relation-joined) relation-set greeting="for $JUJU_REMOTE_APP" ;;
esac
"""
READ = """#!/bin/sh
case $JUJU_DISPATCH_PATH in
hooks/db-relation-changed)
    [ -z "$JUJU_REMOTE_UNIT" ] || status-set active "$(relation-get greeting)"
    ;;
hooks/db-relation-broken) status-set blocked broken ;;
esac
"""
GET = (
    'python3 -c "import urllib.request as u;'
    " print(u.urlopen('http://{}:8080/index.html', timeout=10).read().decode())\""
)
NAMES = 'db-0.db-endpoints.shop.svc.cluster.local', 'db.shop.svc.cluster.local'


class Juju:
    """The `juju` program with a home and a cache of its own; each model has its own owner."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.owners: dict[str, subprocess.Popen[bytes]] = {}
        (folder / 'cache/bin').mkdir(parents=True)
        for name, text in ('hooktool', HOOKTOOL), ('pebble', '#!/bin/sh\n'):
            program = folder / 'cache/bin' / goprograms.built(name).name
            program.write_text(text)
            program.chmod(0o755)

    def __call__(self, *argv: str, owner: int = 0) -> str:
        env = {
            **os.environ,
            'COORDINATED_TELEMETRY_CACHE': str(self.folder / 'cache'),
            'LOCALJUJU_HOME': str(self.folder / 'home'),
            'PYTHONPATH': str(paths.LOCALJUJU_DIR),
            'LOCALJUJU_OWNER': str(owner or os.getpid()),
        }
        argv = (sys.executable, '-m', 'localjuju.cli.main', *argv)
        done = subprocess.run(argv, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add_model(self, name: str) -> None:
        self.owners[name] = subprocess.Popen(['sleep', '600'])
        self('add-model', name, owner=self.owners[name].pid)

    def end(self, name: str) -> None:
        """End a model without notice, as when its owner is killed."""
        self.owners[name].kill()
        self.owners[name].wait()

    def deploy(self, model: str, app: str, side: str, dispatch: str) -> None:
        charm = self.folder / app
        charm.mkdir()
        (charm / 'metadata.yaml').write_text(f'name: {app}\n{side}: {{db: {{interface: sql}}}}\n')
        (charm / 'dispatch').write_text(dispatch)
        (charm / 'dispatch').chmod(0o755)
        self('deploy', '-m', model, str(charm))

    def status(self, model: str) -> dict[str, Any]:
        return json.loads(self('status', '-m', model, '--format', 'json'))

    def wait(self, model: str, ready: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while not ready(status := self.status(model)):
            assert time.monotonic() < deadline, status
            time.sleep(0.1)
        return status


@pytest.fixture(scope='module')
def juju(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Juju]:
    """An application of model ``app`` related to one of model ``shop``."""
    juju = Juju(tmp_path_factory.mktemp('x'))
    try:
        for model in 'shop', 'app':
            juju.add_model(model)
        juju.deploy('shop', 'db', 'provides', SERVE)
        juju.deploy('app', 'web', 'requires', READ)
        juju('offer', 'shop.db:db')
        juju('integrate', '-m', 'app', 'web', 'admin/shop.db')
        juju.wait('app', lambda status: message(status).startswith('for '))
        yield juju
    finally:
        for name in juju.owners:
            with contextlib.suppress(ProcessLookupError):
                juju.end(name)


def message(status: dict[str, Any]) -> str:
    unit = status['applications']['web']['units'].get('web/0', {})
    return unit.get('workload-status', {}).get('message', '')


def test_data_crosses(juju: Juju):
    (relation,) = json.loads(juju('show-unit', '-m', 'shop', 'db/0', '--format', 'json'))['db/0'][
        'relation-info'
    ]
    (remote,) = relation['related-units']
    assert message(juju.status('app')) == f'for {remote.partition("/")[0]}'


def test_models_have_their_own_addresses(juju: Juju):
    units = [
        juju.status(model)['applications'][app]['units'][f'{app}/0']['address'].split('.')[:2]
        for model, app in (('shop', 'db'), ('app', 'web'))
    ]
    assert units[0] != units[1]


@pytest.mark.parametrize('name', NAMES)
def test_a_pod_reaches_pods_and_services_of_the_other_model(juju: Juju, name: str):
    assert juju('ssh', '-m', 'app', 'web/0', GET.format(name)).strip() == 'hello from db-0'


def test_a_name_of_the_other_model_goes_with_its_pod(juju: Juju):
    missing = 'db-7.db-endpoints.shop.svc.cluster.local'
    command = f'getent hosts {missing} || echo none; getent hosts {NAMES[0]}'
    none, found = juju('ssh', '-m', 'app', 'web/0', command).splitlines()
    assert none == 'none'
    assert found.split()[1] == NAMES[0]


def test_the_offering_pod_reaches_the_consuming_one(juju: Juju):
    found = juju(
        'ssh', '-m', 'shop', 'db/0', 'getent hosts web-0.web-endpoints.app.svc.cluster.local'
    )
    assert (
        found.split()[0] == juju.status('app')['applications']['web']['units']['web/0']['address']
    )


def test_offers_are_found_and_shown(juju: Juju):
    found = json.loads(juju('find-offers', '-m', 'app', '--format', 'json'))
    assert list(found) == ['localjuju:admin/shop.db']
    (connection,) = json.loads(juju('offers', '-m', 'shop', '--format', 'json'))['db'][
        'connections'
    ]
    assert connection['status']['current'] == 'joined'
    assert 'admin/shop.db' in juju('status', '-m', 'app')
    assert ' 1/1 ' in juju('status', '-m', 'shop')
    row = 'localjuju  admin/shop.db  admin   sql:db'
    assert juju('find-offers', '--interface', 'sql').splitlines()[1] == row
    assert juju('offers', '-m', 'shop').splitlines()[1].split()[:2] == ['db', 'admin']
    (shown,) = json.loads(juju('show-offer', 'shop.db', '--format', 'json')).values()
    assert shown['endpoints'] == {'db': {'interface': 'sql', 'role': 'provider'}}
    row = 'localjuju  admin/shop.db  admin                db        sql        provider'
    assert juju('show-offer', '-m', 'shop', 'db').splitlines()[1] == row


# Last: it ends one of the models.


def test_a_model_whose_other_side_dies_says_so_and_lives_on(juju: Juju):
    juju.end('shop')
    status = juju.wait(
        'app',
        lambda status: (
            status['application-endpoints']['db']['application-status']['current'] == 'error'
        ),
    )
    assert message(status).startswith('for ')
    read = 'relation-get -r 0 - db/0 2>&1; echo $?; relation-list -r 0'
    said = json.loads(juju('exec', '-m', 'app', '--unit', 'web/0', '--format', 'json', read))
    assert said['web/0']['results']['stdout'].split('\n')[:3] == [
        'ERROR permission denied',
        '1',
        'db/0',
    ]
    links = juju('ssh', '-m', 'app', 'web/0', f'getent hosts {NAMES[0]} || echo none')
    assert links.strip() == 'none'
    juju('remove-saas', '-m', 'app', 'db')
    juju.wait('app', lambda status: message(status) == 'broken')
    juju('destroy-model', '--no-prompt', 'app')
