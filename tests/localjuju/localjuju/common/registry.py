"""The register of running models: one folder each under ``LOCALJUJU_HOME``.

``<home>/models/<name>/`` holds ``control.sock`` (where the controller listens), ``log`` (what it
prints) and ``number`` (from which its subnets follow); ``<home>/current`` names the model that
`juju switch` chose. A folder whose controller does not answer belonged to a killed model, and
whoever notices removes it.

Each checkout has its own register unless ``LOCALJUJU_HOME`` says otherwise, so two of them may
have models of one name, and each has its own current model.
"""

import fcntl
import os
import re
import shutil
import socket
import zlib
from pathlib import Path

from localjuju.common import paths

_NAME = re.compile(r'^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')
#: The kernel's limit for the path of a unix socket, with its final NUL.
_SOCKET_PATH = 108
#: The numbers that models may have: the second byte of their pods' addresses, without that of
#: all services.
NUMBERS = [number for number in range(1, 251) if number != 152]


class RegistryError(Exception):
    """A model cannot be found or made. The user reads the message."""


def home() -> Path:
    """The folder of all models: ``LOCALJUJU_HOME`` or one in the user's runtime folder.

    Its name is short, because those of sockets must be.
    """
    if chosen := os.environ.get('LOCALJUJU_HOME'):
        return Path(chosen).absolute()
    checkout = f'{zlib.crc32(str(paths.LOCALJUJU_DIR).encode()):08x}'
    runtime = Path(os.environ.get('XDG_RUNTIME_DIR') or '/tmp')
    return runtime / f'localjuju-{os.getuid()}-{checkout}'


def bare_name(reference: str) -> str:
    """The model's name in ``[<controller>:][<user>/]<model>``."""
    return reference.rpartition(':')[2].rpartition('/')[2]


def folder(name: str) -> Path:
    """A model's folder."""
    return home() / 'models' / name


def control_socket(name: str) -> Path:
    """The socket of a model's controller."""
    return folder(name) / 'control.sock'


def make_folder(name: str) -> Path:
    """Make the folder of a new model; RegistryError if the name is taken or invalid."""
    if not _NAME.match(name):
        raise RegistryError(
            f'"{name}" is not a valid name: model names may only contain lowercase letters, '
            'digits and hyphens'
        )
    if len(str(control_socket(name))) >= _SOCKET_PATH:
        raise RegistryError(
            f'cannot add model "{name}": {control_socket(name)} is too long for a socket; '
            'set LOCALJUJU_HOME to a shorter folder'
        )
    if is_running(name):
        raise RegistryError(f'failed to create new model: model "{name}" already exists')
    forget(name)
    home().mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home() / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        number_of_new = _free_number()
        folder(name).mkdir(parents=True)
        (folder(name) / 'number').write_text(f'{number_of_new}\n')
    return folder(name)


def _free_number() -> int:
    names()  # which removes dead models, and so frees their numbers
    files = (home() / 'models').glob('*/number')
    taken = {file.read_text().strip() for file in files}
    for number in NUMBERS:
        if str(number) not in taken:
            return number
    raise RegistryError(f'failed to create new model: {len(NUMBERS)} models run already')


def number(name: str) -> int:
    """A model's number, which no other running model has: its subnets follow from it."""
    return int((folder(name) / 'number').read_text())


def forget(name: str) -> None:
    """Remove what remains of a model."""
    shutil.rmtree(folder(name), ignore_errors=True)
    if current() == name:
        (home() / 'current').unlink(missing_ok=True)


def connect(name: str) -> socket.socket:
    """A connection to a model's controller.

    Raises RegistryError if there is no such model, or if it has died; then its folder is removed.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(control_socket(name)))
    except OSError:
        connection.close()
        if folder(name).exists():
            forget(name)
            raise RegistryError(
                f'model "{name}" is dead: its controller, or the process that it belonged to, '
                'ended; its remains were removed'
            ) from None
        raise RegistryError(
            f'model "{name}" not found: no such model runs (one ends with its owner)'
        ) from None
    return connection


def is_running(name: str) -> bool:
    """Whether the model's controller answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(control_socket(name)))
        except OSError:
            return False
    return True


def names() -> list[str]:
    """The running models; dead ones are removed."""
    models = home() / 'models'
    found = sorted(entry.name for entry in models.iterdir()) if models.is_dir() else []
    running = [name for name in found if is_running(name)]
    for name in found:
        # A model that is being made has a folder, but no socket yet.
        if name not in running and control_socket(name).exists():
            forget(name)
    return running


def current() -> str:
    """The model chosen by `switch` or `add-model`, or the empty string."""
    file = home() / 'current'
    return file.read_text().strip() if file.exists() else ''


def switch(name: str) -> None:
    """Choose the current model."""
    (home() / 'current').write_text(f'{name}\n')
