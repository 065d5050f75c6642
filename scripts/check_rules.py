"""Check the rendered alert rules: Prometheus' with promtool, Loki's by their structure.

    python scripts/check_rules.py

Renders every folder of the coordinator's rules for an example application, and, as it does, all
rules that the charm publishes, cosl's among them. A group that the charm would ignore fails the
check. promtool comes from the local Juju's Prometheus image, so the version that evaluates the
rules in the tests also checks them; there is no usable tool for LogQL.
"""

import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import deployment
from coordinated_telemetry import rules
from coordinated_telemetry.topology import Topology
from localjuju.pods import images, pods

SOURCE = Path(__file__).resolve().parent.parent / 'coordinator-charm' / 'src'
EXAMPLE = Topology(
    model='example',
    model_uuid='20ce8299-3634-4bef-8bd8-5ace6c8816b4',
    application='frontend',
    unit='',
    charm='worker-k8s',
)


def rendered(folder: Path) -> tuple[list[rules.Group], list[str]]:
    """Return the groups of a folder, rendered for the example application, and the faults."""
    found = rules.load(folder)
    faults = list(found.faults)
    if not found.groups:
        faults.append(f'no alert rules in {folder}')
    return rules.render(found.groups, EXAMPLE), faults


def main() -> int:
    """Check each folder; return 1 if anything is wrong."""
    image = deployment.upstream_sources('tests/stores/prometheus')['prometheus-image']
    try:
        promtool = images.host_command(image, '/usr/bin/promtool')
    except pods.PodError as error:
        print(f'cannot check the alert rules: {error}', file=sys.stderr)
        return 1
    sys.path.append(str(SOURCE))
    alerts: Any = importlib.import_module('alerts')
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        for folder in sorted((SOURCE / 'prometheus_alert_rules').iterdir()):
            groups, problems = rendered(folder)
            faults += problems
            # JSON is YAML.
            Path(scratch, f'{folder.name}.yaml').write_text(
                json.dumps({'groups': groups}, indent=1)
            )
        published, problems = alerts.prometheus_rules([EXAMPLE], [], alerts.generic_groups())
        faults += problems
        Path(scratch, 'published.yaml').write_text(json.dumps({'groups': published}, indent=1))
        for folder in sorted((SOURCE / 'loki_alert_rules').iterdir()):
            faults += rendered(folder)[1]
        files = sorted(Path(scratch).glob('*.yaml'))
        done = subprocess.run([*promtool, 'check', 'rules', '--lint-fatal', *files])
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults or done.returncode else 0


if __name__ == '__main__':
    sys.exit(main())
