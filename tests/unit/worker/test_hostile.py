"""Hostile and half-ready input to the worker: it harms nothing but what is at fault.

A bad endpoint or receiver is left out alone; a coordinator whose data makes no sense as a whole is
one that is away, and the workload keeps running what it has.
"""

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

import authority
import hostile
import juju
from coordinated_telemetry import databag as databag_lib
from worker import scene
from worker.source import workload

CA = authority.authority().certificate


@pytest.fixture
def unit(tmp_path):
    return scene.Worker(tmp_path / 'unit')


@pytest.fixture
def healthy(tmp_path):
    """What comes of a coordinator's data in which all is well."""

    def find(databag):
        unit = scene.Worker(tmp_path / 'healthy')
        after = unit.update_status(unit.state(scene.coordinator(databag, id=21)))
        return scene.outcome(unit, after)

    return find


def run(unit, state, event=None):
    """The state after an event, and the names of what was left out, with the reasons."""
    with unit.ctx(event or unit.ctx.on.update_status(), state) as manager:
        after = manager.run()
        return after, {item.name: str(item) for item in manager.charm.report.ignored}


def warned(calls):
    """What was logged at WARNING or above."""
    return [text for level, text in calls.of('juju-log') if level in ('WARNING', 'ERROR')]


def check_named(unit, calls, after, ignored, names):
    """Each is named in the status and in one log line, and in the next hook in none."""
    assert sorted(ignored) == sorted(names)
    assert all(len(text) < 300 and text.isprintable() for text in ignored.values())
    message = after.unit_status.message
    assert message.partition('ignored: ')[2].startswith(f'{min(ignored)} (')
    (line,) = warned(calls)
    assert line == 'ignored: ' + '; '.join(sorted(ignored.values()))
    calls.clear()
    again, still_ignored = run(unit, after)
    assert still_ignored == ignored
    assert again.unit_status.message == message
    assert warned(calls) == []
    assert calls.changes() == []


# Endpoints and receivers, one by one

SMALL_URLS = {case: text for case, text in hostile.NOT_URLS.items() if len(text) < 5000}
SMALL_TARGETS = {case: text for case, text in hostile.NOT_HOST_PORTS.items() if len(text) < 5000}
NO_TEXTS: dict[str, Any] = {
    'nothing': None,
    'a number': 1,
    'true': True,
    'a list': ['http://a'],
    'a mapping': {'url': 'http://a'},
}
# Half a surrogate pair makes the key as a whole no JSON.
SMALL_URLS.pop('half a surrogate pair')


def test_every_bad_loki_endpoint_is_ignored_and_no_other(unit, calls, healthy):
    bad = {f'loki/{n}': url for n, url in enumerate([*SMALL_URLS.values(), *NO_TEXTS.values()], 1)}
    good = {'loki/0': scene.push_url('loki/0')}
    state = unit.state(scene.coordinator(scene.published(loki_endpoints={**bad, **good}), id=21))
    after, ignored = run(unit, state)
    assert scene.outcome(unit, after) == healthy(scene.published(loki_endpoints=good))
    names = [f'coordinator loki_endpoints {name}' for name in bad]
    check_named(unit, calls, after, ignored, names)


@pytest.mark.parametrize(
    ('key', 'protocol', 'bad'),
    [
        ('charm_tracing_receivers', 'otlp_http', {**SMALL_URLS, **NO_TEXTS}),
        ('workload_tracing_receivers', 'otlp_http', {**SMALL_URLS, **NO_TEXTS}),
        ('workload_tracing_receivers', 'otlp_grpc', {**SMALL_TARGETS, **NO_TEXTS}),
    ],
)
def test_every_bad_receiver_is_ignored_alone(tmp_path, key, protocol, bad):
    others = {'otlp_grpc': 'tempo:4317', 'otlp_http': 'http://tempo:4318'}
    others.pop(protocol)
    reference = scene.Worker(tmp_path / 'reference')
    expected, _ = run(
        reference, reference.state(scene.coordinator(scene.published(**{key: others}), id=21))
    )
    for number, url in enumerate(bad.values()):
        unit = scene.Worker(tmp_path / str(number))
        databag = scene.published(**{key: {**others, protocol: url}})
        after, ignored = run(unit, unit.state(scene.coordinator(databag, id=21)))
        assert scene.outcome(unit, after) == scene.outcome(reference, expected)
        assert list(ignored) == [f'coordinator {key} {protocol}']


@pytest.mark.parametrize('name', ['', 'x' * 10**4, '"};\n', '\0', 'é', '../..', 'loki/0\nloki/1'])
def test_the_name_of_an_endpoint_is_only_shown_and_that_in_short(unit, calls, healthy, name):
    good = {'loki/0': scene.push_url('loki/0')}
    databag = scene.published(loki_endpoints={name: 'ftp://a', **good})
    after, ignored = run(unit, unit.state(scene.coordinator(databag, id=21)))
    assert scene.outcome(unit, after) == healthy(scene.published(loki_endpoints=good))
    check_named(unit, calls, after, ignored, ignored)


def test_any_name_of_an_endpoint_will_do(unit, healthy):
    url = scene.push_url('loki/0')
    databag = scene.published(loki_endpoints={'"};\n\0': url})
    after, ignored = run(unit, unit.state(scene.coordinator(databag, id=21)))
    assert scene.outcome(unit, after) == healthy(scene.published(loki_endpoints={'loki/0': url}))
    assert ignored == {}


# The data as a whole

KEYS = (
    'worker_config',
    'loki_endpoints',
    'charm_tracing_receivers',
    'workload_tracing_receivers',
    'ca_cert',
)
GOOD = {
    *((key, raw) for key in KEYS[1:4] for raw in ('null', 'empty mapping')),
    ('worker_config', 'null'),
    ('ca_cert', 'null'),
    ('loki_endpoints', 'mapping of null'),
    ('loki_endpoints', 'mapping of lists'),
    ('charm_tracing_receivers', 'mapping of null'),
    ('charm_tracing_receivers', 'mapping of lists'),
    ('workload_tracing_receivers', 'mapping of null'),
    ('workload_tracing_receivers', 'mapping of lists'),
}
BAD_CONFIGURATIONS = {
    'empty': '',
    'a list': '- a\n',
    'a text': 'text',
    'two documents': 'a: b\n---\nc: d\n',
    'the same key twice': 'a: b\na: c\n',
    'an alias': 'a: &x b\nc: *x\n',
    'a billion laughs': 'a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n',
    'a tag that PyYAML fails on': 'a: !!bool x\n',
    'an object': 'a: !!python/object/apply:os.getcwd []\n',
    'deep': '[' * 200_000,
    'a number that is too large': f'a: {"1:" * 10_000}1.5\nb',
    'a control character': 'a: \0\n',
    'braces': '"};{\n',
}


def after_databag(unit, running, databag):
    """The state of a running unit after the coordinator published this, and who is ignored."""
    relation = dataclasses.replace(running.get_relation(21), remote_app_data=databag)
    state = dataclasses.replace(running, relations=[relation])
    after, ignored = run(unit, state, unit.ctx.on.config_changed())
    return after, list(ignored)


@pytest.mark.parametrize('key', KEYS)
def test_a_key_that_makes_no_sense_is_ignored_alone(tmp_path, key):
    """The workload keeps its configuration, and all that the other keys say is done."""
    unit = scene.Worker(tmp_path)
    running = unit.update_status(unit.state(scene.coordinator(id=21)))
    good = scene.published()

    def outcome(databag):
        after, ignored = after_databag(unit, running, databag)
        return scene.outcome(unit, after), ignored

    without, nobody = outcome({name: raw for name, raw in good.items() if name != key})
    away, _ = outcome({})
    assert nobody == []
    for case, raw in hostile.RAW.items():
        databag = {**good, key: raw}
        size = sum(len(name) + len(text) for name, text in databag.items())
        expected = away if size > databag_lib.MAX_BYTES else without
        if (key, case) not in GOOD:
            assert outcome(databag) == (expected, ['coordinator']), case


@pytest.mark.parametrize('case', BAD_CONFIGURATIONS)
def test_telemetry_does_not_wait_for_a_valid_configuration(unit, case):
    running = unit.update_status(unit.state(scene.coordinator(id=21)))
    databag = scene.published(
        worker_config=BAD_CONFIGURATIONS[case],
        loki_endpoints={'loki/0': 'http://new:3100/push'},
        workload_tracing_receivers={'otlp_grpc': 'new:4317'},
    )
    after, ignored = after_databag(unit, running, databag)
    assert ignored == ['coordinator']
    assert unit.config == scene.CONFIG
    targets = juju.enabled_log_targets(after.get_container('workload'))
    assert list(targets) == ['http://new:3100/push']
    environment = scene.service(after)['environment']
    assert environment['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] == 'http://new:4317'


def test_a_databag_that_is_too_big_is_as_one_that_is_away(unit):
    running = unit.update_status(unit.state(scene.coordinator(id=21)))
    before = scene.outcome(unit, running)
    databag = {**scene.published(), 'foreign': hostile.LONG}
    after, ignored = after_databag(unit, running, databag)
    assert scene.outcome(unit, after) == before
    assert ignored == ['coordinator']


@pytest.mark.parametrize('case', ['an alias', 'deep', 'two documents'])
def test_a_configuration_that_makes_no_sense_is_named_and_starts_nothing(unit, calls, case):
    databag = scene.published(worker_config=BAD_CONFIGURATIONS[case])
    after, ignored = run(unit, unit.state(scene.coordinator(databag, id=21)))
    assert unit.config is None
    assert after.get_container('workload').plan.services == {}
    check_named(unit, calls, after, ignored, ['coordinator'])


@pytest.mark.parametrize(
    'databag', [{}, {'ingress-address': '10.0.0.1'}, {'privkey_secret_id': '"x"'}]
)
def test_a_coordinator_that_is_not_ready_is_no_fault(unit, calls, databag):
    after, ignored = run(unit, unit.state(scene.coordinator(databag, id=21)))
    assert ignored == {}
    assert warned(calls) == []
    assert unit.config is None
    assert after.get_container('workload').plan.services == {}


def test_what_other_versions_of_the_coordinator_publish_is_ignored(unit, healthy):
    foreign = {'server_cert': '"x"', 'remote_write_endpoints': '[]', 'new': '['}
    databag = {**scene.published(), **foreign}
    after, ignored = run(unit, unit.state(scene.coordinator(databag, id=21)))
    assert scene.outcome(unit, after) == healthy(scene.published())
    assert ignored == {}


# Peers


def test_every_bad_peer_is_ignored_and_not_waited_for(tmp_path, calls):
    unit = scene.Worker(tmp_path, number=500)
    databags = {number: {'runs': raw} for number, raw in enumerate(hostile.RAW.values())}
    quiet = {number for number, raw in enumerate(hostile.RAW.values()) if raw in ('""', 'null')}
    running = unit.update_status(unit.state(scene.coordinator(id=21), scene.peers(id=22)))
    state = unit.state(
        scene.coordinator(scene.published(worker_config='a: b\n'), id=21),
        scene.peers(databags=databags, id=22),
        container=running.get_container('workload'),
    )
    calls.clear()
    after, ignored = run(unit, state)
    assert unit.config == 'a: b\n'
    assert set(ignored) == {f'worker/{number}' for number in databags.keys() - quiet}
    (line,) = warned(calls)
    assert line == 'ignored: ' + '; '.join(sorted(ignored.values()))
    # It runs what it should now, and looks at its peers no more.
    assert run(unit, after)[1] == {}


# All at once


def is_config(raw):
    """Whether a value of a databag is a configuration that the workload may have."""
    text = hostile.decoded(raw)
    try:
        return isinstance(text, str) and bool(workload.WORKLOAD.checked_config(text))
    except ValueError:
        return False


def usable(raw, is_url):
    """The valid entries of a mapping; none when it is no mapping."""
    found = hostile.decoded(raw)
    if not isinstance(found, dict):
        return {}
    return {
        key: url
        for key, url in found.items()
        if isinstance(url, str) and (hostile.is_host_port if key == 'otlp_grpc' else is_url)(url)
    }


def mappings(*keys):
    """A mapping of names to texts that may be URLs, or anything else."""
    names = st.sampled_from(keys)
    return st.one_of(
        st.dictionaries(names, hostile.texts | st.none(), max_size=3).map(json.dumps),
        hostile.raw_values,
    )


@hypothesis.given(
    databag=st.fixed_dictionaries(
        {
            'worker_config': st.sampled_from(['"a: b\\n"', '"c: d\\n"']) | hostile.raw_values,
            'loki_endpoints': mappings('loki/0', 'loki/1', '"};'),
            'charm_tracing_receivers': mappings('otlp_http'),
            'workload_tracing_receivers': mappings('otlp_http', 'otlp_grpc'),
            'ca_cert': st.sampled_from([json.dumps(CA), 'null']) | hostile.raw_values,
            'receive_ca_certs': st.sampled_from([json.dumps(CA), 'null']) | hostile.raw_values,
        }
    ),
)
@hypothesis.settings(max_examples=hostile.examples(60))
def test_all_that_is_valid_is_used_and_nothing_else(databag):
    of_loki, *receivers = (usable(databag[key], hostile.is_url) for key in KEYS[1:4])
    ca, store_ca = (hostile.decoded(databag[key]) for key in ('ca_cert', 'receive_ca_certs'))
    whole = sum(len(key) + len(raw) for key, raw in databag.items()) <= 262144
    with tempfile.TemporaryDirectory() as scratch, juju.recorded() as calls:
        unit, reference = (scene.Worker(Path(scratch, name)) for name in ('hostile', 'valid'))
        after, _ = run(unit, unit.state(scene.coordinator(databag, id=21)))
        valid = {
            'loki_endpoints': json.dumps(of_loki),
            'charm_tracing_receivers': json.dumps(receivers[0]),
            'workload_tracing_receivers': json.dumps(receivers[1]),
            'ca_cert': json.dumps(CA if ca == CA else None),
            'receive_ca_certs': json.dumps(CA if store_ca == CA else None),
        }
        if is_config(databag['worker_config']):
            valid['worker_config'] = databag['worker_config']
        expected = reference.state(scene.coordinator(valid if whole else {}, id=21))
        assert scene.outcome(unit, after) == scene.outcome(
            reference, reference.update_status(expected)
        )
        calls.clear()
        unit.update_status(after)
        assert calls.changes() == []
