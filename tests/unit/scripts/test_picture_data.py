"""What the pictures of the dashboards show: which rows, which columns, and values as texts."""

import pytest

import grafana
import picture_data
from clients import Line, Series

DASHBOARDS = {path.stem: grafana.read(path) for path in grafana.files()}


class Stores:
    """Stores that have one thing, and remember what they were asked."""

    def __init__(self, *series, lines=()):
        self.series, self.lines, self.asked = list(series), list(lines), []

    def vector(self, expression):
        self.asked.append(expression)
        return self.series

    def history(self, expression, start, end, step):
        self.asked.append(expression)
        return [(one.labels, [(start, one.value), (end, float('nan'))]) for one in self.series]

    def log_vector(self, expression, at=None):
        self.asked.append((expression, at))
        return self.series

    def log_lines(self, expression, limit):
        return self.lines


def panel(dashboard, title):
    (found,) = [p for p in grafana.panels(DASHBOARDS[dashboard]) if p.title == title]
    return found


def offered(stores, dashboard):
    return picture_data.applications(stores, DASHBOARDS[dashboard])


def shown(stores, dashboard, title):
    return picture_data.found(stores, panel(dashboard, title), ['a', 'b-c'], 1000, 1060)


@pytest.mark.parametrize('dashboard', DASHBOARDS.values(), ids=DASHBOARDS)
def test_every_panel_is_in_one_picture(dashboard):
    pictures = picture_data.divided(dashboard)
    for picture in pictures:
        assert picture[-1][1] - picture[0][0] <= picture_data.ROWS
    for one in grafana.panels(dashboard):
        places = [row for rows in pictures for row in rows if row[0] < one.place[1] < row[1]]
        assert len(places) == 1


@pytest.mark.parametrize(
    ('value', 'unit', 'text'),
    [
        (0, 'reqps', '0 req/s'),
        (12.345, 'reqps', '12.3 req/s'),
        (0.0512, 'percentunit', '5.12 %'),
        (0.0031, 's', '3.1 ms'),
        (2, 's', '2 s'),
        (0.0000042, 's', '4.2 µs'),
        (0, 's', '0 s'),
        (20 * 2**20, 'bytes', '20 MiB'),
        (10, 'bytes', '10 B'),
        (1234567, 'short', '1,234,567'),
        (0.5, 'cps', '0.5 c/s'),
    ],
)
def test_a_value_has_its_unit_and_three_digits(value, unit, text):
    assert picture_data.text_of(value, unit) == text


def test_a_start_is_so_long_ago(monkeypatch):
    monkeypatch.setattr(picture_data.time, 'time', lambda: 1000)
    assert picture_data.text_of(990_000, 'dateTimeFromNow') == '10 s ago'
    assert picture_data.text_of(400_000, 'dateTimeFromNow') == '10 min ago'


def test_a_curve_is_named_by_the_legend_and_has_numbers_only():
    stores = Stores(Series('', {'juju_unit': 'a/0'}, 2.0))
    (curve,) = shown(stores, 'workers', 'Rate by unit').curves
    assert (curve.name, curve.points, curve.last) == ('a/0', [(1000, 2.0)], 2.0)
    (asked,) = stores.asked
    assert '$' not in asked
    assert 'juju_application=~"(a|b\\\\-c)", juju_unit=~".+"' in asked


def test_the_applications_are_those_that_the_dashboard_offers():
    stores = Stores(Series('', {'juju_application': 'a'}, 1.0))
    assert offered(stores, 'coordinator') == {'a'}
    assert stores.asked[0].startswith('group by (juju_application) (nginx_up{juju_model=~".+"')


def test_counts_of_lines_are_asked_for_time_after_time():
    stores = Stores(Series('', {'level': 'info'}, 1.0))
    (curve,) = shown(stores, 'workers', 'Lines by level').curves
    assert len(curve.points) == picture_data.POINTS + 1
    assert [at for _, at in stores.asked] == [moment for moment, _ in curve.points]


def test_a_stat_is_the_value_of_now():
    found = shown(Stores(Series('', {}, 3.0)), 'workers', 'Workers up')
    assert found.value == 3.0
    assert len(found.curves) == 1
    assert shown(Stores(), 'workers', 'Workers up').value is None


def test_a_table_merges_the_answers_of_its_queries():
    found = shown(
        Stores(Series('', {'juju_unit': 'a/0', 'juju_charm': 'c', 'version': 'go1'}, 5.0)),
        'workers',
        'Units',
    )
    assert [title for title, _ in found.columns] == ['Unit', 'Charm', 'Built with', 'Started']
    assert found.rows == [['a/0', 'c', 'go1', 5.0]]


def test_a_table_of_lines_has_fields_and_labels_in_its_columns():
    lines = [
        Line(10**9, '{"status": 200, "seconds": 0.25, "trace_id": "ab"}', {'juju_unit': 'c/0'}),
        Line(2 * 10**9, 'not JSON', {'juju_unit': 'c/0'}),
    ]
    found = shown(Stores(lines=lines), 'coordinator', 'Requests and their traces')
    titles = [title for title, _ in found.columns]
    assert titles == ['Time', 'Unit', 'Method', 'Path', 'Status', 'Took', 'Worker', 'Trace']
    newest, oldest = found.rows
    assert newest[:2] == ['00:00:02.000', 'c/0']
    assert oldest == ['00:00:01.000', 'c/0', '', '', '200', 0.25, '', 'ab']


def test_a_log_has_the_newest_line_first():
    lines = [Line(10**9, 'old', {}), Line(2 * 10**9, 'new', {})]
    found = shown(Stores(lines=lines), 'workers', "The charms' log")
    assert [text for _, text in found.rows] == ['new', 'old']
