"""The CAs that vouch for the stores (`certificate_transfer`).

This is the requirer's side, for any number of providers. Version 1 of the interface has a list in
the provider's application databag. Version 0 has certificates in the databag of each unit; these
count where the application has no list.

Every certificate that any provider publishes is trusted, so a CA and its successor are both
trusted as long as both are published.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import ops
import pydantic
import pydantic_core

from . import databag, databags, pem

MAX_CERTIFICATES = 32
"""How many certificates are trusted in all; a provider may have as many."""
MAX_BYTES = pem.MAX_LENGTH
"""How many bytes they take, which is what the workers accept as one value."""


class RequirerData(databag.Databag):
    """The requirer's application databag: the version that a provider is to answer in."""

    version: int = 1


class ProviderData(databag.Databag):
    """The provider's application databag, version 1."""

    by_endpoint = True

    certificates: list[Any]


_Text = Annotated[str, pydantic.Field(max_length=MAX_BYTES)]


class ProviderUnitData(databag.Databag):
    """The databag of a provider's unit, version 0: PEM, or JSON of it, and JSON of a list."""

    plain = True
    by_endpoint = True

    ca: _Text | None = None
    certificate: _Text | None = None
    chain: _Text | None = None


def ensure_request(bags: databags.Databags, endpoint: str, application: ops.Application) -> bool:
    """Ask all providers for version 1; leader only. True if anything was changed."""
    return bags.ensure(endpoint, application, RequirerData())


def read_certificates(bags: databags.Databags, endpoint: str) -> str:
    """The certificates of all providers as one PEM text, each once, sorted; '' if there are none.

    An invalid one is ignored alone. When there is no room for all, each provider's first ones go
    before any provider's later ones, so that no provider takes all the room.
    """
    found: list[tuple[str, list[str]]] = []  # by whom; an application may be related twice
    for relation in bags.relations(endpoint):
        data = bags.load(relation, relation.app, ProviderData)
        if data is not None:
            entries = [(f'certificates.{n}', text) for n, text in enumerate(data.certificates)]
            name = f'{relation.app.name} {endpoint}'
            found.append((name, _checked(bags, name, entries)))
            continue
        for unit in bags.units(relation):
            unit_data = bags.load(relation, unit, ProviderUnitData)
            if unit_data is not None:
                name = f'{unit.name} {endpoint}'
                found.append((name, _checked(bags, name, _entries(unit_data))))
    return _merged(bags, found)


def _entries(data: ProviderUnitData) -> Iterator[tuple[str, Any]]:
    """What a unit has: where → text."""
    for key, text in data:
        try:
            value = pydantic_core.from_json(text or '""')
        except ValueError:
            value = text
        if isinstance(value, list):
            yield from ((f'{key}.{number}', each) for number, each in enumerate(value))
        else:
            yield key, value


def _checked(bags: databags.Databags, name: str, entries: Iterable[tuple[str, Any]]) -> list[str]:
    """The certificates among the entries, as many as are read; the others are ignored."""
    texts: dict[str, str] = {}  # text → where it is
    bad: list[str] = []
    for where, text in entries:
        if isinstance(text, str):
            texts.setdefault(text, where)
        elif text is not None:
            bad.append(f'{where}: expected a text')
    texts.pop('', None)  # a key that is there without a certificate
    found: list[str] = []
    for text, where in itertools.islice(texts.items(), MAX_CERTIFICATES):
        try:
            found += pem.each_certificate(text)
        except ValueError as error:
            bad.append(f'{where}: {error}')
    if len(texts) > MAX_CERTIFICATES:
        why = f'{len(texts)} certificates, of which the first {MAX_CERTIFICATES} are read'
        bags.report.ignore(name, why)
    if bad:
        more = f', and {len(bad) - 1} more' if len(bad) > 1 else ''
        bags.report.ignore(name, bad[0] + more)
    return found


def _merged(bags: databags.Databags, found: list[tuple[str, list[str]]]) -> str:
    """Those for which there is room; whose the others are is named."""
    owners: dict[str, str] = {}
    for turn in itertools.zip_longest(*(certificates for _, certificates in found)):
        for (name, _), certificate in zip(found, turn, strict=True):
            if certificate:
                owners.setdefault(certificate, name)
    trusted: list[str] = []
    left_out: dict[str, int] = {}
    size = 0
    for certificate, name in owners.items():
        if len(trusted) < MAX_CERTIFICATES and size + len(certificate) <= MAX_BYTES:
            trusted.append(certificate)
            size += len(certificate)
        else:
            left_out[name] = left_out.get(name, 0) + 1
    for name, number in left_out.items():
        bags.report.ignore(
            name,
            f'no room for {number} certificate{"" if number == 1 else "s"}: at most '
            f'{MAX_CERTIFICATES}, and {MAX_BYTES} bytes, are trusted',
        )
    return ''.join(sorted(trusted))
