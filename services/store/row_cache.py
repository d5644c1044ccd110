"""Rows that this coordinator has read or written itself, so that the next flush need not read them again.

On SQLite nobody else writes, so it is right. On PostgreSQL it may be late, and does no harm: the transaction looks at
the versions again. What others are known to have changed is forgotten. What was committed is kept within bounds, and
read again when it is not here. What is on its way to the database cannot be read there yet, so all of it is here until
it is written.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from services.domain.agent import Agent, AgentKey
from services.domain.commands import RequestKey
from services.domain.cron_schedule import ScheduleKey
from services.domain.ledger import Ledger, RequestRecord
from services.domain.links import Link
from services.domain.queue import Queue, QueueKey
from services.domain.requirements import Requirements
from services.domain.stuck_group import StuckKey
from services.domain.task import Task
from services.store.limits import CACHED_AGENTS_MAX, CACHED_QUEUES_MAX, CACHED_REQUESTS_MAX, CACHED_TASKS_MAX


class RowCache:
    """See the module. A queue that nobody configured is remembered as such."""

    def __init__(self) -> None:
        self._unwritten: list[Ledger] = []  # oldest first: of two that change a row, the later counts
        self._tasks: dict[str, Task] = {}
        self._agents: dict[AgentKey, Agent] = {}
        self._queues: dict[QueueKey, Queue | None] = {}
        self._requests: dict[RequestKey, RequestRecord] = {}

    @property
    def unwritten(self) -> Sequence[Ledger]:
        """The flushes that are being written, oldest first."""
        return self._unwritten

    def take_tasks(self, wanted: Iterable[str], ledger: Ledger) -> list[str]:
        """Puts the tasks that are here into the ledger; returns the others."""
        missing = []
        for task_id in wanted:
            task = self._unwritten_task(task_id) or self._tasks.get(task_id)
            if task is None:
                missing.append(task_id)
            else:
                ledger.tasks[task_id] = task
        return missing

    def take_agents(self, wanted: Iterable[AgentKey], ledger: Ledger) -> list[AgentKey]:
        """Puts the agents that are here into the ledger; returns the others."""
        missing = []
        for key in wanted:
            agent = self._unwritten_agent(key) or self._agents.get(key)
            if agent is None:
                missing.append(key)
            else:
                ledger.agents[key] = agent
        return missing

    def take_queues(self, wanted: Iterable[QueueKey], ledger: Ledger) -> list[QueueKey]:
        """Puts the configured queues that are here into the ledger; returns those of which nothing is known."""
        missing = []
        for key in wanted:
            queue = self._unwritten_queue(key) or self._queues.get(key)
            if queue is not None:
                ledger.queues[key] = queue
            elif key not in self._queues:
                missing.append(key)
        return missing

    def take_schedules(self, wanted: Iterable[ScheduleKey], ledger: Ledger) -> list[ScheduleKey]:
        """Puts the schedules into the ledger that are not written yet; returns the others."""
        missing = []
        for key in wanted:
            for earlier in reversed(self._unwritten):
                if key in earlier.schedules.changed:
                    ledger.schedules.rows[key] = earlier.schedules.rows[key]
                    break
            else:
                missing.append(key)
        return missing

    def take_stuck(self, wanted: Iterable[StuckKey], ledger: Ledger) -> list[StuckKey]:
        """Puts those groups into the ledger that were changed and are not written yet; returns those to be read."""
        missing = []
        for key in wanted:
            earlier = next((each for each in reversed(self._unwritten) if key in each.changed_stuck), None)
            if earlier is None:
                missing.append(key)
            elif earlier.stuck[key].reason:  # or else its row is gone when this is written
                ledger.stuck[key] = earlier.stuck[key]
        return missing

    def correct_held(self, holders: Container[AgentKey], ledger: Ledger) -> None:
        """After the tasks that agents hold were read: puts in what has changed about that and is not written yet."""
        for earlier in self._unwritten:
            for task_id in earlier.changed_tasks:
                task = earlier.tasks[task_id]
                if task_id in ledger.tasks or (task.held and (task.namespace, task.agent_id) in holders):
                    ledger.tasks[task_id] = task

    def take_requests(self, wanted: Iterable[RequestKey], ledger: Ledger, *, shared: bool) -> list[RequestKey]:
        """Puts the request ids that are here into the ledger.

        Returns those that have to be read, if others write, too: they may have forgotten the task, which is no event.
        """
        known = [key for key in wanted if key in self._requests]
        if not shared:
            ledger.requests.update((key, self._requests[key]) for key in known)
        for earlier in self._unwritten:
            ledger.requests.update(((r.namespace, r.request_id), r) for r in earlier.new_requests)
        return [key for key in known if key not in ledger.requests]

    def take_attempts(self, ledger: Ledger) -> None:
        """Puts the ended attempts into the ledger that are not written yet."""
        for earlier in self._unwritten:
            ledger.attempts.update(((a.task_id, a.token), a) for a in earlier.ended)

    def links_after(self, found: list[Link], waited_for: Iterable[str]) -> list[Link]:
        """The links to these tasks, given those that were read: with what is not written yet."""
        for earlier in self._unwritten:
            found = earlier.links.after(found, waited_for)
        return found

    def unwritten_requirements(self) -> dict[str, Requirements]:
        """Sets of requirements that are not written yet, by their names."""
        return {name: found for earlier in self._unwritten for name, found in earlier.new_requirements.items()}

    def hold(self, ledger: Ledger) -> None:
        """Keeps all that a flush has changed, until it is written."""
        self._unwritten.append(ledger)
        self._drop_requests(ledger)

    def remember(self, ledger: Ledger, queues: Iterable[QueueKey]) -> None:
        """The flush is written: it may be read, and is remembered; so is which queues are configured or not."""
        self._unwritten.remove(ledger)
        self._make_room()
        for task_id in ledger.changed_tasks:
            task = ledger.tasks[task_id]
            if task.terminal:
                self._tasks.pop(task_id, None)
            else:
                self._tasks[task_id] = task
        self._requests.update(((r.namespace, r.request_id), r) for r in ledger.new_requests)
        for forgetting in (ledger, *self._unwritten):  # its own tasks, or those of a flush on top of it
            self._drop_requests(forgetting)
        self._agents.update(ledger.agents)
        for key in (*queues, *ledger.changed_queues):
            self._queues[key] = ledger.queues.get(key)

    def forget(self) -> None:
        """Nothing is certain any more."""
        self._unwritten.clear()
        self._tasks.clear()
        self._agents.clear()
        self._queues.clear()
        self._requests.clear()

    def forget_read(self, ledger: Ledger, queues: Iterable[QueueKey]) -> None:
        """This flush was not written: neither what it has changed counts, nor what it was decided on."""
        if ledger in self._unwritten:
            self._unwritten.remove(ledger)
        self.forget_rows(ledger.tasks, ledger.agents, queues)
        for record in ledger.new_requests:
            self._requests.pop((record.namespace, record.request_id), None)

    def forget_rows(self, task_ids: Iterable[str], agents: Iterable[AgentKey], queues: Iterable[QueueKey]) -> None:
        """These are read again, as far as nothing of our own stands on them that is not written yet."""
        for task_id in task_ids:
            self._tasks.pop(task_id, None)
        for agent in agents:
            self._agents.pop(agent, None)
        for queue in queues:
            self._queues.pop(queue, None)

    def _drop_requests(self, ledger: Ledger) -> None:
        """Does not remember the request ids of tasks that were forgotten: they may be used again."""
        for task in ledger.forgotten:
            key = (task.namespace, task.request_id)
            if key in self._requests and self._requests[key].task_id == task.id:
                del self._requests[key]

    def _unwritten_task(self, task_id: str) -> Task | None:
        for earlier in reversed(self._unwritten):
            if task_id in earlier.changed_tasks:
                return earlier.tasks[task_id]
        return None

    def _unwritten_agent(self, key: AgentKey) -> Agent | None:
        for earlier in reversed(self._unwritten):
            if key in earlier.changed_agents:
                return earlier.agents[key]
        return None

    def _unwritten_queue(self, key: QueueKey) -> Queue | None:
        for earlier in reversed(self._unwritten):
            if key in earlier.changed_queues:
                return earlier.queues[key]
        return None

    def _make_room(self) -> None:
        if len(self._tasks) > CACHED_TASKS_MAX:
            for task_id in list(self._tasks)[: CACHED_TASKS_MAX // 2]:
                del self._tasks[task_id]
        if len(self._requests) > CACHED_REQUESTS_MAX:
            for key in list(self._requests)[: CACHED_REQUESTS_MAX // 2]:
                del self._requests[key]
        if len(self._agents) > CACHED_AGENTS_MAX:
            self._agents.clear()
        if len(self._queues) > CACHED_QUEUES_MAX:
            self._queues.clear()
