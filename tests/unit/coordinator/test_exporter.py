"""nginx's exporter: what its container runs and holds, and what the real one does with it."""

import contextlib
import json
import socket
import ssl
import subprocess
import warnings

import ops
import pytest
from charmlibs.interfaces import tls_certificates
from ops import pebble, testing

import authority
import programs
from coordinator.live import SECONDS, free_port, wait_until
from coordinator.source import exporter

KEY = tls_certificates.PrivateKey.generate()
BOTH = ('http', 'https')


def certificate(host='a.example'):
    return authority.authority().issue(authority.request(host, key=KEY))


class Pod:
    """The exporter's container, which keeps its files and services from one hook to the next."""

    def __init__(self, folder):
        self.folder = folder
        self._ctx = testing.Context(
            ops.CharmBase,
            meta={'name': 'x', 'containers': {exporter.CONTAINER: {}}},
        )
        mount = testing.Mount(location='/etc/nginx-prometheus-exporter', source=folder)
        container = testing.Container(
            exporter.CONTAINER, can_connect=True, mounts={'files': mount}
        )
        self._state = testing.State(containers=[container])

    def ensure(self, schemes, certificate='', file=None):
        with self._ctx(self._ctx.on.update_status(), self._state) as manager:
            changed = exporter.ensure_running(
                manager.charm.unit.get_container(exporter.CONTAINER),
                schemes=schemes,
                certificate=certificate,
                file=file or (lambda: f'{certificate}{KEY}\n'),
            )
            self._state = manager.run()
        return changed

    @property
    def _container(self):
        return self._state.get_container(exporter.CONTAINER)

    @property
    def plan(self):
        return self._container.plan

    @property
    def running(self):
        statuses = self._container.service_statuses
        return {name for name, one in statuses.items() if one == pebble.ServiceStatus.ACTIVE}

    @property
    def files(self):
        return {path.name: path.read_text() for path in self.folder.iterdir()}


@pytest.fixture
def pod(tmp_path):
    return Pod(tmp_path)


PLAIN, TLS = exporter.SERVICES['http'], exporter.SERVICES['https']


def test_plain_http_needs_no_more_than_it_ever_did(pod):
    assert pod.ensure(['http'])
    assert pod.running == {'nginx-prometheus-exporter'}
    assert list(pod.plan.services) == ['nginx-prometheus-exporter']
    assert pod.files == {}


@pytest.mark.parametrize(
    ('schemes', 'running'), [(['http'], {PLAIN}), (BOTH, {PLAIN, TLS}), (['https'], {TLS})]
)
@pytest.mark.parametrize('before', [[], ['http'], BOTH, ['https']])
def test_exactly_the_wanted_schemes_are_served(pod, before, schemes, running):
    if before:
        pod.ensure(before, certificate())
    wanted = certificate()
    assert pod.ensure(schemes, wanted) is (set(before) != set(schemes) or 'https' in schemes)
    assert pod.running == running
    assert bool(pod.files) is ('https' in schemes)
    assert not pod.ensure(schemes, wanted)


def test_a_service_that_is_not_wanted_is_not_started_by_a_later_replan(pod):
    wanted = certificate()
    for schemes in BOTH, ['https'], BOTH, ['http']:
        pod.ensure(schemes, wanted)
        for scheme, name in exporter.SERVICES.items():
            started = pod.plan.services[name].startup == 'enabled'
            assert started is (scheme in schemes)


def test_https_without_a_certificate_is_not_served(pod):
    pod.ensure(['https'])
    assert pod.running == set()
    assert pod.files == {}


def test_the_key_is_in_one_file_of_its_own_and_in_no_layer(pod):
    pod.ensure(BOTH, certificate())
    secret = str(KEY).splitlines()[1]
    assert secret in pod.files['tls.pem']
    assert secret not in pod.files['web.yml']
    assert secret not in json.dumps(pod.plan.to_dict())
    assert (pod.folder / 'tls.pem').stat().st_mode & 0o777 == 0o600


def no_key():
    raise ValueError('no key')


def test_the_key_is_asked_for_only_to_be_written(pod):
    wanted = certificate()
    pod.ensure(BOTH, wanted)
    assert not pod.ensure(BOTH, wanted, no_key)


def test_a_key_that_others_can_read_is_written_anew(pod):
    wanted = certificate()
    pod.ensure(BOTH, wanted)
    (pod.folder / 'tls.pem').chmod(0o644)
    assert pod.ensure(BOTH, wanted)
    assert (pod.folder / 'tls.pem').stat().st_mode & 0o777 == 0o600


def test_a_renewal_writes_the_files_and_restarts_nothing(pod, calls):
    pod.ensure(BOTH, certificate())
    calls.clear()
    renewed = certificate()
    assert pod.ensure(BOTH, renewed)
    assert pod.files['tls.pem'].startswith(renewed)
    tools = [tool for tool, _ in calls]
    assert 'pebble push' in tools
    assert not {'pebble add', 'pebble replan', 'pebble restart', 'pebble stop'} & set(tools)


def test_a_hook_cut_short_between_the_two_files_is_made_good_by_the_next(pod, monkeypatch):
    from scenario import mocking

    pod.ensure(BOTH, certificate())
    original = mocking._MockPebbleClient.push

    def push(self, path, *arguments, **options):
        if path == exporter.WEB_CONFIG:
            raise pebble.ConnectionError('gone')
        return original(self, path, *arguments, **options)

    renewed = certificate()
    with monkeypatch.context() as patch:
        patch.setattr(mocking._MockPebbleClient, 'push', push)
        with pytest.raises(pebble.ConnectionError):
            pod.ensure(BOTH, renewed)
    assert pod.ensure(BOTH, renewed)
    assert pod.files['web.yml'] == exporter.web_config(renewed)
    assert not pod.ensure(BOTH, renewed)


def test_a_lost_key_leaves_the_previous_certificate_in_use(pod):
    before = certificate()
    pod.ensure(BOTH, before)

    with pytest.raises(ValueError, match='no key'):
        pod.ensure(BOTH, certificate(), no_key)
    assert pod.files['web.yml'] == exporter.web_config(before)
    assert pod.running == {PLAIN, TLS}


class Real:
    """The real exporter, as the service with TLS runs it, with files that the charm made."""

    def __init__(self, pod):
        self._pod = pod
        self._port = free_port()
        self.renew(certificate())
        command = ops.pebble.Layer(exporter.layer('https')).services[TLS].command
        for old, new in (
            (f'address=:{exporter.TLS_PORT}', f'address=127.0.0.1:{self._port}'),
            (exporter.WEB_CONFIG, str(pod.folder / 'web.yml')),
        ):
            assert old in command
            command = command.replace(old, new)
        program, *options = command.split()
        self.command = [
            *programs.command('nginx/nginx-prometheus-exporter:1.5.1', program),
            *options,
        ]

    def renew(self, wanted):
        self._pod.ensure(BOTH, wanted)
        web = self._pod.folder / 'web.yml'
        text = web.read_text().replace(exporter.CERTIFICATE, str(self._pod.folder / 'tls.pem'))
        web.write_text(text)

    def listens(self):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(('127.0.0.1', self._port), SECONDS).close()
            return True
        return False

    def get(self, newest=ssl.TLSVersion.TLSv1_3):
        """The certificate that it serves, in DER, after a GET of its metrics."""
        context = ssl.create_default_context(cadata=authority.authority().certificate)
        context.set_ciphers('DEFAULT@SECLEVEL=0')  # so that this client offers any version
        with warnings.catch_warnings(action='ignore', category=DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = newest
        with (
            socket.create_connection(('127.0.0.1', self._port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname='a.example') as connection,
        ):
            connection.sendall(b'GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
            with connection.makefile('rb') as file:
                assert b'\nnginx_up 0\n' in file.read()
            return connection.getpeercert(binary_form=True)


@pytest.fixture
def real(pod):
    """The real exporter and the container whose files it reads."""
    found = Real(pod)
    process = subprocess.Popen(found.command, stderr=subprocess.DEVNULL)
    try:
        wait_until(found.listens)
        yield found
    finally:
        process.terminate()
        process.wait(SECONDS)


def test_the_real_exporter_serves_a_renewed_certificate_without_a_restart(real):
    for _ in range(2):
        wanted = certificate()
        real.renew(wanted)
        assert ssl.DER_cert_to_PEM_cert(real.get()).split() == wanted.split()


def test_the_real_exporter_refuses_tls_below_1_2(real):
    with pytest.raises(ssl.SSLError, match='PROTOCOL_VERSION'):
        real.get(ssl.TLSVersion.TLSv1_1)
    real.get(ssl.TLSVersion.TLSv1_2)
