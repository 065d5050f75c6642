#!/usr/bin/env python3
"""A real Prometheus with a metrics-endpoint relation like that of prometheus-k8s.

A configuration is checked by promtool before it takes the place of the old one, and reloaded
without a restart. A job or rule group that promtool refuses is left out, alone, and named in the
status; prometheus-k8s leaves out all of that relation instead. With a certificate of the CA on
`certificates` its API takes TLS only.
"""

import gc
import os
import sys

if __name__ == '__main__':
    if os.environ.get('JUJU_DISPATCH_PATH', '').endswith('-relation-joined'):
        sys.exit()  # relation-changed comes next, and does what there is to do
    gc.disable()  # nothing that is imported is garbage, and to look for some takes long

import dataclasses
import hashlib
import json
import logging
import re
import urllib.error
import urllib.request
from typing import Any

import ops
import scrape
import yaml

import store_tls

PORT = 9090
FOLDER = '/etc/prometheus'
# Where a configuration is first written and checked; its path to the rules is relative.
CANDIDATE = f'{FOLDER}/candidate'
# What the running Prometheus has read: {"wanted": hash, "left_out": [text], "refused": text}. It
# is in the container, so that it ends with it.
APPLIED = f'{FOLDER}/applied.json'
# How its API takes TLS; it reads the certificate again for each connection.
WEB_CONFIG = f'{FOLDER}/web.yml'
RELOAD_TIMEOUT = 10.0  # seconds

logger = logging.getLogger(__name__)


class PrometheusCharm(ops.CharmBase):
    """One Prometheus per unit; each scrapes everything."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        logging.getLogger().setLevel(logging.INFO)  # each debug record starts a process (juju-log)
        self._container = self.unit.get_container('prometheus')
        self._tls = store_tls.StoreTls(self, self._container)
        relation = self.on['metrics-endpoint']
        certificates = self.on[store_tls.ENDPOINT]
        for event in (
            self.on.prometheus_pebble_ready,
            self.on.config_changed,
            self.on.upgrade_charm,
            self.on.update_status,
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
        if not self._container.can_connect():
            return
        self._tls.ensure_file()
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
                return  # and try again in the next hook
            self._remove_other_certificates(wanted)
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
        jobs, certificates = scrape.with_files(wanted.jobs)
        for name, text in certificates.items():
            path = f'{folder}/{scrape.CERTIFICATE_FILES}/{name}'
            self._container.push(path, text, permissions=0o600, make_dirs=True)
        configuration = scrape.configuration(
            jobs,
            scrape_interval=str(self.config['scrape-interval']),
            evaluation_interval=str(self.config['evaluation-interval']),
        )
        files = {'prometheus.yml': configuration}
        for name, groups in wanted.rules.items():
            files[f'{scrape.RULE_FILES}/{name}'] = {'groups': groups}
        for name, content in files.items():
            text = yaml.safe_dump(content, sort_keys=False)
            self._container.push(f'{folder}/{name}', text, make_dirs=True)

    def _remove_other_certificates(self, wanted: scrape.Wanted) -> None:
        """Remove the files of jobs that are gone: not earlier, for each scrape reads its job's."""
        _, certificates = scrape.with_files(wanted.jobs)
        folder = f'{FOLDER}/{scrape.CERTIFICATE_FILES}'
        if self._container.exists(folder):
            for info in self._container.list_files(folder):
                if info.name not in certificates:
                    self._container.remove_path(info.path)

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
        if self._tls.is_on:
            files = {'cert_file': store_tls.FILE, 'key_file': store_tls.FILE}
            web = {'tls_server_config': {**files, 'min_version': 'TLS12'}}
            self._container.push(WEB_CONFIG, yaml.safe_dump(web, sort_keys=False))
        self._container.add_layer('prometheus', self._layer(), combine=True)
        self._container.replan()
        version, _ = self._container.exec(['/bin/prometheus', '--version']).wait_output()
        if found := re.search(r'version (\d+\.\d+\.\d+)', version):
            self.unit.set_workload_version(found[1])

    def _reload(self) -> bool:
        """Have Prometheus read its configuration again. Return whether it did."""
        url = f'{self._tls.scheme}://localhost:{PORT}/-/reload'
        request = urllib.request.Request(url, method='POST')
        context = self._tls.own_context()
        try:
            with urllib.request.urlopen(request, timeout=RELOAD_TIMEOUT, context=context):
                return True
        except OSError as error:
            why = error.read().decode() if isinstance(error, urllib.error.HTTPError) else error
            logger.warning('cannot reload Prometheus: %s', why)
            return False

    def _layer(self) -> ops.pebble.Layer:
        secure = f' --web.config.file={WEB_CONFIG}' if self._tls.is_on else ''
        service: ops.pebble.ServiceDict = {
            'override': 'replace',
            'summary': 'Prometheus',
            'command': f'/bin/prometheus --config.file={FOLDER}/prometheus.yml '
            f'--web.listen-address=:{PORT} --web.enable-lifecycle '
            '--storage.tsdb.path=/prometheus --storage.tsdb.retention.time=1d' + secure,
            'startup': 'enabled',
        }
        check = self._tls.ready_check(PORT, f'http://localhost:{PORT}/-/ready')
        return ops.pebble.Layer({'services': {'prometheus': service}, 'checks': {'ready': check}})

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        if not self._container.can_connect():
            event.add_status(ops.WaitingStatus('[prometheus] waiting for the container'))
            return
        self._tls.add_status(event)
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
    gc.freeze()
    gc.enable()
    ops.main(PrometheusCharm)
