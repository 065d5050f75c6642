"""The charm's own log: pushed at the end of a dispatch, kept while a store is away."""

import contextlib
import json
import logging
import socket
import threading
import time

import hypothesis
import pytest
from hypothesis import strategies as st

import authority
from coordinated_telemetry import charm_log, log_push, topology
from log_store import texts

UNIT = topology.Topology('m', 'u', 'worker', 'worker/3', 'worker-k8s')
logger = logging.getLogger('charm')


@pytest.fixture
def hanging():
    """The URL of a server that accepts connections and never says anything."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        yield f'http://127.0.0.1:{server.getsockname()[1]}/push'


@pytest.fixture(autouse=True)
def patient(monkeypatch, caplog):
    """Levels as in a dispatch, and a time limit that no store exceeds on a busy machine."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(charm_log.CharmLog, 'TIMEOUT', 30.0)


@pytest.fixture
def impatient(monkeypatch):
    """A time limit that a test can wait for."""
    monkeypatch.setattr(charm_log.CharmLog, 'TIMEOUT', 0.3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'charm-log.json'


@pytest.fixture
def clock(monkeypatch):
    """The time, which stands still until it is set."""

    class Clock:
        now = 1_700_000_000.0

    monkeypatch.setattr(time, 'time', lambda: Clock.now)
    return Clock


def wait_for(condition):
    """Wait, patiently, until something is so."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def dispatch(path, *messages, urls=None, error=None):
    """A dispatch that logs messages, learns where logs go if `urls` are given, and may fail."""
    with charm_log.CharmLog(path) as log:
        for message in messages:
            logger.info(message)
        if urls is not None:
            log.send_to(urls, UNIT)
        if error is not None:
            raise error


def kept_texts(path):
    """What the file holds for later."""
    return [text for _, text in json.loads(path.read_bytes())['records']]


def lines(count, size, fill='x'):
    """So many messages of so many characters, each of which is different."""
    return [f'{number:05} {fill * size}'[:size] for number in range(count)]


def written(messages):
    """The texts that these messages become."""
    return [f'INFO charm: {message}' for message in messages]


def test_all_records_of_a_dispatch_are_one_push(path, store):
    loki = store()
    dispatch(path, 'one', 'two', 'three', urls=[loki.url])
    assert len(loki.pushes) == 1
    assert loki.lines == ['INFO charm: one', 'INFO charm: two', 'INFO charm: three']


def test_a_push_is_what_loki_takes(path, store, clock):
    loki = store()
    with charm_log.CharmLog(path) as log:
        log.send_to([loki.url], UNIT)
        record = logging.LogRecord('charm', logging.WARNING, '', 0, 'é %s', ('x',), None)
        record.created = 1_700_000_000.25
        logging.getLogger().handle(record)
    ((where, headers, body),) = loki.pushes
    ((nanoseconds, text),) = body['streams'][0].pop('values')
    assert where == '/loki/api/v1/push'
    assert headers['Content-Type'] == 'application/json'
    assert body == {'streams': [{'stream': UNIT.labels}]}
    assert text == 'WARNING charm: é x'
    assert isinstance(nanoseconds, str)
    assert abs(int(nanoseconds) - 1_700_000_000_250_000_000) < 1000  # a float's precision


def test_every_store_gets_every_record(path, store):
    stores = [store(), store()]
    dispatch(path, 'one', urls=[loki.url for loki in stores])
    assert [loki.lines for loki in stores] == [['INFO charm: one']] * 2


def test_without_another_thread_nothing_fails_and_the_records_are_kept(
    path, store, clock, monkeypatch
):
    loki = store()

    def start(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, 'start', start)
        dispatch(path, 'one', urls=[loki.url])
    clock.now += charm_log.CharmLog.PAUSE + 1
    dispatch(path)
    assert loki.lines == ['INFO charm: one']


def test_nothing_logged_is_nothing_sent(path, store):
    loki = store()
    dispatch(path, urls=[loki.url])
    assert loki.pushes == []


def test_debug_records_are_not_sent(path, store, caplog):
    caplog.set_level(logging.DEBUG)
    loki = store()
    with charm_log.CharmLog(path) as log:
        log.send_to([loki.url], UNIT)
        logger.debug('secret detail')
    assert loki.pushes == []


def test_a_dispatch_that_does_not_learn_it_sends_where_the_last_one_did(path, store):
    loki = store()
    dispatch(path, 'one', urls=[loki.url])
    dispatch(path, 'two')
    assert loki.lines == ['INFO charm: one', 'INFO charm: two']
    assert loki.pushes[1][2]['streams'][0]['stream'] == UNIT.labels


def test_what_is_logged_before_there_is_a_store_goes_to_the_first_ones(path, store):
    first, second = store(), store()
    dispatch(path, 'install')
    dispatch(path, 'start', urls=[])
    dispatch(path, 'related', urls=[first.url, second.url])
    assert first.lines == ['INFO charm: install', 'INFO charm: start', 'INFO charm: related']
    assert second.lines == first.lines


def test_a_store_that_comes_later_gets_what_is_logged_from_then_on(path, store):
    first, second = store(), store()
    dispatch(path, 'one', urls=[first.url])
    dispatch(path, 'two', urls=[first.url, second.url])
    assert second.lines == ['INFO charm: two']


def test_a_store_that_goes_gets_no_more(path, store):
    first, second = store(), store()
    dispatch(path, 'one', urls=[first.url, second.url])
    dispatch(path, 'two', urls=[first.url])
    dispatch(path, 'three')
    assert second.lines == ['INFO charm: one']


def test_what_a_store_did_not_take_is_sent_when_it_is_back(path, store, clock):
    loki = store(500)
    dispatch(path, 'one', urls=[loki.url])
    loki.answer = 204
    clock.now += charm_log.CharmLog.PAUSE
    dispatch(path, 'two')
    assert loki.lines == ['INFO charm: one', 'INFO charm: one', 'INFO charm: two']


def test_what_a_store_lacks_is_counted(path, store):
    taken, refusing = store(), store(500)
    dispatch(path, 'one', 'two', urls=[taken.url, refusing.url])
    with charm_log.CharmLog(path) as log:
        assert log.lacking == {taken.url: 0, refusing.url: 2}


def test_a_store_that_failed_is_left_alone_for_a_while(path, store, clock):
    loki = store(503)
    dispatch(path, 'one', urls=[loki.url])
    clock.now += charm_log.CharmLog.PAUSE - 1
    dispatch(path, 'two')
    assert len(loki.pushes) == 1
    clock.now += 1
    dispatch(path)
    assert len(loki.pushes) == 2


def test_a_clock_that_was_set_back_does_not_silence_a_store(path, store, clock):
    loki = store(503)
    dispatch(path, 'one', urls=[loki.url])
    clock.now -= 86400
    dispatch(path)
    assert len(loki.pushes) == 2


def test_a_store_that_is_away_does_not_keep_lines_from_the_others(path, store, refused, clock):
    loki = store()
    dispatch(path, 'one', urls=[refused, loki.url])
    dispatch(path, 'two')
    assert loki.lines == ['INFO charm: one', 'INFO charm: two']


BACKLOG = lines(1000, 5000)
"""5 MB, more than gRPC and so Loki takes at once."""


@pytest.mark.parametrize('refusal', [413, 429, 500])
def test_a_backlog_that_is_too_large_for_one_push_goes_in_parts(path, store, clock, refusal):
    dispatch(path, *BACKLOG)
    loki = store(lambda size: 204 if size <= 4 * 2**20 else refusal)
    dispatch(path, urls=[loki.url])
    assert loki.taken == written(BACKLOG)
    assert loki.lines == loki.taken  # none of them twice
    assert max(loki.sizes) <= 2**20
    assert len(loki.sizes) == 5
    assert kept_texts(path) == []


def test_a_store_that_takes_little_gets_smaller_parts(path, store):
    messages = lines(300, 2000)
    dispatch(path, *messages)
    loki = store(lambda size: 204 if size <= 50_000 else 413)
    dispatch(path, urls=[loki.url])
    assert loki.taken == written(messages)
    # Once it is known what the store takes, nothing more is refused.
    refused = [size > 50_000 for size in loki.sizes]
    assert sum(refused) < 10
    assert refused == sorted(refused, reverse=True)


@pytest.mark.parametrize('refusal', [429, 500])
def test_a_store_that_does_not_say_that_a_push_is_too_large_gets_smaller_ones_later(
    path, store, clock, refusal
):
    messages = lines(300, 2000)
    dispatch(path, *messages)
    loki = store(lambda size: 204 if size <= 100_000 else refusal)
    dispatch(path, urls=[loki.url])
    tried = [len(loki.sizes)]
    for _ in range(4):
        clock.now += charm_log.CharmLog.PAUSE
        dispatch(path)
        tried.append(len(loki.sizes))
    assert loki.taken == written(messages)
    # A store that fails is not asked again at once.
    assert tried[:-1] == [1, 2, 3, 4]


def test_a_store_that_took_all_gets_larger_parts_again(path, store, clock):
    messages = lines(300, 2000)
    loki = store(503)
    dispatch(path, *messages, urls=[loki.url])
    for _ in range(9):
        clock.now += charm_log.CharmLog.PAUSE
        dispatch(path)
    loki.answer = 204
    for _ in range(5):
        clock.now += charm_log.CharmLog.PAUSE
        dispatch(path, 'one')
    loki.sizes.clear()
    dispatch(path, *messages)
    assert len(loki.sizes) == 1


def test_a_store_that_nothing_reaches_gets_large_parts_when_it_is_back(path, refused, clock):
    dispatch(path, *lines(300, 2000), urls=[refused])
    for _ in range(9):
        clock.now += charm_log.CharmLog.PAUSE
        dispatch(path)
    (state,) = json.loads(path.read_text())['endpoints'].values()
    assert (state['pending'], state['part']) == (300, log_push.LARGEST)


def test_a_record_that_is_too_large_even_alone_is_dropped_and_no_other(path, store, clock):
    messages = lines(20, 100)
    messages[7] = 'x' * 8000
    dispatch(path, *messages)
    loki = store(lambda size: 204 if size <= 4000 else 413)
    dispatch(path, urls=[loki.url])
    del messages[7]
    assert loki.taken == written(messages)
    assert kept_texts(path) == []


def test_a_store_that_finds_everything_too_large_is_left_with_nothing_kept(path, store, clock):
    loki = store(413)
    messages = lines(20, 100)
    dispatch(path, *messages, urls=[loki.url])
    assert kept_texts(path) == []
    # Down to single records, each of which was tried.
    alone = [push for _, _, push in loki.pushes if len(texts(push)) == 1]
    assert [text for push in alone for text in texts(push)] == written(messages)
    loki.answer = 204
    dispatch(path, 'new')
    assert loki.taken == ['INFO charm: new']


def test_what_one_part_delivered_is_not_sent_again_when_a_later_one_fails(path, store, clock):
    loki = store(lambda size: 204 if len(loki.sizes) <= 2 else 500)
    dispatch(path, *BACKLOG, urls=[loki.url])
    assert len(loki.sizes) == 3
    taken = len(loki.taken)
    assert 0 < taken < 1000
    assert kept_texts(path) == written(BACKLOG)[taken:]
    loki.answer = 204
    clock.now += charm_log.CharmLog.PAUSE
    dispatch(path, 'new')
    assert loki.taken == [*written(BACKLOG), 'INFO charm: new']


def test_a_part_with_records_that_are_refused_keeps_no_other_part(path, store, clock):
    # Loki stores what is not too old, and answers so for the whole push.
    loki = store(lambda size: 400 if len(loki.sizes) == 2 else 204)
    dispatch(path, *BACKLOG, urls=[loki.url])
    assert len(loki.sizes) == 5
    assert loki.lines == written(BACKLOG)
    assert kept_texts(path) == []


def test_each_store_is_only_sent_what_it_lacks(path, store, clock):
    well, ill = store(), store(lambda size: 204 if len(ill.sizes) == 1 else 503)
    dispatch(path, *BACKLOG, urls=[well.url, ill.url])
    assert well.taken == written(BACKLOG)
    dispatch(path, 'between')
    ill.answer = 204
    clock.now += charm_log.CharmLog.PAUSE
    dispatch(path, 'after')
    expected = [*written(BACKLOG), 'INFO charm: between', 'INFO charm: after']
    assert well.lines == well.taken == ill.taken == expected


def test_a_store_that_closes_while_it_is_sent_too_much_gets_smaller_parts(path, store, clock):
    # As nginx does with client_max_body_size: it answers, and closes, with the body unread. The
    # answer may be lost with the connection; then it takes some dispatches.
    messages = lines(1000, 2000)
    loki = store(lambda size: 204 if size <= 100_000 else 413)
    loki.reads = 100_000
    dispatch(path, *messages, urls=[loki.url])
    for _ in range(4):
        clock.now += charm_log.CharmLog.PAUSE
        dispatch(path)
    assert loki.taken == written(messages)


def test_after_the_deadline_no_other_part_is_sent_and_nothing_changes(
    path, store, clock, monkeypatch
):
    monkeypatch.setattr(charm_log.CharmLog, 'TIMEOUT', 1.0)
    release = threading.Event()
    loki = store(lambda size: 204 if len(loki.sizes) < 3 or release.wait(30) else 500)
    dispatch(path, *BACKLOG, urls=[loki.url])
    sent, kept, file = len(loki.sizes), kept_texts(path), path.read_bytes()
    assert 0 < len(kept) == len(set(kept))
    release.set()
    busy = ('(run)', '(process_request_thread)')  # the charm log's and the store's
    wait_for(lambda: not any(t.name.endswith(busy) for t in threading.enumerate()))
    assert len(loki.sizes) <= sent + 1  # the one that was on its way
    assert path.read_bytes() == file
    monkeypatch.setattr(charm_log.CharmLog, 'TIMEOUT', 30.0)
    clock.now += charm_log.CharmLog.PAUSE
    loki.taken.clear()
    dispatch(path)
    assert loki.taken == kept == written(BACKLOG)[-len(kept) :]


def test_parts_are_bounded_in_bytes_not_characters(path, store):
    messages = lines(300, 5000, '猫')
    dispatch(path, *messages)
    loki = store()
    dispatch(path, urls=[loki.url])
    assert loki.taken == written(messages)
    assert max(loki.sizes) <= 2**20
    assert len(loki.sizes) == 5  # 15 kB each, as UTF-8


@pytest.mark.parametrize('fill', ['x', '猫', '🐈', '\n', '\x01'])
def test_what_is_kept_is_bounded_in_bytes_for_all_stores_together(path, refused, clock, fill):
    urls = [f'{refused}/{number}' for number in range(10)]
    messages = lines(1000, 8192, fill)
    for start in range(0, 1000, 300):
        dispatch(path, *messages[start : start + 300], urls=urls)
    size = path.stat().st_size
    assert size <= charm_log.CharmLog.KEPT_BYTES + 10_000
    assert size >= charm_log.CharmLog.KEPT_BYTES * 0.8
    kept = kept_texts(path)
    expected = [text[: charm_log.CharmLog.RECORD_LENGTH] for text in written(messages)]
    assert kept == expected[-len(kept) :]


def test_what_waits_for_the_first_store_is_bounded_in_bytes(path):
    for _ in range(3):
        dispatch(path, *lines(500, 8000))
    assert path.stat().st_size <= charm_log.CharmLog.KEPT_BYTES + 1000


def test_the_file_of_an_older_revision_fails_nothing(path, store):
    loki = store()
    record = [1_700_000_000_000_000_000, 'INFO charm: old']
    path.write_text(
        json.dumps(
            {
                'labels': UNIT.labels,
                'endpoints': {loki.url: {'records': [record], 'retry': 0.0}},
                'unsent': [record],
            }
        )
    )
    dispatch(path, 'one')
    assert loki.taken == ['INFO charm: one']


@pytest.mark.parametrize('answer', [400, 413])
def test_records_that_a_store_refuses_for_good_are_not_sent_again(path, store, clock, answer):
    loki = store(answer)
    dispatch(path, 'too old', urls=[loki.url])
    clock.now += charm_log.CharmLog.PAUSE
    loki.answer = 204
    dispatch(path, 'new')
    assert loki.lines == ['INFO charm: too old', 'INFO charm: new']


@pytest.mark.parametrize('answer', [401, 404, 429, 500, 502, 503])
def test_other_errors_pass(path, store, clock, answer):
    loki = store(answer)
    dispatch(path, 'one', urls=[loki.url])
    clock.now += charm_log.CharmLog.PAUSE
    loki.answer = 204
    dispatch(path)
    assert loki.lines == ['INFO charm: one'] * 2


def test_a_redirect_is_not_taken_for_a_store_that_took_the_records(path, store, clock):
    page = store(200)
    loki = store(302, [('Location', page.url)])
    dispatch(path, 'one', urls=[loki.url])
    assert page.pushes == []
    loki.answer = 204
    clock.now += charm_log.CharmLog.PAUSE
    dispatch(path)
    assert loki.lines == ['INFO charm: one'] * 2


# So many time limits that a busy machine takes far less, and a fault all of them.
MANY = 100


def test_stores_that_hang_cost_one_time_limit_in_all(path, hanging, impatient):
    started = time.monotonic()
    dispatch(path, 'one', urls=[f'{hanging}/{number}' for number in range(MANY)])
    limit = charm_log.CharmLog.TIMEOUT
    assert limit <= time.monotonic() - started < MANY / 2 * limit


def test_a_store_that_hangs_does_not_keep_lines_from_the_others(path, store):
    arrived = threading.Event()

    def take(_: int) -> int:
        arrived.set()
        return 204

    loki = store(take)
    slow = store(lambda _: 204 if arrived.wait(20) else 500)
    dispatch(path, 'one', urls=[slow.url, loki.url])
    assert loki.lines == slow.lines == ['INFO charm: one']


def test_a_store_that_hangs_costs_nothing_in_the_next_dispatches(path, hanging, impatient, clock):
    dispatch(path, 'one', urls=[hanging])
    started = time.monotonic()
    for _ in range(MANY):
        dispatch(path, 'two')
    assert time.monotonic() - started < MANY / 2 * charm_log.CharmLog.TIMEOUT


def test_stores_that_answer_byte_by_byte_cost_one_time_limit_in_all(path, impatient):
    # Each byte starts a socket's time limit anew.
    stop = threading.Event()
    with socket.create_server(('127.0.0.1', 0)) as server, contextlib.ExitStack() as connections:
        server.settimeout(charm_log.CharmLog.TIMEOUT)

        def drip():
            clients = []
            with contextlib.suppress(TimeoutError):  # on a slow machine some never connect
                while len(clients) < MANY:
                    clients.append(connections.enter_context(server.accept()[0]))
            for byte in b'HTTP/1.1 204 No Content\r\n' + b'X: y\r\n' * 1000:
                if stop.wait(0.05):
                    return
                for client in clients:
                    client.send(bytes([byte]))

        dripping = threading.Thread(target=drip)
        dripping.start()
        started = time.monotonic()
        url = f'http://127.0.0.1:{server.getsockname()[1]}'
        dispatch(path, 'one', urls=[f'{url}/{number}' for number in range(MANY)])
        elapsed = time.monotonic() - started
        stop.set()
        dripping.join()
    limit = charm_log.CharmLog.TIMEOUT
    assert limit <= elapsed < MANY / 2 * limit
    assert 'one' in path.read_text()


@pytest.mark.parametrize(
    'answer', [b'', b'garbage\r\n\r\n', b'HTTP/1.1 999999 x\r\n\r\n', b'\x16\x03\x01\x00']
)
def test_a_server_that_does_not_speak_http_fails_nothing(path, answer):
    with socket.create_server(('127.0.0.1', 0)) as server:

        def reply():
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.send(answer)

        replying = threading.Thread(target=reply)
        replying.start()
        dispatch(path, 'one', urls=[f'http://127.0.0.1:{server.getsockname()[1]}/'])
        replying.join()
    assert 'one' in path.read_text()


def test_what_is_kept_for_a_store_is_bounded_and_the_newest(path, refused, monkeypatch, clock):
    monkeypatch.setattr(charm_log.CharmLog, 'KEPT', 10)
    for start in range(0, 30, 6):
        dispatch(path, *(f'line {number}' for number in range(start, start + 6)), urls=[refused])
    assert kept_texts(path) == [f'INFO charm: line {number}' for number in range(20, 30)]


def test_what_is_kept_while_there_is_no_store_is_bounded_and_the_newest(path, monkeypatch):
    monkeypatch.setattr(charm_log.CharmLog, 'KEPT', 10)
    for start in range(0, 30, 6):
        dispatch(path, *(f'line {number}' for number in range(start, start + 6)), urls=[])
    assert kept_texts(path) == [f'INFO charm: line {number}' for number in range(20, 30)]


def test_a_long_record_is_cut(path, store):
    loki = store()
    dispatch(path, 'x' * 10**6, urls=[loki.url])
    assert [len(line) for line in loki.lines] == [charm_log.CharmLog.RECORD_LENGTH]


def test_a_record_that_cannot_be_formatted_is_ignored(path, store, capsys):
    loki = store()
    with charm_log.CharmLog(path) as log:
        log.send_to([loki.url], UNIT)
        log.handle(logging.LogRecord('charm', logging.INFO, '', 0, '%d', ('x',), None))
        logger.info('one')
    assert loki.lines == ['INFO charm: one']


def test_text_that_utf8_cannot_hold_is_kept_and_sent(path, store, clock):
    loki = store(500)
    dispatch(path, 'half \ud800 a pair', urls=[loki.url])
    clock.now += charm_log.CharmLog.PAUSE
    loki.answer = 204
    dispatch(path)
    assert loki.lines == ['INFO charm: half ? a pair'] * 2


def test_an_uncaught_error_is_logged_and_goes_on(path, store):
    loki = store()
    with pytest.raises(RuntimeError, match='oops'):
        dispatch(path, urls=[loki.url], error=RuntimeError('oops'))
    (line,) = loki.lines
    assert line.startswith('ERROR coordinated_telemetry.charm_log: Uncaught error\nTraceback')
    assert line.endswith('RuntimeError: oops')


def test_an_exit_is_no_error(path, store):
    loki = store()
    with pytest.raises(SystemExit):
        dispatch(path, urls=[loki.url], error=SystemExit(0))
    assert loki.pushes == []


def test_nothing_is_left_behind_in_the_process(path):
    before = list(logging.getLogger().handlers)
    dispatch(path, 'one')
    assert logging.getLogger().handlers == before
    assert charm_log.CharmLog.current is None


def test_a_dispatch_that_logs_nothing_leaves_the_file_alone(path, store):
    loki = store()
    dispatch(path, 'one', urls=[loki.url])
    before = path.stat()
    dispatch(path, urls=[loki.url])
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino


CORRUPTED = {
    'empty': b'',
    'half': b'{"labels": {}, "endp',
    'another type': b'[]',
    'null': b'null',
    'no UTF-8': b'\xff\xfe',
    'deep': b'[' * 100_000,
    'labels of another type': b'{"labels": [1], "endpoints": {}}',
    'endpoints of another type': b'{"labels": {}, "endpoints": [1]}',
    'an endpoint of another type': b'{"labels": {}, "endpoints": {"URL": 1}}',
    'records that are a text': b'{"records": "ab", "endpoints": {"URL": {"pending": 1}}}',
    'records of other shapes': b'{"records": [[1], 2, [1, 2]], "endpoints": {}}',
    'fewer records than none': b'{"records": [[1, "a"]], "endpoints": {"URL": {"pending": -1}}}',
    'more records than there are': b'{"records": [], "endpoints": {"URL": {"pending": 99}}}',
    'parts of nothing': b'{"records": [], "endpoints": {"URL": {"part": 0}}}',
    'a time that is no number': b'{"endpoints": {"URL": {"pending": 0, "retry": NaN}}}',
    'a time that never comes': b'{"endpoints": {"URL": {"pending": 0, "retry": Infinity}}}',
}  # fmt: skip


@pytest.mark.parametrize('content', CORRUPTED.values(), ids=CORRUPTED)
def test_a_corrupted_file_is_one_with_nothing_in_it(path, store, content):
    loki = store()
    path.write_bytes(content.replace(b'URL', loki.url.encode()))
    dispatch(path, 'one', urls=[loki.url])
    assert loki.lines == ['INFO charm: one']
    dispatch(path, 'two')
    assert loki.lines == ['INFO charm: one', 'INFO charm: two']


@hypothesis.given(
    st.one_of(
        st.binary(max_size=100),
        st.recursive(
            st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(
                    st.sampled_from(
                        [
                            'labels',
                            'endpoints',
                            'records',
                            'pending',
                            'retry',
                            'part',
                            'http://x.invalid',
                        ]
                    ),
                    inner,
                    max_size=3,
                ),
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
@hypothesis.settings(
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], max_examples=100
)
def test_whatever_the_file_holds_nothing_fails(path, content):
    path.write_bytes(content)
    dispatch(path, 'one', urls=[])


def test_a_folder_that_cannot_be_written_fails_nothing(tmp_path, store):
    loki = store()
    dispatch(tmp_path / 'missing' / 'file', 'one', urls=[loki.url])
    assert loki.lines == ['INFO charm: one']


def test_the_charms_tell_it_where_logs_go(path, store):
    loki = store()
    with charm_log.CharmLog(path):
        charm_log.ensure_charm_log({'loki/0': loki.url, 'loki/1': loki.url}, UNIT)
        logger.info('one')
    assert loki.lines == ['INFO charm: one']


def test_a_charm_runs_without_it():
    charm_log.ensure_charm_log({'loki/0': 'http://a'}, UNIT)
    assert charm_log.CharmLog.current is None


# TLS


def test_the_log_goes_to_a_store_whose_ca_is_trusted_and_to_it_alone_while_it_is(tls_store, path):
    ca = authority.authority().certificate
    for number, trusted in enumerate((ca, '', None, ca, None)):
        with charm_log.CharmLog(path) as log:
            for endpoint in log._kept.endpoints.values():
                endpoint.retry = 0.0  # the pause is over
            if trusted is not None:
                log.send_to([tls_store.url], UNIT, trusted)
            logger.info('%d', number)
    # A dispatch that does not come to telling goes by what the one before was told.
    sent = [text.split()[-1] for text in tls_store.lines]
    assert sent == ['0', '1', '2', '3', '4']
    assert len(tls_store.pushes) == 3


# Over OTLP


def test_a_collector_gets_every_record_as_otlp(path, store):
    collector = store(200)
    with charm_log.CharmLog(path) as log:
        logger.info('one')
        log.send_to([], UNIT, otlp=collector.otlp_url)
        logger.warning('two')
    ((where, _, body),) = collector.pushes
    assert where == '/v1/logs'
    assert texts(body) == ['INFO charm: one', 'WARNING charm: two']
    attributes = body['resourceLogs'][0]['resource']['attributes']
    found = {each['key']: each['value']['stringValue'] for each in attributes}
    assert found == {'service.name': 'worker', **UNIT.labels}


def test_a_store_and_a_collector_get_each_record_in_their_own_form(path, store):
    loki, collector = store(), store(200)
    with charm_log.CharmLog(path) as log:
        log.send_to([loki.url], UNIT, otlp=collector.otlp_url)
        logger.info('one')
    assert 'streams' in loki.pushes[0][2]
    assert 'resourceLogs' in collector.pushes[0][2]
    assert loki.lines == collector.lines == ['INFO charm: one']


def test_records_that_a_collector_lacks_are_kept_and_sent_as_otlp_again(path, store, clock):
    collector = store(503)
    for message in ('one', 'two'):
        with charm_log.CharmLog(path) as log:
            log.send_to([], UNIT, otlp=collector.otlp_url)
            logger.info(message)
        clock.now += 100
    assert kept_texts(path) == ['INFO charm: one', 'INFO charm: two']
    collector.answer = 200
    with charm_log.CharmLog(path) as log:
        log.send_to([], UNIT, otlp=collector.otlp_url)
    assert collector.taken == ['INFO charm: one', 'INFO charm: two']
    assert kept_texts(path) == []


def test_what_another_revision_kept_for_a_store_is_still_sent_to_it(path, store):
    loki = store()
    kept = {'labels': UNIT.labels, 'endpoints': {loki.url: {'pending': 1}}, 'records': [[1, 'x']]}
    path.write_text(json.dumps(kept))
    dispatch(path)
    assert loki.lines == ['x']


def test_ensure_charm_log_hands_over_the_collector(path, store):
    collector = store(200)
    with charm_log.CharmLog(path):
        logger.info('one')
        charm_log.ensure_charm_log({}, UNIT, otlp=collector.otlp_url)
    assert collector.lines == ['INFO charm: one']
