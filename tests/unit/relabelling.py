"""What Prometheus makes of a scrape job: the labels that each of its targets ends up with."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ops import testing

from prometheus.src import scrape


def targets(jobs: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The labels of every target of every job, as all series of the target carry them.

    Only rules that replace are known, as no others are published.
    """
    return [
        _relabelled({**config.get('labels', {}), '__address__': target}, job)
        for job in jobs
        for config in job['static_configs']
        for target in config['targets']
    ]


def by_target(jobs: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Target → labels, for jobs none of whose targets is there twice."""
    jobs = list(jobs)
    addresses = [
        target for job in jobs for config in job['static_configs'] for target in config['targets']
    ]
    assert len(addresses) == len({*addresses})
    return dict(zip(addresses, targets(jobs), strict=True))


def scraped(relation: testing.RelationBase) -> dict[str, dict[str, str]]:
    """Target → the Juju labels that a scraper gives to all of its series."""
    key = 'prometheus_scrape_unit_address'
    provider = scrape.Provider(
        relation=f'metrics-endpoint_{relation.id}',
        application='coordinator',
        scrape_metadata=relation.local_app_data['scrape_metadata'],
        scrape_jobs=relation.local_app_data['scrape_jobs'],
        units=(scrape.Unit('coordinator/0', address=relation.local_unit_data.get(key, '')),),
    )
    wanted = scrape.wanted([provider])
    assert wanted.left_out == []
    return {
        target: {label: value for label, value in labels.items() if label.startswith('juju_')}
        for target, labels in by_target(wanted.jobs).items()
    }


def _relabelled(labels: dict[str, str], job: Mapping[str, Any]) -> dict[str, str]:
    labels = {'job': job['job_name'], **labels}
    for rule in job.get('relabel_configs', []):
        assert rule.get('action', 'replace') == 'replace'
        assert 'replacement' not in rule or '$' not in rule['replacement']
        source = rule.get('separator', ';').join(
            labels.get(label, '') for label in rule.get('source_labels', [])
        )
        if found := re.fullmatch(rule.get('regex', '(.*)'), source):
            value = rule['replacement'] if 'replacement' in rule else found[1]
            labels = {**labels, rule['target_label']: value}
    # Those of the scraper's own making go, and without another there is one for where it is.
    kept = {key: value for key, value in labels.items() if value and not key.startswith('__')}
    return {'instance': labels['__address__'], **kept}
