"""What the bench says of its figures: bounds, table, bench.json, medians."""

import json

import pytest

import bench_figures
from bench_figures import BOUNDS, Bound, Figure


def kept() -> list[Figure]:
    """A figure for each bound, as good as it has to be."""
    return [
        Figure(
            name,
            bound.limit * 8,
            's',
            8.0,
        )
        for name, bound in BOUNDS.items()
    ]


def replaced(name: str, value: float, baseline: float | None = 8.0) -> list[Figure]:
    """All bounds kept but for one figure."""
    others = [figure for figure in kept() if figure.name != name]
    return [*others, Figure(name, value, 's', baseline)]


@pytest.mark.parametrize(
    ('bound', 'value', 'baseline', 'holds'),
    [
        (Bound(1.5), 3, 2, True),
        (Bound(1.5), 3.1, 2, False),
        (Bound(0.95, least=True), 95, 100, True),
        (Bound(0.95, least=True), 94, 100, False),
        (Bound(1.5), 1, None, False),
        (Bound(1.5), 1, 0, False),
    ],
)
def test_a_bound_holds_up_to_its_limit_and_never_without_its_number(bound, value, baseline, holds):
    assert bound.holds(Figure('a', value, 's', baseline)) is holds


def test_nothing_is_missed_when_every_figure_is_at_its_limit():
    assert bench_figures.missed(kept()) == []


@pytest.mark.parametrize(
    ('name', 'value', 'baseline'),
    [
        ('dispatch.coordinator.noop', 12.1, 8),
        ('dispatch.worker.noop', 12.1, 8),
        ('import.coordinator', 9.3, 8),
        ('import.worker', 9.3, 8),
        ('reconcile.n1', 24.1, 8),
        ('reconcile.n1000.against_n1', 32.1, 8),
        ('reconcile.n1000.against_n1', 0.001, None),
        ('proxy.cpu', 8.9, 8),
        ('hooktools.event.n1000', 9, 8),
        ('join.n300', 9, 8),
        ('proxy.rps', 7.5, 8),
        ('proxy.tls', 6.3, 8),
    ],
)
def test_a_bound_is_missed_by_what_is_a_little_worse(name, value, baseline):
    assert bench_figures.missed(replaced(name, value, baseline)) == [name]


def test_what_was_not_measured_is_missed():
    assert bench_figures.missed([]) == list(BOUNDS)


def test_bench_json_has_just_the_fields_that_are_promised(tmp_path):
    figures = [Figure('a.b', 3.0, 's', 2.0), Figure('c', 5.0, 'bytes')]
    bench_figures.write(figures, tmp_path / 'bench.json')
    assert json.loads((tmp_path / 'bench.json').read_text()) == [
        {'name': 'a.b', 'value': 3.0, 'unit': 's', 'baseline': 2.0, 'ratio': 1.5},
        {'name': 'c', 'value': 5.0, 'unit': 'bytes', 'baseline': None, 'ratio': None},
    ]


def test_the_table_is_aligned_and_says_what_each_bound_came_to():
    figures = [
        Figure('proxy.rps', 1234.4, 'requests/s', 2000.0),
        Figure('import.worker', 0.25, 's', 0.25),
        Figure('databag.n1000', 253338, 'bytes'),
    ]
    assert bench_figures.table(figures).splitlines() == [
        ' figure         value    baseline  unit        ratio  bound',
        ' proxy.rps      1,234    2,000     requests/s  0.62   ✗ ratio ≥ 0.95',
        ' import.worker  0.25     0.25      s           1.00   ✓ ratio ≤ 1.15',
        ' databag.n1000  253,338            bytes',
    ]


def test_what_is_compared_takes_turns_and_the_median_of_its_rounds_counts():
    turns = []

    def measure(name, values):
        def one():
            turns.append(name)
            return next(values)

        return one

    one = measure('one', iter([1, 9, 2]))
    other = measure('other', iter([5, 4, 100]))
    figure = bench_figures.compared('x', one, other, 's', rounds=3)
    assert (figure.value, figure.ratio) == (2, pytest.approx(0.2))  # of 1/5, 9/4 and 2/100
    assert turns == ['one', 'other', 'other', 'one', 'one', 'other']


@pytest.mark.parametrize(
    ('ratios', 'rounds', 'ratio'),
    [
        ([1.1], 1, 1.1),
        ([1.3, 1.1, 1.1], 3, 1.1),
        ([1.2, 1.3, 1.1, 1.2, 1.0], 4, 1.2),  # the bound is 1.15
    ],
)
def test_what_misses_its_bound_is_measured_up_to_four_times_as_long(ratios, rounds, ratio):
    left = iter(ratios)
    figure = bench_figures.compared('import.worker', lambda: next(left), lambda: 1, 's', rounds=1)
    assert figure.ratio == pytest.approx(ratio)
    assert len(list(left)) == len(ratios) - rounds


def test_only_a_bound_can_have_something_in_its_way():
    assert bench_figures.IN_THE_WAY.keys() <= BOUNDS.keys()


def test_a_machine_that_slows_down_between_pairs_changes_no_ratio():
    figure = bench_figures.paired('x', [90, 45, 9], [100, 50, 10], 's')
    assert figure.ratio == pytest.approx(0.9)
    assert (figure.value, figure.baseline) == (45, pytest.approx(50))
