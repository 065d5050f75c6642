"""A constant load on the coordinator, and what came of each request.

The load generator is vegeta, run inside the model's network: it finds the coordinator by the name
of its service, as any client does.
"""

import base64
import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployment import NGINX_PORT
from localjuju import client
from localjuju.pods import goprograms

RATE = 200
"""Requests in a second; every other one is a `POST /echo`, the rest are `GET /`."""


@dataclass(frozen=True)
class Outcome:
    """One request."""

    method: str
    why: str
    """Why it failed; '' when it did not."""


@dataclass
class Load:
    """A load that goes on, or that is over."""

    outcomes: list[Outcome] = field(default_factory=list)
    """All requests, once it is over."""


@contextmanager
def load(
    model: str, folder: Path, *, keepalive: bool, cas: str = '', rate: int = RATE
) -> Iterator[Load]:
    """Put a load on the coordinator of a model as long as the block lasts.

    Args:
        model: its name.
        folder: for the load generator's files.
        keepalive: whether connections are used for more than one request.
        cas: whom to trust in PEM, where a request is sent on to https.
        rate: requests in a second.
    """
    target = f'http://coordinator.{model}.svc.cluster.local:{NGINX_PORT}'
    body, targets, results, log = (folder / n for n in ('body', 'targets', 'results', 'log'))
    body.write_text('hello')
    targets.write_text(f'GET {target}/\n\nPOST {target}/echo\n@{body}\n')
    program = str(goprograms.built('vegeta'))
    local = client.Model(model)
    options = [f'-rate={rate}', '-duration=0', '-timeout=15s', f'-keepalive={keepalive}'.lower()]
    files = [f'-targets={targets}', f'-output={results}']
    if cas:
        (folder / 'cas').write_text(cas)
        files.append(f'-root-certs={folder / "cas"}')
    number = local.start_in_network([program, 'attack', *options, *files], log)
    running = Load()
    try:
        yield running
    finally:
        code = local.stop_in_network(number)
    assert code == 0, log.read_text()
    encode = [program, 'encode', '--to=json', str(results)]
    lines = subprocess.run(encode, check=True, capture_output=True, text=True).stdout
    running.outcomes += map(_outcome, lines.splitlines())
    assert running.outcomes, log.read_text()


def _outcome(line: str) -> Outcome:
    result = json.loads(line)
    body = base64.b64decode(result['body'] or '')
    if result['code'] == 200:
        why = _complaint(result['method'], body)
    else:
        why = result['error'] or f'status {result["code"]}'
    return Outcome(result['method'], why)


def _complaint(method: str, body: bytes) -> str:
    """What is wrong in the body of a 200; podinfo gives one even if its backend failed."""
    try:
        answer = json.loads(body)
    except ValueError:
        return 'not JSON'
    if method == 'GET':
        return '' if 'hostname' in answer else 'not the answer of a workload'
    if isinstance(answer, list) and len(answer) == 1 and answer[0].startswith('{'):
        return ''
    return f'backend: {answer}'[:200]


def counts(outcomes: list[Outcome]) -> dict[str, Any]:
    """How many requests there were, those of them that failed by method, and why."""
    failed = [outcome for outcome in outcomes if outcome.why]
    return {
        'requests': len(outcomes),
        'failed_get': sum(outcome.method == 'GET' for outcome in failed),
        'failed_post': sum(outcome.method == 'POST' for outcome in failed),
        'why': dict(Counter(f'{outcome.method}: {outcome.why}' for outcome in failed)),
    }
