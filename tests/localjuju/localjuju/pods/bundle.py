"""The OCI configuration of a pod's containers, for crun."""

import json
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What an unprivileged container may do on Kubernetes (containerd's default).
CAPABILITIES = [
    'CAP_CHOWN',
    'CAP_DAC_OVERRIDE',
    'CAP_FOWNER',
    'CAP_FSETID',
    'CAP_KILL',
    'CAP_SETGID',
    'CAP_SETUID',
    'CAP_SETPCAP',
    'CAP_NET_BIND_SERVICE',
    'CAP_NET_RAW',
    'CAP_SYS_CHROOT',
    'CAP_SETFCAP',
    'CAP_MKNOD',
    'CAP_AUDIT_WRITE',
]
SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
_MAX_OPEN_FILES = 65536


@dataclass(frozen=True)
class Mount:
    """A file or folder, as the controller sees it, that appears inside a container."""

    source: Path
    target: str
    writable: bool = False

    def oci(self) -> dict[str, Any]:
        """The entry for the OCI configuration's ``mounts``."""
        mode = 'rw' if self.writable else 'ro'
        return _mount(self.target, 'bind', str(self.source), ['rbind', mode])


def _mount(target: str, kind: str, source: str, options: list[str]) -> dict[str, Any]:
    return {'destination': target, 'type': kind, 'source': source, 'options': options}


_SYSTEM_MOUNTS = [
    _mount('/proc', 'proc', 'proc', ['nosuid', 'noexec', 'nodev']),
    _mount('/dev', 'tmpfs', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']),
    # Without the usual gid=5: a user namespace may not have that group.
    _mount(
        '/dev/pts',
        'devpts',
        'devpts',
        ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
    ),
    _mount('/dev/shm', 'tmpfs', 'shm', ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k']),
    _mount('/dev/mqueue', 'mqueue', 'mqueue', ['nosuid', 'noexec', 'nodev']),
    _mount('/sys', 'sysfs', 'sysfs', ['nosuid', 'noexec', 'nodev', 'ro']),
]


@dataclass(frozen=True)
class Spec:
    """A container: what crun needs to know, except for its root file system."""

    #: Its name in messages.
    title: str
    hostname: str
    #: The file that holds the pod's network namespace.
    network: Path
    #: Besides the system's (/proc, /dev, /sys).
    mounts: Sequence[Mount]
    #: Its PID 1.
    argv: Sequence[str]
    #: Its whole environment.
    env: Mapping[str, str]
    #: Its working directory, created if missing.
    cwd: str


def write(folder: Path, spec: Spec) -> None:
    """Write ``config.json`` beside the ``rootfs`` in `folder`."""
    namespaces = [{'type': kind} for kind in ('pid', 'ipc', 'uts', 'mount')]
    config = {
        'ociVersion': '1.0.2',
        'process': _process(spec),
        'root': {'path': 'rootfs', 'readonly': False},
        'hostname': spec.hostname,
        'mounts': [*_SYSTEM_MOUNTS, *(mount.oci() for mount in spec.mounts)],
        'linux': {
            'namespaces': [*namespaces, {'type': 'network', 'path': str(spec.network)}],
            'maskedPaths': ['/proc/kcore'],
            'readonlyPaths': [],
        },
    }
    (folder / 'config.json').write_text(json.dumps(config, indent=1))


def _process(spec: Spec) -> dict[str, Any]:
    """The OCI ``process`` object: root with a container's usual capabilities."""
    # Without CAP_SYS_RESOURCE, a hard limit above our own fails.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_OPEN_FILES)
    return {
        'terminal': False,
        'user': {'uid': 0, 'gid': 0},
        'args': list(spec.argv),
        'env': [f'{name}={value}' for name, value in spec.env.items()],
        'cwd': spec.cwd,
        'capabilities': dict.fromkeys(('bounding', 'effective', 'permitted'), CAPABILITIES),
        'rlimits': [{'type': 'RLIMIT_NOFILE', 'hard': files, 'soft': files}],
        'noNewPrivileges': False,
    }
