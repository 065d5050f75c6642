"""The library as a package of its own: what its metadata and its README say is so."""

import ast
import json
import re
import subprocess
import sys
import tomllib
import types
from pathlib import Path
from unittest import mock

import ops
import pytest
import yaml
from ops import testing

import coordinated_telemetry
import juju
import relabelling

ROOT = Path(__file__).resolve().parents[3]
LIB = ROOT / 'lib'
PACKAGE = LIB / 'coordinated_telemetry'
PROJECT = tomllib.loads((LIB / 'pyproject.toml').read_text())
README = (LIB / 'README.md').read_text()

#: Module → what it comes with. pydantic pins its own core.
DISTRIBUTIONS = {
    'cosl': 'cosl',
    'cryptography': 'cryptography',
    'ops': 'ops',
    'pydantic': 'pydantic',
    'pydantic_core': 'pydantic',
    'yaml': 'pyyaml',
}


def bounds(project: dict, extra: str = '') -> dict[str, str]:
    """The dependencies of a project, or of one of its extras: name → the whole requirement."""
    table = project['project']
    found = table['optional-dependencies'][extra] if extra else table['dependencies']
    return {re.split(r'[^A-Za-z0-9-]', requirement)[0]: requirement for requirement in found}


def charm_bounds(folder: str) -> dict[str, str]:
    return bounds(tomllib.loads((ROOT / folder / 'pyproject.toml').read_text()))


def imported(path: Path) -> set[str]:
    """The packages that a module imports, its own excepted."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or '')
    return {name.partition('.')[0] for name in names} - {PACKAGE.name}


def test_it_depends_on_exactly_what_it_imports():
    heavy = {'tls': PACKAGE / 'worker_key.py', 'dashboards': PACKAGE / 'dashboards.py'}
    modules = {*PACKAGE.glob('*.py')} - {*heavy.values()}
    names = {name for path in modules for name in imported(path)}
    needed = {DISTRIBUTIONS[name] for name in names - sys.stdlib_module_names}
    assert needed == bounds(PROJECT).keys()
    for extra, path in heavy.items():
        added = {DISTRIBUTIONS[name] for name in imported(path) - sys.stdlib_module_names}
        assert added - needed == bounds(PROJECT, extra).keys()


def test_a_charm_whose_units_have_keys_depends_on_the_extra():
    assert bounds(PROJECT, 'tls').items() <= charm_bounds('worker-charm').items()


def test_a_charm_with_dashboards_depends_on_the_extra():
    assert bounds(PROJECT, 'dashboards').items() <= charm_bounds('coordinator-charm').items()


def test_its_version_stands_in_the_package_alone():
    assert PROJECT['project']['dynamic'] == ['version']
    assert LIB / PROJECT['tool']['hatch']['version']['path'] == PACKAGE / '__init__.py'
    assert re.fullmatch(r'\d+\.\d+\.\d+', coordinated_telemetry.__version__)


def test_the_changelog_begins_with_its_version():
    versions = re.findall(r'^## (\S+)', (LIB / 'CHANGELOG.md').read_text(), re.MULTILINE)
    assert versions[0] == coordinated_telemetry.__version__


def test_it_has_the_license_of_the_repository():
    assert (LIB / 'LICENSE').read_text() == (ROOT / 'LICENSE').read_text()


@pytest.mark.parametrize('folder', ['coordinator-charm', 'worker-charm'])
def test_the_charms_that_carry_a_copy_depend_on_what_it_needs(folder: str):
    assert bounds(PROJECT).items() <= charm_bounds(folder).items()


def test_the_repository_tests_with_what_the_charms_pack():
    groups = tomllib.loads((ROOT / 'pyproject.toml').read_text())['dependency-groups']
    packed = {*charm_bounds('coordinator-charm').values(), *charm_bounds('worker-charm').values()}
    assert {*groups['charm']} == packed


def test_the_readme_names_every_module():
    table = README.partition('## Modules')[2].partition('\n## ')[0]
    named = {name for row in re.findall(r'^\| (`.*?) \|', table, re.MULTILINE)
             for name in re.findall(r'`(\w+)`', row)}  # fmt: skip
    assert named == {path.stem for path in PACKAGE.glob('*.py')} - {'__init__'}


# The charm in the README


def block(language: str) -> str:
    """The first block of code in this language."""
    return README.partition(f'```{language}\n')[2].partition('```')[0]


@pytest.fixture
def greeter() -> types.ModuleType:
    module = types.ModuleType('greeter')
    exec(compile(block('python'), 'README.md', 'exec'), module.__dict__)
    return module


def related(remote: dict[str, dict[str, str]]) -> testing.State:
    """A leader with its container up and every endpoint related."""
    container = testing.Container('greeter', can_connect=True)
    return testing.State(
        leader=True,
        model=juju.MODEL,
        containers=[container],
        relations=[
            testing.Relation('metrics-endpoint', remote_app_name='prometheus', id=1),
            testing.Relation(
                'logging', remote_app_name='loki', id=2, remote_units_data={0: remote['loki']}
            ),
            testing.Relation(
                'charm-tracing', remote_app_name='tempo', id=3, remote_app_data=remote['tempo']
            ),
        ],
    )


def run(greeter: types.ModuleType, state: testing.State) -> tuple[testing.State, mock.Mock]:
    """Run an event that says nothing; the state after it, and what ops.tracing was told."""
    meta = yaml.safe_load(block('yaml'))
    meta['resources'] = {'greeter-image': {'type': 'oci-image'}}
    context = testing.Context(greeter.GreeterCharm, meta=meta, app_name='greeter')
    with mock.patch.object(ops.tracing, 'set_destination') as set_destination:
        return context.run(context.on.update_status(), state), set_destination


REMOTE = {
    'loki': {'endpoint': json.dumps({'url': 'http://loki:3100/loki/api/v1/push'})},
    'tempo': {
        'receivers': json.dumps(
            [{'protocol': {'name': 'otlp_http', 'type': 'http'}, 'url': 'http://tempo:4318'}]
        )
    },
}


def test_the_charm_in_the_readme_carries_the_three_signals(greeter: types.ModuleType):
    state, set_destination = run(greeter, related(REMOTE))
    labels = {
        'juju_model': 'm',
        'juju_model_uuid': juju.UUID,
        'juju_application': 'greeter',
        'juju_unit': 'greeter/0',
        'juju_charm': 'greeter-k8s',
    }
    host = 'greeter-0.greeter-endpoints.m.svc.cluster.local:8080'
    assert relabelling.scraped(state.get_relation(1)) == {host: labels}
    container = state.get_container('greeter')
    assert juju.enabled_log_targets(container) == {'http://loki:3100/loki/api/v1/push': labels}
    assert juju.services(container)['greeter'].get('command') == '/bin/greeter --port 8080'
    asked = state.get_relation(3).local_app_data['receivers']
    assert json.loads(asked) == ['otlp_http']
    set_destination.assert_called_with(url='http://tempo:4318/v1/traces', ca=None)
    assert state.unit_status == ops.ActiveStatus()


def test_the_charm_in_the_readme_survives_stores_that_make_no_sense(greeter: types.ModuleType):
    hostile = {'loki': {'endpoint': '{"url": "file:///"}'}, 'tempo': {'receivers': '{'}}
    state, set_destination = run(greeter, related(hostile))
    assert juju.enabled_log_targets(state.get_container('greeter')) == {}
    set_destination.assert_called_with(url=None, ca=None)


def test_the_charm_in_the_readme_is_quiet_when_there_is_nothing_to_do(
    greeter: types.ModuleType, calls: juju.Calls
):
    state, _ = run(greeter, related(REMOTE))
    assert calls.changes()
    calls.clear()
    run(greeter, state)
    assert calls.changes() == []


def test_the_charm_in_the_readme_is_as_short_as_can_be():
    body = block('python').partition('\n\n\n')[2].partition('\n\n\n')[0]
    assert len(body.splitlines()) <= 20


def test_the_module_in_the_readme_runs_as_a_program(tmp_path: Path):
    code = 'import sys; from unittest import mock; import ops; ops.main = print\n'
    done = subprocess.run(
        [sys.executable, '-c', f'{code}__name__ = "__main__"\n{block("python")}'],
        cwd=tmp_path, env={'PYTHONPATH': str(LIB)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'GreeterCharm' in done.stdout
