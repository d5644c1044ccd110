"""What the ledger of a flush has to have written, as rows, and what must still be so for it."""

from __future__ import annotations

from collections.abc import Iterable

from services.domain.agent import Agent, change
from services.domain.ledger import Ledger
from services.domain.queue import QueueKey
from services.store import rows, statements
from services.store.limits import CHUNK_EVENTS_MAX

# Rows by the statement that writes them.
Written = dict[statements.Write, list[rows.Row]]


class Versions:
    """The versions of all that a flush has read, and of what it does not change since it is not there: 0."""

    def __init__(self, ledger: Ledger, queues: Iterable[QueueKey]) -> None:
        self.tasks = {task_id: task.version for task_id, task in ledger.tasks.items()}
        self.agents = {key: agent.version for key, agent in ledger.agents.items()}
        self.queues = {key: queue.version for key in queues for queue in [ledger.queues.get(key)] if queue is not None}
        self.schedules = {key: schedule.version if schedule else 0 for key, schedule in ledger.schedules.rows.items()}
        self._absent = [key for key in queues if key not in self.queues]

    def of(self, write: statements.Write, rows: list[rows.Row]) -> list[int]:
        """What these rows were, if that has to be so still; empty if it does not matter."""
        if write is statements.CHANGE_TASKS:
            return [self.tasks[row[0]] for row in rows]
        if write in (statements.ADMIT_AGENTS, statements.CHANGE_AGENTS):
            return [self.agents[row[0], row[1]] for row in rows]
        if write is statements.CHANGE_QUEUES:
            return [self.queues[row[0], row[1]] for row in rows]
        if write in (statements.CHANGE_SCHEDULES, statements.FIRE_SCHEDULES, statements.DELETE_SCHEDULES):
            return [self.schedules[row[0], row[1]] for row in rows]
        return []

    def checks(self, ledger: Ledger, settled: Iterable[str]) -> list[tuple[int, list[rows.Row]]]:
        """What was read and is not changed; and that no other task has begun to wait for those that are settled."""
        queues = [*self.queues.items(), *((key, 0) for key in self._absent)]
        changed = ledger.changed_tasks.keys() | {task.id for task in ledger.forgotten}
        found: tuple[list[rows.Row], ...] = (
            [(task_id, version) for task_id, version in self.tasks.items() if task_id not in changed],
            [(*key, version) for key, version in self.agents.items() if key not in ledger.changed_agents],
            [(*key, version) for key, version in queues if key not in ledger.changed_queues],
            [(task_id, 0) for task_id in settled],
            [(*key, version) for key, version in self.schedules.items() if key not in ledger.schedules.changed],
        )
        return [(place, checked) for place, checked in enumerate(found) if checked]


def raise_versions(ledger: Ledger) -> None:
    """Every agent that the fold changed is one version further, whatever it changed how often."""
    for key in ledger.changed_agents:
        agent = ledger.agents[key]
        ledger.agents[key] = change(agent, version=agent.version + 1)


def changed_rows(ledger: Ledger, before: Versions) -> Written:
    """The rows that are new or changed."""
    tasks = ledger.tasks
    agents = changed_agents(ledger)
    queues = [ledger.queues[key] for key in ledger.changed_queues]
    admitted = [agent for agent in agents if agent.key in ledger.admitted]
    return {
        statements.CREATE_REQUESTS: [rows.request(record) for record in ledger.new_requests],
        statements.CREATE_NEEDS: [rows.need(pair) for pair in ledger.new_requirements.items()],
        statements.CREATE_TASKS: [rows.created_task(tasks[task_id]) for task_id in ledger.created],
        statements.CREATE_DETAILS: [rows.detail(new) for new in ledger.created.values()],
        statements.CHANGE_TASKS: [rows.changed_task(tasks[i]) for i in ledger.changed_tasks if i not in ledger.created],
        statements.RELOCATE_TASKS: [rows.relocated_task(tasks[task_id]) for task_id in ledger.relocated],
        statements.PATCH_SPECS: [rows.patch(pair) for pair in ledger.relocated.items()],
        statements.CREATE_ATTEMPTS: [rows.attempt(ended) for ended in ledger.ended],
        statements.KEEP_CHECKPOINTS: [rows.checkpoint(pair) for pair in ledger.checkpoints.items()],
        statements.KEEP_PROGRESS: [rows.progress(pair) for pair in ledger.progress.items()],
        statements.KEEP_FAILURES: [rows.failure(pair) for pair in ledger.failures.items()],
        statements.CREATE_AGENTS: [rows.admitted_agent(a) for a in admitted if a.key not in before.agents],
        statements.ADMIT_AGENTS: [rows.admitted_agent(a) for a in admitted if a.key in before.agents],
        statements.CHANGE_AGENTS: [rows.changed_agent(a) for a in agents if a.key not in ledger.admitted],
        statements.CREATE_QUEUES: [rows.queue(queue) for queue in queues if queue.key not in before.queues],
        statements.CHANGE_QUEUES: [rows.queue(queue) for queue in queues if queue.key in before.queues],
    }


def link_rows(ledger: Ledger) -> Written:
    """What changes about which tasks wait for which."""
    links = ledger.links
    if not links:
        return {}
    return {
        statements.MAKE_LINKS: sorted(links.made()),
        statements.CUT_LINKS: sorted(links.cuts()),
        statements.FREE_TASKS: sorted((task_id,) for task_id in links.freed()),
    }


def event_rows(ledger: Ledger) -> tuple[list[rows.Row], list[rows.Row]]:
    """The events, numbered from 1 on, and the tasks that they tell of."""
    chunks: list[rows.Row] = []
    tasks: list[rows.Row] = []
    for start in range(0, len(ledger.events), CHUNK_EVENTS_MAX):
        events, first = ledger.events[start : start + CHUNK_EVENTS_MAX], 1 + start
        chunks.append(rows.event_chunk(first, events))
        last = first + len(events) - 1
        told_of = dict.fromkeys(event.task_id for event in events if event.task_id)
        tasks += [rows.event_task(task_id, last) for task_id in told_of]
    return chunks, tasks


def forgotten_rows(ledger: Ledger) -> Written:
    """The keys of what goes."""
    if not ledger.forgotten and not ledger.trimmed:
        return {}
    ids: list[rows.Row] = [(task.id,) for task in ledger.forgotten]
    trimmed_to = max((chunk.last for chunk in ledger.trimmed), default=0)
    return {
        statements.FORGET_REQUESTS: [(t.namespace, t.request_id) for t in ledger.forgotten if t.request_id],
        statements.FORGET_TASKS: ids,
        statements.FORGET_DETAILS: ids,
        statements.FORGET_ATTEMPTS: ids,
        statements.TRIM_EVENTS: [(chunk.last,) for chunk in ledger.trimmed],
        statements.TRIM_HISTORY: [(task_id, chunk.last) for chunk in ledger.trimmed for task_id in chunk.task_ids],
        statements.MOVE_FEED: [(1, trimmed_to + 1)] if trimmed_to else [],
    }


def changed_agents(ledger: Ledger) -> list[Agent]:
    """The agents that the fold changed, as they are now."""
    return [ledger.agents[key] for key in ledger.changed_agents]
