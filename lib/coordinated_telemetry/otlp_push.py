"""Log records in OTLP over HTTP, as JSON: the form in which a collector takes a push.

The labels become attributes of the resource, beside the `service.name` that the charm's spans
have. A collector may answer 200 and say that it refused some records (`partialSuccess`): it has
taken the others, and as OTLP has it none of them is sent again.
"""

import json
from collections.abc import Mapping

from . import log_push

SCOPE = 'charm'
"""The scope's name by which a charm's records differ from a workload's, which Pebble sends."""

# OpenTelemetry's log data model, by the names of Python's levels.
_SEVERITIES = {'DEBUG': 5, 'INFO': 9, 'WARNING': 13, 'ERROR': 17, 'CRITICAL': 21}


def _text(value: str) -> dict[str, str]:
    return {'stringValue': value}


def _head(labels: Mapping[str, str]) -> bytes:
    named = {'service.name': labels.get('juju_application', ''), **labels}
    attributes = [{'key': key, 'value': _text(value)} for key, value in named.items() if value]
    return (
        b'{"resourceLogs": [{"resource": {"attributes": %b}, '
        b'"scopeLogs": [{"scope": {"name": %b}, "logRecords": ['
        % (json.dumps(attributes).encode(), json.dumps(SCOPE).encode())
    )


def render(record: tuple[int, str]) -> bytes:
    """One record (nanoseconds since the epoch, text that begins with its level) as JSON."""
    nanoseconds, text = record
    rendered: dict[str, object] = {'timeUnixNano': str(nanoseconds), 'body': _text(text)}
    level = text.partition(' ')[0]
    if severity := _SEVERITIES.get(level):
        rendered |= {'severityNumber': severity, 'severityText': level}
    return json.dumps(rendered, ensure_ascii=False).encode(errors='replace')


OTLP = log_push.Form(_head, render, b']}]}]}')
"""OTLP's JSON, with the labels as attributes of the resource."""
