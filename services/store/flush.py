"""One flush: reads what its commands touch, folds them in order, and says what is to be written.

    read · fold (pure) · rows → `writer.py`

The writer's fence admits nobody else, and what the flush before has changed and not written yet is in the row cache: so
what was read is what is changed, although the transaction begins only then. Nothing is answered before its COMMIT.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from services.domain.agent import Agent
from services.domain.commands import Command, NewTask
from services.domain.event import Event
from services.domain.failure import Attempt, Progress
from services.domain.fold import fold, touched
from services.domain.ledger import CancelOrder, Granted, Ledger, RequestRecord, Revoked, Rules, Touches
from services.domain.queue import Queue, QueueKey
from services.domain.requirements import Requirements
from services.domain.task import Task
from services.store import rows, statements
from services.store.limits import CHUNK_EVENTS_MAX, REQUIREMENTS_CACHE_MAX
from services.store.row_cache import RowCache
from services.store.row_reader import RowReader
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


decode_tasks = msgspec.json.Decoder(list[Task]).decode
decode_agents = msgspec.json.Decoder(list[Agent]).decode
decode_queues = msgspec.json.Decoder(list[Queue]).decode
decode_requests = msgspec.json.Decoder(list[RequestRecord]).decode
decode_attempts = msgspec.json.Decoder(list[Attempt]).decode
decode_needs = msgspec.json.Decoder(list[tuple[str, Requirements]]).decode


# Rows by the statement that writes them.
Written = dict[statements.Write, list[rows.Row]]


class Flusher:
    """Makes flushes, from rows that `reader` finds. Not thread-safe."""

    def __init__(self, reader: RowReader, rules: Rules) -> None:
        self._reader = reader
        self._rules = rules
        self._head: int | None = None
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
            answers = [fold(ledger, command) for command in commands]
            batch = self._batch(ledger)
        except BaseException:
            self._requirements = self._cache.unwritten_requirements()  # it may hold what will never be written
            raise
        self._head = batch.head + batch.events
        self._cache.hold(ledger)
        return Prepared(answers, ledger, batch, self._queues)

    def settle(self, prepared: Prepared) -> Committed:
        """What was written is real: remembered for the next flush."""
        self._cache.remember(prepared.ledger, prepared.queues)
        return committed(prepared.ledger, prepared.batch.head + 1)

    def discard(self) -> None:
        """Something was not written, or nobody knows whether: what was remembered is not certain any more."""
        self._cache.forget()
        self._requirements = {}
        self._head = None

    def _batch(self, ledger: Ledger) -> Batch:
        """What the ledger has to have written, with the numbers of its events."""
        if self._head is None:
            self._head = self._reader.head()
        head = self._head
        written = {**changed_rows(ledger), **event_rows(ledger, head), **forgotten_rows(ledger)}
        self._flush += 1
        writes = [(place, written[write]) for place, write in enumerate(statements.WRITES) if written.get(write)]
        return Batch(self._flush, writes, head, len(ledger.events))

    def _read(self, touches: Touches) -> Ledger:
        """Everything that the commands touch, and what follows from it."""
        ledger = Ledger(time.time_ns() // 1000, self._rules)
        wanted = self._cache.take_tasks(touches.task_ids - touches.created, ledger)
        if wanted:
            self._take_tasks(ledger, self._reader.rows(statements.READ_TASKS, wanted))
        if touches.holders:
            self._take_tasks(ledger, self._reader.rows(statements.READ_HELD, touches.holders))
            self._cache.correct_held(touches.holders, ledger)
        tasks = ledger.tasks.values()
        agents = touches.agents | touches.holders | {(t.namespace, t.agent_id) for t in tasks if t.held}
        unread_agents = self._cache.take_agents(agents, ledger)
        if unread_agents:
            found_agents = decode_agents(self._reader.rows(statements.READ_AGENTS, unread_agents))
            ledger.agents.update((agent.key, agent) for agent in found_agents)
        self._queues = touches.queues | {(t.namespace, t.queue) for t in tasks}
        unread_queues = self._cache.take_queues(self._queues, ledger)
        if unread_queues:
            found_queues = decode_queues(self._reader.rows(statements.READ_QUEUES, unread_queues))
            ledger.queues.update((queue.key, queue) for queue in found_queues)
        self._cache.take_requests(touches.requests, ledger)
        self._read_attempts(ledger, touches)
        ledger.requirements = self._known_requirements({t.needs_id for t in tasks})
        return ledger

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


def changed_rows(ledger: Ledger) -> Written:
    """The rows that are new or changed."""
    tasks = ledger.tasks
    agents = changed_agents(ledger)
    return {
        statements.CREATE_REQUESTS: [rows.request(record) for record in ledger.new_requests],
        statements.CREATE_NEEDS: [rows.need(pair) for pair in ledger.new_requirements.items()],
        statements.CREATE_TASKS: [rows.created_task(tasks[task_id]) for task_id in ledger.created],
        statements.CREATE_DETAILS: [rows.detail(new) for new in ledger.created.values()],
        statements.CHANGE_TASKS: [rows.changed_task(tasks[i]) for i in ledger.changed_tasks if i not in ledger.created],
        statements.CREATE_ATTEMPTS: [rows.attempt(ended) for ended in ledger.ended],
        statements.KEEP_CHECKPOINTS: [rows.checkpoint(pair) for pair in ledger.checkpoints.items()],
        statements.KEEP_PROGRESS: [rows.progress(pair) for pair in ledger.progress.items()],
        statements.ADMIT_AGENTS: [rows.admitted_agent(a) for a in agents if a.key in ledger.admitted],
        statements.CHANGE_AGENTS: [rows.changed_agent(a) for a in agents if a.key not in ledger.admitted],
        statements.CHANGE_QUEUES: [rows.queue(ledger.queues[key]) for key in ledger.changed_queues],
    }


def event_rows(ledger: Ledger, head: int) -> Written:
    """The events, numbered from the head on, and the tasks that they tell of."""
    chunks: list[rows.Row] = []
    tasks: list[rows.Row] = []
    for start in range(0, len(ledger.events), CHUNK_EVENTS_MAX):
        events, first = ledger.events[start : start + CHUNK_EVENTS_MAX], head + 1 + start
        chunks.append(rows.event_chunk(first, events))
        last = first + len(events) - 1
        told_of = dict.fromkeys(event.task_id for event in events if event.task_id)
        tasks += [rows.event_task(task_id, last) for task_id in told_of]
    return {statements.APPEND_EVENTS: chunks, statements.NOTE_TASKS: tasks}


def forgotten_rows(ledger: Ledger) -> Written:
    """The keys of what goes."""
    if not ledger.forgotten and not ledger.trimmed:
        return {}
    ids: list[rows.Row] = [(task.id,) for task in ledger.forgotten]
    return {
        statements.FORGET_REQUESTS: [(t.namespace, t.request_id) for t in ledger.forgotten if t.request_id],
        statements.FORGET_TASKS: ids,
        statements.FORGET_DETAILS: ids,
        statements.FORGET_ATTEMPTS: ids,
        statements.TRIM_EVENTS: [(chunk.last,) for chunk in ledger.trimmed],
        statements.TRIM_HISTORY: [(task_id, chunk.last) for chunk in ledger.trimmed for task_id in chunk.task_ids],
        statements.MOVE_FEED: [(1, chunk.last + 1) for chunk in ledger.trimmed[-1:]],
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
        ended=ledger.ended,
        progress=ledger.progress,
        requirements={task.needs_id: ledger.requirements[task.needs_id] for task in ledger.ready},
    )
