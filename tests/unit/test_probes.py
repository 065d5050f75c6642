"""The probe for juju-doctor, on what the local Juju shows of a deployment, whole and broken.

`probed` has `juju status` and `juju show-unit` of a coordinator with a frontend and a backend.
"""

import copy
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import charms
import deployment
from coordinator.source import own_workload as workload

PROBES = charms.ROOT / 'probes'
PROBED = Path(__file__).parent / 'probed'
RULESET = yaml.safe_load((PROBES / 'cluster-consistency.yaml').read_text())
[WITH] = RULESET['probes'][0]['with']
FUNCTIONS = runpy.run_path(str(PROBES / 'cluster_consistency.py'))


@pytest.fixture
def status():
    return yaml.safe_load((PROBED / 'status.yaml').read_text())


@pytest.fixture
def units():
    return yaml.safe_load((PROBED / 'show-unit.yaml').read_text())


@pytest.fixture
def bundle(status):
    """What `juju export-bundle`, which the local Juju lacks, would say of the same."""
    applications = {
        name: {'charm': f'local:{app["charm-name"]}-0', 'scale': app['scale']}
        for name, app in status['applications'].items()
    }
    for role in deployment.ROLES:
        applications[role]['options'] = {'role-all': False, f'role-{role}': True}
    return {'bundle': 'kubernetes', 'applications': applications}


def found(function, artifact):
    """What a probe's function complains about, or None."""
    try:
        FUNCTIONS[function]({'model': artifact}, **WITH)
    except AssertionError as error:
        return str(error)
    return None


def test_it_knows_the_charms_and_their_roles():
    assert WITH['coordinator_charm'] == deployment.COORDINATOR_CHARM
    assert WITH['worker_charm'] == deployment.WORKER_CHARM
    assert WITH['minimal_deployment'] == workload.WORKLOAD.roles.minimal_deployment
    roles = {meta: {*roles} for meta, roles in WITH['meta_roles'].items()}
    assert roles == {meta: {*roles} for meta, roles in workload.WORKLOAD.roles.meta_roles.items()}


def test_a_whole_deployment_passes(status, units, bundle):
    assert found('status', status) is None
    assert found('show_unit', units) is None
    assert found('bundle', bundle) is None


def test_a_worker_without_a_coordinator_is_named(status):
    del status['applications']['frontend']['relations']['cluster']
    assert found('status', status) == (
        'frontend has no coordinator: juju integrate COORDINATOR frontend'
    )


def test_a_coordinator_without_a_worker_is_named(status):
    del status['applications']['coordinator']['relations']['cluster']
    assert found('status', status) == (
        'coordinator has no worker: juju integrate coordinator WORKER'
    )


def test_a_coordinator_in_another_model_is_named(status):
    del status['applications']['coordinator']
    complaints = (found('status', status) or '').split('; ')
    assert sorted(complaints) == sorted(
        f'{role} has its coordinator, coordinator, in another model' for role in deployment.ROLES
    )


def cluster(units):
    """The relations of coordinator/0 to its workers, by the worker's application."""
    return {
        next(iter(relation['related-units'])).partition('/')[0]: relation
        for relation in units['coordinator/0']['relation-info']
        if relation['endpoint'] == 'cluster'
    }


@pytest.mark.parametrize('text', [None, '"frontend"', '[', '7', ''])
def test_a_role_that_no_worker_published_is_named(units, text):
    data = cluster(units)['backend']['application-data']
    del data['role']
    if text is not None:
        data['role'] = text
    assert found('show_unit', units) == 'coordinator/0: role backend has 0 of at least 1 units'


def test_a_meta_role_stands_for_its_roles(units):
    relations = cluster(units)
    del relations['backend']['application-data']['role']
    relations['frontend']['application-data']['role'] = '"all"'
    assert found('show_unit', units) is None


def test_a_worker_without_an_address_is_named_and_does_not_count(units):
    del cluster(units)['backend']['related-units']['backend/0']['data']['address']
    assert found('show_unit', units) == (
        'backend/0 published no address to coordinator/0; '
        'coordinator/0: role backend has 0 of at least 1 units'
    )


def test_a_role_that_the_options_leave_out_is_named(bundle):
    del bundle['applications']['backend']['options']
    assert found('bundle', bundle) is None  # role-all is the default
    bundle['applications']['backend']['options'] = {'role-all': False}
    assert found('bundle', bundle) == 'role backend has 0 of at least 1 units'


def test_a_scale_below_the_minimum_is_named(bundle):
    bundle['applications']['frontend']['scale'] = 0
    assert found('bundle', bundle) == 'role frontend has 0 of at least 1 units'


def test_a_model_without_the_charms_passes(status, bundle):
    others = {'applications': {'other': {'charm': 'other-k8s', 'charm-name': 'other-k8s'}}}
    assert found('status', others) is None
    assert found('bundle', others) is None
    assert found('show_unit', {'other/0': {'charm': 'other-k8s'}}) is None


@pytest.mark.parametrize('url', ['worker-k8s', 'local:worker-k8s-12', 'ch:amd64/worker-k8s-3'])
def test_a_charm_is_known_by_its_name_wherever_it_comes_from(bundle, url):
    for role in deployment.ROLES:
        bundle['applications'][role] |= {'charm': url, 'scale': 0}
    assert 'role backend' in (found('bundle', bundle) or '')


def test_juju_doctor_runs_it(status, units, bundle, tmp_path):
    broken = copy.deepcopy(bundle)
    broken['applications']['backend']['scale'] = 0
    files = {'status': status, 'show-unit': units, 'bundle': bundle, 'broken': broken}
    for name, artifact in files.items():
        (tmp_path / name).write_text(yaml.safe_dump(artifact))

    def check(*artifacts):
        command = [
            Path(sys.executable).with_name('juju-doctor'),
            'check',
            '--verbose',
            '--format=json',
        ]
        command += ['--probe=file://probes/cluster-consistency.yaml', *artifacts]
        done = subprocess.run(command, cwd=charms.ROOT, capture_output=True, text=True)
        return json.loads(done.stdout)

    whole = [f'--{name}={tmp_path / name}' for name in ('status', 'show-unit', 'bundle')]
    said = check(*whole)
    assert (said['passed'], said['failed']) == (1, 0), said
    said = check(*whole, f'--bundle={tmp_path / "broken"}')
    assert (said['passed'], said['failed']) == (0, 1)
    assert 'role backend has 0 of at least 1 units' in said['exceptions'][0]
