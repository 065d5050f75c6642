"""The real other side of `cluster`, for tests."""

from collections.abc import Iterator

import pytest

from other_side import asking


@pytest.fixture(scope='session')
def ask() -> Iterator[asking.Ask]:
    """Gives what comes of a real coordinator or worker."""
    with asking.program() as ask:
        yield ask
