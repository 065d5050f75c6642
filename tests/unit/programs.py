"""Real programs for unit tests: those of the local Juju's images, run on this machine."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from localjuju.pods import images, pods


def command(image: str, program: str) -> list[str]:
    """The start of a command line that runs a program of an image.

    `make unit` does without the images: where they are not there the test is skipped. `make test`
    has set them up, and says so in LOCALJUJU_IS_SET_UP: there it fails.

    Args:
        image: the upstream reference.
        program: a path in it, like ``/usr/sbin/nginx``.
    """
    with _images_or_skip():
        return images.host_command(image, program)


def path(image: str, file: str) -> Path:
    """Where a file of an image is on this machine; skips and fails like `command`.

    Args:
        image: the upstream reference.
        file: a path in it.
    """
    with _images_or_skip():
        found = images.find(image).layers
    return next(path for layer in found if (path := layer / file.lstrip('/')).exists())


@contextlib.contextmanager
def _images_or_skip() -> Iterator[None]:
    try:
        yield
    except pods.PodError as error:
        if os.environ.get('LOCALJUJU_IS_SET_UP'):
            pytest.fail(str(error))
        pytest.skip(str(error))
