"""Which Juju the tests drive: the local one, or the program that `JUJU` names."""

import os
from collections.abc import Mapping
from pathlib import Path

from deployment import ROOT

LOCAL_JUJU = ROOT / 'tests' / 'localjuju' / 'bin' / 'juju'
PROGRAM = Path(os.environ.get('JUJU') or LOCAL_JUJU)
IS_LOCAL = PROGRAM == LOCAL_JUJU

PATIENCE = 300.0 if IS_LOCAL else 2700.0
"""For how many seconds anything is waited for. No promise of the charms: what is right comes soon,
but no test may fail because the machine is busy, and a failure may take its time. On a real Juju,
images are pulled first, and COS scrapes once a minute and lets alerts wait for five."""
EVERY = 0.3 if IS_LOCAL else 5.0
"""Seconds between two looks."""
PROMETHEUS_OPTIONS: Mapping[str, str] = {'alert-for': '4s'} if IS_LOCAL else {}
"""Lets rules on metrics fire after seconds, not minutes; the charm of COS has no such option."""
CHARMHUB = {'self-signed-certificates': '1/stable'}
"""Charms of others that are deployed by their names, with their channels.

The local Juju has stand-ins of these names: `STAND_INS`.
"""
STAND_INS = ROOT / 'tests' / 'stores' / 'charms.toml'
"""The charms by name on the local Juju."""
