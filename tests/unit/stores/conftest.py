"""The stores' charms are imported by their folder: `from loki.src import charm`."""

import sys
from pathlib import Path

# Where Prometheus' charm finds its second module, as it does when packed.
sys.path.append(str(Path(__file__).parents[2] / 'stores' / 'prometheus' / 'src'))
