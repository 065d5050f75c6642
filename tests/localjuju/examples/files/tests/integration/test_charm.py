"""Files that outlive pods and units, in storage that belongs to one unit each."""

import hashlib
import json
import pathlib
from collections.abc import Callable

import jubilant
import pytest
import yaml

FOLDER = pathlib.Path(__file__).parents[2]
METADATA = yaml.safe_load((FOLDER / 'charmcraft.yaml').read_text())
RESOURCES = {name: r['upstream-source'] for name, r in METADATA['resources'].items()}
APP = 'files'
TEXT = 'kept'
HASH = hashlib.sha1(TEXT.encode()).hexdigest()
URL = 'http://localhost:9898/store'


def settled(condition: Callable[[jubilant.Status], bool]) -> Callable[[jubilant.Status], bool]:
    """A condition for `wait` that also wants every unit active and every agent idle."""
    return lambda status: (
        condition(status) and jubilant.all_active(status) and jubilant.all_agents_idle(status)
    )


def in_workload(juju: jubilant.Juju, unit: str, *command: str) -> str:
    return juju.ssh(unit, *command, container='web')


def attached(juju: jubilant.Juju) -> dict[str, str]:
    """The storage of each unit, by the unit's name."""
    return {
        unit: storage
        for storage, info in juju.status().storage.storage.items()
        if info.attachments
        for unit in info.attachments.units
    }


@pytest.mark.juju_setup
def test_deploy(juju: jubilant.Juju, charm: pathlib.Path) -> None:
    juju.deploy(charm, APP, resources=RESOURCES, storage={'files': '200M'})
    juju.wait(settled(lambda status: APP in status.apps), error=jubilant.any_error, timeout=600)


def test_storage_is_as_big_as_requested(juju: jubilant.Juju) -> None:
    storage = juju.status().storage
    (filesystem,) = storage.filesystems.values()
    assert filesystem.size >= 200
    (info,) = storage.storage.values()
    assert info.kind == 'filesystem'
    assert info.status.current == 'attached'
    assert filesystem.storage == attached(juju)[f'{APP}/0']


def test_what_is_posted_is_served(juju: jubilant.Juju) -> None:
    answer = json.loads(in_workload(juju, f'{APP}/0', 'curl', '-s', '--data', TEXT, URL))
    assert answer == {'hash': HASH}
    assert in_workload(juju, f'{APP}/0', 'curl', '-s', f'{URL}/{HASH}') == TEXT


def test_the_charm_sees_the_files_of_its_workload(juju: jubilant.Juju) -> None:
    task = juju.run(f'{APP}/0', 'usage')
    assert task.results == {'files': '1', 'bytes': str(len(TEXT))}
    assert juju.run(f'{APP}/0', 'usage', {'hash': HASH}).results['files'] == '1'
    with pytest.raises(jubilant.TaskError, match='there is no file 1234'):
        juju.run(f'{APP}/0', 'usage', {'hash': '1234'})


def test_each_unit_has_storage_of_its_own(juju: jubilant.Juju) -> None:
    juju.add_unit(APP)
    juju.wait(settled(lambda status: len(status.apps[APP].units) == 2), timeout=600)
    storage = attached(juju)
    assert storage.keys() == {f'{APP}/0', f'{APP}/1'}
    assert len(set(storage.values())) == 2
    assert juju.run(f'{APP}/1', 'usage').results['files'] == '0'


def test_files_survive_a_refresh(juju: jubilant.Juju, charm: pathlib.Path) -> None:
    before = juju.status().apps[APP].charm_rev
    storage = attached(juju)
    juju.refresh(APP, path=charm, resources=RESOURCES)
    juju.wait(settled(lambda status: status.apps[APP].charm_rev > before), timeout=600)
    assert in_workload(juju, f'{APP}/0', 'curl', '-s', f'{URL}/{HASH}') == TEXT
    assert attached(juju) == storage


@pytest.mark.juju_teardown
def test_storage_outlives_its_application_until_it_is_removed(juju: jubilant.Juju) -> None:
    storage = set(attached(juju).values())
    juju.remove_application(APP)
    juju.wait(lambda status: APP not in status.apps, timeout=600)
    left = juju.status().storage.storage
    assert left.keys() == storage
    assert {info.status.current for info in left.values()} == {'detached'}
    assert not any(info.attachments for info in left.values())
    juju.cli('remove-storage', *sorted(left))
    juju.wait(lambda status: not status.storage.storage, timeout=600)
