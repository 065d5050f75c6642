"""Where Debian packages come from, and how they become folders of files."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from localjuju.common.progress import SetupError, run

MIRROR = 'LOCALJUJU_DEBIAN_MIRROR'
#: From the package debian-archive-keyring, which Ubuntu has too.
KEYRING = Path('/usr/share/keyrings/debian-archive-keyring.gpg')


def sources(suite: str, etc: Path = Path('/etc')) -> str:
    """An apt sources list for one suite of Debian, main section, in one-line or deb822 format.

    It names the mirror in $LOCALJUJU_DEBIAN_MIRROR; without one, it is the first entry of this
    machine's own sources with the suite replaced.

    Raises:
        SetupError: if this machine is not Debian and no mirror is named.
    """
    if mirror := os.environ.get(MIRROR):
        return f'deb [signed-by={KEYRING}] {mirror} {suite} main\n'
    codename = _debian_codename(etc)
    if codename is None:
        raise SetupError(
            'cannot find a Debian mirror: this machine is not Debian;'
            f" set {MIRROR} to a mirror's URL"
        )
    for stanza in _stanzas(etc):
        if codename in stanza.get('Suites', '').split():
            chosen = {**stanza, 'Types': 'deb', 'Suites': suite, 'Components': 'main'}
            return ''.join(f'{key}: {value}\n' for key, value in chosen.items())
    for line in _one_liners(etc):
        if line.group('suite') == codename:
            return f'deb {line.group("options") or ""} {line.group("uri")} {suite} main\n'
    raise SetupError(
        f'cannot find a Debian mirror: no apt source of {codename} under {etc}/apt;'
        f" set {MIRROR} to a mirror's URL"
    )


def _debian_codename(etc: Path) -> str | None:
    text = (etc / 'os-release').read_text()
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
    return release.get('VERSION_CODENAME') if release.get('ID') == 'debian' else None


def _stanzas(etc: Path) -> Iterator[Mapping[str, str]]:
    """The enabled stanzas of the deb822 files, without comments; multi-line values stay whole."""
    for file in sorted((etc / 'apt/sources.list.d').glob('*.sources')):
        text = re.sub(r'^#.*\n?', '', file.read_text(), flags=re.MULTILINE)
        for block in re.split(r'\n\s*\n', text.strip()):
            fields = dict(re.findall(r'^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)', block, re.MULTILINE))
            kinds = fields.get('Types', '').split()
            if 'deb' in kinds and fields.get('Enabled', 'yes') != 'no':
                yield fields


def _one_liners(etc: Path) -> Iterator[re.Match[str]]:
    pattern = re.compile(
        r'^deb\s+(?P<options>\[[^]]*\])?\s*(?P<uri>(?!cdrom)\S+)\s+(?P<suite>\S+)', re.MULTILINE
    )
    folder = etc / 'apt'
    for file in folder / 'sources.list', *sorted((folder / 'sources.list.d').glob('*.list')):
        if file.exists():
            yield from pattern.finditer(file.read_text())


def bootstrap(
    target: Path, suite: str, packages: Sequence[str], downloads: Mapping[Path, Sequence[str]]
) -> None:
    """Make a small Debian in `target` with mmdebstrap.

    Args:
        target: the folder to make.
        suite: Debian's release.
        packages: installed besides the essential ones.
        downloads: folder → packages to download into it, along with all their dependencies that
            `target` lacks.
    """
    hooks = [_download_hook(folder, wanted) for folder, wanted in downloads.items()]
    command = [
        'mmdebstrap',
        '--quiet',
        '--mode=root',
        '--variant=essential',
        f'--include={",".join(packages)}',
        # The release file of a suite under development may have expired.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        *(f'--aptopt={option}' for option in _proxies()),
        *(f'--dpkgopt=path-exclude=/usr/share/{name}/*' for name in _UNWANTED),
        *(f'--customize-hook={hook}' for hook in hooks),
        '',
        str(target),
        '-',
    ]
    run(command, stdin=sources(suite), action=f'make a Debian {suite}')


_UNWANTED = ('doc', 'info', 'lintian', 'locale', 'man')


def _download_hook(folder: Path, packages: Sequence[str]) -> str:
    """A shell line that downloads packages with the new Debian's apt configuration."""
    (folder / 'partial').mkdir(parents=True)
    return (
        'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --quiet --yes --no-install-recommends'
        f' --download-only -o Dir::Cache::Archives={folder}/ install {" ".join(packages)}'
    )


def _proxies() -> Iterator[str]:
    """The machine's own proxy settings, as options for apt."""
    done = subprocess.run(['apt-config', 'dump'], capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if re.match(r'Acquire::(http|https)::Proxy\b', line):
            yield line


def unpack(archives: Path, target: Path) -> None:
    """Unpack all downloaded packages of a folder into `target`, without running their scripts."""
    for package in sorted(archives.glob('*.deb')):
        run(['dpkg-deb', '--extract', str(package), str(target)], action=f'unpack {package.name}')
    for name in _UNWANTED:
        run(['rm', '-rf', str(target / 'usr/share' / name)], action=f'trim {target.name}')
