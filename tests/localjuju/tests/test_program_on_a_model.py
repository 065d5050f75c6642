"""The `juju` program on a running model: what it prints, what it refuses."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakepods import Charm
from serving import Program, serving

from localjuju.pods.pods import Completed


@pytest.fixture
def juju(tmp_path: Path, monkeypatch, capsys) -> Iterator[Program]:
    with serving(tmp_path, monkeypatch, capsys) as program:
        yield program


@pytest.fixture
def deployed(juju: Program) -> Program:
    juju('deploy', juju.running.charm, 'a')
    juju.running.settle()
    return juju


# Status


def test_a_selector_that_matches_nothing_says_so_and_an_empty_model_too(juju: Program):
    said = juju('status')
    assert said.err == 'Model "admin/m" is empty.\n'
    assert said.out.startswith('Model  Controller')
    juju('deploy', juju.running.charm, 'a')
    assert juju('status', 'nonesuch').err == 'Nothing matched specified filter.\n'
    assert juju('status', 'x', 'y/0').err == 'Nothing matched specified filters.\n'
    assert juju('status').err == ''


@pytest.mark.parametrize(
    ('selectors', 'units'),
    [
        (['a'], ['a/0', 'a/1']),
        (['a/1'], ['a/1']),
        (['a/leader'], ['a/0']),
        (['?*/0'], ['a/0', 'b/0']),
        (['b', 'a/1'], ['a/1', 'b/0']),
        (['unknown'], ['a/0', 'a/1', 'b/0']),
        (['active'], []),
    ],
)
def test_selectors(deployed: Program, selectors, units):
    deployed('add-unit', 'a')
    deployed('deploy', deployed.running.charm, 'b')
    deployed.running.settle()
    shown = json.loads(deployed('status', '--format', 'json', *selectors).out)
    assert [u for app in shown['applications'].values() for u in app['units']] == units


def test_a_result_goes_to_a_file(juju: Program, tmp_path: Path):
    said = juju('status', '--format', 'json', '-o', tmp_path / 'out')
    assert said.out == ''
    assert json.loads((tmp_path / 'out').read_text())['model']['name'] == 'm'


def test_an_endpoint_selects_the_relations_of_a_unit(deployed: Program):
    deployed('deploy', deployed.running.charm, 'b')
    deployed('integrate', 'a:in', 'b:out')
    deployed('integrate', 'b:in', 'a:out')
    deployed.running.settle()

    def endpoints(*flags: str) -> list[str]:
        shown = json.loads(deployed('show-unit', 'a/0', '--format', 'json', *flags).out)
        return sorted(relation['endpoint'] for relation in shown['a/0']['relation-info'])

    assert endpoints() == ['in', 'out']
    assert endpoints('--endpoint', 'in') == ['in']


def test_a_level_of_the_log_is_checked(deployed: Program):
    assert 'hook' in deployed('debug-log', '-l', 'info').out
    assert 'level value "LOUD" is not one of' in deployed.refused('debug-log', '--level', 'loud')


# Config


def test_config_comes_from_a_file(deployed: Program, tmp_path: Path):
    (tmp_path / 'c.yaml').write_text('a: {color: 2024-01-31, size:}\n')
    deployed('config', 'a', '--file', tmp_path / 'c.yaml')
    assert deployed('config', 'a', 'color').out == '2024-01-31\n'
    deployed('refresh', 'a', '--path', deployed.running.charm, '--config', tmp_path / 'c.yaml')
    (tmp_path / 'c.yaml').write_text('- 1')
    why = deployed.refused('deploy', deployed.running.charm, 'b', '--config', tmp_path / 'c.yaml')
    assert why == 'config must contain a YAML map with string keys\n'


# Model config and constraints


def test_model_config_comes_from_a_file(juju: Program, tmp_path: Path):
    (tmp_path / 'c.yaml').write_text('update-status-hook-interval: 1h\n')
    juju('model-config', '--file', tmp_path / 'c.yaml')
    assert juju('model-config', 'update-status-hook-interval').out == '1h\n'
    (tmp_path / 'c.yaml').write_text('- 1')
    why = juju.refused('model-config', '--file', tmp_path / 'c.yaml')
    assert why == 'model config must contain a YAML map with string keys\n'


def test_model_constraints_are_kept_and_shown(juju: Program):
    assert juju('set-model-constraints', 'arch=amd64', 'mem=4G', 'cores=2').code == 0
    assert juju('model-constraints').out == 'arch=amd64 cores=2 mem=4096M\n'
    shown = json.loads(juju('model-constraints', '--format', 'json').out)
    assert shown == {'arch': 'amd64', 'mem': 4096, 'cores': 2}
    juju('set-model-constraints', 'mem=', 'tags=a,b', 'allocate-public-ip=true')
    assert juju('model-constraints').out == 'allocate-public-ip=true tags=a,b\n'


@pytest.mark.parametrize(
    ('text', 'why'),
    [
        ('arch', 'malformed constraint "arch"'),
        ('arch=z80', 'bad "arch" constraint: "z80" not recognized'),
        ('memory=1G', 'unknown constraint "memory"'),
        ('mem=much', 'bad "mem" constraint: must be a non-negative float'),
        ('cores=-1', 'bad "cores" constraint'),
        ('allocate-public-ip=maybe', 'bad "allocate-public-ip" constraint'),
        ('mem=1G mem=2G', 'bad "mem" constraint: already set'),
    ],
)
def test_wrong_constraints_are_refused(juju: Program, text, why):
    assert why in juju.refused('set-model-constraints', text)
    assert juju('model-constraints').out == '\n'


# Actions

SHOW_PASSWORD = """
show:
  params:
    show-password: {type: boolean, default: false}
    depth: {type: integer, minimum: 0}
    target: {type: object}
  additionalProperties: false
"""


def test_an_action_with_wrong_parameters_does_not_run(deployed: Program):
    ran = []

    def script(charm: Charm) -> None:
        if charm.env.get('JUJU_ACTION_NAME'):
            ran.append(json.loads(charm.tool('action-get', '--format=json')))

    deployed.running.write('actions.yaml', SHOW_PASSWORD)
    deployed('refresh', 'a', '--path', deployed.running.charm)
    deployed.running.settle()
    deployed.running.pods.script = script
    said = deployed('run', 'a/0', 'show', 'show-password=yes please')
    assert 'Operation failed to schedule any tasks' in said.err
    assert '(root).show-password : must be of type boolean, given "yes please"' in said.err
    assert said.out == ''
    assert ran == []
    said = deployed('run', 'a/0', 'show', 'show-password=yes', 'depth=3', 'target.name=x')
    assert said.code == 0
    assert ran == [{'show-password': True, 'depth': 3, 'target': {'name': 'x'}}]


def test_parameters_come_from_a_file_and_the_command_line_wins(deployed: Program, tmp_path: Path):
    deployed.running.write('actions.yaml', 'act: {params: {a: {}, b: {}}}')
    deployed('refresh', 'a', '--path', deployed.running.charm)
    deployed.running.settle()
    got = []
    deployed.running.pods.script = lambda charm: got.append(
        json.loads(charm.tool('action-get', '--format=json'))
    )
    (tmp_path / 'p.yaml').write_text('a: {x: 1}\nb: text\n')
    deployed('run', 'a/0', 'act', '--params', tmp_path / 'p.yaml', 'a.y=2')
    deployed('run', 'a/0', 'act', '--string-args', 'a=2', 'b=y')
    assert got == [{'a': {'x': 1, 'y': 2}, 'b': 'text'}, {'a': '2', 'b': 'y'}]
    (tmp_path / 'p.yaml').write_text('- 1')
    said = deployed('run', 'a/0', 'act', '--params', tmp_path / 'p.yaml')
    assert 'params must contain a YAML map with string keys' in said.err


@pytest.mark.parametrize(
    ('text', 'why'),
    [
        ('x', 'argument "x" must be of the form key.key.key...=value'),
        ('X=1', 'key "X" must start and end with lowercase alphanumeric'),
        ('a..b=1', 'key "" must start and end with lowercase alphanumeric'),
    ],
)
def test_malformed_parameters_are_refused(deployed: Program, text, why):
    assert why in deployed.refused('run', 'a/0', 'greet', text)


# Secrets


@pytest.mark.parametrize('key', ['ab', 'a-b', 'Password', 'pass_word', '1abc', 'abc-', 'a--bc'])
def test_keys_of_secrets_are_checked(juju: Program, key):
    assert juju.refused('add-secret', 's', f'{key}=x') == f'key "{key}" not valid\n'
    assert json.loads(juju('secrets', '--format', 'json').out) == {}
    juju('add-secret', 's', 'key=x')
    assert juju.refused('update-secret', 's', f'{key}=x') == f'key "{key}" not valid\n'


def test_the_content_of_a_secret_is_what_was_typed(juju: Program, tmp_path: Path):
    (tmp_path / 'v').write_text('from a file')
    (tmp_path / 's.yaml').write_text('one: x\n')
    pairs = ['two=@home', 'three=a=b', f'four#file={tmp_path}/v', 'five#base64=Zml2ZQ==']
    assert juju('add-secret', 's', *pairs, '--file', tmp_path / 's.yaml').code == 0
    (secret,) = json.loads(juju('show-secret', 's', '--reveal', '--format', 'json').out).values()
    assert secret['content']['Data'] == {
        'one': 'x', 'two': '@home', 'three': 'a=b', 'four': 'from a file', 'five': 'five',
    }  # fmt: skip
    juju('update-secret', 's', 'six=x')
    shown = juju('show-secret', 's', '--reveal', '-r', '1', '--format', 'json').out
    assert 'two' in json.loads(shown)[next(iter(json.loads(shown)))]['content']['Data']
    assert 'illegal base64' in juju.refused('add-secret', 't', 'key#base64=!')
    assert 'too large' in juju.refused('add-secret', 't', 'key=' + 'x' * 800_000)


# ssh and scp


@pytest.fixture
def shell(deployed: Program, tmp_path: Path) -> Program:
    """The pods run their commands on this machine, in the folder `pod`."""
    pod = tmp_path / 'pod'
    pod.mkdir()

    def execute(unit, container, argv, *, stdin=b'', cwd=None, **options) -> Completed:
        assert cwd == '/var/lib/juju', 'where Juju starts a command in the charm container'
        done = subprocess.run(argv, cwd=pod, input=stdin, capture_output=True)
        return Completed(done.returncode, done.stdout, done.stderr)

    deployed.running.pods.exec = execute
    return deployed


def test_scp_copies_files_and_folders_both_ways(shell: Program, tmp_path: Path):
    pod, here = tmp_path / 'pod', tmp_path / 'here'
    (here / 'tree' / 'deep').mkdir(parents=True)
    (here / 'tree' / 'deep' / 'f').write_bytes(bytes(range(256)))
    (here / 'run.sh').write_text('#!/bin/sh')
    (here / 'run.sh').chmod(0o755)
    assert shell('scp', here / 'run.sh', 'a/0:renamed.sh') == (0, '', '')
    assert (pod / 'renamed.sh').stat().st_mode & 0o777 == 0o755
    assert shell('scp', here / 'tree', 'a/0:there') == (0, '', '')
    assert (pod / 'there' / 'deep' / 'f').read_bytes() == bytes(range(256))
    assert shell('scp', here / 'tree', 'a/0:there') == (0, '', '')
    assert (pod / 'there' / 'tree' / 'deep' / 'f').exists()
    assert shell('scp', 'a/0:there/deep', here / 'back') == (0, '', '')
    assert (here / 'back' / 'f').read_bytes() == bytes(range(256))
    assert shell('scp', 'ubuntu@a/0:renamed.sh', here) == (0, '', '')
    assert (here / 'renamed.sh').read_text() == '#!/bin/sh'


@pytest.mark.parametrize(
    ('argv', 'why'),
    [
        (['-r', 'x', 'a/0:y'], 'option -r is not supported by the local Juju: on Kubernetes'),
        (['--', '-r', 'x', 'a/0:y'], 'only one source and one destination are allowed'),
        (['x'], 'source and destination are required'),
        (['a/0:x', 'a/0:y'], 'cross pods copy is not supported'),
        (['x', 'y'], 'neither source nor destination is in a unit'),
        (['/nowhere/x', 'a/0:y'], 'does not exist on local machine'),
        (['a/0:nowhere', '.'], 'nowhere'),
        (['x', 'a/0:'], 'path was missing'),
        (['--container', 'c', '/etc/hostname', 'a/0:y'], 'container "c" must be one of charm'),
    ],
)
def test_scp_refuses_by_name(shell: Program, argv, why):
    assert why in shell.refused('scp', *argv)


# The Kubernetes API

LIGHTKUBE = 'lightkube.core.exceptions.ConfigError: Configuration file ~/.kube/config not found'


@pytest.mark.parametrize('over', ['juju-log', 'stderr'])
def test_a_hook_that_needs_the_kubernetes_api_says_so(juju: Program, over):
    def script(charm: Charm) -> None:
        if over == 'juju-log':
            charm.tool(
                'juju-log', '--log-level', 'ERROR', '--', f'Uncaught exception: {LIGHTKUBE}'
            )
        raise RuntimeError(LIGHTKUBE if over == 'stderr' else 'x')

    juju.running.pods.script = script
    juju('deploy', juju.running.charm, 'a')
    juju.running.wait(lambda: juju.running.controller.model.unit('a/0').failed)
    why = 'the charm needs the Kubernetes API, which the local Juju does not have'
    status = json.loads(juju('status', '--format', 'json').out)
    message = status['applications']['a']['units']['a/0']['workload-status']['message']
    assert message == f'hook failed: "install": {why}'
    assert f'WARNING localjuju install: {why}' in juju('debug-log').out
    assert juju.running.ask('hopeless') == {'a/0': message}


def test_other_failures_and_mere_mentions_say_nothing_of_it(juju: Program):
    def script(charm: Charm) -> None:
        charm.tool('juju-log', '--log-level', 'INFO', '--', 'KUBERNETES_SERVICE_HOST is not set')
        raise RuntimeError('out of luck')

    juju.running.pods.script = script
    juju('deploy', juju.running.charm, 'a')
    juju.running.wait(lambda: juju.running.controller.model.unit('a/0').failed)
    assert 'Kubernetes API' not in juju('status').out + juju('debug-log').out


def test_who_deploys_is_told_that_there_is_no_kubernetes_api(juju: Program):
    package = juju.running.charm / 'venv/lib/python3.12/site-packages/lightkube'
    assert 'Kubernetes' not in juju('deploy', juju.running.charm, 'a').err
    assert (
        '--trust gives access to nothing' in juju('deploy', '--trust', juju.running.charm, 'b').err
    )
    package.mkdir(parents=True)
    (package / '__init__.py').touch()
    said = juju('deploy', juju.running.charm, 'c').err
    assert 'charm "tiny" brings lightkube: the local Juju has no Kubernetes API' in said
    assert said.splitlines()[-1] in juju('debug-log').out
