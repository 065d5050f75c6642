"""The table of commands: it has all that Jubilant can issue, and the documents follow it."""

import ast
import os
import random
from collections.abc import Iterator
from pathlib import Path

import jubilant
import pytest
import pytest_jubilant
from serving import Program, serving

from localjuju.cli import documentation, program, refusals
from localjuju.common import paths

# What Jubilant and pytest-jubilant ask for


class Calls(ast.NodeVisitor):
    """The `juju` commands that a source can issue, and the flags of each.

    It follows the two ways in which they write a command: as arguments of ``cli`` and ``_cli``,
    and as a list that begins with the command and grows.
    """

    def __init__(self) -> None:
        self.found: dict[str, set[str]] = {}
        self._command = ''

    def _texts(self, nodes: list[ast.expr]) -> list[str]:
        constants = [node for node in nodes if isinstance(node, ast.Constant)]
        return [node.value for node in constants if isinstance(node.value, str)]

    def _flags(self, command: str, nodes: list[ast.expr]) -> None:
        flags = {text for text in self._texts(nodes) if text.startswith('-') and text != '--'}
        if command:
            self.found.setdefault(command, set()).update(flags)

    def visit_Assign(self, node: ast.Assign) -> None:
        match node.targets, node.value:
            case (
                [ast.Name(id='args' | 'cli_args')],
                ast.List(elts=[ast.Constant(value=str(command)), *rest]),
            ):
                self._command = command
                self._flags(command, rest)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute):
            match node.func.attr, node.args:
                case (('cli' | '_cli'), [ast.Constant(value=str(command)), *rest]):
                    self._flags(command, rest)
                case (('cli' | '_cli'), [ast.Starred(), *rest]):
                    self._flags(self._command, rest)
                case 'append', nodes:
                    self._flags(self._command, nodes)
                case 'extend', [ast.List(elts=nodes)]:
                    self._flags(self._command, nodes)
        self.generic_visit(node)


def calls(source: str) -> dict[str, set[str]]:
    visitor = Calls()
    visitor.visit(ast.parse(source))
    return visitor.found


def issued() -> Iterator[tuple[str, str]]:
    """Each command that the installed packages can issue, with each of its flags."""
    for package in jubilant, pytest_jubilant:
        for source in sorted(Path(package.__path__[0]).rglob('*.py')):
            for command, flags in calls(source.read_text()).items():
                yield from ((command, flag) for flag in sorted({'--model', *flags}))


def test_the_walk_finds_commands_and_flags():
    source = """
def f(self):
    args = ['deploy', '--force', charm]
    if to:
        args.extend(['--to', to])
    args.append('--trust')
    self.cli(*args, '--last')
    self.cli('status', '--format', 'json')
"""
    assert calls(source) == {
        'deploy': {'--force', '--to', '--trust', '--last'}, 'status': {'--format'},
    }  # fmt: skip


def test_the_walk_finds_what_the_packages_are_known_to_issue():
    found = set(issued())
    assert {command for command, _ in found} >= {
        'add-model', 'bootstrap', 'deploy', 'set-model-constraints', 'scp', 'switch', 'offer',
    }  # fmt: skip
    assert {
        ('deploy', '--attach-storage'), ('deploy', '--revision'), ('run', '--params'),
        ('secrets', '--owner'), ('refresh', '--force-base'), ('update-cloud', '-f'),
        ('destroy-model', '--release-storage'), ('exec', '--machine'),
    } <= found  # fmt: skip


@pytest.mark.parametrize(('command', 'flag'), sorted(set(issued())))
def test_what_jubilant_can_issue_is_done_or_refused_by_name(command, flag):
    if command not in program.COMMANDS:
        assert command in refusals.COMMANDS
        return
    _, grammar = program.COMMANDS[command]
    names = {name: known for known in grammar.flags() for name in known.names}
    assert flag.lstrip('-') in names


# The documents


def test_every_command_has_a_help_that_names_all_its_flags(capsys):
    juju = Program(capsys)
    for name, (_, grammar) in program.COMMANDS.items():
        said = juju(name, '--help')
        assert said.code == 0
        assert said.out.startswith(f'Usage: juju {name} [options]')
        assert said == juju('help', name)
        for flag in grammar.flags():
            assert f'  {flag}' in said.out


def test_a_refused_command_has_a_help_that_says_why(capsys):
    juju = Program(capsys)
    said = juju('bootstrap', '--help')
    assert said.code == 0
    assert said.out.startswith('juju bootstrap is not supported by the local Juju: there are no')


def test_the_program_tells_what_it_supports(capsys):
    juju = Program(capsys)
    assert juju().out == juju('--help').out == juju('help').out
    lines = juju().out.splitlines()
    assert any(line.startswith('  deploy ') for line in lines)
    assert not any('bootstrap' in line for line in lines)


@pytest.mark.parametrize('name', sorted(program.COMMANDS))
def test_a_refused_flag_has_a_reason(name):
    _, grammar = program.COMMANDS[name]
    known = {**refusals.FLAGS, **grammar.reasons}
    assert [f.name for f in grammar.flags() if f.fate == 'refused' and f.name not in known] == []


def test_no_flag_of_a_command_is_listed_twice():
    for name, (_, grammar) in program.COMMANDS.items():
        names = [each for flag in grammar.flags() for each in flag.names]
        assert sorted(set(names)) == sorted(names), name


def test_the_document_is_up_to_date():
    """With ``GOLDEN=write`` in the environment, it is written."""
    path = paths.LOCALJUJU_DIR / 'docs' / 'commands.md'
    if os.environ.get('GOLDEN') == 'write':
        path.parent.mkdir(exist_ok=True)
        path.write_text(documentation.markdown())
    assert path.read_text() == documentation.markdown()


# Garbage


@pytest.fixture
def juju(tmp_path: Path, monkeypatch, capsys) -> Iterator[Program]:
    """On a model with an application, in a folder with files of several kinds."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'text').write_text('a: [')
    (tmp_path / 'list.yaml').write_text('- 1\n- {2: 3}\n')
    (tmp_path / 'binary').write_bytes(bytes(range(256)))
    with serving(tmp_path, monkeypatch, capsys) as running:
        running('deploy', running.running.charm, 'a')
        running.running.settle()
        yield running


_WORDS = [
    '', ' ', '-', '--', '---', '=', '-=', '--=x', 'a', 'a/0', 'a/', '/0', '/', 'a/-1', 'a/leader',
    'b', 'b/9', ':', 'a:', ':a', 'a:in', 'a:nonesuch', 'admin/m', 'm', 'm:', 'ctl:admin/m.a', '.',
    './text', './binary', './list.yaml', 'text', '../..', '0', '-1', '99999999999999999999', '²',
    '1e9', 'x=', '=x', 'x=y', 'x=@', 'x=@binary', 'x=@text', 'x#file=binary', 'key#base64=%',
    'key=x', 'greet', 'name=[', 'name={1: 2}', 'name.a=1', 'update-status-hook-interval=x', '\n',
    '\t', '\x1b[31m', '💥', 'ü', '%s%n', '*', '[', '?', '$(id)', 'x' * 5000, '"', "'", 'None',
    'null', 'application', 'color=', 'size=x', 'size=9' + '9' * 30, 'mem=1G', 'arch=x',
    'secret:x', 's',
]  # fmt: skip
#: With a value that makes sense by chance, these would wait for long.
_WAITING = ('--tail', '--wait', '--timeout')


def hostile(name: str, chosen: random.Random) -> list[str]:
    """Arguments for a command: its own flags and garbage, in any order."""
    _, grammar = program.COMMANDS[name]
    flags = [('-' if len(n) == 1 else '--') + n for f in grammar.flags() for n in f.names]
    flags = [flag for flag in flags if flag not in _WAITING]
    flags += ['--bogus', '--model=', '-m', '--format=json', '--format=x', '--wait=x']
    words = [w for w in _WORDS if not (name == 'destroy-model' and 'm' in w)]
    arguments = [chosen.choice(words) for _ in range(chosen.randrange(4))]
    for _ in range(chosen.randrange(3)):
        flag = chosen.choice(flags) + chosen.choice(['', '', f'={chosen.choice(words)}'])
        arguments.insert(chosen.randrange(len(arguments) + 1), flag)
    return arguments


@pytest.mark.parametrize('name', sorted(program.COMMANDS))
def test_garbage_gets_an_error_and_never_a_traceback(juju: Program, monkeypatch, name):
    if name == 'add-model':
        # Whatever gets that far would start a controller.
        monkeypatch.setattr('localjuju.pods.namespaces.launch', _refuse)
    chosen = random.Random(name)
    lists = [[word] for word in _WORDS if not (name == 'destroy-model' and 'm' in word)]
    lists += [['a/0', word] for word in _WORDS if name != 'destroy-model'] + [['--', '-r']]
    lists += [hostile(name, chosen) for _ in range(150)]
    for argv in lists:
        said = juju(name, '-m', 'm', *argv) if '-m' not in argv else juju(name, *argv)
        assert said.code in (0, 1) or name == 'ssh', argv
        assert 'Traceback' not in said.err, argv
        assert 'the local Juju failed' not in said.err, argv
        assert not said.code or name in ('ssh', 'exec') or said.err.startswith('ERROR '), argv


def _refuse(*_args: object) -> int:
    from localjuju.pods.namespaces import PodError

    raise PodError('cannot make namespaces: not in this test')
