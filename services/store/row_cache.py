"""Rows that the one writer has read or written itself, so that the next flush need not read them again.

It is right because nobody else writes: SQLite admits one writer, and the fence ends a coordinator whose database was
taken over. It holds what was committed, never what was only folded. Bounded; what is not here is read.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.domain.agent import Agent, AgentKey
from services.domain.ledger import Ledger
from services.domain.queue import Queue, QueueKey
from services.domain.task import Task
from services.store.limits import CACHED_AGENTS_MAX, CACHED_QUEUES_MAX, CACHED_TASKS_MAX


class RowCache:
    """See the module. A queue that nobody configured is remembered as such."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._agents: dict[AgentKey, Agent] = {}
        self._queues: dict[QueueKey, Queue | None] = {}

    def take_tasks(self, wanted: Iterable[str], ledger: Ledger) -> list[str]:
        """Puts the tasks that are here into the ledger; returns the others."""
        missing = []
        for task_id in wanted:
            task = self._tasks.get(task_id)
            if task is None:
                missing.append(task_id)
            else:
                ledger.tasks[task_id] = task
        return missing

    def take_agents(self, wanted: Iterable[AgentKey], ledger: Ledger) -> list[AgentKey]:
        """Puts the agents that are here into the ledger; returns the others."""
        missing = []
        for key in wanted:
            agent = self._agents.get(key)
            if agent is None:
                missing.append(key)
            else:
                ledger.agents[key] = agent
        return missing

    def take_queues(self, wanted: Iterable[QueueKey], ledger: Ledger) -> list[QueueKey]:
        """Puts the configured queues that are here into the ledger; returns those of which nothing is known."""
        missing = []
        for key in wanted:
            if key not in self._queues:
                missing.append(key)
            elif (queue := self._queues[key]) is not None:
                ledger.queues[key] = queue
        return missing

    def remember(self, ledger: Ledger, queues: Iterable[QueueKey]) -> None:
        """Takes in what a flush has committed, and which queues it knows to be configured or not."""
        self._make_room()
        for task_id in ledger.changed_tasks:
            task = ledger.tasks[task_id]
            if task.terminal:
                self._tasks.pop(task_id, None)
            else:
                self._tasks[task_id] = task
        self._agents.update(ledger.agents)
        for key in (*queues, *ledger.changed_queues):
            self._queues[key] = ledger.queues.get(key)

    def forget(self) -> None:
        """Nothing is certain any more."""
        self._tasks.clear()
        self._agents.clear()
        self._queues.clear()

    def _make_room(self) -> None:
        if len(self._tasks) > CACHED_TASKS_MAX:
            for task_id in list(self._tasks)[: CACHED_TASKS_MAX // 2]:
                del self._tasks[task_id]
        if len(self._agents) > CACHED_AGENTS_MAX:
            self._agents.clear()
        if len(self._queues) > CACHED_QUEUES_MAX:
            self._queues.clear()
