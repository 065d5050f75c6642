#!/usr/bin/env python3
"""Jaeger with a tracing relation like that of tempo-coordinator-k8s.

All requirers are told of the same receivers: those that any of them asks for, and otlp_http.
A unit with a certificate of the CA on `certificates` takes traces and queries by TLS only. Traces
are kept in memory, by each unit its own: one unit is the sensible number.
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
import re

import ops

import store_tls

# What is served, and the whole of what may be asked for: COS disregards a request with any other.
PORTS = {'otlp_grpc': 4317, 'otlp_http': 4318}
PROTOCOLS = {*PORTS, 'jaeger_grpc', 'jaeger_thrift_http', 'zipkin'}
ALWAYS = 'otlp_http'  # COS's own charm traces need it
QUERY_PORT = 16686
ADMIN_PORT = 14269
BINARY = '/go/bin/all-in-one-linux'
PAGE = '/usr/share/jaeger'
"""The folder with the page to look at."""

logger = logging.getLogger(__name__)


class TempoCharm(ops.CharmBase):
    """A trace store; the leader publishes its receivers."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        logging.getLogger().setLevel(logging.INFO)  # each debug record starts a process (juju-log)
        self._container = self.unit.get_container('tempo')
        self._tls = store_tls.StoreTls(self, self._container)
        relation = self.on['tracing']
        certificates = self.on[store_tls.ENDPOINT]
        for event in (
            self.on.tempo_pebble_ready,
            self.on.config_changed,
            self.on.upgrade_charm,
            self.on.update_status,
            self.on.leader_elected,
            relation.relation_created,
            relation.relation_changed,
            relation.relation_broken,
            certificates.relation_created,
            certificates.relation_changed,
            certificates.relation_broken,
            self.on.secret_expired,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    def _reconcile(self, _: ops.EventBase) -> None:
        self.unit.set_ports(*PORTS.values(), QUERY_PORT)
        departing = os.environ.get('JUJU_DEPARTING_UNIT') == self.unit.name
        if self.unit.is_leader() and not departing:
            self._ensure_receivers()
        if self._container.can_connect():
            self._tls.ensure_file()
            self._ensure_layer()

    def _requests(self) -> tuple[set[str], list[str]]:
        """Return the requested protocols, and the applications whose requests are invalid."""
        asked: set[str] = set()
        wrong: list[str] = []
        for relation in sorted(self.model.relations['tracing'], key=lambda r: r.id):
            protocols = requested(relation.data[relation.app].get('receivers', '[]'))
            if protocols is None:
                wrong.append(relation.app.name)
            else:
                asked.update(protocols)
        return asked, wrong

    def _ensure_receivers(self) -> bool:
        """Publish the receivers to every requirer. Return True if anything was changed."""
        asked, _ = self._requests()
        receivers = json.dumps(
            [self._receiver(protocol) for protocol in sorted(PORTS.keys() & {*asked, ALWAYS})]
        )
        changed = False
        for relation in self.model.relations['tracing']:
            data = relation.data[self.app]
            if data.get('receivers') != receivers:
                data['receivers'] = receivers
                changed = True
        return changed

    def _receiver(self, protocol: str) -> dict[str, object]:
        """Return one receiver as it is published: gRPC's URL has no scheme, HTTP's no path."""
        transport = protocol.removeprefix('otlp_')
        host = f'{self._tls.service_host}:{PORTS[protocol]}'
        url = host if transport == 'grpc' else f'{self._tls.scheme}://{host}'
        return {'protocol': {'name': protocol, 'type': transport}, 'url': url}

    def _ensure_layer(self) -> bool:
        """Run Jaeger. Return True if it was (re)started."""
        layer = self._layer()
        if self._container.get_plan().services == layer.services:
            return False
        self._container.add_layer('tempo', layer, combine=True)
        self._container.replan()
        output, _ = self._container.exec([BINARY, 'version']).wait_output()
        if found := re.search(r'v(\d+\.\d+\.\d+)', output):  # a build from source says nothing
            self.unit.set_workload_version(found[1])
        return True

    def _layer(self) -> ops.pebble.Layer:
        flags = {
            'collector.otlp.grpc.host-port': f':{PORTS["otlp_grpc"]}',
            'collector.otlp.http.host-port': f':{PORTS["otlp_http"]}',
            'query.http-server.host-port': f':{QUERY_PORT}',
            'query.grpc-server.host-port': '127.0.0.1:16685',
            'query.static-files': PAGE,
            'admin.http.host-port': f'127.0.0.1:{ADMIN_PORT}',
            'memory.max-traces': '20000',
        }
        environment: dict[str, str] = {}
        if self._tls.is_on:
            for server in ('collector.otlp.grpc', 'collector.otlp.http', 'query.http'):
                flags |= {
                    f'{server}.tls.enabled': 'true',
                    f'{server}.tls.cert': store_tls.FILE,
                    f'{server}.tls.key': store_tls.FILE,
                    f'{server}.tls.min-version': '1.2',
                }
                # How often it reads the file again. Queries have no flag for it, only the setting.
                setting = f'{server}.tls.reload-interval'
                environment[re.sub('[.-]', '_', setting).upper()] = '1s'
        service: ops.pebble.ServiceDict = {
            'override': 'replace',
            'summary': 'Jaeger',
            'command': ' '.join([BINARY, *(f'--{flag}={value}' for flag, value in flags.items())]),
            'environment': environment,
            'startup': 'enabled',
        }
        check: ops.pebble.CheckDict = {
            'override': 'replace',
            'level': 'ready',
            'period': '2s',
            'timeout': '1s',
            'http': {'url': f'http://localhost:{ADMIN_PORT}/'},
        }
        return ops.pebble.Layer({'services': {'tempo': service}, 'checks': {'ready': check}})

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        if not self._container.can_connect():
            event.add_status(ops.WaitingStatus('[tempo] waiting for the container'))
        self._tls.add_status(event)
        _, wrong = self._requests()
        refused = f'not understood: receivers of {", ".join(wrong)}' if wrong else ''
        event.add_status(ops.ActiveStatus(refused))


def requested(text: str) -> list[str] | None:
    """Return the protocols in a requirer's `receivers` value, or None if COS would not read it."""
    try:
        protocols = json.loads(text)
        known = isinstance(protocols, list) and PROTOCOLS.issuperset(protocols)
    except (RecursionError, TypeError, ValueError):
        return None
    return protocols if known else None


if __name__ == '__main__':
    gc.freeze()
    gc.enable()
    ops.main(TempoCharm)
