"""What a CA answers over `certificates`, entry by entry.

One databag has the entries for all requests. One that makes no sense takes nothing from other
requests; it is named by whoever made its own.
"""

import collections
import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import ops
import pydantic

from coordinated_telemetry import addresses, databag, databags, pem
from tls_data import MAX_CAS

if TYPE_CHECKING:
    from ca_data import Issued

_Model = TypeVar('_Model', bound=databag.Databag)
_REQUEST = '-----BEGIN CERTIFICATE REQUEST-----'


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a CA answers, by request.

    Attributes:
        issued: request → what the CA issued for it; its certificates are unchecked.
        refused: request → what is wrong with the entry for it, if no other is right.
        denied: request → why the CA denies it.
        cas: the certificates of the CA, sorted.
    """

    issued: 'Mapping[str, Issued]' = dataclasses.field(default_factory=dict)
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict)
    denied: Mapping[str, str] = dataclasses.field(default_factory=dict)
    cas: tuple[str, ...] = ()


NOTHING = Answers()


def read(bags: databags.Databags, relation: ops.Relation) -> Answers:
    """Read what a CA answers; the report names what belongs to no request."""
    import ca_data  # noqa: PLC0415 few deployments' events need it

    provided = bags.load(relation, relation.app, ca_data.Provided) or ca_data.Provided()
    name = relation.app.name
    bad: list[str] = []
    refused: dict[str, str] = {}
    issued: dict[str, ca_data.Issued] = {}
    for where, entry, one in _each(ca_data.Issued, provided.certificates or ()):
        if isinstance(one, ca_data.Issued):
            issued.setdefault(one.request, one)
        elif request := _request(entry):
            refused.setdefault(request, one)
        else:
            bad.append(f'certificates.{where}: {one}')
    denied: dict[str, str] = {}
    for where, _, one in _each(ca_data.Denied, provided.request_errors or ()):
        if isinstance(one, ca_data.Denied):
            denied[one.csr.strip()] = one.error.message
        else:
            bad.append(f'request_errors.{where}: {one}')
    if foreign := [request for request in issued if not request.startswith(_REQUEST)]:
        bad.append(f'no request: {addresses.shorten(foreign[0], 40)}')
    if bad:
        bags.report.ignore(name, bad[0] + (f', and {len(bad) - 1} more' if len(bad) > 1 else ''))
    return Answers(
        issued,
        {request: why for request, why in refused.items() if request not in issued},
        denied,
        _cas(issued.values()),
    )


def _each(
    model: type[_Model], entries: Collection[Any]
) -> Iterable[tuple[int, Any, _Model | str]]:
    """Each entry with its place, as the model or as what is wrong with it."""
    for where, entry in enumerate(entries):
        try:
            yield where, entry, model.model_validate(entry)
        except pydantic.ValidationError as error:
            yield where, entry, databag.reason(error)


def _request(entry: Any) -> str:
    """The request to which an entry that makes no sense belongs, or ''."""
    found = entry.get('certificate_signing_request') if isinstance(entry, dict) else None
    request = found.strip() if isinstance(found, str) else ''
    return request if request.startswith(_REQUEST) else ''


def _cas(issued: 'Iterable[Issued]') -> tuple[str, ...]:
    """The CAs of most of what was issued; what is none counts with the entry that it is in."""
    found: set[str] = set()
    for text, _ in collections.Counter(one.ca for one in issued).most_common():
        if len(found) == MAX_CAS:
            break
        try:
            found.add(pem.check_certificate(text))
        except ValueError:
            continue
    return tuple(sorted(found))
