"""Faults and changes under a constant load: who notices.

The short version is part of `make test`; `make load` does all that is listed. Both print rows
and write build/load.json: `[{"what", "requests", "failed_get", "failed_post", "why": {reason:
requests}, "seconds"}]`.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jubilant
import pytest

import deployment
import switching
from cluster import LocalCluster
from deployment import ROLES, ROOT
from listeners import Listener
from model import Model, eventually
from traffic import ask
from vegeta import RATE, counts, load

COORDINATOR_UNITS = ('coordinator/0', 'coordinator/1')
WORKERS = tuple(deployment.worker(role, role=role, units=3) for role in ROLES)
APPLICATIONS = (deployment.coordinator(units=2), *WORKERS, deployment.store('loki'))
CA = deployment.CERTIFICATES.name
RELATIONS = (*deployment.cluster_relations(WORKERS), deployment.TELEMETRY['logging'])

Step = tuple[str, Callable[[Model], object], int]
"""What is done, how, and how many requests may fail: those in flight on what ends.

No GET, unless what is killed is nginx itself. nginx does not send a POST a second
time, for it may have been done: those fail that a killed worker has, or that are sent on a
connection in the moment in which a worker that stops closes it. A killed frontend is also in the
middle of its calls to a backend. Requests take a few milliseconds, so that at this rate there are
a handful at the most.
"""
IN_FLIGHT = 6
TLS_RATE = RATE // 4
"""Each request makes one connection that is redirected and one with a handshake of TLS."""


@pytest.fixture(scope='module')
def loaded(model: Model) -> Model:
    """Three workers for each role, two coordinators, and a log store."""
    if not isinstance(model.cluster, LocalCluster):
        pytest.skip('the load generator runs in the network of the local Juju')
    model.deploy(*APPLICATIONS)
    model.integrate(*RELATIONS)
    model.wait_active()
    eventually(lambda: ask(model, 'coordinator'))
    return model


def kill_a_workload(model: Model) -> None:
    for unit in [f'{role}/0' for role in ROLES]:
        model.kill_workload(unit)
        eventually(lambda unit=unit: check_serves(model, unit))


def check_serves(model: Model, unit: str) -> None:
    assert model.cluster.http(unit, deployment.WORKLOAD_PORT, '/readyz').status == 200


def scale(model: Model, application: str, units: int) -> None:
    model.scale(application, units)
    model.wait(
        lambda status: len(status.apps[application].units) == units and jubilant.all_active(status)
    )


def scale_up_and_down(model: Model) -> None:
    scale(model, 'backend', 4)
    scale(model, 'backend', 3)


def change_an_option(model: Model) -> None:
    for level in ('debug', 'info'):
        model.juju.config('coordinator', {'log-level': level})
        # The workers follow one after the other, each in hooks of its own.
        eventually(lambda level=level: check_log_level(model, level))
        model.wait_active()


def check_log_level(model: Model, level: str) -> None:
    for unit in model.units(*ROLES):
        text = model.run(unit, 'cat', deployment.WORKER['config_file'])
        assert f'level: "{level}"' in text, f'{unit}: {text}'


def refresh(model: Model, *applications: deployment.Application) -> None:
    for application in applications:
        model.juju.refresh(application.name, path=application.charm)
        # Refreshed are all units when each has had its upgrade-charm, and so another pod.
        model.wait_active()


def roll(model: Model, *units: str) -> None:
    for unit in units:
        model.cluster.delete_pod(unit)
        model.wait_active()


def reload_nginx(model: Model, times: int) -> None:
    for _ in range(times):
        for unit in COORDINATOR_UNITS:
            model.run(unit, 'nginx', '-s', 'reload')


def kill_nginx(model: Model) -> None:
    """Half the new connections are refused until Pebble has started it again.

    The pod's readiness is only looked at every few seconds.
    """
    model.cluster.kill_process('coordinator/0', 'nginx', 'nginx')
    eventually(lambda: ask(model, 'coordinator/0'))
    model.wait_active()


def kill_the_master(model: Model) -> None:
    """As when the kernel kills one process of many."""
    model.run('coordinator/0', 'kill -KILL $(cat /tmp/nginx.pid)')
    eventually(lambda: ask(model, 'coordinator/0'))
    model.wait_active()


def kill_a_coordinator_pod(model: Model) -> None:
    model.cluster.delete_pod('coordinator/0', kill=True)
    model.wait_active()


def scale_the_coordinator(model: Model) -> None:
    scale(model, 'coordinator', 3)
    scale(model, 'coordinator', 2)


def listeners_of(model: Model) -> list[Listener]:
    """Every listener of ours, also of units that came later."""
    return switching.of_units(model.units('coordinator', *ROLES))


def certificates(model: Model) -> dict[str, str]:
    """The serial number of what each listener serves, by the listener."""
    context = switching.trusting(model, *switching.published(model))
    return switching.serial_numbers(model, listeners_of(model), context)


def turn_tls_on(model: Model) -> None:
    model.integrate(deployment.TLS)
    model.wait_active()
    eventually(lambda: switching.check_tls_alone(model, *listeners_of(model)))


def renew(model: Model) -> None:
    before = certificates(model)
    for unit in model.units('coordinator', *ROLES):
        model.cluster.run_hook(unit, 'update-status', later=switching.RENEWAL)
    eventually(lambda: check_all_others(model, before))
    model.wait_active()


def check_all_others(model: Model, before: dict[str, str]) -> None:
    now = certificates(model)
    same = [listener for listener, number in before.items() if now.get(listener) == number]
    assert same == []


def announce_another_ca(model: Model) -> None:
    """It is trusted from then on, and issues later."""
    model.juju.config(CA, {'ca-common-name': 'another'})
    eventually(lambda: check_announced(model))
    model.wait_active()


def check_announced(model: Model) -> None:
    assert len(switching.published(model)) == 2


def change_the_ca(model: Model) -> None:
    """All certificates are issued by the other one; both are trusted until all serve it."""
    _, newest = switching.published(model)
    model.cluster.run_hook(f'{CA}/0', 'update-status')

    def is_changed() -> None:
        switching.update_status(model)
        context = switching.trusting(model, newest)
        switching.serial_numbers(model, listeners_of(model), context)

    eventually(is_changed)
    model.wait_active()


def scale_with_tls(model: Model) -> None:
    scale_up_and_down(model)
    eventually(lambda: switching.check_tls_alone(model, *listeners_of(model)))


def turn_tls_off(model: Model) -> None:
    model.juju.remove_relation(*deployment.TLS)
    model.wait_active()
    eventually(lambda: switching.check_plain_alone(model, *listeners_of(model)))


SHORT: tuple[Step, ...] = (
    ('kill -9 a workload of each role', kill_a_workload, len(ROLES) * IN_FLIGHT),
    ('delete a worker pod', lambda model: roll(model, 'frontend/1'), IN_FLIGHT),
    ('reload both nginx 10 times', lambda model: reload_nginx(model, 10), 0),
)
SHORT_COORDINATORS: tuple[Step, ...] = (
    ('delete a coordinator pod', lambda model: roll(model, 'coordinator/0'), 0),
    ('kill a coordinator pod', kill_a_coordinator_pod, IN_FLIGHT),
)
WHOLE: tuple[Step, ...] = (
    ('kill -9 a workload of each role', kill_a_workload, len(ROLES) * IN_FLIGHT),
    ('delete a worker pod', lambda model: roll(model, 'frontend/1'), IN_FLIGHT),
    ('scale a role up and down', scale_up_and_down, IN_FLIGHT),
    ('log-level=debug and back', change_an_option, IN_FLIGHT),
    ('refresh the workers', lambda model: refresh(model, *WORKERS), IN_FLIGHT),
    ('roll every worker pod', lambda model: roll(model, *model.units(*ROLES)), IN_FLIGHT),
    ('reload both nginx 100 times', lambda model: reload_nginx(model, 100), 0),
)
TLS: tuple[Step, ...] = (
    ('turn TLS on', turn_tls_on, IN_FLIGHT),
    ('renew all certificates', renew, IN_FLIGHT),
    ('announce another CA', announce_another_ca, IN_FLIGHT),
    ('change the CA', change_the_ca, IN_FLIGHT),
    ('scale a role up and down with TLS', scale_with_tls, IN_FLIGHT),
    ('turn TLS off', turn_tls_off, IN_FLIGHT),
)
"""One after the other: each begins where the one before it ended."""
COORDINATORS: tuple[Step, ...] = (
    ('delete each coordinator pod', lambda model: roll(model, *COORDINATOR_UNITS), 0),
    ('scale the coordinator up and down', scale_the_coordinator, 0),
    ('refresh the coordinator', lambda model: refresh(model, APPLICATIONS[0]), 0),
    ('kill a coordinator pod', kill_a_coordinator_pod, IN_FLIGHT),
    ('kill -9 nginx of a coordinator', kill_nginx, RATE // 2),
    ("kill -9 nginx's master alone", kill_the_master, RATE // 2),
)


def run(model: Model, step: Step, folder: Path, *, keepalive: bool, rate: int = RATE) -> None:
    """Do something under load; report; fail if more requests failed than may."""
    what, do, bound = step
    name = switching.name_of(model)
    start = time.time()
    try:
        cas = '\n'.join(switching.published(model))
        with load(name, folder, keepalive=keepalive, cas=cas, rate=rate) as running:
            do(model)
            seconds = time.time() - start
    except TimeoutError as e:
        pytest.fail(f'{what}: {e}')
    row = {'what': what, **counts(running.outcomes), 'seconds': round(seconds, 1)}
    publish(row)
    # A GET is sent to another worker, but nobody is there in front of a coordinator.
    coordinator_killed = do in (kill_a_coordinator_pod, kill_nginx, kill_the_master)
    assert row['failed_get'] <= (bound if coordinator_killed else 0), row
    assert row['failed_post'] <= bound, row
    # A generator that could not keep up has shown nothing.
    assert row['requests'] > 0.8 * rate * seconds - rate, row


def publish(row: dict[str, Any]) -> None:
    """Print a row, and put it into the file in place of the one of the same name."""
    file = ROOT / 'build' / 'load.json'
    before = json.loads(file.read_text()) if file.exists() else []
    rows = [old for old in before if old['what'] != row['what']] + [row]
    file.write_text(json.dumps(rows, indent=1) + '\n')
    print(
        f'\n{row["what"]:36} {row["seconds"]:6} s {row["requests"]:7} requests, failed: '
        f'{row["failed_get"]} GET, {row["failed_post"]} POST'
    )
    for why, times in row['why'].items():
        print(f'    {times} times {why}')


def of_steps(*steps: Step) -> pytest.MarkDecorator:
    """A test for each step, named after it; `vegeta` sends what podinfo alone answers."""
    cases = [pytest.param(step, id=step[0], marks=pytest.mark.workload) for step in steps]
    return pytest.mark.parametrize('step', cases)


@of_steps(*SHORT)
def test_workers_under_load_in_short(loaded: Model, step: Step, tmp_path: Path) -> None:
    run(loaded, step, tmp_path, keepalive=True)


def test_a_log_store_that_was_away_gets_every_line(loaded: Model) -> None:
    check_store_away(loaded, seconds=10)


@pytest.mark.load
@of_steps(*WHOLE)
def test_workers_under_load(loaded: Model, step: Step, tmp_path: Path) -> None:
    run(loaded, step, tmp_path, keepalive=True)


@of_steps(*SHORT_COORDINATORS)
def test_coordinators_under_load_in_short(loaded: Model, step: Step, tmp_path: Path) -> None:
    run(loaded, step, tmp_path, keepalive=False)


@pytest.mark.load
@of_steps(*COORDINATORS)
def test_coordinators_under_load(loaded: Model, step: Step, tmp_path: Path) -> None:
    """For clients that open a new connection when an idle one was closed."""
    run(loaded, step, tmp_path, keepalive=False)


@pytest.fixture(scope='module')
def with_ca(loaded: Model) -> Model:
    """The same, with a CA that all trust and nobody has a certificate of yet."""
    loaded.deploy(deployment.CERTIFICATES)
    loaded.integrate(deployment.STORES_CA)
    loaded.wait_active()
    eventually(lambda: check_published(loaded))
    return loaded


def check_published(model: Model) -> None:
    assert switching.published(model)


@pytest.mark.load
@of_steps(*TLS)
def test_tls_under_load(with_ca: Model, step: Step, tmp_path: Path) -> None:
    """For clients that follow a 308 and trust the CA beforehand."""
    run(with_ca, step, tmp_path, keepalive=False, rate=TLS_RATE)


@pytest.mark.load
def test_a_log_store_that_was_away_for_a_minute_gets_every_line(loaded: Model) -> None:
    check_store_away(loaded, seconds=60)


def check_store_away(model: Model, *, seconds: float) -> None:
    """As many lines as Pebble holds for a target: 100. Of more than that, the oldest are lost."""
    assert model.found_stores is not None
    stores = model.stores
    pebble = '/charm/bin/pebble'
    model.juju.ssh('loki/0', pebble, 'stop', 'loki', container='loki')
    back_at = time.monotonic() + seconds
    traces = []
    while len(traces) < 40:
        traces.append(ask(model, 'coordinator/0'))
    # Away for all that time is what is tested.
    time.sleep(max(0, back_at - time.monotonic()))
    model.juju.ssh('loki/0', pebble, 'start', 'loki', container='loki')

    eventually(lambda: stores.lines('coordinator/0', limit=1))
    # Pebble tries again when it has one more line to send, not before.
    for unit in COORDINATOR_UNITS:
        ask(model, unit)

    def check() -> None:
        missing = [
            trace
            for trace in traces
            if not any(
                stores.lines(f'coordinator/{unit}', charm_logs=False, containing=trace)
                for unit in range(2)  # the frontends reach their backend through either
            )
        ]
        assert not missing, f'{len(missing)} of {len(traces)} lines are missing'

    eventually(check, timeout=60)
