"""Where the local Juju keeps what it builds once and uses many times.

Everything is outside the repository, so a clean checkout stays clean and many checkouts share one
cache.
"""

import os
from pathlib import Path

#: The project's own folder, with pyproject.toml, images.toml and the Go modules.
LOCALJUJU_DIR = Path(__file__).resolve().parents[2]

#: Names a table of images like images.toml, with a charm author's own.
IMAGES = 'LOCALJUJU_IMAGES'


def image_tables() -> tuple[Path, ...]:
    """The tables of images; of two entries with one name, the first counts.

    Beside each lie the folders `files` and `go`, for what its images contain.
    """
    further = os.environ.get(IMAGES)
    own = LOCALJUJU_DIR / 'images.toml'
    return (Path(further).expanduser().absolute(), own) if further else (own,)


def cache_dir() -> Path:
    """The cache's folder, which may not exist yet.

    ``$COORDINATED_TELEMETRY_CACHE`` if that is set, otherwise ``coordinated-telemetry`` in the
    user's XDG cache folder.
    """
    if chosen := os.environ.get('COORDINATED_TELEMETRY_CACHE'):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get('XDG_CACHE_HOME')
    return (Path(base) if base else Path.home() / '.cache') / 'coordinated-telemetry'


def search_path() -> str:
    """PATH with the folders of system programs, which an unprivileged user's PATH often lacks."""
    folders = os.environ.get('PATH', os.defpath).split(':')
    return ':'.join([*folders, *(d for d in ('/usr/sbin', '/sbin') if d not in folders)])
