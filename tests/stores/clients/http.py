"""One way to ask a store over HTTP, whatever sends the request."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from .types import StoreError

TIMEOUT = 10.0  # seconds, for each request

# A GET: receives a URL and the seconds it may take, returns the status and the body, and raises
# OSError if there is no answer.
Get = Callable[[str, float], tuple[int, bytes]]


def urllib_get(url: str, timeout: float) -> tuple[int, bytes]:
    """GET a URL from this process."""
    return _urllib_get(url, timeout)


def urllib_get_as(
    user: str = '', password: str = '', *, context: ssl.SSLContext | None = None
) -> Get:
    """Return a `Get` from this process that says who asks and whom it trusts.

    Args:
        user: for HTTP basic authentication; '' for none.
        password: the user's.
        context: how servers of https URLs are verified; None for the machine's own CAs.
    """
    token = base64.b64encode(f'{user}:{password}'.encode()).decode()
    headers = {'Authorization': f'Basic {token}'} if user else {}
    return lambda url, timeout: _urllib_get(url, timeout, headers, context)


def _urllib_get(
    url: str,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None = None,
) -> tuple[int, bytes]:
    accept = {'Accept': 'application/json', **(headers or {})}
    request = urllib.request.Request(url, headers=accept)
    try:
        with urllib.request.urlopen(request, timeout=timeout, context=context) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Api:
    """The HTTP API of one store.

    Args:
        name: the store's name in errors.
        base: its URL, without a trailing slash.
        get: sends the requests.
    """

    def __init__(self, name: str, base: str, get: Get) -> None:
        self.name = name
        self.base = base.rstrip('/')
        self._get = get

    def text(
        self, path: str, query: Mapping[str, object] | None = None, *, absent: int = 0
    ) -> str:
        """Return the body of a GET.

        Args:
            path: below the base URL, with a leading slash.
            query: the query's parameters.
            absent: an HTTP status that means "nothing there"; the result is then ''.

        Raises:
            StoreError: if there is no answer, or one with any other status than 200.
        """
        url = f'{self.base}{path}' + (f'?{urlencode(query)}' if query else '')
        try:
            status, body = self._get(url, TIMEOUT)
        except OSError as error:
            raise StoreError(f'cannot ask {self.name}: {error}') from error
        text = body.decode('utf-8', 'replace')
        if status == absent:
            return ''
        if status != 200:
            raise StoreError(f'cannot ask {self.name}: HTTP {status}: {text[:300].strip()}')
        return text

    def json(
        self, path: str, query: Mapping[str, object] | None = None, *, absent: int = 0
    ) -> Any:
        """Return the JSON of a GET, or None if it is absent. See `text`."""
        text = self.text(path, query, absent=absent)
        if not text:
            return None
        try:
            return json.loads(text)
        except ValueError as error:
            raise StoreError(f'cannot read the answer of {self.name}: {error}') from error
