"""How a dispatch starts: what it does without, and when."""

import os
import subprocess
import sys

import pytest

import charms

FOLDERS = [
    charms.ROOT / 'coordinator-charm',
    charms.ROOT / 'worker-charm',
    *sorted(path.parent for path in charms.ROOT.glob('tests/stores/*/charmcraft.yaml')),
]

BEFORE_OPS = """
import gc, runpy, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == 'ops':
            sys.exit(f'enabled: {gc.isenabled()}')

sys.meta_path.insert(0, Finder())
runpy.run_path(sys.argv[1], run_name='__main__')
"""

IN_MAIN = """
import gc, runpy, sys
import ops

def main(charm):
    sys.exit(f'enabled: {gc.isenabled()}, frozen: {gc.get_freeze_count() > 1000}')

ops.main = main
runpy.run_path(sys.argv[1], run_name='__main__')
"""


def said(folder, program, scratch, hook='update-status'):
    (scratch / 'metadata.yaml').write_text('name: any\n')
    source = folder / 'src'
    path = [source, charms.ROOT / 'lib', charms.ROOT / 'tests' / 'stores']
    done = subprocess.run(
        [sys.executable, '-c', program, source / 'charm.py'],
        cwd=scratch,
        env={
            **os.environ,
            'PYTHONPATH': ':'.join(map(str, path)),
            'JUJU_DISPATCH_PATH': f'hooks/{hook}',
        },
        capture_output=True,
        text=True,
    )
    return done.stderr.strip()


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda folder: folder.name)
def test_garbage_is_looked_for_only_once_all_is_imported(folder, tmp_path):
    assert said(folder, BEFORE_OPS, tmp_path) == 'enabled: False'
    assert said(folder, IN_MAIN, tmp_path) == 'enabled: True, frozen: True'


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda folder: folder.name)
def test_a_relation_joined_ends_at_once(folder, tmp_path):
    """Juju runs relation-changed for the same unit right after it."""
    assert said(folder, BEFORE_OPS, tmp_path, 'certificates-relation-joined') == ''
    assert said(folder, BEFORE_OPS, tmp_path, 'certificates-relation-changed') != ''
