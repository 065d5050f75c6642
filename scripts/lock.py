"""Pin every dependency of the repository and of its charms.

    python scripts/lock.py [--upgrade]

Writes the `[tool.uv] constraint-dependencies` of the root pyproject.toml and of every charm's:
each direct and transitive dependency, for every Python that `requires-python` allows, as
`name==version` with a marker if it needs one. The charms' pins are a subset of the root's, so what
is tested is what is packed. Without --upgrade, pins that still fit stay. A project that is built
into a package (it has a `[build-system]`), such as lib/, has bounds and gets no pins.

A charm whose charmcraft.yaml speaks of requirements.lock gets this file, too: the same versions,
with the hash of every file that each has in the registry. Its build installs nothing else. No
uv.lock is committed, because it would hold the address of the registry that it was made with.

Needs `uv` on PATH or beside the running Python, and a registry.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The array as this script writes it: one pin per line, the closing bracket on its own line (or, if
# the array is empty, on the same one).
CONSTRAINTS = re.compile(r'^constraint-dependencies = \[(?:\]|.*?^\])', re.MULTILINE | re.DOTALL)


HASHES = 'requirements.lock'
HEADER = """\
# What may be packed into the charm: see override-build in charmcraft.yaml. Written by `make lock`
# in the repository's root.
"""


class LockError(Exception):
    """A pyproject.toml cannot be pinned; the message says why."""


def pins(text: str) -> list[str]:
    """Return the constraint-dependencies of a pyproject.toml's text."""
    return tomllib.loads(text).get('tool', {}).get('uv', {}).get('constraint-dependencies', [])


def is_library(text: str) -> bool:
    """Whether a pyproject.toml's text is that of a package, whose users pin."""
    return 'build-system' in tomllib.loads(text)


def with_pins(text: str, wanted: list[str]) -> str:
    """Return a pyproject.toml's text with its constraint-dependencies replaced.

    Raises:
        LockError: if it has no table `[tool.uv]`.
    """
    if not CONSTRAINTS.search(text):
        head, table, tail = text.partition('[tool.uv]\n')
        if not table:
            raise LockError('it has no [tool.uv]')
        text = f'{head}{table}constraint-dependencies = []\n{tail}'
    array = ''.join(f'    "{pin}",\n' for pin in wanted)
    return CONSTRAINTS.sub(lambda _: f'constraint-dependencies = [\n{array}]', text, count=1)


def resolve(
    pyproject: Path, uv: str, *, constraints: list[str] | None, upgrade: bool
) -> list[str]:
    """Return the pins of all dependencies of a pyproject.toml, groups included.

    Args:
        pyproject: the file to read; it is not changed.
        uv: path of the uv program.
        constraints: pins to respect, or None to choose freely.
        upgrade: whether to disregard the file's present pins.

    Raises:
        LockError: if uv finds no solution, or the file has no place for pins.
    """
    text = pyproject.read_text()
    project = tomllib.loads(text)
    groups = sorted(project.get('dependency-groups', {}))
    minimum = project['project']['requires-python'].strip('><=~ ')
    # A copy in another folder: uv would obey the pins in the file, or in the workspace around it.
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, 'pyproject.toml')
        copy.write_text(with_pins(text, []))
        Path(scratch, 'constraints.txt').write_text('\n'.join(constraints or []))
        output = Path(scratch, 'pins.txt')
        if not upgrade:
            output.write_text('\n'.join(pins(text)))  # uv keeps these where it can
        command = [
            *(uv, 'pip', 'compile', copy.name, *(f'--group={group}' for group in groups)),
            *('--universal', f'--python-version={minimum}', '--constraint=constraints.txt'),
            *('--no-header', '--no-annotate', '--no-strip-extras', '--quiet'),
            f'--output-file={output.name}',
        ]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
        if done.returncode:
            raise LockError(done.stderr.strip())
        # A constraint cannot have extras.
        return [re.sub(r'\[.*?\]', '', line) for line in output.read_text().splitlines()]


def has_hashes(pyproject: Path) -> bool:
    """Whether a pyproject.toml is that of a charm whose build verifies hashes."""
    charmcraft = pyproject.with_name('charmcraft.yaml')
    return charmcraft.exists() and HASHES in charmcraft.read_text()


def hashes(pyproject: Path, uv: str) -> str:
    """Return the text of requirements.lock for a pinned pyproject.toml, for every Python.

    Raises:
        LockError: if uv finds no solution.
    """
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copy(pyproject, scratch)
        export = [
            *('export', '--frozen', '--no-dev', '--no-emit-project', '--format=requirements.txt'),
            *('--no-header', '--no-annotate'),
        ]
        for arguments in ['lock', '--quiet'], export:
            done = subprocess.run([uv, *arguments], cwd=scratch, capture_output=True, text=True)
            if done.returncode:
                raise LockError(done.stderr.strip())
    return HEADER + done.stdout


def main() -> int:
    """Pin the root, then each charm within the root's pins."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('--upgrade', action='store_true', help='take the newest of everything')
    upgrade = parser.parse_args().upgrade
    uv = shutil.which('uv', path=Path(sys.executable).parent) or shutil.which('uv')
    if uv is None:
        print('cannot pin: no uv on PATH; `make setup` brings one', file=sys.stderr)
        return 1
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "**/pyproject.toml"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    constraints: list[str] | None = None
    for pyproject in [ROOT / 'pyproject.toml', *(ROOT / path for path in sorted(tracked))]:
        if constraints is not None and pyproject.parent == ROOT:
            continue
        text = pyproject.read_text()
        if is_library(text):
            continue
        try:
            wanted = resolve(pyproject, uv, constraints=constraints, upgrade=upgrade)
            constraints = constraints or wanted
            changed = set(pins(text)) ^ set(wanted)
            pyproject.write_text(with_pins(text, wanted))
            if has_hashes(pyproject):
                pyproject.with_name(HASHES).write_text(hashes(pyproject, uv))
        except LockError as error:
            print(f'cannot pin {pyproject.relative_to(ROOT)}: {error}', file=sys.stderr)
            return 1
        print(f'{pyproject.relative_to(ROOT)}: {len(wanted)} pins, {len(changed)} changed')
    return 0


if __name__ == '__main__':
    sys.exit(main())
