"""Workers that request certificates and serve what they get, around one coordinator unit."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import authority
from coordinator import scene


@functools.cache
def request(*names: str, key: Any = None, common: str = '', more: Any = ()) -> str:
    """A certificate signing request as a worker makes it, in PEM; its key is made quickly."""
    alternatives = [
        name if isinstance(name, x509.GeneralName) else x509.DNSName(name) for name in names
    ]
    subject = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common)] if common else []
    builder = x509.CertificateSigningRequestBuilder(subject_name=x509.Name(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    signed = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def unit(name: str, **other: Any) -> dict[str, str]:
    """What a worker unit publishes that can serve TLS and does not yet."""
    number = int(name.partition('/')[2])
    values = {
        'certificate_signing_request': request(scene.host(name)),
        'ip_addresses': [f'10.1.{number // 250}.{number % 250 + 1}'],
    }
    return scene.worker_unit(name, **{**values, **other})


def workers(application: str = 'w', units: Iterable[int] = (0, 1), **options: Any) -> Any:
    """A worker application whose units request certificates."""
    databags = {number: unit(f'{application}/{number}') for number in units}
    return scene.workers(application, units=units, databags=databags, **{'id': 11, **options})


def deployment(units: Iterable[int] = (0, 1)) -> list[Any]:
    """Workers, a scraper, another coordinator unit and a CA."""
    return [
        workers(units=units),
        scene.scraper(id=14),
        scene.peers(id=19),
        scene.certificates(id=20),
    ]


def asked(state: Any) -> list[str]:
    """The requests of the workers at the CA."""
    return authority.requests(state.get_relation(20).local_app_data)


def answered(coordinator: Any, state: Any, ca: Any = None, **entries: Any) -> Any:
    """The state after the CA answered all requests; `entries` replaces, by a worker's number."""
    ca = ca or authority.authority()
    relation = state.get_relation(20)
    own = [ca_entry(ca, text) for text in authority.requests(relation.local_unit_data)]
    for text in asked(state):
        csr = x509.load_pem_x509_csr(text.encode())
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        host = names.get_values_for_type(x509.DNSName)[0]
        number = host.partition('.')[0].rpartition('-')[2]
        change = entries.get(f'w{number}', {})
        if change is not None:
            own.append({**ca_entry(ca, text), **change})
    return scene.answered(coordinator, state, scene.encoded(certificates=own))


def ca_entry(ca: Any, text: str) -> dict[str, Any]:
    """The CA's answer, the same each time."""
    return dict(_entry(ca, text))


@functools.cache
def _entry(ca: Any, text: str) -> dict[str, Any]:
    return ca.entry(text)


def given(state: Any, relation: int = 11) -> dict[str, str]:
    """The certificates that an application's workers get."""
    return json.loads(state.get_relation(relation).local_app_data.get('worker_certificates', '{}'))


def told(state: Any) -> list[str]:
    """The schemes that the workers are told to serve."""
    return json.loads(state.get_relation(11).local_app_data.get('worker_schemes', '["http"]'))


def echoed(coordinator: Any, state: Any, units: Iterable[int] | None = None) -> Any:
    """The state after workers serve what they were told to, and said so."""
    before = state.get_relation(11)
    databags = dict(before.remote_units_data)
    numbers = [*databags] if units is None else [*units]
    for number in numbers:
        certificate = given(state).get(f'w/{number}', '')
        digest = databags[number].get('certificate_sha256')
        if certificate:
            digest = json.dumps(hashlib.sha256(certificate.encode()).hexdigest())
        schemes = [one for one in told(state) if one == 'http' or digest]
        databags[number] = {
            **{
                key: text
                for key, text in databags[number].items()
                if key not in ('schemes', 'certificate_sha256')
            },
            **({'schemes': json.dumps(schemes)} if schemes != ['http'] else {}),
            **({'certificate_sha256': digest} if digest and 'https' in schemes else {}),
        }
        relation = dataclasses.replace(before, remote_units_data=dict(databags))
        state = scene.replaced(state, relation)
        before = relation
        event = coordinator.ctx.on.relation_changed(relation, remote_unit=number)
        state = coordinator.ctx.run(event, state)
        before = state.get_relation(11)
    return state


def settled(coordinator: Any, units: Iterable[int] = (0, 1), ca: Any = None) -> Any:
    """The state of a deployment in which everything is https."""
    state = coordinator.update_status(coordinator.state(*deployment(units)))
    state = echoed(coordinator, answered(coordinator, state, ca))
    state = echoed(coordinator, coordinator.update_status(state))
    return coordinator.update_status(coordinator.update_status(state))
