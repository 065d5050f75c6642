"""Waiting for what a store will soon have."""

import time
from collections.abc import Callable
from typing import TypeVar

from .types import StoreError

T = TypeVar('T')


def wait_until(
    probe: Callable[[], T], what: str, *, timeout: float = 60.0, interval: float = 0.5
) -> T:
    """Call a probe until it returns something true, and return that.

    Args:
        probe: asks a store, for example. If it raises StoreError, that means "not yet".
        what: what is awaited, for the error message.
        timeout: seconds after which no further call is made.
        interval: seconds between two calls.

    Raises:
        TimeoutError: if it does not come; says what the last call returned or raised.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            last: object = probe()
        except StoreError as error:
            last = error
        else:
            if last:
                return last
        if time.monotonic() >= deadline:
            raise TimeoutError(f'{what}: not within {timeout:g} s; last seen: {last!r}')
        time.sleep(interval)
