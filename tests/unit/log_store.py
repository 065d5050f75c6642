"""A log store on loopback that answers as it is told to."""

import http.server
import json
import ssl


def texts(push):
    """The texts of a push's body, in Loki's form or in OTLP's."""
    if 'resourceLogs' in push:
        return [
            record['body']['stringValue']
            for resource in push['resourceLogs']
            for scope in resource['scopeLogs']
            for record in scope['logRecords']
        ]
    return [text for stream in push['streams'] for _, text in stream['values']]


class Store(http.server.ThreadingHTTPServer):
    """A log store on loopback that answers every request with `answer`.

    Args:
        answer: a status, or a function that gives the status for a body of so many bytes.
        headers: further headers of each answer.
        said: the body of each answer.

    Attributes:
        reads: the bytes of the largest body that it reads before it answers, and closes.
        pushes: path, headers and decoded body of each request, in order.
        sizes: the bytes of each body.
        otlp_url: where it takes logs in OTLP over HTTP.
        taken: the texts that arrived in requests which it did not answer with an error, in order.
    """

    daemon_threads = True

    def __init__(self, answer=204, headers=(), said=b''):
        self.answer, self.headers, self.said = answer, headers, said
        self.reads = float('inf')
        self.pushes, self.sizes, self.taken = [], [], []
        super().__init__(('127.0.0.1', 0), _Answer)
        self.url = f'http://127.0.0.1:{self.server_port}/loki/api/v1/push'
        self.otlp_url = f'http://127.0.0.1:{self.server_port}/v1/logs'

    def use_tls(self, certificate):
        """From now on speak TLS.

        Args:
            certificate: the path of a certificate and its key, in PEM.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f'https://localhost:{self.server_port}/loki/api/v1/push'

    def handle_error(self, request, client_address):
        """Say nothing: a client that does not trust a store goes away."""

    @property
    def lines(self):
        """The texts that arrived, in order."""
        return [text for _, _, body in self.pushes for text in texts(body)]


class _Answer(http.server.BaseHTTPRequestHandler):
    server: Store  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self):
        store = self.server
        size = int(self.headers['Content-Length'])
        store.sizes.append(size)
        push = None
        if size <= store.reads:
            push = json.loads(self.rfile.read(size))
            store.pushes.append((self.path, dict(self.headers), push))
        answer = store.answer(size) if callable(store.answer) else store.answer
        if push and answer < 300:
            store.taken += texts(push)
        self.send_response(answer)
        for name, value in store.headers:
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(store.said)))
        self.end_headers()
        self.wfile.write(store.said)

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, format, *args):
        pass
