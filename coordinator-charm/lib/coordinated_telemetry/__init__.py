"""The metrics, logs and traces of a coordinator and its workers, end to end.

Untrusted input:

- `addresses`: the hosts and URLs that may be rendered into a configuration;
- `pem`: the certificates that may be written to a file;
- `trust`: the CAs of stores with https (`certificate_transfer`);
- `yaml_text`: YAML that is safe to load.

Relation data:

- `databag`: what one databag may hold, how it is read and written;
- `databags`: all databags as one event sees them; only differences are written;
- `memory`: what a unit remembers of databags between hooks;
- `report`: what a dispatch tells an operator: blocked, waiting, notes and ignored.

The cluster:

- `topology`: who a unit is, and the five labels that all three signals carry;
- `roles`: the roles that workers can have, and how many of each are needed;
- `cluster`: the relation between the coordinator and its workers.

The charm:

- `reconciler`: the base class of both charms: read, compute, write on every event;
- `containers`: files, layers and services in Pebble, changed only where they differ;
- `rolling`: one unit after the other restarts its workload.

The signals:

- `rules`: alert rules, scoped to the application they watch;
- `publication`: alert rules in a databag, and what happens when they do not all fit;
- `metrics`: scrape jobs and rules for a scraper (`prometheus_scrape`);
- `logs`: Pebble's log targets, and rules for a log store (`loki_push_api`);
- `charm_log`: the charm's own log;
- `log_trust`: the CAs that Pebble trusts when it sends logs over https;
- `log_push`: pushes of log records to a store, in parts that it accepts;
- `traces`: where charms and workloads send their spans (`tracing`);
- `otlp`: one collector for logs, traces and rules (`otlp`);
- `otlp_push`: log records in the form in which a collector takes them;
- `routes`: what goes to a collector, and what to the stores;
- `dashboards`: what Grafana shows of all three (`grafana_dashboard`).

Nothing here defers an event. Input is untrusted until a model of this package accepts it; what a
model refuses is ignored, alone, and named in the dispatch's `report.Report`.
"""

__version__ = '1.0.0'
