"""`juju scp`: files and folders into a container and out of it, as tar archives, as Juju does."""

import io
import posixpath
import shlex
import tarfile
from pathlib import Path

from localjuju.cli.commandline import UsageError
from localjuju.client import Model, RequestError


def copy(model: Model, source: str, target: str, *, container: str) -> None:
    """Copy a file or a folder; a target that is a folder receives it under its own name.

    Args:
        model: the model.
        source: a local path, or ``<unit>:<path>``.
        target: likewise; exactly one of both is in a unit.
        container: the unit's container; empty for the charm's.

    Raises:
        UsageError: if that makes no sense, or the local file system refuses.
        RequestError: if the unit refuses.
    """
    source_unit, source_path = _remote(source)
    target_unit, target_path = _remote(target)
    if source_unit and target_unit:
        raise UsageError('cross pods copy is not supported')
    if not source_unit and not target_unit:
        raise UsageError('neither source nor destination is in a unit')
    if not source_path or not target_path:
        raise UsageError('path was missing')
    try:
        if target_unit:
            pod = _Pod(model, target_unit, container)
            pod.put(Path(source_path), target_path)
        else:
            pod = _Pod(model, source_unit, container)
            pod.get(source_path, Path(target_path))
    except (OSError, tarfile.TarError) as e:
        raise UsageError(f'cannot copy {source} to {target}: {e}') from e


class _Pod:
    """A container of a unit."""

    def __init__(self, model: Model, unit: str, container: str) -> None:
        self._model = model
        self._unit = unit.rpartition('@')[2]
        self._container = container

    def put(self, source: Path, target: str) -> None:
        """Copy a local file or folder to a path in the container; root will own it there."""
        if not source.exists():
            raise FileNotFoundError(f'"{source}" does not exist on local machine')
        if not self._ask(f'test -d {shlex.quote(target)}')['code']:
            target = posixpath.join(target, source.resolve().name)
        folder, name = posixpath.split(target.rstrip('/'))
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode='w') as made:
            made.add(source.resolve(), name, filter=_as_root)
        self._run(f'tar -xmf - -C {shlex.quote(folder or ".")}', archive.getvalue())

    def get(self, source: str, target: Path) -> None:
        """Copy a file or folder of the container to a local path."""
        folder, name = posixpath.split(posixpath.normpath(source))
        archive = self._run(f'tar -cf - -C {shlex.quote(folder or ".")} {shlex.quote(name)}')
        wanted = target / name if target.is_dir() else target
        with tarfile.open(fileobj=io.BytesIO(archive)) as content:
            # Python 3.11.2, which Debian 12 has, knows no filters.
            if safe := getattr(tarfile, 'data_filter', None):
                content.extraction_filter = safe
            for member in content.getmembers():
                inside = posixpath.relpath(member.name, name)
                member.name = posixpath.normpath(f'{wanted.name}/{inside}')
                content.extract(member, wanted.parent)

    def _run(self, command: str, stdin: bytes = b'') -> bytes:
        done = self._ask(command, stdin)
        if done['code']:
            said = done['stderr'].encode('latin-1').decode(errors='replace').strip()
            raise RequestError(said or f'{command}: exit status {done["code"]}')
        return done['stdout'].encode('latin-1')

    def _ask(self, command: str, stdin: bytes = b'') -> dict:
        # Bytes travel as Latin-1: JSON has no bytes.
        return self._model.request(
            'ssh',
            unit=self._unit,
            command=command,
            container=self._container,
            stdin=stdin.decode('latin-1'),
        )


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ''
    return member


def _remote(text: str) -> tuple[str, str]:
    """The unit and path in ``app/0:path``; no unit for a local path."""
    unit, colon, path = text.partition(':')
    if colon and '/' in unit and not unit.startswith(('/', '.')):
        return unit, path
    return '', text
