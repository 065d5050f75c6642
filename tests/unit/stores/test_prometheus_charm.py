"""The charm around Prometheus: what is written when, and what a hook with nothing to do leaves."""

import dataclasses
import io
import json
import ssl
import stat
import urllib.error

import ops
import pytest
import yaml
from ops import pebble, testing

from authority import authority, requests
from prometheus.src import charm
from stores.test_scrape import METADATA, rule


class FakePromtool:
    """Stands in for what runs in the container: refuses what is called bad, and counts."""

    def __init__(self):
        self.checks = 0

    def exec(self, container, command):
        if command == ['/bin/prometheus', '--version']:
            return FakeProcess('prometheus, version 3.5.3+ds1 (branch: x)')
        assert command[:4] == ['/bin/promtool', 'check', 'config', '--lint=none'], command
        self.checks += 1
        config = command[4]
        folder = config.rpartition('/')[0]
        paths = [config]
        if container.exists(f'{folder}/rules'):
            paths += [info.path for info in container.list_files(f'{folder}/rules')]
        texts = [read(container, path) for path in paths]
        bad = [text for text in texts if 'bad' in text]
        return FakeProcess(
            f'Checking\n  FAILED: parsing YAML file {config}: it is bad\n' if bad else 'ok',
            bool(bad),
        )


def read(container, path):
    with container.pull(path) as file:
        return file.read()


class FakeProcess:
    def __init__(self, output, code=0):
        self._output, self._code = output, int(code)

    def wait_output(self):
        if self._code:
            raise pebble.ExecError(['promtool'], self._code, self._output, None)
        return self._output, ''


@pytest.fixture
def promtool(monkeypatch):
    fake = FakePromtool()

    def run(container, command, **options):
        return fake.exec(container, command)

    monkeypatch.setattr(ops.Container, 'exec', run)
    return fake


@pytest.fixture
def reloads(monkeypatch):
    """The requests to a Prometheus that reloads at once."""
    sent = []

    def urlopen(request, timeout, context=None):
        sent.append((request.method, request.full_url))
        return io.BytesIO()

    monkeypatch.setattr(charm.urllib.request, 'urlopen', urlopen)
    return sent


@pytest.fixture
def etc(tmp_path):
    """The container's /etc/prometheus, which lasts from one event to the next."""
    return tmp_path


@pytest.fixture
def ctx():
    return testing.Context(charm.PrometheusCharm, app_name='prometheus')


def relation(jobs=(), groups=(), units=2):
    return testing.Relation(
        'metrics-endpoint',
        interface='prometheus_scrape',
        remote_app_name='coordinator',
        remote_app_data={
            'scrape_metadata': json.dumps(METADATA),
            'scrape_jobs': json.dumps(jobs),
            'alert_rules': json.dumps({'groups': groups}),
        },
        remote_units_data={
            number: {
                'prometheus_scrape_unit_address': f'10.0.0.{number}',
                'prometheus_scrape_unit_name': f'coordinator/{number}',
            }
            for number in range(units)
        },
    )


JOB = {'job_name': 'nginx', 'static_configs': [{'targets': ['*:9113']}]}
GROUP = {'name': 'group', 'rules': [rule()]}


def state(etc, *relations, can_connect=True):
    mounts = {'etc': testing.Mount(location='/etc/prometheus', source=etc)}
    container = testing.Container('prometheus', can_connect=can_connect, mounts=mounts)
    return testing.State(containers={container}, relations=set(relations))


def started(ctx, etc, *relations):
    before = state(etc, *relations)
    return ctx.run(ctx.on.pebble_ready(before.get_container('prometheus')), before)


def targets(etc):
    config = yaml.safe_load((etc / 'prometheus.yml').read_text())
    return sorted(
        target
        for job in config['scrape_configs']
        for static in job['static_configs']
        for target in static['targets']
    )


def test_it_waits_for_its_container(ctx, etc):
    before = state(etc, can_connect=False)
    after = ctx.run(ctx.on.update_status(), before)
    assert after.unit_status == testing.WaitingStatus('[prometheus] waiting for the container')


def test_it_starts_with_what_is_related(ctx, etc, promtool):
    after = started(ctx, etc, relation([JOB], [GROUP]))
    assert targets(etc) == ['10.0.0.0:9113', '10.0.0.1:9113']
    (rules,) = (etc / 'rules').iterdir()
    assert yaml.safe_load(rules.read_text()) == {'groups': [GROUP]}
    services = after.get_container('prometheus').service_statuses
    assert services == {'prometheus': pebble.ServiceStatus.ACTIVE}
    assert after.unit_status == testing.ActiveStatus()
    assert after.workload_version == '3.5.3'
    assert after.opened_ports == {testing.TCPPort(9090)}
    assert promtool.checks == 1


def test_a_change_is_checked_and_reloaded_without_a_restart(ctx, etc, promtool, reloads):
    before = started(ctx, etc, (first := relation([JOB], [GROUP])))
    changed = dataclasses.replace(
        first, remote_app_data={**first.remote_app_data, 'alert_rules': '{}'}
    )
    ctx.run(ctx.on.relation_changed(changed), dataclasses.replace(before, relations={changed}))
    assert promtool.checks == 2
    assert reloads == [('POST', 'http://localhost:9090/-/reload')]
    assert not (etc / 'rules').exists()


def test_a_hook_with_nothing_to_do_checks_writes_and_reloads_nothing(ctx, etc, promtool, reloads):
    before = started(ctx, etc, relation([JOB], [GROUP]))
    there = {path: path.stat().st_mtime_ns for path in etc.rglob('*')}
    after = ctx.run(ctx.on.update_status(), before)
    assert {path: path.stat().st_mtime_ns for path in etc.rglob('*')} == there
    assert (promtool.checks, reloads) == (1, [])
    assert after.unit_status == testing.ActiveStatus()


def test_a_job_and_a_rule_group_that_promtool_refuses_are_left_out_alone(ctx, etc, promtool):
    bad_job = {'job_name': 'bad', 'static_configs': [{'targets': ['w:1']}]}
    bad_group = {'name': 'bad', 'rules': [rule()]}
    after = started(ctx, etc, relation([JOB, bad_job], [bad_group, GROUP]))
    assert targets(etc) == ['10.0.0.0:9113', '10.0.0.1:9113']
    (rules,) = (etc / 'rules').iterdir()
    assert yaml.safe_load(rules.read_text()) == {'groups': [GROUP]}
    assert after.unit_status == testing.ActiveStatus(
        'left out: job juju_m_12345678_coordinator_prometheus_scrape_bad: it is bad; '
        'rule group bad: it is bad'
    )


def test_what_is_left_out_is_named_also_when_nothing_else_changed(ctx, etc, promtool, reloads):
    before = started(ctx, etc, (first := relation([JOB])))
    data = {**first.remote_app_data, 'scrape_jobs': json.dumps([JOB, 7])}
    changed = dataclasses.replace(first, remote_app_data=data)
    after = ctx.run(
        ctx.on.relation_changed(changed), dataclasses.replace(before, relations={changed})
    )
    assert after.unit_status == testing.ActiveStatus(
        'left out: job 1 of coordinator: it is no object'
    )


def test_a_name_that_no_status_can_hold_is_shown_as_far_as_it_can_be(ctx, etc, promtool):
    after = started(ctx, etc, relation(groups=[{'name': 'a\ud800\0\nb', 'rules': []}]))
    assert after.unit_status == testing.ActiveStatus(
        'left out: rule group a???b of coordinator: it has no rules'
    )


def test_a_configuration_that_stays_refused_blocks_and_leaves_the_old_one(
    ctx, etc, promtool, reloads
):
    before = started(ctx, etc, relation([JOB]))
    before = dataclasses.replace(before, config={'scrape-interval': 'bad'})
    after = ctx.run(ctx.on.config_changed(), before)
    assert after.unit_status == testing.BlockedStatus('[prometheus] it is bad')
    assert 'bad' not in (etc / 'prometheus.yml').read_text()
    assert reloads == []


@pytest.mark.parametrize(
    'error',
    [
        urllib.error.URLError('refused'),
        urllib.error.HTTPError('', 500, 'x', None, io.BytesIO(b'y')),  # pyright: ignore[reportArgumentType]
    ],
)
def test_a_reload_that_fails_is_tried_again_in_the_next_hook(
    ctx, etc, promtool, monkeypatch, error
):
    before = started(ctx, etc, relation([JOB]))
    before = dataclasses.replace(before, config={'scrape-interval': '3s'})

    def urlopen(request, timeout, context=None):
        raise error

    monkeypatch.setattr(charm.urllib.request, 'urlopen', urlopen)
    before = ctx.run(ctx.on.config_changed(), before)
    sent = []
    monkeypatch.setattr(
        charm.urllib.request, 'urlopen', lambda *args, **kw: sent.append(args) or io.BytesIO()
    )
    ctx.run(ctx.on.update_status(), before)
    assert len(sent) == 1


def test_the_targets_of_a_departing_unit_are_gone_at_once(ctx, etc, promtool, reloads):
    before = started(ctx, etc, (first := relation([JOB])))
    ctx.run(
        ctx.on.relation_departed(before.get_relation(first.id), remote_unit=1, departing_unit=1),
        before,
    )
    assert targets(etc) == ['10.0.0.0:9113']


def test_a_broken_relation_leaves_neither_targets_nor_rules(ctx, etc, promtool, reloads):
    before = started(ctx, etc, (first := relation([JOB], [GROUP])))
    ctx.run(ctx.on.relation_broken(before.get_relation(first.id)), before)
    assert targets(etc) == []
    assert not (etc / 'rules').exists()


def with_ca(text):
    return {**JOB, 'scheme': 'https', 'tls_config': {'ca': text}}


def test_the_ca_of_a_job_is_a_file_that_promtool_sees_too_and_that_goes_with_the_job(
    ctx, etc, promtool, reloads
):
    before = started(ctx, etc, (first := relation([with_ca('one')], units=1)))
    (job,) = yaml.safe_load((etc / 'prometheus.yml').read_text())['scrape_configs']
    assert (job['scheme'], list(job['tls_config'])) == ('https', ['ca_file'])
    for folder in (etc, etc / 'candidate'):
        assert (folder / job['tls_config']['ca_file']).read_text() == 'one'
    assert stat.S_IMODE((etc / job['tls_config']['ca_file']).stat().st_mode) == 0o600

    def change(*jobs):
        data = {**first.remote_app_data, 'scrape_jobs': json.dumps(jobs)}
        changed = dataclasses.replace(first, remote_app_data=data)
        state = dataclasses.replace(before, relations={changed})
        ctx.run(ctx.on.relation_changed(changed), state)
        return [path.read_text() for path in (etc / 'certificates').iterdir()]

    assert change(with_ca('two')) == ['two']
    assert change(JOB) == []
    assert len(reloads) == 2


def test_a_file_that_the_running_prometheus_may_still_read_stays(ctx, etc, promtool, monkeypatch):
    before = started(ctx, etc, (first := relation([with_ca('one')], units=1)))

    def urlopen(request, timeout, context=None):
        raise urllib.error.URLError('refused')

    monkeypatch.setattr(charm.urllib.request, 'urlopen', urlopen)
    ctx.run(ctx.on.relation_broken(before.get_relation(first.id)), before)
    assert [path.read_text() for path in (etc / 'certificates').iterdir()] == ['one']


def test_with_tls_it_is_reloaded_over_tls_by_its_ca(ctx, etc, promtool, monkeypatch):
    sent = []

    def urlopen(request, timeout, context=None):
        sent.append((request.full_url, context))
        return io.BytesIO()

    monkeypatch.setattr(charm.urllib.request, 'urlopen', urlopen)
    before = started(ctx, etc)
    tls = testing.Relation('certificates', remote_app_name='ca')
    before = ctx.run(ctx.on.relation_created(tls), dataclasses.replace(before, relations={tls}))
    tls = before.get_relation(tls.id)
    data = authority().databag(*requests(tls.local_unit_data))
    answered = dataclasses.replace(tls, remote_app_data=data)
    before = ctx.run(
        ctx.on.relation_changed(answered), dataclasses.replace(before, relations={answered})
    )
    assert sent == []  # with another command it is started again
    assert yaml.safe_load((etc / 'web.yml').read_text()) == {
        'tls_server_config': {
            'cert_file': '/etc/store-tls/own.pem',
            'key_file': '/etc/store-tls/own.pem',
            'min_version': 'TLS12',
        }
    }
    before = dataclasses.replace(before, config={'scrape-interval': '3s'})
    ctx.run(ctx.on.config_changed(), before)
    ((url, context),) = sent
    assert url == 'https://localhost:9090/-/reload'
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.get_ca_certs(binary_form=True) == [
        ssl.PEM_cert_to_DER_cert(authority().certificate)
    ]


def test_alert_for_shortens_rules_when_it_is_set_and_no_longer_when_it_is_reset(
    ctx, etc, promtool, reloads
):
    waits = {'name': 'group', 'rules': [{**rule(), 'for': '5m'}]}

    def durations():
        (rules,) = (etc / 'rules').iterdir()
        return [r['for'] for g in yaml.safe_load(rules.read_text())['groups'] for r in g['rules']]

    before = started(ctx, etc, relation([JOB], [waits]))
    assert durations() == ['5m']
    shortened = ctx.run(
        ctx.on.config_changed(), dataclasses.replace(before, config={'alert-for': '4s'})
    )
    assert durations() == ['4s']
    ctx.run(ctx.on.config_changed(), dataclasses.replace(shortened, config={}))
    assert durations() == ['5m']
    assert len(reloads) == 2


def test_two_providers_have_a_rule_file_each(ctx, etc, promtool):
    first, second = relation([JOB], [GROUP]), relation([JOB], [GROUP])
    after = started(ctx, etc, first, second)
    assert len(list((etc / 'rules').iterdir())) == 2
    assert after.unit_status == testing.ActiveStatus()
