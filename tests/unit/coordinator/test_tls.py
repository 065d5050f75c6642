"""What a CA provides, which certificate nginx serves with, and the file that it is in."""

import dataclasses
import json
from unittest import mock

import ops
import pytest
from ops import testing

import authority
import hostile
from coordinated_telemetry import report
from coordinator import scene
from coordinator.serving import CA, check_harmless, expired, files, is_tls, server, with_fresh_pod
from coordinator.source import answers, ca_data, certificates, nginx, tls
from lib.acting import act

OTHER = authority.authority('other').certificate
FIRST = tls.Certificate(chain=CA.certificate, ca=CA.certificate)
SECOND = tls.Certificate(chain=OTHER, ca=OTHER)

# What is read


def provided(certificate=CA.certificate, request='csr', revoked: bool | None = None):
    """What a CA issued for this unit when it issued one certificate."""
    issued = ca_data.Issued(
        certificate=certificate,
        certificate_signing_request=request,
        ca=certificate,
        revoked=revoked,
    )
    return (issued,)


@pytest.mark.parametrize(
    ('seen', 'serves'),
    [
        (tls.Tls(), False),
        (tls.Tls('ca', provided(), frozenset({'csr'}), FIRST), True),
        (tls.Tls('ca', provided(request=' csr\n'), frozenset({'csr'}), FIRST), True),
        (tls.Tls('ca', provided(revoked=False), frozenset({'csr'}), FIRST), True),
        (tls.Tls('ca', provided(revoked=True), frozenset({'csr'}), FIRST), False),
        (tls.Tls('ca', provided(), frozenset({'csr'}), None), False),
        (tls.Tls('ca', provided(), frozenset({'csr'}), SECOND), False),
        (tls.Tls('ca', provided(), frozenset({'new csr'}), FIRST), False),
        (tls.Tls('ca', (), frozenset({'csr'}), FIRST), False),
    ],
)
def test_whether_it_serves_what_was_issued_for_its_present_request(seen, serves):
    assert seen.serves_issued is serves


@pytest.mark.parametrize(
    ('issued', 'kept', 'candidates'),
    [
        (None, None, []),
        (None, FIRST, [FIRST]),
        (SECOND, None, [SECOND]),
        (SECOND, FIRST, [SECOND, FIRST]),
        (FIRST, FIRST, [FIRST]),
    ],
)
def test_the_issued_certificate_is_tried_before_the_kept_one(issued, kept, candidates):
    assert tls.Tls('ca', kept=kept).candidates(issued) == candidates


def test_all_of_it_is_read(unit, served):
    with unit.ctx(unit.ctx.on.update_status(), served) as manager:
        manager.run()
        seen = manager.charm._state.tls
    assert seen.ca == 'ca'
    assert len(seen.requests) == 1
    assert seen.kept.ca == CA.certificate
    assert seen.serves_issued


def test_without_a_ca_nothing_but_what_was_kept_is_read(unit, served):
    relations = [relation for relation in served.relations if relation.id != 20]
    state = dataclasses.replace(served, relations=relations)
    with unit.ctx(unit.ctx.on.update_status(), state) as manager:
        manager.run()
        seen = manager.charm._state.tls
    assert seen.kept.ca == CA.certificate
    assert seen == tls.Tls(kept=seen.kept)


# The file


def in_container(folder, action):
    """What `action` returns for nginx's container, whose /etc/nginx is a folder."""
    mounts = {'nginx': testing.Mount(location='/etc/nginx', source=folder)}
    container = testing.Container('work', can_connect=True, mounts=mounts)
    return act(
        lambda _, charm: action(charm.unit.get_container('work')), containers=[container]
    ).result


def test_another_chain_is_in_another_file():
    path = tls.file_path(FIRST)
    assert path != tls.file_path(SECOND)
    assert path == tls.file_path(tls.Certificate(chain=CA.certificate, ca=OTHER))
    assert path.startswith('/etc/nginx/tls-')


def test_a_file_is_written_once_for_nobody_elses_eyes(tmp_path):
    path = tls.file_path(FIRST)
    asked = []

    def content():
        asked.append(1)
        return 'key'

    def ensure(container):
        return tls.ensure_file(container, path, content)

    assert in_container(tmp_path, ensure) is True
    assert in_container(tmp_path, ensure) is False
    assert len(asked) == 1  # a key is fetched from Juju
    (found,) = tmp_path.iterdir()
    assert (found.read_text(), found.stat().st_mode & 0o777) == ('key', 0o600)


def test_other_certificates_and_keys_are_removed_and_nothing_else(tmp_path):
    for name in ('tls-a.pem', 'tls-b.pem', 'nginx.conf'):
        (tmp_path / name).write_text('x')

    def ensure(container):
        return tls.ensure_no_other_file(container, '/etc/nginx/tls-a.pem')

    assert in_container(tmp_path, ensure) is True
    assert {path.name for path in tmp_path.iterdir()} == {'tls-a.pem', 'nginx.conf'}
    assert in_container(tmp_path, ensure) is False


def test_a_folder_that_is_not_there_yet_has_no_files(tmp_path):
    container = testing.Container('work', can_connect=True)
    done = act(
        lambda _, charm: tls.ensure_no_other_file(charm.unit.get_container('work'), ''),
        containers=[container],
    )
    assert done.result is False


# What is served


@dataclasses.dataclass
class Served:
    """What came of serving with what there is."""

    result: tls.Certificate | None
    ran: list[str]
    ignored: list[str]
    files: set[str]


def serve(folder, *, refused=(), keyless=()):
    """Serve with SECOND, which was issued, or FIRST, which was kept.

    Args:
        folder: /etc/nginx.
        refused: the certificates that nginx does not take; None for plain HTTP.
        keyless: those whose key is not there.
    """
    ran = []
    found = report.Report()
    paths = {'' if one is None else tls.file_path(one) for one in refused}

    def file(certificate):
        if certificate in keyless:
            raise ValueError('no key')
        return 'key'

    def run(path):
        ran.append(path)
        if path in paths:
            raise nginx.ConfigError('refused')

    result = in_container(
        folder,
        lambda container: tls.ensure_served(
            container, 'ca', [SECOND, FIRST], file=file, run=run, found=found
        ),
    )
    names = {f'/etc/nginx/{path.name}' for path in folder.iterdir()}
    return Served(result, ran, [str(item) for item in found.ignored], names)


KEPT, ISSUED = tls.file_path(FIRST), tls.file_path(SECOND)
WHY = 'ca (cannot serve its certificate: {})'


@pytest.mark.parametrize(
    ('refused', 'keyless', 'expected'),
    [
        ((), (), Served(SECOND, [ISSUED], [], {ISSUED})),
        ((SECOND,), (), Served(FIRST, [ISSUED, KEPT], [WHY.format('refused')], {KEPT})),
        ((), (SECOND,), Served(FIRST, [KEPT], [WHY.format('no key')], {KEPT})),
        ((FIRST, SECOND), (), Served(None, [ISSUED, KEPT, ''], [WHY.format('refused')], set())),
        ((), (FIRST, SECOND), Served(None, [''], [WHY.format('no key')], set())),
    ],
)
def test_the_best_certificate_that_can_be_is_served(tmp_path, refused, keyless, expected):
    assert serve(tmp_path, refused=refused, keyless=keyless) == expected


def test_a_file_that_may_be_in_use_stays_where_nginx_takes_nothing(tmp_path):
    (tmp_path / 'tls-old.pem').write_text('x')
    with pytest.raises(nginx.ConfigError, match='refused'):
        serve(tmp_path, refused=(None, FIRST, SECOND))
    assert '/etc/nginx/tls-old.pem' in {f'/etc/nginx/{path.name}' for path in tmp_path.iterdir()}


# In the charm


def test_a_unit_that_is_added_gets_no_requests_before_its_certificate(unit, plain):
    """If the image has a check of that name, which fails until the charm replaces it."""
    assert not plain.get_container('nginx').plan.checks
    served = scene.answered(unit, plain)
    assert list(served.get_container('nginx').plan.checks) == ['nginx-ready']
    after = expired(unit, served)
    assert list(after.get_container('nginx').plan.checks) == ['nginx-ready']


@pytest.mark.parametrize('mode', [0o644, 0o640, 0o400])
def test_a_key_that_others_may_read_is_hidden_again(unit, served, mode):
    before = files(unit)
    (unit.folder / min(before)).chmod(mode)
    unit.update_status(served)
    assert files(unit) == before
    assert (unit.folder / min(before)).stat().st_mode & 0o777 == 0o600


def test_workers_are_told_of_the_ca_by_a_leader_that_serves_tls(unit, served, tmp_path):
    assert json.loads(served.get_relation(11).local_app_data['ca_cert']) == CA.certificate
    follower = scene.Coordinator(tmp_path / 'follower')
    relations = [scene.workers('w', id=11), scene.certificates(id=20)]
    state = follower.update_status(follower.state(*relations, leader=False))
    after = scene.answered(follower, state)
    assert is_tls(follower)
    assert after.get_relation(11).local_app_data == {}


def test_without_its_key_a_new_pod_says_so(unit, served):
    state = with_fresh_pod(unit, dataclasses.replace(served, secrets=[]))
    after = unit.update_status(state)
    assert not any('ssl' in line for line in server(unit))
    assert 'ca (cannot serve its certificate: its key' in after.unit_status.message


DATABAGS = {
    **{f'certificates: {case}': {'certificates': raw} for case, raw in hostile.RAW.items()},
    **{
        f'request_errors: {case}': {'certificates': '[]', 'request_errors': raw}
        for case, raw in hostile.RAW.items()
    },
    'foreign': {'certificates': '[]', 'foreign': hostile.LONG},
}
READY = {
    'foreign',
    *(f'{key}: null' for key in ('certificates', 'request_errors')),
    *(f'{key}: empty list' for key in ('certificates', 'request_errors')),
}  # fmt: skip


@pytest.mark.parametrize('case', DATABAGS)
def test_a_databag_that_makes_no_sense_takes_nothing_away(unit, served, calls, case):
    names = [] if case in READY else ['ca']
    check_harmless(unit, served, calls, DATABAGS[case], names)


# What is useless


class Counted:
    """The library's side of a unit, which counts how often it is needed."""

    def __init__(self, outcome):
        self.outcome, self.calls = outcome, 0

    def follow(self, event, seen):
        self.calls += 1

    def issued(self, seen):
        if isinstance(self.outcome, ValueError):
            raise self.outcome
        return self.outcome

    def file(self, certificate):
        return ''


USELESS = {
    'refused': (ValueError('its certificate has expired'), {'ca': 'its certificate has expired'}),
    'no answer': (None, {}),
}


def requested(seen, requirer, useless='', event=ops.RelationChangedEvent):
    """What `ensure_requested` returns, and what is ignored."""
    done = act(
        lambda bags, _: tls.ensure_requested(
            mock.Mock(spec=event), bags, seen, lambda: requirer, lambda _: True, useless
        )
    )
    return done.result, done.ignored()


@pytest.mark.parametrize('case', USELESS)
def test_what_is_useless_is_looked_at_once_and_named_in_every_event(case):
    outcome, ignored = USELESS[case]
    seen = tls.Tls('ca', provided(), frozenset({'csr'}), SECOND)
    requirer = Counted(outcome)
    (issued, useless), found = requested(seen, requirer)
    assert (issued, found, requirer.calls) == (None, ignored, 1)
    assert requested(seen, requirer, useless) == ((None, useless), ignored)
    assert requirer.calls == 1


@pytest.mark.parametrize(
    ('event', 'seen'),
    [
        (ops.UpdateStatusEvent, {}),  # it may have become valid
        (ops.SecretExpiredEvent, {}),
        (ops.RelationChangedEvent, {'own': provided(revoked=True)}),
        (ops.RelationChangedEvent, {'own': ()}),
        (ops.RelationChangedEvent, {'requests': frozenset({'new csr'})}),
        (ops.RelationChangedEvent, {'requests': frozenset[str]()}),
        (ops.RelationChangedEvent, {'answered': answers.Answers(denied={'csr': 'no'})}),
        (ops.RelationChangedEvent, {'answered': answers.Answers(refused={'csr': 'no'})}),
    ],
)
def test_it_is_looked_at_again_when_it_may_be_useful(event, seen):
    before = tls.Tls('ca', provided(), frozenset({'csr'}), SECOND)
    _, useless = requested(before, Counted(ValueError('x')))[0]
    requirer = Counted(FIRST)
    after = dataclasses.replace(before, **seen)
    assert requested(after, requirer, useless, event)[0] == (FIRST, '')
    assert requirer.calls == 1


def test_a_refused_certificate_is_not_read_in_the_events_of_others(unit, served, monkeypatch):
    (request,) = authority.requests(served.get_relation(20).local_unit_data)
    bad = CA.entry(request, certificate=CA.issue(request, names=['a.example']))
    state = scene.answered(unit, served, scene.encoded(certificates=[bad]))
    assert 'its certificate does not cover' in state.unit_status.message
    monkeypatch.setattr(certificates, 'Requirer', None)
    event = unit.ctx.on.relation_changed(state.get_relation(11), remote_unit=0)
    after = unit.ctx.run(event, state)
    assert after.unit_status == state.unit_status
    monkeypatch.undo()
    assert 'ignored' not in scene.answered(unit, after).unit_status.message
