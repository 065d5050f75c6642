"""What the charms published and configured, as the tests of all pains look at it."""

import dataclasses
import json

import nginxconf
import relabelling
from coordinator import scene as coordinators


def scraped(state, relation=14):
    """Target → labels, as they are in the scraper."""
    return relabelling.scraped(state.get_relation(relation))


def alerts(state, relation=14):
    """The alert rules that a store gets."""
    groups = json.loads(state.get_relation(relation).local_app_data['alert_rules'])['groups']
    return [rule for group in groups for rule in group['rules']]


def watched(state, relation=14):
    """The applications that the alert rules watch."""
    return {rule['labels']['juju_application'] for rule in alerts(state, relation)}


def servers(unit, role):
    """The servers that nginx balances a role over."""
    return {
        server.words[1]
        for http in nginxconf.parse(unit.config)
        for upstream in http.block or ()
        if upstream.words == ('upstream', role)
        for server in upstream.block or ()
        if server.words[0] == 'server'
    }


def workload(unit_name):
    """Where a worker's workload is."""
    return f'{coordinators.host(unit_name)}:7070'


def without(state, number, unit_number):
    """The state without a unit of a relation."""
    relation = state.get_relation(number)
    units = {n: d for n, d in relation.remote_units_data.items() if n != unit_number}
    return coordinators.replaced(state, dataclasses.replace(relation, remote_units_data=units))


def changed(unit, state):
    """The state after config-changed, in which everything is read."""
    return unit.ctx.run(unit.ctx.on.config_changed(), state)
