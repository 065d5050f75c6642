"""nginx.conf: the whole text, and what a real nginx makes of it."""

import subprocess
from pathlib import Path

import pytest

import authority
import golden
import hostile
import nginxconf
import programs
from coordinator import scene
from coordinator.source import nginx_config, nginx_pod, nginx_upstream_tls, workload

GOLDEN = Path(__file__).parent / 'golden'

CASES = {
    'both-roles': {
        'upstreams': {'gate': ['b.example', 'a.example'], 'vault': ['10.0.0.1', 'fd00::1']},
        'resolvers': ['10.152.183.10'],
    },
    'no-workers': {'upstreams': {}, 'resolvers': ['10.152.183.10'], 'ipv6': False},
    'one-role': {
        'upstreams': {'vault': ['a.example']},
        'resolvers': ['10.152.183.10', 'fd00::53'],
        'log_level': 'error',
    },
    'behind-ingress': {
        'upstreams': {'gate': ['a.example']},
        'resolvers': ['10.152.183.10'],
        'behind_ingress': True,
    },
    'tls': {
        'upstreams': {'gate': ['a.example'], 'vault': ['b.example']},
        'resolvers': ['10.152.183.10'],
        'certificate': '/etc/nginx/tls-0123456789abcdef.pem',
    },
    'tls-and-plain': {
        'upstreams': {'gate': ['a.example']},
        'resolvers': ['10.152.183.10'],
        'certificate': '/etc/nginx/tls-0123456789abcdef.pem',
        'serves_plain': True,
    },
    'tls-to-workers': {
        'upstreams': {'gate': ['b.example', 'a.example'], 'vault': ['b.example']},
        'resolvers': ['10.152.183.10'],
        'certificate': '/etc/nginx/tls-0123456789abcdef.pem',
        'upstream_tls': nginx_upstream_tls.UpstreamTls(
            ca='/etc/nginx/tls-0123456789abcdef.pem',
            hosts={'fd00::b': 'b.example', '10.0.0.2': 'b.example', '10.0.0.1': 'a.example'},
        ),
    },
}


def config(
    upstreams,
    resolvers=('10.0.0.53',),
    ipv6=True,
    open_files=None,
    log_level='info',
    certificate='',
    serves_plain=False,
    upstream_tls=None,
    behind_ingress=False,
):
    return nginx_config.config(
        upstreams,
        workload=workload.WORKLOAD,
        pod=nginx_pod.Pod(tuple(resolvers), ipv6, open_files),
        log_level=log_level,
        certificate=certificate,
        serves_plain=serves_plain,
        upstream_tls=upstream_tls,
        behind_ingress=behind_ingress,
    )


@pytest.mark.parametrize('case', CASES)
def test_the_whole_configuration(case):
    golden.check(GOLDEN / f'{case}.nginx.conf', config(**CASES[case]))


@pytest.fixture(scope='session')
def real_nginx():
    """The command line of the nginx that the local Juju runs, on this machine."""
    return programs.command('nginx:1.30.4', '/usr/sbin/nginx')


def nginx_test(command, text, folder):
    """What `nginx -t` says of a configuration."""
    path = folder / 'nginx.conf'
    ca = authority.authority()
    certificate = folder / 'tls.pem'
    certificate.write_text(f'{ca.certificate}{ca.key}\n')
    text = text.replace('/etc/nginx/tls-0123456789abcdef.pem', str(certificate))
    # nginx makes these while it tests, by default in folders that only its own image has.
    scratch = [
        f'{kind}_temp_path {folder}/{kind};'
        for kind in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi')
    ]
    text = text.replace('http {', ' '.join(['http {', *scratch]), 1)
    path.write_text(text.replace('/tmp/nginx.pid', f'{folder}/pid', 1))
    return subprocess.run(
        [*command, '-t', '-q', '-p', str(folder), '-e', str(folder / 'log'), '-c', str(path)],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize('case', CASES)
def test_the_real_nginx_takes_the_configuration(case, real_nginx, tmp_path):
    done = nginx_test(real_nginx, config(**CASES[case]), tmp_path)
    assert done.stderr == ''
    assert done.returncode == 0


def test_the_real_nginx_takes_every_host_that_is_valid(real_nginx, tmp_path):
    done = nginx_test(real_nginx, config({'gate': list(hostile.HOSTS.values())}), tmp_path)
    assert done.stderr == ''
    assert done.returncode == 0


def test_the_real_nginx_takes_a_thousand_workers(real_nginx, tmp_path):
    hosts = [scene.host(f'worker/{number}') for number in range(1000)]
    done = nginx_test(real_nginx, config({'gate': hosts, 'vault': hosts}), tmp_path)
    assert done.stderr == ''
    assert done.returncode == 0


@pytest.mark.parametrize(
    'addresses',
    [
        ['10.1.{}.{}'],
        ['fd00:1234:5678:9abc:def0:1234:{}:{}'],
        [f'{n}.1.{{}}.{{}}' for n in range(10, 14)]
        + [f'fd00:1234:5678:9abc:def0:{n}:{{}}:{{}}' for n in range(1000, 1004)],
    ],
    ids=['v4', 'v6', 'eight-each'],
)
def test_the_real_nginx_looks_up_the_hosts_of_a_thousand_workers(real_nginx, tmp_path, addresses):
    """Without a word about the hash, which would be a warning."""
    hosts = [scene.host(f'worker/{number}') for number in range(1000)]
    known = {
        address.format(number // 200 + 1, number % 200 + 1): host
        for number, host in enumerate(hosts)
        for address in addresses
    }
    upstream_tls = nginx_upstream_tls.UpstreamTls(
        ca='/etc/nginx/tls-0123456789abcdef.pem', hosts=known
    )
    text = config({'gate': hosts}, upstream_tls=upstream_tls)
    assert text.count(f' {hosts[7]};') == len(addresses)
    done = nginx_test(real_nginx, text, tmp_path)
    assert done.stderr == ''
    assert done.returncode == 0


def test_the_order_of_the_workers_addresses_makes_no_other_configuration():
    hosts = {f'10.0.0.{n}': f'{n}.example' for n in range(9)}
    one, other = (
        config({'gate': ['a']}, upstream_tls=nginx_upstream_tls.UpstreamTls('/ca', known))
        for known in (hosts, dict(reversed(hosts.items())))
    )
    assert one == other


def test_the_real_nginx_takes_the_configuration_of_a_pod_without_resolv_conf(real_nginx, tmp_path):
    text = config({'gate': ['10.0.0.1']}, resolvers=nginx_pod.resolvers(''))
    done = nginx_test(real_nginx, text, tmp_path)
    assert done.stderr == ''
    assert done.returncode == 0


def test_the_real_nginx_refuses_a_certificate_that_is_not_its_keys(real_nginx, tmp_path):
    other = authority.authority('other').key
    certificate = tmp_path / 'other.pem'
    certificate.write_text(f'{authority.authority().certificate}{other}\n')
    text = config(**{**CASES['tls'], 'certificate': str(certificate)})
    done = nginx_test(real_nginx, text, tmp_path)
    assert 'key values mismatch' in done.stderr
    assert done.returncode == 1


def test_the_real_nginx_refuses_one_with_nobody_to_resolve_names(real_nginx, tmp_path):
    done = nginx_test(real_nginx, config({'gate': ['a']}, resolvers=()), tmp_path)
    assert done.returncode == 1


def test_hosts_are_rendered_once_and_in_one_order():
    given = {'gate': ['b', 'a', 'b', '::1'], 'vault': ['c']}
    other = {'vault': ['c'], 'gate': ['a', '::1', 'b']}
    assert config(given) == config(other)
    assert nginxconf.upstreams(config(given)) == {
        'vault': ['c:7070'],
        'gate': ['[::1]:7070', 'a:7070', 'b:7070'],
    }


@pytest.mark.parametrize(('workers', 'seconds'), [(0, 1), (3, 1), (199, 1), (250, 2), (1000, 10)])
def test_the_name_servers_are_spared_where_there_are_many_workers(workers, seconds):
    hosts = [f'h{number}' for number in range(workers)]
    text = config({'gate': hosts, 'vault': hosts})
    assert f' valid={seconds}s;' in text


def test_a_role_without_workers_has_no_upstream_and_says_so():
    text = config({'gate': ['a']})
    assert nginxconf.upstreams(text) == {'gate': ['a:7070']}
    assert 'return 503 \'{"error":"no worker has the role vault"}\';' in text
    assert 'no worker has the role gate' not in text


def test_a_role_that_no_path_leads_to_is_not_rendered():
    assert config({'gate': ['a'], 'other': ['b']}) == config({'gate': ['a']})


@pytest.mark.parametrize(
    ('upstream_tls', 'room'),
    [(None, '4256k'), (nginx_upstream_tls.UpstreamTls('/ca', {}), '8256k')],
)
def test_there_is_room_for_the_state_of_every_server(upstream_tls, room):
    hosts = [f'h{n}' for n in range(1000)]
    (size,) = [
        directive.words[2]
        for block in nginxconf.parse(config({'gate': hosts}, upstream_tls=upstream_tls))
        for upstream in block.block or ()
        if upstream.words == ('upstream', 'gate')
        for directive in upstream.block or ()
        if directive.words[0] == 'zone'
    ]
    assert size == room


@pytest.mark.parametrize(
    ('limit', 'files', 'connections'),
    [
        (None, 4224, 4096),
        (1048576, 4224, 4096),
        (4224, 4224, 4096),
        (4223, 4223, 4095),
        (1024, 1024, 896),
        (256, 256, 128),
        (128, 128, 64),
    ],
)
def test_connections_run_out_before_files_do(limit, files, connections):
    text = config({}, open_files=limit)
    assert f'worker_rlimit_nofile {files};' in text
    assert f'worker_connections {connections};' in text
    shortage = nginx_pod.Pod(('10.0.0.53',), True, limit).shortage
    assert bool(shortage) is (connections < 4096)
    assert not shortage or f'hard limit of {limit} open files' in shortage
