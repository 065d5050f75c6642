"""Which keys of `cluster` both sides have, and what the library's README says of them."""

import re

import charms
from coordinated_telemetry import cluster_data

OURS = {
    'ClusterProviderAppData': cluster_data.CoordinatorData,
    'ClusterRequirerAppData': cluster_data.WorkerApplicationData,
    'ClusterRequirerUnitData': cluster_data.WorkerUnitData,
}
README = charms.ROOT / 'lib' / 'README.md'


def rows():
    """What of each key our coordinator and our worker do, by the README."""
    text = README.read_text()
    section = text[text.index('Its models have') :]
    found = re.findall(r'^\| (`.*`) \| (.*) \| (.*) \|$', section, re.MULTILINE)
    return {
        key: (coordinator, worker)
        for keys, coordinator, worker in found
        for key in re.findall(r'`(\w+)`', keys)
        if key in {*cluster_data.CoordinatorData.retired, *fields()}
    }


def fields():
    return {field for model in OURS.values() for field in model.model_fields}


def test_each_key_is_known_by_its_model_or_retired(ask):
    theirs = ask('keys')
    assert theirs.keys() == OURS.keys()
    for name, model in OURS.items():
        assert {*theirs[name]} <= model.model_fields.keys() | model.retired


def test_the_readme_says_what_comes_of_each(ask):
    theirs = ask('keys')
    assert rows().keys() == {key for keys in theirs.values() for key in keys}
    assert f'Its models have {len(rows())} keys' in README.read_text()
    for key, (coordinator, worker) in rows().items():
        if key in cluster_data.CoordinatorData.retired:
            assert (coordinator, worker) == ('erases', 'ignores')
        elif key == 'server_cert':
            assert (coordinator, worker) == ('erases', 'reads whether it is there')
        else:
            is_coordinators = key in theirs['ClusterProviderAppData']
            expected = ('writes', 'reads') if is_coordinators else ('reads', 'writes')
            assert (coordinator, worker) == expected
