"""Metrics, logs and traces end to end, with real programs on this machine: `make demo`.

Sets up what is needed, packs both charms, deploys them with three stores on the local Juju, sends
traffic, and shows the metrics, logs and traces of every unit in the stores. It stays until Ctrl-C
so that you can look around; with KEEP=0 in the environment it tears down at once and exits 0 only
if nothing is missing. With TLS=1 a CA is deployed too, and everything that leaves a pod goes over
TLS. With OTLP=1 logs and traces go to the stores through a collector. build/demo.json holds the
result, build/demo.log the programs' output.

Standard library only: this runs first on a fresh machine. The Makefile's PYTHONPATH names the
local Juju, tests/integration and tests/stores.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deployment
import listeners
import telemetry
from clients import LocalStores, Node, Span, StoreError, Stores
from localjuju import client
from localjuju.common import registry
from terminal import BOLD, CYAN, DIM, GREEN, RED, Step, Terminal, pad, width

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build'
LOG = BUILD / 'demo.log'
CA_FILE = BUILD / 'demo-ca.pem'
CURL = BUILD / 'demo.curlrc'
"""With TLS: curl's options for what the demo shows, and the CA."""
JUJU = ROOT / 'tests' / 'localjuju' / 'bin' / 'juju'
MODEL = 'demo'
CHARMS = ('coordinator-charm', 'worker-charm')
COMPONENTS = ('pack', 'pods', 'images')
"""What has to be set up, with all that they need; the collector is among the `extra-images`."""
WORKERS = tuple(deployment.worker(role, role=role, units=2) for role in deployment.ROLES)
CHARM_NAMES = {
    'coordinator': deployment.COORDINATOR_CHARM,
    **{worker.name: deployment.WORKER_CHARM for worker in WORKERS},
}
"""Application → charm, for the applications whose telemetry is shown."""
UNITS = {one.name: one.unit_names for one in (deployment.coordinator(), *WORKERS)}
"""Application → its units, for the same."""


@dataclass(frozen=True)
class Plan:
    """What is deployed.

    Attributes:
        stores: the applications that stand for others' charms.
        relations: all of them, as pairs of `application:endpoint`.
        tls: whether it all goes over TLS.
        otlp: whether logs and traces go through a collector.
    """

    stores: tuple[deployment.Application, ...]
    relations: tuple[tuple[str, str], ...]
    tls: bool = False
    otlp: bool = False

    @property
    def applications(self) -> tuple[deployment.Application, ...]:
        """Everything that is deployed."""
        return (deployment.coordinator(), *WORKERS, *self.stores)

    @property
    def charms(self) -> tuple[str, ...]:
        """The folders of all charms."""
        return (*CHARMS, *(f'tests/stores/{application.name}' for application in self.stores))


PLAIN = Plan(
    stores=deployment.STORES,
    relations=(*deployment.cluster_relations(WORKERS), *deployment.TELEMETRY.values()),
)
TLS = Plan(
    stores=(*deployment.STORES, deployment.CERTIFICATES),
    relations=(*PLAIN.relations, deployment.TLS, deployment.STORES_CA, *deployment.STORE_TLS),
    tls=True,
)


def plan_for(*, tls: bool, otlp: bool) -> Plan:
    """What is deployed: with a CA or not, through a collector or not."""
    chosen = TLS if tls else PLAIN
    if not otlp:
        return chosen
    direct = {relation for name, relation in deployment.TELEMETRY.items() if 'metrics' not in name}
    relations = [relation for relation in chosen.relations if relation not in direct]
    relations += [*deployment.OTLP, *([deployment.COLLECTOR_TLS] if tls else [])]
    return Plan((*chosen.stores, deployment.COLLECTOR), tuple(relations), tls, otlp)


TRACED_REQUEST = next(
    (one for one in deployment.TRAFFIC[::-1] if one.path and deployment.TRACED), None
)
"""The request whose trace is shown; None for a workload that makes no spans."""
_PROTOCOL_HINT = (
    '\n `traces` in workload.py of both charms says in which protocols the workload sends spans.'
)
UPDATE_STATUS = '10s'
"""With TLS: how often Juju runs update-status, in which the plain ports close; by default 5m."""
ACTIVE_SECONDS = 300.0
"""How long everything may take to become active."""
REQUESTS = 20
"""How many requests of each kind."""
GREEN_SECONDS = 90.0
"""How long all telemetry may then take to arrive; it needs two scrapes and a few pushes."""
UNSENT_SECONDS = 5.0
"""How long a unit of a deployment that has come to rest may say that it does not send a signal."""
SILENT_SECONDS = 20.0
"""How long after all other telemetry spans of workloads may still take to arrive."""
TLS_SECONDS = 120.0
"""With TLS: how long until nothing is served without; a few update-status."""


class DemoError(Exception):
    """The demo cannot continue; the message says what failed, and why."""


def run(step: Step, *command: str | Path) -> str:
    """Run a program, show its latest line as the step's note, and return what it printed.

    Raises:
        DemoError: if it fails; with its last lines.
    """
    environment = {**os.environ, 'PYTHONPATH': str(ROOT / 'tests' / 'localjuju')}
    lines: list[str] = []
    with (
        LOG.open('a') as log,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        log.write(f'\n$ {" ".join(map(str, command))}\n')
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            log.flush()
            lines.append(line)
            step.note = line.strip()
    if process.returncode:
        name = Path(command[0]).name
        tail = ''.join(f'   {line}' for line in lines[-15:])
        raise DemoError(f'`{name} {command[1]}` failed ({process.returncode}):\n{tail}')
    step.note = ''
    return ''.join(lines)


def juju(step: Step, *arguments: str) -> str:
    """Run the local Juju on the demo's model."""
    return run(step, JUJU, arguments[0], '--model', MODEL, *arguments[1:])


def status() -> dict[str, Any]:
    """Return what `juju status` says about the demo's model, without starting a program for it."""
    try:
        return client.Model(MODEL).status()
    except (client.RequestError, registry.RegistryError) as error:
        raise DemoError(f'cannot get the status of {MODEL}: {error}') from error


def prepare(terminal: Terminal, plan: Plan, seconds: dict[str, float]) -> None:
    """Set up the machine and pack the charms."""
    with terminal.step('Set up the local Juju and its images') as step:
        extra = ('extra-images',) if plan.otlp else ()
        run(step, 'python3', 'scripts/setup.py', *COMPONENTS, *extra)
    seconds['setup'] = step.seconds
    with terminal.step('Pack the charms') as step:
        run(step, 'python3', 'scripts/pack.py', *plan.charms)
    seconds['pack'] = step.seconds


def deploy(terminal: Terminal, plan: Plan, seconds: dict[str, float]) -> None:
    """Deploy and integrate everything, and wait until all units are active."""
    start = time.monotonic()
    units = sum(application.units for application in plan.applications)
    with terminal.step(f'Deploy {units} units of {len(plan.applications)} applications') as step:
        for application in plan.applications:
            step.note = application.name
            juju(step, *deployment.deploy_arguments(application))
    with terminal.step(f'Integrate {len(plan.relations)} relations') as step:
        for one, other in plan.relations:
            juju(step, 'integrate', one, other)
    with terminal.step('Wait for all units to be active') as step:
        deadline = start + ACTIVE_SECONDS
        at_rest = None
        while True:
            seen = status()
            waiting = not_active(seen, plan.applications)
            if not waiting:
                if not (unsent := not_sent(seen)):
                    break
                at_rest = at_rest or time.monotonic()
                # With TLS, what is not trusted yet may be after the next update-status.
                if time.monotonic() - at_rest > (TLS_SECONDS if plan.tls else UNSENT_SECONDS):
                    raise DemoError(f'not everything is sent:{_listed(unsent)}{_PROTOCOL_HINT}')
                waiting = unsent
            step.note = f'{len(waiting)} to go: {"; ".join(waiting[:3])}'
            if reasons := client.Model(MODEL).hopeless():
                listed = _listed(f'{unit}: {why}' for unit, why in reasons.items())
                raise DemoError(f'units are in an error that needs fixing:{listed}')
            if time.monotonic() > deadline:
                raise DemoError(f'not active after {ACTIVE_SECONDS:.0f} s:{_listed(waiting)}')
            time.sleep(0.2)
    seconds['deploy_to_active'] = time.monotonic() - start


def not_active(
    status: Mapping[str, Any], applications: Iterable[deployment.Application]
) -> list[str]:
    """Return a line for each unit in a `juju status` that is not active or not idle yet."""
    waiting = []
    for application in applications:
        units = status['applications'].get(application.name, {}).get('units') or {}
        for name in application.unit_names:
            workload = units.get(name, {}).get('workload-status', {})
            agent = units.get(name, {}).get('juju-status', {})
            if workload.get('current') != 'active':
                message = workload.get('message') or 'no message'
                waiting.append(f'{name} {workload.get("current", "unknown")}: {message}')
            elif agent.get('current') != 'idle':
                waiting.append(f'{name} {agent.get("current", "")} {agent.get("message", "")}')
    return waiting


def not_sent(status: Mapping[str, Any]) -> list[str]:
    """Return a line for each unit that says in a `juju status` that it does not send a signal."""
    units = (app.get('units') or {} for app in status['applications'].values())
    messages = {
        name: unit['workload-status'].get('message') or ''
        for of in units
        for name, unit in of.items()
    }
    return [f'{name}: {text}' for name, text in messages.items() if ' not sent' in text]


def _listed(lines: Iterable[str]) -> str:
    return ''.join(f'\n   {line}' for line in lines)


@dataclass(frozen=True)
class Inside:
    """The way to what runs in the model.

    Attributes:
        model: the running model.
        cas: whom to trust, in PEM; '' without TLS.
    """

    model: client.Model
    cas: str = ''

    def http(self, application: str, port: int, path: str, **request: Any) -> client.Response:
        """Send a request to an application; with TLS, its certificate is verified."""
        scheme = 'https' if self.cas else 'http'
        url = f'{scheme}://{listeners.host(application, MODEL)}:{port}{path}'
        context = listeners.trusting(self.cas) if self.cas else None
        return self.model.http(url, **request, context=context)

    def connect(self, target: str, port: int) -> socket.socket:
        """Connect to a unit or an application."""
        return self.model.connect(listeners.host(target, MODEL), port)


def cas_of(shown: Mapping[str, Any]) -> str:
    """Return the CAs, in PEM, that issued an application's certificates.

    Args:
        shown: one of its units, as `juju show-unit` has it.
    """
    issued = [
        one['ca'].strip()
        for relation in shown['relation-info']
        if relation['endpoint'] == 'certificates'
        for one in json.loads(relation['application-data'].get('certificates', '[]'))
    ]
    return ''.join(f'{ca}\n' for ca in dict.fromkeys(issued))


def the_listeners(*, otlp: bool = False) -> list[listeners.Listener]:
    """Every port that the demo's units and stores serve at, the collector's with `otlp`."""
    coordinators = deployment.coordinator().unit_names
    return [
        *(one for unit in coordinators for one in listeners.of_coordinator(unit)),
        *(
            one
            for worker in WORKERS
            for unit in worker.unit_names
            for one in listeners.of_worker(unit)
        ),
        *listeners.of_stores(),
        *(listeners.of_collector() if otlp else ()),
    ]


def wait_for_tls(terminal: Terminal, inside: Inside, *, otlp: bool) -> list[listeners.Answer]:
    """Wait, for a bounded time, until all listeners speak TLS alone; return what each says."""
    with terminal.step('Wait until nothing is served without TLS') as step:
        while True:
            context = listeners.trusting(inside.cas)
            answers = listeners.ask(inside.connect, MODEL, the_listeners(otlp=otlp), context)
            faults = [f'{answer.listener}: {answer.fault}' for answer in answers if answer.fault]
            step.failed = step.seconds > TLS_SECONDS
            if not faults or step.failed:
                return answers
            step.note = f'{len(faults)} to go: {faults[0]}'
            time.sleep(1)


def show_tls(terminal: Terminal, answers: Sequence[listeners.Answer]) -> None:
    """Draw what each listener says to TLS and to plain HTTP."""
    terminal.heading('Every listener, asked with TLS and without; verified by the CA and its name')
    rows = []
    for answer in answers:
        good = not answer.fault
        said = f'✓ {answer.tls} alone' if good else f'✗ {answer.fault}'
        rows.append([(str(answer.listener), BOLD), (said, GREEN if good else RED)])
    terminal.table(['listener', 'answer'], rows)


def send_traffic(terminal: Terminal, inside: Inside) -> str:
    """Send real requests through the coordinator; return the trace id of the last over HTTP.

    Raises:
        DemoError: if one of them gets a wrong answer.
    """
    trace_id = ''
    what = ' and '.join(f'{REQUESTS} x {example}' for example in deployment.TRAFFIC)
    with terminal.step(f'Send {what}'):
        for _ in range(REQUESTS):
            for example in deployment.TRAFFIC:
                if example.path:
                    trace_id = secrets.token_hex(16)
                    status, body = request(inside, example, trace_id)
                else:
                    status, body = exchange(inside, example)
                if status != 200 or not example.is_answered_by(body):
                    raise DemoError(f'{example} was answered {status}: {body[:200]!r}')
    return trace_id


def request(inside: Inside, example: deployment.Example, trace_id: str) -> tuple[int, str]:
    """Send a request over HTTP in a trace of its own; return the answer's status and body."""
    answer = inside.http(
        'coordinator',
        example.port,
        example.path,
        method=example.method,
        body=example.body.encode() or None,
        headers={'traceparent': f'00-{trace_id}-{secrets.token_hex(8)}-01'},
    )
    return answer.status, answer.body.decode(errors='replace')


def exchange(inside: Inside, example: deployment.Example) -> tuple[int, str]:
    """Send bytes; return 200 and what comes back."""
    with inside.connect('coordinator', example.port) as connection:
        return 200, example.exchange(connection)


def collect(
    terminal: Terminal, stores: Stores, model_uuid: str
) -> dict[str, dict[str, telemetry.Cell | None]]:
    """Look for all telemetry of every unit until it has arrived or time is up.

    Raises:
        DemoError: if everything has arrived but spans of workloads, of which there is none.
    """
    cells: dict[str, dict[str, telemetry.Cell | None]] = {}
    silent = None
    with terminal.step('Wait for the telemetry of every unit') as step:
        while True:
            for name, charm in CHARM_NAMES.items():
                for unit in UNITS[name]:
                    if not all_ok(cells.get(unit)):
                        wanted = telemetry.topology(MODEL, model_uuid, unit, charm)
                        traced = deployment.TRACED and name != 'coordinator'
                        cells[unit] = telemetry.cells(stores, wanted, traced=traced)
            missing = sum(not cell.ok for row in cells.values() for cell in row.values() if cell)
            step.failed = step.seconds > GREEN_SECONDS
            if not missing or step.failed:
                return cells
            silent = (silent or step.seconds) if only_spans_missing(cells) else None
            if silent is not None and step.seconds - silent > SILENT_SECONDS:
                raise DemoError(
                    'no workload sends spans, though all other telemetry arrives: does it speak '
                    f'{" or ".join(deployment.WORKLOAD["traces"])}?{_PROTOCOL_HINT}'
                )
            step.note = f'{missing} cells to go'
            time.sleep(0.5)


def only_spans_missing(cells: Mapping[str, Mapping[str, telemetry.Cell | None]]) -> bool:
    """Whether nothing is missing but the spans of workloads, and these of every unit."""
    oks = {
        flow: {cell.ok for row in cells.values() if (cell := row[flow])}
        for flow in telemetry.FLOWS
    }
    return oks.pop('workload_traces') == {False} and all(found == {True} for found in oks.values())


def all_ok(row: Mapping[str, telemetry.Cell | None] | None) -> bool:
    """Whether all telemetry that a unit sends was found."""
    return row is not None and all(cell is None or cell.ok for cell in row.values())


def show_matrix(
    terminal: Terminal, cells: Mapping[str, Mapping[str, telemetry.Cell | None]]
) -> None:
    """Draw the telemetry matrix, and below it the reason for each missing cell."""
    terminal.heading('Telemetry of every unit, as found in the stores')
    rows = []
    faults = []
    for unit, row in cells.items():
        line = [(unit, BOLD)]
        for flow, cell in row.items():
            if cell is None:
                line.append(('-', DIM))
            elif cell.ok:
                line.append((f'✓ {cell.what}', GREEN))
            else:
                line.append(('✗', RED))
                faults.append(f' ✗ {unit} {flow.replace("_", " ")}: {cell.what}')
        rows.append(line)
    terminal.table(['unit', *(flow.replace('_', ' ') for flow in telemetry.FLOWS)], rows)
    if faults:
        terminal.say()
        for fault in faults:
            terminal.say(terminal.style(fault, RED))


def wait_for_trace(
    terminal: Terminal, stores: Stores, trace_id: str
) -> tuple[tuple[Node, ...], list[str]]:
    """Wait, for a bounded time, for a trace of all requests to workloads, and nginx's lines.

    Returns:
        What was found in the end: the trace, and the access-log lines, the oldest first.
    """
    with terminal.step('Wait for one complete trace') as step:
        while True:
            try:
                trees = stores.trace(trace_id)
                lines = stores.lines('coordinator/0', charm_logs=False, containing=trace_id)
            except StoreError as error:
                raise DemoError(str(error)) from error
            step.failed = step.seconds > GREEN_SECONDS
            if is_whole(trees, lines) or step.failed:
                return trees, [line.text for line in lines]
            time.sleep(0.5)


def is_whole(trees: Sequence[Node], access_log: Sequence[object]) -> bool:
    """Whether a trace has the request of each worker in a row, and nginx's line for each."""
    served = [span for tree in trees for span in spans_of(tree) if serves(span)]
    return min(len(served), len(access_log)) >= TRACED_REQUEST.requests if TRACED_REQUEST else True


def show_trace(
    terminal: Terminal, trace_id: str, trees: Sequence[Node], access_log: Sequence[str]
) -> None:
    """Draw one trace as a tree, and below it the nginx access-log lines that carry its id."""
    terminal.heading(f'One {TRACED_REQUEST} is one distributed trace: {trace_id}')
    if not is_whole(trees, access_log):
        count = TRACED_REQUEST.requests if TRACED_REQUEST else 0
        missing = (
            f'✗ incomplete: expected {count} requests to workers, and a line of nginx for each'
        )
        terminal.say(f' {terminal.style(missing, RED)}\n')
    rows = trace_rows(trees, [json.loads(line) for line in access_log])
    columns = [max(width(row[column]) for row in rows) if rows else 0 for column in range(3)]
    for unit, what, milliseconds in rows:
        figures = terminal.style(milliseconds.rjust(columns[2]), DIM)
        terminal.say(f'   {pad(unit, columns[0])}   {pad(what, columns[1])}   {figures}')
    terminal.say(f'\n {terminal.style("The nginx access log of this trace", BOLD)}\n')
    for line in access_log:
        terminal.say(f'   {line}')


def trace_rows(
    trees: Sequence[Node], access_log: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str, str]]:
    """Return a trace as rows: unit below its caller, operation, milliseconds.

    nginx sends no spans. Its access log shows where it passed on a request, by the path that the
    workload then served. Only spans that led to a served request are shown, not the phases of each
    call.
    """
    rows: list[tuple[str, str, str]] = []

    def add(node: Node, indent: str, branch: str, below: str) -> None:
        path = node.span.name.rpartition(' ')[2]
        passed_on = [
            line for line in access_log if serves(node.span) and line['uri'].endswith(path)
        ]
        for line in passed_on[:1]:
            request = f'nginx: {line["method"]} {line["uri"]} -> {line["status"]}'
            milliseconds = float(line['seconds']) * 1000  # nginx logs whole ones only
            took = f'{milliseconds:.0f} ms  ' if milliseconds else '<1 ms  '
            rows.append((f'{indent}{branch}coordinator/0', request, took))
            indent, branch, below = indent + below, '└─ ', '   '
        span = node.span
        unit = span.resource.get('juju_unit', span.service)
        kind = span.attributes.get('span.kind', '')
        operation = f'{span.name} ({kind})' if kind else span.name
        rows.append((f'{indent}{branch}{unit}', operation, f'{span.duration / 1e6:.1f} ms'))
        children = [child for child in node.children if any(map(serves, spans_of(child)))]
        for child in children:
            last = child is children[-1]
            add(child, indent + below, '└─ ' if last else '├─ ', '   ' if last else '│  ')

    for tree in trees:
        add(tree, '', '', '')
    return rows


def spans_of(node: Node) -> list[Span]:
    """Return a node's span and all below it."""
    return [span for _, span in node.walk()]


def serves(span: Span) -> bool:
    """Whether the span is of a request that a workload received, not of one that it sent."""
    return span.attributes.get('span.kind') == 'server'


def show_ways_in(terminal: Terminal, inside: Inside, trace_id: str) -> None:
    """Forward the pages of the deployment to this machine's loopback and name them."""
    # Debian's Prometheus comes without its web interface.
    pages = {
        'Entrypoint (nginx)': ('coordinator', deployment.NGINX_PORT, '/'),
        'Prometheus: targets': ('prometheus', 9090, '/api/v1/targets'),
        'Prometheus: rules': ('prometheus', 9090, '/api/v1/rules'),
        'Prometheus: a query': ('prometheus', 9090, '/api/v1/query?query=up'),
        'VictoriaLogs': ('loki', 3100, '/select/vmui/'),
        'Jaeger: traces': ('tempo', 16686, '/'),
    }
    if TRACED_REQUEST:
        pages['Jaeger: the trace above'] = ('tempo', 16686, f'/trace/{trace_id}')
    terminal.heading('Look around, in another terminal or a browser')
    ports: dict[str, int] = {}
    for title, (application, port, path) in pages.items():
        if application not in ports:
            host = listeners.host(application, MODEL)
            ports[application] = inside.model.forward(host, port)
        base = base_url(application, ports[application], tls=bool(inside.cas))
        url = f'{base}{path}'
        terminal.say(f'   {title:24} {terminal.style(url, CYAN)}')
    curl = 'curl'
    if inside.cas:
        write_curl(inside.cas, ports)
        curl = f'curl --config {CURL.relative_to(ROOT)}'
        terminal.say(f'\n   Their certificates are for these names: ask with `{curl} URL`.')
    program = JUJU.relative_to(ROOT)
    entrypoint = base_url('coordinator', ports['coordinator'], tls=bool(inside.cas))
    terminal.say()
    for command in (
        f'{program} status --model {MODEL} --relations',
        f'{program} debug-log --model {MODEL}',
        f'{program} show-unit --model {MODEL} coordinator/0',
        f'{program} ssh --model {MODEL} --container nginx coordinator/0 cat /etc/nginx/nginx.conf',
        f'{program} add-unit --model {MODEL} {WORKERS[0].name}',
        *(
            f'{curl} --request {each.method} --data "{each.body}" {entrypoint}{each.path}'
            for each in deployment.TRAFFIC
            if each.path
        ),
    ):
        terminal.say(f'   {terminal.style(command, CYAN)}')


def base_url(application: str, port: int, *, tls: bool) -> str:
    """The URL of an application that is forwarded to a port of this machine.

    With TLS it has the application's own name, which its certificate is for.
    """
    return (
        f'https://{listeners.host(application, MODEL)}:{port}'
        if tls
        else f'http://127.0.0.1:{port}'
    )


def write_curl(cas: str, ports: Mapping[str, int]) -> None:
    """Write the options with which curl finds the forwarded applications and trusts the CA.

    Args:
        cas: in PEM.
        ports: application → port on the loopback.
    """
    CA_FILE.write_text(cas)
    names = [f'{listeners.host(name, MODEL)}:{port}:127.0.0.1' for name, port in ports.items()]
    resolved = ''.join(f'resolve = "{name}"\n' for name in names)
    CURL.write_text(f'cacert = "{CA_FILE}"\n{resolved}')


def write_result(
    cells: Mapping[str, Mapping[str, telemetry.Cell | None]],
    seconds: Mapping[str, float],
    dispatches: Sequence[Mapping[str, Any]],
    answers: Sequence[listeners.Answer] = (),
) -> None:
    """Write build/demo.json."""
    tools = [dispatch['tools'] for dispatch in dispatches]
    result: dict[str, Any] = {
        'units': [
            {'unit': unit, **{flow: cell and cell.ok for flow, cell in row.items()}}
            for unit, row in cells.items()
        ],
        'seconds': {what: round(value, 2) for what, value in seconds.items()},
        'hooks': {
            'dispatches': len(dispatches),
            'hook_tools': sum(sum(calls.values()) for calls in tools),
            'juju_log': sum(calls.get('juju-log', 0) for calls in tools),
        },
    }
    if answers:
        result['tls'] = {str(answer.listener): not answer.fault for answer in answers}
    (BUILD / 'demo.json').write_text(f'{json.dumps(result, indent=2)}\n')


def show(terminal: Terminal, plan: Plan, *, stay: bool) -> bool:
    """Run the demo; return whether all telemetry was found, and nothing was served plain."""
    seconds: dict[str, float] = {}
    prepare(terminal, plan, seconds)
    with terminal.step(f'Start the model {MODEL}') as step:
        run(step, JUJU, 'add-model', MODEL)
    try:
        if plan.tls:
            with terminal.step(f'Have update-status every {UPDATE_STATUS}') as step:
                juju(step, 'model-config', f'update-status-hook-interval={UPDATE_STATUS}')
        deploy(terminal, plan, seconds)
        active = time.monotonic()
        model = client.Model(MODEL)
        with terminal.step("Look up the model's UUID") as step:
            model_uuid = juju(step, 'exec', '--unit', 'coordinator/0', 'echo $JUJU_MODEL_UUID')
        inside = Inside(model)
        answers: list[listeners.Answer] = []
        if plan.tls:
            with terminal.step('Look up the CA') as step:
                shown = json.loads(juju(step, 'show-unit', 'coordinator/0', '--format', 'json'))
            inside = Inside(model, cas_of(shown['coordinator/0']))
            answers = wait_for_tls(terminal, inside, otlp=plan.otlp)
            seconds['active_to_tls_alone'] = time.monotonic() - active
        trace_id = send_traffic(terminal, inside)
        stores = LocalStores(model)
        cells = collect(terminal, stores, model_uuid.strip())
        seconds['active_to_all_green'] = time.monotonic() - active
        trees, access_log = (), []
        if TRACED_REQUEST:
            trees, access_log = wait_for_trace(terminal, stores, trace_id)
        show_matrix(terminal, cells)
        if plan.tls:
            show_tls(terminal, answers)
        if TRACED_REQUEST:
            show_trace(terminal, trace_id, trees, access_log)
        write_result(cells, seconds, model.stats()['dispatches'], answers)
        if stay:
            show_ways_in(terminal, inside, trace_id)
            terminal.say('\n Ctrl-C tears everything down.')
            wait_for_interrupt()
            terminal.say()
        return (
            all(all_ok(row) for row in cells.values())
            and is_whole(trees, access_log)
            and not any(answer.fault for answer in answers)
        )
    finally:
        with terminal.step('Tear down') as step:
            run(step, JUJU, 'destroy-model', MODEL, '--no-prompt', '--force', '--destroy-storage')


def wait_for_interrupt() -> None:
    """Return on Ctrl-C or SIGTERM."""
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return


def main() -> int:
    """Run the demo; return 1 if telemetry is missing or a step fails."""
    BUILD.mkdir(exist_ok=True)
    LOG.unlink(missing_ok=True)
    terminal = Terminal()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A model ends with its owner, so nothing remains if this process is killed.
    os.environ['LOCALJUJU_OWNER'] = str(os.getpid())
    try:
        tls, otlp = (os.environ.get(name, '0') not in {'', '0'} for name in ('TLS', 'OTLP'))
        good = show(
            terminal, plan_for(tls=tls, otlp=otlp), stay=os.environ.get('KEEP', '1') != '0'
        )
    except DemoError as error:
        terminal.say(terminal.style(f'\n✗ {error}', RED))
        terminal.say(f'\n Full output: {LOG.relative_to(ROOT)}')
        return 1
    except KeyboardInterrupt:
        return 130
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
