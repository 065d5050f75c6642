"""podinfo: everything specific to this workload, and what to replace to make the charm your own.

Roles only change command-line flags; everything else comes from one configuration file that the
coordinator sends, the same for all workers.

podinfo serves TLS itself. In the place of a workload that cannot, let a small proxy in the pod (a
second service of the same container, such as nginx or ghostunnel) serve `TLS_PORT` with the same
files and pass requests on to the workload, which then listens on 127.0.0.1 only.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence

import ops

from coordinated_telemetry import cluster, containers, worker_tls, yaml_text
from coordinated_telemetry.cluster_data import Scheme

CONTAINER = 'workload'
SERVICE = 'podinfo'
PORT = 9898
"""Where requests and metrics are served over HTTP."""
TLS_PORT = 9899
"""Where the same is served over HTTPS."""

_FOLDER = '/home/app'
_CONFIG_FOLDER = '/etc/podinfo'
_CONFIG = 'config.yaml'
_CA_FOLDER = f'{_CONFIG_FOLDER}/ca'
_CA = f'{_CA_FOLDER}/ca.pem'
_TRACES_CA = f'{_CONFIG_FOLDER}/traces-ca.pem'  # not in the folder of the other
# Each certificate and its key have a folder of their own, named after the certificate, so that
# podinfo never finds a certificate with the key of another. It is not in _CONFIG_FOLDER: podinfo
# gives the files in there to anyone, at /configs.
_TLS_FOLDER = '/etc/podinfo-tls'
_TLS_FLAG = f'--cert-path={_TLS_FOLDER}/'
_TLS_FILES = {'tls.crt': 0o644, 'tls.key': 0o600}  # names that podinfo has fixed
_TRACES_FLAG = '--otel-service-name='
_TRACES_ENDPOINT = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'
_TRACES_DIGEST = 'OTEL_CA_SHA256'


def checked_config(text: str) -> str:
    """The configuration file as the coordinator sent it, if podinfo can read it.

    Raises:
        ValueError: if it is not a YAML mapping, or not safe to load.
    """
    options = yaml_text.load(text)
    if not isinstance(options, dict) or not all(isinstance(name, str) for name in options):
        raise ValueError('expected a mapping with text keys')
    return text


def read_config(container: ops.Container) -> str | None:
    """The configuration file in the container, or None if there is none.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    return containers.read_file(container, f'{_CONFIG_FOLDER}/{_CONFIG}')


def backend_url(roles: Collection[str], coordinator_host: str, *, tls: bool) -> str:
    """The URL at which this worker calls the backend; '' if none of its roles does.

    `/headers` answers a POST without calling further. With `/echo`, a worker that has both roles
    would call itself endlessly.
    """
    if not {'all', 'frontend'} & set(roles):
        return ''
    scheme = 'https' if tls else 'http'
    return f'{scheme}://{coordinator_host}:{cluster.COORDINATOR_PORT}/backend/headers'


def ports(schemes: Collection[Scheme]) -> list[int]:
    """The ports on which podinfo serves these schemes."""
    of_scheme = {'http': PORT, 'https': TLS_PORT}
    return [port for scheme, port in of_scheme.items() if scheme in schemes]


def layer(
    *,
    schemes: Sequence[Scheme] = ('http',),
    certificate_sha256: str = '',
    config: str,
    ca: str,
    backend: str,
    service_name: str,
    traces_endpoint: str | None,
    traces_ca: str,
    resource_attributes: str,
) -> ops.pebble.LayerDict:
    """The Pebble layer.

    Args:
        schemes: what to serve, at least one.
        certificate_sha256: of the certificates to serve with `https`. podinfo reads them only when
            it starts; a change restarts the service.
        config: the text of the configuration file; a change restarts the service.
        ca: PEM certificates to trust besides the image's own when calling the backend, or ''; a
            change restarts the service.
        backend: from `backend_url`.
        service_name: `service.name` of the workload's spans.
        traces_endpoint: OTLP gRPC receiver with its scheme, or None for no traces.
        traces_ca: PEM certificates to trust, instead of the image's own, when sending traces, or
            ''; a change restarts the service.
        resource_attributes: in the format of OTEL_RESOURCE_ATTRIBUTES.
    """
    command = [
        f'{_FOLDER}/podinfo',
        f'--port={PORT if "http" in schemes else 0}',
        f'--config-path={_CONFIG_FOLDER}',
        f'--config={_CONFIG}',
        # After SIGTERM it serves for another 3 s, then lets requests in flight finish.
        '--server-shutdown-timeout=10s',
    ]
    if 'https' in schemes:
        command += [f'--secure-port={TLS_PORT}', f'{_TLS_FLAG}{certificate_sha256}']
    environment = {'CONFIG_SHA256': hashlib.sha256(config.encode()).hexdigest()}
    if backend:
        command.append(f'--backend-url={backend}')
    if backend and ca:
        # Go still reads the image's bundle: that is a file, and this variable names folders.
        environment['SSL_CERT_DIR'] = _CA_FOLDER
        environment['CA_SHA256'] = hashlib.sha256(ca.encode()).hexdigest()
    if traces_endpoint:
        command.append(f'{_TRACES_FLAG}{service_name}')
        environment[_TRACES_ENDPOINT] = traces_endpoint
        environment['OTEL_RESOURCE_ATTRIBUTES'] = resource_attributes
    if traces_endpoint and traces_ca:
        environment['OTEL_EXPORTER_OTLP_CERTIFICATE'] = _TRACES_CA
        environment[_TRACES_DIGEST] = hashlib.sha256(traces_ca.encode()).hexdigest()
    return {
        'summary': 'podinfo',
        'services': {
            SERVICE: {
                'override': 'replace',
                'summary': 'the workload',
                'command': ' '.join(command),
                'startup': 'enabled',
                'working-dir': _FOLDER,
                'kill-delay': '15s',
                'environment': environment,
            }
        },
        'checks': {'podinfo-ready': _check(schemes)},
    }


def _check(schemes: Collection[Scheme]) -> ops.pebble.CheckDict:
    """The check by which Kubernetes considers the pod ready.

    Pebble's own HTTP check verifies certificates with the CAs of the image, which are not those of
    this one; podinfo's image has curl. Nothing has to be verified on the loopback, and a pod whose
    certificate expires would take nothing but itself away. Of two ports, one is enough: if podinfo
    cannot serve either of them, it exits.
    """
    check: ops.pebble.CheckDict = {
        'override': 'replace',
        'level': 'ready',
        'period': '2s',
        'timeout': '1s',
        'threshold': 2,
    }
    if 'http' in schemes:
        check['http'] = {'url': f'http://127.0.0.1:{PORT}/readyz'}
    else:
        url = f'https://127.0.0.1:{TLS_PORT}/readyz'
        check['exec'] = {'command': f'curl --silent --fail --insecure --output /dev/null {url}'}
    return check


def serving(container: ops.Container) -> worker_tls.Serving:
    """What podinfo was told to serve. Certificates whose files are missing do not count.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    service = container.get_plan().services.get(SERVICE)
    words = service.command.split() if service else []
    digest = next((w.removeprefix(_TLS_FLAG) for w in words if w.startswith(_TLS_FLAG)), '')
    schemes: list[Scheme] = ['http'] if f'--port={PORT}' in words else []
    if digest:
        schemes.append('https')
    return worker_tls.Serving(
        schemes=tuple(schemes),
        certificate_sha256=digest if digest and _has_certificate(container, digest) else '',
    )


def files(config: str, ca: str, traces_ca: str) -> dict[str, str | None]:
    """The files that podinfo reads: path → text, None where there is to be none."""
    return {
        f'{_CONFIG_FOLDER}/{_CONFIG}': config,
        _CA: ca or None,
        _TRACES_CA: traces_ca or None,
    }


def ensure_running(
    container: ops.Container,
    texts: Mapping[str, str | None],
    wanted: ops.pebble.LayerDict,
    certificate: worker_tls.Certificate | None = None,
) -> bool:
    """Make podinfo run with these files and this layer. True if anything was changed.

    A file that is not wanted any more goes when podinfo runs without it.

    Args:
        container: reachable.
        texts: what `files` gave.
        wanted: what `layer` gave.
        certificate: the one that the layer names, if its files are not there yet.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached or podinfo does not start.
    """
    changed = False
    for path, text in texts.items():
        if text is not None:
            changed |= containers.ensure_file(container, path, text)
    if certificate is not None:
        changed |= _ensure_certificate(container, certificate)
    changed |= containers.ensure_layer(container, CONTAINER, wanted)
    for path, text in texts.items():
        if text is None:
            changed |= containers.ensure_no_file(container, path)
    return _ensure_no_other_certificate(container, serving(container)) or changed


def _has_certificate(container: ops.Container, digest: str) -> bool:
    """Whether the files of a certificate are there, and the key is readable by its owner only."""
    files = containers.list_files(container, f'{_TLS_FOLDER}/{digest}')
    return {file.name: file.permissions for file in files} == _TLS_FILES


def _ensure_certificate(container: ops.Container, certificate: worker_tls.Certificate) -> bool:
    if _has_certificate(container, certificate.sha256):
        return False
    for name, text in (('tls.crt', certificate.chain), ('tls.key', certificate.key)):
        path = f'{_TLS_FOLDER}/{certificate.sha256}/{name}'
        # Pebble writes a new file with these permissions, and renames it once it is complete.
        container.push(path, text, make_dirs=True, permissions=_TLS_FILES[name])
    return True


def _ensure_no_other_certificate(container: ops.Container, now: worker_tls.Serving) -> bool:
    found = containers.list_files(container, _TLS_FOLDER)
    others = [folder.path for folder in found if folder.name != now.certificate_sha256]
    for other in others:
        container.remove_path(other, recursive=True)
    return bool(others)


def ensure_untraced(container: ops.Container) -> bool:
    """Make podinfo send no traces and otherwise run as it is. True if anything was changed.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached or podinfo does not start.
    """
    changed = False
    service = container.get_plan().services.get(SERVICE)
    if service is not None and _TRACES_ENDPOINT in service.environment:
        definition = service.to_dict()
        words = service.command.split()
        definition['command'] = ' '.join(w for w in words if not w.startswith(_TRACES_FLAG))
        definition['environment'] = {
            key: value for key, value in service.environment.items() if not key.startswith('OTEL_')
        }
        layer: ops.pebble.LayerDict = {'services': {SERVICE: definition}}
        changed = containers.ensure_layer(container, CONTAINER, layer)
    return containers.ensure_no_file(container, _TRACES_CA) or changed


def running(container: ops.Container) -> bool:
    """Whether podinfo runs."""
    return containers.is_running(container, SERVICE)


def version(container: ops.Container) -> str:
    """podinfo's version, such as `6.9.2`; '' if it cannot be read."""
    try:
        said = container.exec([f'{_FOLDER}/podinfo', '--version'], timeout=10).wait_output()[0]
    except (ops.pebble.Error, TimeoutError):
        return ''
    return said.strip()
