"""Importing the two charms side by side: both have a module named `charm`."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def importable(folder: str, first: Path | None = None) -> Iterator[None]:
    """Make the modules of a charm importable by their own names, as in the packed charm.

    Afterwards the names are free again for the other charm; the modules that were imported keep
    their references to each other.

    Args:
        folder: of the charm.
        first: a folder whose modules take the place of the charm's of the same names.
    """
    source = ROOT / folder / 'src'
    names = {path.stem for path in source.glob('*.py')}
    hidden = {name: sys.modules.pop(name) for name in names & sys.modules.keys()}
    folders = [str(path) for path in (first, source) if path]
    sys.path[:0] = folders
    try:
        yield
    finally:
        for path in folders:
            sys.path.remove(path)
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)


def specification(folder: str) -> dict[str, Any]:
    """The arguments of `ops.testing.Context` that say what is in charmcraft.yaml."""
    meta = yaml.safe_load((ROOT / folder / 'charmcraft.yaml').read_text())
    return {'meta': meta, 'config': meta.pop('config'), 'actions': meta.pop('actions', None)}
