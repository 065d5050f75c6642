"""Each module has a test module of its name, and each test module a module."""

import dataclasses
import importlib
import re
import types

import pytest

import charms

FOLDERS = {
    'lib': charms.ROOT / 'lib' / 'coordinated_telemetry',
    'coordinator': charms.ROOT / 'coordinator-charm' / 'src',
    'worker': charms.ROOT / 'worker-charm' / 'src',
}
OF_A_CHARM = {
    *('bounds', 'databags', 'hostile', 'life_cycle', 'quiet', 'relations', 'statuses'),
    *('rules_fire', 'trust', 'restarts', 'https', 's3', 'tls'),
}
"""What is tested of a charm as a whole: these are the tests of its charm.py."""
OF_THE_LIBRARY = {'package'}


def names(folder, pattern):
    found = {path.stem for path in folder.glob(pattern)}
    return {name.removeprefix('test_') for name in found} - {'__init__'}


def about(folder):
    return names(charms.ROOT / 'tests' / 'unit' / folder, 'test_*.py')


@pytest.mark.parametrize('folder', FOLDERS)
def test_a_module_has_a_test_module(folder):
    modules = names(FOLDERS[folder], '*.py')
    assert modules
    assert modules - {'charm', 'workload'} <= about(folder)
    if 'charm' in modules:
        assert {'databags', 'hostile', 'life_cycle', 'quiet'} <= about(folder)


def test_the_workload_of_each_charm_has_its_tests_in_a_folder_that_an_author_replaces():
    assert about('workload') == {'coordinator', 'worker'}


@pytest.mark.parametrize('folder', FOLDERS)
def test_a_test_module_is_about_a_module_or_the_whole(folder):
    """What is more of the same has a name that goes on: test_cluster_worker.py."""
    modules = names(FOLDERS[folder], '*.py')
    whole = OF_A_CHARM if 'charm' in modules else OF_THE_LIBRARY
    strangers = {
        name
        for name in about(folder) - whole
        if not any(name == module or name.startswith(f'{module}_') for module in modules)
    }
    assert strangers == set()


@pytest.mark.parametrize('charm', ['coordinator-charm', 'worker-charm'])
def test_no_dataclass_has_a_default_that_python_3_11_refuses(charm):
    """Later ones can hash a mapping proxy, and take it as a default."""
    with charms.importable(charm):
        modules = [
            importlib.import_module(name)
            for name in sorted(names(charms.ROOT / charm / 'src', '*.py'))
        ]
    fields = [
        (value.__name__, field.name, field.default)
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
        for field in dataclasses.fields(value)
    ]
    assert fields
    assert [one for one in fields if isinstance(one[2], types.MappingProxyType)] == []


def test_the_readme_names_what_tests_share():
    unit = charms.ROOT / 'tests' / 'unit'
    text = (unit / 'README.md').read_text()
    shared = {
        '.'.join(path.relative_to(unit).with_suffix('').parts)
        for path in unit.rglob('*.py')
        if not path.name.startswith(('test_', 'conftest', '__init__'))
    }
    named = {*re.findall(r'`([a-z_.]+)`', text[text.index('## What tests share') :])}
    assert shared - named == set()
    assert {name for name in named if '.' in name} <= shared


@pytest.mark.parametrize('name', sorted(OF_A_CHARM))
def test_the_readme_says_what_is_tested_of_a_whole_charm(name):
    assert f'`test_{name}`' in (charms.ROOT / 'tests' / 'unit' / 'README.md').read_text()
