#!/usr/bin/env python3
"""VictoriaLogs with a logging relation like that of loki-k8s.

Each unit publishes its own push URL, and every requirer is expected to push to all of them. The
path of the URL is VictoriaLogs' own, which from a requirer's view is Loki behind an ingress. It is
https as soon as the unit has a certificate of the CA on `certificates`.
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
from typing import Any

import ops

import store_tls

PORT = 3100
PUSH_PATH = '/insert/loki/api/v1/push'
RULES = '/loki/rules/fake'  # where a single-tenant Loki looks for rule files

logger = logging.getLogger(__name__)


class LokiCharm(ops.CharmBase):
    """One log store per unit; each has all the lines."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        logging.getLogger().setLevel(logging.INFO)  # each debug record starts a process (juju-log)
        self._container = self.unit.get_container('loki')
        self._tls = store_tls.StoreTls(self, self._container)
        relation = self.on['logging']
        certificates = self.on[store_tls.ENDPOINT]
        for event in (
            self.on.loki_pebble_ready,
            self.on.config_changed,
            self.on.upgrade_charm,
            self.on.update_status,
            relation.relation_created,
            relation.relation_changed,
            relation.relation_departed,
            relation.relation_broken,
            certificates.relation_created,
            certificates.relation_changed,
            certificates.relation_broken,
            self.on.secret_expired,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    def _reconcile(self, _: ops.EventBase) -> None:
        self.unit.set_ports(PORT)
        if os.environ.get('JUJU_DEPARTING_UNIT') != self.unit.name:
            self._ensure_endpoint()
        if self._container.can_connect():
            self._ensure_rules(self._rules()[0])
            self._tls.ensure_file()
            self._ensure_layer()

    def _ensure_endpoint(self) -> bool:
        """Publish where this unit takes logs. Return True if anything was changed."""
        url = f'{self._tls.scheme}://{self._tls.unit_host}:{PORT}{PUSH_PATH}'
        endpoint = json.dumps({'url': url})
        changed = False
        for relation in self.model.relations['logging']:
            data = relation.data[self.unit]
            if data.get('endpoint') != endpoint:
                data['endpoint'] = endpoint
                changed = True
        return changed

    def _rules(self) -> tuple[dict[str, str], list[str]]:
        """Return the rule files that the requirers want, by name, and what is ignored."""
        files: dict[str, str] = {}
        left_out: list[str] = []
        for relation in sorted(self.model.relations['logging'], key=lambda r: r.id):
            if not relation.units:  # loki-k8s ignores an application without units
                continue
            text = relation.data[relation.app].get('alert_rules', '')
            groups, problems = rule_groups(text)
            left_out.extend(f'{relation.app.name}: {problem}' for problem in problems)
            if groups:
                name = f'{relation.app.name}_{relation.name}_{relation.id}_alert.rules'
                # JSON is YAML, and a test reads it without a library.
                files[name] = json.dumps({'groups': groups}, indent=1)
        return files, left_out

    def _ensure_rules(self, wanted: dict[str, str]) -> bool:
        """Keep exactly the wanted rule files. Return True if anything was changed."""
        self._container.make_dir(RULES, make_parents=True)
        there: dict[str, str] = {}
        for info in self._container.list_files(RULES):
            with self._container.pull(info.path) as file:
                there[info.name] = file.read()
        for name in there.keys() - wanted.keys():
            self._container.remove_path(f'{RULES}/{name}')
        for name, text in wanted.items():
            if there.get(name) != text:
                self._container.push(f'{RULES}/{name}', text)
        return there != wanted

    def _ensure_layer(self) -> bool:
        """Run VictoriaLogs. Return True if it was (re)started."""
        layer = self._layer()
        if self._container.get_plan().services == layer.services:
            return False
        self._container.add_layer('loki', layer, combine=True)
        self._container.replan()
        output, _ = self._container.exec(['/victoria-logs-prod', '-version']).wait_output()
        if found := re.search(r'v(\d+\.\d+\.\d+)', output):  # a build from source says nothing
            self.unit.set_workload_version(found[1])
        return True

    def _layer(self) -> ops.pebble.Layer:
        # It reads the file again within a second.
        files = f' -tls -tlsCertFile={store_tls.FILE} -tlsKeyFile={store_tls.FILE}'
        secure = f'{files} -tlsMinVersion=TLS12' if self._tls.is_on else ''
        service: ops.pebble.ServiceDict = {
            'override': 'replace',
            'summary': 'VictoriaLogs',
            'command': f'/victoria-logs-prod -httpListenAddr=:{PORT} '
            '-storageDataPath=/victoria-logs-data -retentionPeriod=1d '
            # A line is what was logged: do not take JSON lines apart.
            '-loki.disableMessageParsing -memory.allowedBytes=256MiB -loggerLevel=WARN' + secure,
            'startup': 'enabled',
        }
        check = self._tls.ready_check(PORT, f'http://localhost:{PORT}/health')
        return ops.pebble.Layer({'services': {'loki': service}, 'checks': {'ready': check}})

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        if not self._container.can_connect():
            event.add_status(ops.WaitingStatus('[loki] waiting for the container'))
        self._tls.add_status(event)
        _, left_out = self._rules()
        # Other applications' text in a form that a status can hold: bounded, on one line.
        text = ''.join(c if c.isprintable() else '?' for c in '; '.join(left_out)[:1000])
        event.add_status(ops.ActiveStatus(f'left out: {text}' if text else ''))


def rule_groups(text: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rule groups of an `alert_rules` databag value, and what is wrong with the rest.

    Where this finds something wrong, loki-k8s raises, and its unit is in error until the data
    changes.
    """
    try:
        rules = json.loads(text or '{}')
        groups = list(rules.get('groups', []))
    except (AttributeError, RecursionError, TypeError, ValueError):
        return [], ['alert_rules hold no rule groups']
    good: list[dict[str, Any]] = []
    problems: list[str] = []
    for number, group in enumerate(groups):
        name = group.get('name') if isinstance(group, dict) else None
        if not isinstance(name, str):
            problems.append(f'rule group {number} has no name')
        elif not isinstance(group.get('rules'), list) or not group['rules']:
            problems.append(f'rule group {name} has no rules')
        elif not all(
            isinstance(r, dict) and isinstance(r.get('expr'), str) for r in group['rules']
        ):
            problems.append(f'rule group {name} has a rule without expr')
        else:
            good.append(group)
    return good, problems


if __name__ == '__main__':
    gc.freeze()
    gc.enable()
    ops.main(LokiCharm)
