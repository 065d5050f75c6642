"""The requests that a controller is answering, and how long there was none."""

import threading
import time


class Requests:
    """Use it as a context around the answer to each request. Several threads may."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._open = 0
        self._last = time.monotonic()

    def __enter__(self) -> None:
        with self._change:
            self._open += 1

    def __exit__(self, *error: object) -> None:
        with self._change:
            self._open -= 1
            self._last = time.monotonic()
            self._change.notify_all()

    def idle(self) -> float:
        """The seconds since the last request was answered; 0 while one is being answered."""
        with self._change:
            return 0.0 if self._open else time.monotonic() - self._last

    def finish(self, seconds: float) -> None:
        """Wait until all are answered, at most so long."""
        with self._change:
            self._change.wait_for(lambda: not self._open, seconds)
