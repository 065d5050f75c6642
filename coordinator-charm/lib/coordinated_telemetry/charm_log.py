"""The charm's own log, sent to the same stores as its workload's."""

import contextlib
import http.client
import json
import logging
import pathlib
import threading
import time
import types
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping

import pydantic

from .topology import Topology

_Record = tuple[int, str]  # nanoseconds since the epoch, text


class _Endpoint(pydantic.BaseModel):
    records: list[_Record] = []
    retry: pydantic.FiniteFloat = 0.0  # seconds since the epoch


class _Kept(pydantic.BaseModel):
    """What is kept between dispatches."""

    labels: dict[str, str] = {}
    endpoints: dict[str, _Endpoint] = {}  # by push URL
    # What was logged while there was no endpoint at all, such as during the deployment.
    unsent: list[_Record] = []


# A store that answers so would refuse the same records again, and all that follow with them: they
# are too old, or too many.
_REFUSED = (400, 413)


def _opener() -> urllib.request.OpenerDirector:
    """Like urllib's own, without redirects: a POST would become a GET, which any page answers."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
    ):
        opener.add_handler(handler())
    return opener


class CharmLog(logging.Handler):
    """Sends what the charm logs in a dispatch to the stores, at the dispatch's end.

    One push for each endpoint, all at once, with a short time limit. What a store did not take is
    kept on disk, bounded, and sent in a later dispatch; a store that did not answer is left alone
    for a while. Nothing that goes wrong here ever fails a hook or makes it slow.

    Use it around ops.main, and tell it in each reconcile where logs go:

        with charm_log.CharmLog():
            ops.main(MyCharm)

    Args:
        path: the file that holds destinations and unsent records between dispatches.
    """

    TIMEOUT = 1.0
    """Seconds that a push may take."""
    PAUSE = 30.0
    """Seconds for which an endpoint that failed is not tried again."""
    KEPT = 1000
    """Records kept while an endpoint is away, or there is none; the oldest are dropped."""
    RECORD_LENGTH = 8192
    """Characters of one record that are kept."""

    current: 'CharmLog | None' = None
    """The one in use in this process, if any; unit tests of charms run without."""

    def __init__(self, path: pathlib.Path = pathlib.Path('.charm-log.json')) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter('%(levelname)s %(name)s: %(message)s'))
        self._path = path.absolute()
        self._stored = ''
        self._kept = _Kept()
        self._new: list[_Record] = []

    def __enter__(self) -> 'CharmLog':
        # A file that is not there, or not as it was written, is one with nothing in it.
        with contextlib.suppress(OSError, ValueError):
            self._stored = self._path.read_text()
            self._kept = _Kept.model_validate_json(self._stored)
        logging.getLogger().addHandler(self)
        CharmLog.current = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        logging.getLogger().removeHandler(self)
        CharmLog.current = None
        if isinstance(error, Exception):
            # ops writes it to juju-log later, from sys.excepthook.
            details = (type(error), error, traceback)
            self.handle(
                logging.LogRecord(__name__, logging.ERROR, '', 0, 'Uncaught error', None, details)
            )
        self._push()
        self._keep()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; it is sent at the end of the dispatch."""
        try:
            text = self.format(record)[: self.RECORD_LENGTH]
        except Exception:  # noqa: BLE001 a record's arguments may raise anything
            self.handleError(record)
            return
        # Half a surrogate pair has no place in JSON.
        text = text.encode(errors='replace').decode()
        self._new.append((int(record.created * 1e9), text))

    def send_to(self, urls: Collection[str], topology: Topology) -> None:
        """Send this dispatch's records, and what was kept, to these push URLs from now on."""
        before = self._kept
        unsent = [] if before.endpoints else before.unsent
        endpoints = {
            url: before.endpoints.get(url, _Endpoint(records=list(unsent))) for url in sorted(urls)
        }
        self._kept = _Kept(
            labels=topology.labels, endpoints=endpoints, unsent=[] if urls else before.unsent
        )

    def _push(self) -> None:
        now = time.time()
        endpoints = self._kept.endpoints
        if not endpoints:
            self._kept.unsent = [*self._kept.unsent, *self._new][-self.KEPT :]
        for state in endpoints.values():
            state.records = [*state.records, *self._new][-self.KEPT :]
            if state.retry > now + self.PAUSE:  # the clock was set back
                state.retry = 0.0
        due = {
            url: state for url, state in endpoints.items() if state.records and state.retry <= now
        }
        if not due:
            return
        taken: set[str] = set()
        # A socket's time limit starts anew with every byte, and a name's lookup has none: these
        # threads are not waited for beyond the deadline, and die with the process.
        senders = [
            threading.Thread(target=self._send, args=(url, state.records, taken), daemon=True)
            for url, state in due.items()
        ]
        deadline = time.monotonic() + self.TIMEOUT
        started: list[threading.Thread] = []
        # A pod may have only so many threads; what they did not send is kept.
        with contextlib.suppress(RuntimeError):
            for sender in senders:
                sender.start()
                started.append(sender)
        for sender in started:
            sender.join(max(0.0, deadline - time.monotonic()))
        for url, state in due.items():
            if url in taken:
                state.records, state.retry = [], 0.0
            else:
                state.retry = time.time() + self.PAUSE

    def _send(self, url: str, records: list[_Record], taken: set[str]) -> None:
        values = [[str(nanoseconds), text] for nanoseconds, text in records]
        body = json.dumps({'streams': [{'stream': self._kept.labels, 'values': values}]})
        request = urllib.request.Request(  # noqa: S310 the URL was validated when it was read
            url, body.encode(), {'Content-Type': 'application/json'}, method='POST'
        )
        # What is wrong with a store is not this charm's to log, least of all into that store.
        try:
            with _opener().open(request, timeout=self.TIMEOUT):
                taken.add(url)
        except urllib.error.HTTPError as refusal:
            with refusal:
                if refusal.code in _REFUSED:
                    taken.add(url)
        except (OSError, ValueError, http.client.HTTPException):
            pass

    def _keep(self) -> None:
        kept = self._kept.model_dump_json()
        if kept == self._stored:
            return
        with contextlib.suppress(OSError):
            replacement = self._path.with_suffix('.new')
            replacement.write_text(kept)
            replacement.replace(self._path)


def ensure_charm_log(endpoints: Mapping[str, str], topology: Topology) -> None:
    """Send the charm's own log to these endpoints (unit → push URL) from now on."""
    if CharmLog.current:
        CharmLog.current.send_to(set(endpoints.values()), topology)
