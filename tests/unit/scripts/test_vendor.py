"""Copies of the library that are true, or said not to be."""

import pathlib
import sys

import pytest

import vendor


@pytest.fixture
def copy(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    source, copy = tmp_path / 'lib' / 'library', tmp_path / 'charm' / 'lib' / 'library'
    (source / '__pycache__').mkdir(parents=True)
    (source / '__pycache__' / 'a.pyc').write_text('not copied')
    (source / '__init__.py').write_text('"A library."\n\n__version__ = \'1.2.3\'\n')
    (source / 'py.typed').touch()
    (source / 'a.py').write_text('a')
    (source / 'b.py').write_text('b')
    monkeypatch.setattr(vendor, 'ROOT', tmp_path)
    monkeypatch.setattr(vendor, 'SOURCE', source)
    monkeypatch.setattr(vendor, 'COPIES', [copy])
    return copy


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, 'argv', ['vendor.py', *arguments])
    return vendor.main()


def test_a_copy_is_made_and_is_true(copy: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, '--check') == 1
    assert not copy.exists()
    assert run(monkeypatch) == 0
    assert sorted(path.name for path in copy.iterdir()) == [
        'VENDORED',
        '__init__.py',
        'a.py',
        'b.py',
        'py.typed',
    ]
    assert run(monkeypatch, '--check') == 0


@pytest.mark.parametrize(
    ('file', 'text', 'said'),
    [
        ('a.py', 'other', 'a.py: differs'),
        ('c.py', 'new', 'c.py: not in the source'),
        ('VENDORED', 'library 1.2.2', 'VENDORED: differs'),
    ],
)
def test_drift_is_named_and_mended(
    copy: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    text: str,
    said: str,
) -> None:
    run(monkeypatch)
    (copy / file).write_text(text)
    assert run(monkeypatch, '--check') == 1
    assert f'charm/lib/library/{said}' in capsys.readouterr().err
    assert run(monkeypatch) == 0
    assert run(monkeypatch, '--check') == 0


def test_a_copy_names_the_version_that_it_is_of(
    copy: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch)
    first, _, rest = (copy / 'VENDORED').read_text().partition('\n')
    assert first == 'library 1.2.3'
    assert 'make vendor' in rest
    (vendor.SOURCE / '__init__.py').write_text("__version__ = '1.3.0'\n")
    assert run(monkeypatch, '--check') == 1
    run(monkeypatch)
    assert (copy / 'VENDORED').read_text() == f'library 1.3.0\n{rest}'


def test_a_library_without_a_version_is_not_copied(
    copy: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (vendor.SOURCE / '__init__.py').write_text('')
    with pytest.raises(ValueError, match='cannot copy library: no __version__'):
        run(monkeypatch)
    assert not copy.exists()
