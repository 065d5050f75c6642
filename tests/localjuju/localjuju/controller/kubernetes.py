"""Charms that call the Kubernetes API: there is none here, and this says so where they fail."""

import re
from collections.abc import Iterable

from localjuju.model.charmmeta import Charm

#: A client's package in a charm's environment: charmcraft's plugins place it differently.
_PACKAGE = re.compile(
    r'^venv/(?:lib/python[^/]+/site-packages/)?(lightkube|kubernetes|pykube)/__init__\.py$'
)
#: What such a client says where there is no API: lightkube's and kubernetes' own errors, then what
#: code of the charm's own meets.
_COMPLAINT = re.compile(
    r'lightkube\.\S*ConfigError'
    r'|kubernetes\.config\.\S*ConfigException'
    r'|/var/run/secrets/kubernetes\.io'
    r'|KUBERNETES_SERVICE_(?:HOST|PORT)'
    r'|\bkubernetes\.default(?:\.svc\S*)?\b'
)
#: Appended to the status of a hook that failed because of it.
NEEDED = 'the charm needs the Kubernetes API, which the local Juju does not have'


def clients(files: Iterable[str]) -> tuple[str, ...]:
    """The clients of the Kubernetes API among a charm's files."""
    return tuple(sorted({match[1] for file in files if (match := _PACKAGE.match(file))}))


def note(charm: Charm, trust: bool) -> str:
    """What to tell who deploys a charm, or nothing.

    Args:
        charm: the charm.
        trust: whether it was deployed with ``--trust``.
    """
    if charm.kubernetes:
        return (
            f'charm "{charm.name}" brings {" and ".join(charm.kubernetes)}: the local Juju has no '
            'Kubernetes API, so hooks that call it fail'
        )
    if trust:
        return '--trust gives access to nothing: the local Juju has no Kubernetes API'
    return ''


def is_missed(text: str) -> bool:
    """Whether a charm's output shows that it looked for the Kubernetes API in vain."""
    return _COMPLAINT.search(text) is not None
