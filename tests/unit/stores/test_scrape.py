"""What Prometheus makes of its providers' databags."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prometheus.src import scrape

UUID = '12345678-1234-4234-8234-123456789abc'
METADATA = {
    'model': 'm',
    'model_uuid': UUID,
    'application': 'coordinator',
    'unit': 'coordinator/0',
    'charm_name': 'coordinator-k8s',
}
TOPOLOGY = {
    'juju_model': 'm',
    'juju_model_uuid': UUID,
    'juju_application': 'coordinator',
    'juju_charm': 'coordinator-k8s',
}
PREFIX = 'juju_m_12345678_coordinator_prometheus_scrape'
UNITS = (
    scrape.Unit('coordinator/0', address='10.0.0.1', fqdn='coordinator-0.example'),
    scrape.Unit('coordinator/1', address='10.0.0.2', path='/prefix'),
)


def provider(*, jobs=(), groups=(), metadata=METADATA, units=UNITS, **texts):
    """A provider whose databags are well-formed unless `texts` says otherwise."""
    return scrape.Provider(
        relation='metrics-endpoint_3',
        application='coordinator',
        units=units,
        **{
            'scrape_metadata': json.dumps(metadata),
            'scrape_jobs': json.dumps(jobs),
            'alert_rules': json.dumps({'groups': groups}),
            **texts,
        },
    )


def rule(name='Down', **labels):
    return {'alert': name, 'expr': 'up < 1', 'labels': labels}


def test_a_target_of_its_own_gets_the_providers_topology_without_a_unit():
    wanted = scrape.wanted([provider(jobs=[{'static_configs': [{'targets': ['w:9898']}]}])])
    (job,) = wanted.jobs
    assert job['job_name'] == PREFIX
    assert job['metrics_path'] == '/metrics'
    assert job['static_configs'] == [{'targets': ['w:9898'], 'labels': TOPOLOGY}]
    assert job['relabel_configs'] == [
        {
            'source_labels': ['juju_model', 'juju_model_uuid', 'juju_application'],
            'separator': '_',
            'target_label': 'instance',
            'regex': '(.*)',
        }
    ]


def test_a_static_configs_own_labels_win_over_the_providers_topology():
    own = {'juju_application': 'worker', 'juju_unit': 'worker/0', 'juju_charm': 'worker-k8s'}
    config = {'targets': ['w:9898'], 'labels': own}
    (job,) = scrape.wanted([provider(jobs=[{'static_configs': [config]}])]).jobs
    assert job['static_configs'][0]['labels'] == {**TOPOLOGY, **own}


def test_a_wildcard_target_becomes_one_job_for_each_unit():
    jobs = scrape.wanted(
        [provider(jobs=[{'job_name': 'x', 'static_configs': [{'targets': ['*:80', '*:81']}]}])]
    ).jobs
    assert [job['job_name'] for job in jobs] == [f'{PREFIX}_x-0', f'{PREFIX}_x-1']
    assert [job['static_configs'][0]['targets'] for job in jobs] == [
        ['10.0.0.1:80', '10.0.0.1:81'],
        ['10.0.0.2:80', '10.0.0.2:81'],
    ]
    assert [job['static_configs'][0]['labels']['juju_unit'] for job in jobs] == [
        'coordinator/0',
        'coordinator/1',
    ]
    assert [job['metrics_path'] for job in jobs] == ['/metrics', '/prefix/metrics']
    assert jobs[0]['relabel_configs'][-1]['source_labels'][-1] == 'juju_unit'


@pytest.mark.parametrize('host', ['10.0.0.1', 'coordinator-0.example'])
def test_a_target_at_a_units_address_or_fqdn_becomes_a_job_of_that_unit(host):
    config = {'targets': [f'{host}:9113', 'elsewhere:9113'], 'labels': {'juju_charm': 'mine'}}
    of_unit, other = scrape.wanted(
        [provider(jobs=[{'job_name': 'nginx', 'static_configs': [config]}])]
    ).jobs
    assert of_unit['job_name'] == f'{PREFIX}_nginx-0'
    assert of_unit['static_configs'] == [
        {
            'targets': [f'{host}:9113'],
            'labels': {**TOPOLOGY, 'juju_unit': 'coordinator/0', 'juju_charm': 'mine'},
        }
    ]
    assert other['job_name'] == f'{PREFIX}_nginx'
    assert other['static_configs'][0]['targets'] == ['elsewhere:9113']


def test_the_instance_rule_comes_after_the_jobs_own_rules():
    own = {'target_label': 'x', 'replacement': 'y'}
    job = {'static_configs': [{'targets': ['w:1']}], 'relabel_configs': [own]}
    (job,) = scrape.wanted([provider(jobs=[job])]).jobs
    assert job['relabel_configs'][0] == own
    assert len(job['relabel_configs']) == 2


def test_a_key_that_a_scraper_does_not_keep_is_dropped():
    job = {'static_configs': [{'targets': ['w:1']}], 'honor_labels': False, 'scheme': 'https'}
    (job,) = scrape.wanted([provider(jobs=[job])]).jobs
    assert 'honor_labels' not in job
    assert job['scheme'] == 'https'


def test_a_job_without_targets_means_port_80_of_every_unit():
    jobs = scrape.wanted([provider(jobs=[{'job_name': 'x'}])]).jobs
    assert [job['static_configs'][0]['targets'] for job in jobs] == [
        ['10.0.0.1:80'],
        ['10.0.0.2:80'],
    ]


def test_certificates_travel_as_text_and_become_inline_keys():
    tls = {'ca_file': '-----BEGIN CERTIFICATE-----', 'server_name': 'x'}
    job = {'static_configs': [{'targets': ['w:1']}], 'tls_config': tls}
    (job,) = scrape.wanted([provider(jobs=[job])]).jobs
    assert job['tls_config'] == {'ca': '-----BEGIN CERTIFICATE-----', 'server_name': 'x'}


def test_certificates_and_keys_of_a_job_go_to_files_of_its_own():
    tls = {'ca': 'CA', 'cert': 'C', 'key': 'K', 'server_name': 'x', 'insecure_skip_verify': True}
    plain = {'job_name': 'plain'}
    jobs, files = scrape.with_files([{'job_name': 'a', 'tls_config': tls}, plain])
    assert jobs == [
        {
            'job_name': 'a',
            'tls_config': {
                'server_name': 'x',
                'insecure_skip_verify': True,
                'ca_file': 'certificates/a-ca.crt',
                'cert_file': 'certificates/a-client.crt',
                'key_file': 'certificates/a-client.key',
            },
        },
        plain,
    ]
    assert files == {'a-ca.crt': 'CA', 'a-client.crt': 'C', 'a-client.key': 'K'}
    assert tls['ca'] == 'CA', 'what the provider wrote is changed'


@pytest.mark.parametrize('tls', [{'ca': 'CA', 'ca_file': '/ca'}, {'ca': '\ud800'}, {'ca': 7}])
def test_a_ca_that_no_file_can_be_made_of_is_left_to_promtool(tls):
    job = {'job_name': 'a', 'tls_config': tls}
    assert scrape.with_files([job]) == ([job], {})


def test_no_name_of_a_job_leads_to_another_file():
    names = ['a/b', 'a_b', 'a b', '..', '../..', '', '\ud800', 'x' * 201, 'x' * 202]
    jobs = [
        {'job_name': name, 'tls_config': {'ca': str(number)}} for number, name in enumerate(names)
    ]
    _, files = scrape.with_files(jobs)
    assert [*files.values()] == [str(number) for number in range(len(names))]
    assert [name for name in files if '/' in name or len(name) > 255] == []


def test_jobs_that_share_a_name_each_get_their_hash_and_equal_ones_are_one():
    job = {'job_name': 'x', 'static_configs': [{'targets': ['w:1']}]}
    other = {'job_name': 'x', 'static_configs': [{'targets': ['w:2']}]}
    jobs = scrape.wanted([provider(jobs=[job, other, job])]).jobs
    names = {job['job_name'] for job in jobs}
    assert len(jobs) == len(names) == 2
    assert all(name.startswith(f'{PREFIX}_x_') for name in names)


def test_an_application_without_units_has_no_jobs_and_no_rules():
    job = {'static_configs': [{'targets': ['w:1']}]}
    gone = provider(jobs=[job], groups=[{'name': 'g', 'rules': [rule()]}], units=())
    assert scrape.wanted([gone]) == scrape.Wanted()


@pytest.mark.parametrize(
    ('job', 'why'),
    [
        ('text', 'it is no object'),
        ({'static_configs': None}, 'static_configs is no list of objects'),
        ({'static_configs': [{'targets': 'w:1'}]}, 'targets is no list of strings'),
        ({'static_configs': [{'targets': [1]}]}, 'targets is no list of strings'),
        ({'static_configs': [{'labels': []}]}, None),
        ({'static_configs': [{'labels': ['x']}]}, 'labels is no object'),
        ({'job_name': 7}, 'job_name is no str'),
        ({'relabel_configs': {'a': 1}}, 'relabel_configs is no list'),
    ],
)
def test_a_job_that_would_crash_cos_is_left_out_alone_and_named(job, why):
    good = {'job_name': 'good', 'static_configs': [{'targets': ['w:1']}]}
    wanted = scrape.wanted([provider(jobs=[job, good])])
    assert [job['job_name'] for job in wanted.jobs] == [f'{PREFIX}_good']
    assert wanted.left_out == ([f'job 0 of coordinator: {why}'] if why else [])


@pytest.mark.parametrize('text', ['', '{}'])
def test_without_a_topology_jobs_are_what_they_are(text):
    config = {'targets': ['w:1', '*:2'], 'labels': {'juju_unit': 'w/0'}}
    job = {'job_name': 'x', 'static_configs': [config], 'more': 1}
    wanted = scrape.wanted([provider(jobs=[job, {'static_configs': []}], scrape_metadata=text)])
    assert wanted.jobs == [job]
    assert wanted.left_out == [
        'job 1 of coordinator: it has no name, and no topology to make one of'
    ]


@pytest.mark.parametrize(
    ('metadata', 'why'),
    [
        ({'model': ''}, "no 'model_uuid' in its topology"),
        ({**METADATA, 'application': None}, "no 'application' in its topology"),
        ({**METADATA, 'model_uuid': 'x'}, "model_uuid 'x' is no version 4 UUID"),
        (
            {**METADATA, 'model_uuid': UUID.upper()},
            f'model_uuid {UUID.upper()!r} is no version 4 UUID',
        ),
    ],
)
def test_jobs_without_a_usable_topology_are_left_out_and_named(metadata, why):
    job = {'static_configs': [{'targets': ['w:1']}]}
    wanted = scrape.wanted([provider(jobs=[job], metadata=metadata)])
    assert wanted.jobs == []
    assert wanted.left_out == [f'jobs of coordinator: {why}']


def test_rules_are_kept_in_a_file_named_after_the_first_labelled_group():
    groups = [
        {'name': 'plain', 'rules': [rule()]},
        {
            'name': 'of worker',
            'interval': '1m',
            'rules': [rule(juju_model='m', juju_model_uuid=UUID, juju_application='w')],
        },
    ]
    wanted = scrape.wanted([provider(groups=groups)])
    assert wanted.rules == {'juju_m_12345678_w_metrics-endpoint_3.rules': groups}


def test_the_topology_token_is_removed_from_labelled_rules_only():
    labelled = rule(juju_model='m', juju_model_uuid=UUID, juju_application='w')
    groups = [
        {'name': name, 'rules': [{**of, 'expr': 'up{%%juju_topology%%, a="b"} < 1'}]}
        for name, of in (('labelled', labelled), ('plain', rule()))
    ]
    (kept,) = scrape.wanted([provider(groups=groups)]).rules.values()
    assert kept[0]['rules'][0]['expr'] == 'up{ a="b"} < 1'
    assert '%%' in kept[1]['rules'][0]['expr']


@pytest.mark.parametrize(
    ('group', 'line'),
    [
        ({'name': 'g', 'rules': []}, 'rule group g of coordinator: it has no rules'),
        ({'name': 'g'}, 'rule group g of coordinator: it has no rules'),
        ({'rules': [rule()]}, 'rule group 0 of coordinator: it has no name'),
        ({'name': 'g', 'rules': [{}]}, 'rule group g of coordinator: a rule has no expr'),
        ([], 'rule group 0 of coordinator: it has no name'),
    ],
)
def test_a_rule_group_that_would_crash_cos_is_left_out_alone_and_named(group, line):
    good = {'name': 'good', 'rules': [rule()]}
    wanted = scrape.wanted([provider(groups=[group, good])])
    assert list(wanted.rules.values()) == [[good]]
    assert wanted.left_out == [line]


def test_a_group_name_that_is_taken_is_left_out_because_it_fails_the_file():
    group = {'name': 'g', 'rules': [rule()]}
    wanted = scrape.wanted([provider(groups=[group, group])])
    assert list(wanted.rules.values()) == [[group]]
    assert wanted.left_out == ['rule group g of coordinator: the name is taken']


@pytest.mark.parametrize('text', ['{', '7', 'null', '[' * 100_000])
def test_databags_that_are_no_json_are_left_out_and_named(text):
    wanted = scrape.wanted([provider(scrape_jobs=text, alert_rules=text)])
    assert (wanted.jobs, wanted.rules) == ([], {})
    assert [line.partition(':')[0] for line in wanted.left_out] == [
        'jobs of coordinator',
        'rules of coordinator',
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        'static_configs',
                        'targets',
                        'labels',
                        'job_name',
                        'relabel_configs',
                        'metrics_path',
                    ),
                    *(
                        'tls_config',
                        'ca_file',
                        'ca',
                        'name',
                        'rules',
                        'expr',
                        'groups',
                        'juju_model',
                    ),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(jobs=st.lists(JSON, max_size=3), metadata=JSON, groups=st.lists(JSON, max_size=3))
def test_no_databag_makes_it_raise(jobs, metadata, groups):
    for of in (metadata, METADATA):
        wanted = scrape.wanted([provider(jobs=jobs, groups=groups, metadata=of)])
        scrape.with_files(wanted.jobs)
        scrape.configuration(wanted.jobs, scrape_interval='2s', evaluation_interval='2s')


def test_rules_that_wait_wait_for_another_duration_and_the_others_still_do_not():
    waits, does_not = {**rule(), 'for': '5m'}, rule('Now')
    nor_does = {**rule('Neither'), 'for': '0s'}
    rules = {'file': [{'name': 'g', 'rules': [waits, does_not, nor_does]}]}
    assert scrape.waiting(rules, '4s') == {
        'file': [{'name': 'g', 'rules': [{**waits, 'for': '4s'}, does_not, nor_does]}]
    }


def test_the_configuration_adds_what_the_charm_adds_to_every_job():
    config = scrape.configuration(
        [{'job_name': 'x'}], scrape_interval='2s', evaluation_interval='3s'
    )
    assert config['global'] == {'scrape_interval': '2s', 'evaluation_interval': '3s'}
    assert config['rule_files'] == ['rules/*.rules']
    (job,) = config['scrape_configs']
    assert job['honor_labels'] is True
    assert job['fallback_scrape_protocol'] == 'PrometheusText0.0.4'


def test_a_timeout_without_an_interval_is_not_above_the_interval():
    config = scrape.configuration(
        [{'job_name': 'x', 'scrape_timeout': '10s'}],
        scrape_interval='2s',
        evaluation_interval='2s',
    )
    assert config['scrape_configs'][0]['scrape_interval'] == '10s'
