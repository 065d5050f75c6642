"""What runs in both containers, from what was read: over which scheme, and with which files."""

import logging
from collections.abc import Callable

import ops

import exporter
import nginx
import nginx_config
import nginx_pod
import nginx_upstream_tls
import schemes
import tls
import tls_data
import trusted
from coordinated_telemetry import report, rolling
from coordinated_telemetry.cluster_data import Scheme
from state import State
from workload import WORKLOAD

logger = logging.getLogger(__name__)


def ensure_nginx(
    container: ops.Container,
    seen: State,
    pod: nginx_pod.Pod,
    issued: tls_data.Certificate | None,
    *,
    file: Callable[[tls_data.Certificate], str],
    waited: Callable[[str], float],
    narrows: bool,
    found: report.Report,
) -> tls_data.Kept:
    """Make nginx run with what was read, and return what it does.

    Args:
        container: nginx's, reachable.
        seen: what was read.
        pod: the pod in which it runs.
        issued: what the CA issued for this unit's present request.
        file: gives a certificate with its chain and key, in PEM; raises ValueError without a key.
        waited: as in `schemes.of_upstreams`.
        narrows: whether what nobody uses may end now.
        found: the report that names a CA whose certificate cannot be served.

    Raises:
        nginx.ConfigError: if nginx refuses the configuration; it keeps running as before.
        ops.pebble.Error: if Pebble cannot be reached.
    """
    clients = schemes.of_clients(seen, narrows)
    is_early = issued is not None and _is_early(seen, issued, waited, found)
    if is_early:
        waited = _never  # one thing at a time
    candidates = seen.tls.candidates(issued, kept_first=is_early) if 'https' in clients else []
    upstream = seen.kept.upstream

    def run(certificate: str) -> None:
        nonlocal upstream
        upstream = _ensure_nginx(container, seen, pod, certificate, 'http' in clients, waited)

    served = tls.ensure_served(container, seen.tls.ca, candidates, file=file, run=run, found=found)
    return seen.kept.model_copy(
        update={
            'certificate': served,
            'upstream_scheme': None if upstream == 'http' else upstream,
            'client_schemes': clients if served and 'http' in clients else None,
        }
    )


def _is_early(
    seen: State,
    issued: tls_data.Certificate,
    waited: Callable[[str], float],
    found: report.Report,
) -> bool:
    """Whether workers that call this unit would not trust its new certificate yet."""
    unaware = trusted.unaware(seen, issued)
    if not unaware or waited(f'trust in {tls.file_path(issued)}') > rolling.PATIENCE:
        return False
    found.note(
        f'serving the previous certificate until {report.first(unaware)} can trust the new CA'
    )
    return True


def _never(_: str) -> float:
    return 0.0


def _ensure_nginx(
    container: ops.Container,
    seen: State,
    pod: nginx_pod.Pod,
    certificate: str,
    serves_plain: bool,
    waited: Callable[[str], float],
) -> Scheme:
    cas = trusted.by_unit(seen)
    scheme = schemes.of_upstreams(seen, bool(certificate), bool(cas), waited)
    # A new unit learns of the workers one by one, and gets its certificate after the other
    # units have theirs: until then those serve clients better.
    waits = seen.tls.ca and (not certificate or (scheme == 'http' and seen.workers_without_tls))
    ca = trusted.ensure_file(container, cas) if scheme == 'https' else ''
    config = nginx_config.config(
        seen.upstreams(scheme),
        workload=WORKLOAD,
        pod=pod,
        log_level=seen.config.log_level,
        certificate=certificate,
        serves_plain=serves_plain,
        upstream_tls=nginx_upstream_tls.UpstreamTls(ca, seen.hosts) if ca else None,
        behind_ingress=bool(seen.ingress_url),
    )
    if nginx.ensure_running(container, config, ready=seen.has_all_roles and not waits):
        logger.info('nginx runs with a new configuration')
    if 'https' in (scheme, seen.kept.upstream_scheme):
        trusted.ensure_no_other_file(container, ca)
    return scheme


def ensure_exporter(
    container: ops.Container,
    seen: State,
    now: tls_data.Kept,
    *,
    file: Callable[[tls_data.Certificate], str],
    narrows: bool,
) -> tls_data.Kept:
    """Make the exporter serve what it should, and return what the unit does with it.

    Args:
        container: the exporter's, reachable.
        seen: what was read.
        now: what the unit does without it.
        file: gives the certificate that nginx serves with its chain and key, in PEM.
        narrows: whether what nobody uses may end now.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    before, served = seen.kept.exported, now.certificate
    scraped = schemes.of_scrape(seen.exporters(before), tls=bool(seen.tls.ca))
    is_wanted = served is not None and bool(seen.tls.ca)
    to_serve = schemes.to_serve(is_wanted, [scraped], before, narrows)
    try:
        exporter.ensure_running(
            container,
            schemes=to_serve,
            certificate=served.chain if served else '',
            file=lambda: file(served) if served else '',
        )
    except ValueError:  # named where nginx needs the same key
        return now
    return now.model_copy(update={'schemes': None if to_serve == ['http'] else to_serve})
