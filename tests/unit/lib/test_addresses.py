"""Which addresses and URLs may be rendered."""

import ipaddress
from urllib.parse import urlsplit

import hypothesis
import pytest
from hypothesis import strategies as st

import hostile
from coordinated_telemetry import addresses


def accepts(check, text):
    try:
        return check(text) == text
    except ValueError:
        return False


@pytest.mark.parametrize('text', hostile.HOSTS.values(), ids=hostile.HOSTS)
def test_a_host_is_accepted_as_it_is(text):
    assert addresses.check_host(text) == text


@pytest.mark.parametrize('text', hostile.NOT_HOSTS.values(), ids=hostile.NOT_HOSTS)
def test_anything_else_is_no_host(text):
    with pytest.raises(ValueError, match='expected a hostname or an IP address, got "'):
        addresses.check_host(text)


@pytest.mark.parametrize('text', hostile.URLS.values(), ids=hostile.URLS)
def test_a_url_is_accepted_as_it_is(text):
    assert addresses.check_url(text) == text


@pytest.mark.parametrize('text', hostile.NOT_URLS.values(), ids=hostile.NOT_URLS)
def test_anything_else_is_no_url(text):
    with pytest.raises(ValueError, match='expected an http or https URL, got "'):
        addresses.check_url(text)


@pytest.mark.parametrize('text', hostile.HOST_PORTS.values(), ids=hostile.HOST_PORTS)
def test_host_and_port_are_accepted_as_they_are(text):
    assert addresses.check_host_port(text) == text


@pytest.mark.parametrize('text', hostile.NOT_HOST_PORTS.values(), ids=hostile.NOT_HOST_PORTS)
def test_anything_else_is_no_host_and_port(text):
    with pytest.raises(ValueError, match='expected host:port, got "'):
        addresses.check_host_port(text)


@pytest.mark.parametrize('name', [*hostile.NOT_HOSTS, *hostile.NOT_URLS])
@pytest.mark.parametrize(
    'check', [addresses.check_host, addresses.check_url, addresses.check_host_port]
)
def test_an_error_is_one_short_printable_line(check, name):
    text = {**hostile.NOT_HOSTS, **hostile.NOT_URLS}[name]
    if not accepts(check, text):
        with pytest.raises(ValueError, match='expected') as raised:
            check(text)
        message = str(raised.value)
        assert len(message) < 160
        assert message.isprintable()
        assert message.isascii()


def test_a_password_does_not_get_into_an_error():
    for check in (addresses.check_host, addresses.check_url, addresses.check_host_port):
        with pytest.raises(ValueError, match='got "a/"') as raised:
            check('http://user:secret@a/')
        assert 'secret' not in str(raised.value)


@pytest.mark.parametrize(
    ('host', 'expected'), [('a', 'a:80'), ('10.0.0.1', '10.0.0.1:80'), ('::1', '[::1]:80')]
)
def test_ipv6_is_rendered_in_brackets(host, expected):
    assert addresses.join(host, 80) == expected


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        ('short', 'short'),
        ('a' * 81, 'a' * 80 + '...'),
        ('line\nbreak', 'line\\nbreak'),
        ('é\u202e', '\\xe9\\u202e'),
        (['a', 1], "['a', 1]"),
    ],
)
def test_what_is_shown_is_short_and_on_one_line(value, expected):
    assert addresses.shorten(value) == expected


@hypothesis.given(hostile.texts)
@hypothesis.settings(max_examples=hostile.examples(500))
def test_what_is_a_host_agrees_with_libc_and_the_rfc(text):
    assert accepts(addresses.check_host, text) == hostile.is_host(text)


@hypothesis.given(st.ip_addresses())
def test_every_ip_address_is_a_host_and_is_what_was_meant_when_rendered(ip):
    host = addresses.check_host(str(ip))
    parts = urlsplit(addresses.check_url(f'http://{addresses.join(host, 80)}/'))
    assert ipaddress.ip_address(parts.hostname or '') == ip
    assert parts.port == 80
    assert addresses.check_host_port(addresses.join(host, 80))


@hypothesis.given(hostile.texts)
@hypothesis.settings(max_examples=hostile.examples(500))
def test_what_is_accepted_has_no_character_that_a_configuration_gives_a_meaning_to(text):
    for check in (addresses.check_host, addresses.check_url, addresses.check_host_port):
        if accepts(check, text):
            assert not set(text) & set('"\'\\;{}$#` \t\r\n\0<>|^')
            assert text.isascii()
            assert text.isprintable()


@hypothesis.given(hostile.texts)
@hypothesis.settings(max_examples=hostile.examples(500))
def test_an_accepted_url_goes_to_a_valid_host_and_port(text):
    if accepts(addresses.check_url, text):
        parts = urlsplit(text)
        assert parts.scheme in ('http', 'https')
        assert hostile.is_host(parts.hostname or '')
        assert parts.port is None or 0 < parts.port < 65536
        assert parts.username is None


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('10.0.0.1', '10.0.0.1'),
        ('FD00:0::1', 'fd00::1'),
        ('::ffff:10.0.0.1', '10.0.0.1'),
    ],
)
def test_an_ip_address_has_one_spelling(text, expected):
    assert addresses.check_ip_address(text) == expected


@pytest.mark.parametrize('text', ['', 'host', '10.0.0.1:80', '[::1]', 'fe80::1%eth0', '10.0.0'])
def test_what_is_no_ip_address_is_refused(text):
    with pytest.raises(ValueError, match='expected an IP address'):
        addresses.check_ip_address(text)
