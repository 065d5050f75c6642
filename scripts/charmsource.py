"""A charm's own files, and a fresh copy of them for packing."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

#: What no charm consists of, though its project may not say so: what packing, tests and editors
#: leave behind.
_LEFT_BEHIND = (
    *('/parts/', '/prime/', '/stage/', '/overlay/', '*.charm'),
    *('.tox/', '.venv/', '/venv/', '__pycache__/', '.pytest_cache/', '.ruff_cache/'),
)


class SourceError(Exception):
    """A charm's files cannot be had. The message reads "cannot …: …"."""


@dataclass(frozen=True)
class Source:
    """The folder of a charm, and the project to which it belongs.

    Attributes:
        folder: the charm's, with its charmcraft.yaml.
        toplevel: that of the git repository around it, or None.
        project: the folder whose .gitignore files count, with those below it.
    """

    folder: Path
    toplevel: Path | None
    project: Path

    def files(self) -> list[Path]:
        """The charm's files that its project would commit, relative to its folder, sorted."""
        if self.project == self.toplevel:
            listing = git(self.folder, 'ls-files', '-z', '-co', '--exclude-standard')
        else:
            listing = self._unaware()
        found = {Path(name) for name in listing.split('\0') if name}
        return sorted(file for file in found if (self.folder / file).is_file())

    def _unaware(self) -> str:
        """A listing by a git that knows no repository here, so nothing above the project."""
        with tempfile.TemporaryDirectory(prefix='charm-') as scratch:
            git(Path(scratch), 'init', '--quiet', '--bare')
            return git(
                self.folder,
                *(f'--git-dir={scratch}', f'--work-tree={self.project}'),
                *('ls-files', '-z', '--others', '--exclude-per-directory=.gitignore'),
                *(f'--exclude={pattern}' for pattern in _LEFT_BEHIND),
            )

    def copy(self, files: Iterable[Path], scratch: Path) -> Path:
        """Copy files of the charm into an empty folder, with the history that git tells of.

        In the copy, `git describe` and its like say what they say in the charm's folder; they find
        the repository as many folders above. Without a commit there, the copy is the first one.

        Returns:
            The folder of the copied charm.
        """
        history = self.toplevel if self.toplevel and _has_commit(self.toplevel) else None
        root = scratch / 'source'
        copy = root / self.folder.relative_to(history) if history else root
        copy.mkdir(parents=True)
        for file in files:
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.folder / file, copy / file)
        git(root, 'init', '--quiet')
        if history:
            _borrow(history, root)
        else:
            _commit(root)
        return copy

    def version(self) -> str:
        """What `git describe` says of the charm's repository; '' without a commit."""
        if self.toplevel is None or not _has_commit(self.toplevel):
            return ''
        return git(self.toplevel, 'describe', '--tags', '--always', '--long', '--dirty').strip()


def find(folder: Path) -> Source:
    """The charm in a folder, which may be copied into a repository that is not its own.

    A charm that the repository around it tracks is part of that project, unless it has a
    .gitignore: then it is one of its own. A charm that it does not track was copied, with all
    folders around it in which nothing is tracked.
    """
    folder = folder.resolve()
    try:
        toplevel = Path(git(folder, 'rev-parse', '--show-toplevel').strip())
    except SourceError:
        return Source(folder, None, folder)
    if folder == toplevel:
        return Source(folder, toplevel, toplevel)
    if git(folder, 'ls-files', 'charmcraft.yaml'):
        own = (folder / '.gitignore').exists()
        return Source(folder, toplevel, folder if own else toplevel)
    project = folder
    while project.parent != toplevel and not git(project.parent, 'ls-files', '.'):
        project = project.parent
    return Source(folder, toplevel, project)


def git(folder: Path, *arguments: str, stdin: str = '', **variables: str) -> str:
    """The output of git in a folder; SourceError with its message if it fails.

    In a hook of git, its variables name the repository of the hook.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith('GIT_')}
    done = subprocess.run(
        ['git', *arguments],
        cwd=folder,
        env={**environment, **variables},
        input=stdin,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SourceError(f'cannot ask git about {folder}: {done.stderr.strip()}')
    return done.stdout


def _has_commit(toplevel: Path) -> bool:
    try:
        git(toplevel, 'rev-parse', '--verify', '--quiet', 'HEAD')
    except SourceError:
        return False
    return True


def _borrow(history: Path, root: Path) -> None:
    """Give a new repository the commits and tags of another one, and its clean or dirty state."""
    alternates = root / '.git/objects/info/alternates'
    alternates.parent.mkdir(parents=True, exist_ok=True)
    alternates.write_text(f'{_inside(history, "objects")}\n')
    if _inside(history, 'shallow').exists():
        shutil.copy(_inside(history, 'shallow'), root / '.git/shallow')
    git(root, 'update-ref', '--no-deref', 'HEAD', git(history, 'rev-parse', 'HEAD').strip())
    form = '--format=create %(refname) %(objectname)'
    tags = git(history, 'for-each-ref', form, 'refs/tags')
    git(root, 'update-ref', '--stdin', stdin=tags)
    git(root, 'read-tree', 'HEAD')
    changed = set(git(history, 'diff', '--name-only', '-z', 'HEAD').split('\0'))
    _declare_clean(root, changed)


def _declare_clean(root: Path, changed: Collection[str] = ()) -> None:
    """Have git consider all files in its index unchanged, but for some.

    Only the charm's files are there, links have become files, and packing edits charmcraft.yaml.
    """
    same = [name for name in git(root, 'ls-files', '-z').split('\0') if name not in changed]
    git(root, 'update-index', '--skip-worktree', '-z', '--stdin', stdin='\0'.join(same))


def _inside(history: Path, name: str) -> Path:
    return history / git(history, 'rev-parse', '--git-path', name).strip()


def _commit(root: Path) -> None:
    """Commit everything in a new repository; the same files are always the same commit."""
    git(root, 'add', '--all', '--force')
    date = '2000-01-01T00:00:00Z'
    git(
        root,
        *('-c', 'user.name=pack', '-c', 'user.email=pack@localhost', '-c', 'commit.gpgsign=false'),
        *('commit', '--quiet', '--allow-empty', '--message=The charm as it is packed'),
        GIT_AUTHOR_DATE=date,
        GIT_COMMITTER_DATE=date,
    )
    _declare_clean(root)
