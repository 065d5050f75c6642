"""Where the local Juju keeps what it builds once and uses many times.

Everything lives outside the repository, so that a clean checkout stays clean and many checkouts
share one cache.
"""

import os
from pathlib import Path

#: tests/localjuju, the folder of images.toml and of the Go modules.
LOCALJUJU_DIR = Path(__file__).resolve().parent.parent
#: The root of the checkout.
CHECKOUT = LOCALJUJU_DIR.parent.parent


def cache_dir() -> Path:
    """The cache's folder, which may not exist yet.

    ``$COORDINATED_TELEMETRY_CACHE`` where that is set, otherwise ``coordinated-telemetry`` in the
    user's XDG cache folder.
    """
    if chosen := os.environ.get('COORDINATED_TELEMETRY_CACHE'):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get('XDG_CACHE_HOME')
    return (Path(base) if base else Path.home() / '.cache') / 'coordinated-telemetry'


def tools_dir() -> Path:
    """The virtual environment with uv, tox and PyYAML."""
    return cache_dir() / 'tools'


def binary(name: str) -> Path:
    """The stable path of a Go program that setup builds, whether it is built yet or not."""
    return cache_dir() / 'bin' / name
