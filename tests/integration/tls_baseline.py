"""The deployment that the tests of TLS share: it starts without TLS and is brought to any state.

A state is the set of its relations to the CA. Each test names the one that it needs, and runs in
it whether the model was there or has to be brought there.
"""

import deployment
import switching
from model import Model, eventually
from traffic import ask

# Two of each role: one serves while the other restarts.
_WORKERS = tuple(deployment.worker(role, role=role, units=2) for role in deployment.ROLES)
APPLICATIONS = (
    deployment.coordinator(),
    *_WORKERS,
    *deployment.STORES,
    deployment.CERTIFICATES,
)
RELATIONS = (*deployment.cluster_relations(_WORKERS), *deployment.TELEMETRY.values())
UNITS = ('coordinator/0', *(unit for worker in _WORKERS for unit in worker.unit_names))
"""The units of the charms under test."""
LISTENERS = switching.of_units(UNITS)
MESSAGES = {
    'coordinator': deployment.workers_message(dict.fromkeys(deployment.ROLES, 2)),
    **{role: f'ready: {role}' for role in deployment.ROLES},
}
"""What the units of each application say when nothing is wrong."""

TLS = (deployment.TLS, deployment.STORES_CA, *deployment.STORE_TLS)
"""The relations that give TLS to everything."""


def deploy(model: Model) -> None:
    """Deploy it, without TLS, and wait until it serves."""
    model.deploy(*APPLICATIONS)
    model.integrate(*RELATIONS)
    model.wait_active()
    eventually(lambda: ask(model, 'coordinator'))


def related(model: Model) -> set[tuple[str, str]]:
    """The relations of the model that are among `TLS`."""
    apps = model.juju.status().apps
    return {
        (one, other)
        for one, other in TLS
        if other.partition(':')[0]
        in [
            relation.related_app
            for relation in apps[one.partition(':')[0]].relations.get(one.partition(':')[2], [])
        ]
    }


def relate(model: Model, *wanted: tuple[str, str]) -> None:
    """Bring the model to these relations among `TLS` and no others, and wait until it is idle."""
    there = related(model)
    for relation in TLS:
        if relation in there and relation not in wanted:
            model.juju.remove_relation(*relation)
    model.integrate(*(relation for relation in wanted if relation not in there))
    model.wait_active()


def turn_on(model: Model) -> None:
    """Give everything TLS, and wait until nothing is without it."""
    relate(model, *TLS)
    eventually(lambda: switching.check_tls_alone(model, *LISTENERS))
    eventually(lambda: check_scheme_of_targets(model, 'https'))


def turn_off(model: Model) -> None:
    """Take TLS from everything, and wait until nothing is with it."""
    relate(model)
    eventually(lambda: switching.check_plain_alone(model, *LISTENERS))
    eventually(lambda: check_scheme_of_targets(model, 'http'))


def check_scheme_of_targets(model: Model, scheme: str) -> None:
    """Assert that each unit of ours is scraped with success, and so."""
    targets = [one for one in model.stores.targets() if one.labels.get('juju_unit') in UNITS]
    assert {(one.labels['juju_unit'], one.health) for one in targets} == {
        (unit, 'up') for unit in UNITS
    }
    assert [one.url for one in targets if not one.url.startswith(f'{scheme}://')] == []
