"""Whom Pebble trusts when it sends logs over https: what it is given, when, and until when."""

import itertools
from unittest import mock

import ops
import pytest
from ops import testing
from scenario import mocking

import authority
import juju
from coordinated_telemetry import log_trust, logs, topology
from lib.acting import act

A, B, C = sorted(authority.authority(name).certificate for name in ('ca', 'other', 'third'))
UNIT = topology.Topology('m', 'u', 'worker', 'worker/3', 'worker-k8s')
PLAIN, HTTPS, OTHER = 'http://plain/push', 'https://store/push', 'https://other/push'
ENDPOINTS = {'plain/0': PLAIN, 'loki/0': HTTPS}
RESTART = 'restart the pod worker-3 to trust the new CA'


class Pod:
    """A container that keeps its plan and files from one hook to the next."""

    def __init__(self, folder):
        self._folder = folder
        self._pods = 0
        self.notes = []
        self.restart()

    def restart(self):
        """Begin anew, with the image's files and an empty plan."""
        self._pods += 1
        self._certs = self._folder / str(self._pods)
        self._certs.mkdir()
        (self._certs / 'ca-certificates.crt').write_text("the image's")
        mount = testing.Mount(location='/etc/ssl/certs', source=self._certs)
        self._container = testing.Container('work', can_connect=True, mounts={'certs': mount})

    def hook(self, ca, endpoints=ENDPOINTS):
        """Run one hook; return whether it changed anything."""

        def action(bags, charm):
            work = charm.unit.get_container('work')
            return logs.ensure_log_targets(work, endpoints, UNIT, bags.report, ca)

        done = act(action, containers=[self._container])
        self.notes = done.report.notes
        self._container = done.state.get_container('work')
        return done.result

    @property
    def sent_to(self):
        """Where Pebble sends logs."""
        return set(juju.enabled_log_targets(self._container))

    @property
    def file(self):
        """What the file holds, or None."""
        path = self._certs / 'coordinated-telemetry.pem'
        return path.read_text() if path.exists() else None

    @property
    def files(self):
        """The names of all files beside it, and its own."""
        return {path.name for path in self._certs.iterdir()}


@pytest.fixture
def pod(tmp_path):
    return Pod(tmp_path)


def test_the_cas_are_there_before_the_first_target_over_https(pod, calls):
    assert pod.hook(A + B) is True
    assert calls.changes() == ['pebble push', 'pebble add']
    assert pod.sent_to == {PLAIN, HTTPS}
    assert (pod.file, pod.notes) == (A + B, [])
    assert pod.files == {'ca-certificates.crt', 'coordinated-telemetry.pem'}


def test_everybody_in_the_container_can_read_the_file(pod):
    with mock.patch.object(ops.Container, 'push', autospec=True) as push:
        pod.hook(A)
    assert push.call_args.kwargs['permissions'] == 0o644


def test_a_second_hook_reads_the_plan_and_nothing_else(pod, calls):
    pod.hook(A)
    calls.clear()
    assert pod.hook(A) is False
    assert [tool for tool, _ in calls if 'pebble' in tool] == ['pebble plan']


@pytest.mark.parametrize('ca', ['', A], ids=['no CA', 'a CA'])
def test_where_nothing_goes_over_https_there_is_no_file_and_no_further_call(pod, calls, ca):
    pod.hook(ca, {'plain/0': PLAIN})
    assert {tool for tool, _ in calls if 'pebble' in tool} == {'pebble plan', 'pebble add'}
    assert pod.file is None
    calls.clear()
    pod.hook(ca, {'plain/0': PLAIN})
    assert [tool for tool, _ in calls if 'pebble' in tool] == ['pebble plan']


def test_a_store_that_comes_late_gets_the_ca_of_then(pod):
    pod.hook(A, {'plain/0': PLAIN})
    pod.hook(B)
    assert (pod.sent_to, pod.file, pod.notes) == ({PLAIN, HTTPS}, B, [])


def test_another_store_needs_no_other_file(pod, calls):
    pod.hook(A)
    calls.clear()
    pod.hook(A, {**ENDPOINTS, 'other/0': OTHER})
    assert pod.sent_to == {PLAIN, HTTPS, OTHER}
    assert calls.changes() == ['pebble add']


def test_a_ca_that_comes_late_is_not_written_and_a_note_says_what_helps(pod, calls):
    """Pebble would not read it, but it may be that of another store."""
    pod.hook(A)
    calls.clear()
    for _ in range(2):
        assert pod.hook(A + B) is False
        assert (pod.sent_to, pod.file) == ({PLAIN, HTTPS}, A)
        assert pod.notes == [f'workload logs may not reach loki/0: {RESTART}']
    assert calls.changes() == []


def test_a_ca_that_goes_while_another_stays_changes_nothing(pod):
    pod.hook(A + B)
    assert pod.hook(B) is False
    assert (pod.sent_to, pod.file, pod.notes) == ({PLAIN, HTTPS}, A + B, [])


def test_when_all_cas_are_others_nothing_is_sent_and_a_note_says_what_helps(pod, calls):
    pod.hook(A)
    calls.clear()
    assert pod.hook(B + C) is True
    assert (pod.sent_to, pod.file) == ({PLAIN}, None)
    assert calls.changes() == ['pebble rm', 'pebble add']
    note = f'workload logs are not sent to loki/0: {RESTART}'
    assert pod.notes == [note]
    assert pod.hook(B + C) is False
    assert pod.notes == [note]


def test_no_more_than_three_stores_are_named(pod):
    stores = {f'loki/{number}': f'https://store-{number}/push' for number in (9, 10, 11, 12)}
    pod.hook(A, stores)
    pod.hook(B, stores)
    assert pod.notes == [f'workload logs are not sent to loki/9, loki/10, loki/11: {RESTART}']


def test_without_a_ca_the_trust_ends_once(pod, calls):
    pod.hook(A)
    calls.clear()
    assert pod.hook('', {'plain/0': PLAIN}) is True
    assert (pod.sent_to, pod.file, pod.notes) == ({PLAIN}, None, [])
    assert pod.files == {'ca-certificates.crt'}
    assert calls.changes() == ['pebble rm', 'pebble add']
    calls.clear()
    assert pod.hook('', {'plain/0': PLAIN}) is False
    assert [tool for tool, _ in calls if 'pebble' in tool] == ['pebble plan']


def test_without_stores_and_ca_the_trust_ends_too(pod):
    pod.hook(A)
    pod.hook('', {})
    assert (pod.sent_to, pod.file) == (set(), None)


def test_a_store_that_is_away_for_a_while_does_not_end_the_trust(pod):
    pod.hook(A)
    pod.hook(A + B, {'plain/0': PLAIN})
    assert (pod.sent_to, pod.file, pod.notes) == ({PLAIN}, A, [])
    pod.hook(A)
    assert pod.sent_to == {PLAIN, HTTPS}


def test_a_ca_that_comes_back_is_trusted_again(pod):
    """Pebble still knows it, if it ever read it; if it never did, it now reads the file."""
    pod.hook(A + B)
    pod.hook('', {'plain/0': PLAIN})
    assert pod.hook(B + C) is True
    assert (pod.sent_to, pod.file) == ({PLAIN, HTTPS}, B)
    assert pod.notes == [f'workload logs may not reach loki/0: {RESTART}']
    assert pod.hook(B + C) is False
    assert pod.notes == [f'workload logs may not reach loki/0: {RESTART}']
    pod.hook(A + B)
    assert (pod.file, pod.notes) == (B, [f'workload logs may not reach loki/0: {RESTART}'])


@pytest.mark.parametrize('before', [A, A + C], ids=['another', 'one of two'])
def test_a_new_pod_trusts_the_cas_of_now(pod, before):
    pod.hook(before)
    pod.hook(B + C)
    pod.restart()
    assert pod.hook(B + C) is True
    assert (pod.sent_to, pod.file, pod.notes) == ({PLAIN, HTTPS}, B + C, [])


def failing(method, kind='permission-denied'):
    """Pebble as it is without root: the message names a temporary file, which is random."""

    numbers = itertools.count(1)

    def fail(*_, **__):
        raise ops.pebble.PathError(kind, f'open {log_trust.PATH}.{next(numbers)}~: {kind}')

    return mock.patch.object(mocking._MockPebbleClient, method, fail)


@pytest.mark.parametrize('kind', ['permission-denied', 'generic-file-error'])
def test_where_the_file_cannot_be_written_nothing_goes_over_https(pod, calls, kind):
    note = (
        'workload logs of work are not sent to loki/0: '
        f'cannot write /etc/ssl/certs/coordinated-telemetry.pem ({kind})'
    )
    with failing('push', kind):
        pod.hook(A)
        assert (pod.sent_to, pod.file, pod.notes) == ({PLAIN}, None, [note])
        calls.clear()
        assert pod.hook(A) is False
        assert pod.notes == [note]
    assert calls.changes() == []
    pod.hook(A)
    assert (pod.sent_to, pod.file, pod.notes) == ({PLAIN, HTTPS}, A, [])


def test_where_the_file_cannot_be_removed_nothing_goes_over_https_either(pod):
    pod.hook(A)
    with failing('remove_path'):
        pod.hook('', {'plain/0': PLAIN})
    assert pod.sent_to == {PLAIN}
    path = '/etc/ssl/certs/coordinated-telemetry.pem'
    assert pod.notes == [f'cannot remove {path} of work (permission-denied)']
    assert pod.hook('', {'plain/0': PLAIN}) is True
    assert (pod.file, pod.notes) == (None, [])


def test_a_plan_that_was_not_written_is_written_by_the_next_hook(pod):
    with (
        mock.patch.object(
            mocking._MockPebbleClient, 'add_layer', side_effect=ops.pebble.ConnectionError('gone')
        ),
        pytest.raises(ops.pebble.ConnectionError),
    ):
        pod.hook(A)
    assert pod.sent_to == set()
    pod.hook(B)
    assert (pod.sent_to, pod.file) == ({PLAIN, HTTPS}, B)


def test_the_target_that_remembers_is_sent_nothing_and_says_which_cas(pod):
    pod.hook(A)
    pod.hook(A, {})
    target = pod._container.plan.log_targets[log_trust.TARGET]
    remembered = log_trust.remembered(target)
    assert remembered
    (digest,) = remembered.digests
    assert target == {
        'override': 'replace',
        'type': 'loki',
        'location': 'http://disabled.invalid',
        'services': ['-all'],
        'labels': {'trusted': digest},
    }
    assert len(digest) == 12


def test_what_is_remembered_is_what_was_to_be():
    for trust in (
        log_trust.Trust(frozenset(), True),
        log_trust.Trust(frozenset({'b', 'a'}), True),
        log_trust.Trust(frozenset({'a'}), False),
    ):
        target = ops.pebble.LogTarget(log_trust.TARGET, trust.target())
        assert log_trust.remembered(target) == trust
    assert log_trust.remembered(None) is None
