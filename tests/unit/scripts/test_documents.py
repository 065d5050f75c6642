"""What the documents point at is there: files, headings, make's targets, the hooks' commands."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ('docs', 'lib', 'coordinator-charm', 'worker-charm', 'tests')
FOUND = [*ROOT.glob('*.md'), *(path for name in FOLDERS for path in (ROOT / name).rglob('*.md'))]
DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in FOUND)
TARGETS = set(re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
HOOKS = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos'][0]['hooks']


def prose(text: str) -> str:
    """A document without its blocks of code."""
    return re.sub(r'^```.*?^```', '', text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as a forge makes them."""
    headings = re.findall(r'^#+ (.*)$', prose(text), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('name', DOCUMENTS)
def test_a_link_leads_somewhere(name: str) -> None:
    document = ROOT / name
    links = re.findall(r'\]\(([^)\s]+)\)', prose(document.read_text()))
    broken: list[str] = []
    for link in links:
        path, _, anchor = link.partition('#')
        target = document.parent / path if path else document
        if '://' in link:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize('name', DOCUMENTS)
def test_a_command_of_make_is_a_target(name: str) -> None:
    text = (ROOT / name).read_text()
    # In a sentence between backquotes, in a block at the start of a line.
    asked = re.findall(r'(?:`|^)(?:[A-Z_]+=\S+ )*make ([a-z][a-z-]*)', text, re.MULTILINE)
    assert {*asked} <= TARGETS


@pytest.mark.parametrize('hook', HOOKS, ids=lambda hook: hook['id'])
def test_a_hook_is_the_lint_of_make_and_fetches_nothing(hook: dict[str, str]) -> None:
    program, target, *variables = hook['entry'].split()
    assert (program, target) == ('make', 'lint')
    assert hook['language'] == 'system'
    known = {variable.partition('=')[0] for variable in variables}
    assert all(f'$({variable})' in (ROOT / 'Makefile').read_text() for variable in known)


@pytest.mark.parametrize('variable', ['FUZZ', 'GOLDEN'])
def test_what_contributors_set_reaches_the_tests(variable: str) -> None:
    assert f'`{variable}=' in (ROOT / 'CONTRIBUTING.md').read_text()
    assert re.search(rf'^    {variable}$', (ROOT / 'tox.ini').read_text(), re.MULTILINE)
