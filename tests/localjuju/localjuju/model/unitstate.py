"""A unit, what its agent remembers, and the events that it gets: plain data."""

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from typing import Any, Literal

Databag = dict[str, str]


class Life(enum.StrEnum):
    """Nothing dies immediately: whatever is dying still runs its last hooks."""

    ALIVE = 'alive'
    DYING = 'dying'
    DEAD = 'dead'


@dataclasses.dataclass
class Status:
    """A status, and since when it holds (seconds since the epoch)."""

    current: str
    message: str = ''
    since: float = 0.0


@dataclasses.dataclass
class Seen:
    """What one unit has seen of one relation: the unit agent's memory.

    ``members`` and ``applications`` hold the version of each databag that was announced to the
    unit. ``settings`` holds remote databags as the unit first read them since the last announced
    change: a unit does not see a newer one before its relation-changed.
    """

    created: bool = False
    members: dict[str, int] = dataclasses.field(default_factory=dict)
    applications: dict[str, int] = dataclasses.field(default_factory=dict)
    changed_pending: str = ''
    settings: dict[str, Databag] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Task:
    """An action, or a command to execute, on one unit, and its outcome."""

    id: int
    unit: str
    action: str  # the empty string for a command
    params: dict[str, Any] = dataclasses.field(default_factory=dict)
    command: str = ''
    timeout: float = 300.0
    status: str = 'pending'
    results: dict[str, Any] = dataclasses.field(default_factory=dict)
    message: str = ''
    log: list[str] = dataclasses.field(default_factory=list)
    times: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether its results are final."""
        return self.status in ('completed', 'failed', 'aborted', 'cancelled')


@dataclasses.dataclass(frozen=True)
class Event:
    """One hook, action or command that a unit runs.

    ``kind`` is Juju's kind of hook (``relation-joined``, ``pebble-ready``, ``install``…);
    ``subject`` is the endpoint, container or store that prefixes the hook's name.
    """

    kind: str
    subject: str = ''
    relation: int | None = None
    remote_app: str = ''
    remote_unit: str = ''
    departing: str = ''
    version: int = 0
    notice: tuple[str, str, str] = ('', '', '')  # id, type, key
    check: str = ''
    secret: str = ''
    label: str = ''
    revision: int = 0
    storage: str = ''
    task: Task | None = dataclasses.field(default=None, compare=False)

    @property
    def hook(self) -> str:
        """The hook's name, as in ``hooks/<name>``; an action's is ``actions/<name>``."""
        if self.task is not None:
            return f'actions/{self.task.action}' if self.task.action else 'juju-exec'
        return f'{self.subject}-{self.kind}' if self.subject else self.kind


#: The hook that follows the first config-changed, and comes first in a new pod after a refresh.
START = Event('start')


@dataclasses.dataclass
class Unit:
    """A unit, with the state of its agent.

    ``queued`` is a hook that must run next (such as start after the first config-changed);
    ``failed`` is one that failed and will be retried with the same event, and
    ``needs_kubernetes`` whether it failed for want of the Kubernetes API. ``config`` is what the
    last config-changed announced, None before the first. ``settled`` is the generation of the
    model (`agent.Changes`) in which the agent last found nothing to do. ``later`` is how many
    seconds ahead the agent and the charm see the clock, while a hook runs as if it were later.
    ``attached`` holds the storage whose storage-attached ran.
    """

    name: str
    life: Life = Life.ALIVE
    address: str = ''
    installed: bool = False
    started: bool = False
    stopped: bool = False
    removed: bool = False
    leader: bool = False
    leader_version: int = 0
    config: Mapping[str, Any] | None = None
    charm_version: int = 0
    charm_missing: bool = False
    pod_going: bool = False
    pod_killed: bool = False
    roll_pending: bool = False
    queued: Event | None = None
    failed: Event | None = None
    needs_kubernetes: bool = False
    retries: int = 0
    retry_at: float = 0.0
    resolved: Literal['', 'retry', 'skip'] = ''
    seen: dict[int, Seen] = dataclasses.field(default_factory=dict)
    workload_events: list[Event] = dataclasses.field(default_factory=list)
    requested: list[Event] = dataclasses.field(default_factory=list)
    tasks: list[Task] = dataclasses.field(default_factory=list)
    update_status_due: bool = False
    workload: Status = dataclasses.field(
        default_factory=lambda: Status('waiting', 'installing agent')
    )
    status_set: bool = False
    agent: Status = dataclasses.field(default_factory=lambda: Status('allocating'))
    settled: int = -1
    later: float = 0.0
    ports: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    state: dict[str, str] = dataclasses.field(default_factory=dict)
    ready_containers: set[str] = dataclasses.field(default_factory=set)
    attached: set[str] = dataclasses.field(default_factory=set)

    @property
    def app(self) -> str:
        """Its application's name."""
        return app_of(self.name)

    @property
    def number(self) -> int:
        """The N of app/N."""
        return int(self.name.rpartition('/')[2])

    @property
    def busy(self) -> bool:
        """Whether a hook is waiting that only actions and commands may overtake."""
        return self.queued is not None or self.failed is not None


def app_of(unit: str) -> str:
    """The application's name in a unit's name."""
    return unit.partition('/')[0]


def by_number(names: Iterator[str] | set[str] | dict[str, Any] | list[str]) -> list[str]:
    """Unit names in the order a human expects: a/2 before a/10."""
    return sorted(names, key=lambda n: (app_of(n), int(n.rpartition('/')[2])))
