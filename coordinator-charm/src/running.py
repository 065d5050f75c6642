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
import trusted
import workload
from coordinated_telemetry.cluster_data import Scheme
from state import State

logger = logging.getLogger(__name__)


def ensure_nginx(
    container: ops.Container,
    seen: State,
    pod: nginx_pod.Pod,
    certificate: str,
    waited: Callable[[str], float],
) -> Scheme:
    """Make nginx run with what was read, and return how it reaches the workers.

    Args:
        container: nginx's, reachable.
        seen: what was read.
        pod: the pod in which it runs.
        certificate: path of the file with certificates and key, or '' for plain HTTP.
        waited: as in `schemes.of_upstreams`.

    Raises:
        nginx.ConfigError: if nginx refuses the configuration; it keeps running as before.
        ops.pebble.Error: if Pebble cannot be reached.
    """
    cas = trusted.by_unit(seen)
    scheme = schemes.of_upstreams(seen, bool(certificate), bool(cas), waited)
    # A new unit learns of the workers one by one, and gets its certificate after the other
    # units have theirs: until then those serve clients better.
    waits = seen.tls.ca and (not certificate or (scheme == 'http' and seen.awaited_tls))
    ca = trusted.ensure_file(container, cas) if scheme == 'https' else ''
    config = nginx_config.config(
        seen.upstreams(scheme),
        locations=workload.LOCATIONS,
        upstream_port=workload.TLS_PORT if ca else workload.PORT,
        pod=pod,
        log_level=seen.config.log_level,
        certificate=certificate,
        upstream_tls=nginx_upstream_tls.UpstreamTls(ca, seen.hosts) if ca else None,
    )
    if nginx.ensure_running(container, config, ready=seen.has_all_roles and not waits):
        logger.info('nginx runs with a new configuration')
    if 'https' in (scheme, seen.kept.upstream_scheme):
        trusted.ensure_no_other_file(container, ca)
    return scheme


def ensure_exporter(
    container: ops.Container,
    seen: State,
    served: tls.Certificate | None,
    file: Callable[[tls.Certificate], str],
    *,
    narrows: bool,
) -> list[Scheme]:
    """Make the exporter serve what it should, and return that.

    Args:
        container: the exporter's, reachable.
        seen: what was read.
        served: the certificate that nginx serves.
        file: gives it with its chain and key, in PEM.
        narrows: whether what nobody uses may end now.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    before = seen.kept.exported
    scraped = schemes.of_scrape(seen.exporters(before), tls=bool(seen.tls.ca))
    to_serve = schemes.to_serve(served is not None, [scraped], before, narrows)
    if served is None:
        exporter.ensure_running(container, schemes=to_serve)
        return to_serve
    try:
        exporter.ensure_running(
            container, schemes=to_serve, certificate=served.chain, file=lambda: file(served)
        )
    except ValueError:  # named where nginx needs the same key
        return before
    return to_serve
