"""What gets deployed: applications, relations, and the commands of Juju that say so.

Shared by the integration tests and the demo. Only the standard library, because the demo runs
before anything is installed.
"""

import ast
import os
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / 'build'
EXAMPLES = ROOT / 'tests' / 'localjuju' / 'examples'


def constants(module: str) -> dict[str, Any]:
    """The constants at the top of a module of the charms, which may import what is not here.

    Args:
        module: its path in the repository.

    Returns:
        Name → value, without what is computed from something. A call, such as `Roles(…)`, is a
        mapping of its keywords, its other arguments at '', and what is called at 'call'.
    """
    found: dict[str, Any] = {}
    for node in ast.parse((ROOT / module).read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = _value(node.value)
    return {name: value for name, value in found.items() if value is not None}


def attributes(module: str) -> dict[str, Any]:
    """The attributes of the class in a module of the charms, like `constants`."""
    tree = ast.parse((ROOT / module).read_text())
    found: dict[str, Any] = {}
    for of in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for node in of.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = _value(node.value)
    return {name: value for name, value in found.items() if value is not None}


def _value(node: ast.expr) -> Any:
    """The value of an expression that is written out; None if it is computed from something."""
    if isinstance(node, ast.Call):
        keywords = {str(each.arg): _value(each.value) for each in node.keywords}
        called = node.func.id if isinstance(node.func, ast.Name) else ''
        return {'call': called, '': [_value(argument) for argument in node.args], **keywords}
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def arguments(called: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The arguments of a call, as `constants` gives it, by name: `names` are those by position."""
    keywords = {name: value for name, value in called.items() if name not in {'call', ''}}
    return {**dict(zip(names, called[''], strict=False)), **keywords}


def ports(called: Mapping[str, Any]) -> tuple[int, int]:
    """The plain port and the one with TLS of a `Ports(…)`; 0 without one."""
    given = arguments(called, 'plain', 'tls')
    return given['plain'], given.get('tls') or 0


def charm_name(folder: str) -> str:
    """The name of a charm, as its charmcraft.yaml has it."""
    found = re.search(
        r'^name: *(\S+)', (ROOT / folder / 'charmcraft.yaml').read_text(), re.MULTILINE
    )
    assert found is not None
    return found[1]


COORDINATOR_CHARM = charm_name('coordinator-charm')
WORKER_CHARM = charm_name('worker-charm')
COORDINATOR_CHARM_PATH = 'COORDINATOR_CHARM_PATH'
WORKER_CHARM_PATH = 'WORKER_CHARM_PATH'
"""The variables that name a packed charm to deploy in the place of the one in build/."""

NGINX_PORT: int = constants('lib/coordinated_telemetry/cluster.py')['COORDINATOR_PORT']
"""Where the coordinator serves, on each unit and on the application's service."""

WORKLOAD: dict[str, Any] = constants('coordinator-charm/src/workload.py')['WORKLOAD']
"""The workload as the coordinator's charm describes it."""
WORKER: dict[str, Any] = {
    'container': 'workload',
    **attributes('worker-charm/src/workload.py'),
}
"""The same as the worker's charm describes it: how it runs."""
LOCATIONS: dict[str, str] = WORKLOAD.get('locations') or {}
"""Path prefix → the role that serves it over HTTP."""
WORKLOAD_PORT, WORKLOAD_TLS_PORT = ports(WORKLOAD['ports'])
"""Where a worker's workload serves, without TLS and with it."""
TRACED = bool(WORKLOAD.get('traces'))
"""Whether the workload makes spans."""
_EXPORTER = constants('coordinator-charm/src/exporter.py')
EXPORTER_PORT: int = _EXPORTER['PORT']
EXPORTER_TLS_PORT: int = _EXPORTER['TLS_PORT']
"""Where a coordinator's exporter serves, without TLS and with it."""
ROLES: tuple[str, ...] = tuple(WORKLOAD['roles']['minimal_deployment'])
"""The roles that a deployment needs, without meta-roles."""


@dataclass(frozen=True)
class Example:
    """What shows that the workload works, as the coordinator's charm describes it.

    Attributes:
        port: where to, at the coordinator.
        body: what is sent.
        answer: a regular expression that is found in what comes back.
        path: where to, over HTTP; '' where it is only bytes.
        method: with which method.
        requests: to how many workers in a row it leads.
    """

    port: int
    body: str
    answer: str
    path: str = ''
    method: str = ''
    requests: int = 1

    def is_answered_by(self, text: str) -> bool:
        """Whether this is what has to come back."""
        return re.search(self.answer, text) is not None

    def exchange(self, connection: socket.socket) -> str:
        """Send the bytes; return what comes back until it is right or nothing more comes."""
        answer = ''
        connection.sendall(self.body.encode())
        while not self.is_answered_by(answer) and (data := connection.recv(4096)):
            answer += data.decode(errors='replace')
        return answer

    def __str__(self) -> str:
        sent = ' '.join(self.body.split())
        return f'{self.method} {self.path}' if self.path else f'{sent} to {self.port}'


def _example(called: Mapping[str, Any]) -> Example:
    if called['call'] == 'Request':
        defaults = {'port': NGINX_PORT, 'method': 'GET', 'body': ''}
        return Example(**{**defaults, **arguments(called, 'path', 'answer')})
    return Example(**arguments(called, 'port', 'body', 'answer'))


TRAFFIC = tuple(_example(called) for called in WORKLOAD.get('examples', ()))


@dataclass(frozen=True)
class Application:
    """An application as `juju deploy` gets it."""

    name: str
    charm: Path
    """The packed charm."""
    units: int = 1
    config: Mapping[str, str | bool] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    """Image references by the name of the resource."""

    @property
    def unit_names(self) -> list[str]:
        """The units of a fresh deployment."""
        return [f'{self.name}/{number}' for number in range(self.units)]


def upstream_sources(folder: str) -> dict[str, str]:
    """Return the image of each resource of a charm in this repository.

    A local charm takes its images from `--resource`, never from charmcraft.yaml's
    `upstream-source`; reading them there keeps one place to change.
    """
    text = (ROOT / folder / 'charmcraft.yaml').read_text()
    section = re.search(r'^resources:\n((?:[ #].*\n|\n)*)', text, re.MULTILINE)
    if section is None:
        return {}
    found = re.findall(
        r'^  ([\w-]+):\n(?:    .*\n)*?    upstream-source: *(\S+)', section[1], re.MULTILINE
    )
    return dict(found)


def packed(variable: str, name: str) -> Path:
    """The packed charm of this name: the file that an environment variable names, or our own."""
    given = os.environ.get(variable)
    return Path(given).resolve() if given else BUILD / f'{name}.charm'


def lacking() -> str:
    """Which of the two charms cannot be deployed, and what to do; '' if both are there."""
    own: list[str] = []
    for variable, application in (
        (COORDINATOR_CHARM_PATH, coordinator()),
        (WORKER_CHARM_PATH, worker('worker')),
    ):
        if application.charm.is_file():
            continue
        if os.environ.get(variable):
            return f'{variable} names no packed charm: {application.charm}'
        own.append(str(application.charm))
    return f'not packed: {", ".join(own)}; run `make pack`' if own else ''


def coordinator(name: str = 'coordinator', units: int = 1) -> Application:
    """A coordinator application."""
    return Application(
        name=name,
        charm=packed(COORDINATOR_CHARM_PATH, COORDINATOR_CHARM),
        units=units,
        resources=upstream_sources('coordinator-charm'),
    )


def worker(name: str, *, role: str = 'all', units: int = 1) -> Application:
    """A worker application with one role: one of `ROLES`, `all`, or '' for none."""
    config = {'role-all': role == 'all'}
    if role not in {'', 'all'}:
        config[f'role-{role}'] = True
    return Application(
        name=name,
        charm=packed(WORKER_CHARM_PATH, WORKER_CHARM),
        units=units,
        config=config,
        resources=upstream_sources('worker-charm'),
    )


def workers_message(units: Mapping[str, int], total: int = 0) -> str:
    """What an active coordinator says of this many workers by role.

    Args:
        units: role → how many units have it.
        total: how many units there are, if some have more than one role.
    """
    by_role = ', '.join(f'{role} {count}' for role, count in sorted(units.items()))
    return f'{total or sum(units.values())} workers ({by_role})'


def store(name: str) -> Application:
    """One of the small charms that stand for real ones, by its folder in tests/stores."""
    return Application(
        name=name,
        charm=BUILD / 'stores' / f'{charm_name(f"tests/stores/{name}")}.charm',
        resources=upstream_sources(f'tests/stores/{name}'),
    )


CERTIFICATES = store('self-signed-certificates')
"""The CA that stands for the charm of this name."""
BUCKET = store('s3-integrator')
"""The provider of a bucket that stands for the charm of this name."""
COLLECTOR = store('otel-collector')
"""The collector that stands for opentelemetry-collector-k8s; it passes on to the stores."""
STORES = tuple(store(name) for name in ('prometheus', 'loki', 'tempo'))
STORE_TLS = tuple(
    (f'{application.name}:certificates', f'{CERTIFICATES.name}:certificates')
    for application in STORES
)
"""The relations that give the stores TLS."""
TLS = ('coordinator:certificates', f'{CERTIFICATES.name}:certificates')
"""The relation that gives the coordinator, and through it the workers, TLS."""
STORES_CA = ('coordinator:receive-ca-cert', f'{CERTIFICATES.name}:send-ca-cert')
"""The relation that has the coordinator, and through it the workers, trust the stores."""

S3 = ('coordinator:s3', f'{BUCKET.name}:s3-credentials')
"""The relation that gives the coordinator, and through it the workers, the keys of a bucket."""

TELEMETRY = {
    'metrics-endpoint': ('coordinator:metrics-endpoint', 'prometheus:metrics-endpoint'),
    'logging': ('coordinator:logging', 'loki:logging'),
    'charm-tracing': ('coordinator:charm-tracing', 'tempo:tracing'),
    'workload-tracing': ('coordinator:workload-tracing', 'tempo:tracing'),
}
"""The coordinator's relations to the stores, by the coordinator's endpoint."""

OTLP = (
    ('coordinator:send-otlp', f'{COLLECTOR.name}:receive-otlp'),
    (f'{COLLECTOR.name}:send-loki-logs', 'loki:logging'),
    (f'{COLLECTOR.name}:send-traces', 'tempo:tracing'),
)
"""The relations by which logs and traces go to the stores through the collector."""
COLLECTOR_TLS = (f'{COLLECTOR.name}:certificates', f'{CERTIFICATES.name}:certificates')
"""The relation that gives the collector TLS."""


def cluster_relations(workers: Iterable[Application]) -> list[tuple[str, str]]:
    """The relation of each worker application to the coordinator."""
    return [('coordinator:cluster', f'{application.name}:cluster') for application in workers]


def deploy_arguments(application: Application) -> list[str]:
    """The arguments of `juju` that deploy an application."""
    arguments = ['deploy', str(application.charm), application.name]
    if application.units != 1:
        arguments += ['--num-units', str(application.units)]
    for option, value in application.config.items():
        text = str(value).lower() if isinstance(value, bool) else value
        arguments += ['--config', f'{option}={text}']
    for resource, image in application.resources.items():
        arguments += ['--resource', f'{resource}={image}']
    return arguments
