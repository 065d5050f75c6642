"""Make a pair of charms of this one, in a repository of its own: `make new-charm`.

The reference pair is the template: it is a working project, and stays one. This script copies what
is committed and gives it other names, those of the charms, of their relations and of their roles.
The names are words of the text, each with the few places in which the same word means something
else (`KEPT`), so no placeholder stands in any file.

What it writes goes to the branch `reference` of the new repository, on which its author's branch
`main` builds. With `--update` it writes the reference pair of today to that branch; `git merge
reference` then brings what changed into the charms that somebody has made of it.
"""

import argparse
import dataclasses
import io
import itertools
import keyword
import re
import shutil
import string
import subprocess
import sys
import tarfile
import tempfile
import token
import tokenize
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import further_roles

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / 'scripts' / 'new_charm'
ROLES = ('frontend', 'backend')
"""The roles of the reference pair: the first one's workers call those of the second."""
MOST_ROLES = 12
BRANCH = 'reference'
ANSWERS = '.new-charm'
"""The file of a new repository in which `--update` finds what it was made with."""

KEPT = (
    '--backend-url',  # an option of podinfo
    'build-backend',
    r'[a-z]+-secret-backends?',
    r'secret-backends?',
    'DEBIAN_FRONTEND',
    '_MockModelBackend',
    r'tempo-(?:coordinator|worker)-k8s',
)
"""What contains one of the words and means something else."""
LEFT_OUT = (
    'CHANGELOG.md',
    'README.md',
    'docs/tutorial.md',
    'scripts/further_roles.py',
    'scripts/new_charm.py',
    'scripts/new_charm',
    'tests/template',
    'tests/unit/scripts/test_new_charm.py',
)
"""Files and folders that are about the reference pair itself."""
OWN_PROJECTS = ('lib', 'tests/localjuju')
"""Folders of projects that know nothing of the charms' roles."""

_ABOUT_THE_TEMPLATE = ' The charm\n  is a template for new charms of highly available workloads.'
_NAME = re.compile(r'[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*')
_RESERVED = (
    *('all', 'coordinator', 'worker', 'workers', 'workload', 'nginx', 'peers', 'cluster'),
    # Applications that are deployed beside the workers, each of which is named after its role.
    *('prometheus', 'loki', 'tempo', 'grafana', 'otel-collector', 'self-signed-certificates'),
    's3-integrator',
    # Variables of the Terraform module, and names that none may have.
    *('base', 'channel', 'count', 'lifecycle', 'locals', 'providers', 'source', 'version'),
    *keyword.kwlist,
)


class Error(Exception):
    """What the author has to change; the message says what and how."""


@dataclasses.dataclass(frozen=True)
class Names:
    """What the new charms are called.

    Attributes:
        name: the charms' common name, such as `webstore`.
        roles: of the workers; the first one's call those of the second. All are required.
    """

    name: str
    roles: tuple[str, ...] = ROLES

    def __post_init__(self) -> None:
        _check('NAME', self.name)
        if len(self.roles) > MOST_ROLES:
            raise Error(f'ROLES: expected at most {MOST_ROLES} names, and got {len(self.roles)}')
        for role in self.roles:
            _check('ROLES', role)
            if role in _RESERVED:
                raise Error(f'ROLES: "{role}" already means something in the charms; take another')
            if self.roles.count(role) > 1:
                raise Error(f'ROLES: "{role}" is there twice')
        if len(self.roles) < len(ROLES):
            raise Error(
                f'ROLES: expected at least {len(ROLES)} names with a comma between them, such as '
                'edge,store: the pair begins with podinfo, whose one role calls the other; begin '
                'with two, and take the second out with podinfo: docs/make-it-yours.md'
            )

    @property
    def further(self) -> tuple[str, ...]:
        """The roles beyond those that take the places of the reference pair's."""
        return self.roles[len(ROLES) :]

    @property
    def snake(self) -> str:
        """The common name where a hyphen may not be."""
        return self.name.replace('-', '_')

    @property
    def title(self) -> str:
        """The common name as a title."""
        return self.name.replace('-', ' ').title()


def _check(what: str, name: str) -> None:
    if not name:
        raise Error(f'{what}: missing: make new-charm NAME=webstore DEST=../webstore-operators')
    if len(name) > 40 or not _NAME.fullmatch(name):
        raise Error(
            f'{what}: {name!r} is no name that Juju accepts: at most 40 lower-case letters, '
            'digits and hyphens, beginning with a letter, and each part between hyphens with a '
            'letter'
        )


class Renamer:
    """Gives a text the new names."""

    def __init__(self, names: Names) -> None:
        self._words = {
            'coordinator-k8s': f'{names.name}-coordinator-k8s',
            'worker-k8s': f'{names.name}-worker-k8s',
            'coordinator_cluster': f'{names.snake}_cluster',
            'coordinator_peers': f'{names.snake}_coordinator_peers',
            'worker_peers': f'{names.snake}_worker_peers',
            'coordinated-telemetry-charms': f'{names.name}-operators',
        }
        self._roles: dict[str, str] = dict(zip(ROLES, names.roles, strict=False))
        kept, words = '|'.join(KEPT), '|'.join(map(re.escape, self._words))
        self._any = re.compile(f'(?:{kept})|(?P<word>{words})')
        roles = '|'.join(f'{role}|{role.title()}|{role.upper()}' for role in ROLES)
        # A role is no part of a longer word, except of a plural and of a name with underscores.
        self._role = re.compile(f'(?:{kept})|(?<![A-Za-z])(?P<role>{roles})(?=[sS]?(?![A-Za-z]))')

    def names(self, text: str) -> str:
        """The text with the new names of charms and interfaces."""
        return self._any.sub(
            lambda found: self._words[found['word']] if found['word'] else found[0], text
        )

    def roles(self, text: str, *, is_code: bool = False) -> str:
        """The text with the new roles; `is_code` where a hyphen is an operator."""

        def new(found: re.Match[str]) -> str:
            old = found['role']
            if not old:
                return found[0]
            role = self._roles[old.lower()]
            around = text[max(found.start() - 1, 0) : found.start()], text[found.end() :][:1]
            if is_code or old.isupper() or '_' in around or around[0] == '{':
                role = role.replace('-', '_')
            if old.isupper():
                return role.upper()
            return role[0].upper() + role[1:] if old[0].isupper() else role

        return self._role.sub(new, text)

    def python(self, text: str) -> str:
        """The same for the source of a Python module: roles in strings keep their hyphens."""
        lines = text.splitlines(keepends=True)
        starts = [0, *itertools.accumulate(map(len, lines))]
        parts: list[str] = []
        done = 0
        for kind, start, end in _strings(text):
            first, last = starts[start[0] - 1] + start[1], starts[end[0] - 1] + end[1]
            if kind == token.NAME:
                parts += [text[done:first], self.roles(text[first:last], is_code=True)]
            else:
                parts += [text[done:first], self.roles(text[first:last])]
            done = last
        return ''.join([*parts, text[done:]])


def _strings(text: str) -> Iterator[tuple[int, tuple[int, int], tuple[int, int]]]:
    """The names, strings and comments of a module: what it is, where it begins and ends."""
    inside = {token.NAME, token.STRING, token.COMMENT, getattr(token, 'FSTRING_MIDDLE', -1)}
    for found in tokenize.generate_tokens(io.StringIO(text).readline):
        if found.type in inside:
            yield found.type, found.start, found.end


def renamed(path: str, content: bytes, names: Names) -> tuple[str, bytes]:
    """A file of the reference pair as the new repository has it: its path and its content."""
    renamer = Renamer(names)
    try:
        text = content.decode()
    except UnicodeDecodeError:  # a picture
        return path, content
    try:
        text = further_roles.with_places(path, text, len(names.further))
    except ValueError as error:
        raise Error(str(error)) from None
    text = renamer.names(text)
    if not any(PurePosixPath(path).is_relative_to(folder) for folder in OWN_PROJECTS):
        path = renamer.roles(path)
        text = renamer.python(text) if path.endswith('.py') else renamer.roles(text)
    if path.endswith('-charm/charmcraft.yaml'):
        text = re.sub(r'(?m)^title: ', f'title: {names.title} ', text)
        text = text.replace(_ABOUT_THE_TEMPLATE, '')
    if path == 'docs/README.md':
        text = re.sub(r'(?m)^.*\(tutorial\.md\).*\n', '', text)
    if path == 'Makefile':
        text = re.sub(r'(?m)^(?:new-charm|template):.*\n(?:\t.*\n)+\n?', '', text)
        text = re.sub(r'(?m)^(test:.*) template(?=  #)', r'\1', text)
    if path == 'tox.ini':
        text = re.sub(r'(?m)^\[testenv:template\]\n(?:.+\n)+\n', '', text)
    return path, further_roles.named(text, names.further).encode()


def generate(names: Names, folder: Path, revision: str) -> None:
    """Write the whole repository into an empty folder."""
    archive = _git_bytes(ROOT, 'archive', '--format=tar', revision)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for one in files:
            if any(PurePosixPath(one.name).is_relative_to(other) for other in LEFT_OUT):
                continue
            if one.issym():
                (folder / one.name).parent.mkdir(parents=True, exist_ok=True)
                (folder / one.name).symlink_to(one.linkname)
            elif found := files.extractfile(one):
                path, content = renamed(one.name, found.read(), names)
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
                (folder / path).chmod(0o755 if one.mode & 0o100 else 0o644)
    values = {
        'name': names.name,
        'title': names.title,
        'roles': ', '.join(f'`{role}`' for role in names.roles),
    }
    for template in TEMPLATES.glob('*.md'):
        text = string.Template(template.read_text()).substitute(values)
        (folder / template.name).write_text(text)
    answers = f'name={names.name}\nroles={",".join(names.roles)}\n'
    (folder / ANSWERS).write_text(answers)


def make(names: Names, dest: Path, revision: str = 'HEAD') -> str:
    """Make the new repository. Returns the revision of the reference pair that it was made of.

    Raises:
        Error: if there is something at that place already.
    """
    _check_place(dest)
    commit = _git(ROOT, 'rev-parse', '--short=12', revision).strip()
    dest.parent.mkdir(parents=True, exist_ok=True)
    # Complete or not at all: what fails in the middle leaves nothing behind.
    with tempfile.TemporaryDirectory(dir=dest.parent, prefix=f'.{dest.name}-') as temporary:
        made = Path(temporary) / dest.name
        made.mkdir()
        generate(names, made, revision)
        _git(made, 'init', '--quiet', f'--initial-branch={BRANCH}')
        _format(made)
        _commit(made, f'Begin with the reference pair at {commit}')
        _git(made, 'checkout', '--quiet', '-b', 'main')
        made.rename(dest)
    return commit


def update(dest: Path, revision: str = 'HEAD') -> str:
    """Bring the branch `reference` of a repository that was made here up to date.

    Returns:
        The revision of the reference pair that it has now.

    Raises:
        Error: if it was not made here.
    """
    try:
        lines = (dest / ANSWERS).read_text().split()
        answers = dict(line.split('=', 1) for line in lines)
        names = Names(answers['name'], tuple(answers['roles'].split(',')))
    except (OSError, KeyError, ValueError) as error:
        raise Error(f'{dest}: was not made by make new-charm: {error}') from None
    commit = _git(ROOT, 'rev-parse', '--short=12', revision).strip()
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary) / 'tree'
        _git(dest, 'worktree', 'add', '--quiet', str(tree), BRANCH)
        try:
            for found in tree.iterdir():
                if found.name != '.git':
                    shutil.rmtree(found) if found.is_dir() else found.unlink()
            generate(names, tree, revision)
            _format(tree)
            _commit(tree, f'Follow the reference pair to {commit}')
        finally:
            _git(dest, 'worktree', 'remove', '--force', str(tree))
    return commit


def _check_place(dest: Path) -> None:
    if dest.is_relative_to(ROOT):
        raise Error(f'DEST: {dest} is inside this repository; name a place outside of it')
    if dest.exists() or dest.is_symlink():
        raise Error(
            f'DEST: {dest} exists, and nothing is ever overwritten; name another place, or add '
            'UPDATE=1 to follow the reference pair there'
        )


def _format(folder: Path) -> None:
    """Format anew what became longer or shorter, as `make lint` wants it."""
    ruff = shutil.which('ruff')
    if not ruff and not shutil.which('uvx'):
        raise Error('neither ruff nor uvx is on the PATH; make new-charm brings them')
    command = [ruff] if ruff else ['uvx', f'ruff=={_pinned("ruff")}']
    for arguments in (
        ['format'],
        ['check', '--fix', '--select=I'],
        ['check', '--add-noqa', '--select=E501'],
    ):
        subprocess.run([*command, *arguments, '--quiet', '.'], cwd=folder, check=True)
    subprocess.run(
        [sys.executable, 'scripts/vendor.py'], cwd=folder, check=True, stdout=subprocess.DEVNULL
    )


def _pinned(package: str) -> str:
    found = re.search(rf'"{package}==([0-9.]+)', (ROOT / 'pyproject.toml').read_text())
    if found is None:
        raise Error(f'pyproject.toml pins no {package}: make lock')
    return found[1]


def _commit(folder: Path, message: str) -> None:
    _git(folder, 'add', '--all')
    # Of nobody's configuration: a machine that only tries this out may have none.
    author = ('-c', 'user.name=reference', '-c', 'user.email=reference@localhost')
    _git(folder, *author, 'commit', '--quiet', '--allow-empty', '--no-verify', '-m', message)


def _git(folder: Path, *arguments: str) -> str:
    return _git_bytes(folder, *arguments).decode()


def _git_bytes(folder: Path, *arguments: str) -> bytes:
    try:
        return subprocess.run(
            ['git', '-C', str(folder), *arguments], check=True, capture_output=True
        ).stdout
    except FileNotFoundError:
        raise Error('git is not installed: apt install git') from None
    except subprocess.CalledProcessError as error:
        why = error.stderr.decode(errors='replace').strip()
        raise Error(f'git {arguments[0]} in {folder}: {why}') from None


def main(arguments: list[str]) -> int:
    """The command line of `make new-charm`."""
    parser = argparse.ArgumentParser(description='Make a pair of charms of this one.')
    parser.add_argument('--name', default='')
    parser.add_argument('--roles', default=','.join(ROLES))
    parser.add_argument('--dest', default='')
    parser.add_argument('--update', action='store_true')
    parser.add_argument(
        '--revision',
        default='HEAD',
        help='of the reference pair; what is not committed is not taken',
    )
    given = parser.parse_args(arguments)
    try:
        if not given.dest:
            raise Error('DEST: missing: make new-charm NAME=webstore DEST=../webstore-operators')
        dest = Path(given.dest).absolute()
        if given.update:
            commit = update(dest, given.revision)
            print(f'The branch {BRANCH} of {dest} follows the reference pair to {commit}.')
            print(f'Next: git -C {given.dest} merge {BRANCH}')
            return 0
        names = Names(given.name, tuple(role.strip() for role in given.roles.split(',')))
        commit = make(names, dest, given.revision)
    except Error as error:
        print(f'new-charm: {error}', file=sys.stderr)
        return 1
    print(f'{dest} has the pair {names.name}, made of the reference pair at {commit}.')
    print(f'Next: make -C {given.dest} demo, make -C {given.dest} test, and its README.md')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
