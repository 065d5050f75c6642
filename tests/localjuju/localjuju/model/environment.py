"""The environment of a hook, an action or a command."""

from localjuju import JUJU_VERSION
from localjuju.model.model import Model
from localjuju.model.unitstate import Event, Unit


def environment(model: Model, unit: Unit, event: Event, context: str) -> dict[str, str]:
    """The JUJU_… variables of an event."""
    task = event.task
    agent = f'/var/lib/juju/agents/unit-{unit.name.replace("/", "-")}'
    variables = {
        'JUJU_CHARM_DIR': f'{agent}/charm',
        'CHARM_DIR': f'{agent}/charm',
        'JUJU_CONTEXT_ID': context,
        'JUJU_HOOK_NAME': '' if task else event.hook,
        'JUJU_DISPATCH_PATH': event.hook if task else f'hooks/{event.hook}',
        'JUJU_AGENT_SOCKET_ADDRESS': f'{agent}/agent.sock',
        'JUJU_AGENT_SOCKET_NETWORK': 'unix',
        'JUJU_UNIT_NAME': unit.name,
        'JUJU_MODEL_NAME': model.name,
        'JUJU_MODEL_UUID': model.uuid,
        'JUJU_API_ADDRESSES': '10.152.183.1:17070',
        'JUJU_MACHINE_ID': '',
        'JUJU_PRINCIPAL_UNIT': '',
        'JUJU_AVAILABILITY_ZONE': '',
        'JUJU_VERSION': JUJU_VERSION,
        'JUJU_CHARM_HTTP_PROXY': '',
        'JUJU_CHARM_HTTPS_PROXY': '',
        'JUJU_CHARM_FTP_PROXY': '',
        'JUJU_CHARM_NO_PROXY': '127.0.0.1,localhost,::1',
    }
    if event.relation is not None:
        variables['JUJU_RELATION'] = event.subject
        variables['JUJU_RELATION_ID'] = f'{event.subject}:{event.relation}'
        variables['JUJU_REMOTE_UNIT'] = event.remote_unit
        variables['JUJU_REMOTE_APP'] = event.remote_app
        if event.departing:
            variables['JUJU_DEPARTING_UNIT'] = event.departing
    elif event.storage:
        variables['JUJU_STORAGE_ID'] = event.storage
        variables['JUJU_STORAGE_LOCATION'] = model.storages.find(event.storage).location
        variables['JUJU_STORAGE_KIND'] = 'filesystem'
    elif event.subject:
        variables['JUJU_WORKLOAD_NAME'] = event.subject
    if event.notice[0]:
        for name, value in zip(('ID', 'TYPE', 'KEY'), event.notice, strict=True):
            variables[f'JUJU_NOTICE_{name}'] = value
    if event.check:
        variables['JUJU_PEBBLE_CHECK_NAME'] = event.check
    if event.secret:
        variables['JUJU_SECRET_ID'] = event.secret
        variables['JUJU_SECRET_LABEL'] = event.label
        if event.revision:
            variables['JUJU_SECRET_REVISION'] = str(event.revision)
    if task and task.action:
        variables['JUJU_ACTION_NAME'] = task.action
        variables['JUJU_ACTION_UUID'] = str(task.id)
        variables['JUJU_ACTION_TAG'] = f'action-{task.id}'
    return variables
