"""What the demo prints where there is no terminal: plain lines, aligned."""

import io

import pytest

import terminal


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def test_a_table_is_aligned_and_plain(output: io.StringIO) -> None:
    rows = [[('worker/0', terminal.BOLD), ('✓ 12 lines', terminal.GREEN), ('-', '')]]
    terminal.Terminal(output).table(['unit', 'logs', 'traces'], rows)
    assert output.getvalue() == (' unit       logs         traces\n worker/0   ✓ 12 lines   -\n')


def test_a_step_says_how_it_ended(output: io.StringIO) -> None:
    out = terminal.Terminal(output)
    with out.step('good'):
        pass
    with pytest.raises(ValueError, match='no'), out.step('bad'):
        raise ValueError('no')
    good, bad = output.getvalue().splitlines()
    assert good.startswith(' ✓ good  ')
    assert good.endswith(' s')
    assert bad.startswith(' ✗ bad  ')
    assert len(good) == len(bad)


@pytest.mark.parametrize(('text', 'columns'), [('abc', 3), ('✓', 1), ('é', 1), ('日本', 4)])
def test_width_counts_columns(text: str, columns: int) -> None:
    assert terminal.width(text) == columns
    assert terminal.pad(text, 6) == text + ' ' * (6 - columns)
