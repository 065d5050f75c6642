#!/usr/bin/env python3
"""A key-value store over HTTP, in memory: GET and PUT of /<key> with basic authentication.

The only argument is a JSON file {username: {"password": …, "prefix": …}}, read at each request.
"""

import base64
import http
import http.server
import json
import pathlib
import sys
from typing import ClassVar

PORT = 8080


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the clients that the file names, each below its own prefix."""

    values: ClassVar[dict[str, bytes]] = {}
    clients: ClassVar[pathlib.Path]

    def _is_allowed(self) -> bool:
        scheme, _, encoded = self.headers.get('Authorization', '').partition(' ')
        if scheme != 'Basic':
            return False
        name, _, password = base64.b64decode(encoded).decode().partition(':')
        client = json.loads(self.clients.read_text()).get(name)
        return (
            client is not None
            and client['password'] == password
            and self.path.startswith(f'/{client["prefix"]}/')
        )

    def _answer(self, status: http.HTTPStatus, body: bytes = b'') -> None:
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if not self._is_allowed():
            self._answer(http.HTTPStatus.UNAUTHORIZED)
        elif self.path not in self.values:
            self._answer(http.HTTPStatus.NOT_FOUND)
        else:
            self._answer(http.HTTPStatus.OK, self.values[self.path])

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        if not self._is_allowed():
            self._answer(http.HTTPStatus.UNAUTHORIZED)
            return
        self.values[self.path] = body
        self._answer(http.HTTPStatus.NO_CONTENT)


if __name__ == '__main__':
    Handler.clients = pathlib.Path(sys.argv[1])
    http.server.ThreadingHTTPServer(('', PORT), Handler).serve_forever()
