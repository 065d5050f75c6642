"""What nginx finds in its pod: DNS servers and the limit of open files."""

import pytest

from coordinator import scene
from coordinator.source import nginx_pod


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('', ['127.0.0.1']),
        ('search m.svc.cluster.local\n', ['127.0.0.1']),
        ('nameserver 10.0.0.1\n', ['10.0.0.1']),
        ('nameserver 10.0.0.2\nnameserver 10.0.0.1\n', ['10.0.0.2', '10.0.0.1']),
        ('nameserver 10.0.0.1\nnameserver 10.0.0.1\n', ['10.0.0.1']),
        ('search m.svc.cluster.local\nnameserver\tfd00::53\noptions ndots:5', ['fd00::53']),
        ('nameserver FD00:0::53', ['fd00::53']),
        ('nameserver fe80::1%eth0\nnameserver 10.0.0.1', ['10.0.0.1']),
        ('#nameserver 10.0.0.1\n;nameserver 10.0.0.2\nnameserver 10.0.0.3 # x', ['10.0.0.3']),
        ('nameserver\n# nameserver 10.0.0.1', ['127.0.0.1']),
        ('nameserver ::ffff:10.0.0.1\noptions edns0', ['10.0.0.1']),
    ],
)
def test_resolvers_are_the_addresses_in_resolv_conf(text, expected):
    assert nginx_pod.resolvers(text) == expected


@pytest.mark.parametrize(
    ('text', 'named'),
    [
        ('nameserver fe80::1%eth0\n', 'fe80::1%eth0'),
        ('nameserver fe80::1%eth0\nnameserver fe80::2%eth0\n', 'fe80::1%eth0, fe80::2%eth0'),
        ('nameserver\nnameserver dns.example\nnameserver 10.0.0.1;', 'dns.example, 10.0.0.1;'),
        ('nameserver 10.0.0.1} server {', '10.0.0.1}'),
        ('nameserver \x07\n', r'\x07'),
    ],
)
def test_servers_of_which_nginx_takes_none_are_an_error_that_names_them(text, named):
    with pytest.raises(ValueError, match=r'/etc/resolv\.conf') as raised:
        nginx_pod.resolvers(text)
    assert str(raised.value).endswith(f'nginx can use: {named}')


@pytest.mark.parametrize(
    ('limits', 'expected'),
    [
        (scene.LIMITS.format(128, 20000), 20000),
        (scene.LIMITS.format('1024', '4096'), 4096),
        (scene.LIMITS.format('1024', 'unlimited'), None),
        ('', None),
        ('Max open files', None),
    ],
)
def test_the_limit_that_counts_is_the_hard_one(limits, expected):
    assert nginx_pod.open_files(limits) == expected
