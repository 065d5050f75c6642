"""Real programs for unit tests: those of the local Juju's images, run on this machine."""

import os

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
    try:
        return images.host_command(image, program)
    except pods.PodError as error:
        if os.environ.get('LOCALJUJU_IS_SET_UP'):
            pytest.fail(str(error))
        pytest.skip(str(error))
