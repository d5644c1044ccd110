"""One flush: reads what its commands touch, folds them in order, and says what is to be written.

    read · fold (pure) · rows → `writer.py`

What the flush before has changed and not written yet is in the row cache, so a flush stands on it. On SQLite nobody
else writes: what was read is what is changed, although the transaction begins only then. On PostgreSQL others do, and
the versions of all that was read go with the flush: the transaction takes it only if they are still the same. Nothing
is answered before its COMMIT.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from services.domain.agent import Agent, AgentKey, change
from services.domain.commands import Command, NewTask
from services.domain.event import Event
from services.domain.failure import Attempt, Progress
from services.domain.fold import fold, touched
from services.domain.ledger import CancelOrder, Granted, Ledger, RequestRecord, Revoked, Rules, Touches
from services.domain.queue import Queue, QueueKey
from services.domain.requirements import Requirements
from services.domain.stuck_group import StuckGroup, StuckKey
from services.domain.task import Task
from services.store import rows, statements
from services.store.limits import CHUNK_EVENTS_MAX, REQUIREMENTS_CACHE_MAX
from services.store.row_cache import RowCache
from services.store.row_reader import (
    RowReader,
    decode_agents,
    decode_needs,
    decode_queues,
    decode_stuck,
    decode_tasks,
)
from services.store.writer import Batch


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit made real, for those who follow it. The sequence of `events[i]` is `first_sequence + i`."""

    first_sequence: int
    events: list[Event]
    tasks: dict[str, Task]
    created: dict[str, NewTask]
    ready: list[Task]
    unready: list[Task]
    granted: list[Granted]
    revoked: list[Revoked]
    cancels: list[CancelOrder]
    agents: list[Agent]
    queues: list[Queue]
    stuck: list[StuckGroup]  # with reason NONE: gone
    ended: list[Attempt]
    progress: dict[str, Progress]
    requirements: dict[str, Requirements]  # of the tasks in `ready`


class Prepared:
    """A flush that waits to be written."""

    __slots__ = ("answers", "batch", "ledger", "queues")

    def __init__(self, answers: list[Any], ledger: Ledger, batch: Batch, queues: set[QueueKey]) -> None:
        self.answers = answers
        self.ledger = ledger
        self.batch = batch
        self.queues = queues


decode_requests = msgspec.json.Decoder(list[RequestRecord]).decode
decode_attempts = msgspec.json.Decoder(list[Attempt]).decode


# Rows by the statement that writes them.
Written = dict[statements.Write, list[rows.Row]]


class Flusher:
    """Makes flushes, from rows that `reader` finds. Not thread-safe.

    `shard` is where new tasks go. `shared`: whether others write to the database, too.
    """

    def __init__(self, reader: RowReader, rules: Rules, *, shared: bool) -> None:
        self._reader = reader
        self._rules = rules
        self._shared = shared
        self.shard = 0
        self._flush = 0
        self._cache = RowCache()
        self._queues: set[QueueKey] = set()  # that the flush looked at
        # Sets of requirements are named by their content, so what was read once stays true.
        self._requirements: dict[str, Requirements] = {}

    def prepare(self, commands: Sequence[Command], *, read_requests: bool = False) -> Prepared:
        """All of a flush but its transaction, on top of the one before, which may be on its way to the database still.

        `settle` has to follow once it is written, in the same order; or `discard`, for all of them.

        Request ids that are not remembered are taken for new. The database knows better: the writer then raises
        RequestsKnown, and `read_requests` has them looked up.
        """
        try:
            touches = touched(commands)
            ledger = self._read(touches)
            if read_requests:
                self._read_requests(ledger, touches)
            before = Versions(ledger, self._queues, touches.stuck)
            answers = [fold(ledger, command) for command in commands]
            raise_versions(ledger)
            batch = self._batch(ledger, before)
        except BaseException:
            self._requirements = self._cache.unwritten_requirements()  # it may hold what will never be written
            raise
        self._cache.hold(ledger)
        return Prepared(answers, ledger, batch, self._queues)

    def settle(self, prepared: Prepared, base: int) -> Committed:
        """What was written is real: remembered for the next flush. Its events are numbered from `base`."""
        self._cache.remember(prepared.ledger, prepared.queues)
        return committed(prepared.ledger, base + 1)

    def discard(self) -> None:
        """Something was not written, or nobody knows whether: what was remembered is not certain any more."""
        self._cache.forget()
        self._requirements = {}

    def discard_read(self, prepared: Sequence[Prepared]) -> None:
        """These were not written since somebody else has changed a row: what they stood on is read again."""
        for each in prepared:
            self._cache.forget_read(each.ledger, each.queues)
        self._requirements = {}

    def changed_elsewhere(
        self, task_ids: Iterable[str], agents: Iterable[AgentKey], queues: Iterable[QueueKey]
    ) -> None:
        """Somebody else has changed these: they are read again."""
        self._cache.forget_rows(task_ids, agents, queues)

    def _batch(self, ledger: Ledger, before: Versions) -> Batch:
        """What the ledger has to have written, and what has to be looked at again for it."""
        changes = changed_rows(ledger, before)
        if self._shared:
            for write in changes:
                changes[write].sort(key=write.order)
        written = {**changes, **forgotten_rows(ledger)}
        if ledger.changed_stuck:
            written.update(stuck_rows(ledger, before))
        self._flush += 1
        writes = [
            (place, written[write], before.of(write, written[write]) if self._shared else [])
            for place, write in enumerate(statements.WRITES)
            if written.get(write)
        ]
        checks = before.checks(ledger) if self._shared else []
        chunks, notes = event_rows(ledger)
        return Batch(self._flush, writes, checks, len(ledger.events), chunks, notes)

    def _read(self, touches: Touches) -> Ledger:
        """Everything that the commands touch, and what follows from it."""
        ledger = Ledger(time.time_ns() // 1000, self._rules, shard=self.shard)
        wanted = self._cache.take_tasks(touches.task_ids - touches.created, ledger)
        if wanted:
            self._take_tasks(ledger, self._reader.rows(statements.READ_TASKS, wanted))
        if touches.holders:
            # The agents first: whoever grants or ends a lease raises their versions, so these vouch for what they hold.
            self._read_agents(ledger, touches.holders)
            self._take_tasks(ledger, self._reader.rows(statements.READ_HELD, touches.holders))
            self._cache.correct_held(touches.holders, ledger)
        tasks = ledger.tasks.values()
        holders = {(t.namespace, t.agent_id) for t in tasks if t.held}
        self._read_agents(ledger, (touches.agents | holders) - touches.holders)
        self._queues = touches.queues | {(t.namespace, t.queue) for t in tasks}
        unread_queues = self._cache.take_queues(self._queues, ledger)
        if unread_queues:
            found_queues = decode_queues(self._reader.rows(statements.READ_QUEUES, unread_queues))
            ledger.queues.update((queue.key, queue) for queue in found_queues)
        self._cache.take_requests(touches.requests, ledger)
        if touches.stuck:
            self._read_stuck(ledger, touches)
        self._read_attempts(ledger, touches)
        ledger.requirements = self._known_requirements({t.needs_id for t in tasks})
        return ledger

    def _read_agents(self, ledger: Ledger, wanted: set[AgentKey]) -> None:
        unread = self._cache.take_agents(wanted, ledger)
        if unread:
            found = decode_agents(self._reader.rows(statements.READ_AGENTS, unread))
            ledger.agents.update((agent.key, agent) for agent in found)

    def _read_stuck(self, ledger: Ledger, touches: Touches) -> None:
        unread = self._cache.take_stuck(touches.stuck, ledger)
        found = decode_stuck(self._reader.rows(statements.READ_STUCK, unread))
        ledger.stuck.update((group.key, group) for group in found)

    def _take_tasks(self, ledger: Ledger, rows: str) -> None:
        for task in decode_tasks(rows):
            ledger.tasks[task.id] = task

    def _read_requests(self, ledger: Ledger, touches: Touches) -> None:
        unknown = touches.requests - ledger.requests.keys()
        found = decode_requests(self._reader.rows(statements.READ_REQUESTS, unknown))
        ledger.requests.update(((r.namespace, r.request_id), r) for r in found)

    def _read_attempts(self, ledger: Ledger, touches: Touches) -> None:
        """The attempts of those leases that are not current: they may be known already."""
        past = {lease for lease in touches.leases if not is_current(ledger.tasks.get(lease[0]), lease[1])}
        if past:
            found = decode_attempts(self._reader.rows(statements.READ_ATTEMPTS, past))
            ledger.attempts = {(a.task_id, a.token): a for a in found}
            self._cache.take_attempts(ledger)

    def _known_requirements(self, wanted: set[str]) -> dict[str, Requirements]:
        """The cache of requirements, with these in it. The fold adds new ones to it."""
        if len(self._requirements) > REQUIREMENTS_CACHE_MAX:
            self._requirements = self._cache.unwritten_requirements()
        missing = wanted - self._requirements.keys()
        if missing:
            self._requirements.update(decode_needs(self._reader.rows(statements.READ_NEEDS, missing)))
        return self._requirements


def is_current(task: Task | None, token: int) -> bool:
    """Whether this token is the task's current lease."""
    return task is not None and task.held and task.token == token


class Versions:
    """The versions of all that a flush has read, and of what it does not change since it is not there: 0."""

    def __init__(self, ledger: Ledger, queues: Iterable[QueueKey], stuck: Iterable[StuckKey] = ()) -> None:
        self.tasks = {task_id: task.version for task_id, task in ledger.tasks.items()}
        self.agents = {key: agent.version for key, agent in ledger.agents.items()}
        self.queues = {key: queue.version for key in queues for queue in [ledger.queues.get(key)] if queue is not None}
        self._absent = [key for key in queues if key not in self.queues]
        self.stuck = {key: group.version for key, group in ledger.stuck.items()}
        self._absent_stuck = [key for key in stuck if key not in self.stuck]

    def of(self, write: statements.Write, rows: list[rows.Row]) -> list[int]:
        """What these rows were, if that has to be so still; empty if it does not matter."""
        if write is statements.CHANGE_TASKS:
            return [self.tasks[row[0]] for row in rows]
        if write in (statements.ADMIT_AGENTS, statements.CHANGE_AGENTS):
            return [self.agents[row[0], row[1]] for row in rows]
        if write is statements.CHANGE_QUEUES:
            return [self.queues[row[0], row[1]] for row in rows]
        if write is statements.CHANGE_STUCK:
            return [self.stuck[row[0], row[1], row[2], row[3]] for row in rows]
        return []

    def checks(self, ledger: Ledger) -> list[tuple[int, list[rows.Row]]]:
        """What was read and is not changed."""
        queues = [*self.queues.items(), *((key, 0) for key in self._absent)]
        stuck = [*self.stuck.items(), *((key, 0) for key in self._absent_stuck)]
        changed = ledger.changed_tasks.keys() | {task.id for task in ledger.forgotten}
        found: tuple[list[rows.Row], ...] = (
            [(task_id, version) for task_id, version in self.tasks.items() if task_id not in changed],
            [(*key, version) for key, version in self.agents.items() if key not in ledger.changed_agents],
            [(*key, version) for key, version in queues if key not in ledger.changed_queues],
            [(*key, version) for key, version in stuck if key not in ledger.changed_stuck],
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
        statements.CREATE_ATTEMPTS: [rows.attempt(ended) for ended in ledger.ended],
        statements.KEEP_CHECKPOINTS: [rows.checkpoint(pair) for pair in ledger.checkpoints.items()],
        statements.KEEP_PROGRESS: [rows.progress(pair) for pair in ledger.progress.items()],
        statements.CREATE_AGENTS: [rows.admitted_agent(a) for a in admitted if a.key not in before.agents],
        statements.ADMIT_AGENTS: [rows.admitted_agent(a) for a in admitted if a.key in before.agents],
        statements.CHANGE_AGENTS: [rows.changed_agent(a) for a in agents if a.key not in ledger.admitted],
        statements.CREATE_QUEUES: [rows.queue(queue) for queue in queues if queue.key not in before.queues],
        statements.CHANGE_QUEUES: [rows.queue(queue) for queue in queues if queue.key in before.queues],
    }


def stuck_rows(ledger: Ledger, before: Versions) -> Written:
    """What changed of the groups that cannot be placed. One that can be goes, behind the look at its version."""
    changed = [ledger.stuck[key] for key in sorted(ledger.changed_stuck)]
    known = [group for group in changed if group.key in before.stuck]
    return {
        statements.CREATE_STUCK: [rows.created_stuck(g) for g in changed if g.reason and g.key not in before.stuck],
        statements.CHANGE_STUCK: [rows.changed_stuck(group) for group in known],
        statements.FORGET_STUCK: [group.key for group in known if not group.reason],
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


def committed(ledger: Ledger, first_sequence: int) -> Committed:
    """What the ledger has to tell."""
    return Committed(
        first_sequence=first_sequence,
        events=ledger.events,
        tasks={task_id: ledger.tasks[task_id] for task_id in ledger.changed_tasks},
        created=ledger.created,
        ready=ledger.ready,
        unready=ledger.unready,
        granted=ledger.granted,
        revoked=ledger.revoked,
        cancels=ledger.cancels,
        agents=changed_agents(ledger),
        queues=[ledger.queues[key] for key in ledger.changed_queues],
        stuck=[ledger.stuck[key] for key in ledger.changed_stuck],
        ended=ledger.ended,
        progress=ledger.progress,
        requirements={task.needs_id: ledger.requirements[task.needs_id] for task in ledger.ready},
    )
