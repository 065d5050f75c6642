"""Hostile and half-ready input to the coordinator: it harms nobody but the one at fault.

Each case puts one bad databag next to good ones. What the coordinator then publishes and
configures must be, byte for byte, what it would be if the one at fault were not there.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from ops import testing

import hostile
import juju
import nginxconf
from coordinator import scene

GOLDEN = Path(__file__).parent / 'golden' / 'both-roles.nginx.conf'


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


@pytest.fixture(scope='module')
def healthy(tmp_path_factory):
    """What comes of a deployment in which all is well, by what is left out of it."""
    known: dict[str, dict[str, Any]] = {}

    def find(*relations):
        key = repr(sorted(map(repr, relations)))
        if key not in known:
            unit = scene.Coordinator(tmp_path_factory.mktemp('healthy'))
            known[key] = scene.outcome(unit, unit.update_status(unit.state(*relations)))
        return known[key]

    return find


def deployment(**replacements):
    """One of everything; `replacements` by endpoint."""
    relations = {
        'cluster': scene.workers('good', units=[0, 1], id=11),
        'victim': scene.workers('victim', 'vault', units=[0], id=12),
        'scraper': scene.scraper(id=14),
        'logging': scene.loki(id=15),
        'charm_tracing': scene.tempo('charm-tracing', id=17),
        'workload_tracing': scene.tempo('workload-tracing', id=18),
        'peers': scene.peers([1], id=19),
    }
    return {**relations, **replacements}.values()


def run(unit, state):
    """The state after update-status, and the names of what was left out, with the reasons."""
    with unit.ctx(unit.ctx.on.update_status(), state) as manager:
        after = manager.run()
        return after, {item.name: str(item) for item in manager.charm.report.ignored}


def warned(calls):
    """What was logged at WARNING or above."""
    return [text for level, text in calls.of('juju-log') if level in ('WARNING', 'ERROR')]


def check(unit, calls, healthy, bad, expected, names):
    """Run a deployment with bad databags in it, and hold it against one without.

    Args:
        unit: the unit.
        calls: what it does.
        healthy: what comes of a deployment in which all is well.
        bad: the relations, the bad ones among them.
        expected: the relations as they are without them.
        names: who is to be named.
    """
    after, ignored = run(unit, unit.state(*bad))
    assert scene.outcome(unit, after) == healthy(*expected)
    assert sorted(ignored) == sorted(names)
    assert all(len(text) < 300 and text.isprintable() for text in ignored.values())
    message = after.unit_status.message
    assert message.partition('ignored: ')[2].startswith(f'{min(ignored)} (')
    assert len(message) < 800
    (line,) = warned(calls)
    assert line == 'ignored: ' + '; '.join(sorted(ignored.values()))
    calls.clear()
    again, still_ignored = run(unit, after)
    assert still_ignored == ignored
    assert again.unit_status.message == message
    assert warned(calls) == []
    assert calls.changes() == []


# Worker units


def topology(**changes):
    return {'application': 'victim', 'unit': 'victim/1', 'charm_name': 'worker-k8s', **changes}


VICTIM = scene.worker_unit('victim/1')
BAD_UNITS: dict[str, dict[str, str]] = {
    **{
        f'address: {case}': {**VICTIM, 'address': json.dumps(text)}
        for case, text in hostile.NOT_HOSTS.items()
    },
    **{f'raw address: {case}': {**VICTIM, 'address': raw} for case, raw in hostile.RAW.items()},
    **{
        f'raw topology: {case}': {**VICTIM, 'juju_topology': raw}
        for case, raw in hostile.RAW.items()
    },
    'address alone': {'address': VICTIM['address']},
    'topology alone': {'juju_topology': VICTIM['juju_topology']},
    'both too big together': {**VICTIM, 'foreign': hostile.LONG},
    **{
        f'topology: {case}': {**VICTIM, 'juju_topology': json.dumps(value)}
        for case, value in {
            'another unit': topology(unit='victim/0'),
            'another application': topology(application='good'),
            'a unit of another application': topology(application='good', unit='good/0'),
            'the coordinator': topology(application='coordinator', unit='coordinator/0'),
            'a unit that is no number': topology(unit='victim/one'),
            'a unit without a number': topology(unit='victim'),
            'one megabyte of unit': topology(unit=hostile.LONG),
            'unit of another type': topology(unit=1),
            'application of nothing': topology(application=None),
            'no charm': {'application': 'victim', 'unit': 'victim/1'},
            'empty charm': topology(charm_name=''),
            'charm in upper case': topology(charm_name='Worker'),
            'charm that breaks out of a matcher': topology(charm_name='a"} or up{x="'),
            'charm that breaks out of YAML': topology(charm_name='a\nb: c'),
            'charm that breaks out of OTEL_RESOURCE_ATTRIBUTES': topology(charm_name='a,b=c'),
            'charm with a variable': topology(charm_name='${PATH}'),
            'long charm': topology(charm_name='a' * 129),
        }.items()
    },
}


FEW = (
    'address: a second server',
    'address: IPv6 in brackets',
    'raw address: one megabyte of [',
    'raw topology: null',
    'topology: another application',
    'topology: charm that breaks out of a matcher',
)


def numbered(cases, start=1):
    """Each case as a unit's databag: number → databag."""
    return dict(enumerate(cases.values(), start))


def test_every_bad_worker_unit_is_ignored_and_no_other(unit, calls, healthy):
    units = {
        number: rebound(databag, f'victim/{number}')
        for number, databag in numbered(BAD_UNITS).items()
    }
    bad = scene.workers('victim', 'vault', [0], databags=units, id=12)
    names = [f'victim/{number}' for number in units]
    check(unit, calls, healthy, deployment(victim=bad), deployment(), names)


def rebound(databag, unit):
    """The databag with what it says of victim/1 said of another unit."""
    return {key: value.replace('"victim/1"', f'"{unit}"') for key, value in databag.items()}


@pytest.mark.parametrize('case', FEW)
def test_a_bad_worker_unit_is_ignored_alone(unit, calls, healthy, case):
    bad = scene.workers('victim', 'vault', [0], databags={1: BAD_UNITS[case]}, id=12)
    check(unit, calls, healthy, deployment(victim=bad), deployment(), ['victim/1'])


@pytest.mark.parametrize(
    'databag', [{}, {'ingress-address': '10.0.0.1'}, {'egress-subnets': '"};{'}]
)
def test_a_worker_unit_that_is_not_ready_is_no_fault(unit, calls, healthy, databag):
    victim = scene.workers('victim', 'vault', [0], databags={1: databag}, id=12)
    after = unit.update_status(unit.state(*deployment(victim=victim)))
    assert scene.outcome(unit, after) == healthy(*deployment())
    assert after.unit_status == testing.ActiveStatus('3 workers (gate 2, vault 3)')
    assert warned(calls) == []


def test_a_thousand_bad_worker_units_are_one_log_line_that_juju_takes(unit, calls):
    bad = {n: scene.worker_unit(f'w/{n}', address=f'{"x" * 200};{n}') for n in range(1, 1001)}
    unit.update_status(unit.state(scene.workers('w', databags=bad)))
    (line,) = warned(calls)
    assert line.startswith('ignored: w/1 (address: expected a hostname')
    assert len(line) < 128 * 1024


# Worker applications

BAD_ROLES = {
    **{case: raw for case, raw in hostile.RAW.items() if case not in ('null', 'empty text')},
    **{
        f'JSON of {case}': json.dumps(text)
        for case, text in hostile.NOT_HOSTS.items()
        if text.strip(' \n\t\r')
    },
    'one that is unknown': '"vault,unknown"',
    'a list': '["vault"]',
    'a name of Python': '"__class__"',
}


def test_the_roles_of_every_bad_worker_application_are_ignored_and_no_others(unit, calls, healthy):
    bad, without, names = [], [], []
    for number, raw in enumerate(BAD_ROLES.values(), 100):
        name = f'victim-{number}'
        bad.append(scene.workers(name, databag={'role': raw}, id=number))
        without.append(scene.workers(name, None, id=number))
        names.append(name)
    bad = [*deployment(), *bad]
    check(unit, calls, healthy, bad, [*deployment(), *without], names)


@pytest.mark.parametrize('case', ['null byte', 'one megabyte of [', 'one that is unknown'])
def test_the_roles_of_a_bad_worker_application_are_ignored_alone(unit, calls, healthy, case):
    raw = {**BAD_ROLES, 'null byte': '"\0"'}[case]
    bad = scene.workers('victim', databag={'role': raw}, id=12)
    without = scene.workers('victim', None, id=12)
    check(unit, calls, healthy, deployment(victim=bad), deployment(victim=without), ['victim'])


# Loki units

BAD_LOKI: dict[str, dict[str, str]] = {
    **{
        f'url: {case}': scene.encoded(endpoint={'url': text})
        for case, text in hostile.NOT_URLS.items()
    },
    **{f'raw: {case}': {'endpoint': raw} for case, raw in hostile.RAW.items()},
    'no url': scene.encoded(endpoint={'URL': 'http://a'}),
    'a text': scene.encoded(endpoint='http://a'),
    'a list': scene.encoded(endpoint=[{'url': 'http://a'}]),
}


def test_every_bad_loki_unit_is_ignored_and_no_other(unit, calls, healthy):
    bad = scene.loki(databags=numbered(BAD_LOKI), id=15)
    names = [f'loki/{number}' for number in numbered(BAD_LOKI)]
    check(unit, calls, healthy, deployment(logging=bad), deployment(), names)


@pytest.mark.parametrize('case', ['url: braces', 'raw: null', 'raw: one megabyte of ['])
def test_a_bad_loki_unit_is_ignored_alone(unit, calls, healthy, case):
    bad = scene.loki(databags={1: BAD_LOKI[case]}, id=15)
    check(unit, calls, healthy, deployment(logging=bad), deployment(), ['loki/1'])


def test_a_loki_unit_that_is_not_ready_is_no_fault(unit, healthy):
    loki = scene.loki(databags={1: {}, 2: {'x': '['}}, id=15)
    after, ignored = run(unit, unit.state(*deployment(logging=loki)))
    assert scene.outcome(unit, after) == healthy(*deployment())
    assert ignored == {}


# Tracing applications

# These make a databag too big, or no JSON: all of it is left out.
WHOLE = ('one megabyte', 'half a surrogate pair')
BAD_RECEIVERS: dict[str, Any] = {
    **{
        f'otlp_http: {case}': scene.receiver('otlp_http', text)
        for case, text in hostile.NOT_URLS.items()
        if case not in WHOLE
    },
    'a text': 'http://tempo:4318',
    'nothing': None,
    'a list': [],
    'no protocol': {'url': 'http://tempo:4318'},
    'a protocol that is a text': {'protocol': 'otlp_http', 'url': 'http://tempo:4318'},
    'a name that is no text': {'protocol': {'name': 1}, 'url': 'http://tempo:4318'},
    'no url': {'protocol': {'name': 'otlp_http', 'type': 'http'}},
    'a url that is no text': {'protocol': {'name': 'otlp_http'}, 'url': ['http://tempo:4318']},
}
BAD_GRPC = {
    f'otlp_grpc: {case}': scene.receiver('otlp_grpc', text)
    for case, text in hostile.NOT_HOST_PORTS.items()
    if case not in WHOLE
}
HTTP, GRPC = scene.receiver('otlp_http', 'http://t:4318'), scene.receiver('otlp_grpc', 't:4317')


def test_every_bad_receiver_is_ignored_and_no_other(unit, calls):
    for_charms = [*BAD_RECEIVERS.values(), HTTP]
    for_workloads = [*BAD_RECEIVERS.values(), *BAD_GRPC.values(), HTTP, GRPC]
    bad = deployment(
        charm_tracing=scene.tempo('charm-tracing', for_charms, id=17),
        workload_tracing=scene.tempo('workload-tracing', for_workloads, id=18),
    )
    after, ignored = run(unit, unit.state(*bad))
    published = after.get_relation(11).local_app_data
    assert json.loads(published['charm_tracing_receivers']) == {'otlp_http': HTTP['url']}
    assert json.loads(published['workload_tracing_receivers']) == {
        'otlp_grpc': GRPC['url'],
        'otlp_http': HTTP['url'],
    }
    assert sorted(ignored) == ['tempo charm-tracing', 'tempo workload-tracing']
    assert len(warned(calls)) == 1


@pytest.mark.parametrize('case', ['otlp_http: IPv6 without brackets', 'nothing', 'no protocol'])
def test_a_bad_receiver_is_ignored_alone(unit, calls, healthy, case):
    entries = [BAD_RECEIVERS[case], HTTP]
    bad = deployment(charm_tracing=scene.tempo('charm-tracing', entries, id=17))
    good = deployment(charm_tracing=scene.tempo('charm-tracing', [HTTP], id=17))
    check(unit, calls, healthy, bad, good, ['tempo charm-tracing'])


@pytest.mark.parametrize('case', WHOLE)
def test_a_list_of_receivers_that_cannot_be_read_is_ignored_alone(unit, calls, healthy, case):
    entry = scene.receiver('otlp_http', hostile.NOT_URLS[case])
    bad = deployment(charm_tracing=scene.tempo('charm-tracing', [entry, HTTP], id=17))
    good = deployment(charm_tracing=scene.tempo('charm-tracing', [], id=17))
    check(unit, calls, healthy, bad, good, ['tempo'])


@pytest.mark.parametrize('endpoint', ['charm-tracing', 'workload-tracing'])
def test_every_bad_tracing_application_is_ignored_and_no_other(unit, calls, healthy, endpoint):
    raws = [raw for case, raw in hostile.RAW.items() if 'list' not in case]
    bad = [
        scene.tempo(endpoint, databag={'receivers': raw}, app=f'tempo-{number}', id=number)
        for number, raw in enumerate(raws, 100)
    ]
    without = [
        scene.tempo(endpoint, databag={}, app=relation.remote_app_name, id=relation.id)
        for relation in bad
    ]
    names = [relation.remote_app_name for relation in bad]
    check(unit, calls, healthy, [*deployment(), *bad], [*deployment(), *without], names)


@pytest.mark.parametrize('depth', range(195, 203))
def test_receivers_as_deep_as_can_be_read_do_not_make_all_others_forgotten(unit, calls, depth):
    raw = f'[{"[" * depth}{"]" * depth}]'
    tempo = scene.tempo('charm-tracing', databag={'receivers': raw}, id=17)
    settled = unit.update_status(unit.state(*deployment(charm_tracing=tempo)))
    calls.clear()
    unit.ctx.run(unit.ctx.on.install(), settled)
    sources = {source for _, source, _ in calls.of('relation-get')}
    assert {source for source in sources if '/' in source} == {'coordinator/0'}


def test_receivers_that_nobody_asked_for_are_ignored(unit, healthy):
    foreign = [
        scene.receiver('zipkin', 'http://t:9411'),
        scene.receiver('jaeger_grpc', '"};{'),
        scene.receiver('', ''),
    ]
    tempo = scene.tempo('charm-tracing', [*foreign, GRPC, HTTP], id=17)
    after, ignored = run(unit, unit.state(*deployment(charm_tracing=tempo)))
    good = deployment(charm_tracing=scene.tempo('charm-tracing', [HTTP], id=17))
    assert scene.outcome(unit, after) == healthy(*good)
    assert ignored == {}


def test_of_two_receivers_of_a_protocol_the_first_is_used(unit, healthy):
    second = scene.receiver('otlp_http', 'http://second:4318')
    tempo = scene.tempo('charm-tracing', [HTTP, second], id=17)
    after = unit.update_status(unit.state(*deployment(charm_tracing=tempo)))
    good = deployment(charm_tracing=scene.tempo('charm-tracing', [HTTP], id=17))
    assert scene.outcome(unit, after) == healthy(*good)


# Peers


BAD_ADDRESSES = [*map(json.dumps, hostile.NOT_HOSTS.values()), *hostile.RAW.values()]


def test_every_bad_coordinator_unit_is_ignored_and_no_other(unit, calls, healthy):
    databags = {number: {'address': raw} for number, raw in enumerate(BAD_ADDRESSES, 2)}
    bad = scene.peers([1], databags=databags, id=19)
    names = [f'coordinator/{number}' for number in databags]
    check(unit, calls, healthy, deployment(peers=bad), deployment(), names)


# All at once


def skeleton(text):
    """An nginx.conf as nginx reads it, without the servers of its upstreams and what follows
    from their number, and without what depends on this machine.
    """

    def plain(directive):
        if directive.words[0] == 'upstream':
            inner = [d.words for d in directive.block if d.words[0] not in ('server', 'zone')]
            return (directive.words, *inner)
        if directive.block is None:
            return directive.words
        inner = [d for d in directive.block if d.words != ('listen', '[::]:8080')]
        return (directive.words, *map(plain, inner))

    return [plain(directive) for directive in nginxconf.parse(text)]


def or_hostile(valid):
    """Something valid, or anything else."""
    return st.one_of(st.just(valid), st.just(valid), hostile.raw_values)


def databags(**valid):
    """A databag with its keys, some of them hostile, some of them missing."""
    return st.fixed_dictionaries({}, optional={key: or_hostile(raw) for key, raw in valid.items()})


worker_databags = st.integers(0, 2).flatmap(
    lambda number: st.tuples(st.just(number), databags(**scene.worker_unit(f'victim/{number}')))
)
receivers = st.lists(
    st.one_of(
        st.sampled_from([HTTP, GRPC]),
        st.builds(scene.receiver, st.sampled_from(['otlp_http', 'otlp_grpc']), hostile.texts),
        hostile.json_values,
    ),
    max_size=4,
)


def is_worker(number, databag):
    """Whether a worker unit's databag is valid."""
    address = hostile.decoded(databag.get('address', ''))
    claimed = hostile.decoded(databag.get('juju_topology', ''))
    return (
        isinstance(address, str)
        and hostile.is_host(address)
        and isinstance(claimed, dict)
        and {**claimed} == topology(unit=f'victim/{number}')
    )


def is_loki(databag):
    """Whether a Loki unit's databag is valid."""
    endpoint = hostile.decoded(databag.get('endpoint', ''))
    url = endpoint.get('url') if isinstance(endpoint, dict) else None
    return isinstance(url, str) and hostile.is_url(url)


def is_receiver(entry):
    """Whether an entry of a tracing provider's list is valid."""
    protocol = entry.get('protocol') if isinstance(entry, dict) else None
    name = protocol.get('name') if isinstance(protocol, dict) else None
    url = entry.get('url') if isinstance(entry, dict) else None
    checks = {'otlp_http': hostile.is_url, 'otlp_grpc': hostile.is_host_port}
    return isinstance(name, str) and isinstance(url, str) and name in checks and checks[name](url)


def valid_receivers(entries):
    """The valid ones, unless the databag as a whole cannot be read."""
    whole = hostile.decoded(json.dumps(entries)) is not None
    return [entry for entry in entries if whole and is_receiver(entry)]


def is_role(raw):
    """Whether a worker application's roles are valid."""
    role = hostile.decoded(raw)
    parts = {part.strip() for part in role.split(',')} if isinstance(role, str) else {None}
    return parts <= {'gate', 'vault', 'all', ''}


@hypothesis.given(
    workers=st.lists(worker_databags, max_size=3, unique_by=lambda item: item[0]).map(dict),
    role=or_hostile('"vault"'),
    lokis=st.lists(databags(endpoint='{"url": "http://a:3100/push"}'), max_size=2),
    of_charms=receivers,
    of_workloads=receivers,
    peer=databags(address='"c-1"'),
    ca=databags(certificates='[]', request_errors='[]', capabilities='{}'),
)
@hypothesis.settings(max_examples=hostile.examples(60))
def test_all_that_is_valid_is_used_and_nothing_else(
    workers, role, lokis, of_charms, of_workloads, peer, ca
):
    def relations(workers, role_data, lokis, of_charms, of_workloads, peer, ca):
        return deployment(
            victim=scene.workers('victim', units=[], databags=workers, databag=role_data, id=12),
            logging=scene.loki(databags=dict(lokis), units=[], id=15),
            charm_tracing=scene.tempo('charm-tracing', of_charms, id=17),
            workload_tracing=scene.tempo('workload-tracing', of_workloads, id=18),
            peers=scene.peers(databags={} if peer is None else {1: peer}, id=19),
            certificates=scene.certificates(ca, id=20),
        )

    of_loki = list(enumerate(lokis))
    hostile_ones = relations(workers, {'role': role}, of_loki, of_charms, of_workloads, peer, ca)
    valid_peer = is_host_text(peer.get('address'))
    valid_ones = relations(
        # A unit that published nothing valid is still one to be missed.
        {n: databag if is_worker(n, databag) else {} for n, databag in workers.items()},
        {'role': role} if is_role(role) else {},
        [(number, databag) for number, databag in of_loki if is_loki(databag)],
        valid_receivers(of_charms),
        valid_receivers(of_workloads),
        peer if valid_peer else None,
        {},
    )
    with tempfile.TemporaryDirectory() as scratch, juju.recorded() as calls:
        folders = [Path(scratch, name) for name in ('hostile', 'valid')]
        for folder in folders:
            folder.mkdir()
        unit, reference = map(scene.Coordinator, folders)
        after = unit.update_status(unit.state(*hostile_ones))
        expected = reference.update_status(reference.state(*valid_ones))
        assert scene.outcome(unit, after) == scene.outcome(reference, expected)
        assert skeleton(unit.config) == skeleton(GOLDEN.read_text())
        calls.clear()
        unit.update_status(after)
        assert calls.changes() == []


def is_host_text(raw):
    """Whether a value of a databag is a host."""
    host = hostile.decoded(raw or '')
    return isinstance(host, str) and hostile.is_host(host)
