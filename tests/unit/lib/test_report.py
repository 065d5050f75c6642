"""What a dispatch has to say: each thing once, and the statuses made of it."""

import ops
import pytest

from coordinated_telemetry import report


def test_what_is_ignored_is_kept_once_for_each_reason():
    found = report.Report()
    for name, why in (('a/0', 'x'), ('a/0', 'x'), ('a/0', 'y'), ('a/1', 'x')):
        found.ignore(name, why)
    assert [str(item) for item in found.ignored] == ['a/0 (x)', 'a/0 (y)', 'a/1 (x)']


def test_whether_something_of_a_name_is_ignored():
    found = report.Report()
    assert not found.ignores('a/1')
    found.ignore('a/1', 'x')
    assert found.ignores('a/1')
    assert not found.ignores('a')
    assert not found.ignores('a/10')


def test_a_note_is_kept_once():
    found = report.Report()
    for text in ('b', 'a', 'b'):
        found.note(text)
    assert found.notes == ['b', 'a']


def test_what_blocks_is_kept_once():
    found = report.Report()
    found.block('a')
    found.block('a')
    assert found.blocked == ['a']


def test_a_few_names_are_shown_and_the_rest_is_counted():
    assert report.first(['a', 'b']) == 'a, b'
    assert report.first(['a', 'b', 'c', 'd', 'e']) == 'a, b, c and 2 more'


def test_two_reports_share_nothing():
    report.Report().note('a')
    assert report.Report() == report.Report([], [], [], [])


def test_what_blocks_comes_before_what_is_awaited_and_each_has_the_rest():
    found = report.Report(['b1', 'b2'], ['w'], ['note'], [report.Ignored('a', 'x')])
    assert found.statuses('fine') == [
        ops.BlockedStatus('b1; note; ignored: a (x)'),
        ops.BlockedStatus('b2; note; ignored: a (x)'),
        ops.WaitingStatus('w; note; ignored: a (x)'),
        ops.ActiveStatus('fine; note; ignored: a (x)'),
    ]


IGNORED = [report.Ignored(f'db/{number}', 'why') for number in range(10)]


@pytest.mark.parametrize(
    ('notes', 'ignored', 'expected'),
    [
        ([], [], 'fine'),
        (['note'], [], 'fine; note'),
        ([], IGNORED[:1], 'fine; ignored: db/0 (why)'),
        (['note'], IGNORED[:2], 'fine; note; ignored: db/0 (why), db/1 (why)'),
        ([], IGNORED[:3], 'fine; ignored: db/0 (why), db/1 (why), db/2'),
        (
            [],
            IGNORED,
            (
                'fine; ignored: db/0 (why), db/1 (why), '
                'db/2, db/3, db/4, db/5, db/6, db/7 and 2 more'
            ),
        ),
    ],
)
def test_a_status_gives_two_reasons_names_some_and_counts_the_rest(notes, ignored, expected):
    (status,) = report.Report(notes=notes, ignored=ignored).statuses('fine')
    assert status == ops.ActiveStatus(expected)


def test_names_are_in_one_order_whichever_was_found_first():
    items = [report.Ignored(name, why) for name, why in (('b', 'x'), ('a', 'y'), ('a', 'x'))]
    (first,) = report.Report(ignored=items).statuses('')
    (second,) = report.Report(ignored=items[::-1]).statuses('')
    assert first == second == ops.ActiveStatus('ignored: a (x), a (y), b')
