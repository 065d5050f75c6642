"""nginx as the load balancer over the workers' roles: its layers and its container.

The layers are pure; `ensure_running` makes a container run them with a configuration from
`nginx_config`.
"""

import ops

import nginx_config
import nginx_pod
import nginx_timeouts
from coordinated_telemetry import addresses, containers

CONTAINER = 'nginx'
SERVICE = 'nginx'

_FOLDER = '/etc/nginx'
_CONFIG = f'{_FOLDER}/nginx.conf'
_CANDIDATE = f'{_FOLDER}/nginx.conf.candidate'

# Pebble stops a service with SIGTERM to its process group, at which nginx cuts off the requests in
# flight. So nginx gets a session of its own (where the image has setsid), and this shell turns
# SIGTERM into the graceful SIGQUIT, a little later: new connections come in until everyone knows
# that this pod is stopping. A killed master leaves its worker processes behind, which would keep
# the port. The soft limit of open files rises to the hard one, the most that a container can do.
_RUN = (
    f"/bin/sh -c 'ulimit -n $(ulimit -Hn); $(command -v setsid) nginx -c {_CONFIG} & nginx=$!; "
    'trap "sleep 3; kill -QUIT $nginx" TERM; wait $nginx; wait $nginx; '
    "kill -s KILL -- -$nginx 2>/dev/null'"
)


def layer() -> ops.pebble.LayerDict:
    """The Pebble layer of the nginx container."""
    return {
        'summary': 'nginx',
        'services': {
            SERVICE: {
                'override': 'replace',
                'summary': 'load balancer over the workers',
                'command': _RUN,
                'backoff-delay': '100ms',  # while it is down, connections are refused
                # Longer than the sleep plus nginx's own shutdown.
                'kill-delay': f'{nginx_timeouts.SHUTDOWN_TIMEOUT + 10}s',
                'startup': 'enabled',
            }
        },
    }


def checks_layer() -> ops.pebble.LayerDict:
    """The layer with nginx's check.

    An image may include a failing check of the same name, so that a new pod gets no requests until
    this check replaces it.
    """
    return {
        'summary': 'nginx is ready',
        'checks': {
            'nginx-ready': {
                'override': 'replace',
                'level': 'ready',
                'period': '2s',
                'timeout': '1s',
                'threshold': 2,
                'http': {'url': f'http://127.0.0.1:{nginx_config.STATUS_PORT}/ready'},
            }
        },
    }


class ConfigError(Exception):
    """nginx refused a configuration; it keeps running with the previous one."""


def read_pod(container: ops.Container) -> nginx_pod.Pod:
    """Read what nginx finds in its pod.

    Raises:
        ConfigError: if no nginx.conf can work in this pod.
        ops.pebble.Error: if Pebble cannot be reached, or an existing file cannot be read.
    """
    resolv_conf = containers.read_file(container, '/etc/resolv.conf') or ''
    try:
        # Process 1 is Pebble, and its services inherit its limits.
        limits = containers.read_file(container, '/proc/1/limits') or ''
    except ops.pebble.PathError:
        limits = ''  # not every container shows it
    try:
        return nginx_pod.read(resolv_conf, limits)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def ensure_running(container: ops.Container, wanted: str, *, ready: bool) -> bool:
    """Make nginx run with this configuration. True if anything was changed.

    A configuration is tested before it replaces the one in use, and a running nginx is reloaded,
    never restarted. The candidate is removed last, so the next hook completes one that was cut
    short.

    Args:
        container: reachable.
        wanted: the configuration.
        ready: whether clients may be sent here. Once ready, never reset.

    Raises:
        ConfigError: with what nginx said about the configuration.
        ops.pebble.Error: if Pebble cannot be reached or nginx does not start.
    """
    same = containers.read_file(container, _CONFIG) == wanted
    if same and not container.exists(_CANDIDATE):
        return _ensure_layers(container, ready)
    container.push(_CANDIDATE, wanted, make_dirs=True)
    try:
        container.exec(['nginx', '-t', '-q', '-c', _CANDIDATE], timeout=10).wait_output()
    except ops.pebble.ExecError as error:
        container.remove_path(_CANDIDATE)
        said = str(error.stderr or '').replace(f' in {_CANDIDATE}', '')
        raise ConfigError(addresses.shorten(' '.join(said.split()), 200)) from None
    container.push(_CONFIG, wanted)
    was_running = any(s.is_running() for s in container.get_services(SERVICE).values())
    _ensure_layers(container, ready)
    if was_running:
        container.exec(['nginx', '-s', 'reload', '-c', _CONFIG], timeout=10).wait_output()
    container.remove_path(_CANDIDATE)
    return True


def _ensure_layers(container: ops.Container, ready: bool) -> bool:
    changed = containers.ensure_layer(container, CONTAINER, layer())
    if ready:
        # Not before nginx runs: Pebble considers a check healthy until it fails.
        changed |= containers.ensure_layer(container, f'{CONTAINER}-checks', checks_layer())
    return changed


def read_config(container: ops.Container) -> str | None:
    """The configuration in use; None before there is one.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    return containers.read_file(container, _CONFIG)


def version(container: ops.Container) -> str:
    """nginx's version, such as `1.27.5`; '' if it cannot be read."""
    try:
        said = container.exec(['nginx', '-v'], timeout=10, combine_stderr=True).wait_output()[0]
    except (ops.pebble.Error, TimeoutError):
        return ''
    return said.strip().rpartition('/')[2].split(' ')[0]
