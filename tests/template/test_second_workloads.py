"""Two other workloads in a pair that `make new-charm` made: how much changes, and all is green.

The folder NAME has the files that an author writes in the place of others, `NAME.patch` what they
change in files that stay. What is about podinfo alone goes first.
"""

import dataclasses
import shutil
from pathlib import Path

import pytest
from making import ROOT, make, run

MOST_LINES = 150
"""How many lines an author may have to write."""
PODINFO = (
    'coordinator-charm/src/grafana_dashboards/workers.json',  # one is drawn in Grafana
    'tests/unit/workload',
)
TEMPLATE = ROOT / 'tests' / 'template'


@dataclasses.dataclass(frozen=True)
class Second:
    """A workload in the place of podinfo.

    Attributes:
        name: of its files here.
        charm: the name of the new pair.
        roles: of its workers.
        traced: whether it makes spans.
        validates: whether its image can validate its configuration.
        removed: what goes with podinfo, besides `PODINFO`.
    """

    name: str
    charm: str
    roles: tuple[str, str]
    traced: bool
    validates: bool
    removed: tuple[str, ...] = ()


CADDY = Second('caddy', 'webstore', ('edge', 'store'), traced=True, validates=True)
"""Another HTTP server, a Go program, with metrics and traces of its own."""
VALKEY = Second(
    'valkey',
    'keystore',
    ('primary', 'replica'),
    traced=False,
    validates=False,
    removed=('coordinator-charm/src/loki_alert_rules/workers/workers.rules',),
)
"""No HTTP and no traces, but storage, and an exporter in a second container."""


@pytest.fixture(scope='module', params=[CADDY, VALKEY], ids=lambda second: second.name)
def second(request: pytest.FixtureRequest) -> Second:
    return request.param


@pytest.fixture(scope='module')
def made(second: Second, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pair with its workload."""
    folder = make(tmp_path_factory.mktemp(second.name), second.charm, *second.roles)
    run(folder, 'git', 'rm', '-rq', *PODINFO, *second.removed)
    run(folder, 'git', 'apply', str(TEMPLATE / f'{second.name}.patch'))
    shutil.copytree(TEMPLATE / second.name, folder, dirs_exist_ok=True)
    return folder


def test_an_author_writes_few_lines(made: Path) -> None:
    run(made, 'git', 'diff', '--stat', '--diff-filter=d', 'HEAD')
    lines = run(made, 'git', 'diff', '--numstat', '--diff-filter=d', 'HEAD').splitlines()
    assert sum(int(line.split()[0]) for line in lines) <= MOST_LINES


def test_every_cell_of_its_demo_is_green_or_a_dash(made: Path, second: Second) -> None:
    shown = run(made, 'make', 'demo', 'KEEP=0')
    rows = [line.split() for line in shown.splitlines()]
    for role in second.roles:
        for unit in (f'{role}/0', f'{role}/1'):
            (row,) = [row for row in rows if row[:1] == [unit] and ('✓' in row or '-' in row)]
            assert (row[-1] == '-') is not second.traced, row


def test_both_charms_say_the_same_of_it(made: Path, second: Second) -> None:
    """After the demo, which has set up the image that validates the configuration."""
    shown = run(made, 'make', 'unit', 'ARGS=tests/unit/test_twins.py')
    assert ('no command that validates' in shown) is not second.validates
    assert shown.count('SKIPPED') == (not second.validates)
