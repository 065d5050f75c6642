"""The `juju` program: its arguments, its tables, what it refuses."""

import contextlib
import socket
import tempfile
from pathlib import Path

import pytest

from localjuju.cli import main as cli
from localjuju.cli import tables
from localjuju.cli.commandline import Arguments, Grammar, UsageError, pairs, seconds
from localjuju.common import offerurl, paths, registry

GRAMMAR = Grammar(
    options='n|num-units config',
    switches='trust',
    ignored='force to-ignore=',
    refused='to= dry-run',
    reasons={'to': 'why'},
)


@pytest.mark.parametrize(
    ('argv', 'positional', 'options', 'switches'),
    [
        (['./x.charm', 'app', '-n', '2'], ['./x.charm', 'app'], {'num-units': ['2']}, set()),
        (['--num-units=2', 'x'], ['x'], {'num-units': ['2']}, set()),
        (['--config', 'a=b', '--config', 'c=d'], [], {'config': ['a=b', 'c=d']}, set()),
        (
            ['--model', 'm', '--trust', '--force', '--to-ignore', '1'],
            [],
            {'model': ['m']},
            {'trust'},
        ),
        (['--', '-n'], ['-n'], {}, set()),
        (['--trust', '--trust=false', 'x'], ['x'], {}, set()),
        (['--to', 'x', 'y', '--quiet'], ['y'], {}, set()),
    ],
)
def test_arguments_are_parsed(argv, positional, options, switches):
    arguments = Arguments.parse(argv, GRAMMAR)
    assert arguments.positional == positional
    assert arguments.options == options
    assert arguments.switches == switches


def test_a_refused_flag_is_named_with_its_reason():
    arguments = Arguments.parse(['--dry-run=false', '--to', '1'], GRAMMAR)
    with pytest.raises(UsageError, match='option --to is not supported by the local Juju: why'):
        arguments.refuse()
    Arguments.parse(['--dry-run=false'], GRAMMAR).refuse()


def test_after_its_first_argument_a_command_for_a_shell_is_left_alone():
    arguments = Arguments.parse(['-m', 'm', 'app/0', 'ls', '-l'], Grammar(interspersed=False))
    assert arguments.positional == ['app/0', 'ls', '-l']


@pytest.mark.parametrize(
    ('argv', 'why'),
    [
        (
            ['deploy', './x', '--to', '1'],
            'option --to is not supported by the local Juju: there is',
        ),
        (['deploy', './x', '--to=1', '--bogus'], 'option --bogus is not supported'),
        (['deploy', './x', '--trust=maybe'], 'invalid value "maybe" for option --trust'),
        (['deploy'], 'no charm specified'),
        (
            ['deploy', './x', '--attach-storage', 'd/0'],
            'option --attach-storage is not supported by the local Juju: Juju',
        ),
        (
            ['add-unit', 'app', '--attach-storage', 'd/0'],
            'option --attach-storage is not supported',
        ),
        (['remove-unit', 'app', '--destroy-storage'], 'on Kubernetes there is only --num-units'),
        (['add-storage', 'app/0', 'data=1G'], 'Juju cannot do it on container models'),
        (['detach-storage', 'data/0', '--force'], 'Juju cannot do it on container models'),
        (['remove-storage', 'data/0', '--force'], 'on container models Juju cannot'),
        (['remove-storage', 'data/0', '--no-destroy'], '--no-destroy is not supported'),
        (['show-storage'], 'no storage id specified'),
        (
            ['destroy-model', 'm', '--destroy-storage', '--release-storage'],
            '--destroy-storage and --release-storage cannot both be specified',
        ),
        (['--debug', 'deploy'], 'no charm specified'),
        (['bootstrap', 'x', 'y'], 'juju bootstrap is not supported by the local Juju: there are'),
        (['nonesuch'], 'juju: "nonesuch" is not a juju command. See "juju --help".'),
        (['help', 'nonesuch'], 'juju: "nonesuch" is not a juju command. See "juju --help".'),
        (['scale-application', 'a', '²'], 'couldn\'t parse "²" as an integer'),
        (['config', '-m', 'm', 'a', 'k=@/nowhere'], 'cannot read /nowhere: No such file'),
        (['status', b'\xff'.decode(errors='surrogateescape')], "argument '\\udcff' is not UTF-8"),
        (['suspend-relation', '1'], 'juju suspend-relation is not supported by the local Juju'),
        (['integrate', 'a', 'm.b', '--via', '10.0.0.0/8'], 'option --via is not supported'),
        (['offer', 'x'], 'endpoints must conform to format'),
        (['offer', 'm.x:'], 'endpoints must conform to format'),
        (['offer', 'x:y'], 'no model in focus'),
        (
            ['show-offer', 'other:m.x'],
            'controller other not found: the local Juju has only localjuju',
        ),
        (['show-offer', 'bob/m.x'], 'user "bob" not found'),
        (['show-offer', 'm/x'], 'application offer URL "m/x" not valid'),
        (['find-offers'], 'no matching application offers found'),
        (['remove-unit', 'app/0'], 'application name must be specified'),
        (['remove-unit', 'app'], 'specify the number of units'),
        (['ssh', 'app/0'], 'an interactive ssh is not supported'),
        (['status', '--format', 'xml'], 'format "xml" is not supported'),
        (['status', '-m', 'none'], 'model "none" not found'),
        (['status'], 'no model in focus'),
        (['exec', 'ls'], 'You must specify a target'),
        (['run', 'app', 'act'], 'invalid unit name "app"'),
        (['run', 'app/0'], 'no action specified'),
        (['trust', 'app'], 'needs --scope=cluster'),
        (['add-unit', 'app', '-n', 'two'], 'invalid value "two" for option --num-units'),
    ],
)
def test_what_is_not_possible_is_named(argv, why, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('LOCALJUJU_HOME', str(tmp_path))
    monkeypatch.delenv('JUJU_MODEL', raising=False)
    if argv[0] in ('run', 'add-unit', 'remove-unit', 'trust', 'exec') or '--format' in argv:
        argv = [argv[0], '-m', 'none', *argv[1:]]
    with pytest.raises(SystemExit) as exited:
        cli.main(argv)
    assert exited.value.code == 1
    said = capsys.readouterr()
    assert said.err.startswith('ERROR ')
    assert why in said.err
    assert said.out == ''


def test_a_dead_model_says_so_and_is_cleaned_up(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('LOCALJUJU_HOME', str(tmp_path))
    registry.make_folder('m')
    registry.switch('m')
    for why in ('model "m" is dead', 'no model in focus'):
        with pytest.raises(SystemExit):
            cli.main(['status'])
        assert why in capsys.readouterr().err
    assert not registry.folder('m').exists()


@pytest.mark.parametrize(
    ('name', 'why'), [('Big', 'not a valid name'), ('x' * 100, 'too long for a socket')]
)
def test_a_models_name_is_checked(name, why, tmp_path, monkeypatch):
    monkeypatch.setenv('LOCALJUJU_HOME', str(tmp_path))
    with pytest.raises(registry.RegistryError, match=why):
        registry.make_folder(name)


@pytest.mark.parametrize('reference', ['m', 'admin/m', 'ctl:m', 'ctl:admin/m'])
def test_a_models_name_may_come_with_controller_and_user(reference):
    assert registry.bare_name(reference) == 'm'


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('9' * 400 + 'h', 1e6),
        ('60s', 60),
        ('2.5s', 2.5),
        ('1m30s', 90),
        ('1h', 3600),
        ('5ms', 0.005),
    ],
)
def test_durations(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize('text', ['', '5', 's', '5 s', '5x'])
def test_no_durations(text):
    with pytest.raises(UsageError, match='invalid duration'):
        seconds(text)


def test_values_may_come_from_a_file(tmp_path):
    (tmp_path / 'v').write_text('text')
    assert pairs(['a=b=c', f'd=@{tmp_path}/v'], files=True) == {'a': 'b=c', 'd': 'text'}
    assert pairs(['a=@b']) == {'a': '@b'}
    with pytest.raises(UsageError, match='expected "key=value"'):
        pairs(['a'])
    (tmp_path / 'v').write_bytes(b'\xff\xfe')
    with pytest.raises(UsageError, match='v: it is not text'):
        pairs([f'd=@{tmp_path}/v'], files=True)


def test_results_of_actions_are_printed_as_a_tree():
    results = {'a': {'b': '1'}, 'text': 'one\ntwo\n', 'c': 'x\n'}
    assert tables.tree(results) == 'a:\n  b: 1\ntext: |\n  one\n  two\nc: x\n'


UNIT = {
    'workload-status': {'current': 'active', 'message': 'fine'},
    'juju-status': {'current': 'idle'},
    'leader': True,
    'address': '10.1.0.2',
    'open-ports': ['80/tcp', '81/tcp'],
}
STATUS = {
    'model': {
        'name': 'm', 'controller': 'localjuju', 'cloud': 'local', 'region': 'localhost',
        'version': '3.6.12', 'sla': 'unsupported',
    },
    'controller': {'timestamp': '12:00:00Z'},
    'applications': {
        'web': {
            'application-status': {'current': 'active'},
            'units': {'web/0': UNIT},
            'scale': 2,
            'charm-name': 'web-k8s',
            'charm-rev': 0,
            'address': '10.152.183.20',
            'exposed': False,
        },
    },
}  # fmt: skip


def test_offers_and_what_is_consumed_have_tables():
    endpoints = {
        'db': {'interface': 'sql', 'role': 'provider'},
        'log': {'interface': 'text', 'role': 'requirer'},
    }
    more = {
        'application-endpoints': {
            'store': {
                'url': 'localjuju:admin/cos.loki',
                'application-status': {'current': 'active'},
            }
        },
        'offers': {
            'web': {
                'application': 'w', 'charm': 'local:web-k8s-3', 'active-connected-count': 1,
                'total-connected-count': 2, 'endpoints': endpoints,
            },
        },
    }  # fmt: skip
    tables_shown = tables.status({**STATUS, **more}).split('\n\n')
    assert tables_shown[1] == (
        'SAAS   Status  Store      URL\nstore  active  localjuju  admin/cos.loki'
    )
    assert tables_shown[-1] == (
        'Offer  Application  Charm    Rev  Connected  Endpoint  Interface  Role\n'
        'web    w            web-k8s  3    1/2        db        sql        provider\n'
        '                                             log       text       requirer\n'
    )
    only = {**STATUS, **more, 'applications': {}}
    assert 'admin/cos.loki' in tables.status(only)


@pytest.mark.parametrize(
    ('text', 'url'),
    [
        ('m.o', ('m', 'o', '')),
        ('admin/m.o', ('m', 'o', '')),
        ('localjuju:admin/m.o', ('m', 'o', '')),
        ('localjuju:m-1.o-2:ep', ('m-1', 'o-2', 'ep')),
    ],
)
def test_the_address_of_an_offer(text, url):
    assert offerurl.parse(text) == url
    assert str(offerurl.parse(text)) == f'admin/{url[0]}.{url[1]}'


def test_models_get_different_numbers_and_dead_ones_return_theirs(tmp_path, monkeypatch):
    monkeypatch.setenv('LOCALJUJU_HOME', str(tmp_path))
    for name in 'a', 'b':
        registry.make_folder(name)
    assert (registry.number('a'), registry.number('b')) == (1, 2)
    registry.forget('a')
    registry.make_folder('c')
    assert registry.number('c') == 1
    registry.control_socket('b').touch()  # nobody answers there: it is dead
    registry.make_folder('d')
    assert registry.number('d') == 2


def test_the_status_table():
    relation = {
        'provider': 'web:db', 'requirer': 'c:db', 'interface': 'sql', 'type': 'regular',
        'message': '',
    }  # fmt: skip
    assert tables.status(STATUS, [relation]) == (
        'Model  Controller  Cloud/Region     Version  SLA          Timestamp\n'
        'm      localjuju   local/localhost  3.6.12   unsupported  12:00:00Z\n'
        '\n'
        'App  Version  Status  Scale  Charm    Channel  Rev  Address        Exposed  Message\n'
        'web           active    1/2  web-k8s             0  10.152.183.20  no\n'
        '\n'
        'Unit    Workload  Agent  Address   Ports          Message\n'
        'web/0*  active    idle   10.1.0.2  80/tcp,81/tcp  fine\n'
        '\n'
        'Integration provider  Requirer  Interface  Type     Message\n'
        'web:db                c:db      sql        regular\n'
    )


# Models of several checkouts


def test_checkouts_have_models_of_one_name_and_each_its_current_one(monkeypatch):
    monkeypatch.delenv('LOCALJUJU_HOME', raising=False)
    with contextlib.ExitStack() as stack:
        runtime = stack.enter_context(tempfile.TemporaryDirectory())  # short, for the socket
        monkeypatch.setenv('XDG_RUNTIME_DIR', runtime)
        for checkout in 'one', 'other':
            monkeypatch.setattr(paths, 'LOCALJUJU_DIR', Path('/src', checkout, 'localjuju'))
            assert registry.names() == []
            assert registry.current() == ''
            registry.make_folder('demo')
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(registry.control_socket('demo')))
            listener.listen()
            registry.switch('demo')
            assert registry.names() == ['demo']
        registry.forget('demo')
        monkeypatch.setattr(paths, 'LOCALJUJU_DIR', Path('/src/one/localjuju'))
        assert registry.names() == ['demo']
        assert registry.current() == 'demo'


UNIT_STORAGE = {
    'storage': {
        'data/10': {
            'kind': 'filesystem',
            'status': {'current': 'attached'},
            'attachments': {'units': {'web/10': {'location': '/srv'}}},
        },
        'data/2': {
            'kind': 'filesystem',
            'status': {'current': 'pending', 'message': 'soon'},
            'attachments': {'units': {'web/2': {'location': '/srv'}}},
        },
        'data/0': {'kind': 'filesystem', 'status': {'current': 'detached'}},
    },
    'filesystems': {
        '0': {'storage': 'data/0', 'size': 1536, 'provider-id': 'x',
              'status': {'current': 'detached'}},
        '2': {'storage': 'data/2', 'size': 500, 'provider-id': 'y',
              'status': {'current': 'pending', 'message': 'soon'},
              'attachments': {'containers': {'web/2': {'mount-point': '/srv'}}}},
        '10': {'storage': 'data/10', 'size': 20480, 'provider-id': 'z',
               'status': {'current': 'attached'},
               'attachments': {'containers': {'web/10': {'mount-point': '/srv'}}}},
    },
}  # fmt: skip


def test_the_storage_table():
    """Units in their order, what is detached last."""
    assert tables.storage(UNIT_STORAGE) == (
        'Unit    Storage ID  Type        Pool        Size     Status    Message\n'
        'web/2   data/2      filesystem  kubernetes  500 MiB  pending   soon\n'
        'web/10  data/10     filesystem  kubernetes  20 GiB   attached\n'
        '        data/0      filesystem  kubernetes  1.5 GiB  detached\n'
    )


def test_storage_in_the_status_table_shows_where_it_is():
    header, first, *_ = tables.storage(UNIT_STORAGE, in_status=True).splitlines()
    assert header.split('  ')[0] == 'Storage Unit'
    assert header.split().index('Mountpoint') == header.split().index('Pool') + 1
    assert first.split() == [
        'web/2', 'data/2', 'filesystem', 'kubernetes', '/srv', '500', 'MiB', 'pending', 'soon',
    ]  # fmt: skip


def test_the_table_of_file_systems():
    assert tables.filesystems(UNIT_STORAGE['filesystems']).splitlines()[:2] == [
        'Unit    Storage ID  ID  Provider ID  Mountpoint  Size     State     Message',
        '        data/0      0   x                        1.5 GiB  detached',
    ]
