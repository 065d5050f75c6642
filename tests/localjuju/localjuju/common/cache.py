"""What checkouts share in the cache: entries that outlive the checkout that made them.

An entry is a file or folder whose name ends in the hash of everything from which it is made, so no
checkout changes another's, and each finds its own. Whoever uses an entry dates it and holds it
(`use`). `clean` removes what nobody has used for long: the entries of this checkout only say what
it keeps in any case.

The date and the lock of an entry are those of a file beside it, `.<entry>.used`: a running model
mounts the entry itself.
"""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from localjuju.common.progress import run

#: An entry that nobody used for this many days is removed.
UNUSED_DAYS = 30
#: A folder's entries together have at most this many bytes, but for those of the last day.
MOST_BYTES = 6 * 10**9
#: Seconds within which a use protects an entry even in a folder that is too large: a setup that
#: found it there may not have come to using it.
_RECENT = 24 * 3600
_ENTRY = re.compile(r'[^.].*-[0-9a-f]{16}')
_DISCARDED = '.removed-'
#: The entries that this process holds, and the descriptors that lock them.
_held: dict[Path, int] = {}


def _stamp(entry: Path) -> Path:
    return entry.with_name(f'.{entry.name}.used')


def touch(entry: Path) -> None:
    """Date an entry as used now. A cache that others own stays as it is."""
    with contextlib.suppress(OSError):
        _stamp(entry).touch()


def use(entry: Path) -> None:
    """Date an entry as used now, and hold it as long as this process lives."""
    if entry in _held:
        return
    touch(entry)
    with contextlib.suppress(OSError):
        descriptor = os.open(_stamp(entry), os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        _held[entry] = descriptor


def clean(folder: Path, keep: Collection[Path], most: int = MOST_BYTES) -> list[str]:
    """Remove the entries of a folder that nobody has used for long, the longest unused first.

    Entries that a process holds stay, as do those in `keep`. The caller holds the folder's lock.

    Args:
        folder: where they are; what has no hash in its name is none.
        keep: the entries of this checkout.
        most: bytes of all entries together, beyond which entries go that are not that old.

    Returns:
        The names of what was removed.
    """
    for left in folder.glob(f'{_DISCARDED}*'):  # by one that was killed
        discard(left)
    entries = [entry for entry in folder.iterdir() if _ENTRY.fullmatch(entry.name)]
    ages = {entry: time.time() - _used(entry) for entry in entries}
    removed: list[str] = []
    total = sum(map(_size, entries))
    for entry in sorted(entries, key=lambda entry: -ages[entry]):
        expired = ages[entry] > UNUSED_DAYS * 24 * 3600
        crowded = total > most and ages[entry] > _RECENT
        if entry in keep or not (expired or crowded):
            continue
        size = _size(entry)
        with _alone(entry) as alone:
            if alone:
                # Under another name at once, so that nobody finds half of it.
                gone = folder / f'{_DISCARDED}{entry.name}'
                entry.rename(gone)
                _stamp(entry).unlink(missing_ok=True)
                discard(gone)
                removed.append(entry.name)
                total -= size
    return removed


def _used(entry: Path) -> float:
    """When an entry was last used; one that has no stamp was made before there were any."""
    stamp = _stamp(entry)
    try:
        return (stamp if stamp.exists() else entry).lstat().st_mtime
    except FileNotFoundError:  # another setup makes it again
        return time.time()


@contextlib.contextmanager
def _alone(entry: Path) -> Iterator[bool]:
    """Lock an entry against its use, and say whether nobody holds it or has just used it."""
    before, stamp = _used(entry), _stamp(entry)
    new = not stamp.exists()
    descriptor = os.open(stamp, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        if new:
            os.utime(descriptor, (before, before))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield _used(entry) == before
    finally:
        os.close(descriptor)


def _size(entry: Path) -> int:
    """The bytes of an entry's files; a file with several links counts in full."""
    files = [] if entry.is_dir() else [entry]
    for folder, _, names in os.walk(entry):
        files += [Path(folder, name) for name in names]
    total = 0
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # of one that is still being made
            total += file.lstat().st_size
    return total


def discard(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    # shutil.rmtree cannot remove folders that a package made read-only.
    run(['rm', '-rf', '--one-file-system', str(path)], action=f'remove {path}')
