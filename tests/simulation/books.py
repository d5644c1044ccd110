"""What is checked, after every commit and in the end: the promises by their numbers, S1 to S17, L1 and L4.

The books are kept from the log alone, and compared with the tables.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec

from services.domain.agent import Agent, AgentKey, AgentState, DrainMode
from services.domain.commands import LeaseKey
from services.domain.event import Event, EventType
from services.domain.failure import AttemptOutcome
from services.domain.ledger import Ledger
from services.domain.retry import DEFAULT_RETRY
from services.domain.task import HELD, TERMINAL, TRANSITIONS, TaskState
from tests.simulation.tables import Tables

EDGES = {(int(before), int(after)) for before, after in TRANSITIONS} | {(0, 1), (0, 2)}
# Where a task is after an event, if that does not follow from its state before.
LEADS_TO = {
    EventType.TASK_READY: TaskState.PENDING,
    EventType.TASK_LEASED: TaskState.LEASED,
    EventType.TASK_STARTED: TaskState.RUNNING,
    EventType.TASK_REQUEUED: TaskState.PENDING,
    EventType.TASK_RETRYING: TaskState.SCHEDULED,
    EventType.TASK_SUCCEEDED: TaskState.SUCCEEDED,
    EventType.TASK_FAILED: TaskState.FAILED,
    EventType.TASK_CANCELLED: TaskState.CANCELLED,
    EventType.TASK_EXPIRED: TaskState.EXPIRED,
}
UNCANCELLED = {TaskState.SCHEDULED, TaskState.PENDING, TaskState.FAILED}


class Broken(AssertionError):
    """A promise that was not kept."""


def promise(kept: bool, name: str, *what: object) -> None:
    """Raises Broken unless it is kept."""
    if not kept:
        raise Broken(f"{name}: {' '.join(map(str, what))}")


class ToldTask(msgspec.Struct):
    """A task as the log tells of it."""

    state: int = 0
    version: int = 0
    token: int = 0
    failures: int = 0
    redeliveries: int = 0


class Books:
    """See the module."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._tasks: defaultdict[str, ToldTask] = defaultdict(ToldTask)
        self._agents: dict[AgentKey, tuple[int, int]] = {}
        self._cordoned: set[AgentKey] = set()
        self._draining: set[AgentKey] = set()
        self._queues: dict[tuple[str, str], tuple[int, bool]] = {}
        self._holders: dict[LeaseKey, str] = {}  # the incarnation that a lease was granted to
        self._cancelled: set[str] = set()
        self._current: dict[AgentKey, str] = {}  # incarnations
        self._superseded: set[str] = set()
        self._sequence = 0

    def on_commit(self, ledger: Ledger) -> None:
        """Looks at one commit."""
        self._sequence += len(ledger.events)
        promise(len(self._tables.events) == self._sequence, "S10", "the log is not dense")
        for event in ledger.events:
            if event.task_id:
                self._hear_task(event)
            elif event.agent_id:
                self._hear_agent(event)
            else:
                self._hear_queue(event)
        for task_id in ledger.changed_tasks:
            self._compare_task(task_id)
        for attempt in ledger.ended:
            if attempt.digest:
                lease = (attempt.task_id, attempt.token)
                promise(self._holders.get(lease) == attempt.incarnation, "S4", lease, "ended by", attempt.incarnation)
        self._count(ledger)

    def _hear_task(self, event: Event) -> None:
        told, data = self._tasks[event.task_id], event.data
        who = f"{event.task_id} at {event.type.name}"
        promise(told.state not in TERMINAL, "S6", who, "had ended as", told.state)
        promise(data.version == told.version + 1, "S9", who, "version", data.version, "after", told.version)
        promise(data.from_state == told.state, "S9", who, "from", data.from_state, "but was", told.state)
        if data.from_state != data.to_state:
            promise((data.from_state, data.to_state) in EDGES, "S8", who, data.from_state, "->", data.to_state)
        promise(data.to_state == LEADS_TO.get(event.type, told.state or data.to_state), "S8", who, "to", data.to_state)
        if event.type is EventType.TASK_CANCEL_REQUESTED:
            self._cancelled.add(event.task_id)
        elif event.task_id in self._cancelled:
            promise(data.to_state not in UNCANCELLED, "S16", who, "was cancelled, and is", data.to_state)
        if event.type is EventType.TASK_LEASED:
            self._hear_grant(event, told)
        else:
            promise(data.token == told.token, "S3", who, "the token changed without a grant")
        self._tasks[event.task_id] = ToldTask(data.to_state, data.version, data.token, data.failures, data.redeliveries)

    def _hear_grant(self, event: Event, told: ToldTask) -> None:
        key, queue = (event.namespace, event.agent_id), (event.namespace, event.queue)
        promise(told.state not in HELD, "S3", event.task_id, "has two leases")
        promise(event.data.token == told.token + 1, "S3", event.task_id, "token", event.data.token, "after", told.token)
        closed = key in self._cordoned or key in self._draining
        promise(not closed, "S14", event.task_id, "was granted to", key, "after its drain or cordon")
        promise(not self._queues.get(queue, (0, False))[1], "S14", event.task_id, "was granted while", queue, "paused")
        connected = self._agents[key][1] == AgentState.READY
        promise(connected, "S14", event.task_id, "was granted to", key, "that is not there")
        self._holders[(event.task_id, event.data.token)] = self._tables.agents[key].incarnation

    def _hear_agent(self, event: Event) -> None:
        key = (event.namespace, event.agent_id)
        if event.type is EventType.AGENT_CORDONED:
            self._cordoned.add(key)
        elif event.type is EventType.AGENT_UNCORDONED:
            self._cordoned.discard(key)
        elif event.type is EventType.AGENT_DRAINING:
            self._draining.add(key)
        elif event.type is EventType.AGENT_RESUMED:
            self._draining.discard(key)
        elif event.type is EventType.AGENT_DRAINED:
            promise(self._tables.agents[key].leases == 0, "S9", key, "is said to be drained, and holds leases")
        elif event.type is EventType.AGENT_CONNECTED and self._tables.agents[key].drain_mode is DrainMode.NONE:
            self._draining.discard(key)  # it drained by itself, and now says that it does not
        if event.type is EventType.AGENT_CONNECTED:
            self._hear_incarnation(key)
        self._agents[key] = (event.data.version, event.data.agent_state)

    def _hear_incarnation(self, key: AgentKey) -> None:
        incarnation = self._tables.agents[key].incarnation
        promise(incarnation not in self._superseded, "S17", key, "is", incarnation, "again")
        earlier = self._current.get(key, incarnation)
        if earlier != incarnation:
            self._superseded.add(earlier)
        self._current[key] = incarnation

    def _hear_queue(self, event: Event) -> None:
        key = (event.namespace, event.queue)
        paused = self._queues.get(key, (0, False))[1]
        if event.type in (EventType.QUEUE_PAUSED, EventType.QUEUE_RESUMED):
            paused = event.type is EventType.QUEUE_PAUSED
        self._queues[key] = (event.data.version, paused)

    def _compare_task(self, task_id: str) -> None:
        row, told = self._tables.tasks[task_id], self._tasks[task_id]
        kept = ToldTask(int(row.state), row.version, row.token, row.failures, row.redeliveries)
        promise(kept == told, "S9", task_id, "is", kept, "in the table,", told, "in the log")
        policy = row.retry or DEFAULT_RETRY
        promise(row.failures <= policy.attempts_max, "S7", task_id, "failed", row.failures, "times")
        promise(row.redeliveries <= policy.redeliveries_max + 1, "S7", task_id, "lost", row.redeliveries, "times")

    def _count(self, ledger: Ledger) -> None:
        leases: Counter[AgentKey] = Counter()
        started: Counter[AgentKey] = Counter()
        used: defaultdict[AgentKey, Counter[str]] = defaultdict(Counter)
        for task in self._tables.tasks.values():
            if task.state in HELD:
                key = (task.namespace, task.agent_id)
                leases[key] += 1
                started[key] += task.state is TaskState.RUNNING
                used[key].update(self._tables.needs[task.needs_id].resources)  # type: ignore[arg-type]  # floats
                holder = self._holders[(task.id, task.token)]
                promise(holder == self._tables.agents[key].incarnation, "S17", task.id, "is held by", holder)
        granted_to = {(g.task.namespace, g.task.agent_id) for g in ledger.granted} - ledger.admitted
        for key, agent in self._tables.agents.items():
            counted = (leases[key], started[key], dict(used[key]))
            kept = (agent.leases, agent.started, agent.resources_used)
            promise(counted == kept, "S13", key, "counts", kept, "but has", counted)
            if key in granted_to:
                self._fits(agent)
            told = self._agents[key]
            promise(told == (agent.session, agent.state), "S9", key, "is", agent.session, agent.state, "told", told)
        for queue in self._tables.queues.values():
            told_queue = self._queues[queue.key]
            promise(told_queue == (queue.version, queue.paused), "S9", queue.key, "is not as it was told")

    def _fits(self, agent: Agent) -> None:
        limit = agent.declared.slots  # its queues bind late: an agent's own queue stays empty
        promise(agent.leases <= limit, "S13", agent.key, "holds", agent.leases, "of", limit)
        for name, amount in agent.resources_used.items():
            promise(amount <= agent.declared.resources.get(name, 0.0), "S13", agent.key, "uses", amount, name)

    def on_end(self, finished: set[tuple[str, LeaseKey]]) -> None:
        """What must be so when everything has come to rest. `finished`: what was really done, by whom."""
        for task_id, row in self._tables.tasks.items():
            self._compare_task(task_id)
            successes = [
                attempt
                for attempt in self._tables.attempts.values()
                if attempt.task_id == task_id and attempt.outcome is AttemptOutcome.SUCCEEDED
            ]
            promise(len(successes) == int(row.state is TaskState.SUCCEEDED), "S5", task_id, "succeeded", successes)
            for attempt in successes:
                done = (attempt.incarnation, (attempt.task_id, attempt.token)) in finished
                promise(done, "S5", task_id, "is said to have succeeded, and nobody did it")
        promise(len(self._tasks) == len(self._tables.tasks), "S9", "tasks without events, or events without tasks")
