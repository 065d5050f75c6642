"""nginx's exporter: its layers, its files for TLS, and its container.

For each scheme the container runs a service of its own, so that a scraper finds the one until it
knows of the other. Pebble runs both as its own user: root, as charmcraft.yaml names no other.
"""

import hashlib
from collections.abc import Callable, Collection

import ops

import nginx_config
from coordinated_telemetry import cluster_data, containers

PORT = 9113
"""Where a scraper reaches nginx's metrics over plain HTTP."""
TLS_PORT = 9114
"""Where a scraper reaches nginx's metrics over https."""

CONTAINER = 'nginx-prometheus-exporter'
SERVICES: dict[cluster_data.Scheme, str] = {'http': CONTAINER, 'https': f'{CONTAINER}-tls'}
"""Scheme → the service that serves it."""

_FOLDER = '/etc/nginx-prometheus-exporter'
CERTIFICATE = f'{_FOLDER}/tls.pem'
"""The file with certificates and key, readable by its owner only."""
WEB_CONFIG = f'{_FOLDER}/web.yml'
"""The exporter-toolkit's file, which names the one with the certificate."""


def layer(scheme: cluster_data.Scheme, *, enabled: bool = True) -> ops.pebble.LayerDict:
    """The Pebble layer of the service for one scheme; not enabled, Pebble does not start it."""
    tls = scheme == 'https'
    return {
        'summary': 'nginx exporter',
        'services': {
            SERVICES[scheme]: {
                'override': 'replace',
                'summary': f"nginx's status page as metrics{', with TLS' if tls else ''}",
                'command': '/usr/bin/nginx-prometheus-exporter'
                f' --nginx.scrape-uri=http://127.0.0.1:{nginx_config.STATUS_PORT}/status'
                f' --web.listen-address=:{TLS_PORT if tls else PORT}'
                + (f' --web.config.file={WEB_CONFIG}' if tls else ''),
                'startup': 'enabled' if enabled else 'disabled',
            }
        },
    }


def web_config(certificate: str) -> str:
    """The exporter-toolkit's configuration.

    It is written after the certificate's file and names what that holds, so a hook need not read a
    key to know.

    Args:
        certificate: the certificates of that file, in PEM.
    """
    digest = hashlib.sha256(certificate.encode()).hexdigest()
    return f"""\
# Written by the charm, for the certificates with the SHA-256 {digest}.
tls_server_config:
  cert_file: {CERTIFICATE}
  key_file: {CERTIFICATE}
  min_version: TLS12
"""


def ensure_running(
    container: ops.Container,
    *,
    schemes: Collection[cluster_data.Scheme],
    certificate: str = '',
    file: Callable[[], str] = str,
) -> bool:
    """Make the exporter serve these schemes and no other. True if anything was changed.

    A new certificate restarts nothing: the exporter reads both files at each handshake. The file
    of an unwanted certificate is removed.

    Args:
        container: reachable.
        schemes: what to serve; https only with a certificate.
        certificate: the certificates to serve, in PEM; '' for those that it serves already.
        file: gives these with their key, in PEM; called only if the file has to be written, and
            may raise ValueError.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached or the exporter does not start.
        ValueError: from `file`; the exporter serves as before.
    """
    wanted = set(schemes)
    changed = False
    if 'https' in wanted and certificate:
        changed = _ensure_certificate(container, certificate, file)
    elif 'https' in wanted and containers.read_file(container, WEB_CONFIG) is None:
        wanted.remove('https')
    # What is wanted comes first, so that a scraper finds one of them at any time.
    for scheme, name in SERVICES.items():
        if scheme in wanted:
            changed |= containers.ensure_layer(container, name, layer(scheme))
    for scheme in SERVICES:
        if scheme not in wanted:
            changed |= _ensure_stopped(container, scheme)
    return changed


def _ensure_certificate(
    container: ops.Container, certificate: str, file: Callable[[], str]
) -> bool:
    wanted = web_config(certificate)
    if containers.read_file(container, WEB_CONFIG) == wanted and _is_private(container):
        return False
    # Pebble writes a new file with these permissions, and renames it once it is complete.
    container.push(CERTIFICATE, file(), make_dirs=True, permissions=0o600)
    container.push(WEB_CONFIG, wanted, permissions=0o644)
    return True


def _is_private(container: ops.Container) -> bool:
    """Whether there is a file with a certificate that nobody else can read."""
    return any(
        found.path == CERTIFICATE and found.permissions == 0o600
        for found in containers.list_files(container, _FOLDER)
    )


def _ensure_stopped(container: ops.Container, scheme: cluster_data.Scheme) -> bool:
    name = SERVICES[scheme]
    service = container.get_services(name).get(name)
    if service is None:
        return False  # it has never run in this pod, and so there are no files either
    changed = service.startup != ops.pebble.ServiceStartup.DISABLED
    if changed:
        # Or the next replan would start it again.
        container.add_layer(name, layer(scheme, enabled=False), combine=True)
    if service.current not in (ops.pebble.ServiceStatus.INACTIVE, ops.pebble.ServiceStatus.ERROR):
        container.stop(name)
        changed = True
    if scheme == 'https':
        for path in (WEB_CONFIG, CERTIFICATE):
            changed |= containers.ensure_no_file(container, path)
    return changed
