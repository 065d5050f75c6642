"""What a worker unit asks for and is to serve, apart from any workload."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import hypothesis
import pytest
from hypothesis import strategies as st

import authority
import hostile
from coordinated_telemetry import cluster, cluster_data, cluster_worker, worker_key, worker_tls
from coordinated_telemetry.worker_tls import Serving, Tls
from lib.acting import act, related

HOST = 'w-0.example'
KEY = worker_key.new()
REQUEST = worker_key.request(KEY, HOST)
CA = authority.authority()
CHAIN = CA.issue(REQUEST) + CA.certificate
DIGEST = cluster_data.sha256(CHAIN)
WRONG = CA.issue(REQUEST, names=['other.example']) + CA.certificate
NOTHING = Serving()
BOTH = ('http', 'https')
PUBLISHED = {
    'address': HOST,
    'juju_topology': {'application': 'w', 'unit': 'w/0', 'charm_name': 'w-k8s'},
    'certificate_signing_request': REQUEST,
}


def coordinator(certificate='', schemes=BOTH, issued=None):
    """What was read of a coordinator."""
    return cluster_worker.Coordinator(
        'c', None, {}, {}, {}, certificate=certificate, schemes=schemes, issued=issued or {}
    )


def unit(action, published=None, *, key: str | None = KEY):
    """What `action` returns for a unit that has published this and has this key."""
    encoded = {name: json.dumps(value) for name, value in (published or {}).items()}
    relation = dataclasses.replace(related('cluster', 'c'), local_unit_data=encoded)

    def with_key(bags, charm):
        if key:
            charm.unit.add_secret({'private-key': key}, label=worker_tls.LABEL)
        return action(bags, charm)

    return act(with_key, relation, app='w')


def follow(
    seen,
    serving: Serving | None = NOTHING,
    published=PUBLISHED,
    renewal='',
    refused='',
    again=False,
    **options,
):
    """The unit's TLS, and what is ignored."""
    done = unit(
        lambda bags, charm: worker_tls.follow(
            bags, 'cluster', charm, HOST, seen, serving, renewal, refused, again=again
        ),
        published,
        **options,
    )
    return done.result, done.ignored()


def test_a_certificate_that_fits_is_to_be_served_with_the_units_key():
    tls, ignored = follow(coordinator(CHAIN))
    assert tls.issued == worker_tls.Certificate(CHAIN, KEY)
    assert tls.issued.sha256 == DIGEST
    assert (tls.request, ignored) == (REQUEST, {})
    digest, when = tls.renewal.split()
    assert (digest, float(when)) == (DIGEST, worker_key.renewal(CHAIN))


def test_one_that_does_not_is_ignored():
    tls, ignored = follow(coordinator(WRONG))
    assert tls == Tls(REQUEST, refused=tls.refused)
    assert ignored == {'c worker_certificates': f'the certificate does not cover {HOST}'}


def test_what_was_refused_is_not_checked_again_and_is_named_all_the_same(monkeypatch):
    first, ignored = follow(coordinator(WRONG))
    monkeypatch.setattr(worker_key, 'check', None)
    again = follow(coordinator(WRONG), refused=first.refused)
    assert again == (first, ignored)
    # While nobody can tell what is served, or what is issued, nothing is forgotten.
    for seen, serving in ((coordinator(WRONG), None), (None, NOTHING)):
        assert follow(seen, serving, refused=first.refused) == (first, {})


@pytest.mark.parametrize(
    'case',
    [
        {'again': True},
        {'refused': ''},
        {'seen': coordinator(CHAIN)},
        {'published': {**PUBLISHED, 'certificate_signing_request': worker_key.request(KEY, HOST)}},
    ],
)
def test_it_is_checked_again_when_it_may_be_good(monkeypatch, case):
    first, _ = follow(coordinator(WRONG))
    monkeypatch.setattr(worker_key, 'check', lambda *_: None)
    tls, ignored = follow(**{'seen': coordinator(WRONG), 'refused': first.refused, **case})
    assert tls.issued is not None
    assert (tls.refused, ignored) == ('', {})


def test_what_is_served_after_all_is_no_longer_refused():
    first, _ = follow(coordinator(WRONG))
    tls, ignored = follow(coordinator(CHAIN), Serving(BOTH, DIGEST), refused=first.refused)
    assert (tls.refused, ignored) == ('', {})


def test_what_nobody_could_serve_now_is_not_checked():
    assert follow(coordinator(CHAIN), serving=None) == (Tls(REQUEST), {})


@pytest.mark.parametrize(
    'published', [None, {**PUBLISHED, 'address': 'other.example'}, {'address': HOST}]
)
def test_without_a_request_for_the_host_there_is_a_new_one_for_the_same_key(published):
    tls, _ = follow(coordinator(), published=published)
    assert tls.request not in ('', REQUEST)
    parsed = authority.tls.CertificateSigningRequest.from_string(tls.request)
    assert parsed.sans_dns == {HOST}
    assert parsed.matches_private_key(authority.tls.PrivateKey.from_string(KEY))


def test_without_a_key_there_is_a_new_one_in_a_secret_of_the_unit():
    done = unit(
        lambda bags, charm: worker_tls.follow(bags, 'cluster', charm, HOST, coordinator(), None),
        key=None,
    )
    (secret,) = done.state.secrets
    assert (secret.owner, secret.label, secret.remote_grants) == ('unit', worker_tls.LABEL, {})
    parsed = authority.tls.CertificateSigningRequest.from_string(done.result.request)
    made = authority.tls.PrivateKey.from_string(secret.latest_content['private-key'])
    assert parsed.matches_private_key(made)


@pytest.mark.parametrize('schemes', [('http',), ()])
def test_where_https_is_not_wanted_there_is_nothing(schemes):
    assert follow(coordinator(CHAIN, schemes)) == (Tls(), {})


def test_while_the_coordinator_is_not_ready_the_request_stays():
    assert follow(None, renewal='x 1') == (Tls(REQUEST, renewal='x 1'), {})


@pytest.mark.parametrize(('when', 'is_asked'), [(-1, True), (3600, False), ('inf', False)])
def test_what_is_served_is_asked_for_again_when_it_is_time(when, is_asked):
    now = worker_key.renewal(CHAIN) + 1
    renewal = f'{DIGEST} {when if when == "inf" else now + when}'
    with mock.patch.object(time, 'time', return_value=now):
        tls, _ = follow(coordinator(CHAIN), Serving(BOTH, DIGEST), renewal=renewal)
        assert (tls.request != REQUEST) is is_asked
        again, _ = follow(
            coordinator(CHAIN),
            Serving(BOTH, DIGEST),
            {**PUBLISHED, 'certificate_signing_request': tls.request},
            tls.renewal,
        )
    assert again == Tls(tls.request, renewal=tls.renewal)


def test_a_renewal_that_was_forgotten_is_read_from_the_certificate():
    tls, _ = follow(coordinator(CHAIN), Serving(BOTH, DIGEST))
    assert tls == Tls(REQUEST, renewal=f'{DIGEST} {worker_key.renewal(CHAIN)}')


@pytest.mark.parametrize(
    'renewal',
    ['x', f'{DIGEST} ', f'{DIGEST} never', f'{DIGEST}'],
    ids=['x', 'no time', 'never', 'digest'],  # the digest is another in each process
)
def test_a_renewal_that_makes_no_sense_is_read_anew(renewal):
    tls, _ = follow(coordinator(CHAIN), Serving(BOTH, DIGEST), renewal=renewal)
    assert tls == Tls(REQUEST, renewal=f'{DIGEST} {worker_key.renewal(CHAIN)}')


@pytest.mark.parametrize(
    ('wanted', 'now', 'has_certificate', 'expected'),
    [
        (BOTH, (), True, BOTH),
        (('https', 'http'), ('http',), True, BOTH),
        (('https',), ('http',), True, ('https',)),
        (('http',), BOTH, True, ('http',)),
        (BOTH, (), False, ('http',)),
        (('https',), (), False, ()),
        (('https',), ('http',), False, ('http',)),
        (('https',), ('https',), False, ()),
    ],
)
def test_what_can_be_served_of_what_is_wanted(wanted, now, has_certificate, expected):
    found = worker_tls.schemes(wanted, Serving(now), has_certificate=has_certificate)
    assert found == expected


@pytest.mark.parametrize(
    ('seen', 'serving', 'published', 'expected'),
    [
        (coordinator(), Serving(BOTH, DIGEST), {}, (BOTH, DIGEST)),
        (coordinator(), Serving(), {}, ((), '')),
        (coordinator(schemes=('http',)), Serving(), {}, (('http',), '')),
        (coordinator(schemes=('http',)), Serving(BOTH, DIGEST), {}, (BOTH, DIGEST)),
        (coordinator(), None, {'schemes': BOTH, 'certificate_sha256': DIGEST}, (BOTH, DIGEST)),
        (coordinator(), None, {'schemes': []}, ((), '')),
        (coordinator(), None, {}, (('http',), '')),
        (None, Serving(), {'schemes': []}, ((), '')),
        (None, Serving(('http',)), {'schemes': BOTH}, (('http',), '')),
    ],
)
def test_what_is_announced_is_what_is_served_or_what_was(seen, serving, published, expected):
    done = unit(
        lambda bags, charm: worker_tls.announced(
            bags, 'cluster', charm, seen, Tls(REQUEST), serving
        ),
        {**PUBLISHED, **published},
    )
    schemes, digest = expected
    assert done.result == cluster.WorkerTls(('10.1.0.7', 'fd00::7'), REQUEST, schemes, digest)


@pytest.mark.parametrize(
    ('seen', 'schemes'),
    [(None, ('http',)), (coordinator(schemes=('http',)), ('http',)), (coordinator(), ())],
)
def test_a_unit_that_never_published_announces_nothing_that_is_not_so(seen, schemes):
    done = unit(
        lambda bags, charm: worker_tls.announced(bags, 'cluster', charm, seen, Tls(), None)
    )
    assert done.result == cluster.WorkerTls(schemes=schemes)


def test_a_key_is_removed_once():
    def remove(_, charm):
        return worker_tls.ensure_no_key(charm)

    done = unit(remove)
    assert (done.result, done.state.secrets) == (True, frozenset())
    assert unit(remove, key=None).result is False


def test_a_pod_without_a_name_has_no_addresses():
    with mock.patch('socket.getaddrinfo', side_effect=OSError):
        assert worker_tls.pod_addresses() == ()


def test_addresses_that_reach_no_pod_are_left_out():
    given = ('127.0.0.1', '::1', 'fe80::1', 'fe80::1%eth0', '10.0.0.9', '10.0.0.10', 'FD00::1')
    answer = [(0, 0, 0, '', (address, 0)) for address in given]
    with mock.patch('socket.getaddrinfo', return_value=answer):
        assert worker_tls.pod_addresses() == ('10.0.0.10', '10.0.0.9', 'fd00::1')


def test_units_are_told_apart_by_what_was_issued_for_them():
    seen = coordinator(issued={'w/0': CHAIN, 'w/1': CHAIN + CHAIN, 'w/2': 7})
    digests = [worker_tls.issued_digest(seen, f'w/{number}') for number in range(4)]
    assert len({*digests}) == 4
    assert digests[3] == ''


@hypothesis.given(st.dictionaries(st.just('w/0'), hostile.texts | st.integers() | st.none()))
def test_whatever_was_issued_has_a_digest(issued):
    assert worker_tls.issued_digest(coordinator(issued=issued), 'w/0').isalnum() is any(
        value is not None for value in issued.values()
    )


def test_importing_it_imports_nothing_heavy():
    root = Path(worker_tls.__file__).parents[1]
    program = (
        'import sys; sys.path.insert(0, sys.argv[1]); '
        'from coordinated_telemetry import worker_tls; '
        'sys.exit("cryptography" in sys.modules)'
    )
    assert subprocess.run([sys.executable, '-c', program, str(root)]).returncode == 0
