"""Pushes of log records to stores (`loki_push_api`), in parts that a store takes.

- `render` gives the JSON of one record.
- `push` sends each store its records, all stores at once, within one deadline.

A store is never sent again what it took. Only a part whose answer did not come in time may arrive
twice; Loki drops the copies, which have the same time, labels and text.
"""

import contextlib
import http.client
import itertools
import json
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

LARGEST = 2**20
"""Bytes of body that are pushed at once: a quarter of the 4 MiB that gRPC, and so Loki, takes."""
SMALLEST = 2**16
"""Bytes of body with which a dispatch begins at least, however little a store took before: a
smaller limit costs one or two refused pushes, many small pushes cost time."""

# The store refuses some of these records, such as the ones that are too old, and has taken the
# others: Loki answers so for the whole push.
_REFUSED = 400
_TOO_LARGE = 413


def render(record: tuple[int, str]) -> bytes:
    """One record, nanoseconds since the epoch and a text, as a push has it."""
    nanoseconds, text = record
    return json.dumps([str(nanoseconds), text], ensure_ascii=False).encode(errors='replace')


def _bounded(part: int) -> int:
    return max(SMALLEST, min(part, LARGEST))


@dataclass(frozen=True)
class Outcome:
    """What became of the records for one store.

    Attributes:
        settled: how many of them, from the first, are never to be sent again: the store took
            them, or refused them for good.
        part: bytes of body to push at once next time.
    """

    settled: int
    part: int


class Push:
    """The records for one store.

    Args:
        url: the push URL.
        labels: of the stream.
        values: the records, rendered, in the order in which they are sent.
        part: bytes of body to push at once; a single record may have more.
    """

    def __init__(
        self, url: str, labels: Mapping[str, str], values: Sequence[bytes], part: int = LARGEST
    ) -> None:
        self._url = url
        self._head = b'{"streams": [{"stream": %b, "values": [' % json.dumps(labels).encode()
        self._tail = b']}]}'
        self._values = values
        self._part = _bounded(part)
        self._settled = 0
        self._reached = False
        # A thread may still run when nobody waits for it any more: it changes nothing from then
        # on, and starts no other part.
        self._lock = threading.Lock()
        self._closed = False

    def run(self, deadline: float) -> None:
        """Send part after part, until all is settled, the store fails or time is up."""
        while (start := self._settled) < len(self._values):
            stop, body = self._next_part(start)
            with self._lock:
                seconds = deadline - time.monotonic()
                if self._closed or seconds <= 0:
                    return
            # What is wrong with a store is not this charm's to log, least of all into that store.
            try:
                status = self._post(body, seconds)
            except (OSError, ValueError, http.client.HTTPException):
                return
            with self._lock:
                if self._closed:
                    return
                if status == _TOO_LARGE and stop - start > 1:
                    self._part = len(body) // 2
                # A record that is too large even alone is dropped. No store that is for logs
                # refuses so little, and half a record would be as much in the way of the others.
                elif 200 <= status < 300 or status in (_REFUSED, _TOO_LARGE):
                    self._settled = stop
                else:
                    return

    def close(self) -> Outcome:
        """Say what has been settled. Nothing is sent from now on but what is on its way."""
        with self._lock:
            self._closed = True
            part = self._part
            if self._settled == len(self._values):
                part *= 2
            elif self._reached and not self._settled:
                # Some say 429 or 500 to what is too large, or close the connection, and a slow
                # one needs more time than there is.
                part //= 2
            return Outcome(self._settled, _bounded(part))

    def _next_part(self, start: int) -> tuple[int, bytes]:
        """The end of the part that begins at `start`, and its body."""
        size = len(self._head) + len(self._tail) - 1
        stop = start
        for value in itertools.islice(self._values, start, None):
            size += len(value) + 1
            if size > self._part and stop > start:
                break
            stop += 1
        return stop, self._head + b','.join(self._values[start:stop]) + self._tail

    def _post(self, body: bytes, seconds: float) -> int:
        """The status with which the store answers; redirects are not followed.

        Raises:
            OSError: the store cannot be reached, or does not answer.
            ValueError: the URL cannot be used.
            HTTPException: the answer is none.
        """
        url = urlsplit(self._url)
        secure = url.scheme == 'https'
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        port = url.port or kind.default_port
        connection = kind(url.hostname or '', port, timeout=seconds)
        path = urlunsplit(('', '', url.path or '/', url.query, ''))
        headers = {'Content-Type': 'application/json', 'Connection': 'close'}
        with contextlib.closing(connection):
            connection.connect()
            self._reached = True
            # A store may answer that a body is too large, and close, before it has read it.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request('POST', path, body, headers)
            return connection.getresponse().status


def push(pushes: Collection[Push], seconds: float) -> list[Outcome]:
    """Send all of them at once, for at most so many seconds; what became of each."""
    # A socket's time limit starts anew with every byte, and a name's lookup has none: these
    # threads are not waited for beyond the deadline, and die with the process.
    deadline = time.monotonic() + seconds
    threads = [threading.Thread(target=each.run, args=(deadline,), daemon=True) for each in pushes]
    started: list[threading.Thread] = []
    # A pod may have only so many threads; what they did not send is kept.
    with contextlib.suppress(RuntimeError):
        for thread in threads:
            thread.start()
            started.append(thread)
    for thread in started:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [each.close() for each in pushes]
