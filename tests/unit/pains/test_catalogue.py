"""docs/pains.md has every pain with its tests, and every test that it names is there."""

import re

import pytest

import charms

CATALOGUE = charms.ROOT / 'docs' / 'pains.md'
ROW = re.compile(r'^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$', re.MULTILINE)
ROWS = {int(number): cells for number, *cells in ROW.findall(CATALOGUE.read_text())}
OPEN: set[int] = set()
"""Those whose tests are still to come: `-` in the table."""
BY_NUMBER = re.compile(r'^def (test_pain_(\d\d)_\w+)\(', re.MULTILINE)


def named(cell):
    """The tests that a cell names: file → names, or what they begin with for a number."""
    found = {}
    path = None
    for link, name in re.findall(r'\]\(([^)]+)\)|`([^`]+)`', cell):
        if link:
            path = (CATALOGUE.parent / link).resolve()
            found.setdefault(path, [])
        else:
            found[path].append(name)
    return found


def test_every_line_of_the_tables_is_a_row_and_numbers_go_on():
    text = CATALOGUE.read_text()
    lines = re.findall(r'^\| \d+ .*$', text, re.MULTILINE)
    assert len(lines) == len(ROW.findall(text))
    assert list(ROWS) == list(range(1, len(lines) + 1))


def test_the_open_ones_are_those_without_a_test():
    assert {number for number, (*_, tests) in ROWS.items() if tests == '-'} == OPEN


@pytest.mark.parametrize('number', sorted(ROWS.keys() - OPEN))
def test_every_named_test_is_there(number):
    tests = named(ROWS[number][-1])
    assert tests
    for path, names in tests.items():
        text = path.read_text()
        assert names
        for name in names:
            more = r'_\w+' if name == f'test_pain_{number:02d}' else ''
            assert re.search(rf'^def {name}{more}\(', text, re.MULTILINE), f'{path.name}: {name}'


def test_every_test_of_a_number_is_in_a_file_of_its_row():
    for path in sorted((charms.ROOT / 'tests').rglob('test_*.py')):
        for name, number in BY_NUMBER.findall(path.read_text()):
            assert path in named(ROWS[int(number)][-1]), name


def test_a_test_with_a_number_is_in_every_row_from_the_field():
    for number in range(1, 23):
        assert f'`test_pain_{number:02d}`' in ROWS[number][-1]
