"""A model under test: what is deployed in it, and what its units run."""

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import jubilant
import pytest
import yaml

import telemetry
from clients import StoreError, Stores
from cluster import Cluster
from deployment import (
    COORDINATOR_CHARM,
    WORKER,
    WORKER_CHARM,
    Application,
    deploy_arguments,
)
from this_juju import CHARMHUB, EVERY, PATIENCE

CONTAINERS = {COORDINATOR_CHARM: 'nginx', WORKER_CHARM: WORKER['container']}
"""The container that serves, by charm."""

T = TypeVar('T')


class HopelessError(Exception):
    """Waiting is in vain. What a unit lacks (a Python, an image) those of all tests lack, too."""


def end_run_in_vain(session: pytest.Session, error: BaseException | None) -> None:
    """Let no further test begin after this error, if waiting is in vain for all of them."""
    if isinstance(error, HopelessError):
        session.shouldfail = str(error)


def eventually(check: Callable[[], T], *, timeout: float = PATIENCE, every: float = EVERY) -> T:
    """Call `check` until it passes, and return what it returned.

    Not yet is an AssertionError, or an OSError or StoreError when something does not answer. After
    `timeout` seconds the last of them is raised, so that the report shows what was still wrong.

    Raises:
        HopelessError: a unit is in an error that does not pass; see `watched`.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return check()
        except (AssertionError, OSError, StoreError):
            for model in _watched:
                model.end_if_hopeless()
            if time.monotonic() > deadline:
                raise
            time.sleep(every)


_watched: list['Model'] = []


@contextlib.contextmanager
def watched(model: 'Model') -> Iterator['Model']:
    """Within it, every wait also ends when a unit of the model is in an error that cannot pass."""
    _watched.append(model)
    try:
        yield model
    finally:
        _watched.remove(model)


@dataclass(frozen=True)
class Model:
    """A Juju model with a baseline that it can be brought back to.

    Attributes:
        juju: Juju's commands for it.
        cluster: what Juju has no commands for.
        found_stores: where its telemetry goes, if that can be asked.
        given: applications that are no part of any baseline.
    """

    juju: jubilant.Juju
    cluster: Cluster
    found_stores: Stores | None
    given: frozenset[str] = frozenset()

    @property
    def stores(self) -> Stores:
        """Where the telemetry of the model goes."""
        if self.found_stores is None:
            pytest.skip('there are no stores that can be asked on this Juju')
        return self.found_stores

    def deploy(self, *applications: Application) -> None:
        """Deploy applications; does not wait."""
        for application in applications:
            charm = application.charm.stem
            if channel := CHARMHUB.get(charm):
                self.juju.deploy(charm, application.name, channel=channel)
            else:
                self.juju.cli(*deploy_arguments(application))

    def integrate(self, *relations: tuple[str, str]) -> None:
        """Integrate pairs of `application:endpoint`; waits only for a removed relation to go."""

        def integrate(one: str, other: str) -> None:
            try:
                self.juju.integrate(one, other)
            except jubilant.CLIError as error:
                # A removed relation is there until the last unit has left it.
                if 'already exists' in (error.stderr or ''):
                    raise AssertionError(error.stderr) from error
                raise

        for one, other in relations:
            eventually(lambda one=one, other=other: integrate(one, other))

    def end_if_hopeless(self) -> None:
        """End the test run, with the reason, when waiting for a unit of the model is in vain.

        Raises:
            HopelessError: it is; conftest.py ends the run then.
        """
        if reasons := self.cluster.hopeless():
            listed = ''.join(f'\n{unit}: {why}' for unit, why in reasons.items())
            raise HopelessError(f'units are in an error that does not pass:{listed}')

    def wait(self, ready: Callable[[jubilant.Status], bool], *, timeout: float = PATIENCE) -> None:
        """Wait until a status holds and all agents are idle."""

        def hopeless(_: jubilant.Status) -> bool:
            self.end_if_hopeless()
            return False

        self.juju.wait(
            lambda status: ready(status) and jubilant.all_agents_idle(status),
            error=hopeless,
            delay=0.5,
            successes=2,
            timeout=timeout,
        )

    def wait_active(self) -> None:
        """Wait until every unit is active and all agents are idle."""
        self.wait(jubilant.all_active)

    def wait_status(self, application: str, wanted: str, *, timeout: float = PATIENCE) -> None:
        """Wait until each unit of an application has a status, as `status: message`.

        The message is a prefix, so that what is not asserted may be said after it.
        """

        def check() -> None:
            units = self.units(application)
            assert units, f'{application} has no units'
            for name, unit in units.items():
                status = f'{unit.workload_status.current}: {unit.workload_status.message}'
                assert status.startswith(wanted), f'{name} is {status!r}, wanted {wanted!r}'

        eventually(check, timeout=timeout)

    def units(self, *applications: str) -> dict[str, jubilant.statustypes.UnitStatus]:
        """The living units of some applications, by name."""
        apps = self.juju.status().apps
        return {
            name: unit
            for application in applications
            if application in apps
            for name, unit in apps[application].units.items()
        }

    def leader(self, application: str) -> str:
        """The name of an application's leading unit."""
        leaders = [name for name, unit in self.units(application).items() if unit.leader]
        assert len(leaders) == 1, f'{application} has {len(leaders)} leaders'
        return leaders[0]

    def scale(self, application: str, units: int) -> None:
        """Bring an application to a number of units; does not wait."""
        # Not the units: one that is on its way out is still among them.
        difference = units - self.juju.status().apps[application].scale
        if difference > 0:
            self.juju.add_unit(application, num_units=difference)
        elif difference < 0:
            self.juju.remove_unit(application, num_units=-difference)

    def converge(
        self, applications: Iterable[Application], relations: Iterable[tuple[str, str]]
    ) -> None:
        """Bring the model to what is declared, from wherever a test left it, and wait for it."""
        applications = [one for one in applications if one.name not in self.given]
        apps = self.juju.status().apps
        for application in applications:
            if application.name not in apps:
                self.deploy(application)
            else:
                self.scale(application.name, application.units)
        for one, other in relations:
            name, endpoint = one.split(':')
            theirs, _ = other.split(':')
            there = apps[name].relations.get(endpoint, []) if name in apps else []
            if theirs not in [relation.related_app for relation in there]:
                self.integrate((one, other))
        for name in apps.keys() - self.given - {application.name for application in applications}:
            if apps[name].life in {'', 'alive'}:  # one that is leaving may be gone by now
                self.juju.remove_application(name)
        units = {application.name: application.units for application in applications}
        self.wait(
            lambda status: (
                {
                    name: len(app.units)
                    for name, app in status.apps.items()
                    if name not in self.given
                }
                == units
                and jubilant.all_active(status)
            )
        )

    def topology(self, unit: str) -> dict[str, str]:
        """The labels that everything of a unit must carry."""
        assert self.juju.model is not None
        uuid = self.juju.exec('echo $JUJU_MODEL_UUID', unit=unit).stdout.strip()
        charm = self.juju.status().apps[unit.partition('/')[0]].charm_name
        return telemetry.topology(self.juju.model.rpartition(':')[2], uuid, unit, charm)

    def check_telemetry(self, *units: str) -> None:
        """Wait until all flows of some units are in their stores, labelled as they must be."""
        for unit in units:
            wanted = self.topology(unit)

            def check(wanted: dict[str, str] = wanted) -> None:
                traced = wanted['juju_charm'] == WORKER_CHARM
                cells = telemetry.cells(self.stores, wanted, traced=traced)
                missing = [
                    f'{flow}: {cell.what}' for flow, cell in cells.items() if cell and not cell.ok
                ]
                assert not missing, f'{wanted["juju_unit"]}: {"; ".join(missing)}'

            eventually(check)

    def scraped_units(self) -> set[str]:
        """The units of both charms that the scraper has targets for."""
        labels = [target.labels for target in self.stores.targets()]
        ours = [one for one in labels if one.get('juju_charm') in CONTAINERS]
        return {one['juju_unit'] for one in ours}

    def _container(self, unit: str) -> str:
        status = self.juju.status().apps[unit.partition('/')[0]]
        return CONTAINERS[status.charm_name]

    def run(self, unit: str, *command: str) -> str:
        """Run a command in the container of a unit that serves; return what it printed."""
        return self.juju.ssh(unit, *command, container=self._container(unit))

    def plan(self, unit: str) -> dict[str, Any]:
        """The Pebble plan of the container of a unit that serves."""
        return yaml.safe_load(self.run(unit, '/charm/bin/pebble', 'plan')) or {}

    def program(self, unit: str) -> str:
        """The program of a worker's workload, as its service starts it."""
        return self.plan(unit)['services'][WORKER['name']]['command'].split()[0]

    def kill_workload(self, unit: str) -> None:
        """Kill (SIGKILL) a worker's workload, which Pebble then starts again."""
        process = self.program(unit).rpartition('/')[2]
        self.cluster.kill_process(unit, WORKER['container'], process)

    def processes(self, unit: str) -> dict[str, tuple[str, str]]:
        """State and start of each service of the container that serves, as Pebble has them."""
        lines = self.run(unit, '/charm/bin/pebble', 'services', '--abs-time').splitlines()[1:]
        return {name: (state, since) for name, _, state, since in map(str.split, lines)}

    def log_targets(self, unit: str) -> list[str]:
        """Where the container of a unit sends its logs now; disabled targets do not count."""
        targets: Mapping[str, Any] = self.plan(unit).get('log-targets', {})
        return sorted(
            target['location'] for target in targets.values() if 'all' in target['services']
        )

    def nginx_conf(self, unit: str) -> str:
        """The configuration that a coordinator's nginx runs with."""
        return self.run(unit, 'cat', '/etc/nginx/nginx.conf')

    def upstream_hosts(self, unit: str) -> set[str]:
        """The units, as `application/number`, that a coordinator's nginx balances over."""
        servers = re.findall(r'^\s*server\s+([a-z0-9-]+)\.', self.nginx_conf(unit), re.MULTILINE)
        return {'/'.join(server.rsplit('-', 1)) for server in servers}

    def application_data(self, unit: str, endpoint: str) -> list[dict[str, Any]]:
        """The remote application's databags that a unit sees, one for each relation."""
        relations = self.juju.show_unit(unit).relation_info
        return [relation.app_data for relation in relations if relation.endpoint == endpoint]
