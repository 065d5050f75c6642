"""What the local Juju refuses, and why: flags of the commands it has, and whole commands."""

_ONE_MACHINE = 'there is one machine, and every pod runs on it'
_ONE_CONTROLLER = 'there are no clouds or controllers to manage: `juju add-model` suffices'
_ONE_USER = 'there is one user, admin'
_NO_MACHINES = 'a Kubernetes model has no machines'
_NO_SPACES = 'there is one network, alpha'
_NO_STORE = 'nothing here talks to Charmhub; charms.toml maps its names to local charms'
_FIXED_STORAGE = 'Juju cannot do it on container models either'
_ONE_POOL = 'there is one storage pool, kubernetes'
_NO_SUSPENSION = 'relations between models are never suspended'
_NO_BUNDLES = 'bundles are not supported: deploy and integrate the applications one by one'
_POD_SIZE = 'a pod has whatever the machine has'
_ONE_BACKEND = 'secrets are in the model, and in no other backend'
_NO_HISTORY = 'results are printed by `juju run` and `juju exec` themselves'
_NO_INGRESS = 'nothing is reachable from outside; use localjuju.client to connect to a pod'

#: Flag → why it is refused, wherever a command refuses it.
FLAGS = {
    'attach-storage': _FIXED_STORAGE,
    'background': _NO_HISTORY,
    'bind': _NO_SPACES,
    'device': _ONE_MACHINE,
    'dry-run': 'there is no preview',
    'exclude-labels': 'lines have no labels',
    'exclude-module': 'filter the output instead',
    'firehose': 'each model has its own log',
    'include-labels': 'lines have no labels',
    'include-module': 'filter the output instead',
    'machine': _NO_MACHINES,
    'map-machines': _NO_MACHINES,
    'overlay': _NO_BUNDLES,
    'proxy': 'there is nothing between the program and the pods',
    'query': 'wait-for only waits for an application to be active',
    'remote': 'it is for charms older than sidecar charms',
    'schema': 'it is in the charm itself',
    'storage': _FIXED_STORAGE,
    'switch': 'an application keeps its charm: deploy the other one beside it',
    'to': _ONE_MACHINE,
    'via': 'the pods of related models reach each other directly',
    'watch': 'use the program watch',
}

_GROUPS = {
    _ONE_CONTROLLER: (
        'add-cloud add-credential add-k8s autoload-credentials bootstrap clouds controller-config '
        'controllers create-backup credentials default-credential default-region '
        'destroy-controller download-backup enable-destroy-controller enable-ha kill-controller '
        'list-clouds list-controllers list-credentials list-regions migrate model-default '
        'model-defaults '
        'regions register remove-cloud remove-credential remove-k8s set-credential show-cloud '
        'show-controller show-credential sync-agent-binary unregister update-cloud '
        'update-credential update-k8s update-public-clouds upgrade-controller upgrade-model'
    ),
    _ONE_USER: (
        'add-user change-user-password disable-command disable-user disabled-commands '
        'enable-command enable-user grant grant-cloud list-users login logout remove-user revoke '
        'revoke-cloud show-user users whoami'
    ),
    _NO_MACHINES: (
        'add-machine add-ssh-key import-ssh-key list-machines list-ssh-keys machines '
        'remove-machine remove-ssh-key retry-provisioning set-application-base show-machine '
        'ssh-keys upgrade-machine'
    ),
    _NO_SPACES: (
        'add-space bind firewall-rules list-firewall-rules list-spaces list-subnets move-to-space '
        'reload-spaces remove-space rename-space set-firewall-rule show-space spaces subnets'
    ),
    _NO_STORE: (
        'agree agreements attach-resource charm-resources download find info list-agreements '
        'list-charm-resources list-resources resources'
    ),
    _FIXED_STORAGE: 'add-storage attach-storage detach-storage import-filesystem',
    _ONE_POOL: (
        'create-storage-pool list-storage-pools remove-storage-pool storage-pools '
        'update-storage-pool'
    ),
    _NO_SUSPENSION: 'resume-relation suspend-relation',
    _NO_BUNDLES: 'diff-bundle export-bundle',
    'charms on Kubernetes have none': 'collect-metrics list-payloads metrics payloads',
    _POD_SIZE: 'constraints set-constraints',
    _ONE_BACKEND: (
        'add-secret-backend list-secret-backends model-secret-backend remove-secret-backend '
        'secret-backends show-secret-backend update-secret-backend'
    ),
    _NO_HISTORY: (
        'cancel-task list-operations operations show-operation show-status-log show-task'
    ),
    _NO_INGRESS: 'dashboard expose unexpose',
    'debug the charm with `juju exec`, `juju ssh` and `juju debug-log`': (
        'debug-code debug-hook debug-hooks'
    ),
    'the documentation is Juju\'s: see "juju help" for what there is here': (
        'documentation help-action-commands help-hook-commands help-tool'
    ),
    'what a charm declares is in its charmcraft.yaml': 'actions list-actions show-action',
    '`juju status --format yaml` shows applications': 'show-application',
}
#: Juju's command → why it is refused.
COMMANDS = {name: why for why, names in _GROUPS.items() for name in names.split()}
