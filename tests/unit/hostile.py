"""Untrusted input: tables of what is known to hurt, and strategies for what is not known yet.

Each case of a table has a name, which says what it is about when it fails. `is_host` tells what is
acceptable by other means than the library does.
"""

import json
import os
import re
import socket
import string
from typing import Any

from hypothesis import strategies as st

LONG = 'a' * 1024 * 1024

NOT_HOSTS = {
    'empty': '',
    'space': ' ',
    'a space in it': 'a b',
    'a space around it': ' a ',
    'line break': 'a\nb',
    'line break at the end': 'a\n',
    'carriage return': 'a\r',
    'tab': '\ta',
    'null byte': 'a\0b',
    'escape sequence': '\x1b[31ma',
    'delete': 'a\x7f',
    'unicode': 'пример',
    'unicode digits': '\u0661.\u0662.\u0663.\u0664',
    'right-to-left override': 'a\u202eb',
    'line separator': 'a\u2028b',
    'half a surrogate pair': '\ud800',
    'one megabyte': LONG,
    'one megabyte of brackets': '[' * 1024 * 1024,
    'longer than DNS allows': '.'.join(['a' * 63] * 4),
    'a label longer than DNS allows': 'a' * 64,
    'no label': 'a..b',
    'leading dot': '.a',
    'trailing dot': 'a.',
    'leading dash': '-a',
    'trailing dash': 'a-.b',
    'an option': '--help',
    'wildcard': '*',
    'host:port': 'a:80',
    'IPv4 and port': '10.0.0.1:80',
    'IPv6 in brackets': '[::1]',
    'IPv6 in brackets and port': '[::1]:80',
    'IPv6 half in brackets': '[::1',
    'IPv6 with a zone': 'fe80::1%eth0',
    'IPv6 with two gaps': '1::2::3',
    'IPv6 and white space': '::1 ',
    'IPv4 of three': '10.0.0',
    'IPv4 of five': '10.0.0.0.1',
    'IPv4 out of range': '10.0.0.256',
    'IPv4 in octal': '010.0.0.1',
    'IPv4 network': '10.0.0.0/8',
    'number': '1',
    'URL': 'http://a',
    'URL and path': 'http://a/b',
    'user': 'user@a',
    'path': '../../etc/passwd',
    'double quote': 'a"b',
    'single quote': "a'b",
    'backslash': 'a\\b',
    'semicolon': 'a;',
    'braces': 'a{}',
    'variable': '$host',
    'variable in braces': '${host}',
    'unix socket': 'unix:/run/x.sock',
    'comment': 'a#b',
    'a second server': 'a:80; } server { listen 9999; return 200 x; } upstream x { server b',
    'a second server on its line': 'a;\n}\nserver { listen 9999; }\nupstream x {\nserver b',
    'a parameter': 'a max_fails=0',
    'quotes and backslashes': '"\\";\'{}}\\\\',
    'YAML': 'a: b\n- c',
    'YAML anchor': '&a [*a]',
    'template': '{{ x }} %(x)s {0} %s',
    'label matcher': 'a"} or up{x="',
    'shell': '$(id) `id` | id && id',
}  # fmt: skip

HOSTS = {
    'short': 'a',
    'FQDN': 'worker-0.worker-endpoints.m.svc.cluster.local',
    'upper case': 'A.Example',
    'underscore': 'a_b.c',
    'digits': '0a.1b',
    'digits in front of a name': '1.a',
    'as long as DNS allows': '.'.join(['a' * 63] * 3 + ['a' * 61]),
    'IPv4': '10.1.2.3',
    'IPv6': 'fd00::1',
    'IPv6 in full': '2001:db8:1:2:3:4:5:6',
    'IPv6 of IPv4': '::ffff:10.1.2.3',
    'IPv6 that is nothing': '::',
}

NOT_URLS = {
    'empty': '',
    'host': 'a',
    'host:port': 'a:80',
    'relative': '//a/b',
    'path': '/a',
    'ftp': 'ftp://a',
    'file': 'file:///etc/passwd',
    'javascript': 'javascript:alert(1)',
    'upper-case scheme': 'HTTP://a',
    'unix socket': 'http+unix://a',
    'no host': 'http://',
    'no host but a port': 'http://:80',
    'no host but a path': 'http:///a',
    'port 0': 'http://a:0',
    'port too high': 'http://a:65536',
    'port far too high': f'http://a:{"9" * 1000}',
    'negative port': 'http://a:-1',
    'empty port': 'http://a:',
    'port that is a word': 'http://a:http',
    'port in unicode digits': 'http://a:\u0668\u0660',
    'two ports': 'http://a:80:90',
    'IPv6 without brackets': 'http://::1/',
    'IPv6 half in brackets': 'http://[::1/',
    'a name in brackets': 'http://[a]/',
    'IPv6 with a zone': 'http://[fe80::1%25eth0]/',
    'IPv6 and a bad port': 'http://[::1]80',
    'user': 'http://user@a/',
    'user and password': 'http://user:secret@a/',
    'space': 'http://a/ b',
    'space in front': ' http://a',
    'space at the end': 'http://a ',
    'line break': 'http://a/\nb',
    'line break in the scheme': 'ht\ntp://a',
    'tab in the host': 'http://a\tb/',
    'null byte': 'http://a/\0',
    'unicode host': 'http://пример/',
    'unicode that looks like a slash': 'http://a\u2215b/',
    'unicode path': 'http://a/пример',
    'half a surrogate pair': 'http://a/\ud800',
    'double quote': 'http://a/"',
    'single quote': "http://a/'",
    'backslash': 'http://a\\@b/',
    'semicolon': 'http://a/;b',
    'braces': 'http://a/{b}',
    'variable': 'http://a/$b',
    'variable as host': 'http://$b/',
    'fragment': 'http://a/#b',
    'angle brackets': 'http://a/<b>',
    'parentheses': 'http://a/(b)',
    'square brackets': 'http://a/[b]',
    'pipe': 'http://a/|b',
    'back quote': 'http://a/`b`',
    'two schemes': 'http://http://a',
    'escape of nothing': 'http://a/%zz',
    'escape at the end': 'http://a/b%2',
    'too long': f'http://a/{"b" * 2048}',
    'one megabyte': f'http://a/{LONG}',
}

URLS = {
    'host': 'http://a',
    'TLS': 'https://a',
    'port': 'http://a:65535',
    'path': 'http://a:3100/loki/api/v1/push',
    'ingress': 'https://a.example/model-loki-0/loki/api/v1/push',
    'trailing slash': 'http://a/',
    'query': 'http://a/b?c=d&e=f',
    'escaped': 'http://a/b%20c',
    'IPv4': 'http://10.0.0.1:80/a',
    'IPv6': 'http://[::1]:80/a',
    'IPv6 without a port': 'http://[fd00::1]',
}

NOT_HOST_PORTS = {
    'empty': '',
    'host': 'a',
    'IPv6': '::1',
    'IPv6 in brackets': '[::1]',
    'IPv6 and port, no brackets': '::1:80',
    'a name in brackets': '[a]:80',
    'empty port': 'a:',
    'no host': ':80',
    'port 0': 'a:0',
    'port too high': 'a:65536',
    'port with a sign': 'a:+1',
    'leading zero': 'a:080',
    'URL': 'http://a:80',
    'path': 'a:80/b',
    'space': 'a: 80',
    'line break': 'a:80\n',
    'two targets': 'a:80,b:80',
    'unix socket': 'unix:80/x',
    'dns scheme of gRPC': 'dns:///a:80',
    'variable': '$a:80',
    'one megabyte': f'{LONG}:80',
}

HOST_PORTS = {'host': 'a:80', 'FQDN': 'a.b.c:4317', 'IPv4': '10.0.0.1:1', 'IPv6': '[::1]:65535'}

RAW = {
    'empty': '',
    'no JSON': 'text',
    'half of JSON': '{"a": ',
    'two of JSON': '{} {}',
    'null': 'null',
    'true': 'true',
    'number': '1',
    'not a number': 'NaN',
    'infinity': '-Infinity',
    'big number': '9' * 5000,
    'empty text': '""',
    'empty list': '[]',
    'empty mapping': '{}',
    'list of null': '[null]',
    'mapping of null': '{"url": null, "application": null}',
    'mapping of lists': '{"url": [], "application": {}, "unit": 1, "charm_name": true}',
    'list of everything': '[1, null, "a", [], {}, {"protocol": 1}, {"protocol": {"name": []}}]',
    'control character': '"\0"',
    'half a surrogate pair': '"\\ud800"',
    'byte order mark': '\ufeff"a"',
    'one megabyte of text': f'"{LONG}"',
    'one megabyte that is no JSON': LONG,
    'one megabyte of [': '[' * 1024 * 1024,
    'one megabyte of {': '{"a":' * 200_000,
    'as many [ as are read': '[' * 200_000,
    'as many [ and ] as are read': '[' * 100_000 + ']' * 100_000,
}  # fmt: skip
"""Values of a databag that no key of ours accepts, as they are on the wire."""

_SPECIAL = '"\'\\;{}[]()$#%&*!|>@`<=:/?,.- \t\r\n\0\x1b\u2028\ud800é0a_'
"""What nginx, YAML, JSON, PromQL, shells or DNS give a meaning to."""

texts = st.one_of(
    st.sampled_from([*NOT_HOSTS.values(), *NOT_URLS.values(), *HOSTS.values(), *URLS.values()]),
    st.text(_SPECIAL, max_size=40),
    st.text(max_size=40),
    st.text(string.ascii_lowercase + string.digits + '.-_:[]', max_size=20),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=6,
)
raw_values = st.one_of(
    st.sampled_from(list(RAW.values())), texts, json_values.map(json.dumps), texts.map(json.dumps)
)
"""Whatever can stand as a value in a databag."""


def examples(number: int) -> int:
    """How many examples to try: `number`, times FUZZ of the environment."""
    return number * int(os.environ.get('FUZZ', '1'))


def is_host(text: str) -> bool:
    """Whether this is a hostname, an IPv4 or a bare IPv6 address, as libc and RFC 1123 see it."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
            return True
        except (OSError, ValueError):
            continue
    alphanumeric = set(string.ascii_letters + string.digits)
    labels = text.split('.')
    return (
        len(text) <= 253
        and not set(labels[-1]) <= set(string.digits)
        and all(
            0 < len(label) <= 63
            and {label[0], label[-1]} <= alphanumeric
            and set(label) <= alphanumeric | {'-', '_'}
            for label in labels
        )
    )


def is_url(text: str) -> bool:
    """Whether this is an absolute http or https URL in ASCII, without user or fragment."""
    found = re.fullmatch(
        r'https?://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([1-9][0-9]{0,4}))?'
        r'(?:[/?](?:[A-Za-z0-9._~/:@!*+=,&?-]|%[0-9A-Fa-f]{2})*)?',
        text,
    )
    if not found or len(text) > 2048:
        return False
    ip, name, port = found.groups()
    return is_host(ip or name) and (':' in ip if ip else True) and int(port or 1) < 65536


def is_host_port(text: str) -> bool:
    """Whether this is `host:port`, an IPv6 host in brackets."""
    return is_url(f'http://{text}') and bool(re.fullmatch(r'[^/?]*:[0-9]+', text))


def decoded(raw: str) -> Any:
    """The value of a key of a databag, or None if there is none that any key of ours accepts."""
    if len(raw) > 250_000:
        return None
    try:
        value = json.loads(raw)
        json.dumps(value, ensure_ascii=False).encode()  # no half surrogate pair in it
    except (ValueError, RecursionError):
        return None
    return value
