"""Addresses and URLs that come over a relation, and the forms that may be rendered.

What these types accept can be written unchanged into nginx.conf, a Pebble layer or a YAML file: it
contains no white space, no quote, no control character and no character with a meaning in any of
them. Errors name the value, shortened, and what is expected.
"""

import functools
import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

import pydantic

_HOST_LENGTH = 253  # RFC 1035, section 2.3.4
_LABEL = r'[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?'
_HOSTNAME = re.compile(rf'{_LABEL}(\.{_LABEL})*')
_URL_LENGTH = 2048
_PORT = re.compile(r'[1-9][0-9]{0,4}')
# Go's programs, Pebble among them, cannot send to a URL with a "%" that escapes nothing.
_PATH = re.compile(r'([A-Za-z0-9._~/:@!*+=,&?-]|%[0-9A-Fa-f]{2})*')


def shorten(value: object, length: int = 80) -> str:
    """`value` as a status or a log line may show it: printable, bounded, on one line."""
    text = ascii(value) if not isinstance(value, str) else ascii(value)[1:-1]
    return text if len(text) <= length else f'{text[:length]}...'


def _shown(value: str) -> str:
    # What precedes an @ may be a password, and this ends up in statuses and logs.
    return shorten(value.rpartition('@')[2])


def check_host(value: str) -> str:
    """Accept a hostname, an IPv4 or a bare IPv6 address.

    Raises:
        ValueError: for anything else, such as `host:port`, `[::1]` or a URL.
    """
    if 0 < len(value) <= _HOST_LENGTH:
        if ':' in value or value.rpartition('.')[2].isdecimal():
            try:
                # A zone ("fe80::1%eth0") has a meaning on one host only.
                if '%' not in value:
                    ipaddress.ip_address(value)
                    return value
            except ValueError:
                pass
        elif _HOSTNAME.fullmatch(value):
            return value
    raise ValueError(f'expected a hostname or an IP address, got "{_shown(value)}"')


def _is_port(text: str) -> bool:
    return bool(_PORT.fullmatch(text)) and int(text) < 65536


def _split_port(authority: str) -> tuple[str, str | None]:
    """Split `host`, `host:port`, `[v6]` or `[v6]:port`; the host comes without brackets.

    Raises:
        ValueError: if brackets are unbalanced or do not hold an IPv6 address.
    """
    if authority.startswith('['):
        host, closed, rest = authority[1:].partition(']')
        if not closed or ':' not in host or (rest and not rest.startswith(':')):
            raise ValueError('bad brackets')
        return host, rest[1:] if rest else None
    host, colon, port = authority.partition(':')
    return host, port if colon else None


def check_url(value: str) -> str:
    """Accept an absolute http or https URL with a valid host, an optional port and a plain path.

    Raises:
        ValueError: for anything else; user information is refused, as it would end up in logs.
    """
    try:
        if not 0 < len(value) <= _URL_LENGTH or not value.isascii() or not value.isprintable():
            raise ValueError
        parts = urlsplit(value)
        if value.partition('://')[0] not in ('http', 'https') or '#' in value:
            raise ValueError
        host, port = _split_port(parts.netloc)
        check_host(host)
        if port is not None and not _is_port(port):
            raise ValueError
        if not _PATH.fullmatch(value.partition('://')[2].removeprefix(parts.netloc)):
            raise ValueError
    except ValueError:
        raise ValueError(f'expected an http or https URL, got "{_shown(value)}"') from None
    return value


def check_host_port(value: str) -> str:
    """Accept `host:port` without a scheme, an IPv6 host in brackets.

    Raises:
        ValueError: for anything else.
    """
    try:
        if not 0 < len(value) <= _HOST_LENGTH + 8:
            raise ValueError
        host, port = _split_port(value)
        check_host(host)
        if port is None or not _is_port(port):
            raise ValueError
    except ValueError:
        raise ValueError(f'expected host:port, got "{_shown(value)}"') from None
    return value


def check_receiver(protocol: str, url: str) -> str:
    """Accept a receiver of spans: `host:port` if its protocol is gRPC, otherwise a URL.

    Args:
        protocol: such as `otlp_grpc` or `otlp_http`.
        url: where the receiver claims to be.

    Raises:
        ValueError: for anything else.
    """
    return check_host_port(url) if protocol.endswith('_grpc') else check_url(url)


def canonical(host: str) -> str:
    """A validated host in the one spelling that it shares with all its other spellings."""
    # Parsing takes a while, and there may be thousands of names: none of them has a colon, and an
    # IPv4 address ends with a digit.
    if ':' not in host and not host[-1:].isdigit():
        return host.lower()
    try:
        return _spelled(host)
    except ValueError:
        return host.lower()


def check_ip_address(value: str) -> str:
    """Accept an IP address without a zone.

    Returns:
        The same address in the form in which it is compared as text.

    Raises:
        ValueError: for anything else.
    """
    try:
        if '%' not in value:
            return _spelled(value)
    except ValueError:
        pass
    raise ValueError(f'expected an IP address, got "{_shown(value)}"')


@functools.lru_cache(maxsize=4096)  # each worker's is compared with others' and rendered
def _spelled(value: str) -> str:
    address = ipaddress.ip_address(value)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def join(host: str, port: int) -> str:
    """`host:port` for URLs and configurations, an IPv6 host in brackets."""
    return f'[{host}]:{port}' if ':' in host else f'{host}:{port}'


Host = Annotated[str, pydantic.AfterValidator(check_host)]
"""A hostname, an IPv4 or a bare IPv6 address."""
Url = Annotated[str, pydantic.AfterValidator(check_url)]
"""An absolute http or https URL, at most 2048 characters."""
HostPort = Annotated[str, pydantic.AfterValidator(check_host_port)]
"""`host:port` without a scheme, an IPv6 host in brackets."""
IpAddress = Annotated[str, pydantic.AfterValidator(check_ip_address)]
"""The type of an IP address from relation data."""
