"""COS Lite 3.0 with Tempo in a model: what it consists of, how it gets there, and what to ask it.

On a real Juju, Terraform deploys COS Lite where it is installed, otherwise Juju does, charm by
charm. Tempo, which COS Lite lacks, is always deployed by charm. On the local Juju, the charms of
tests/stores take the names of those on Charmhub; what has no such stand-in is left out.
"""

import dataclasses
import functools
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from clients import CosLiteStores, Stores
from clients.http import Api, urllib_get_as
from model import Model
from this_juju import IS_LOCAL as ARE_STAND_INS
from this_juju import PATIENCE, STAND_INS

MODULE = Path(__file__).with_name('cos-lite')
"""What Terraform applies."""


@dataclass(frozen=True)
class Part:
    """An application of COS, by its name on Charmhub."""

    name: str
    charm: str
    channel: str


COS_LITE = (
    Part('alertmanager', 'alertmanager-k8s', '0.31/stable'),
    Part('catalogue', 'catalogue-k8s', '3.0/stable'),
    Part('grafana', 'grafana-k8s', '12.4/stable'),
    Part('loki', 'loki-k8s', '3.7/stable'),
    Part('prometheus', 'prometheus-k8s', '3.10/stable'),
    Part('traefik', 'traefik-k8s', 'latest/stable'),
)
"""Names and tracks as in the Terraform module's locals.tf for 3.0."""
STORES = frozenset({'loki', 'prometheus', 'traefik'})
"""Those that store metrics and logs, and what makes them reachable from outside."""
CA = Part('ca', 'self-signed-certificates', '1/stable')
"""What the module deploys with `internal_tls`."""
TEMPO = (
    Part('tempo', 'tempo-coordinator-k8s', '2.10/stable'),
    Part('tempo-worker', 'tempo-worker-k8s', '2.10/stable'),
    Part('seaweedfs', 'seaweedfs-k8s', 'latest/edge'),
)
"""SeaweedFS is the S3 that Tempo wants, as in the tests of Tempo's charms."""

COS_LITE_RELATIONS = (
    ('prometheus:alertmanager', 'alertmanager:alerting'),
    ('loki:alertmanager', 'alertmanager:alerting'),
    ('grafana:grafana-source', 'prometheus:grafana-source'),
    ('grafana:grafana-source', 'loki:grafana-source'),
    ('catalogue:catalogue', 'prometheus:catalogue'),
    ('catalogue:catalogue', 'alertmanager:catalogue'),
    ('catalogue:catalogue', 'grafana:catalogue'),
    ('traefik:ingress', 'alertmanager:ingress'),
    ('traefik:ingress', 'catalogue:ingress'),
    ('traefik:ingress', 'grafana:ingress'),
    ('traefik:ingress-per-unit', 'prometheus:ingress'),
    ('traefik:ingress-per-unit', 'loki:ingress'),
)
"""Those of the module that the tests need: not what COS watches of itself."""
TEMPO_RELATIONS = (
    ('tempo:s3', 'seaweedfs:s3-credentials'),
    ('tempo:tempo-cluster', 'tempo-worker:tempo-cluster'),
    ('tempo:send-remote-write', 'prometheus:receive-remote-write'),
    ('grafana:grafana-source', 'tempo:grafana-source'),
    ('traefik:traefik-route', 'tempo:ingress'),
)
COS_LITE_TLS = (
    *((f'{name}:certificates', 'ca:certificates')
      for name in ('alertmanager', 'catalogue', 'grafana', 'loki', 'prometheus')),
    ('traefik:receive-ca-cert', 'ca:send-ca-cert'),
)  # fmt: skip
TEMPO_TLS = (('tempo:certificates', 'ca:certificates'),)

OFFERS = {
    'metrics-endpoint': ('prometheus', 'metrics-endpoint', 'prometheus-metrics-endpoint'),
    'logging': ('loki', 'logging', 'loki-logging'),
    'charm-tracing': ('tempo', 'tracing', 'tempo-tracing'),
    'workload-tracing': ('tempo', 'tracing', 'tempo-tracing'),
    'grafana-dashboard': ('grafana', 'grafana-dashboard', 'grafana-dashboards'),
    'catalogue': ('catalogue', 'catalogue', 'catalogue'),
    'receive-ca-cert': ('ca', 'send-ca-cert', 'ca-send-ca-cert'),
}
"""The coordinator's endpoint → application, endpoint and name of the offer for it.

The module makes three of the offers, with these names.
"""


@functools.cache
def stand_ins() -> Mapping[str, frozenset[str]]:
    """The charms of COS that the local Juju has, by their names on Charmhub: their endpoints."""
    found = {}
    for file in STAND_INS.parent.glob('*/charmcraft.yaml'):
        charm = yaml.safe_load(file.read_text())
        found[charm['name']] = frozenset(
            {**charm.get('provides', {}), **charm.get('requires', {})}
        )
    return found


@dataclass(frozen=True)
class Urls:
    """Where this machine reaches COS, through its traefik."""

    prometheus: str
    loki: str
    tempo: str
    alertmanager: str = ''


def urls(proxied: Mapping[str, Mapping[str, str]]) -> Urls:
    """Read the answer of traefik's action show-proxied-endpoints.

    Tempo's API has a port of its own on traefik, and no entry.
    """
    return Urls(
        prometheus=proxied['prometheus/0']['url'],
        loki=proxied['loki/0']['url'],
        tempo=f'{proxied["traefik"]["url"].rstrip("/")}:3200',
        alertmanager=proxied.get('alertmanager', {}).get('url', ''),
    )


@dataclass(frozen=True)
class Cos:
    """COS in a model.

    Attributes:
        model: where it is.
        state: a folder for Terraform to keep what it did.
        by_terraform: whether Terraform deploys COS Lite.
    """

    model: Model
    state: Path
    by_terraform: bool

    @property
    def there(self) -> frozenset[str]:
        """The applications in the model."""
        return frozenset(self.model.juju.status().apps)

    def deploy_stores(self) -> None:
        """Deploy Prometheus, Loki and Tempo alone, without TLS, and what they need."""
        self._deploy(*(part for part in COS_LITE if part.name in STORES), *TEMPO)
        self._integrate((*COS_LITE_RELATIONS, *TEMPO_RELATIONS))
        self.model.wait_active()

    def deploy(self) -> None:
        """Deploy COS Lite without internal TLS, and Tempo, and make all offers but the CA's."""
        if self.by_terraform:
            self._apply(internal_tls=False)
            self._deploy(*TEMPO)
        else:
            self._deploy(*COS_LITE, *TEMPO)
            self._integrate(COS_LITE_RELATIONS)
        self._integrate(TEMPO_RELATIONS)
        self._offer()
        self.model.wait_active()

    def turn_on_internal_tls(self) -> None:
        """Give the charms of COS certificates, and offer the CA's own one."""
        if self.by_terraform:
            self._apply(internal_tls=True)
        else:
            self._deploy(CA)
            self._integrate(COS_LITE_TLS)
        self._integrate(TEMPO_TLS)
        self._offer()
        self.model.wait_active()

    def _deploy(self, *parts: Part) -> None:
        for part in parts:
            if not ARE_STAND_INS or part.charm in stand_ins():
                self.model.juju.deploy(part.charm, part.name, channel=part.channel, trust=True)

    def _integrate(self, relations: Iterable[tuple[str, str]]) -> None:
        there = self.there
        charms = {part.name: part.charm for part in (*COS_LITE, *TEMPO, CA)}

        def has(end: str) -> bool:
            application, _, endpoint = end.partition(':')
            if application not in there:
                return False
            return not ARE_STAND_INS or endpoint in stand_ins()[charms[application]]

        self.model.integrate(*(pair for pair in relations if all(map(has, pair))))

    def _offer(self) -> None:
        there = self.there
        made = json.loads(self.model.juju.cli('offers', '--format', 'json') or '{}')
        for application, endpoint, name in dict.fromkeys(OFFERS.values()):
            if application in there and name not in made:
                self.model.juju.offer(application, endpoint=endpoint, name=name)

    def _apply(self, *, internal_tls: bool) -> None:
        """Run Terraform, which keeps what it did in the folder of the test run."""
        shutil.copy(MODULE / 'main.tf', self.state)
        variables = {
            'TF_VAR_model_uuid': self.model.juju.show_model().model_uuid,
            'TF_VAR_internal_tls': str(internal_tls).lower(),
            'TF_IN_AUTOMATION': 'true',
        }
        for command in (['init', '-input=false'], ['apply', '-input=false', '-auto-approve']):
            subprocess.run(
                ['terraform', *command],
                cwd=self.state,
                env={**os.environ, **variables},
                check=True,
                timeout=PATIENCE,
            )

    # What to ask it

    def context(self) -> ssl.SSLContext | None:
        """How to verify what serves https: by COS' own CA, once there is one."""
        if CA.name not in self.there:
            return None
        task = self.model.juju.run(f'{CA.name}/0', 'get-ca-certificate')
        context = ssl.create_default_context()
        context.load_verify_locations(cadata=task.results['ca-certificate'])
        return context

    def urls(self) -> Urls:
        """Where this machine reaches COS."""
        task = self.model.juju.run('traefik/0', 'show-proxied-endpoints')
        return urls(json.loads(task.results['proxied-endpoints']))

    def stores(self) -> Stores:
        """Prometheus, Loki and Tempo."""
        if ARE_STAND_INS:
            return self.model.stores
        urls = self.urls()
        get = urllib_get_as(context=self.context())
        return CosLiteStores(urls.prometheus, urls.loki, urls.tempo, get=get)

    def alerts(self) -> list[dict[str, str]]:
        """The labels of what Alertmanager was told and is still so."""
        get = urllib_get_as(context=self.context())
        alerts = Api('alertmanager', self.urls().alertmanager, get).json('/api/v2/alerts')
        return [alert['labels'] for alert in alerts]

    def dashboards(self) -> list[dict[str, Any]]:
        """The dashboards in Grafana, as its search finds them."""
        told = self.model.juju.run('grafana/0', 'get-admin-password').results
        get = urllib_get_as('admin', told['admin-password'], context=self.context())
        return Api('grafana', told['url'], get).json('/api/search', {'type': 'dash-db'})

    def catalogue(self) -> dict[str, dict[str, Any]]:
        """The entries of the catalogue, by name."""
        text = self.model.juju.ssh('catalogue/0', 'cat', '/web/config.json', container='catalogue')
        return {entry['name']: entry for entry in json.loads(text)['apps']}


def with_stores(model: Model) -> Model:
    """The model with Prometheus, Loki and Tempo in it, which then are its stores."""
    cos = Cos(model, Path(), by_terraform=False)
    cos.deploy_stores()
    return dataclasses.replace(model, found_stores=cos.stores(), given=cos.there)


def needs(what: str) -> None:
    """Skip a test on the local Juju, which has no stand-in for what it asks."""
    if ARE_STAND_INS:
        pytest.skip(f'only COS itself shows this: the local Juju has no {what}')
