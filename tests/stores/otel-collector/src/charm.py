#!/usr/bin/env python3
"""The OpenTelemetry Collector with an otlp relation like that of opentelemetry-collector-k8s.

It offers what it can pass on: logs while a log store is related, traces while a trace store is.
Log stores get them as OTLP at VictoriaLogs' path for it, whatever path they publish for Loki's
protocol. The relation is handled by PyPI's charmlibs-interfaces-otlp, as in the real charm. With a
certificate of the CA on `certificates` it takes OTLP by TLS only, and trusts that CA's stores.
"""

import gc
import os
import sys

if __name__ == '__main__':
    if os.environ.get('JUJU_DISPATCH_PATH', '').endswith('-relation-joined'):
        sys.exit()  # relation-changed comes next, and does what there is to do
    gc.disable()  # nothing that is imported is garbage, and to look for some takes long

import json
import logging
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import ops
from charmlibs.interfaces import otlp

import store_tls

PORTS: dict[Literal['grpc', 'http'], int] = {'grpc': 4317, 'http': 4318}
BINARY = '/otelcol'
CONFIG = '/etc/otelcol/config.yaml'
LOGS_PATH = '/insert/opentelemetry/v1/logs'

logger = logging.getLogger(__name__)


class CollectorCharm(ops.CharmBase):
    """A collector; the leader publishes its endpoints, and passes rules on."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        logging.getLogger().setLevel(logging.INFO)  # each debug record starts a process (juju-log)
        self._container = self.unit.get_container('otelcol')
        self._tls = store_tls.StoreTls(self, self._container)
        for event in (
            self.on.otelcol_pebble_ready,
            self.on.config_changed,
            self.on.upgrade_charm,
            self.on.update_status,
            self.on.leader_elected,
            self.on.secret_expired,
            *(
                event
                for endpoint in self.meta.relations
                for event in (
                    self.on[endpoint].relation_created,
                    self.on[endpoint].relation_changed,
                    self.on[endpoint].relation_departed,
                    self.on[endpoint].relation_broken,
                )
            ),
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    def _reconcile(self, _: ops.EventBase) -> None:
        self.unit.set_ports(*PORTS.values())
        config = self._config()
        departing = os.environ.get('JUJU_DEPARTING_UNIT') == self.unit.name
        if self.unit.is_leader() and not departing:
            self._publish(list(config['service']['pipelines']))
            self._ensure_requests()
        if self._container.can_connect():
            self._tls.ensure_file()
            self._ensure_running(config)

    def _publish(self, telemetries: list[Literal['logs', 'metrics', 'traces']]) -> None:
        """Publish an endpoint for each protocol, with what it takes."""
        provider = otlp.OtlpProvider(self, 'receive-otlp')
        for protocol, port in PORTS.items():
            url = f'{self._tls.scheme}://{self._tls.service_host}:{port}'
            provider.add_endpoint(protocol, url, telemetries, insecure=not self._tls.is_on)
        provider.publish()

    def _ensure_requests(self) -> None:
        """Ask the trace store for a receiver, and give the log stores the rules on logs."""
        groups = [
            group
            for _, rules in sorted(otlp.OtlpProvider(self, 'receive-otlp').rules.items())
            for group in rules.logql.as_dict().get('groups', [])
        ]
        for endpoint, key, value in (
            ('send-traces', 'receivers', ['otlp_http']),
            ('send-loki-logs', 'alert_rules', {'groups': groups} if groups else {}),
        ):
            text = json.dumps(value)
            for relation in self.model.relations[endpoint]:
                if relation.data[self.app].get(key) != text:
                    relation.data[self.app][key] = text

    def _log_stores(self) -> list[str]:
        """Return where the log stores take OTLP."""
        urls: list[str] = []
        for relation in self.model.relations['send-loki-logs']:
            for unit in sorted(relation.units, key=lambda unit: unit.name):
                published = json.loads(relation.data[unit].get('endpoint', '{}'))
                if url := published.get('url'):
                    parts = urlsplit(url)
                    urls.append(urlunsplit((parts.scheme, parts.netloc, LOGS_PATH, '', '')))
        return urls

    def _trace_stores(self) -> list[str]:
        """Return where the trace store takes OTLP over HTTP."""
        return [
            receiver['url']
            for relation in self.model.relations['send-traces']
            for receiver in json.loads(relation.data[relation.app].get('receivers', '[]'))
            if receiver['protocol']['name'] == 'otlp_http'
        ]

    def _config(self) -> dict[str, Any]:
        """Return the Collector's configuration; without a store it has no pipelines."""
        tls = {'cert_file': store_tls.FILE, 'key_file': store_tls.FILE, 'min_version': '1.2'}
        server = {'tls': {**tls, 'reload_interval': '1s'}} if self._tls.is_on else {}
        client = {'tls': {'ca_file': store_tls.FILE}} if self._tls.is_on else {}
        exporters: dict[str, dict[str, Any]] = {}
        pipelines: dict[str, dict[str, list[str]]] = {}
        for kind, key, urls in (
            ('logs', 'logs_endpoint', self._log_stores()),
            ('traces', 'endpoint', self._trace_stores()),
        ):
            names = [f'otlp_http/{kind}-{number}' for number in range(len(urls))]
            exporters |= {
                name: {key: url, **client} for name, url in zip(names, urls, strict=True)
            }
            if names:
                pipelines[kind] = {'receivers': ['otlp'], 'exporters': names}
        protocols = {
            protocol: {'endpoint': f'0.0.0.0:{port}', **server} for protocol, port in PORTS.items()
        }
        return {
            'receivers': {'otlp': {'protocols': protocols}},
            'exporters': exporters,
            'service': {
                'pipelines': pipelines,
                'telemetry': {'logs': {'level': 'warn'}, 'metrics': {'level': 'none'}},
            },
        }

    def _ensure_running(self, config: dict[str, Any]) -> bool:
        """Run the Collector if there is anything to pass on. Return True if anything changed."""
        if not config['service']['pipelines']:
            if not self._container.get_plan().services:
                return False
            self._container.stop('otelcol')
            return True
        text = json.dumps(config, indent=1)  # JSON is YAML
        there = ''
        if self._container.exists(CONFIG):
            with self._container.pull(CONFIG) as file:
                there = file.read()
        self._container.add_layer('otelcol', self._layer(), combine=True)
        if there != text:
            self._container.push(CONFIG, text, make_dirs=True)
            self._container.restart('otelcol')
        else:
            self._container.replan()
        return there != text

    def _layer(self) -> ops.pebble.Layer:
        service: ops.pebble.ServiceDict = {
            'override': 'replace',
            'summary': 'the OpenTelemetry Collector',
            'command': f'{BINARY} --config=file:{CONFIG}',
            'startup': 'enabled',
        }
        check: ops.pebble.CheckDict = {
            'override': 'replace',
            'level': 'ready',
            'period': '2s',
            'timeout': '1s',
            'tcp': {'port': PORTS['http']},
        }
        return ops.pebble.Layer({'services': {'otelcol': service}, 'checks': {'ready': check}})

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        if not self._container.can_connect():
            event.add_status(ops.WaitingStatus('[otelcol] waiting for the container'))
        self._tls.add_status(event)
        pipelines = self._config()['service']['pipelines']
        if not pipelines:
            event.add_status(ops.WaitingStatus('[otelcol] waiting for a store to send to'))
        event.add_status(ops.ActiveStatus(f'passes on {" and ".join(pipelines)}'))


if __name__ == '__main__':
    gc.freeze()
    gc.enable()
    ops.main(CollectorCharm)
