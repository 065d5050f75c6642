"""Turning TLS on and off: what there is to wait for, and whom to trust.

A port that is no longer wanted closes in an update-status after all have followed. Juju runs those
every five minutes by default; here they are run on demand.
"""

import json
import ssl
from collections.abc import Iterable

import deployment
import listeners
from model import Model
from traffic import ask

RENEWAL = 79_000.0
"""Seconds after which every certificate has to be renewed, though it is still valid: more than
nine tenths of a day, for which the CA issues."""


def of_units(units: Iterable[str]) -> list[listeners.Listener]:
    """The listeners of some units of ours."""
    return [
        listener
        for unit in units
        for listener in (
            listeners.of_coordinator(unit)
            if unit.startswith('coordinator/')
            else listeners.of_worker(unit)
        )
    ]


def update_status(model: Model) -> None:
    """What is no longer wanted goes in an update-status, which Juju runs every five minutes."""
    for unit in model.units('coordinator', *deployment.ROLES):
        model.cluster.run_hook(unit, 'update-status')


def check_tls_alone(model: Model, *asked: listeners.Listener) -> None:
    """Assert that these speak TLS alone, each with a certificate for its own name.

    If not at once, then after an update-status.
    """

    def faults() -> list[str]:
        answers = listeners.ask(model.cluster.connect, name_of(model), asked, trusting(model))
        return [f'{answer.listener}: {answer.fault}' for answer in answers if answer.fault]

    if faults():
        update_status(model)
        assert faults() == []


def check_plain_alone(model: Model, *asked: listeners.Listener) -> None:
    """Assert that these serve plain HTTP, and no TLS. If not at once, then after update-status."""
    try:
        _check_plain_alone(model, asked)
    except (AssertionError, OSError):
        update_status(model)
        _check_plain_alone(model, asked)


def _check_plain_alone(model: Model, asked: Iterable[listeners.Listener]) -> None:
    for listener in asked:
        served = listeners.serves_plain(
            model.cluster.connect, listener.target, listener.plain_port
        )
        assert served, f'{listener.target} serves nothing on {listener.plain_port}'
        if listener.port != listener.plain_port:
            assert not opens(model, listener), f'{listener} is open'
    ask(model, 'coordinator')


def opens(model: Model, listener: listeners.Listener) -> bool:
    """Whether the port for TLS accepts connections."""
    try:
        model.cluster.connect(listener.target, listener.port).close()
    except OSError:
        return False
    return True


def name_of(model: Model) -> str:
    """The model's name, as in the names of its units."""
    assert model.juju.model is not None
    return model.juju.model.rpartition(':')[2]


def authority(model: Model) -> str:
    """The CA's certificate in PEM, as the coordinator has it from the CA."""
    databags = model.application_data('coordinator/0', 'certificates')
    issued = json.loads(databags[0].get('certificates', '[]')) if databags else []
    assert issued, 'the CA has issued nothing yet'
    return issued[0]['ca']


def published(model: Model) -> list[str]:
    """The CAs in PEM that the CA has the coordinator trust: what it issues by, now or soon."""
    databags = model.application_data('coordinator/0', 'receive-ca-cert')
    return json.loads(databags[0].get('certificates', '[]')) if databags else []


def trusting(model: Model, *cas: str) -> ssl.SSLContext:
    """A client that trusts these CAs and nobody else; by default the coordinator's."""
    return listeners.trusting('\n'.join(cas or [authority(model)]))


def serial_numbers(
    model: Model, asked: Iterable[listeners.Listener], context: ssl.SSLContext
) -> dict[str, str]:
    """The serial number of the certificate that each listener shows, verified by CA and name."""
    found: dict[str, str] = {}
    for listener in asked:
        name = listeners.host(listener.target, name_of(model))
        connect = model.cluster.connect
        with listeners.connected(connect, listener.target, listener.port, name, context) as tls:
            shown = tls.getpeercert()
            assert shown
            found[str(listener)] = str(shown['serialNumber'])
    return found
