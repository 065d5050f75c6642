"""Pushes of log records to stores, in parts that a store accepts.

- `LOKI` is the form in which Loki takes them (`loki_push_api`); `otlp_push` has another.
- `push` sends each store its records, to all stores at once, within one deadline.

No store gets the same record twice, except when its answer came too late; Loki drops such copies,
which have the same time, labels and text.
"""

import contextlib
import functools
import http.client
import itertools
import json
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

LARGEST = 2**20
"""Bytes of body in one push at most: a quarter of the 4 MiB that gRPC, and so Loki, accepts."""
SMALLEST = 2**16
"""Bytes of body in a dispatch's first push at least, however little a store accepted before: if
its limit is smaller, that costs one or two refused pushes, while many small pushes cost time."""

# Loki's answer for a whole push when it refuses some records, such as those that are too old, and
# has taken the others.
_REFUSED = 400
_TOO_LARGE = 413


def render(record: tuple[int, str]) -> bytes:
    """One record (nanoseconds since the epoch, text) in the JSON of a push."""
    nanoseconds, text = record
    return json.dumps([str(nanoseconds), text], ensure_ascii=False).encode(errors='replace')


class Form(NamedTuple):
    """How a protocol writes records: a head with the labels, the records by commas, a tail."""

    head: Callable[[Mapping[str, str]], bytes]
    render: Callable[[tuple[int, str]], bytes]
    tail: bytes


def _head(labels: Mapping[str, str]) -> bytes:
    return b'{"streams": [{"stream": %b, "values": [' % json.dumps(labels).encode()


LOKI = Form(_head, render, b']}]}')
"""Loki's JSON, with the labels as those of the stream."""


def _bounded(part: int) -> int:
    return max(SMALLEST, min(part, LARGEST))


class Outcome(NamedTuple):
    """What happened to the records for one store.

    Attributes:
        settled: how many of them, counted from the first, must not be sent again: the store took
            them or refused them for good.
        part: bytes of body to push at once next time.
    """

    settled: int
    part: int


class Push:
    """The records for one store.

    Args:
        url: the push URL.
        labels: the labels of the stream.
        values: the rendered records, in the order of sending.
        part: bytes of body to push at once; a single record may exceed it.
        ca: PEM certificates to trust besides the machine's own if the URL is https, or ''.
        form: the form in which the store takes them, and in which they are rendered.
    """

    def __init__(
        self,
        url: str,
        labels: Mapping[str, str],
        values: Sequence[bytes],
        part: int = LARGEST,
        ca: str = '',
        form: Form = LOKI,
    ) -> None:
        self._url = url
        self._ca = ca
        self._head = form.head(labels)
        self._tail = form.tail
        self._values = values
        self._part = _bounded(part)
        self._settled = 0
        self._reached = False
        # A thread may outlive the deadline: once closed, it changes nothing and starts no other
        # part.
        self._lock = threading.Lock()
        self._closed = False

    def run(self, deadline: float) -> None:
        """Send part after part until all are settled, the store fails or time is up."""
        while (start := self._settled) < len(self._values):
            stop, body = self._next_part(start)
            with self._lock:
                seconds = deadline - time.monotonic()
                if self._closed or seconds <= 0:
                    return
            # A store's failures do not belong in this charm's log, least of all in that store.
            try:
                status = self._post(body, seconds)
            except (OSError, ValueError, http.client.HTTPException):
                return
            with self._lock:
                if self._closed:
                    return
                if status == _TOO_LARGE and stop - start > 1:
                    self._part = len(body) // 2
                # A record that is too large even alone is dropped. No log store refuses so little,
                # and half a record could block the others just as well.
                elif 200 <= status < 300 or status in (_REFUSED, _TOO_LARGE):
                    self._settled = stop
                else:
                    return

    def close(self) -> Outcome:
        """Return what has been settled. From now on only a push in flight is completed."""
        with self._lock:
            self._closed = True
            part = self._part
            if self._settled == len(self._values):
                part *= 2
            elif self._reached and not self._settled:
                # Some stores answer 429 or 500 to a body that is too large, or close the
                # connection; a slow one would need more time than there is.
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
        """The status of the store's answer; redirects are not followed.

        Raises:
            OSError: if the store cannot be reached, is not trusted, or does not answer.
            ValueError: if the URL or the CA cannot be used.
            HTTPException: if the answer is not HTTP.
        """
        url = urlsplit(self._url)
        connection: http.client.HTTPConnection
        if url.scheme == 'https':
            port = url.port or http.client.HTTPS_PORT
            context = _trusting(self._ca)
            connection = http.client.HTTPSConnection(
                url.hostname or '', port, timeout=seconds, context=context
            )
        else:
            port = url.port or http.client.HTTP_PORT
            connection = http.client.HTTPConnection(url.hostname or '', port, timeout=seconds)
        path = urlunsplit(('', '', url.path or '/', url.query, ''))
        headers = {'Content-Type': 'application/json', 'Connection': 'close'}
        with contextlib.closing(connection):
            connection.connect()
            self._reached = True
            # A store may answer that a body is too large, and close, before reading all of it.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request('POST', path, body, headers)
            return connection.getresponse().status


@functools.lru_cache(1)
def _trusting(ca: str) -> ssl.SSLContext:
    """What verifies a store: the machine's certificates and these, as strict as ops.tracing.

    Raises:
        ValueError: if these are no certificates.
    """
    if not ca.isascii():
        raise ValueError('expected certificates in PEM')
    context = ssl.create_default_context()
    # The same in each version of Python: an intermediate CA is enough, and a CA may lack what only
    # a strict check asks for, as those of the field do.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if ca:
        context.load_verify_locations(cadata=ca)
    return context


def push(pushes: Collection[Push], seconds: float) -> list[Outcome]:
    """Send all pushes at once, for at most so many seconds; the outcome of each."""
    # A socket's timeout starts anew with every byte, and a DNS lookup has none. So nothing waits
    # for these threads beyond the deadline, and they die with the process.
    deadline = time.monotonic() + seconds
    threads = [threading.Thread(target=each.run, args=(deadline,), daemon=True) for each in pushes]
    started: list[threading.Thread] = []
    # A pod may run out of threads; what was not sent is kept.
    with contextlib.suppress(RuntimeError):
        for thread in threads:
            thread.start()
            started.append(thread)
    for thread in started:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [each.close() for each in pushes]
