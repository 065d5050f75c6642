"""Draw the dashboards from live data, and photograph the stores' own pages: `make pictures`.

Uses the model of a running `make demo`, or deploys one like it and destroys it in the end. Sends
requests for a few minutes, adds a worker on the way, and then asks the stores what each panel of
each dashboard asks them. Writes docs/pictures/*.png. The pages need Chromium (`chromium` on PATH,
such as Debian's package); without it, those that are there stay.

    make pictures [ARGS='--minutes 5']
"""

import argparse
import contextlib
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import demo
import grafana
import listeners
import picture_panels
from clients import LocalStores, StoreError
from localjuju import client
from picture_data import applications, divided, found
from terminal import GREEN, Terminal

FOLDER = demo.ROOT / 'docs' / 'pictures'
COORDINATORS = 2
FAILING, MISSING = 60, 25
"""One request in so many is answered with an error, or with 404."""
CHROMIUM = ('chromium', 'chromium-browser', 'google-chrome')
PAGE_WIDTH = 1280
"""Of a photograph, in pixels."""


def main() -> int:
    """Draw everything; return 1 if that is not possible."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--minutes', type=float, default=5, help='how long requests are sent')
    minutes = parser.parse_args().minutes
    demo.BUILD.mkdir(exist_ok=True)
    demo.LOG.unlink(missing_ok=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    terminal = Terminal()
    os.environ['LOCALJUJU_OWNER'] = str(os.getpid())
    try:
        with deployed(terminal) as model:
            start = time.time()
            with terminal.step(f'Send requests for {minutes:g} minutes') as step:
                send(step, model, minutes * 60)
            draw_dashboards(terminal, LocalStores(model), start, time.time())
            photograph_pages(terminal, model)
    except (demo.DemoError, StoreError) as error:
        terminal.say(f'\n✗ {error}')
        return 1
    return 0


@contextlib.contextmanager
def deployed(terminal: Terminal) -> Iterator[client.Model]:
    """The demo's deployment with one more coordinator, the workloads logging each request."""
    try:
        demo.status()
    except demo.DemoError:
        demo.prepare(terminal, demo.PLAIN, {})
        with terminal.step(f'Start the model {demo.MODEL}') as step:
            demo.run(step, demo.JUJU, 'add-model', demo.MODEL)
        try:
            demo.deploy(terminal, demo.PLAIN, {})
            with terminal.step('Add a coordinator, and have every request logged') as step:
                demo.juju(step, 'add-unit', 'coordinator')
                demo.juju(step, 'config', 'coordinator', 'log-level=debug')
                wait(step, COORDINATORS, 2)
            yield client.Model(demo.MODEL)
        finally:
            with terminal.step('Tear down') as step:
                command = ('destroy-model', demo.MODEL, '--no-prompt', '--force')
                demo.run(step, demo.JUJU, *command, '--destroy-storage')
    else:
        yield client.Model(demo.MODEL)


def wait(step: Any, coordinators: int, frontends: int) -> None:
    """Wait until these and the demo's other units are active and idle.

    Raises:
        DemoError: if it takes too long.
    """
    counts = {'coordinator': coordinators, 'frontend': frontends}
    deadline = time.monotonic() + demo.ACTIVE_SECONDS
    while True:
        seen = demo.status()
        waiting = demo.not_active(seen, demo.PLAIN.applications)
        for name, count in counts.items():
            units = seen['applications'][name].get('units') or {}
            active = [u for u in units.values() if u['workload-status']['current'] == 'active']
            if len(active) < count:
                waiting.append(f'{name}: {len(active)} of {count} units')
        if not waiting:
            return
        step.note = '; '.join(waiting[:2])
        if time.monotonic() > deadline:
            raise demo.DemoError(f'not active: {"; ".join(waiting)}')
        time.sleep(0.5)


def send(step: Any, model: client.Model, seconds: float) -> None:
    """Send requests that come in waves; halfway, add a frontend."""
    status = demo.status()['applications']['coordinator']['units']
    ports = [
        model.forward(listeners.host(unit, demo.MODEL), demo.deployment.NGINX_PORT)
        for unit in sorted(status)
    ]
    start = time.monotonic()
    end = start + seconds
    numbers = itertools.count(1)

    def client_of(port: int, phase: float) -> None:
        while (now := time.monotonic()) < end:
            request(port, next(numbers))
            wave = 0.6 + 0.4 * math.sin((now - start) / 45 + phase)
            time.sleep(0.03 / wave)

    clients = [
        threading.Thread(target=client_of, args=(port, phase), daemon=True)
        for phase, port in enumerate(ports)
        for _ in range(2)
    ]
    for one in clients:
        one.start()
    time.sleep(seconds / 2)
    demo.juju(step, 'add-unit', 'frontend')
    for one in clients:
        one.join()


def request(port: int, number: int) -> None:
    """Send one of the requests; errors are asked for, and so no fault."""
    path, body = ('/', None) if number % 2 else ('/echo', b'hello')
    for every, other in ((FAILING, '/status/500'), (MISSING, '/status/404')):
        if number % every == 0:
            path, body = other, None
    with contextlib.suppress(urllib.error.HTTPError, OSError):
        url = f'http://127.0.0.1:{port}{path}'
        with urllib.request.urlopen(url, data=body, timeout=10) as answer:
            answer.read()


def draw_dashboards(terminal: Terminal, stores: LocalStores, start: float, end: float) -> None:
    """Draw every dashboard, divided into pictures."""
    for path in grafana.files():
        dashboard = grafana.read(path)
        with terminal.step(f'Draw {path.stem}') as step:
            chosen = applications(stores, dashboard)
            drawn = []
            for panel in grafana.panels(dashboard):
                step.note = panel.title
                drawn.append((panel, found(stores, panel, chosen, start, end)))
            for number, rows in enumerate(divided(dashboard), 1):
                inside = [
                    (panel, what)
                    for panel, what in drawn
                    if any(first <= panel.place[1] < last for first, last, _ in rows)
                ]
                title = dashboard['title']
                picture = FOLDER / f'{path.stem}-{number}.png'
                titles = {first: name for first, _, name in rows}
                picture_panels.draw(title, inside, titles, picture)


def photograph_pages(terminal: Terminal, model: client.Model) -> None:
    """Photograph the pages of the stores that have one, with what they hold now."""
    program = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if program is None:
        terminal.say(f' - No photographs: none of {", ".join(CHROMIUM)} is on PATH')
        return
    trace = newest_trace(LocalStores(model))
    pages = {
        'victorialogs': (
            ('loki', 3100),
            '/select/vmui/#/?query=pebble_service%3Anginx&g0.range_input=5m&limit=20',
            800,
        ),
        'jaeger': (('tempo', 16686), f'/trace/{trace}', 480),
    }
    for name, ((application, port), path, height) in pages.items():
        with terminal.step(f'Photograph {name}'):
            near = model.forward(listeners.host(application, demo.MODEL), port)
            url = f'http://127.0.0.1:{near}{path}'
            photograph(program, url, FOLDER / f'{name}.png', height)
    terminal.say(terminal.style(f'\n {FOLDER.relative_to(demo.ROOT)}', GREEN))


def newest_trace(stores: LocalStores) -> str:
    """The trace of the newest request that a frontend passed on."""
    lines = stores.lines('coordinator/0', charm_logs=False, containing='"uri":"/echo"', limit=5)
    return json.loads(lines[0].text)['trace_id']


def photograph(program: str, url: str, path: Path, height: int) -> None:
    """Write a PNG of a page, as Chromium shows it without a window.

    Args:
        program: Chromium.
        url: of the page.
        path: of the PNG.
        height: in pixels.

    Raises:
        DemoError: if Chromium writes none.
    """
    with tempfile.TemporaryDirectory() as profile:
        command = [
            *(program, '--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars'),
            *(f'--user-data-dir={profile}', f'--window-size={PAGE_WIDTH},{height}'),
            *('--force-dark-mode', '--virtual-time-budget=15000', f'--screenshot={path}', url),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode or not path.exists():
        raise demo.DemoError(f'no photograph of {url}: {done.stderr[-500:]}')
    picture_panels.shrink(path)


if __name__ == '__main__':
    sys.exit(main())
