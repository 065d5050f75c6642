"""What the charm container shows of the machine it runs on.

Juju's charm container is an Ubuntu with a few programs. Here it is the host's own /usr, read-only,
under a small root of its own, and a Python that fits the charm.
"""

import re
from pathlib import Path

from localjuju.common import pythons
from localjuju.pods.bundle import Mount
from localjuju.pods.namespaces import HopelessError

#: Of the host's /etc: what programs in /usr need to find each other and to trust certificates.
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
    """Make the charm container's root folder and say what of the host to mount in it."""
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


def venv_config(charm: Path, python: pythons.Python) -> str | None:
    """The charm's pyvenv.cfg made to fit an interpreter, None where it fits or there is none.

    It names the folder of the interpreter that the charm was packed with, as another machine may
    have it elsewhere. Python takes its standard library from there.
    """
    file = charm / 'venv/pyvenv.cfg'
    if not file.exists():
        return None
    text = file.read_text()
    home = f'home = {python.executable.parent}'
    fitting = re.sub(r'^home = .*$', home, text, flags=re.MULTILINE)
    return fitting if fitting != text else None


def charm_python(charm: Path) -> pythons.Python | None:
    """The interpreter for which the unpacked charm was packed, None when it brings no packages.

    Raises:
        HopelessError: this machine has no such Python.
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
