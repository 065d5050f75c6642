"""Rules on logs, asked of a store that does not speak LogQL."""

import pytest

from clients import logql

SELECTOR = '{juju_application="a", pebble_service="s"}'
BY = 'juju_application, juju_unit'


def counted(stages='', function='count_over_time', selector=SELECTOR, range='5m'):
    return f'sum by ({BY}) ({function}({selector}{stages} [{range}]))'


class Store:
    """Counts as it is told, one query after the other, and remembers what it was asked."""

    def __init__(self, *counts):
        self.counts = list(counts)
        self.asked = []

    def count(self, query):
        self.asked.append(query)
        counts = self.counts.pop(0)
        return {frozenset({('juju_unit', unit)}): count for unit, count in counts.items()}


def evaluated(expression, *counts):
    vector = logql.evaluate(expression, Store(*counts).count)
    return {dict(labels)['juju_unit']: value for labels, value in vector.items()}


@pytest.mark.parametrize(
    ('stages', 'pipes'),
    [
        ('', ''),
        (
            r' |~ `^[0-9/]+ \[(crit|alert)\]`',
            r' | filter _msg:~`^[0-9/]+ \[(crit|alert)\]`',
        ),
        (' !~ `a|b`', ' | filter !_msg:~`a|b`'),
        (
            ' | json status="status" | __error__="" | status >= 500',
            ' | unpack_json from _msg fields (status) | filter status:* | filter status:>=500',
        ),
        (
            ' | json to="to", status="status" | __error__="" | to!=""',
            ' | unpack_json from _msg fields (to, status) | filter to:* | filter to:*',
        ),
        (
            ' | json level="level" | __error__="" | level=~"error|fatal"',
            (
                ' | unpack_json from _msg fields (level) | filter level:*'
                ' | filter level:~"^(error|fatal)$"'
            ),
        ),
    ],
)
def test_a_pipeline_becomes_one_of_the_store(stages, pipes):
    store = Store({})
    logql.evaluate(f'{counted(stages)} > 0', store.count)
    assert store.asked == [f'_time:5m {SELECTOR}{pipes} | stats by ({BY}) count() as lines']


def test_without_a_threshold_every_series_is_left():
    assert evaluated(counted(), {'a/0': 0, 'a/1': 11}) == {'a/0': 0, 'a/1': 11}


def test_without_labels_there_is_one_count():
    store = Store({})
    logql.evaluate(f'sum(count_over_time({SELECTOR} [1h]))', store.count)
    assert store.asked == [f'_time:1h {SELECTOR} | stats count() as lines']


def test_a_quantile_is_that_of_the_numbers_in_lines():
    store = Store({'a/0': 0.2})
    pipeline = '| json to="to", took="took" | unwrap took | __error__=""'
    expression = f'quantile_over_time(0.99, {SELECTOR} {pipeline} [5m]) by ({BY})'
    vector = logql.evaluate(expression, store.count)
    assert [*vector.values()] == [0.2]
    (asked,) = store.asked
    assert asked == (
        f'_time:5m {SELECTOR} | unpack_json from _msg fields (to, took)'
        f' | filter took:~"^[0-9.]+$" | stats by ({BY}) quantile(0.99, took) as value'
    )


def test_what_is_not_counted_is_nothing_of_the_whole():
    bad, all_ = counted(' |~ `bad`'), counted()
    counts = {'a/0': 1}, {'a/0': 4, 'a/1': 5}
    assert evaluated(f'({bad} or {all_} * 0) / {all_}', *counts) == {'a/0': 0.25, 'a/1': 0}


def test_lines_are_found_by_the_same_pipeline():
    assert logql.lines(f'{SELECTOR} |~ `^[{{]`') == f'{SELECTOR} | filter _msg:~`^[{{]`'


def test_lines_of_another_form_are_refused():
    with pytest.raises(logql.FormError, match='cannot find the lines'):
        logql.lines(counted())


def test_only_what_is_above_the_threshold_is_left():
    assert evaluated(f'{counted()} > 10', {'a/0': 10, 'a/1': 11}) == {'a/1': 11}


def test_a_rate_is_per_second():
    assert evaluated(f'{counted(function="rate", range="1m")} > 0.1', {'a/0': 30}) == {'a/0': 0.5}


def test_a_ratio_is_that_of_equal_labels():
    expression = f'{counted(function="rate")} / {counted(function="rate")} > 0.05'
    counts = {'a/0': 4, 'a/1': 6, 'a/2': 8}, {'a/0': 100, 'a/1': 100}
    assert evaluated(expression, *counts) == {'a/1': pytest.approx(0.06)}


def test_lines_of_an_expression_are_one():
    assert evaluated(f'{counted()}\n  >\n  0', {'a/0': 1}) == {'a/0': 1}


@pytest.mark.parametrize(
    'expression',
    [
        '',
        f'{counted()} < 1',
        f'{counted()} * {counted()} > 1',
        f'{counted()} / {counted()} / {counted()} > 1',
        f'{counted()} {counted()} > 1',
        f'{counted(function="bytes_rate")} > 1',
        f'{counted(" | logfmt")} > 1',
        f'{counted(" | json")} > 1',
        # Its errors would fail the whole query in Loki.
        counted(' | json status="status" | status >= 500') + ' > 1',
        counted(' | json a="a", b="b" | b >= 1') + ' > 1',
        f'{counted()} > many',
        f'({counted()} or {counted()}) / {counted()}',
        f'quantile_over_time(0.9, {SELECTOR} [5m]) by ({BY})',
        f'quantile_over_time(0.9, {SELECTOR} | json a="a" | unwrap a [5m]) by ({BY})',
    ],
)
def test_another_form_is_refused(expression):
    with pytest.raises(ValueError, match=r'cannot|could not'):
        evaluated(expression, {'a/0': 1}, {'a/0': 1}, {'a/0': 1})
