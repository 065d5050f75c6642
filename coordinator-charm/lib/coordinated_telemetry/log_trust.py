"""Pebble's trust in https log stores: one file with their CAs, and the plan that remembers it.

Pebble verifies its log targets with the CA certificates of its container. It reads them once, when
it verifies the first certificate, and a later file has no effect until it starts again. So the
file comes before the first target over https, and what it held is remembered in Pebble's plan: a
disabled target carries it. Plan and certificates are both in the memory of one process, so that
they begin anew together. Pebble is measured in version 1.32.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import ops

from . import containers, report

PATH = '/etc/ssl/certs/coordinated-telemetry.pem'
"""Where Pebble finds the CAs, whatever the image: it reads every file of this folder."""

TARGET = 'telemetry-trust'
"""The log target that remembers; nothing is ever sent to it."""

DISABLED: ops.pebble.LogTargetDict = {
    'override': 'replace',
    'type': 'loki',
    'location': 'http://disabled.invalid',
    'services': ['-all'],
}
"""A log target that Pebble never connects to: it cannot remove one from its plan."""

_END = '-----END CERTIFICATE-----\n'


class Trust(NamedTuple):
    """The certificates that a Pebble process may have read from the file.

    Attributes:
        digests: of each of them.
        is_written: whether the file is there.
    """

    digests: frozenset[str]
    is_written: bool

    def target(self) -> ops.pebble.LogTargetDict:
        """The log target that remembers this."""
        state = 'trusted' if self.is_written else 'removed'
        return {**DISABLED, 'labels': {state: ' '.join(sorted(self.digests))}}


def remembered(target: ops.pebble.LogTarget | None) -> Trust | None:
    """What the log target remembers; None if the plan has none, so nothing was ever trusted."""
    if target is None:
        return None
    digests = ' '.join(target.labels.values()).split()
    return Trust(frozenset(digests), 'trusted' in target.labels)


def ensure(
    container: ops.Container,
    before: Trust | None,
    ca: str,
    stores: Sequence[str],
    unit: str,
    found: report.Report,
) -> tuple[bool, Trust | None]:
    """Make the file hold the CAs while any is trusted, and not be there when none is.

    Once Pebble may have read it, the file never gains a certificate: Pebble would not notice.

    Args:
        container: reachable.
        before: from `remembered`.
        ca: PEM certificates to trust as `pem.check_certificates` returns them, or ''.
        stores: the Loki units that want https.
        unit: the unit's name, which is that of its pod, too.
        found: where to note what does not reach the stores.

    Returns:
        Whether Pebble can send to the stores, and what it trusts from now on.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    wanted = {hashlib.sha256(one.encode()).hexdigest()[:12]: one for one in _each(ca)}
    usable = {d: one for d, one in wanted.items() if before is None or d in before.digests}
    named = ', '.join(stores[:3])
    trust = before
    try:
        if usable and stores and not (before and before.is_written):
            containers.ensure_file(container, PATH, ''.join(usable.values()))
            trust = Trust(frozenset(usable), True)
        elif not usable and before and before.is_written:
            containers.ensure_no_file(container, PATH)
            trust = before._replace(is_written=False)
    except ops.pebble.PathError as error:
        # Its message names a temporary file, and would be another one in each hook.
        if usable:
            found.note(
                f'workload logs of {container.name} are not sent to {named}: '
                f'cannot write {PATH} ({error.kind})'
            )
            return False, before
        found.note(f'cannot remove {PATH} of {container.name} ({error.kind})')
    if stores and wanted.keys() - usable.keys():
        what = 'may not reach' if usable else 'are not sent to'
        pod = unit.replace('/', '-')
        found.note(f'workload logs {what} {named}: restart the pod {pod} to trust the new CA')
    return bool(usable), trust


def _each(ca: str) -> Iterator[str]:
    return (one + _END for one in ca.split(_END)[:-1])
