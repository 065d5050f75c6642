"""What arrived in the stores, asked over HTTP: the same questions for every backend.

`LocalStores` asks the three stores of a local model, `CosLiteStores` those of COS Lite. Tests and
the demo see only `Stores`. One or a few bounded HTTP requests answer each question.

Topology labels have the usual names: juju_model, juju_model_uuid, juju_application, juju_unit,
juju_charm. A unit has Juju's name for it, `app/0`.
"""

from .coslite import CosLiteStores
from .local import LocalStores
from .types import Alert, Line, Node, Rule, Series, Span, StoreError, Stores, Target
from .waiting import wait_until

__all__ = [
    'Alert',
    'CosLiteStores',
    'Line',
    'LocalStores',
    'Node',
    'Rule',
    'Series',
    'Span',
    'StoreError',
    'Stores',
    'Target',
    'wait_until',
]
