"""Each module has a test module of its name, and each test module a module."""

import pytest

import charms

FOLDERS = {
    'lib': charms.ROOT / 'lib' / 'coordinated_telemetry',
    'coordinator': charms.ROOT / 'coordinator-charm' / 'src',
    'worker': charms.ROOT / 'worker-charm' / 'src',
}
OF_A_CHARM = {
    *('bounds', 'databags', 'hostile', 'life_cycle', 'quiet', 'relations', 'statuses'),
    'rules_fire',
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
    assert modules - {'charm'} <= about(folder)
    assert ('charm' in modules) == bool(about(folder) & {'hostile', 'life_cycle', 'quiet'})


@pytest.mark.parametrize('folder', FOLDERS)
def test_a_test_module_is_about_a_module_or_the_whole(folder):
    """What is more of the same has a name that goes on: test_workload_tls.py."""
    modules = names(FOLDERS[folder], '*.py')
    whole = OF_A_CHARM if 'charm' in modules else OF_THE_LIBRARY
    strangers = {
        name
        for name in about(folder) - whole
        if not any(name == module or name.startswith(f'{module}_') for module in modules)
    }
    assert strangers == set()
