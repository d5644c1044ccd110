"""The database: tables as dictionaries of frozen rows. Reads what a flush touches, applies what its ledger changed."""

from __future__ import annotations

from collections.abc import Iterable

from services.coordinator.window import GroupKey, group_key
from services.domain.agent import Agent, AgentKey
from services.domain.commands import Command, LeaseKey, NewTask, RequestKey
from services.domain.event import Event
from services.domain.failure import Attempt
from services.domain.fold import touched
from services.domain.ledger import Ledger, RequestRecord, Rules
from services.domain.limits import DRAIN_GRACE_MICROS
from services.domain.queue import Queue, QueueKey
from services.domain.requirements import Requirements
from services.domain.task import Task, TaskState
from services.store.backlog import BacklogGroup, BacklogTask
from services.store.flush import Committed, committed


class Tables:
    """What survives every process."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.tasks: dict[str, Task] = {}
        self.agents: dict[AgentKey, Agent] = {}
        self.queues: dict[QueueKey, Queue] = {}
        self.requests: dict[RequestKey, RequestRecord] = {}
        self.attempts: dict[LeaseKey, Attempt] = {}
        self.needs: dict[str, Requirements] = {}
        self.details: dict[str, NewTask] = {}
        self.checkpoints: dict[str, bytes] = {}
        self.events: list[Event] = []

    def read(self, commands: Iterable[Command], now: int) -> Ledger:
        """The ledger of a flush. Rows come in the order in which they were made, as from an index."""
        touches = touched(commands)
        ledger = Ledger(now, self.rules)
        holders = touches.holders
        wanted = touches.task_ids - touches.created
        ledger.tasks = {
            id_: task
            for id_, task in self.tasks.items()
            if id_ in wanted or (task.held and (task.namespace, task.agent_id) in holders)
        }
        ledger.agents = dict(self.agents)
        ledger.queues = dict(self.queues)
        ledger.requests = {key: self.requests[key] for key in touches.requests if key in self.requests}
        ledger.attempts = {key: self.attempts[key] for key in touches.leases if key in self.attempts}
        ledger.requirements = dict(self.needs)
        return ledger

    def apply(self, ledger: Ledger) -> Committed:
        """The commit."""
        told = committed(ledger, len(self.events) + 1)
        self.tasks.update(told.tasks)
        self.agents.update((agent.key, agent) for agent in told.agents)
        self.queues.update((queue.key, queue) for queue in told.queues)
        self.requests.update(((r.namespace, r.request_id), r) for r in ledger.new_requests)
        self.attempts.update(((a.task_id, a.token), a) for a in ledger.ended)
        self.needs.update(ledger.new_requirements)
        self.details.update(ledger.created)
        self.checkpoints.update(ledger.checkpoints)
        self.events += ledger.events
        return told

    def groups(self) -> list[BacklogGroup]:
        """The backlog by groups, as a start reads it."""
        counts: dict[GroupKey, list[Task]] = {}
        for task in self.tasks.values():
            if task.state is TaskState.PENDING:
                counts.setdefault(group_key(task), []).append(task)
        return [
            BacklogGroup(*key, kind=tasks[0].kind, requirements=self.needs[key[3]], count=len(tasks))
            for key, tasks in counts.items()
        ]

    def ready(self, key: GroupKey, *, after: tuple[int, str], limit: int) -> list[BacklogTask]:
        """The next ready tasks of a group."""
        found = sorted(
            (task.queued_time, task.id, task)
            for task in self.tasks.values()
            if task.state is TaskState.PENDING and group_key(task) == key and (task.queued_time, task.id) > after
        )
        return [
            BacklogTask(id_, time, task.affinity_key, task.avoid, task.version) for time, id_, task in found[:limit]
        ]

    def present_agents(self) -> list[tuple[AgentKey, int]]:
        """The agents that a start adopts, with their sessions."""
        return [(key, agent.session) for key, agent in self.agents.items() if agent.connected or agent.leases]

    def overdue_drains(self, now: int) -> list[AgentKey]:
        """The agents that hold something although their drain should be over."""
        return [a.key for a in self.agents.values() if a.leases and 0 < a.drain_time <= now - DRAIN_GRACE_MICROS]

    def due(self, now: int) -> tuple[list[str], list[tuple[AgentKey, int]], int]:
        """Tasks and sessions whose time has come, and the next timer after those."""
        timers = sorted((task.wake_time, task.id) for task in self.tasks.values() if task.wake_time)
        sessions = [(a.key, a.session) for a in self.agents.values() if 0 < a.expire_time <= now]
        later = [time for time, _ in timers if time > now]
        return [id_ for time, id_ in timers if time <= now], sessions, later[0] if later else 0
