"""Copy the shared library into both charms, or check that the copies are true.

    python3 scripts/vendor.py [--check]

A plain `charmcraft pack` sees only the charm's own folder, and a symlink packs as an empty folder.
So the copies are committed, and `make lint` runs this with --check, which writes nothing and exits
1 if a copy differs.

It copies the package, not what surrounds it in lib/. In each copy, a file VENDORED names the
source and its version; packed charms contain that file too.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / 'lib' / 'coordinated_telemetry'
COPIES = [ROOT / charm / 'lib' / SOURCE.name for charm in ('coordinator-charm', 'worker-charm')]
VERSION = re.compile(r"^__version__ = '(.+)'$", re.MULTILINE)
MARK = 'VENDORED'


def files(folder: Path) -> dict[Path, bytes]:
    """Return the content of every file below a folder, by relative path."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and '__pycache__' not in path.parts
    }


def wanted() -> dict[Path, bytes]:
    """Return the content of every file of a copy, by relative path.

    Raises:
        ValueError: if the source does not state its version.
    """
    found = VERSION.search((SOURCE / '__init__.py').read_text())
    if found is None:
        raise ValueError(f'cannot copy {SOURCE.name}: no __version__ in its __init__.py')
    mark = (
        f'{SOURCE.name} {found[1]}\n\nA copy of lib/{SOURCE.name}, written by `make vendor`: '
        'a change made here is lost. Make it there.\n'
    )
    return {**files(SOURCE), Path(MARK): mark.encode()}


def drift(copy: Path) -> list[str]:
    """Return a line for each file in which a copy differs from the source."""
    source, there = wanted(), files(copy)
    name = copy.relative_to(ROOT)
    both = source.keys() & there.keys()
    return [
        *(f'{name / path}: missing' for path in source.keys() - there.keys()),
        *(f'{name / path}: not in the source' for path in there.keys() - source.keys()),
        *(f'{name / path}: differs' for path in both if source[path] != there[path]),
    ]


def write(copy: Path) -> None:
    """Replace a copy with a fresh one."""
    shutil.rmtree(copy, ignore_errors=True)
    for path, content in wanted().items():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes(content)


def main() -> int:
    """Check or copy, and print what differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('--check', action='store_true', help='write nothing; exit 1 on drift')
    check = parser.parse_args().check
    differences = [line for copy in COPIES for line in sorted(drift(copy))]
    if check:
        for line in differences:
            print(line, file=sys.stderr)
        if differences:
            print('lib/ and its copies differ: run `make vendor`', file=sys.stderr)
        return 1 if differences else 0
    for copy in COPIES:
        if drift(copy):
            write(copy)
            print(f'updated {copy.relative_to(ROOT)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
