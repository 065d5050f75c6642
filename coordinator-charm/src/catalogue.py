"""The entry in a catalogue of services (`catalogue`, version 1; whoever is listed requires it).

Keys and values are those of the library `charms.catalogue_k8s.v1.catalogue`, which is in no
package.
"""

import ops

from coordinated_telemetry import databag, databags

ENDPOINT = 'catalogue'

ICON = 'server-network'
"""The picture of the entry: a name of Material Design Icons."""


class Item(databag.Databag):
    """The application databag of whoever is listed: plain text."""

    plain = True

    name: str
    url: str
    icon: str
    description: str


def ensure_item(bags: databags.Databags, charm: ops.CharmBase, url: str) -> bool:
    """Publish the entry in every catalogue; leader only. True if anything was changed.

    Args:
        bags: the databags.
        charm: the coordinator's. The application's name tells several of them apart.
        url: where people reach the workload.
    """
    item = Item(name=charm.app.name, url=url, icon=ICON, description=charm.meta.summary)
    return bags.ensure(ENDPOINT, charm.app, item)
