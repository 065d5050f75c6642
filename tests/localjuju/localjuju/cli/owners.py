"""Whom a new model belongs to, and with whom it ends."""

import os
from pathlib import Path
from typing import NamedTuple

from localjuju.cli.commandline import UsageError, is_number, seconds

_NONE = 'none'
_IDLE = '8h'
_SHELLS = ('ash', 'bash', 'dash', 'fish', 'ksh', 'mksh', 'sh', 'zsh')
#: Programs that outlive the `juju` commands which they run, by the start of their name.
_PROGRAMS = ('pytest', 'python', 'ipython', 'jupyter')


class Owner(NamedTuple):
    """The process that a model belongs to (0: none), or the seconds that it may be idle.

    `notice` is what the user should know about that.
    """

    pid: int
    idle: float = 0.0
    notice: str = ''


def chosen(owner: str = '', idle: str = '') -> Owner:
    """The owner that the user wants, else ``LOCALJUJU_OWNER``, else the caller's parent.

    Args:
        owner: a process id or ``none``.
        idle: how long a model without an owner may be idle, as a duration.

    Raises:
        UsageError: if that makes no sense.
    """
    wanted = owner or os.environ.get('LOCALJUJU_OWNER', '')
    if idle and wanted != _NONE:
        raise UsageError('--idle needs --owner none: with an owner, a model ends with that')
    if wanted == _NONE:
        text = idle or os.environ.get('LOCALJUJU_IDLE') or _IDLE
        notice = f'It has no owner: it ends when destroyed, or after {text} without a request.'
        return Owner(0, seconds(text), notice)
    if wanted:
        if not is_number(wanted) or int(wanted) == 0:
            raise UsageError(f'invalid owner "{wanted}": not a process id, nor "none"')
        return Owner(int(wanted))
    parent = os.getppid()
    name, interactive = _looks(parent)
    if interactive or name.startswith(_PROGRAMS):
        return Owner(parent)
    return Owner(
        parent,
        notice=(
            f'It belongs to process {parent} ({name}) and ends with it. To keep it longer, add it '
            'with --owner <pid> or --owner none (or LOCALJUJU_OWNER).'
        ),
    )


def _looks(pid: int) -> tuple[str, bool]:
    """A process's name, and whether it is a shell in which somebody types."""
    try:
        stat = Path(f'/proc/{pid}/stat').read_text()
        argv = Path(f'/proc/{pid}/cmdline').read_bytes().split(b'\0')[:-1]
    except OSError:
        return 'gone', False
    name = stat[stat.index('(') + 1 : stat.rindex(')')]
    terminal = stat[stat.rindex(')') + 1 :].split()[4]
    # A shell with a script or a command has that among its arguments.
    script = any(not argument.startswith(b'-') or argument == b'-c' for argument in argv[1:])
    return name, name in _SHELLS and terminal != '0' and not script
