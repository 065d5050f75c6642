"""Integration tests that need a cluster: pain 22."""

import os
import subprocess
from pathlib import Path

import charms

# 22. Integration tests need a cluster, take an hour, flake.


def test_pain_22_the_local_juju_needs_nothing_of_a_cluster(tmp_path):
    program = charms.ROOT / 'tests' / 'localjuju' / 'bin' / 'juju'
    environment = {'PATH': os.environ['PATH'], 'HOME': str(tmp_path)}
    done = subprocess.run([program, 'version'], env=environment, capture_output=True, text=True)
    assert done.stderr == ''
    assert done.stdout.startswith('3.6.')


def test_pain_22_the_same_tests_run_on_either_juju():
    tests = sorted((charms.ROOT / 'tests' / 'integration').glob('test_*.py'))
    assert tests
    for path in tests:
        text = Path(path).read_text()
        assert not [word for word in ('kubectl', 'localjuju', 'IS_LOCAL') if word in text]
