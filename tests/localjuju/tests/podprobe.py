"""A stand-in for a controller: starts pods, tries what they promise, prints what it saw as JSON.

Started by test_pods_live.py inside a model's outer namespaces. Its pods have no workload, so no
root file system is needed: web servers run in the charm containers.
"""

import contextlib
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

from localjuju.model import hooktools
from localjuju.pods.pods import JUJU_DIR, Mount, PodError, Pods

SERVER = """
import http.server, socket
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f'{socket.gethostname()} {self.client_address[0]}'.encode())
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(('', 8080), Handler).serve_forever()
"""
GET = 'import urllib.request as u; print(u.urlopen("http://{}", timeout=5).read().decode())'
CLOCKS = 'import time; print(time.time(), time.monotonic())'
DISPATCH = """#!/bin/sh
echo "$GREETING from $(pwd)"
config-get --format=json
python3 -c 'import socket; print(socket.getfqdn())'
exit 3
"""


def get(host: str, port: int) -> str:
    """What a host answers to the controller, or why it does not."""
    try:
        with socket.create_connection((host, port), 5) as connection:
            connection.sendall(b'GET / HTTP/1.0\r\n\r\n')
            return connection.makefile().read().rpartition('\n')[2]
    except OSError as error:
        return type(error).__name__


def settled(host: str, port: int) -> str:
    """As `get`, once the server there has come up."""
    deadline = time.monotonic() + 60
    while (answer := get(host, port)) == 'ConnectionRefusedError' and time.monotonic() < deadline:
        time.sleep(0.02)
    return answer


def command_lines() -> list[str]:
    """The command lines of all processes. A small machine has no `ps`."""
    found = []
    for file in Path('/proc').glob('[0-9]*/cmdline'):
        with contextlib.suppress(OSError):  # it may have ended by now
            found.append(file.read_text(errors='replace').replace('\0', ' '))
    return found


def probe(workdir: Path) -> dict[str, object]:
    """Go through a pod's life."""
    pods = Pods('probe', workdir, hooktools.NAMES)
    seen: dict[str, object] = {}
    addresses = {}
    volume = workdir / 'volume'
    volume.mkdir()
    places = '/var/lib/juju/storage/data/0', '/srv/read-only'
    mounts = [Mount(volume, places[0], writable=True), Mount(volume, places[1])]
    for unit in 'a/0', 'a/1', 'b/0':
        folder = workdir / unit.replace('/', '-')
        (folder / 'charm').mkdir(parents=True)
        (folder / 'charm/dispatch').write_text(DISPATCH)
        (folder / 'charm/dispatch').chmod(0o755)
        (folder / 'charm/server.py').write_text(SERVER)
        addresses[unit] = pods.create(unit, (), folder, mounts if unit == 'a/0' else ())
    seen['addresses'] = addresses

    def run(unit: str, *argv: str) -> str:
        done = pods.exec(unit, None, argv, timeout=60)
        return (done.stdout or done.stderr).decode().strip()

    done = pods.dispatch('a/0', {'GREETING': 'two words'}, 60)
    seen['dispatch'] = [done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()]
    (workdir / 'a-0/charm/dispatch').write_text('#!/bin/sh\nexec python3 -c "$CLOCKS"\n')
    for name, later in ('clocks', 0.0), ('clocks ahead', 86400.0):
        done = pods.dispatch('a/0', {'CLOCKS': CLOCKS}, 60, later)
        seen[name] = [float(word) for word in done.stdout.split()]
    broken = workdir / 'b-0/charm/dispatch'
    broken.write_text('#!/nonexistent/python\n')
    seen['no interpreter'] = pods.dispatch('b/0', {}, 60).returncode
    broken.chmod(0o644)
    seen['no program'] = pods.dispatch('b/0', {}, 60).returncode
    seen['stdin'] = pods.exec('a/0', None, ['cat'], stdin=b'in').stdout.decode()
    write = 'echo kept > {0}/file && cat {1}/file; echo x > {1}/other'
    seen['storage'] = pods.exec('a/0', None, ['sh', '-c', write.format(*places)]).stdout.decode()
    seen['read-only storage'] = sorted(file.name for file in volume.iterdir())
    seen['folders'] = [
        pods.exec('a/0', None, ['pwd'], cwd=cwd).stdout.decode().strip()
        for cwd in (None, JUJU_DIR)
    ]
    seen['hosts'] = run('b/0', 'getent', 'hosts', 'a-0.a-endpoints')
    for unit in 'a/0', 'a/1':
        run(unit, 'sh', '-c', 'python3 server.py >/dev/null 2>&1 &')
    seen['direct'] = settled('a-0.a-endpoints.probe.svc.cluster.local', 8080)
    settled('a-1.a-endpoints.probe.svc.cluster.local', 8080)

    service = 'a.probe.svc.cluster.local'
    seen['no service'] = get(service, 8080)
    pods.set_service('a', [('tcp', 8080)], ['a/0', 'a/1'])
    address = socket.gethostbyname(service)
    seen['spread'] = sorted({get(service, 8080) for _ in range(40)})
    seen['other port'] = get(service, 8081)
    seen['from a pod'] = sorted(
        {run('b/0', 'python3', '-c', GET.format('a:8080')) for _ in '1234'}
    )
    pods.set_service('a', [('tcp', 8080)], ['a/0'])
    seen['hairpin'] = run('a/0', 'python3', '-c', GET.format('a:8080'))
    pods.set_service('a', [('tcp', 8080)], [])
    seen['none ready'] = get(service, 8080)
    seen['same address'] = socket.gethostbyname(service) == address
    pods.remove_service('a')
    seen['removed'] = get(service, 8080)

    try:
        pods.exec('b/0', None, ['sh', '-c', 'sleep 97 & sleep 98'], timeout=0.2)
    except PodError as error:
        seen['timeout'] = str(error)
    seen['left after timeout'] = [line for line in command_lines() if 'sleep 9' in line]

    pods.delete('a/0')
    seen['deleted'] = get('a-0.a-endpoints.probe.svc.cluster.local', 8080)
    seen['new address'] = pods.create('a/0', (), workdir / 'a-0', mounts)
    seen['storage of a new pod'] = run('a/0', 'cat', f'{places[0]}/file')
    try:
        pods.create('a/0', (), workdir / 'a-0')
    except PodError as error:
        seen['twice'] = str(error)
    pods.close()
    links = subprocess.run(['ip', '-brief', 'link'], capture_output=True, text=True).stdout
    seen['links after close'] = [line.split()[0] for line in links.splitlines()]
    return seen


if __name__ == '__main__':
    print(json.dumps(probe(Path(sys.argv[1]))))
