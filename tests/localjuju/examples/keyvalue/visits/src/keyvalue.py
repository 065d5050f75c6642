"""The client of a key-value store."""

import base64
import urllib.error
import urllib.request

_SECONDS = 10


class Store:
    """A store at a URL, as one of its clients."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self._url = url
        credentials = base64.b64encode(f'{username}:{password}'.encode()).decode()
        self._headers = {'Authorization': f'Basic {credentials}'}

    def get(self, key: str) -> str | None:
        """The text of a key, None if there is none. Raises OSError if the store is away."""
        try:
            return self._request('GET', key)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def put(self, key: str, text: str) -> None:
        """Keep a text. Raises OSError if the store is away, or refuses."""
        self._request('PUT', key, text.encode())

    def _request(self, method: str, key: str, body: bytes | None = None) -> str:
        request = urllib.request.Request(f'{self._url}/{key}', body, self._headers, method=method)
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            return answer.read().decode()
