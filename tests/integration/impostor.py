"""A program that answers in the place of pods: it takes what is sent to their addresses.

`impostor.py PEM PORT ADDRESS…` redirects connections to a port of these addresses to itself and
shows the certificate in the file. It prints `served` for each that sends it a request, `refused`
and why for each that does not. It ends on SIGINT, with the redirection. It runs in the model's
outer network, which all traffic of the pods passes.
"""

import contextlib
import signal
import socket
import ssl
import subprocess
import sys

TABLE = 'impostor'
RULES = """
table ip {table} {{
  chain prerouting {{
    type nat hook prerouting priority -110
    ip daddr {{ {addresses} }} tcp dport {port} redirect to :{port}
  }}
}}
"""


def main(pem: str, port: str, *addresses: str) -> None:
    """Answer until SIGINT."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    rules = RULES.format(table=TABLE, port=port, addresses=', '.join(addresses))
    over: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: over.append(number))
    with socket.create_server(('', int(port))) as listening:
        listening.settimeout(0.2)
        subprocess.run(['nft', '-f', '-'], input=rules, text=True, check=True)
        print('listening', flush=True)
        try:
            while not over:
                with contextlib.suppress(TimeoutError):
                    answer(listening.accept()[0], context)
        finally:
            subprocess.run(['nft', 'delete', 'table', 'ip', TABLE], check=True)


def answer(connection: socket.socket, context: ssl.SSLContext) -> None:
    """Answer a connection, and say whether it sent a request."""
    connection.settimeout(20)
    try:
        with connection, context.wrap_socket(connection, server_side=True) as served:
            if not served.recv(10000):
                print('refused: closed', flush=True)
                return
            print('served', flush=True)
            served.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nimpostor')
    except OSError as error:
        print(f'refused: {error}', flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
