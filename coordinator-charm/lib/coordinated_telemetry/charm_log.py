"""The charm's own log, sent to the same stores as its workload's log."""

import collections
import contextlib
import logging
import pathlib
import time
import types
from collections.abc import Collection, Mapping
from typing import TypeVar

import pydantic

from . import log_push, otlp_push
from .topology import Topology

_T = TypeVar('_T')
_Record = tuple[int, str]  # nanoseconds since the epoch, text


class _Endpoint(pydantic.BaseModel):
    pending: pydantic.NonNegativeInt = 0  # how many of the newest kept records it lacks
    retry: pydantic.FiniteFloat = 0.0  # seconds since the epoch
    part: int = log_push.LARGEST  # bytes to push at once
    otlp: bool = False

    @property
    def form(self) -> log_push.Form:
        return otlp_push.OTLP if self.otlp else log_push.LOKI


class _Kept(pydantic.BaseModel):
    """What is kept between dispatches; fields of other revisions are not read."""

    labels: dict[str, str] = {}
    ca: str = ''
    endpoints: dict[str, _Endpoint] = {}  # by push URL
    # Kept once for all endpoints, since each lacks the newest ones. Without any endpoint, such as
    # during deployment, they wait for the first.
    records: list[_Record] = []


class CharmLog(logging.Handler):
    """Sends what the charm logs during a dispatch to the stores, when the dispatch ends.

    All endpoints get their pushes at once, one each or several if the log is large, within a short
    time limit. Records that a store did not take stay on disk, bounded, for a later dispatch; a
    store that did not answer gets a pause. No failure here ever fails a hook or slows it down.

    Wrap it around ops.main, and call `ensure_charm_log` in each reconcile to set the endpoints:

        with charm_log.CharmLog():
            ops.main(MyCharm)

    Args:
        path: the file that holds endpoints and unsent records between dispatches.
    """

    TIMEOUT = 1.0
    """Seconds that all pushes of a dispatch may take together."""
    PAUSE = 30.0
    """Seconds before an endpoint that failed is tried again."""
    KEPT = 1000
    """Records kept while endpoints are away or missing; the oldest are dropped."""
    KEPT_BYTES = 6 * 2**20
    """Bytes of all kept records on disk; the oldest are dropped. Reading and writing this much
    takes some 70 ms, a tenth of a dispatch."""
    RECORD_LENGTH = 8192
    """Characters kept of one record."""

    current: 'CharmLog | None' = None
    """The instance that this process uses, if any; unit tests of charms run without one."""

    def __init__(self, path: pathlib.Path = pathlib.Path('.charm-log.json')) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter('%(levelname)s %(name)s: %(message)s'))
        self._path = path.absolute()
        self._stored = ''
        self._kept = _Kept()
        self._new = collections.deque[_Record](maxlen=self.KEPT)

    def __enter__(self) -> 'CharmLog':
        # A file that is missing or damaged counts as empty.
        with contextlib.suppress(OSError, ValueError):
            self._stored = self._path.read_text('utf-8')
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
        """Take a record, to be sent at the end of the dispatch."""
        try:
            text = self.format(record)[: self.RECORD_LENGTH]
        except Exception:  # noqa: BLE001 a record's arguments may raise anything
            self.handleError(record)
            return
        # JSON cannot hold half a surrogate pair.
        text = text.encode(errors='replace').decode()
        self._new.append((int(record.created * 1e9), text))

    def send_to(
        self, urls: Collection[str], topology: Topology, ca: str = '', otlp: str = ''
    ) -> None:
        """From now on, send this dispatch's records and the kept ones to these push URLs.

        Args:
            urls: push URLs of `loki_push_api`.
            topology: becomes the labels.
            ca: PEM certificates to trust besides the machine's own, or ''.
            otlp: a further push URL, where they go in OTLP over HTTP, or ''.
        """
        before = self._kept
        # The first endpoints get everything kept so far, later ones what is logged from now on.
        pending = 0 if before.endpoints else len(before.records)
        forms = {**dict.fromkeys(urls, False), **({otlp: True} if otlp else {})}
        endpoints: dict[str, _Endpoint] = {}
        for url, is_otlp in sorted(forms.items()):
            known = before.endpoints.get(url, _Endpoint(pending=pending))
            endpoints[url] = known.model_copy(update={'otlp': is_otlp})
        records = before.records
        if before.endpoints:
            records = _newest(records, max((e.pending for e in endpoints.values()), default=0))
        self._kept = _Kept(labels=topology.labels, ca=ca, endpoints=endpoints, records=records)

    @property
    def lacking(self) -> dict[str, int]:
        """Push URL → how many kept records it has not taken yet, for each of the endpoints."""
        return {url: state.pending for url, state in self._kept.endpoints.items()}

    def _push(self) -> None:
        kept = self._kept
        values = {log_push.LOKI: self._add_new()}
        now = time.time()
        for state in kept.endpoints.values():
            if state.retry > now + self.PAUSE:  # the clock was set back
                state.retry = 0.0
        due = {
            url: state
            for url, state in kept.endpoints.items()
            if state.pending and state.retry <= now
        }
        for form in {state.form for state in due.values()} - values.keys():
            values[form] = [form.render(record) for record in kept.records]
        pushes = [
            log_push.Push(
                url,
                kept.labels,
                _newest(values[state.form], state.pending),
                state.part,
                kept.ca,
                state.form,
            )
            for url, state in due.items()
        ]
        outcomes = log_push.push(pushes, self.TIMEOUT)
        for state, outcome in zip(due.values(), outcomes, strict=True):
            state.pending -= outcome.settled
            state.part = outcome.part
            state.retry = time.time() + self.PAUSE if state.pending else 0.0
        if kept.endpoints:
            lacking = max(state.pending for state in kept.endpoints.values())
            kept.records = _newest(kept.records, lacking)

    def _add_new(self) -> list[bytes]:
        """Add this dispatch's records to the kept ones, within bounds; return all, for Loki."""
        kept = self._kept
        records = [*kept.records, *self._new][-self.KEPT :]
        values = [log_push.LOKI.render(record) for record in records]
        size = count = 0
        for value in reversed(values):
            size += len(value) + 1
            if size > self.KEPT_BYTES:
                break
            count += 1
        kept.records = _newest(records, count)
        for state in kept.endpoints.values():
            state.pending = min(state.pending + len(self._new), count)
        return _newest(values, count)

    def _keep(self) -> None:
        kept = self._kept.model_dump_json()
        if kept == self._stored:
            return
        with contextlib.suppress(OSError):
            replacement = self._path.with_suffix('.new')
            replacement.write_text(kept, 'utf-8')
            replacement.replace(self._path)


def _newest(items: list[_T], count: int) -> list[_T]:
    return items[max(0, len(items) - count) :]


def ensure_charm_log(
    endpoints: Mapping[str, str], topology: Topology, ca: str = '', otlp: str = ''
) -> None:
    """From now on, send the charm's own log to these endpoints (unit → push URL), or over OTLP.

    Args:
        endpoints: Loki unit → push URL.
        topology: becomes the labels.
        ca: PEM certificates to trust besides the machine's own, or ''.
        otlp: a further push URL, where it goes in OTLP over HTTP, or ''.
    """
    if CharmLog.current:
        CharmLog.current.send_to(set(endpoints.values()), topology, ca, otlp)
