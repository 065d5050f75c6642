"""The messages of the coordinator's status, in one pure function."""

import collections

from coordinated_telemetry import addresses
from coordinated_telemetry.report import Report, first
from state import State
from workload import WORKLOAD


def note_unused(report: Report, seen: State) -> None:
    """Note in one line which relations are not used because a collector takes their signal."""
    related = {
        'logs': ('logging', seen.log_endpoints),
        'charm traces': ('charm-tracing', seen.charm_receivers),
        'workload traces': ('workload-tracing', seen.workload_receivers),
    }
    unused = [
        endpoint
        for signal, (endpoint, offered) in related.items()
        if offered and signal in seen.routes.over_otlp
    ]
    if unused:
        report.note(f'send-otlp is used instead of {", ".join(unused)}')


def describe(
    report: Report,
    application: str,
    seen: State,
    *,
    nginx_reachable: bool,
    nginx_running: bool,
    awaits_certificate: bool,
) -> str:
    """Add to a report what blocks and what is awaited.

    Args:
        report: the report to extend.
        application: the coordinator's name, for the commands in blocked statuses.
        seen: what was read.
        nginx_reachable: whether nginx's container can be reached.
        nginx_running: whether nginx runs in it.
        awaits_certificate: whether nginx serves plain HTTP until there is a certificate.

    Returns:
        The message if all is well.
    """
    workers = seen.workers
    roles = [worker.roles for worker in workers.units]
    if not workers.related:
        report.blocked.append(
            f'[cluster] no worker related: juju integrate {application}:cluster WORKER'
        )
    elif missing := WORKLOAD.roles.missing(roles):
        if workers.awaited:
            names = ', '.join(workers.awaited[:3])
            report.waiting.append(f'[cluster] waiting for data from {names}')
        else:
            report.blocked.append(f'[cluster] missing roles: {", ".join(missing)}')
    if WORKLOAD.needs_s3 and seen.storage.bucket is None:
        provider = seen.storage.provider
        if not provider:
            report.blocked.append(f'[s3] no bucket: juju integrate {application}:s3 S3-INTEGRATOR')
        elif report.ignores(f'{provider} s3'):
            report.blocked.append(f'[s3] {provider} published no usable bucket')
        else:
            report.waiting.append(f'[s3] waiting for data from {provider}')
    if not nginx_reachable:
        report.waiting.append('[nginx] waiting for the container')
    elif not nginx_running:
        report.waiting.append('[nginx] waiting for nginx to start')
    if awaits_certificate:
        report.waiting.append(
            f'[certificates] serving plain HTTP until {seen.tls.ca} issues a certificate'
        )
    elif awaited := seen.without_tls:
        report.waiting.append(f'[certificates] waiting for {first(awaited)} to serve TLS')
    counts = collections.Counter(role for of_unit in roles for role in of_unit)
    by_role = ', '.join(f'{role} {count}' for role, count in sorted(counts.items()))
    total = len(roles)
    at = f' at {addresses.shorten(seen.ingress_url, 120)}' if seen.ingress_url else ''
    return f'{total} worker{"" if total == 1 else "s"} ({by_role}){at}'
