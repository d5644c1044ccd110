"""One flush: a transaction that reads what its commands touch, folds them in order, and writes the result with its
events.

    BEGIN · fence · read · fold (pure) · write rows · counter · events · COMMIT

The transaction excludes every other writer from BEGIN on, so what was read is what is changed. The fence is the first
statement: a coordinator whose term was raised by another finds no row, and ends. Nothing is answered before the
COMMIT.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
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
from services.store.limits import REQUIREMENTS_CACHE_MAX
from services.store.row_cache import RowCache
from services.store.statements import Write


class TermLost(Exception):
    """Another coordinator has taken over this database: nothing may be written any more."""


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


class Identity(msgspec.Struct, frozen=True):
    """Who writes: the coordinator's id and its term."""

    coordinator_id: str
    term: int


class Prepared:
    """A flush that waits for its COMMIT."""

    __slots__ = ("answers", "first_sequence", "ledger", "queues")

    def __init__(self, answers: list[Any], ledger: Ledger, first_sequence: int, queues: set[QueueKey]) -> None:
        self.answers = answers
        self.ledger = ledger
        self.first_sequence = first_sequence
        self.queues = queues


decode_tasks = msgspec.json.Decoder(list[Task]).decode
decode_agents = msgspec.json.Decoder(list[Agent]).decode
decode_queues = msgspec.json.Decoder(list[Queue]).decode
decode_requests = msgspec.json.Decoder(list[RequestRecord]).decode
decode_attempts = msgspec.json.Decoder(list[Attempt]).decode
decode_needs = msgspec.json.Decoder(list[tuple[str, Requirements]]).decode


class Flusher:
    """Runs flushes on one connection, which nobody else uses. Not thread-safe."""

    def __init__(self, connection: sqlite3.Connection, identity: Identity, rules: Rules) -> None:
        self._connection = connection
        self._identity = identity
        self._rules = rules
        self._flush = 0
        self._cache = RowCache()
        self._queues: set[QueueKey] = set()  # that the flush looked at
        # Sets of requirements are named by their content, so what was read once stays true.
        self._requirements: dict[str, Requirements] = {}

    def flush(self, commands: Sequence[Command]) -> tuple[list[Any], Committed]:
        """Applies the commands in one transaction. Returns their answers, in order, and what was committed.

        An answer that is a MissionControlError is that command's refusal. Raises TermLost, or what the database raises;
        nothing was changed then.
        """
        prepared = self.prepare(commands)
        self.commit()
        return prepared.answers, self.settle(prepared)

    def prepare(self, commands: Sequence[Command]) -> Prepared:
        """All of a flush but its COMMIT. If it raises, the transaction is gone; otherwise `commit` has to follow."""
        self._begin()
        try:
            ledger = self._read(touched(commands))
            answers = [fold(ledger, command) for command in commands]
            first_sequence = self._write(ledger)
        except BaseException:
            self._rollback()
            self._requirements = {}  # it may hold what was never committed
            raise
        return Prepared(answers, ledger, first_sequence, self._queues)

    def commit(self) -> None:
        """The COMMIT: waits for the disk. May run in another thread than the rest, at no other time.

        If the answer was an error, the flush's number in our own row tells whether it happened.
        """
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            self._cache.forget()
            self._requirements = {}
            self._rollback()
            own = (self._identity.coordinator_id, self._identity.term)
            row = self._connection.execute(statements.LAST_FLUSH, own).fetchone()
            if row is None or row[0] != self._flush:
                raise

    def settle(self, prepared: Prepared) -> Committed:
        """What the commit made real; remembered for the next flush."""
        self._cache.remember(prepared.ledger, prepared.queues)
        if len(self._requirements) > REQUIREMENTS_CACHE_MAX:
            self._requirements = {}
        return committed(prepared.ledger, prepared.first_sequence)

    def _begin(self) -> None:
        """Opens the transaction, behind the fence. One that an earlier error left open is given up first."""
        self._rollback()
        self._connection.execute("BEGIN IMMEDIATE")
        self._flush += 1
        identity = self._identity
        fence = (self._flush, identity.coordinator_id, identity.term)
        if self._connection.execute(statements.FENCE, fence).rowcount != 1:
            self._rollback()
            raise TermLost(f"coordinator {identity.coordinator_id} has lost term {identity.term}")

    def _rollback(self) -> None:
        """Gives the transaction up, if there still is one."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _rows(self, statement: str, keys: Iterable[Any]) -> str:
        """Runs a read for these keys; returns its JSON array."""
        return self._connection.execute(statement, (rows.text(sorted(keys)),)).fetchone()[0]  # type: ignore[no-any-return]

    def _read(self, touches: Touches) -> Ledger:
        """Everything that the commands touch, and what follows from it."""
        ledger = Ledger(time.time_ns() // 1000, self._rules)
        wanted = self._cache.take_tasks(touches.task_ids - touches.created, ledger)
        if wanted:
            self._take_tasks(ledger, self._rows(statements.READ_TASKS, wanted))
        if touches.holders:
            self._take_tasks(ledger, self._rows(statements.READ_HELD, touches.holders))
        tasks = ledger.tasks.values()
        agents = touches.agents | touches.holders | {(t.namespace, t.agent_id) for t in tasks if t.held}
        unread_agents = self._cache.take_agents(agents, ledger)
        if unread_agents:
            ledger.agents.update((a.key, a) for a in decode_agents(self._rows(statements.READ_AGENTS, unread_agents)))
        self._queues = touches.queues | {(t.namespace, t.queue) for t in tasks}
        unread_queues = self._cache.take_queues(self._queues, ledger)
        if unread_queues:
            ledger.queues.update((q.key, q) for q in decode_queues(self._rows(statements.READ_QUEUES, unread_queues)))
        if touches.requests:
            found = decode_requests(self._rows(statements.READ_REQUESTS, touches.requests))
            ledger.requests = {(r.namespace, r.request_id): r for r in found}
        self._read_attempts(ledger, touches)
        ledger.requirements = self._known_requirements({t.needs_id for t in tasks})
        return ledger

    def _take_tasks(self, ledger: Ledger, rows: str) -> None:
        for task in decode_tasks(rows):
            ledger.tasks[task.id] = task

    def _read_attempts(self, ledger: Ledger, touches: Touches) -> None:
        """The attempts of those leases that are not current: they may be known already."""
        past = {lease for lease in touches.leases if not is_current(ledger.tasks.get(lease[0]), lease[1])}
        if past:
            found = decode_attempts(self._rows(statements.READ_ATTEMPTS, past))
            ledger.attempts = {(a.task_id, a.token): a for a in found}

    def _known_requirements(self, wanted: set[str]) -> dict[str, Requirements]:
        """The cache of requirements, with these in it."""
        missing = wanted - self._requirements.keys()
        if missing:
            self._requirements.update(decode_needs(self._rows(statements.READ_NEEDS, missing)))
        return self._requirements

    def _write(self, ledger: Ledger) -> int:
        """Writes the rows, then the events; returns the sequence of the first one."""
        for statement, written in writes(ledger):
            self._run(statement, written)
        if not ledger.events:
            return 0
        head = self._connection.execute(statements.ADVANCE_FEED, (len(ledger.events),)).fetchone()[0]
        first: int = head - len(ledger.events) + 1
        self._run(statements.APPEND_EVENTS, [rows.event(first + i, e) for i, e in enumerate(ledger.events)])
        return first

    def _run(self, statement: Write, written: Sequence[rows.Row]) -> None:
        """Runs a write over its rows."""
        for sql, parameters in statement.batches(written):
            self._connection.execute(sql, parameters)


def is_current(task: Task | None, token: int) -> bool:
    """Whether this token is the task's current lease."""
    return task is not None and task.held and task.token == token


def writes(ledger: Ledger) -> list[tuple[Write, list[rows.Row]]]:
    """The statements of a flush with their rows, in the one order in which tables are written."""
    tasks = ledger.tasks
    created = [rows.created_task(tasks[task_id]) for task_id in ledger.created]
    changed = [rows.changed_task(tasks[i]) for i in ledger.changed_tasks if i not in ledger.created]
    agents = changed_agents(ledger)
    return [
        (statements.CREATE_REQUESTS, [rows.request(record) for record in ledger.new_requests]),
        (statements.CREATE_NEEDS, [rows.need(pair) for pair in ledger.new_requirements.items()]),
        (statements.CREATE_TASKS, created),
        (statements.CREATE_DETAILS, [rows.detail(new) for new in ledger.created.values()]),
        (statements.CHANGE_TASKS, changed),
        (statements.CREATE_ATTEMPTS, [rows.attempt(ended) for ended in ledger.ended]),
        (statements.KEEP_CHECKPOINTS, [rows.checkpoint(pair) for pair in ledger.checkpoints.items()]),
        (statements.KEEP_PROGRESS, [rows.progress(pair) for pair in ledger.progress.items()]),
        (statements.ADMIT_AGENTS, [rows.admitted_agent(a) for a in agents if a.key in ledger.admitted]),
        (statements.CHANGE_AGENTS, [rows.changed_agent(a) for a in agents if a.key not in ledger.admitted]),
        (statements.CHANGE_QUEUES, [rows.queue(ledger.queues[key]) for key in ledger.changed_queues]),
    ]


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
