"""What the charm container shows of the machine on which it runs.

Juju's charm container is an Ubuntu with a few programs. Here it is a small root of its own with
the host's /usr, read-only, and a Python that fits the charm.
"""

import re
from pathlib import Path

from localjuju.common import pythons
from localjuju.pods.bundle import Mount
from localjuju.pods.namespaces import HopelessError

#: From the host's /etc: what programs in /usr need to find each other and trust certificates.
_ETC = (
    'alternatives',
    'ld.so.cache',
    'ssl/certs',
    'ssl/openssl.cnf',
    'pki/tls/certs',
    'pki/ca-trust/extracted',
)
_ETC_FILES = {
    'passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n',
    'group': 'root:x:0:\nnogroup:x:65534:\n',
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
}
_FOLDERS = {'etc': 0o755, 'root': 0o700, 'run': 0o755, 'tmp': 0o1777, 'var/tmp': 0o1777}


def prepare(root: Path) -> list[Mount]:
    """Make the charm container's root folder, and return what to mount there from the host."""
    for name, mode in _FOLDERS.items():
        (root / name).mkdir(parents=True)
        (root / name).chmod(mode)
    for name, text in _ETC_FILES.items():
        (root / 'etc' / name).write_text(text)
    mounts = [Mount(Path('/usr'), '/usr')]
    for name in ('bin', 'sbin', 'lib', 'lib32', 'lib64'):
        top = Path('/', name)
        if top.is_symlink():
            (root / name).symlink_to(top.readlink())
        elif top.is_dir():
            mounts.append(Mount(top, str(top)))
    for name in _ETC:
        file = Path('/etc', name)
        if file.exists():
            mounts.append(Mount(file, str(file)))
    return mounts


def clock_ahead(seconds: float) -> dict[str, str]:
    """The environment in which a program of /usr sees the clock so far ahead.

    Only the time of day: what measures durations goes on as before.

    Raises:
        HopelessError: if this machine lacks libfaketime.
    """
    libraries = [
        library
        for folder in ('lib/*', 'lib64', 'lib')
        for library in Path('/usr').glob(f'{folder}/faketime/libfaketime.so.1')
    ]
    if not libraries:
        raise HopelessError(
            'cannot move the clock: libfaketime.so.1 is missing; as root: apt-get install faketime'
        )
    return {
        'LD_PRELOAD': str(libraries[0]),
        'FAKETIME': f'{seconds:+.0f}s',
        'FAKETIME_DONT_FAKE_MONOTONIC': '1',
        'NO_FAKE_STAT': '1',
    }


def venv_config(charm: Path, python: pythons.Python) -> str | None:
    """The charm's pyvenv.cfg adapted to an interpreter, or None if it fits or there is none.

    Python finds its standard library through the folder that pyvenv.cfg names, which is that of
    the interpreter that packed the charm; another machine may have it elsewhere.
    """
    file = charm / 'venv/pyvenv.cfg'
    if not file.exists():
        return None
    text = file.read_text()
    home = f'home = {python.executable.parent}'
    fitting = re.sub(r'^home = .*$', home, text, flags=re.MULTILINE)
    return fitting if fitting != text else None


def charm_python(charm: Path) -> pythons.Python | None:
    """The interpreter for which the unpacked charm was packed, or None if it has no packages.

    Raises:
        HopelessError: if this machine has no such Python.
    """
    folders = sorted(charm.glob('venv/lib/python3.*'))
    if not folders:
        return None
    version = folders[0].name.removeprefix('python')
    python = pythons.find(version)
    if python is None:
        raise HopelessError(
            f'cannot run the charm in {charm}: it was packed for Python {version}, which this'
            ' machine lacks; install it or pack the charm again'
        )
    return python
