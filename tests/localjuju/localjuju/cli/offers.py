"""The commands of the `juju` program about offers, which relate models to each other."""

from collections.abc import Iterator
from typing import Any

from localjuju.cli import tables
from localjuju.cli.commandline import Arguments, UsageError
from localjuju.cli.program import chosen_model, command, say, show
from localjuju.client import Model, RequestError
from localjuju.common import offerurl, registry
from localjuju.common.offerurl import OfferUrl


@command(
    'offer',
    takes='[<model>.]<application>:<endpoint>[,<endpoint>…] [<offer>]',
    about='Offer endpoints of an application to other models.',
    ignored='c|controller=',
)
def _offer(arguments: Arguments) -> None:
    what, *names = arguments.take('application:endpoint', more=True)
    if len(names) > 1:
        raise UsageError('an offer can only specify application endpoints and one name')
    place, colon, endpoints = what.partition(':')
    chosen = [name for name in endpoints.split(',') if name]
    if not colon or not chosen:
        raise UsageError('endpoints must conform to format "<application-name>:<endpoint-name>"')
    if offerurl.is_url(place):
        model, app = Model(offerurl.parse(place).model), offerurl.parse(place).offer
    else:
        model, app = chosen_model(arguments), place
    url = model.request('offer', app=app, endpoints=chosen, name=names[0] if names else '')
    say(f'Application "{app}" endpoints [{", ".join(chosen)}] available at "{url}"')


def _url(arguments: Arguments, text: str) -> OfferUrl:
    """An offer's address, or its name in the current model."""
    if offerurl.is_url(text):
        return offerurl.parse(text)
    return OfferUrl(chosen_model(arguments).name, text)


@command(
    'offers',
    'list-offers',
    takes='[<offer>]',
    about='List the offers of a model, and what is connected to them.',
    options='format interface application',
    switches='active-only',
    ignored='c|controller= allowed-consumer= connected-user=',
)
def _offers(arguments: Arguments) -> None:
    model = chosen_model(arguments)
    form = arguments.format('tabular', 'json', 'yaml', 'summary')
    shown = {
        name: offer
        for name, offer in model.request('offers').items()
        if not arguments.positional or name in arguments.positional
        if arguments.one('application') in ('', offer['application'])
        if _has_interface(offer, arguments.one('interface'))
        if offer['connections'] or not arguments.has('active-only')
    }
    if form == 'tabular':
        print(_connections(shown), end='')
    elif form == 'summary':
        print(_summary(shown), end='')
    else:
        show(model, shown, form)


def _has_interface(offer: dict[str, Any], interface: str) -> bool:
    return not interface or any(
        endpoint['interface'] == interface for endpoint in offer['endpoints'].values()
    )


def _connections(offers: dict[str, Any]) -> str:
    header = ('Offer', 'User', 'Relation ID', 'Status', *tables.ENDPOINT, 'Ingress subnets')
    rows: list[tuple[str, ...]] = []
    for name, offer in offers.items():
        for i, connection in enumerate(offer['connections']):
            endpoint = offer['endpoints'][connection['endpoint']]
            row = (
                '' if i else name,
                connection['username'],
                str(connection['relation-id']),
                connection['status']['current'],
                connection['endpoint'],
                endpoint['interface'],
                endpoint['role'],
                ','.join(connection['ingress-subnets']),
            )
            rows.append(row)
        if not offer['connections']:
            rows.append((name, '-', *('',) * 6))
    return tables.table(header, rows, right=(2,))


def _summary(offers: dict[str, Any]) -> str:
    header = ('Offer', 'Application', 'Charm', 'Connected', 'Store', 'URL', *tables.ENDPOINT)
    rows: list[tuple[str, ...]] = []
    for name, offer in offers.items():
        states = [connection['status']['current'] for connection in offer['connections']]
        connected = f'{states.count("joined")}/{len(states)}'
        head = (name, offer['application'], offer['charm'], connected, offer['store'])
        rows += tables.once((*head, offer['offer-url']), offer['endpoints'])
    return tables.table(header, rows)


@command(
    'find-offers',
    takes='[<offer> | <model>]',
    about='Find offers in all models.',
    options='format url interface offer',
    ignored='c|controller= all-controllers',
)
def _find_offers(arguments: Arguments) -> None:
    form = arguments.format('tabular', 'json', 'yaml')
    if len(arguments.positional) > 1:
        raise UsageError(f'unrecognized args: {arguments.positional[1:]}')
    reference = arguments.positional[0] if arguments.positional else arguments.one('url')
    wanted = _wanted(reference)
    found = {
        url: _described(offer)
        for url, offer in _all_offers()
        if wanted[0] in ('', url.model)
        if wanted[1] in ('', url.offer) and arguments.one('offer') in ('', url.offer)
        if _has_interface(offer, arguments.one('interface'))
    }
    if not found:
        raise RequestError('no matching application offers found')
    if form == 'tabular':
        rows = [
            (
                offerurl.CONTROLLER,
                str(url),
                'admin',
                ', '.join(f'{e["interface"]}:{name}' for name, e in offer['endpoints'].items()),
            )
            for url, offer in found.items()
        ]
        print(tables.table(('Store', 'URL', 'Access', 'Interfaces'), rows), end='')
        return
    shown = {_full(url): offer for url, offer in found.items()}
    show(Model(next(iter(found)).model), shown, form)


def _wanted(reference: str) -> tuple[str, str]:
    """The model and the offer that ``[<controller>:][[<owner>/]<model>[.<offer>]]`` names."""
    rest = reference.partition(':')[2] if ':' in reference else reference
    if '.' in rest:
        url = offerurl.parse(reference)
        return url.model, url.offer
    return rest.rpartition('/')[2], ''


def _all_offers() -> Iterator[tuple[OfferUrl, dict[str, Any]]]:
    for name in registry.names():
        try:
            offers = Model(name).request('offers')
        except (RequestError, registry.RegistryError):
            continue  # it ended meanwhile
        for offer, details in offers.items():
            yield OfferUrl(name, offer), details


def _described(offer: dict[str, Any]) -> dict[str, Any]:
    return {'access': 'admin', 'endpoints': offer['endpoints'], 'users': offer['users']}


def _full(url: OfferUrl) -> str:
    return f'{offerurl.CONTROLLER}:{url}'


@command(
    'show-offer',
    takes='<offer>',
    about='Show an offer.',
    options='format',
    ignored='c|controller=',
)
def _show_offer(arguments: Arguments) -> None:
    form = arguments.format('tabular', 'json', 'yaml')
    (reference,) = arguments.take('offer')
    url = _url(arguments, reference)
    model = Model(url.model)
    offers = model.request('offers')
    if url.offer not in offers:
        raise RequestError(f'application offer "{url}" not found')
    shown = {'description': '', **_described(offers[url.offer])}
    if form == 'tabular':
        header = ('Store', 'URL', 'Access', 'Description', *tables.ENDPOINT)
        head = (offerurl.CONTROLLER, str(url), 'admin', '')
        print(tables.table(header, tables.once(head, shown['endpoints'])), end='')
    else:
        show(model, {_full(url): shown}, form)


@command(
    'remove-offer',
    takes='<offer>…',
    about='Remove offers.',
    switches='force',
    ignored='y|yes no-prompt c|controller=',
)
def _remove_offer(arguments: Arguments) -> None:
    for reference in arguments.take('offer', more=True):
        url = _url(arguments, reference)
        Model(url.model).request('remove-offer', name=url.offer, force=arguments.has('force'))


@command('consume', takes='<offer> [<alias>]', about='Add an offer of another model.')
def _consume(arguments: Arguments) -> None:
    url, *alias = arguments.take('remote offer', more=True)
    if len(alias) > 1:
        raise UsageError(f'unrecognized args: {alias[1:]}')
    model = chosen_model(arguments)
    name = model.request('consume', url=url, alias=alias[0] if alias else '')
    say(f'Added {url} as {name}')


@command(
    'remove-saas',
    takes='<saas>…',
    about='Remove what was consumed, with its relations.',
    switches='force',
    ignored='no-wait no-prompt y|yes',
)
def _remove_saas(arguments: Arguments) -> None:
    model = chosen_model(arguments)
    for name in arguments.take('saas application', more=True):
        model.request('remove-saas', name=name, force=arguments.has('force'))
