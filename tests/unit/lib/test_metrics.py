"""Scrape jobs."""

from coordinated_telemetry import metrics, topology

COORDINATOR = topology.Topology('m', 'u', 'coordinator', '', 'coordinator-k8s')


def target(unit, address='a', port=80):
    application = unit.partition('/')[0]
    unit_topology = COORDINATOR.for_unit(application, unit, f'{application}-k8s')
    return metrics.Target(unit_topology, address, port)


def test_an_application_is_one_job_and_each_unit_has_its_own_labels():
    targets = [target('b/10'), target('a/0', '::1', 9113), target('b/9', '10.0.0.1')]

    def relabelled(application):
        return [
            {'target_label': 'juju_application', 'replacement': application},
            {'target_label': 'juju_charm', 'replacement': f'{application}-k8s'},
        ]

    assert metrics.scrape_jobs(targets) == [
        {
            'job_name': 'a',
            'metrics_path': '/metrics',
            'relabel_configs': relabelled('a'),
            'static_configs': [{'targets': ['[::1]:9113'], 'labels': {'juju_unit': 'a/0'}}],
        },
        {
            'job_name': 'b',
            'metrics_path': '/metrics',
            'relabel_configs': relabelled('b'),
            'static_configs': [
                {'targets': ['10.0.0.1:80'], 'labels': {'juju_unit': 'b/9'}},
                {'targets': ['a:80'], 'labels': {'juju_unit': 'b/10'}},
            ],
        },
    ]


def test_an_application_whose_name_begins_with_anothers_has_a_job_of_its_own():
    jobs = metrics.scrape_jobs([target('a-b/0'), target('a/0'), target('a/1'), target('a-b/1')])
    sizes = {job['job_name']: len(job['static_configs']) for job in jobs}
    assert sizes == {'a': 2, 'a-b': 2}


def test_no_target_is_no_job():
    assert metrics.scrape_jobs([]) == []


def test_the_path_can_be_another():
    (job,) = metrics.scrape_jobs([target('a/0')._replace(path='/internal/metrics')])
    assert job['metrics_path'] == '/internal/metrics'


def test_a_job_over_https_carries_the_cas_and_one_over_http_does_not():
    secure = metrics.Target(target('b/0').topology, 'b', 443, 'https')
    plain, found = metrics.scrape_jobs([target('a/0'), secure], ca='PEM')
    assert {'scheme', 'tls_config'} & plain.keys() == set()
    assert (found['scheme'], found['tls_config']) == ('https', {'ca': 'PEM'})
    assert found['static_configs'][0]['targets'] == ['b:443']


def test_a_further_place_is_a_job_of_its_own_whose_name_no_application_can_have():
    both = [target('a/1'), target('a/0')]
    further = [one._replace(port=81, path='/scrape', place='vault') for one in both]
    jobs = metrics.scrape_jobs([*further, *both, target('a-vault/0')])
    assert [(job['job_name'], job['metrics_path']) for job in jobs] == [
        ('a', '/metrics'), ('a_vault', '/scrape'), ('a-vault', '/metrics'),
    ]  # fmt: skip
    usual, own, _ = jobs
    assert metrics.scrape_jobs(both) == [usual]
    assert own['relabel_configs'] == usual['relabel_configs']
    assert own['static_configs'] == [
        {'targets': ['a:81'], 'labels': {'juju_unit': 'a/0'}},
        {'targets': ['a:81'], 'labels': {'juju_unit': 'a/1'}},
    ]
