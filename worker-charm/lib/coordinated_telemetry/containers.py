"""Workload containers: make Pebble run what is wanted, and leave alone what already runs."""

from typing import Any

import ops


def ensure_file(container: ops.Container, path: str, content: str, mode: int = 0o644) -> bool:
    """Make a file hold this text. True if anything was changed.

    Args:
        container: reachable.
        path: absolute; missing folders are created.
        content: the whole text.
        mode: permissions of the file, if it is written.
    """
    if read_file(container, path) == content:
        return False
    container.push(path, content, make_dirs=True, permissions=mode)
    return True


def ensure_no_file(container: ops.Container, path: str) -> bool:
    """Make a file not be there. True if it was.

    Raises:
        ops.pebble.Error: if it cannot be read or removed.
    """
    if read_file(container, path) is None:
        return False
    container.remove_path(path)
    return True


def read_file(container: ops.Container, path: str) -> str | None:
    """The text of a file, or None if there is none; bytes that are not UTF-8 are replaced.

    Raises:
        ops.pebble.Error: if the file exists but cannot be read.
    """
    try:
        # As bytes: read as text, every "\r\n" becomes "\n" and never equals what was written.
        with container.pull(path, encoding=None) as file:
            return file.read().decode(errors='replace')
    except ops.pebble.PathError as error:
        # A file that exists but cannot be read is another matter.
        if error.kind != 'not-found':
            raise
        return None


def list_files(
    container: ops.Container, folder: str, pattern: str | None = None
) -> list[ops.pebble.FileInfo]:
    """The files in a folder whose names match a pattern such as `*.pem`; none without the folder.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached.
    """
    try:
        return container.list_files(folder, pattern=pattern)
    except ops.pebble.APIError as error:
        if error.code == 404:  # the first file creates the folder
            return []
        raise


def is_running(container: ops.Container, service: str) -> bool:
    """Whether a service runs; False if Pebble cannot be asked."""
    try:
        return any(found.is_running() for found in container.get_services(service).values())
    except ops.pebble.Error:
        return False


def ensure_layer(container: ops.Container, label: str, layer: ops.pebble.LayerDict) -> bool:
    """Make Pebble's plan hold this layer and its services run. True if anything was changed.

    A service restarts only if its own definition changed; services and checks outside this layer
    are left alone. A service that never started is started; one that exited is left to Pebble.

    Raises:
        ops.pebble.Error: if Pebble cannot be reached or a service cannot be started.
    """
    if has_layer(container, layer):
        names = layer.get('services', {})
        services = container.get_services(*names) if names else {}
        if all(s.current != ops.pebble.ServiceStatus.INACTIVE for s in services.values()):
            return False
    else:
        container.add_layer(label, layer, combine=True)
    container.replan()
    return True


def has_layer(container: ops.Container, layer: ops.pebble.LayerDict) -> bool:
    """Whether Pebble's plan already holds the services and checks of this layer."""
    plan = container.get_plan()
    wanted = ops.pebble.Layer(layer)
    return all(
        name in plan.services and plan.services[name] == service
        for name, service in wanted.services.items()
    ) and all(
        name in plan.checks and _includes(plan.checks[name].to_dict(), check.to_dict())
        for name, check in wanted.checks.items()
    )


def _includes(whole: Any, part: Any) -> bool:
    """Whether a check in the plan is as wanted: Pebble adds a default for each omitted key."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _includes(whole[key], value) for key, value in part.items())
    return whole == part
