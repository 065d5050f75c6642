"""What the databags of its providers tell a Prometheus to do. Pure functions.

The wire format and its treatment are those of `MetricsEndpointConsumer` in the charm library
prometheus_k8s.v0.prometheus_scrape, patch 58. Where that library raises, which puts the whole
prometheus-k8s unit into error, the invalid item is ignored here, alone, and named.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

# A scraper drops every other key of a job.
JOB_KEYS = frozenset((
    "authorization",
    "basic_auth",
    "job_name",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
    "metric_relabel_configs",
    "metrics_path",
    "params",
    "proxy_url",
    "relabel_configs",
    "sample_limit",
    "scheme",
    "scrape_interval",
    "scrape_timeout",
    "static_configs",
    "tls_config",
))  # fmt: skip
JOB_DEFAULTS: Mapping[str, Any] = {
    'metrics_path': '/metrics',
    'static_configs': [{'targets': ['*:80']}],
}
INSTANCE = ('juju_model', 'juju_model_uuid', 'juju_application')
RULE_FILES = 'rules'  # the folder of rule files, beside the configuration
CERTIFICATE_FILES = 'certificates'  # likewise, of the certificates and keys that jobs bring


@dataclass(frozen=True)
class Unit:
    """Where one unit of a provider claims to be.

    An empty address means that wildcard targets skip the unit.
    """

    name: str
    address: str = ''
    fqdn: str = ''
    path: str = ''


@dataclass(frozen=True)
class Provider:
    """The databags of one metrics-endpoint relation; the first three are JSON, or empty."""

    relation: str
    application: str
    scrape_metadata: str = ''
    scrape_jobs: str = ''
    alert_rules: str = ''
    units: tuple[Unit, ...] = ()


@dataclass
class Wanted:
    """What the providers ask for, and which part of it is ignored.

    `jobs` are complete scrape configs with unique names; `rules` maps a rule file's name to its
    groups; `left_out` has one line for each ignored item, with the reason.
    """

    jobs: list[dict[str, Any]] = field(default_factory=list)
    rules: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def wanted(providers: Iterable[Provider]) -> Wanted:
    """Return everything that the providers ask for. Equal databags give equal results."""
    result = Wanted()
    for provider in providers:
        if not provider.units:  # COS ignores an application without units, rules included
            continue
        try:
            jobs = _jobs(provider, result.left_out)
        except ValueError as error:
            result.left_out.append(f'jobs of {provider.application}: {error}')
        else:
            result.jobs.extend(_unique(jobs))
        try:
            groups = _groups(provider, result.left_out)
        except ValueError as error:
            result.left_out.append(f'rules of {provider.application}: {error}')
        else:
            if groups:
                result.rules[_file_name(provider, groups)] = groups
    result.jobs = _unique(result.jobs)
    return result


def waiting(
    rules: Mapping[str, list[dict[str, Any]]], duration: str
) -> dict[str, list[dict[str, Any]]]:
    """Return rule groups by file; every rule that has a `for` gets this duration instead."""
    return {
        name: [
            {
                **group,
                'rules': [
                    {**rule, 'for': duration} if rule.get('for', '0s') != '0s' else rule
                    for rule in group['rules']
                ],
            }
            for group in groups
        ]
        for name, groups in rules.items()
    }


def with_files(
    jobs: Iterable[Mapping[str, Any]],
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return jobs whose certificates and keys are in files, and those files' content by name.

    As with prometheus-k8s, each job has files of its own, named after it, and all else in its
    tls_config stays as the provider wrote it, `insecure_skip_verify` too.
    """
    result: list[dict[str, Any]] = []
    files: dict[str, str] = {}
    for job in jobs:
        tls = dict(job.get('tls_config') or {})
        for key, ending in (('ca', 'ca.crt'), ('cert', 'client.crt'), ('key', 'client.key')):
            text = tls.get(key)
            # What is no PEM, or in both keys, is for promtool to refuse.
            if isinstance(text, str) and text and text.isascii() and f'{key}_file' not in tls:
                name = f'{_in_file_name(job["job_name"])}-{ending}'
                files[name] = text
                del tls[key]
                tls[f'{key}_file'] = f'{CERTIFICATE_FILES}/{name}'
        result.append({**job, 'tls_config': tls} if tls else dict(job))
    return result, files


def configuration(
    jobs: Iterable[Mapping[str, Any]], *, scrape_interval: str, evaluation_interval: str
) -> dict[str, Any]:
    """Return prometheus.yml as a value; both intervals are Prometheus durations, like 2s."""
    configs: list[dict[str, Any]] = []
    for job in jobs:
        config = {
            **job,
            # As prometheus-k8s adds: a workload's own label survives a target label of the same
            # name, and a scrape without a content type counts as text.
            'honor_labels': True,
            'fallback_scrape_protocol': 'PrometheusText0.0.4',
        }
        # Valid in COS, whose interval is one minute; Prometheus refuses a timeout above it.
        if config.get('scrape_timeout') and not config.get('scrape_interval'):
            config['scrape_interval'] = config['scrape_timeout']
        configs.append(config)
    return {
        'global': {'scrape_interval': scrape_interval, 'evaluation_interval': evaluation_interval},
        'rule_files': [f'{RULE_FILES}/*.rules'],
        'scrape_configs': configs,
    }


def _jobs(provider: Provider, left_out: list[str]) -> list[dict[str, Any]]:
    jobs = _decode(provider.scrape_jobs, list)
    if not jobs:
        return []
    metadata = _decode(provider.scrape_metadata, dict)
    labels = _topology(metadata) if metadata else {}
    prefix = f'juju_{_identifier(labels)}_prometheus_scrape' if metadata else ''
    result: list[dict[str, Any]] = []
    for number, job in enumerate(jobs):
        problem = _job_problem(job)
        if not (metadata or problem or job.get('job_name')):
            problem = 'it has no name, and no topology to make one of'
        if problem:
            left_out.append(f'job {number} of {provider.application}: {problem}')
            continue
        # Without a topology, a job goes to Prometheus unchanged.
        if not metadata:
            result.append(job)
            continue
        kept = dict(JOB_DEFAULTS) | {key: job[key] for key in job if key in JOB_KEYS}
        kept['job_name'] = f'{prefix}_{job["job_name"]}' if job.get('job_name') else prefix
        kept['metrics_path'] = kept['metrics_path'] or JOB_DEFAULTS['metrics_path']
        if kept.get('tls_config'):
            kept['tls_config'] = _inline(kept['tls_config'])
        result.extend(_expand(kept, provider.units, labels))
    return result


def _expand(
    job: dict[str, Any], units: Iterable[Unit], labels: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the job split as COS does: one for each known unit, one for the rest.

    A wildcard target stands for every unit; a target whose host is a unit's address or FQDN
    belongs to that unit. A static config's own labels override the provider's topology.
    """
    known = [unit for unit in units if unit.address]
    by_host = {host: unit for unit in known for host in (unit.address, unit.fqdn) if host}
    expanded: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for config in job['static_configs']:
        own = config.get('labels') or {}
        of_unit: dict[Unit, list[str]] = {}
        of_none: list[str] = []
        for target in config.get('targets') or []:
            if target.startswith('*'):
                for unit in known:
                    of_unit.setdefault(unit, []).append(target.replace('*', unit.address))
            elif unit := by_host.get(_host(target)):
                of_unit.setdefault(unit, []).append(target)
            else:
                of_none.append(target)
        for unit, targets in of_unit.items():
            static = {'targets': targets, 'labels': {**labels, 'juju_unit': unit.name, **own}}
            expanded.append(
                {
                    **job,
                    'job_name': f'{job["job_name"]}-{unit.name.rpartition("/")[2]}',
                    'metrics_path': unit.path + job['metrics_path'],
                    'static_configs': [static],
                    'relabel_configs': _relabel(job, (*INSTANCE, 'juju_unit')),
                }
            )
        if of_none:
            others.append({'targets': of_none, 'labels': {**labels, **own}})
    if others:
        relabel = _relabel(job, INSTANCE)
        expanded.append({**job, 'static_configs': others, 'relabel_configs': relabel})
    return expanded


def _relabel(job: Mapping[str, Any], source: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the job's relabel rules plus the one that builds `instance` from the topology."""
    instance = {
        'source_labels': list(source),
        'separator': '_',
        'target_label': 'instance',
        'regex': '(.*)',
    }
    return [*(job.get('relabel_configs') or []), instance]


def _inline(tls: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tls_config with inline keys instead of *_file keys, which here hold PEM text."""
    files = ('ca_file', 'cert_file', 'key_file')
    pem = {key for key in files if '-----BEGIN' in str(tls.get(key))}
    return {key.removesuffix('_file') if key in pem else key: tls[key] for key in tls}


def _unique(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the jobs without duplicates; jobs that share a name each get their hash in it."""
    texts = {json.dumps(job, sort_keys=True): job for job in jobs}
    names = Counter(job['job_name'] for job in texts.values())
    result: list[dict[str, Any]] = []
    for text, job in texts.items():
        if names[job['job_name']] > 1:
            digest = hashlib.sha256(text.encode()).hexdigest()
            job = {**job, 'job_name': f'{job["job_name"]}_{digest}'}
        result.append(job)
    return result


def _groups(provider: Provider, left_out: list[str]) -> list[dict[str, Any]]:
    groups = _decode(provider.alert_rules, dict).get('groups', [])
    if not isinstance(groups, list):
        raise ValueError("'groups' is no list")
    result: list[dict[str, Any]] = []
    for number, group in enumerate(groups):
        if problem := _group_problem(group, taken=[kept['name'] for kept in result]):
            name = group.get('name', number) if isinstance(group, dict) else number
            left_out.append(f'rule group {name} of {provider.application}: {problem}')
            continue
        result.append({**group, 'rules': [_without_token(rule) for rule in group['rules']]})
    return result


def _without_token(rule: dict[str, Any]) -> dict[str, Any]:
    """Return the rule without the placeholder that COS removes from rules with a topology."""
    if not {'juju_model', 'juju_model_uuid', 'juju_application'} <= set(rule.get('labels') or ()):
        return rule
    return {**rule, 'expr': re.sub(r'%%juju_topology%%,?', '', rule['expr'])}


def _file_name(provider: Provider, groups: list[dict[str, Any]]) -> str:
    """Return a unique name for a rule file, made from the first labelled group's topology."""
    identifier = provider.application
    for group in groups:
        labels = group['rules'][0].get('labels') or {}
        metadata = {label.removeprefix('juju_'): labels.get(label) for label in INSTANCE}
        try:
            identifier = _identifier(_topology(metadata))
        except ValueError:
            continue
        break
    return re.sub(r'[^A-Za-z0-9_.-]', '_', f'juju_{identifier[:150]}_{provider.relation}.rules')


def _in_file_name(job_name: str) -> str:
    """Return a job's name where it can be a file's, otherwise what is unique and can be."""
    if re.fullmatch(r'[A-Za-z0-9_.-]{1,200}', job_name):
        return job_name
    digest = hashlib.sha256(job_name.encode(errors='surrogatepass')).hexdigest()
    return f'{re.sub(r"[^A-Za-z0-9_.-]", "_", job_name[:100])}-{digest}'


def _topology(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return a provider's topology as labels, without the unit, since many share one databag."""
    for key in ('model', 'model_uuid', 'application'):
        if not isinstance(metadata.get(key), str):
            raise ValueError(f'no {key!r} in its topology')
    uuid = metadata['model_uuid']
    # JujuTopology accepts a lower-case version 4 UUID and raises on anything else.
    try:
        valid = str(UUID(uuid, version=4)) == uuid
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(f'model_uuid {uuid!r} is no version 4 UUID')
    labels = {
        'juju_model': metadata['model'],
        'juju_model_uuid': uuid,
        'juju_application': metadata['application'],
        'juju_charm': metadata.get('charm_name'),
    }
    return {key: value for key, value in labels.items() if value}


def _identifier(labels: Mapping[str, str]) -> str:
    uuid = labels['juju_model_uuid'][:8]
    return '_'.join((labels['juju_model'], uuid, labels['juju_application'])).replace('/', '_')


def _decode(text: str, kind: type) -> Any:
    """Return a databag's JSON value, or an empty one if it is absent.

    Raises:
        ValueError: if it is not JSON, too deep, or of another type.
    """
    try:
        value = json.loads(text) if text else kind()
    except RecursionError:
        raise ValueError('nested too deeply') from None
    if not isinstance(value, kind):
        raise ValueError(f'a {kind.__name__} is needed, not {type(value).__name__}')
    return value


def _job_problem(job: object) -> str:
    """Return why COS's library would raise on a job, or ''; promtool checks the rest."""
    if not isinstance(job, dict):
        return 'it is no object'
    configs = job.get('static_configs', JOB_DEFAULTS['static_configs'])
    if not (isinstance(configs, list) and all(isinstance(config, dict) for config in configs)):
        return 'static_configs is no list of objects'
    for config in configs:
        targets = config.get('targets') or []
        if not (isinstance(targets, list) and all(isinstance(host, str) for host in targets)):
            return 'targets is no list of strings'
        if not isinstance(config.get('labels') or {}, dict):
            return 'labels is no object'
    for key, kind in (
        ('job_name', str),
        ('metrics_path', str),
        ('relabel_configs', list),
        ('tls_config', dict),
    ):
        if not isinstance(job.get(key) or kind(), kind):
            return f'{key} is no {kind.__name__}'
    return ''


def _group_problem(group: object, taken: list[str]) -> str:
    """Return why a rule group would invalidate its whole file, or ''."""
    if not isinstance(group, dict) or not isinstance(group.get('name'), str):
        return 'it has no name'
    if group['name'] in taken:
        return 'the name is taken'
    rules = group.get('rules')
    if not isinstance(rules, list) or not rules:
        return 'it has no rules'  # an empty list is an uncaught IndexError in COS
    for rule in rules:
        if not isinstance(rule, dict) or not isinstance(rule.get('expr'), str):
            return 'a rule has no expr'
        if not isinstance(rule.get('labels') or {}, dict):
            return "a rule's labels are no object"
    return ''


def _host(target: str) -> str:
    try:
        return urlsplit(f'//{target}').hostname or ''
    except ValueError:  # an unclosed bracket
        return ''
