"""The hook tools: what they print, what they refuse and how, and what they leave behind."""

import json

import pytest
from world import World, charm

from localjuju.controller import statusview
from localjuju.model import hooktools
from localjuju.model.charmmeta import Option
from localjuju.model.toolargs import Arguments, Flags, UsageError, parse_mapping, render

CHARM = charm(
    'wordpress',
    provides={'web': 'http'},
    requires={'db': 'sql'},
    peers={'peers': 'p'},
    resources={'image': 'registry/image:1'},
    options={
        'color': Option('color', 'string', 'red'),
        'size': Option('size', 'int', 3),
        'ratio': Option('ratio', 'float', 0.5),
        'loud': Option('loud', 'boolean', False),
        'absent': Option('absent', 'string'),
    },
)


@pytest.fixture
def world() -> World:
    world = World()
    world.deploy('a', CHARM, scale=2)
    world.deploy('b', charm('mysql', provides={'db': 'sql'}))
    world.model.integrate('a:db', 'b:db')
    world.settle()
    for number, unit in enumerate(world.model.units()):
        unit.address = f'10.1.0.{number + 2}'
        unit.workload.since = 0.0
    world.settle()
    world.forget()
    return world


# What is printed: tool, arguments, exact stdout

NETWORK = (
    '{"bind-addresses":[{"addresses":[{"cidr":"","hostname":"","value":"10.1.0.2"}],'
    '"interface-name":"eth0","mac-address":""}],"egress-subnets":["10.152.183.20/32"],'
    '"ingress-addresses":["10.152.183.20"]}\n'
)
J = '--format=json'


@pytest.mark.parametrize(
    ('argv', 'stdout'),
    [
        (['config-get', J], '{"color":"red","loud":false,"ratio":0.5,"size":3}\n'),
        (['config-get', J, 'size'], '3\n'),
        (['config-get', J, 'absent'], 'null\n'),
        (['config-get', 'absent'], ''),
        (['is-leader', J], 'true\n'),
        (['is-leader'], 'True\n'),
        (['relation-ids', 'db', J], '["db:1"]\n'),
        (['relation-ids', 'web', J], '[]\n'),
        (['relation-ids', 'db'], 'db:1\n'),
        (['relation-list', J, '-r', 'db:1'], '["b/0"]\n'),
        (['relation-list', J, '-r', 'peers:0'], '["a/1"]\n'),
        (['relation-list', J, '--app', '-r', 'db:1'], '"b"\n'),
        (['relation-list', J, '--app', '-r', 'peers:0'], '"a"\n'),
        (['relation-get', J, '-r', '1', '--app', '-', 'b'], '{}\n'),
        (['relation-get', J, '-r', '1', 'ingress-address', 'b/0'], '"10.152.183.21"\n'),
        (['relation-get', '-r', '1', 'ingress-address', 'b/0'], '10.152.183.21\n'),
        (['relation-get', J, '-r', '1', 'nothing', 'b/0'], 'null\n'),
        (
            ['relation-model-get', J, '-r', 'db:1'],
            '{"uuid":"00000000-0000-4000-8000-000000000000"}\n',
        ),
        (['network-get', J, 'db'], NETWORK),
        (['network-get', J, '-r', '1', 'db'], NETWORK),
        (['network-get', J, 'peers'], NETWORK),
        (['network-get', '--bind-address', 'db'], '10.1.0.2\n'),
        (['network-get', '--ingress-address', 'db'], '10.152.183.20\n'),
        (['unit-get', 'private-address'], '10.1.0.2\n'),
        (['opened-ports', J], '[]\n'),
        (['storage-list', J], '[]\n'),
        (['state-get', J], '{}\n'),
        (['secret-ids', J], '[]\n'),
        (
            ['resource-get', 'image'],
            '/var/lib/juju/agents/unit-a-0/resources/image/content.yaml\n',
        ),
        (
            ['status-get', '--include-data', J, '--application=false'],
            '{"message":"","status":"unknown","status-data":{}}\n',
        ),
        (['status-get'], 'unknown\n'),
    ],
)
def test_prints(world: World, argv, stdout):
    world.in_hook('a/0', lambda hook: _equal(hook.ok(*argv), stdout))


def _equal(one, other):
    assert one == other


# What is refused: unit, tool and arguments, code, exact stderr without "ERROR "


@pytest.mark.parametrize(
    ('unit', 'argv', 'code', 'stderr'),
    [
        (
            'a/1',
            ['status-set', '--application=True', 'active'],
            1,
            'setting application status: this unit is not the leader',
        ),
        (
            'a/1',
            ['status-get', '--include-data', J, '--application=true'],
            1,
            'finding application status: this unit is not the leader',
        ),
        (
            'a/0',
            ['status-set', 'dancing'],
            2,
            'invalid status "dancing", expected one of [maintenance blocked waiting active]',
        ),
        ('a/0', ['network-get', J, 'x'], 1, 'no network config found for binding "x"'),
        ('a/0', ['relation-list', J], 2, 'no relation id specified'),
        ('a/0', ['relation-get', '-r', '1', '-'], 2, 'no unit or application specified'),
        ('a/0', ['config-get', '--frmat=json'], 2, 'option provided but not defined: --frmat'),
        ('a/0', ['config-get', '--format'], 2, 'option needs an argument: --format'),
        ('a/0', ['open-port', '99999/tcp'], 2, 'invalid port range "99999/tcp"'),
        ('a/0', ['open-port', '80/sctp'], 2, 'invalid port range "80/sctp"'),
        ('a/0', ['open-port', '--endpoints', 'x', '80'], 1, 'endpoint "x" not found'),
        ('a/0', ['action-get', J], 1, 'action-get: not running an action'),
        ('a/0', ['action-set', 'k=v'], 1, 'action-set: not running an action'),
        ('a/0', ['action-log', 'x'], 1, 'action-log: not running an action'),
        ('a/0', ['action-fail'], 1, 'action-fail: not running an action'),
        ('a/0', ['relation-set', '-r', '1', 'k'], 2, 'expected "key=value", got "k"'),
        (
            'a/0',
            ['juju-reboot'],
            1,
            'juju-reboot is not supported when running units on Kubernetes',
        ),
        ('a/0', ['pod-spec-set'], 1, 'pod-spec-set is not supported by the local Juju'),
        (
            'a/0',
            ['storage-get', J, '-s', 'data/0'],
            2,
            'invalid value "data/0" for option -s: storage not found',
        ),
    ],
)
def test_refuses(world: World, unit, argv, code, stderr):
    def call(hook):
        result = hook.run(*argv)
        assert (result.code, result.stdout) == (code, '')
        assert result.stderr == f'ERROR {stderr}\n'

    world.in_hook(unit, call)


def test_a_context_that_is_over_is_refused(world: World):
    contexts = []
    world.in_hook('a/0', contexts.append)
    result = contexts[0].run('is-leader')
    assert result.code == 1
    assert result.stderr.startswith('ERROR unknown context')


def test_all_tools_of_ops_are_there():
    missing = {
        'action-fail', 'action-get', 'action-log', 'action-set', 'application-version-set',
        'close-port', 'config-get', 'credential-get', 'goal-state', 'is-leader', 'juju-log',
        'juju-reboot', 'network-get', 'open-port', 'opened-ports', 'relation-get', 'relation-ids',
        'relation-list', 'relation-model-get', 'relation-set', 'resource-get', 'secret-add',
        'secret-get', 'secret-grant', 'secret-ids', 'secret-info-get', 'secret-remove',
        'secret-revoke', 'secret-set', 'state-delete', 'state-get', 'state-set', 'status-get',
        'status-set', 'storage-add', 'storage-get', 'storage-list',
    } - set(hooktools.NAMES)  # fmt: skip
    assert not missing


# Statuses


def test_a_unit_sets_its_status_and_the_leader_the_applications(world: World):
    def call(hook):
        hook.ok('status-set', '--application=False', 'waiting', '--', 'for --flags')
        hook.ok('status-set', '--application=True', 'active', '--', '')

    world.in_hook('a/0', call)
    unit, app = world.model.unit('a/0'), world.model.application('a')
    assert (unit.workload.current, unit.workload.message) == ('waiting', 'for --flags')
    assert app.status is not None
    assert app.status.current == 'active'


def test_the_same_status_again_keeps_its_time(world: World):
    world.in_hook('a/0', lambda hook: hook.ok('status-set', 'active'))
    before = world.model.unit('a/0').workload
    world.in_hook('a/0', lambda hook: hook.ok('status-set', 'active'))
    assert world.model.unit('a/0').workload is before


def test_the_application_status_holds_its_units(world: World):
    def call(hook):
        shown = hook.json('status-get', '--include-data', '--application=true')
        assert shown['application-status']['status'] == 'unknown'
        assert set(shown['application-status']['units']) == {'a/0', 'a/1'}

    world.in_hook('a/0', call)


def test_install_and_stop_set_a_status_and_start_without_one_is_unknown():
    world = World()
    world.deploy('a')
    unit = world.model.unit('a/0')
    seen = {}
    for hook in ('install', 'stop'):
        world.on('a/0', hook, lambda hook: seen.update({hook.event.kind: unit.workload}))
    world.settle()
    assert unit.workload.current == 'unknown'
    world.model.set_scale(world.model.application('a'), 0)
    world.settle()
    assert {kind: (s.current, s.message) for kind, s in seen.items()} == {
        'install': ('maintenance', 'installing charm software'),
        'stop': ('maintenance', 'stopping charm software'),
    }


def test_a_failed_hook_shows_as_the_units_status(world: World):
    world.once('a/0', 'update-status', lambda hook: 1)
    world.model.unit('a/0').update_status_due = True
    world.settle()
    shown = statusview.status(world.model, world.changes.generation)['applications']['a']
    for status in (shown['units']['a/0']['workload-status'], shown['application-status']):
        assert status['current'] == 'error'
        assert status['message'] == 'hook failed: "update-status"'


# Ports


def test_ports_open_and_close_at_the_hooks_end(world: World):
    def opens(hook):
        for port in ('80/tcp', '8080', '9000-9010/udp', 'icmp'):
            hook.ok('open-port', port)
        assert hook.json('opened-ports') == []

    def closes(hook):
        assert hook.json('opened-ports') == ['icmp', '80/tcp', '8080/tcp', '9000-9010/udp']
        hook.ok('close-port', '80/tcp')

    world.in_hook('a/0', opens)
    world.in_hook('a/0', closes)

    def looks(hook):
        assert hook.json('opened-ports') == ['icmp', '8080/tcp', '9000-9010/udp']
        assert hook.json('opened-ports', '--endpoints')[0] == 'icmp (*)'

    world.in_hook('a/0', looks)


# State


def test_state_is_kept(world: World):
    def writes(hook):
        hook.ok('state-set', '--file', '-', stdin='{"a": "1", "b": "2"}')
        assert hook.json('state-get') == {'a': '1', 'b': '2'}
        hook.ok('state-delete', 'a')
        assert hook.json('state-get', 'a') is None

    world.in_hook('a/0', writes)
    world.in_hook('a/0', lambda hook: _equal(hook.json('state-get'), {'b': '2'}))


# Goal state


def test_goal_state_counts_the_dying_as_dying(world: World):
    seen = {}
    world.model.set_scale(world.model.application('a'), 1)

    def look(hook):
        seen.update(hook.json('goal-state'))

    world.once('a/0', 'peers-relation-departed', look)
    world.settle()
    assert seen['units']['a/0']['status'] == 'unknown'
    assert seen['units']['a/0']['since'] == '1970-01-01T00:00:00Z'
    assert seen['units']['a/1']['status'] == 'dying'
    assert set(seen['relations']['db']) == {'b', 'b/0'}


# Actions


def test_an_action_gets_its_parameters_and_gives_results(world: World):
    def act(hook):
        assert hook.json('action-get') == {'name': 'x', 'deep': {'er': 1}}
        assert hook.json('action-get', 'deep.er') == 1
        hook.ok('action-set', 'a.b=1', 'a.c=2', 'd=three')
        hook.ok('action-log', '--', 'half way')

    world.on('a/0', 'actions/greet', act)
    unit = world.model.unit('a/0')
    task = world.model.add_task(unit, 'greet', {'name': 'x', 'deep': {'er': 1}})
    world.settle()
    assert task.status == 'completed'
    assert task.results == {'a': {'b': '1', 'c': '2'}, 'd': 'three', 'return-code': 0}
    assert task.log[0].endswith('half way')
    env = world.envs['a/0'][-1]
    assert env['JUJU_HOOK_NAME'] == ''
    assert env['JUJU_DISPATCH_PATH'] == 'actions/greet'
    assert env['JUJU_ACTION_NAME'] == 'greet'


def test_an_action_can_fail(world: World):
    world.on('a/0', 'actions/greet', lambda hook: hook.ok('action-fail', '--', 'no'))
    task = world.model.add_task(world.model.unit('a/0'), 'greet')
    world.settle()
    assert (task.status, task.message) == ('failed', 'no')


def test_an_action_that_crashes_writes_nothing_and_leaves_no_error(world: World):
    def crash(hook):
        hook.set(1, {'k': 'v'})
        return 1

    world.on('a/0', 'actions/greet', crash)
    task = world.model.add_task(world.model.unit('a/0'), 'greet')
    world.settle()
    assert task.status == 'failed'
    assert world.model.unit('a/0').failed is None
    assert 'k' not in world.model.relations[1].data['a/0']


@pytest.mark.parametrize(
    ('assignment', 'why'),
    [
        ('stdout=x', 'cannot set reserved action key "stdout"'),
        (
            'Big=x',
            (
                'key "Big" must start and end with lowercase alphanumeric, '
                'and contain only lowercase alphanumeric, hyphens and periods'
            ),
        ),
    ],
)
def test_an_action_result_is_refused(world: World, assignment, why):
    seen = []
    world.on('a/0', 'actions/greet', lambda h: seen.append(h.run('action-set', assignment)))
    world.model.add_task(world.model.unit('a/0'), 'greet')
    world.settle()
    assert seen[0].stderr == f'ERROR {why}\n'


# Environment


def test_the_environment_of_a_relation_event(world: World):
    world.model.relations[1].write('b/0', {'k': 'v'})
    world.settle()
    env = world.envs['a/0'][-1]
    expected = {
        'JUJU_CHARM_DIR': '/var/lib/juju/agents/unit-a-0/charm',
        'JUJU_HOOK_NAME': 'db-relation-changed',
        'JUJU_DISPATCH_PATH': 'hooks/db-relation-changed',
        'JUJU_UNIT_NAME': 'a/0',
        'JUJU_MODEL_NAME': 'm',
        'JUJU_RELATION': 'db',
        'JUJU_RELATION_ID': 'db:1',
        'JUJU_REMOTE_APP': 'b',
        'JUJU_REMOTE_UNIT': 'b/0',
    }
    assert {k: env[k] for k in expected} == expected
    assert 'JUJU_DEPARTING_UNIT' not in env
    assert env['JUJU_VERSION'].startswith('3.6.')


def test_ops_understands_the_environment(world: World):
    jujucontext = pytest.importorskip('ops.jujucontext')
    world.model.set_scale(world.model.application('a'), 1)
    world.settle()
    departed = next(e for e in world.envs['a/1'] if 'JUJU_DEPARTING_UNIT' in e)
    context = jujucontext.JujuContext.from_environ(departed)
    assert context.relation_departing_unit_name == 'a/1'
    assert context.relation_id in (0, 1)


# Counting


def test_tools_are_counted(world: World):
    def call(hook):
        hook.ok('is-leader')
        hook.ok('juju-log', '--log-level', 'WARNING', '--', 'careful')
        hook.ok('juju-log', 'x')

    world.in_hook('a/0', call)
    entry = world.stats[-1]
    assert (entry['unit'], entry['hook'], entry['exit']) == ('a/0', 'update-status', 0)
    assert entry['tools'] == {'is-leader': 1, 'juju-log': 2}
    assert ('WARNING', 'unit.a/0.juju-log', 'careful') in world.log


# Arguments and formats

FLAGS = Flags(frozenset({'r', 'format', 'file'}), frozenset({'app'}))


@pytest.mark.parametrize(
    ('argv', 'positional', 'options'),
    [
        (['a', '-r', '1', 'b'], ['a', 'b'], {'r': '1'}),
        (['--app', '-r=1'], [], {'app': 'true', 'r': '1'}),
        (['--app=False'], [], {'app': 'False'}),
        (['-', 'a'], ['-', 'a'], {}),
        (['--file', '-'], [], {'file': '-'}),
        (['--', '-r', '1'], ['-r', '1'], {}),
    ],
)
def test_arguments_are_parsed_as_by_gnuflag(argv, positional, options):
    arguments = Arguments.parse(argv, FLAGS, '', {})
    assert (arguments.positional, arguments.options) == (positional, options)


def test_a_switch_is_a_boolean():
    assert not Arguments.parse(['--app=False'], FLAGS, '', {}).switch('app')
    with pytest.raises(UsageError, match='invalid value "maybe"'):
        Arguments.parse(['--app=maybe'], FLAGS, '', {})


def test_files_are_read_by_the_client():
    arguments = Arguments.parse(['k#file=/x', 'l=m'], FLAGS, '', {'/x': 'content'})
    assert arguments.pairs() == {'k': 'content', 'l': 'm'}


@pytest.mark.parametrize(
    ('value', 'form', 'text'),
    [
        ({'a': [1]}, 'json', '{"a":[1]}\n'),
        ({'a': 'b'}, '', 'a: b\n'),
        ({'a': 'b'}, 'yaml', 'a: b\n'),
        (None, 'json', 'null\n'),
        (None, '', ''),
        (['x', 'y'], 'smart', 'x\ny\n'),
        (True, '', 'True\n'),
    ],
)
def test_results_are_rendered(value, form, text):
    assert render(value, form) == text


def test_an_unknown_format_is_refused():
    with pytest.raises(UsageError, match='unknown format "xml"'):
        render({}, 'xml')


def test_databag_values_are_text():
    assert parse_mapping(json.dumps({'a': 'b'})) == {'a': 'b'}
    assert parse_mapping('a: 1\nb: true\nc:\n') == {'a': '1', 'b': 'true', 'c': ''}
    for wrong in ('[1]', '{"a": {"b": 1}}'):
        with pytest.raises(Exception, match='unmarshal'):
            parse_mapping(wrong)
