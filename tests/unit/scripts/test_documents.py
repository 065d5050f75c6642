"""What the documents point at is there: files, headings, make's targets, the charms' own names."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from localjuju.cli import commandline, main, program, refusals

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ('docs', 'lib', 'coordinator-charm', 'worker-charm', 'tests')
FOUND = [*ROOT.glob('*.md'), *(path for name in FOLDERS for path in (ROOT / name).rglob('*.md'))]
DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in FOUND)
TARGETS = set(re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
HOOKS = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos'][0]['hooks']
CHARMS = {
    name: yaml.safe_load((ROOT / f'{name}-charm' / 'charmcraft.yaml').read_text())
    for name in ('coordinator', 'worker')
}
APPLICATIONS = {*CHARMS, 'frontend', 'backend'}
"""The names of our applications in the documents."""
ENDPOINTS = {
    name
    for charm in CHARMS.values()
    for side in ('provides', 'requires', 'peers')
    for name in charm.get(side, {})
}
OPTIONS = {name for charm in CHARMS.values() for name in charm['config']['options']}
ACTIONS = {name for charm in CHARMS.values() for name in charm.get('actions', {})}
assert main  # importing it registers the local Juju's commands
GRAMMARS = {name: grammar for name, (_, grammar) in program.COMMANDS.items()}


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


def one_line(text: str) -> str:
    return ' '.join(text.split())


@pytest.mark.parametrize('charm', CHARMS)
def test_the_reference_has_every_endpoint_option_and_action(charm: str) -> None:
    of_charm = CHARMS[charm]
    rows = [
        f'| `{name}` | {side} | `{one["interface"]}` | {one.get("limit", "any")} '
        f'| {one_line(one["description"])} |'
        for side in ('provides', 'requires', 'peers')
        for name, one in of_charm.get(side, {}).items()
    ]
    rows += [
        f'| `{name}` | {one["type"]} | `{json.dumps(one["default"]).strip(chr(34))}` '
        f'| {one_line(one["description"])} |'
        for name, one in of_charm['config']['options'].items()
    ]
    for name, action in of_charm.get('actions', {}).items():
        rows.append(f'| `{name}` | | {one_line(action["description"])} |')
        parameters = action.get('params', {}).items()
        rows += [f'| | `{name}` | {one_line(one["description"])} |' for name, one in parameters]
    page = (ROOT / 'docs' / 'reference.md').read_text()
    assert [row for row in rows if f'\n{row}\n' not in page] == []


def test_the_reference_has_no_endpoint_option_or_action_that_is_gone() -> None:
    page = (ROOT / 'docs' / 'reference.md').read_text()
    tables = page[page.index('## Endpoints') : page.index('## Databags')]
    named = set(re.findall(r'^\| (?:\| )?`([\w-]+)` \|', tables, re.MULTILINE))
    parameters = {
        name
        for charm in CHARMS.values()
        for action in charm.get('actions', {}).values()
        for name in action.get('params', {})
    }
    assert named == ENDPOINTS | OPTIONS | ACTIONS | parameters


def commands(text: str) -> list[list[str]]:
    """What a document tells the reader to type into Juju, in blocks and between backquotes."""
    blocks = re.findall(r'^```(?:sh|console)\n(.*?)^```', text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace('\\\n', ' ').splitlines()]
    spans = re.findall(r'`(juju [^`\n]*(?:\n[^`\n]*)?)`', prose(text))
    typed = [re.sub(r'^\$ ', '', line.strip()) for line in [*lines, *map(one_line, spans)]]
    return [shlex.split(line, comments=True) for line in typed if line.startswith('juju ')]


@pytest.mark.parametrize('name', DOCUMENTS)
def test_a_command_of_juju_names_what_there_is(name: str) -> None:
    """Of our own applications: an endpoint, an option, an action that the charms have."""
    unknown: list[str] = []
    for _, command, *words in commands((ROOT / name).read_text()):
        if command == 'integrate':
            sides = [word.split(':') for word in words if ':' in word]
            named = [side[1] for side in sides if side[0] in APPLICATIONS]
            unknown += {*named} - ENDPOINTS
        elif command == 'config' and words and words[0] in APPLICATIONS:
            unknown += {word.partition('=')[0] for word in words[1:] if word[0] != '-'} - OPTIONS
        elif command == 'run' and words and words[0].partition('/')[0] in APPLICATIONS:
            unknown += {words[1]} - ACTIONS
        elif command == 'deploy' and words:
            own = words[0].endswith('.charm')
            given = [words[i + 1] for i, word in enumerate(words) if word == '--config']
            unknown += {one.partition('=')[0] for one in given if own} - OPTIONS
    assert unknown == []


@pytest.mark.parametrize('name', [one for one in DOCUMENTS if one.startswith(('docs/', 'README'))])
def test_the_local_juju_takes_a_command_of_juju(name: str) -> None:
    """So the flags are Juju's too; what it refuses by name is a command of Juju all the same."""
    faults: list[str] = []
    for _, command, *words in commands((ROOT / name).read_text()):
        if command in refusals.COMMANDS or '…' in words:
            continue
        try:
            commandline.Arguments.parse(words, GRAMMARS[command])
        except (KeyError, commandline.UsageError) as error:
            faults.append(f'juju {command}: {error}')
    assert faults == []
