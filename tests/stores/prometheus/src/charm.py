#!/usr/bin/env python3
"""A real Prometheus with a metrics-endpoint relation like that of prometheus-k8s.

promtool checks a configuration before it replaces the old one, and Prometheus reloads without a
restart. A job or rule group that promtool refuses is ignored, alone, and named in the status;
prometheus-k8s ignores that whole relation instead.
"""

import dataclasses
import hashlib
import json
import logging
import os
import re
import urllib.error
import urllib.request
from typing import Any

import ops
import scrape
import yaml

PORT = 9090
FOLDER = '/etc/prometheus'
# Where a configuration is first written and checked; its path to the rules is relative.
CANDIDATE = f'{FOLDER}/candidate'
# What the running Prometheus has read: {"wanted": hash, "left_out": [text], "refused": text}. It
# is in the container, so that it ends with it.
APPLIED = f'{FOLDER}/applied.json'
RELOAD_TIMEOUT = 10.0  # seconds

logger = logging.getLogger(__name__)


class PrometheusCharm(ops.CharmBase):
    """One Prometheus per unit; each scrapes everything."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        logging.getLogger().setLevel(logging.INFO)  # each debug record starts a process (juju-log)
        self._container = self.unit.get_container('prometheus')
        relation = self.on['metrics-endpoint']
        for event in (
            self.on.prometheus_pebble_ready,
            self.on.config_changed,
            self.on.upgrade_charm,
            self.on.update_status,
            relation.relation_changed,
            relation.relation_departed,
            relation.relation_broken,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    def _reconcile(self, _: ops.EventBase) -> None:
        self.unit.set_ports(PORT)
        if not self._container.can_connect():
            return
        wanted = scrape.wanted(self._providers())
        if alert_for := str(self.config['alert-for']):
            wanted.rules = scrape.waiting(wanted.rules, alert_for)
        state = json.dumps([dataclasses.asdict(wanted), dict(self.config)])
        fingerprint = hashlib.sha256(state.encode()).hexdigest()
        running = self._container.get_plan().services == self._layer().services
        if running and self._applied().get('wanted') == fingerprint:
            return
        refused = self._refusal(wanted)
        if refused:
            self._leave_out_refused(wanted)
            refused = self._refusal(wanted)
        if not refused:
            self._container.remove_path(f'{FOLDER}/{scrape.RULE_FILES}', recursive=True)
            self._write(FOLDER, wanted)
            if not running:
                self._start()
            elif not self._reload():
                return  # the next hook tries again
        applied = {'wanted': fingerprint, 'left_out': wanted.left_out, 'refused': refused}
        self._container.push(APPLIED, json.dumps(applied))

    def _providers(self) -> list[scrape.Provider]:
        """Return what the relations say, without a departing unit."""
        departing = os.environ.get('JUJU_DEPARTING_UNIT')
        providers: list[scrape.Provider] = []
        for relation in sorted(self.model.relations['metrics-endpoint'], key=lambda r: r.id):
            units: list[scrape.Unit] = []
            for unit in sorted(relation.units, key=lambda u: u.name):
                if unit.name == departing:
                    continue
                data = relation.data[unit]
                units.append(
                    scrape.Unit(
                        name=data.get('prometheus_scrape_unit_name') or unit.name,
                        address=data.get('prometheus_scrape_unit_address', ''),
                        fqdn=data.get('prometheus_scrape_unit_fqdn', ''),
                        path=data.get('prometheus_scrape_unit_path', ''),
                    )
                )
            data = relation.data[relation.app]
            keys = ('scrape_metadata', 'scrape_jobs', 'alert_rules')
            providers.append(
                scrape.Provider(
                    relation=f'{relation.name}_{relation.id}',
                    application=relation.app.name,
                    units=tuple(units),
                    **{key: data.get(key, '') for key in keys},
                )
            )
        return providers

    def _applied(self) -> dict[str, Any]:
        try:
            with self._container.pull(APPLIED) as file:
                return json.loads(file.read())
        except ops.pebble.PathError:
            return {}

    def _write(self, folder: str, wanted: scrape.Wanted) -> None:
        configuration = scrape.configuration(
            wanted.jobs,
            scrape_interval=str(self.config['scrape-interval']),
            evaluation_interval=str(self.config['evaluation-interval']),
        )
        files = {'prometheus.yml': configuration}
        for name, groups in wanted.rules.items():
            files[f'{scrape.RULE_FILES}/{name}'] = {'groups': groups}
        for name, content in files.items():
            text = yaml.safe_dump(content, sort_keys=False)
            self._container.push(f'{folder}/{name}', text, make_dirs=True)

    def _refusal(self, wanted: scrape.Wanted) -> str:
        """Return why promtool refuses a configuration, in one line; '' if it does not."""
        self._container.remove_path(CANDIDATE, recursive=True)
        self._write(CANDIDATE, wanted)
        config = f'{CANDIDATE}/prometheus.yml'
        command = ['/bin/promtool', 'check', 'config', '--lint=none', config]
        process = self._container.exec(command, timeout=30, combine_stderr=True)
        try:
            process.wait_output()
        except ops.pebble.ExecError as error:
            lines = [line.strip() for line in str(error.stdout).splitlines() if line.strip()]
            # The last line says what is wrong, after an uninteresting file name.
            noise = rf'^FAILED: |(parsing YAML file )?{CANDIDATE}/\S+ '
            return re.sub(noise, '', lines[-1]) if lines else str(error)
        return ''

    def _leave_out_refused(self, wanted: scrape.Wanted) -> None:
        """Try each job and each rule group alone, and drop those that promtool refuses."""
        for job in list(wanted.jobs):
            if refused := self._refusal(scrape.Wanted(jobs=[job])):
                wanted.jobs.remove(job)
                wanted.left_out.append(f'job {job["job_name"]}: {refused}')
        for name, groups in list(wanted.rules.items()):
            for group in list(groups):
                if refused := self._refusal(scrape.Wanted(rules={name: [group]})):
                    groups.remove(group)
                    wanted.left_out.append(f'rule group {group["name"]}: {refused}')
            if not groups:
                del wanted.rules[name]

    def _start(self) -> None:
        self._container.add_layer('prometheus', self._layer(), combine=True)
        self._container.replan()
        version, _ = self._container.exec(['/bin/prometheus', '--version']).wait_output()
        if found := re.search(r'version (\d+\.\d+\.\d+)', version):
            self.unit.set_workload_version(found[1])

    def _reload(self) -> bool:
        """Make Prometheus reload its configuration. Return whether it did."""
        request = urllib.request.Request(f'http://localhost:{PORT}/-/reload', method='POST')
        try:
            with urllib.request.urlopen(request, timeout=RELOAD_TIMEOUT):
                return True
        except OSError as error:
            why = error.read().decode() if isinstance(error, urllib.error.HTTPError) else error
            logger.warning('cannot reload Prometheus: %s', why)
            return False

    @staticmethod
    def _layer() -> ops.pebble.Layer:
        service: ops.pebble.ServiceDict = {
            'override': 'replace',
            'summary': 'Prometheus',
            'command': f'/bin/prometheus --config.file={FOLDER}/prometheus.yml '
            f'--web.listen-address=:{PORT} --web.enable-lifecycle '
            '--storage.tsdb.path=/prometheus --storage.tsdb.retention.time=1d',
            'startup': 'enabled',
        }
        check: ops.pebble.CheckDict = {
            'override': 'replace',
            'level': 'ready',
            'period': '2s',
            'timeout': '1s',
            'http': {'url': f'http://localhost:{PORT}/-/ready'},
        }
        return ops.pebble.Layer({'services': {'prometheus': service}, 'checks': {'ready': check}})

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        if not self._container.can_connect():
            event.add_status(ops.WaitingStatus('[prometheus] waiting for the container'))
            return
        applied = self._applied()
        if not applied:
            event.add_status(ops.WaitingStatus('[prometheus] waiting to be started'))
        elif applied['refused']:
            event.add_status(ops.BlockedStatus(f'[prometheus] {printable(applied["refused"])}'))
        elif applied['left_out']:
            left_out = printable('; '.join(applied['left_out']))
            event.add_status(ops.ActiveStatus(f'left out: {left_out}'))
        else:
            event.add_status(ops.ActiveStatus())


def printable(text: str) -> str:
    """Return other applications' text in a form that a status can hold: bounded, on one line."""
    return ''.join(c if c.isprintable() else '?' for c in text[:1000])


if __name__ == '__main__':
    ops.main(PrometheusCharm)
