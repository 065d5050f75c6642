"""The house: who may import whom. Read from the sources, so that no import can hide."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import localjuju

ROOT = Path(localjuju.__file__).parent
#: What each package, or module of the top folder, may import besides itself.
FLOORS = {
    'common': set(),
    'client': {'common'},
    'model': {'common'},
    'pods': {'common'},
    'controller': {'common', 'model', 'pods'},
    'cli': {'common', 'client', 'pods'},
    'setup': {'common', 'pods'},
}
MODULES = {
    '.'.join(('localjuju', *path.relative_to(ROOT).with_suffix('').parts)): path
    for path in sorted(ROOT.rglob('*.py'))
    if path.name != '__init__.py'
}


def imports(source: str) -> Iterator[str]:
    """The modules of this project that a source imports anywhere: in functions, for types too."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, 'relative imports are not followed'
            names = [f'{node.module}.{alias.name}' for alias in node.names]
        for name in names:
            # What is imported from a module is no module itself.
            found = name if name in MODULES else name.rpartition('.')[0]
            if found in MODULES:
                yield found


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The names along one circle, or nothing."""
    done: set[str] = set()

    def follow(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name not in done:
            for other in sorted(graph.get(name, ())):
                if found := follow(other, [*path, name]):
                    return found
            done.add(name)
        return []

    return next(filter(None, (follow(name, []) for name in sorted(graph))), [])


GRAPH = {name: set(imports(path.read_text())) for name, path in MODULES.items()}


def floor(module: str) -> str:
    return module.split('.')[1]


def test_every_module_is_on_a_floor():
    assert {floor(module) for module in MODULES} == FLOORS.keys()


@pytest.mark.parametrize('name', FLOORS)
def test_a_floor_rests_on_those_below_it_only(name: str):
    above = [
        f'{module} imports {other}'
        for module, others in GRAPH.items()
        for other in others
        if floor(module) == name and floor(other) not in {name, *FLOORS[name]}
    ]
    assert not above


def test_floors_have_no_circle():
    assert circle(FLOORS) == []


def test_modules_have_no_circle():
    assert circle(GRAPH) == []


# The test of the test


def test_imports_are_found_wherever_they_are():
    source = (
        'from typing import TYPE_CHECKING\n'
        'import localjuju.client\n'
        'if TYPE_CHECKING:\n'
        '    from localjuju.model.model import Model\n'
        'def f():\n'
        '    from localjuju.pods import images\n'
    )
    assert list(imports(source)) == [
        'localjuju.client',
        'localjuju.model.model',
        'localjuju.pods.images',
    ]


def test_a_circle_is_seen():
    assert circle({'a': {'b'}, 'b': {'c'}, 'c': {'b'}}) == ['b', 'c', 'b']
    assert circle({'a': {'b', 'c'}, 'b': {'c'}, 'c': set()}) == []
