"""The outer namespaces of a model: one private network, mount table and process tree.

`launch` starts a program in them. Whatever that program starts, mounts or configures lives inside
and ends with it: the program is the only child of PID 1 of its process namespace (catatonit). So
however it dies, the kernel ends every process in there, and mounts and network devices end with
the last process.
"""

import os
import shutil
import subprocess
from pathlib import Path

from localjuju.common import paths

#: Set for the launched program: the inode of the network namespace in which it must *not* be.
OUTSIDE = 'LOCALJUJU_OUTSIDE_NETNS'

#: Program → Debian package, for messages that name what is missing.
PROGRAMS = {
    'unshare': 'util-linux',
    'nsenter': 'util-linux',
    'ip': 'iproute2',
    'nft': 'nftables',
    'dnsmasq': 'dnsmasq-base',
    'crun': 'crun',
    'catatonit': 'catatonit',
    'faketime': 'faketime',  # and its library, which moves the clock of a charm
}
ROOTLESS_PROGRAMS = {'newuidmap': 'uidmap', 'newgidmap': 'uidmap'}


class PodError(Exception):
    """An operation on a pod failed. The message reads "cannot …: …"."""


class HopelessError(PodError):
    """A pod cannot be made, and retrying does not help: the machine lacks something."""


def missing_programs() -> dict[str, str]:
    """The programs that pods need and this machine lacks: program → Debian package."""
    wanted = PROGRAMS if os.geteuid() == 0 else PROGRAMS | ROOTLESS_PROGRAMS
    return {p: pkg for p, pkg in wanted.items() if not shutil.which(p, path=paths.search_path())}


def in_user_namespace() -> bool:
    """Whether this process is root only within a user namespace."""
    mapping = Path('/proc/self/uid_map').read_text().split()
    return mapping != ['0', '0', '4294967295']


def unshare_command(*flags: str) -> list[str]:
    """The start of a command line that runs the rest as root of new namespaces.

    For an unprivileged user, the namespaces belong to a new user namespace, in which the user is
    root and the user's subordinate ids are the other users.
    """
    rootless = [] if os.geteuid() == 0 else ['--user', '--map-root-user', '--map-auto']
    return ['unshare', *rootless, *flags]


_OUTER = ('--net', '--mount', '--pid', '--ipc', '--uts', '--fork', '--kill-child', '--mount-proc')


def check() -> None:
    """Raise PodError if pods cannot run here; it names what is missing and the remedy."""
    if missing := missing_programs():
        packages = ' '.join(sorted(set(missing.values())))
        names = ', '.join(sorted(missing))
        raise PodError(
            f'cannot run pods: programs missing: {names}; as root: apt-get install {packages}'
        )
    command = [*unshare_command(*_OUTER), 'mount', '-t', 'tmpfs', 'tmpfs', '/sys/fs/cgroup']
    done = subprocess.run(command, capture_output=True, text=True, env=_environment())
    if done.returncode:
        raise PodError(f'cannot make namespaces: {done.stderr.strip()}; {_way_out()}')


def _way_out() -> str:
    """How to allow namespaces, judging from how this machine is set up."""
    if os.geteuid() == 0:
        return 'this root lacks CAP_SYS_ADMIN: in a container, start it with --privileged'
    switches = {
        'kernel.unprivileged_userns_clone': '0',
        'kernel.apparmor_restrict_unprivileged_userns': '1',
        'user.max_user_namespaces': '0',
    }
    for name, forbidding in switches.items():
        file = Path('/proc/sys', *name.split('.'))
        if file.exists() and file.read_text().strip() == forbidding:
            other = {'0': '1', '1': '0'}[forbidding] if 'max' not in name else '10000'
            return f'run as root, or allow it: sudo sysctl -w {name}={other}'
    return 'run as root, or give this user subordinate ids in /etc/subuid and /etc/subgid'


def _network_namespace() -> int:
    return Path('/proc/self/ns/net').stat().st_ino


def _environment() -> dict[str, str]:
    outside = str(_network_namespace())
    return {**os.environ, 'PATH': paths.search_path(), OUTSIDE: outside}


def launch(argv: list[str], owner_fd: int | None, log: Path) -> int:
    """Start a program in new namespaces, detached from the caller, and return at once.

    Args:
        argv: the program (the model's controller) and its arguments.
        owner_fd: a file descriptor that the program inherits under the same number.
        log: the file to which the program's stdout and stderr are appended.

    Returns:
        The pid, as the caller sees it, of the process on which all others depend. Kill it to end
        everything.

    Raises:
        PodError: if this machine does not let the caller make namespaces.
    """
    check()
    with log.open('ab') as output:
        process = subprocess.Popen(
            [*unshare_command(*_OUTER), 'catatonit', '--', *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(),
            start_new_session=True,
            pass_fds=() if owner_fd is None else (owner_fd,),
        )
    process.returncode = 0  # it outlives this object on purpose: no warning about that
    return process.pid


def require_inside() -> None:
    """Raise PodError unless this process was started by `launch`."""
    if os.environ.get(OUTSIDE) in (None, str(_network_namespace())):
        raise PodError(
            "cannot make a model's network: not started by localjuju.pods.namespaces.launch"
        )
