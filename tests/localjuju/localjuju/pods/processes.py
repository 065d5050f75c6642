"""Find, end and await processes that are not this one's children."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path('/proc').iterdir() if entry.name.isdigit())


def _namespace(pid: int) -> int:
    return Path(f'/proc/{pid}/ns/pid').stat().st_ino


def wait(pidfds: Sequence[int], seconds: float) -> bool:
    """Wait at most so many seconds; whether all these processes ended."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    waiting = set(pidfds)
    for pidfd in waiting:
        poll.register(pidfd, select.POLLIN)
    while waiting:
        ended = poll.poll(max(0, deadline - time.monotonic()) * 1000)
        if not ended:
            return False
        for pidfd, _ in ended:
            poll.unregister(pidfd)
            waiting.discard(pidfd)
    return True


def signal_by_name(init: int, name: str, number: int) -> int:
    """Signal the processes in the process namespace of `init` whose executable has that name.

    Returns how many there were.
    """
    namespace = _namespace(init)
    count = 0
    for pid in _pids():
        # A process may end at any moment, and a kernel thread has no executable.
        with contextlib.suppress(OSError):
            if _namespace(pid) != namespace:
                continue
            if Path(f'/proc/{pid}/exe').readlink().name == name:
                os.kill(pid, number)
                count += 1
    return count


def kill_tree(root: int) -> None:
    """SIGKILL a process and its descendants."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        with contextlib.suppress(OSError):
            # The second field, the name in parentheses, may itself contain spaces.
            parent = int(Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1])
            children.setdefault(parent, []).append(pid)
    pending = [root]
    while pending:
        pid = pending.pop()
        pending += children.get(pid, [])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
