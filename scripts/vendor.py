"""Copy the shared library into both charms, or check that the copies are true.

    python3 scripts/vendor.py [--check]

A plain `charmcraft pack` sees only the charm's own folder, and a symlink packs as an empty one: so
the copies are committed, and `make lint` runs this with --check, which writes nothing and exits 1
when a copy differs.
"""

import argparse
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / 'lib' / 'coordinated_telemetry'
COPIES = [ROOT / charm / 'lib' / SOURCE.name for charm in ('coordinator-charm', 'worker-charm')]
IGNORED = shutil.ignore_patterns('__pycache__', '*.pyc')


def files(folder: Path) -> dict[Path, bytes]:
    """Return the content of every file below a folder, by relative path."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and '__pycache__' not in path.parts
    }


def drift(copy: Path) -> list[str]:
    """Return a line for each file in which a copy differs from the source."""
    wanted, there = files(SOURCE), files(copy)
    name = copy.relative_to(ROOT)
    both = wanted.keys() & there.keys()
    return [
        *(f'{name / path}: missing' for path in wanted.keys() - there.keys()),
        *(f'{name / path}: not in the source' for path in there.keys() - wanted.keys()),
        *(f'{name / path}: differs' for path in both if wanted[path] != there[path]),
    ]


def main() -> int:
    """Check or copy, and say what differed."""
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
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(SOURCE, copy, ignore=IGNORED)
            print(f'updated {copy.relative_to(ROOT)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
