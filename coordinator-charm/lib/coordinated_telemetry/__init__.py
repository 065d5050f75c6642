"""The metrics, logs and traces of a coordinator and its workers, end to end.

One module for each signal, and what they share:

- `topology`: who a unit is, and the labels that say so on all three signals;
- `databags`: reading untrusted relation data and writing only differences;
- `addresses`: the addresses and URLs that may be rendered into a configuration;
- `pem`: the certificates that may be written to a file;
- `cluster`: the relation between the coordinator and its workers;
- `reconciler`, `containers`, `rolling`: how a charm of this kind goes about its work;
- `rules`: alert rules, scoped to the application they watch;
- `metrics`: scrape jobs and rules for a scraper (`prometheus_scrape`);
- `logs`: Pebble log targets and log rules (`loki_push_api`); `charm_log`: the charm's own,
  sent by `log_push`;
- `traces`: where charms and workloads send their spans (`tracing`).

Nothing here sets a status or defers an event. What is read is untrusted until a model of this
package accepted it; what failed is left out, alone, and named in a `databags.LeftOut`.
"""

__version__ = '1.0.0'
