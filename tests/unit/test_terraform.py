"""The Terraform modules say what the charms say, and fit together.

Juju's provider is in a registry of its own, so nothing here asks it: a parser reads the modules,
and where there is a terraform, it plans them with its built-in `terraform_data` in the provider's
place.
"""

import json
import re
import shutil
import subprocess

import hcl2
import pytest
import yaml

import charms
import deployment

CHARMS = ('coordinator-charm', 'worker-charm')
ROOT = charms.ROOT / 'terraform'
MODULES = [ROOT, *(charms.ROOT / charm / 'terraform' for charm in CHARMS)]
FILES = ('main', 'outputs', 'terraform', 'variables')
VARIABLES = {
    *('app_name', 'base', 'channel', 'config', 'constraints', 'model_uuid', 'resources'),
    *('revision', 'storage_directives', 'units'),
}

of_each_module = pytest.mark.parametrize(
    'folder', MODULES, ids=[str(folder.relative_to(charms.ROOT)) for folder in MODULES]
)


def bare(text):
    return text.strip('"')


def parsed(folder):
    """All blocks of a module as {(kind, label, …): body}."""
    found = {}
    for name in FILES:
        document = hcl2.loads((folder / f'{name}.tf').read_text())
        for kind, blocks in document.items():
            if kind != '__comments__':
                for block in blocks:
                    found.update(labelled((kind,), block))
    return found


def labelled(labels, block):
    if block.get('__is_block__'):
        yield labels, block
        return
    for label, inner in block.items():
        if label != '__comments__':
            yield from labelled((*labels, bare(label)), inner)


def blocks(folder, kind):
    return {labels[-1]: body for labels, body in parsed(folder).items() if labels[0] == kind}


def charmcraft(charm):
    return yaml.safe_load((charms.ROOT / charm / 'charmcraft.yaml').read_text())


def module(charm):
    return charms.ROOT / charm / 'terraform'


def endpoints(charm, side):
    return {name.replace('-', '_'): name for name in charmcraft(charm).get(side, {})}


@of_each_module
def test_a_module_has_the_files_that_the_field_expects(folder):
    assert {path.stem for path in folder.glob('*.tf')} == set(FILES)
    provider = parsed(folder)['terraform',]['required_providers'][0]['juju']
    assert provider == {'source': '"juju/juju"', 'version': '">= 1.4.0"'}


@of_each_module
def test_variables_and_outputs_are_described_and_typed(folder):
    for name, body in blocks(folder, 'variable').items():
        assert body['description'].rstrip('"').endswith('.'), name
        assert body['type'], name
    for name, body in blocks(folder, 'output').items():
        assert body['description'].rstrip('"').endswith('.'), name


@pytest.mark.parametrize('charm', CHARMS)
def test_a_charms_module_has_the_fields_variables_and_uses_them_all(charm):
    assert blocks(module(charm), 'variable').keys() == VARIABLES
    main = (module(charm) / 'main.tf').read_text()
    assert {*re.findall(r'var\.([\w-]+)', main)} == VARIABLES


@pytest.mark.parametrize('charm', CHARMS)
def test_a_charms_module_deploys_that_charm(charm):
    (application,) = blocks(module(charm), 'resource').values()
    assert bare(application['charm'][0]['name']) == charmcraft(charm)['name']
    base = blocks(module(charm), 'variable')['base']['default']
    assert bare(base) == charmcraft(charm)['base']


@pytest.mark.parametrize('charm', CHARMS)
@pytest.mark.parametrize('side', ['provides', 'requires'])
def test_a_charms_module_gives_every_endpoint(charm, side):
    value = blocks(module(charm), 'output')[side]['value']
    assert {name: bare(endpoint) for name, endpoint in value.items()} == endpoints(charm, side)


@pytest.mark.parametrize('charm', CHARMS)
def test_a_charms_module_takes_the_charms_resources_alone(charm):
    (validation,) = blocks(module(charm), 'variable')['resources']['validation']
    wanted = charmcraft(charm)['resources'].keys()
    assert {*re.findall(r'"([\w-]+)"', validation['condition'])} == wanted
    assert all(name in validation['error_message'] for name in wanted)


def test_what_the_root_module_gives_to_the_others_they_take():
    of_root = blocks(ROOT, 'variable')
    for name, body in blocks(ROOT, 'module').items():
        folder = (ROOT / bare(body['source'])).resolve()
        assert folder in MODULES
        given = {key for key in body if not key.startswith('__')} - {'source', 'for_each'}
        assert given == VARIABLES, name
        assert given == blocks(folder, 'variable').keys(), name
    main = (ROOT / 'main.tf').read_text()
    assert {*re.findall(r'var\.([\w-]+)', main)} == of_root.keys()
    for name in of_root.keys() - {'base', 'channel', 'model_uuid'}:
        attributes = {*re.findall(r'(\w+) *= *optional', json.dumps(of_root[name]['type']))}
        assert attributes == VARIABLES - {'base', 'channel', 'model_uuid'}, name


def test_the_root_module_has_a_worker_application_for_each_role():
    assert blocks(ROOT, 'locals')['locals']['workers'].keys() == {*deployment.ROLES}
    options = {f'role-{role}' for role in deployment.ROLES} | {'role-all'}
    assert charmcraft('worker-charm')['config']['options'].keys() == options


# What a terraform makes of them

needs_terraform = pytest.mark.skipif(
    shutil.which('terraform') is None, reason='needs terraform, which no package registry has'
)


def with_data_for_juju(text):
    """A module's text with Juju's resources as `terraform_data`, which holds any value."""

    def of_resource(match):
        kind, name, body = match.groups()
        each = re.search(r'^  for_each +=.*\n', body, re.MULTILINE)
        body = body.replace(each[0], '') if each else body
        number = iter(range(9))
        body = re.sub(
            r'^  (\w+) \{',
            lambda block: f'  {block[1]}_{next(number)} = {{',
            body,
            flags=re.MULTILINE,
        )
        outside = each[0] if each else ''
        return (
            f'resource "terraform_data" "{name}" {{\n{outside}'
            f'input = {{\njuju = "{kind}"\n{body}}}\n}}\n'
        )

    text = re.sub(r'  required_providers \{.*?\n  \}\n', '', text, flags=re.DOTALL)
    text = re.sub(
        r'resource "juju_(\w+)" "(\w+)" \{\n(.*?)^\}\n',
        of_resource,
        text,
        flags=re.DOTALL | re.MULTILINE,
    )
    return re.sub(r'juju_application\.(\w+)\.name', r'terraform_data.\1.input.name', text)


@pytest.fixture(scope='module')
def terraform(tmp_path_factory):
    """A function that runs terraform in a copy of the root module."""
    copy = tmp_path_factory.mktemp('terraform')
    for folder in MODULES:
        target = copy / folder.relative_to(charms.ROOT)
        target.mkdir(parents=True)
        for file in folder.glob('*.tf'):
            (target / file.name).write_text(with_data_for_juju(file.read_text()))

    def run(*arguments):
        return subprocess.run(
            ['terraform', *arguments], cwd=copy / 'terraform', capture_output=True, text=True
        )

    initialized = run('init', '-input=false')
    assert initialized.returncode == 0, initialized.stderr
    return run


def plan(terraform, **variables):
    arguments = [f'-var={name}={json.dumps(value)}' for name, value in variables.items()]
    return terraform(
        'plan', '-input=false', '-no-color', '-out=plan', '-var=channel=latest/edge',
        '-var=model_uuid=some-uuid', *arguments,
    )  # fmt: skip


def planned(terraform, **variables):
    """What would be deployed: by kind, what the provider would be told."""
    done = plan(terraform, **variables)
    assert done.returncode == 0, done.stderr
    shown = json.loads(terraform('show', '-json', 'plan').stdout)
    found = {'application': [], 'integration': []}
    for change in shown['resource_changes']:
        values = dict(change['change']['after']['input'])
        found[values.pop('juju')].append(values)
    outputs = {name: one['value'] for name, one in shown['planned_values']['outputs'].items()}
    return found, outputs


@needs_terraform
def test_the_files_are_formatted_as_terraform_does():
    for folder in MODULES:
        done = subprocess.run(
            ['terraform', 'fmt', '-check', '-diff'], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


@needs_terraform
def test_the_root_module_deploys_the_pair_and_integrates_it(terraform):
    image = {'workload-image': 'podinfo:1'}
    found, outputs = planned(terraform, frontend={'units': 2, 'resources': image})
    applications = {one['name']: one for one in found['application']}
    assert {name: one['units'] for name, one in applications.items()} == {
        **dict.fromkeys(('coordinator', *deployment.ROLES), 1),
        'frontend': 2,
    }
    frontend = applications['frontend']
    assert frontend['config'] == {'role-all': 'false', 'role-frontend': 'true'}
    assert frontend['resources'] == image
    assert frontend['charm_0'] == {
        'name': 'worker-k8s',
        'base': 'ubuntu@24.04',
        'channel': 'latest/edge',
        'revision': None,
    }
    pairs = [{one[f'application_{n}']['name'] for n in (0, 1)} for one in found['integration']]
    wanted = [{'coordinator', role} for role in deployment.ROLES]
    assert sorted(map(sorted, pairs)) == sorted(map(sorted, wanted))
    ends = {one[f'application_{n}']['endpoint'] for one in found['integration'] for n in (0, 1)}
    assert ends == {'cluster'}
    assert outputs == {
        'app_name': 'coordinator',
        'app_names': {name: name for name in applications},
        'provides': endpoints('coordinator-charm', 'provides'),
        'requires': endpoints('coordinator-charm', 'requires'),
    }


@needs_terraform
@pytest.mark.parametrize('application', ['coordinator', *deployment.ROLES])
def test_an_image_under_an_unknown_name_is_refused(terraform, application):
    done = plan(terraform, **{application: {'resources': {'workload': 'podinfo:1'}}})
    assert done.returncode
    assert "The charm's" in done.stderr
