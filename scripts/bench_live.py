"""Figures of the packed charms on the local Juju: hooks, nginx, requests, signals."""

import contextlib
import dataclasses
import json
import os
import re
import secrets
import shutil
import statistics
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import jubilant
import ops
from charmlibs.interfaces import tls_certificates

import authority
import deployment as deployments
from bench_figures import Figure, compared, measured_long, paired
from clients import LocalStores
from cluster import LocalCluster
from coordinated_telemetry.workloads import Ports
from coordinator.source import nginx, nginx_config, nginx_pod, nginx_upstream_tls
from coordinator.source import own_workload as workload
from localjuju import client
from model import Model, eventually
from terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent
JUJU = ROOT / 'tests' / 'localjuju' / 'bin' / 'juju'
NULL_CHARM = """\
import ops


class NullCharm(ops.CharmBase):
    pass


ops.main(NullCharm)
"""
WORKERS = tuple(
    deployments.worker(role, role=role, units=2 if role == 'frontend' else 1)
    for role in deployments.ROLES
)
MINIMAL_PORT, BARE_PORT, TO_PLAIN_PORT, TO_TLS_PORT = 18080, 18081, 18082, 18083
WORKLOAD_PORT, WORKLOAD_TLS_PORT = 19898, 19899
WRK_SECONDS = 2
WRK_ROUNDS = 16
_NGINX = ('coordinator/0', 'nginx')
"""The unit and the container that run nginx."""
# Tuned by hand for this deployment: logs the same lines, tells the worker who asks and passes the
# same traces on, and no more. No names to resolve, health, retries, WebSockets or limits.
_LOGGED = """\
log_format json escape=json '{"time":"$time_iso8601","remote_addr":"$remote_addr",'
  '"method":"$request_method","uri":"$request_uri","status":$status,"bytes":$bytes_sent,'
  '"seconds":$request_time,"upstream":"$upstream_addr","upstream_status":"$upstream_status",'
  '"upstream_seconds":"$upstream_response_time","user_agent":"$http_user_agent",'
  '"trace_id":"$trace_id"}';
access_log /dev/stdout json;
map $http_traceparent $trace_id { default $request_id; "~^00-(?<incoming>[^-]+)" $incoming; }
map $request_id $span_id { "~^(?<half>[0-9a-f]{16})" $half; }
map $http_traceparent $traceparent { "" "00-$request_id-$span_id-01"; default $http_traceparent; }
proxy_set_header traceparent $traceparent;
proxy_set_header Host $host;
proxy_set_header X-Real-IP $remote_addr;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme;
"""
_MINIMAL = """\
worker_processes auto; daemon off; pid /tmp/%(port)s.pid; error_log /dev/stderr warn;
events { worker_connections 4096; }
http {
proxy_http_version 1.1;
proxy_set_header Connection "";
%(http)s
upstream frontend { %(servers)s keepalive 64; }
server { listen %(port)s; location / { proxy_pass http://frontend; } }
}
"""


class Live:
    """A deployment of both charms and the stores, with a charm that does nothing beside each."""

    def __init__(self, model: Model) -> None:
        self._model = model
        assert model.juju.model is not None
        self._client = client.Model(model.juju.model)

    def dispatches(self) -> Iterator[Figure]:
        """A dispatch with nothing to do, against one of a null charm with the same packages."""

        def seconds(unit: str) -> float:
            return self._client.run_hook(unit, 'update-status')['seconds']

        for charm, unit in ('coordinator', 'coordinator/0'), ('worker', 'backend/0'):
            null = f'null-{charm}/0'
            for cold in (unit, null):
                seconds(cold)
            yield compared(
                f'dispatch.{charm}.noop',
                lambda unit=unit: seconds(unit),
                lambda null=null: seconds(null),
                's',
                rounds=9,
            )

    def reloads(self, config: Callable[..., str]) -> Iterator[Figure]:
        """How long `nginx -t` and a reload of the real nginx take, against those with 1 worker."""
        resolver = re.search(r'nameserver (\S+)', self._nginx('cat', '/etc/resolv.conf'))
        assert resolver
        sizes = (1000, 1)
        for workers in sizes:
            # Runs beside the serving nginx, with other ports and another pid file.
            text = config(workers, resolver[1])
            text = text.replace('listen 8080', f'listen {20000 + workers}')
            text = text.replace('127.0.0.1:8081', f'127.0.0.1:{30000 + workers}')
            text = text.replace('127.0.0.1:8082', f'127.0.0.1:{40000 + workers}')
            text = text.replace('/tmp/nginx.pid', f'/tmp/{workers}.pid')
            # These workers do not exist, and nginx would log that twice a second for each.
            text = re.sub('^error_log .*$', 'error_log /dev/null crit;', text, flags=re.MULTILINE)
            self._serve(f'reload-{workers}', text)
        try:
            for name, seconds in ('test', self._test), ('reload', self._reload):
                yield compared(
                    f'nginx.{name}.n1000',
                    lambda seconds=seconds: seconds(sizes[0]),
                    lambda seconds=seconds: seconds(sizes[1]),
                    's',
                    rounds=5,
                )
        finally:
            for workers in sizes:
                self._stop(f'reload-{workers}')

    def _test(self, workers: int) -> float:
        """How many seconds `nginx -t` takes."""
        return self._timed(f'nginx -t -q -c /tmp/reload-{workers}.conf')

    def _reload(self, workers: int) -> float:
        """Seconds from the signal until there is a process with the new configuration."""
        # The newest child comes last; old ones may stay for a while.
        newest = 'set -- $(cat /proc/$nginx/task/$nginx/children); shift $(($# - 1))'
        seconds = self._timed(
            'kill -HUP $nginx; for turn in $(seq 2500); do '
            f'{newest}; [ $1 != $last ] && break; sleep 0.002; done',
            before=f'nginx=$(cat /tmp/{workers}.pid); {newest}; last=$1',
        )
        assert seconds < 5, 'nginx did not reload'
        return seconds

    def _timed(self, script: str, *, before: str = 'true') -> float:
        """How many seconds a shell script takes in the nginx container."""
        clock = 'date +%s%N'
        # One argument, since `juju ssh` joins its arguments for a shell.
        said = self._nginx(f'{before}; start=$({clock}); {script}; echo $(($({clock}) - start))')
        return int(said.split()[-1]) / 1e9

    def _serve(self, name: str, text: str) -> None:
        """Run another nginx in the same way."""
        self._push(text, f'/tmp/{name}.conf')
        command = ops.pebble.Layer(nginx.layer()).services[nginx.SERVICE].command
        command = command.replace('/etc/nginx/nginx.conf', f'/tmp/{name}.conf')
        self._start(_NGINX, name, {'command': command})

    def _start(self, where: tuple[str, str], name: str, service: ops.pebble.ServiceDict) -> None:
        """Run another program as a service of the Pebble of the program that it is like.

        Its log then takes the same route; and without cgroups, Linux divides the CPU by session.
        """
        layer = {'services': {name: {**service, 'override': 'replace', 'startup': 'disabled'}}}
        self._push(json.dumps(layer), f'/tmp/{name}.yaml', where)
        self._pebble(where, 'add', '--combine', name, f'/tmp/{name}.yaml')
        self._pebble(where, 'start', name)

    def _stop(self, name: str, where: tuple[str, str] = _NGINX) -> None:
        self._pebble(where, 'stop', name)

    def proxy(self) -> Iterator[Figure]:
        """Requests through the coordinator, against the same nginx with other configurations."""
        addresses = [unit.address for name, unit in self._model.units('frontend').items() if name]
        servers = ' '.join(
            f'server {address}:{deployments.WORKLOAD_PORT};' for address in addresses
        )
        for name, port, http in (
            ('minimal', MINIMAL_PORT, _LOGGED),
            ('bare', BARE_PORT, 'access_log off;'),
        ):
            self._serve(name, _MINIMAL % {'port': port, 'http': http, 'servers': servers})
        coordinator = self._model.units('coordinator')['coordinator/0'].address
        targets = {
            'coordinator': f'{coordinator}:{deployments.NGINX_PORT}',
            'minimal': f'{coordinator}:{MINIMAL_PORT}',
            'bare': f'{coordinator}:{BARE_PORT}',
            'direct': f'{addresses[0]}:{deployments.WORKLOAD_PORT}',
        }
        masters = {'coordinator': 'nginx', 'minimal': str(MINIMAL_PORT), 'bare': str(BARE_PORT)}
        runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in targets}
        # There and back again, so neither always comes first.
        pair = ['coordinator', 'minimal']

        def run(order: list[str]) -> None:
            for name in order:
                before = self._cpu_seconds(masters.get(name))
                rate, late = self._wrk(f'http://{targets[name]}/healthz')
                used = self._cpu_seconds(masters.get(name)) - before
                runs[name].append((rate, late, used / (rate * WRK_SECONDS)))

        # The CPU time is nginx's alone, which other programs on the machine hardly affect.
        columns = [('proxy.rps', 'requests/s'), ('proxy.p99', 's'), ('proxy.cpu', 's/request')]

        def more() -> list[Figure]:
            run([*pair, *reversed(pair)] * 12)
            return [
                paired(
                    name,
                    [run[column] for run in runs['coordinator']],
                    [run[column] for run in runs['minimal']],
                    unit,
                )
                for column, (name, unit) in enumerate(columns)
            ]

        yield from measured_long(more)
        run(['bare', 'direct'] * 5)
        for name in 'minimal', 'bare':
            self._stop(name)
        rates = {kind: statistics.median(run[0] for run in of) for kind, of in runs.items()}
        yield Figure('proxy.rps.against_bare', rates['coordinator'], 'requests/s', rates['bare'])
        yield Figure(
            'proxy.rps.against_workload', rates['coordinator'], 'requests/s', rates['direct']
        )

    def proxy_tls(self) -> Iterator[Figure]:
        """Requests through nginx with TLS to the workers, against those without it.

        nginx runs with the charm's configuration, and in front of the same processes: workloads
        that serve both, beside the charm's own. Clients use plain HTTP either way.
        """
        ca = authority.Authority()
        self._push(ca.certificate, '/tmp/workers-ca.pem')
        hosts = {
            unit.address: f'{name.replace("/", "-")}.bench'
            for name, unit in self._model.units('frontend').items()
        }
        workloads = [(name, 'workload') for name in self._model.units('frontend')]
        for where, host in zip(workloads, hosts.values(), strict=True):
            self._start_workload(where, host, ca)
        upstream_tls = nginx_upstream_tls.UpstreamTls('/tmp/workers-ca.pem', hosts)
        ports = Ports(WORKLOAD_PORT, tls=WORKLOAD_TLS_PORT)
        at_ports = dataclasses.replace(workload.WORKLOAD, ports=ports)
        kinds = {
            'to-plain': (TO_PLAIN_PORT, None),
            'to-tls': (TO_TLS_PORT, upstream_tls),
        }
        for name, (port, tls) in kinds.items():
            text = nginx_config.config(
                {'frontend': list(hosts)},
                workload=at_ports,
                pod=nginx_pod.Pod(('127.0.0.1',), ipv6=False),
                log_level='info',
                upstream_tls=tls,
            )
            for old, new in (
                ('listen 8080', f'listen {port}'),
                ('127.0.0.1:8081', f'127.0.0.1:{port + 10000}'),
                ('127.0.0.1:8082', f'127.0.0.1:{port + 20000}'),
                ('/tmp/nginx.pid', f'/tmp/{port}.pid'),
            ):
                text = text.replace(old, new)
            self._serve(name, text)
        coordinator = self._model.units('coordinator')['coordinator/0'].address
        urls = {name: f'http://{coordinator}:{port}/healthz' for name, (port, *_) in kinds.items()}
        figure = compared(
            'proxy.tls',
            lambda: self._wrk(urls['to-tls'])[0],
            lambda: self._wrk(urls['to-plain'])[0],
            'requests/s',
            rounds=WRK_ROUNDS,
        )
        for name in kinds:
            self._stop(name)
        for where in workloads:
            self._stop('workload-tls', where)
        yield figure

    def _start_workload(self, where: tuple[str, str], host: str, ca: authority.Authority) -> None:
        """Run another workload in the same way, with TLS on a second port."""
        key = tls_certificates.PrivateKey.generate()
        self._push(ca.issue(authority.request(host, key=key)), '/tmp/tls.crt', where)
        self._push(str(key), '/tmp/tls.key', where)
        own = ops.pebble.Plan(self._pebble(where, 'plan')).services['podinfo']
        plain = f'--port={deployments.WORKLOAD_PORT}'
        assert plain in own.command
        flags = f'--port={WORKLOAD_PORT} --secure-port={WORKLOAD_TLS_PORT} --cert-path=/tmp'
        command = own.command.replace(plain, flags)
        self._start(where, 'workload-tls', {**own.to_dict(), 'command': command})

    def _cpu_seconds(self, name: str | None) -> float:
        """CPU seconds so far of the processes of the nginx with this pid file; 0 for None."""
        if name is None:
            return 0.0
        nanoseconds = self._nginx(
            f'nginx=$(cat /tmp/{name}.pid); for child in $(cat /proc/$nginx/task/$nginx/children);'
            ' do cut -d" " -f1 /proc/$child/schedstat; done'
        )
        return sum(map(int, nanoseconds.split())) / 1e9

    def _wrk(self, url: str) -> tuple[float, float]:
        """Requests per second, and the seconds that 99 of 100 take, sent from another pod."""
        # The charm container sees the machine's own programs.
        command = ('exec', '--unit', 'null-worker/0', '--')
        length = ('-d', f'{WRK_SECONDS}s')
        said = self._model.juju.cli(*command, 'wrk', '-t1', '-c16', *length, '--latency', url)
        rate = re.search(r'Requests/sec:\s+([\d.]+)', said)
        late = re.search(r'99%\s+([\d.]+)(us|ms|s)', said)
        assert rate, said
        assert late, said
        assert 'Non-2xx' not in said, said
        scale = {'us': 1e-6, 'ms': 1e-3, 's': 1.0}[late[2]]
        return float(rate[1]), float(late[1]) * scale

    def latencies(self) -> Iterator[Figure]:
        """Seconds from a request to its line, its sample and its spans in the stores."""
        stores = self._model.stores
        kinds: dict[str, list[float]] = {'log': [], 'metric': [], 'trace': []}
        for _ in range(5):
            mark, trace_id = secrets.token_hex(8), secrets.token_hex(16)
            before = self._requests()
            start = time.monotonic()
            self._model.cluster.http(
                'coordinator/0',
                deployments.NGINX_PORT,
                f'/status/418?mark={mark}',
                headers={'traceparent': f'00-{trace_id}-{secrets.token_hex(8)}-01'},
            )
            waits: dict[str, Callable[[], bool]] = {
                'log': lambda mark=mark: bool(stores.lines('coordinator/0', containing=mark)),
                'metric': lambda before=before: self._requests() > before,
                'trace': lambda trace_id=trace_id: bool(stores.trace(trace_id)),
            }
            while waits:
                for kind in [kind for kind, arrived in waits.items() if arrived()]:
                    kinds[kind].append(time.monotonic() - start)
                    del waits[kind]
                if time.monotonic() - start > 60:
                    raise RuntimeError(f'not there after 60 s: {", ".join(waits)}')
                time.sleep(0.02)
        for kind, seconds in kinds.items():
            yield Figure(f'e2e.{kind}_latency', statistics.median(seconds), 's')

    def _requests(self) -> float:
        """How many requests Prometheus counts with a status that nothing else causes."""
        url = (
            f'http://prometheus.{self._model.juju.model}.svc.cluster.local:9090/api/v1/query'
            '?query=sum(http_requests_total%7Bjuju_application=%22frontend%22,status=%22418%22%7D)'
        )
        found = json.loads(self._client.http(url).body)['data']['result']
        return float(found[0]['value'][1]) if found else 0.0

    def _nginx(self, *command: str) -> str:
        """Run a command in the coordinator's nginx container."""
        return self._ssh(_NGINX, *command)

    def _pebble(self, where: tuple[str, str], *command: str) -> str:
        return self._ssh(where, '/charm/bin/pebble', *command)

    def _ssh(self, where: tuple[str, str], *command: str) -> str:
        unit, container = where
        return self._model.juju.ssh(unit, *command, container=container)

    def _push(self, text: str, path: str, where: tuple[str, str] = _NGINX) -> None:
        unit, container = where
        with tempfile.NamedTemporaryFile('w', suffix='.conf') as file:
            file.write(text)
            file.flush()
            self._model.juju.scp(file.name, f'{unit}:{path}', container=container)


@contextlib.contextmanager
def deployment(terminal: Terminal) -> Iterator[Live]:
    """Both charms with the stores, and two null charms, in a model destroyed afterwards."""
    os.environ['LOCALJUJU_OWNER'] = str(os.getpid())
    juju = jubilant.Juju(cli_binary=JUJU)
    with tempfile.TemporaryDirectory(prefix='bench-') as scratch:
        nulls = [
            deployments.Application(
                f'null-{charm}',
                null_charm(ROOT / 'build' / f'{charm}-k8s.charm', Path(scratch, charm)),
                resources=deployments.upstream_sources(f'{charm}-charm'),
            )
            for charm in ('coordinator', 'worker')
        ]
        juju.add_model(f'bench-{secrets.token_hex(3)}')
        assert juju.model is not None
        try:
            with terminal.step('Deploy both charms, the stores and two null charms'):
                live = client.Model(juju.model)
                model = Model(juju, LocalCluster(juju.model), LocalStores(live))
                model.deploy(deployments.coordinator(), *WORKERS, *deployments.STORES, *nulls)
                model.integrate(
                    *deployments.cluster_relations(WORKERS), *deployments.TELEMETRY.values()
                )
                model.wait_status('coordinator', 'active: 3 workers', timeout=300)
                eventually(lambda: _installed(live, nulls), timeout=120)
            yield Live(model)
        finally:
            juju.destroy_model(juju.model, destroy_storage=True, force=True)


def _installed(live: client.Model, applications: list[deployments.Application]) -> None:
    started = {entry['unit'] for entry in live.stats()['dispatches'] if entry['hook'] == 'start'}
    assert {unit for of in applications for unit in of.unit_names} <= started


def null_charm(charm: Path, target: Path) -> Path:
    """A folder with a packed charm's packages and metadata, and code that does nothing."""
    with zipfile.ZipFile(charm) as archive:
        for member in archive.infolist():
            archive.extract(member, target)
            if mode := member.external_attr >> 16 & 0o777:
                (target / member.filename).chmod(mode)
    shutil.rmtree(target / 'src')
    (target / 'src').mkdir()
    (target / 'src' / 'charm.py').write_text(NULL_CHARM)
    (target / 'src' / 'charm.py').chmod(0o755)
    return target


def demo() -> Iterator[Figure]:
    """Seconds from `juju deploy` to every unit's telemetry in the stores, as the demo measures."""
    environment = {**os.environ, 'KEEP': '0'}
    environment.pop('LOCALJUJU_OWNER', None)
    subprocess.run(
        ['python3', str(ROOT / 'scripts' / 'demo.py')],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = json.loads((ROOT / 'build' / 'demo.json').read_text())['seconds']
    total = seconds['deploy_to_active'] + seconds['active_to_all_green']
    yield Figure('e2e.deploy_to_green', total, 's')
