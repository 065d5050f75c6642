"""TLS to the workers from its beginning to its end, with workers that do as they are told."""

import dataclasses
import hashlib
import json
import sys

import pytest
from ops import testing

import authority
import relabelling
from coordinated_telemetry import cluster_data, databag, pem
from coordinator import requesting, scene, serving
from coordinator.source import ca_data
from prometheus.src import scrape

CA = authority.authority()
NEW = authority.authority('other')


@pytest.fixture
def secure(unit):
    """The state in which everything is https."""
    return requesting.settled(unit)


def jobs(state):
    """Job → its scheme and its CAs."""
    published = json.loads(state.get_relation(14).local_app_data['scrape_jobs'])
    return {
        job['job_name']: (job.get('scheme', 'http'), job.get('tls_config', {}).get('ca', ''))
        for job in published
    }


def ports(state):
    """The ports that are scraped."""
    published = json.loads(state.get_relation(14).local_app_data['scrape_jobs'])
    targets = relabelling.by_target(published)
    return {target.rpartition(':')[2] for target in targets}


def kept(state, key):
    """What this unit keeps of something."""
    return json.loads(state.get_relation(19).local_unit_data.get(key, 'null'))


def upstream(unit):
    """The scheme and the port that nginx uses towards the workers."""
    scheme = 'https' if 'proxy_pass https://' in unit.config else 'http'
    assert ('proxy_ssl_trusted_certificate' in unit.config) == (scheme == 'https')
    assert (':7071 resolve' in unit.config) == (scheme == 'https')
    assert (':7070 resolve' in unit.config) == (scheme == 'http')
    return scheme


def clients(unit):
    """How clients reach nginx: `http`, `https` or `either`."""
    said = serving.server(unit)
    if not any('ssl_certificate' in line for line in said):
        return 'http'
    assert serving.is_tls(unit)
    return 'either' if 'error_page 497 = @plain' in said else 'https'


def ca_cert(state):
    """What the workers are told to trust when they call the coordinator."""
    return json.loads(state.get_relation(11).local_app_data.get('ca_cert', 'null'))


def ready(state):
    return 'nginx-ready' in state.get_container('nginx').plan.checks


def trust(unit):
    """What nginx checks the workers' certificates with."""
    texts = [path.read_text() for path in unit.folder.glob('upstream-ca-*')]
    return ''.join(texts)


def without_ca(unit, state):
    broken = unit.ctx.run(unit.ctx.on.relation_broken(state.get_relation(20)), state)
    relations = [relation for relation in broken.relations if relation.id != 20]
    return dataclasses.replace(broken, relations=relations)


def test_tls_is_turned_on_step_by_step(unit):
    state = unit.update_status(unit.state(*requesting.deployment()))
    assert (upstream(unit), requesting.told(state), ca_cert(state)) == ('http', ['http'], None)
    state = scene.answered(unit, state)
    assert clients(unit) == 'either'
    # Now that it serves TLS, workers may serve it, and call with it.
    assert (requesting.told(state), ca_cert(state)) == (['http', 'https'], CA.certificate)
    state = requesting.answered(unit, state)
    assert clients(unit) == 'either'
    assert upstream(unit) == 'http'
    assert jobs(state)['w'][0] == 'http'
    assert not ready(state)
    assert state.unit_status == testing.WaitingStatus(
        '[certificates] waiting for w/0, w/1 to serve TLS'
    )
    state = requesting.echoed(unit, state, [0])
    assert upstream(unit) == 'http'  # all workers change at once
    assert not ready(state)
    assert jobs(state)['w'][0] == 'http'
    assert state.unit_status.message == '[certificates] waiting for w/1 to serve TLS'
    state = requesting.echoed(unit, state, [1])
    assert upstream(unit) == 'https'
    assert scene.host('w/0') in unit.config
    assert scene.host('w/1') in unit.config
    assert ready(state)
    assert trust(unit) == pem.anchors(CA.certificate)
    assert jobs(state)['w'] == ('https', CA.certificate)
    assert requesting.told(state) == ['http', 'https']
    assert clients(unit) == 'either'
    state = unit.update_status(state)
    assert requesting.told(state) == ['https']
    assert clients(unit) == 'https'
    state = unit.update_status(state)
    assert jobs(state) == {
        'coordinator': ('https', CA.certificate),
        'w': ('https', CA.certificate),
    }
    assert ports(state) == {'7071', '9114'}
    assert kept(state, 'schemes') == ['https']
    assert isinstance(state.unit_status, testing.ActiveStatus)


def test_an_event_that_changes_nothing_writes_nothing(unit, secure, calls):
    after = unit.update_status(secure)
    assert calls.changes() == []
    assert after.unit_status == secure.unit_status


def test_tls_is_turned_off_step_by_step(unit, secure):
    state = without_ca(unit, secure)
    assert clients(unit) == 'either'
    assert upstream(unit) == 'https'
    assert (requesting.told(state), ca_cert(state)) == (['http', 'https'], None)
    assert requesting.given(state) == requesting.given(secure)
    assert trust(unit) == pem.anchors(CA.certificate)
    assert jobs(state)['w'] == ('https', CA.certificate)
    state = requesting.echoed(unit, state)
    assert upstream(unit) == 'http'
    assert trust(unit) == ''
    assert jobs(state)['w'] == ('http', '')
    assert requesting.told(state) == ['http', 'https']
    assert clients(unit) == 'either'
    state = unit.update_status(state)
    assert clients(unit) == 'http'
    assert serving.files(unit) == {}
    assert requesting.told(state) == ['http']
    assert requesting.given(state) == {}
    state = requesting.echoed(unit, state)
    state = unit.update_status(unit.update_status(state))
    assert jobs(state) == {'coordinator': ('http', ''), 'w': ('http', '')}
    assert state.get_relation(19).local_app_data == {}
    assert kept(state, 'schemes') is None
    assert isinstance(state.unit_status, testing.ActiveStatus)


def test_with_a_ca_nginx_never_goes_back_to_http(unit, secure):
    relation = scene.workers('w', units=[0, 1], id=11)
    state = unit.update_status(scene.replaced(secure, relation))
    assert 'proxy_pass' not in unit.config
    assert upstream_scheme(state) == 'https'


def upstream_scheme(state):
    return kept(state, 'upstream_scheme')


def test_a_new_ca_is_trusted_beside_the_old_one_until_nobody_needs_it(unit, secure):
    both = ''.join(sorted([CA.certificate, NEW.certificate]))
    state = requesting.answered(unit, secure, NEW)
    assert trust(unit) == pem.anchors(both)
    assert json.loads(state.get_relation(11).local_app_data['ca_cert']) == both
    assert jobs(state)['w'] == ('https', both)
    state = requesting.echoed(unit, unit.update_status(state), [0])
    state = unit.update_status(state)
    assert json.loads(state.get_relation(11).local_app_data['ca_cert']) == both
    state = requesting.echoed(unit, state, [1])
    assert json.loads(state.get_relation(11).local_app_data['ca_cert']) == both
    state = unit.update_status(unit.update_status(state))
    assert json.loads(state.get_relation(11).local_app_data['ca_cert']) == NEW.certificate
    assert jobs(state)['w'] == ('https', NEW.certificate)
    assert trust(unit) == pem.anchors(NEW.certificate)
    assert len([*unit.folder.glob('upstream-ca-*')]) == 1


def test_what_another_coordinator_unit_serves_stays_trusted(unit, secure):
    served = {'chain': CA.certificate, 'ca': NEW.certificate}
    peer = scene.encoded(
        address=scene.host('coordinator/1'), certificate=served, upstream_scheme='https'
    )
    before = secure.get_relation(19)
    state = scene.replaced(secure, dataclasses.replace(before, peers_data={1: peer}))
    state = unit.update_status(unit.update_status(state))
    both = ''.join(sorted([CA.certificate, NEW.certificate]))
    assert json.loads(state.get_relation(11).local_app_data['ca_cert']) == both


def test_workers_serve_http_as_long_as_another_nginx_uses_it(unit, secure):
    before = secure.get_relation(19)
    peers = {1: scene.encoded(address=scene.host('coordinator/1'))}
    state = unit.update_status(
        scene.replaced(secure, dataclasses.replace(before, peers_data=peers))
    )
    assert requesting.told(state) == ['http', 'https']


def test_of_two_units_with_one_address_the_first_counts(unit, secure):
    before = secure.get_relation(11)
    units = dict(before.remote_units_data)
    units[1] = {**units[1], 'ip_addresses': units[0]['ip_addresses']}
    relation = dataclasses.replace(before, remote_units_data=units)
    state = scene.replaced(secure, relation)
    after = unit.ctx.run(unit.ctx.on.relation_changed(relation, remote_unit=1), state)
    assert 'ignored: w/1 (has the address 10.1.0.1 of w/0)' in after.unit_status.message


def test_workers_that_cannot_serve_tls_are_served_over_http_with_a_ca(unit):
    relations = [scene.workers('w', id=11), *requesting.deployment()[1:]]
    state = requesting.answered(unit, unit.update_status(unit.state(*relations)))
    state = unit.update_status(unit.update_status(state))
    assert upstream(unit) == 'http'
    assert ready(state)
    assert 'http' in requesting.told(state)
    assert jobs(state)['w'][0] == 'http'
    assert isinstance(state.unit_status, testing.ActiveStatus)


def test_certificates_without_room_are_named_and_those_that_are_there_stay(
    unit, secure, monkeypatch
):
    size = sum(map(len, secure.get_relation(11).local_app_data.values()))
    monkeypatch.setattr(cluster_data.CoordinatorData, 'max_bytes', size + 300)
    before = secure.get_relation(11)
    units = {**before.remote_units_data, 2: requesting.unit('w/2')}
    relation = dataclasses.replace(before, remote_units_data=units)
    state = scene.replaced(secure, relation)
    state = unit.ctx.run(unit.ctx.on.relation_changed(relation, remote_unit=2), state)
    after = requesting.answered(unit, state)
    assert requesting.given(after) == requesting.given(secure)
    assert after.unit_status.message.startswith(
        '[cluster] no room for the certificates of w/2, at most '
    )


# Scale


def test_sizes_are_linear_and_a_hundred_workers_fit(unit):
    sizes = {}
    for number in (10, 100):
        state = unit.update_status(unit.state(*requesting.deployment(range(number))))
        state = requesting.answered(unit, state)
        assert len(requesting.asked(state)) == len(requesting.given(state)) == number
        sizes[number] = [
            databag.size_of(dict(content))
            for content in (
                state.get_relation(11).local_app_data,
                state.get_relation(19).local_app_data,
                state.get_relation(20).local_app_data,
            )
        ]
    for few, many in zip(sizes[10], sizes[100], strict=True):
        assert many < few * 11
        assert many < databag.MAX_BYTES * 0.6
    assert ca_data.Requested.max_bytes == databag.MAX_BYTES


EVENTS = {
    'update-status': lambda unit, state: unit.ctx.on.update_status(),
    'a worker': lambda unit, state: unit.ctx.on.relation_changed(
        state.get_relation(11), remote_unit=0
    ),
    'a worker departs': lambda unit, state: unit.ctx.on.relation_departed(
        state.get_relation(11), remote_unit=0, departing_unit=0
    ),
    'a scraper': lambda unit, state: unit.ctx.on.relation_changed(
        state.get_relation(14), remote_unit=0
    ),
    'a container': lambda unit, state: unit.ctx.on.pebble_ready(state.get_container('nginx')),
}


@pytest.mark.parametrize('event', EVENTS.values(), ids=EVENTS)
def test_an_event_without_a_new_request_or_certificate_imports_nothing_heavy(
    unit, secure, monkeypatch, event
):
    monkeypatch.setitem(sys.modules, 'certificates', None)  # importing it fails
    unit.ctx.run(event(unit, secure), secure)


def larger(number):
    """Three worker applications, one of which has so many units, and all kinds of stores."""
    return [
        requesting.workers(units=range(number), id=11),
        requesting.workers('a', id=12),
        requesting.workers('b', id=13),
        *scene.deployment()[3:],
        scene.certificates(id=20),
    ]


def test_the_cost_of_an_update_status_is_bounded_and_does_not_grow(tmp_path, calls):
    costs = set()
    for number in (2, 30):
        folder = tmp_path / str(number)
        folder.mkdir()
        unit = scene.Coordinator(folder)
        state = unit.update_status(unit.state(*larger(number)))
        state = requesting.echoed(unit, requesting.answered(unit, state))
        state = unit.update_status(unit.update_status(state))
        calls.clear()
        unit.update_status(state)
        costs.add(len([tool for tool in calls.hook_tools() if tool != 'juju-log']))
        assert calls.changes() == []
    (cost,) = costs
    assert cost <= 44


def test_a_scraper_takes_the_jobs_with_their_cas(secure):
    relation = secure.get_relation(14)
    provider = scrape.Provider(
        relation='metrics-endpoint_14',
        application='coordinator',
        scrape_metadata=relation.local_app_data['scrape_metadata'],
        scrape_jobs=relation.local_app_data['scrape_jobs'],
        units=(scrape.Unit('coordinator/0', address='10.1.0.9'),),
    )
    wanted = scrape.wanted([provider])
    assert wanted.left_out == []
    rendered, files = scrape.with_files(wanted.jobs)
    assert {job['scheme'] for job in rendered} == {'https'}
    assert {*files.values()} == {CA.certificate}
    names = {job['tls_config']['ca_file'].rpartition('/')[2] for job in rendered}
    assert names == {name.rpartition('/')[2] for name in files}


def test_a_new_request_is_checked(unit, secure, monkeypatch):
    """Otherwise the test before this one could not fail."""
    relation = requesting.workers(units=[0, 1, 2])
    state = scene.replaced(secure, relation)
    monkeypatch.setitem(sys.modules, 'certificates', None)
    with pytest.raises(testing.errors.UncaughtCharmError):
        unit.ctx.run(unit.ctx.on.relation_changed(relation, remote_unit=2), state)


def test_what_a_worker_serves_is_compared_as_it_was_published(secure):
    text = requesting.given(secure)['w/0']
    published = secure.get_relation(11).remote_units_data[0]['certificate_sha256']
    assert json.loads(published) == hashlib.sha256(text.encode()).hexdigest()
