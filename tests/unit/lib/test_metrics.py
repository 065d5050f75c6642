"""Scrape jobs."""

from coordinated_telemetry import metrics, topology

COORDINATOR = topology.Topology('m', 'u', 'coordinator', '', 'coordinator-k8s')


def target(unit, address='a', port=80):
    application = unit.partition('/')[0]
    unit_topology = COORDINATOR.for_unit(application, unit, f'{application}-k8s')
    return metrics.Target(unit_topology, address, port)


def test_an_application_is_one_job_and_each_unit_has_its_own_labels():
    targets = [target('b/10'), target('a/0', '::1', 9113), target('b/9', '10.0.0.1')]
    assert metrics.scrape_jobs(targets) == [
        {
            'job_name': 'a',
            'metrics_path': '/metrics',
            'static_configs': [{'targets': ['[::1]:9113'], 'labels': targets[1].topology.labels}],
        },
        {
            'job_name': 'b',
            'metrics_path': '/metrics',
            'static_configs': [
                {'targets': ['10.0.0.1:80'], 'labels': targets[2].topology.labels},
                {'targets': ['a:80'], 'labels': targets[0].topology.labels},
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
    (job,) = metrics.scrape_jobs([target('a/0')], '/internal/metrics')
    assert job['metrics_path'] == '/internal/metrics'
