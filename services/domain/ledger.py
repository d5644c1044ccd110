"""The unit of work of one flush: what was read for it, what the fold changed, and what must be told once it is
committed.

A Ledger is filled by the store, changed by the fold, and written by the store. It has no clock (`now` is given), no
I/O, and no way to change a task or an agent without recording the event of the change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from services.domain.agent import Agent, AgentKey
from services.domain.commands import LeaseKey, NewTask, RequestKey, TrimmedChunk
from services.domain.cron_schedule import ScheduleKey
from services.domain.errors import NotFound
from services.domain.event import Event, EventData, EventType, Stuck, in_older_words
from services.domain.failure import Attempt, AttemptOutcome, Failure, Progress
from services.domain.gate import FlushGates
from services.domain.links import Links
from services.domain.membership import PROGRAM, ROUTING_PROGRAM
from services.domain.queue import Queue, QueueKey
from services.domain.requirements import Requirements
from services.domain.schedule_ledger import ScheduleLedger
from services.domain.stuck_group import StuckGroup, StuckKey
from services.domain.task import Task

TASK_CHANGED = EventType.TASK_CHANGED  # a member of an enum costs more than a name, and every change asks


class Touches:
    """What a flush has to read: the keys that its commands name."""

    def __init__(self) -> None:
        self.task_ids: set[str] = set()
        self.created: set[str] = set()  # tasks that these very commands make: not there yet
        self.dependencies: set[str] = set()  # tasks that new ones depend on: only their rows
        self.agents: set[AgentKey] = set()
        self.holders: set[AgentKey] = set()  # agents of which every lease is wanted
        self.queues: set[QueueKey] = set()
        self.schedules: set[ScheduleKey] = set()
        self.gated: set[QueueKey] = set()  # of these, the ones whose depth is wanted whatever their policy is now
        self.requests: set[RequestKey] = set()
        self.stuck: set[StuckKey] = set()
        self.leases: list[LeaseKey] = []  # whose attempts are wanted, if they have ended


class Granted(msgspec.Struct, frozen=True, gc=False):
    """A lease that the commit makes real: to be delivered to the agent's session."""

    task: Task
    session: int
    ttl_micros: int


class Revoked(msgspec.Struct, frozen=True, gc=False):
    """A lease that the commit takes away: the agent, if it is there, must drop it."""

    agent: AgentKey
    task_id: str
    token: int


class CancelOrder(msgspec.Struct, frozen=True, gc=False):
    """A lease whose work must stop: to be told to the agent."""

    agent: AgentKey
    task_id: str
    token: int


class RequestRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which task a request id belongs to, and the digest of its body."""

    namespace: str
    request_id: str
    task_id: str
    digest: str


class Rules(msgspec.Struct, frozen=True):
    """The coordinator's settings that the fold needs."""

    lease_ttl_micros: int = 30_000_000
    run_limit_grace_micros: int = 10_000_000


class Ledger:
    """See the module. The dictionaries hold what was read, and are changed by the fold."""

    # With more than 30 attributes, instances would not share their keys: slots are about 1 µs a task cheaper.
    __slots__ = (
        "admitted",
        "adopted",
        "agents",
        "attempts",
        "cancels",
        "changed_agents",
        "changed_queues",
        "changed_stuck",
        "changed_tasks",
        "checkpoints",
        "created",
        "ended",
        "ended_dependencies",
        "events",
        "failures",
        "forgotten",
        "gates",
        "granted",
        "links",
        "new_requests",
        "new_requirements",
        "now",
        "program",
        "progress",
        "queues",
        "ready",
        "relocated",
        "requests",
        "requirements",
        "revoked",
        "rules",
        "schedules",
        "shard",
        "stuck",
        "tasks",
        "trimmed",
        "unready",
        "unsettled",
    )

    def __init__(self, now: int, rules: Rules, *, shard: int = 0, program: int = PROGRAM) -> None:
        self.now = now
        self.program = program  # what every live coordinator knows, and so which events may be told
        self.shard = shard  # where new tasks go
        self.rules = rules
        self.tasks: dict[str, Task] = {}
        self.agents: dict[AgentKey, Agent] = {}
        self.queues: dict[QueueKey, Queue] = {}
        self.requests: dict[RequestKey, RequestRecord] = {}
        self.attempts: dict[LeaseKey, Attempt] = {}
        self.requirements: dict[str, Requirements] = {}
        self.gates = FlushGates()
        self.stuck: dict[StuckKey, StuckGroup] = {}
        # What the fold made.
        self.created: dict[str, NewTask] = {}
        self.new_requests: list[RequestRecord] = []
        self.new_requirements: dict[str, Requirements] = {}
        self.changed_tasks: dict[str, None] = {}
        self.relocated: dict[str, bytes] = {}  # tasks in another line, and what that makes of their specs
        self.changed_agents: dict[AgentKey, None] = {}
        self.changed_queues: dict[QueueKey, None] = {}
        self.changed_stuck: dict[StuckKey, None] = {}
        self.admitted: set[AgentKey] = set()  # agents of which the whole row is new
        self.adopted: set[AgentKey] = set()  # agents that wait here for their next Hello
        self.ended: list[Attempt] = []
        self.checkpoints: dict[str, bytes] = {}
        self.progress: dict[str, Progress] = {}
        self.failures: dict[str, Failure] = {}  # of tasks that no attempt has ended
        self.links = Links()
        self.ended_dependencies: dict[str, None] = {}  # others wait for them, and were not looked for yet
        self.unsettled: dict[str, None] = {}  # the same, and not in this flush
        self.events: list[Event] = []
        self.schedules = ScheduleLedger(now, self.events)
        self.forgotten: list[Task] = []
        self.trimmed: list[TrimmedChunk] = []
        # What is to be told after the commit.
        self.ready: list[Task] = []
        self.unready: list[Task] = []
        self.granted: list[Granted] = []
        self.revoked: list[Revoked] = []
        self.cancels: list[CancelOrder] = []

    def task(self, namespace: str, task_id: str) -> Task:
        """The task, if it is in this namespace. Raises NotFound, with the same words for foreign and missing ones."""
        task = self.tasks.get(task_id)
        if task is None or task.namespace != namespace:
            raise NotFound(f"there is no task {task_id} in namespace {namespace}", task_id=task_id)
        return task

    def agent(self, key: AgentKey) -> Agent:
        """The agent. Raises NotFound."""
        agent = self.agents.get(key)
        if agent is None:
            raise NotFound(f"there is no agent {key[1]} in namespace {key[0]}", agent_id=key[1])
        return agent

    def queue(self, key: QueueKey) -> Queue:
        """The queue as configured, or one with the default policy."""
        return self.queues.get(key) or Queue(*key)

    def demand(self, task: Task) -> Mapping[str, float]:
        """Resources that the task holds while it is leased."""
        return self.requirements[task.needs_id].resources

    def leases_of(self, key: AgentKey) -> list[Task]:
        """Every task that the agent holds. Complete only for agents among Touches.holders."""
        return [t for t in self.tasks.values() if t.held and t.agent_id == key[1] and t.namespace == key[0]]

    def holdings(self) -> dict[AgentKey, list[Task]]:
        """Every task that the agents hold that came here with this flush. Complete: all of them are Touches.holders."""
        found: dict[AgentKey, list[Task]] = {key: [] for key in self.admitted | self.adopted}
        for task in self.tasks.values() if found else ():
            held = found.get((task.namespace, task.agent_id)) if task.held else None
            if held is not None:
                held.append(task)
        return found

    def put_task(
        self,
        before: Task | None,
        after: Task,
        type_: EventType,
        *,
        outcome: AttemptOutcome = AttemptOutcome.UNSPECIFIED,
        failure: Failure | None = None,
        progress: Progress | None = None,
        message: str = "",
    ) -> None:
        """Changes a task and records the event of the change."""
        self.tasks[after.id] = after
        self.changed_tasks[after.id] = None
        if after.has_dependents and after.terminal:
            self.ended_dependencies[after.id] = None
        new = before is None
        data = EventData(
            after.version,
            0 if before is None else before.state,
            after.state,
            after.token,
            after.failures,
            after.redeliveries,
            outcome,
            after.wake_time if after.state == 1 else 0,
            0,
            after.priority if new or type_ is TASK_CHANGED else 0,
            after.kind if new else "",
            after.retry_of if new else "",
            message,
            failure,
            progress,
            after.blockers,
        )
        # An agent is named only if it holds the task, or held it until this change.
        agent_id = after.agent_id if after.held or (before is not None and before.held) else ""
        self.events.append(Event(type_, self.now, after.namespace, after.queue, after.id, agent_id, data))

    def put_agent(self, after: Agent, type_: EventType | None = None, *, message: str = "") -> None:
        """Changes an agent; its load changes with its tasks' events, anything else records an event of its own."""
        key = after.key
        self.agents[key] = after
        self.changed_agents[key] = None
        if type_ is not None and self.program < ROUTING_PROGRAM:
            type_, message = in_older_words(type_, message, cordoned=after.cordoned)
        if type_ is not None:
            data = EventData(version=after.session, agent_state=after.state, message=message)
            self.events.append(Event(type_, self.now, after.namespace, "", "", after.id, data))

    def put_queue(self, after: Queue, type_: EventType, *, message: str = "") -> None:
        """Changes a queue and records the event of the change."""
        self.queues[after.key] = after
        self.changed_queues[after.key] = None
        data = EventData(version=after.version, message=message)
        self.events.append(Event(type_, self.now, after.namespace, after.name, "", "", data))

    def put_stuck(self, after: StuckGroup, type_: EventType) -> None:
        """Changes what is noted of a group that cannot be placed, and records the event of the change."""
        self.stuck[after.key] = after
        self.changed_stuck[after.key] = None
        stuck = Stuck(after.kind, after.priority, after.needs_id, after.reason, after.never, after.message)
        self.events.append(Event(type_, self.now, after.namespace, after.queue, "", "", EventData(stuck=stuck)))

    def end_attempt(self, attempt: Attempt) -> None:
        """Keeps an attempt that has ended."""
        self.ended.append(attempt)
        self.attempts[(attempt.task_id, attempt.token)] = attempt

    def revoke(self, tasks: Iterable[Task]) -> None:
        """Notes that the holders of these leases must drop them."""
        self.revoked += [Revoked((t.namespace, t.agent_id), t.id, t.token) for t in tasks]
