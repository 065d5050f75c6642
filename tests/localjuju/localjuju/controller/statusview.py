"""A model as Juju shows it: the JSON of `juju status`, `show-unit`, `show-model`, `config`."""

from typing import Any

from localjuju import JUJU_VERSION
from localjuju.common import offerurl
from localjuju.controller import kubernetes, storageview
from localjuju.controller.stamps import stamp
from localjuju.model import crossmodel
from localjuju.model.application import Application
from localjuju.model.charmmeta import Endpoint
from localjuju.model.model import Model
from localjuju.model.offers import Offer, Saas
from localjuju.model.relation import End, Relation
from localjuju.model.unitstate import Life, Status, Task, Unit, app_of, by_number

#: The severity of each status, as in Juju: an application shows its most severe unit's.
_SEVERITY = {
    'error': 8,
    'blocked': 7,
    'waiting': 6,
    'maintenance': 5,
    'active': 4,
    'terminated': 3,
    'unknown': 2,
}


def _status(status: Status, **more: str) -> dict[str, str]:
    shown = {'current': status.current, 'since': stamp(status.since), **more}
    if status.message:
        shown['message'] = status.message
    return shown


def workload_status(unit: Unit) -> Status:
    """A unit's workload status, which a failed hook overrides."""
    if failed := unit.failed:
        # Juju names the store of a storage hook nowhere in the status.
        name = failed.kind if failed.storage else failed.hook
        why = f': {kubernetes.NEEDED}' if unit.needs_kubernetes else ''
        return Status('error', f'hook failed: "{name}"{why}', unit.agent.since)
    return unit.workload


def application_status(app: Application) -> Status:
    """The status that the leader set, otherwise the most severe one of a unit."""
    if app.status:
        return app.status
    statuses = [workload_status(unit) for unit in app.units.values()]
    if not statuses:
        return Status('unknown', '', app.since)
    return max(statuses, key=lambda status: _SEVERITY.get(status.current, 0))


def agent_status(unit: Unit, generation: int) -> Status:
    """The status of a unit's agent.

    It is idle only if it has seen the model's present state and found nothing to do: right after
    a change, `juju status` must not claim that everything is done.
    """
    if unit.agent.current == 'idle' and unit.settled != generation:
        return Status('executing', '', unit.agent.since)
    return unit.agent


def status(model: Model, generation: int) -> dict[str, Any]:
    """What ``juju status --format json`` prints for a model in this generation."""
    shown = {
        'model': {
            'name': model.name,
            'type': 'caas',
            'controller': offerurl.CONTROLLER,
            'cloud': 'local',
            'region': 'localhost',
            'version': JUJU_VERSION,
            'model-status': {
                'current': 'destroying' if model.destroying else 'available',
                'since': stamp(0),
            },
            'sla': 'unsupported',
        },
        'machines': {},
        'applications': {
            app.name: _application(model, app, generation)
            for app in sorted(model.applications.values(), key=lambda a: a.name)
        },
        'storage': storageview.storage(model),
        'controller': {'timestamp': stamp(0, '%H:%M:%S')},
    }
    if model.saas:
        shown['application-endpoints'] = {
            name: _saas(model, saas) for name, saas in sorted(model.saas.items())
        }
    if model.offers:
        shown['offers'] = {
            name: _offer(model, offer) for name, offer in sorted(model.offers.items())
        }
    return shown


def _application(model: Model, app: Application, generation: int) -> dict[str, Any]:
    relations: dict[str, list[dict[str, str]]] = {}
    for relation in model.relations_of(app.name):
        remote = relation.remote(app.name)
        relations.setdefault(relation.end(app.name).endpoint.name, []).append(
            {
                'related-application': remote.app,
                'interface': remote.endpoint.interface,
                'scope': 'global',
            }
        )
    name, channel = app.charm.base
    shown: dict[str, Any] = {
        'charm': app.charm.url,
        'base': {'name': name, 'channel': channel},
        'charm-origin': 'charmhub' if app.charm.channel else 'local',
        'charm-name': app.charm.name,
        'charm-rev': app.charm.revision,
        'scale': app.scale,
        'provider-id': f'{model.uuid}-{app.name}',
        'address': app.address,
        'exposed': False,
        'application-status': _status(application_status(app)),
        'relations': relations,
        'units': {n: _unit(app, app.units[n], generation) for n in by_number(app.units)},
        'endpoint-bindings': {'': 'alpha', **dict.fromkeys(app.charm.endpoints, 'alpha')},
    }
    if app.charm.channel:
        shown['charm-channel'] = app.charm.channel
    if app.life is not Life.ALIVE:
        shown['life'] = str(app.life)
    if app.workload_version:
        shown['version'] = app.workload_version
    return shown


def _endpoint(endpoint: Endpoint) -> dict[str, str]:
    role = {'provides': 'provider', 'requires': 'requirer'}[endpoint.role]
    return {'interface': endpoint.interface, 'role': role}


def _saas(model: Model, saas: Saas) -> dict[str, Any]:
    related: dict[str, list[str]] = {}
    for relation in model.relations_of(saas.name):
        endpoint = relation.end(saas.name).endpoint.name
        related.setdefault(endpoint, []).append(_local_end(relation, saas.name).app)
    shown: dict[str, Any] = {
        'url': f'{offerurl.CONTROLLER}:{offerurl.OfferUrl(saas.model, saas.offer)}',
        'endpoints': {name: _endpoint(e) for name, e in sorted(saas.endpoints.items())},
        'application-status': _status(saas.status),
        'relations': related,
    }
    if saas.life is not Life.ALIVE:
        shown['life'] = str(saas.life)
    return shown


def _local_end(relation: Relation, remote: str) -> End:
    return next(end for end in relation.ends if end.app != remote)


def _offered(model: Model, offer: Offer) -> dict[str, dict[str, str]]:
    declared = model.application(offer.app).charm.endpoints
    return {name: _endpoint(declared[name]) for name in sorted(offer.endpoints)}


def _offer(model: Model, offer: Offer) -> dict[str, Any]:
    charm = model.application(offer.app).charm
    connections = crossmodel.connections(model, offer.name)
    return {
        'application': offer.app,
        'charm': f'local:{charm.name}-{charm.revision}',
        'total-connected-count': len(connections),
        'active-connected-count': sum(_is_joined(relation) for relation in connections),
        'endpoints': _offered(model, offer),
    }


def _is_joined(relation: Relation) -> bool:
    return relation.life is Life.ALIVE and not relation.is_refused


def offers(model: Model) -> dict[str, Any]:
    """What ``juju offers --format json`` prints."""
    return {name: _offer_details(model, offer) for name, offer in sorted(model.offers.items())}


def _offer_details(model: Model, offer: Offer) -> dict[str, Any]:
    shown = _offer(model, offer)
    return {
        'application': offer.app,
        'store': offerurl.CONTROLLER,
        'charm': shown['charm'],
        'offer-url': str(offerurl.OfferUrl(model.name, offer.name)),
        'endpoints': shown['endpoints'],
        'connections': [
            {
                'source-model-uuid': relation.across.uuid,
                'username': offerurl.OWNER,
                'relation-id': relation.id,
                'endpoint': relation.end(offer.app).endpoint.name,
                'status': {'current': 'joined' if _is_joined(relation) else 'error'},
                'ingress-subnets': [],
            }
            for relation in crossmodel.connections(model, offer.name)
            if relation.across
        ],
        'users': {offerurl.OWNER: {'display-name': offerurl.OWNER, 'access': 'admin'}},
    }


def relations(model: Model) -> list[dict[str, str]]:
    """The rows of the table that ``juju status --relations`` adds."""
    rows = []
    for relation in model.relations.values():
        kind = 'peer' if relation.is_peer else 'regular'
        requirer, provider = relation.ends[0], relation.ends[-1]
        rows.append(
            {
                'provider': str(provider),
                'requirer': str(requirer),
                'interface': provider.endpoint.interface,
                'type': kind,
                'message': _relation_message(relation),
            }
        )
    return sorted(rows, key=lambda row: (row['provider'], row['requirer']))


def _relation_message(relation: Relation) -> str:
    if relation.is_refused:
        return 'error: permission denied'
    return '' if relation.life is Life.ALIVE else str(relation.life)


def _unit(app: Application, unit: Unit, generation: int) -> dict[str, Any]:
    dying = {} if unit.life is Life.ALIVE else {'life': str(unit.life)}
    shown: dict[str, Any] = {
        'workload-status': _status(workload_status(unit)),
        'juju-status': _status(agent_status(unit, generation), version=JUJU_VERSION, **dying),
    }
    if app.leader == unit.name:
        shown['leader'] = True
    if unit.ports:
        shown['open-ports'] = opened_ports(unit)
    if unit.address:
        shown['address'] = unit.address
    shown['provider-id'] = unit.name.replace('/', '-')
    return shown


def opened_ports(unit: Unit) -> list[str]:
    """A unit's opened port ranges, sorted."""
    return sorted({ports for ports, _ in unit.ports})


def show_unit(model: Model, unit: Unit) -> dict[str, Any]:
    """What ``juju show-unit --format json`` prints."""
    app = model.application(unit.app)
    shown: dict[str, Any] = {
        'opened-ports': opened_ports(unit),
        'charm': app.charm.url,
        'leader': app.leader == unit.name,
        'life': str(unit.life),
        'relation-info': [_relation(r, unit) for r in model.relations_of(unit.app)],
        'provider-id': unit.name.replace('/', '-'),
        'address': unit.address,
    }
    if app.workload_version:
        shown['workload-version'] = app.workload_version
    return {unit.name: shown}


def _relation(relation: Relation, unit: Unit) -> dict[str, Any]:
    remote = relation.remote(unit.app)

    def data(name: str) -> dict[str, Any]:
        return {'in-scope': name in relation.scope, 'data': relation.data.get(name, {})}

    related = [n for n in relation.scope if app_of(n) == remote.app and n != unit.name]
    return {
        'relation-id': relation.id,
        'endpoint': relation.end(unit.app).endpoint.name,
        'related-endpoint': remote.endpoint.name,
        'application-data': relation.data.get(remote.app, {}),
        'local-unit': data(unit.name),
        'related-units': {name: data(name) for name in by_number(related)},
    }


def show_model(model: Model) -> dict[str, Any]:
    """What ``juju show-model --format json`` prints."""
    return {
        model.name: {
            'name': f'admin/{model.name}',
            'short-name': model.name,
            'model-uuid': model.uuid,
            'model-type': 'caas',
            'controller-uuid': '10ca1000-0000-4000-8000-000000000000',
            'controller-name': offerurl.CONTROLLER,
            'is-controller': False,
            'owner': 'admin',
            'cloud': 'local',
            'region': 'localhost',
            'type': 'kubernetes',
            'life': 'dying' if model.destroying else 'alive',
            'status': {'current': 'available'},
            'users': {},
            'agent-version': JUJU_VERSION,
        }
    }


def config(app: Application) -> dict[str, Any]:
    """What ``juju config --format json`` prints."""
    settings = {}
    for option in app.charm.options.values():
        value = app.settings.get(option.name, option.default)
        shown: dict[str, Any] = {
            'description': option.description,
            'type': option.type,
            'source': 'user' if option.name in app.settings else 'default',
        }
        if option.default is not None:
            shown['default'] = option.default
        else:
            shown['source'] = 'user' if option.name in app.settings else 'unset'
        if value is not None:
            shown['value'] = value
        settings[option.name] = shown
    trust = {'default': False, 'source': 'user' if app.trust else 'default', 'value': app.trust}
    return {
        'application': app.name,
        'charm': app.charm.name,
        'application-config': {
            'trust': {'description': 'trusted', 'type': 'bool', **trust},
        },
        'settings': settings,
    }


def task(task: Task) -> dict[str, Any]:
    """A task as ``juju run --format json`` prints it, with its unit."""
    shown: dict[str, Any] = {
        'id': str(task.id),
        'unit': task.unit,
        'status': task.status,
        'finished': task.finished,
        'timing': {what: stamp(at) for what, at in task.times.items()},
    }
    if task.results:
        shown['results'] = task.results
    if task.message:
        shown['message'] = task.message
    if task.log:
        shown['log'] = task.log
    return shown
