"""What the real Prometheus does with the job of an https target, rendered as the charm does it."""

import contextlib
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
import urllib.request

import pytest
import yaml
from charmlibs.interfaces import tls_certificates

import deployment
import programs
from authority import authority
from prometheus.src import scrape
from stores.test_scrape import provider

SECONDS = 120
"""How long anything here may take before it has failed."""


class Metrics(http.server.BaseHTTPRequestHandler):
    """One metric."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'a_metric 7\n')

    def log_message(self, format, *args):
        pass


@pytest.fixture
def target(tmp_path):
    """The address of a workload that serves metrics over TLS, with a certificate of the CA."""
    key = tls_certificates.PrivateKey.generate()
    request = tls_certificates.CertificateRequestAttributes(sans_dns=['localhost'])
    certificate = authority('ca').issue(str(request.generate_csr(key)))
    (tmp_path / 'workload.pem').write_text(f'{key}\n{certificate}')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / 'workload.pem')
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Metrics) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'localhost:{server.server_port}'
        server.shutdown()


def scraped(folder, jobs):
    """What the real Prometheus says of each target after its first scrape, by the job's name."""
    jobs, files = scrape.with_files(scrape.wanted([provider(jobs=jobs)]).jobs)
    (folder / scrape.CERTIFICATE_FILES).mkdir()
    for name, text in files.items():
        (folder / scrape.CERTIFICATE_FILES / name).write_text(text)
    config = scrape.configuration(jobs, scrape_interval='1s', evaluation_interval='1s')
    (folder / 'prometheus.yml').write_text(yaml.safe_dump(config))
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    image = deployment.upstream_sources('tests/stores/prometheus')['prometheus-image']
    command = [
        *programs.command(image, '/usr/bin/prometheus'),
        f'--config.file={folder}/prometheus.yml',
        f'--storage.tsdb.path={folder}/data',
        f'--web.listen-address=127.0.0.1:{port}',
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f'http://127.0.0.1:{port}/api/v1/targets') as answer,
            ):
                found = json.load(answer)['data']['activeTargets']
                if len(found) == len(jobs) and all(one['health'] != 'unknown' for one in found):
                    return {
                        one['labels']['job'].rpartition('_')[2]: one['lastError'] for one in found
                    }
            time.sleep(0.1)
        pytest.fail('not scraped in time')
    finally:
        process.terminate()
        process.wait()


def test_the_ca_of_a_job_is_the_only_one_that_it_trusts(tmp_path, target):
    ca, other = (authority(name).certificate for name in ('ca', 'other'))
    wanted = {
        'right': {'ca': ca},
        'older': {'ca_file': ca},  # the text where Prometheus has a path
        'both': {'ca': other + ca},
        'wrong': {'ca': other},
        'none': {},
        'skips': {'insecure_skip_verify': True},
        'renamed': {'ca': ca, 'server_name': 'other.example'},
    }
    found = scraped(
        tmp_path,
        [
            {
                'job_name': name,
                'scheme': 'https',
                'tls_config': tls,
                'static_configs': [{'targets': [target]}],
            }
            for name, tls in wanted.items()
        ],
    )
    assert {name: bool(error) for name, error in found.items()} == {
        'right': False,
        'older': False,
        'both': False,
        'wrong': True,
        'none': True,
        'skips': False,
        'renamed': True,
    }
    assert 'not other.example' in found['renamed']
    for name in ('wrong', 'none'):
        assert 'certificate signed by unknown authority' in found[name]
