"""The journal: the one writer, and the group commit that makes it fast.

Callers put commands into a queue. Whatever is there (bounded) is run as one flush: read and folded on the event loop,
written and committed by the writer's process. While it does, the next flush gathers. An idle journal commits at once, a
busy one batches by itself, and waits a moment for callers who will be back (`gathering.py`). Listeners hear of each
commit in the order of commits, before the answers of that commit are given: whoever reads an answer finds the feed at
least as far.

The writer is a process, not a thread: between two threads the interpreter lock changed hands with every statement, and
both waited for it. ARCHITECTURE.md has the figures.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import Connection, Engine

from services import failpoints
from services.domain.agent import AgentKey
from services.domain.commands import Command
from services.domain.errors import ResourceExhausted, Unavailable
from services.domain.ledger import Rules
from services.domain.queue import QueueKey
from services.store.away import explained
from services.store.coordinators import claim_term
from services.store.entries import Entry, Flight, Read, size
from services.store.flush import Committed, Flusher
from services.store.gates import Gates
from services.store.gathering import Gathering
from services.store.limits import (
    CONFLICTS_MAX,
    FLUSH_COMMANDS_MAX,
    FLUSH_ITEMS_MAX,
    FLUSHES_MAX,
    JOURNAL_QUEUE_MAX,
    JOURNAL_STOP_SECONDS,
    PIPELINED_ITEMS_MIN,
)
from services.store.row_reader import RowReader
from services.store.writer import Conflict, Identity, RequestsKnown, TermLost, WriteRefused
from services.store.writer_process import WriterGone, WriterProcess, start_writer

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")
Listener = Callable[[Committed], None]


class Herald(Protocol):
    """Somebody who wants to know of commands before they are committed."""

    def foretell(self, command: Command) -> None:
        """The command was queued. Called on the event loop."""

    def settle(self, command: Command, answer: Any) -> None:
        """Its answer, or the error that it is, after the listeners were told. Called once for each one foretold."""


class Journal:
    """See the module. Made, started, used and stopped on one event loop."""

    def __init__(self, engine: Engine, coordinator_id: str, rules: Rules, *, address: str = "") -> None:
        self._engine = engine
        self._coordinator_id = coordinator_id
        self._address = address  # where agents and clients reach this coordinator
        self._identity: Identity | None = None
        self._rules = rules
        self._queue: deque[Entry] = deque()
        self._listeners: list[Listener] = []
        self._heralds: list[Herald] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Connection | None = None
        self._flusher: Flusher | None = None
        self._writer: WriterProcess | None = None
        self._queued_items = 0
        self._flying: deque[Flight] = deque()  # each stands on the one before
        self._apart = False  # the next flush could not be prepared on top of those that are being written
        self._scheduled = False
        self._gathering = Gathering()
        self._waiting: asyncio.TimerHandle | None = None
        self._stopping = False
        self._idle = asyncio.Event()
        self._read_requests = False  # a request id of the next flush was used before
        self._conflicts = 0  # one after the other, with changes of other coordinators
        self._suspects = 0  # entries at the head of the queue, one of which broke a flush
        self._commands_max = FLUSH_COMMANDS_MAX
        self.lost: asyncio.Event = asyncio.Event()
        # When the last flush that was committed was handed to the writer, by the monotonic clock: what the
        # coordinator's promises to its agents rest on. The answer may be old when it is heard, the row is not younger.
        self.renewed_at = 0.0

    async def start(self) -> None:
        """Claims the next term and opens the writer.

        From then on an earlier process with this id cannot commit; on SQLite no other process at all.
        """
        self._loop = asyncio.get_running_loop()
        self._connection = self._engine.connect()
        self._identity = claim_term(self._connection, self._coordinator_id, address=self._address)
        shared = self._engine.dialect.name == "postgresql"
        self._flusher = Flusher(RowReader(self._connection), self._rules, shared=shared)
        self._writer = await start_writer(self._engine.url, self._identity)
        self.renewed_at = time.monotonic()

    @property
    def identity(self) -> Identity:
        """Who writes here."""
        assert self._identity is not None, "the journal was not started"
        return self._identity

    def use_shard(self, shard: int) -> None:
        """New tasks go to this shard from now on."""
        assert self._flusher is not None
        self._flusher.shard = shard

    def use_program(self, program: int) -> None:
        """From now on only what this program knows is told: an older coordinator reads the log, too."""
        assert self._flusher is not None
        self._flusher.program = program

    @property
    def gates(self) -> Gates:
        """What it knows of the queues that may refuse tasks."""
        assert self._flusher is not None, "the journal was not started"
        return self._flusher.gates

    def changed_elsewhere(
        self, task_ids: Iterable[str], agents: Iterable[AgentKey], queues: Iterable[QueueKey]
    ) -> None:
        """Another coordinator has changed these: what is remembered of them is read again."""
        assert self._flusher is not None
        self._flusher.changed_elsewhere(task_ids, agents, queues)

    async def stop(self) -> None:
        """Flushes what is queued, and closes the writer. A database that is away is not waited for for long."""
        self._stopping = True
        try:
            async with asyncio.timeout(JOURNAL_STOP_SECONDS):
                await self._drain()
        except TimeoutError:
            log.warning("what was queued could not be written before the stop", commands=len(self._queue))
            self._abandon([], "this coordinator has stopped")
            if self._writer is not None:
                self._writer.kill()
        if self._writer is not None:
            await self._writer.stop()
        if self._connection is not None:
            self._connection.close()

    async def _drain(self) -> None:
        while self._flying or self._queue:
            self._idle.clear()
            self._schedule()
            await self._idle.wait()

    def subscribe(self, listener: Listener) -> None:
        """Calls the listener after each commit, in the order of commits.

        It must not block or raise.
        """
        self._listeners.append(listener)

    def foretell(self, herald: Herald) -> None:
        """Tells the herald of each command when it is queued, and of its answer."""
        self._heralds.append(herald)

    def submit(self, command: Command) -> asyncio.Future[Any]:
        """Queues a command.

        The awaitable gives its answer after the commit, or raises the domain error that is its answer.
        """
        future = self._put(command)
        if not future.done():
            for herald in self._heralds:
                herald.foretell(command)
        return future

    def read(self, function: Callable[[Connection], Answer]) -> asyncio.Future[Answer]:
        """Queues a read between two flushes.

        It sees all earlier commits, and its answer comes before later ones are told.
        """
        return self._put(function)

    def _put(self, work: Command | Read) -> asyncio.Future[Any]:
        assert self._loop is not None, "the journal was not started"
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._stopping or self.lost.is_set():
            future.set_exception(Unavailable("this coordinator is stopping"))
        elif len(self._queue) >= JOURNAL_QUEUE_MAX:
            future.set_exception(ResourceExhausted("too many changes wait to be written", retry_seconds=0.5))
        else:
            self._queue.append(Entry(work, future))
            self._queued_items += size(work)
            self._schedule()
        return future

    def _schedule(self) -> None:
        """Has the queue looked at soon.

        What comes in this turn of the loop goes into one flush. It runs in the turn after the next: the heralds' words
        are then on their way while the flush keeps the loop busy.
        """
        if self._scheduled or not self._may_flush() or not (self._queue or self._stopping):
            return
        assert self._loop is not None
        if wait := self._seconds_to_wait():
            if self._waiting is None:
                self._waiting = self._loop.call_later(wait, self._waited)
        else:
            self._scheduled = True
            self._loop.call_soon(self._loop.call_soon, self.step)

    def _seconds_to_wait(self) -> float:
        if self._stopping or self._queued_items >= PIPELINED_ITEMS_MIN:
            return 0.0
        return self._gathering.seconds_left(len(self._queue), now=time.monotonic())

    def _waited(self) -> None:
        self._waiting = None
        self._schedule()

    def _may_flush(self) -> bool:
        """Whether the next flush may be prepared: while one is being written, only if much has gathered.

        A read waits in any case, and so does whatever follows a flush that failed.
        """
        if not self._flying:
            return True
        if self._apart or self._suspects or self._flying[-1].abandoned:
            return False
        enough = self._queued_items >= PIPELINED_ITEMS_MIN and not callable(self._queue[0].work)
        return enough and len(self._flying) < FLUSHES_MAX

    def step(self) -> None:
        """One bounded pass: the reads at the head of the queue, then one flush up to its transaction."""
        self._scheduled = False
        if not self._may_flush():
            return
        while self._queue and callable(self._queue[0].work):
            self._queued_items -= 1
            self._read(self._queue.popleft())
        entries = self._take()
        if entries:
            self._flush(entries)
        else:
            self._idle.set()

    def _take(self) -> list[Entry]:
        """The commands at the head of the queue, bounded. A read ends them: it sees just what was queued before it."""
        entries: list[Entry] = []
        items = 0
        while self._queue and len(entries) < self._commands_max and items < FLUSH_ITEMS_MAX:
            if callable(self._queue[0].work):
                break
            entry = self._queue.popleft()
            entries.append(entry)
            items += size(entry.work)
        self._queued_items -= items
        return entries

    def _read(self, entry: Entry) -> None:
        """Runs one read."""
        assert self._connection is not None
        try:
            with explained(self._connection):
                answer = entry.work(self._connection)  # type: ignore[operator]  # it is a read
        except Exception as error:
            answer = error
        self._answer([entry], [answer])

    def _flush(self, entries: list[Entry]) -> None:
        """Prepares a flush and hands it to the writer, behind those that it has.

        One that cannot be prepared on top of what is not written yet is not judged by that: it is tried again after it.
        """
        assert self._flusher is not None
        commands: list[Any] = [entry.work for entry in entries]
        try:
            prepared = self._flusher.prepare(commands, read_requests=self._read_requests)
        except Exception as error:
            if self._flying:
                self._apart = True
                self._put_back(entries)
                return
            self._refuse(entries, error)
            self._schedule()
            return
        self._read_requests = False
        self._write(Flight(entries, prepared, time.monotonic()))

    def _write(self, flight: Flight) -> None:
        assert self._writer is not None
        self._flying.append(flight)
        self._gathering.began(len(flight.entries), now=flight.begin)
        failpoints.reach("journal.before_commit")
        self._writer.commit(flight.prepared.batch).add_done_callback(self._finish)

    def _finish(self, commit: asyncio.Future[int]) -> None:
        """The writer has answered the oldest flush: tells the listeners, answers, and looks at what has gathered."""
        assert self._flusher is not None
        flight = self._flying.popleft()
        error = commit.exception()
        if flight.abandoned:
            assert error is not None, "the writer leaves out what stands on a batch that it did not write"
        elif error is not None:
            if isinstance(error, (Conflict, RequestsKnown)):
                self._flusher.discard_read([flight.prepared, *(later.prepared for later in self._flying)])
            else:
                self._flusher.discard()
            for later in reversed(self._flying):
                later.abandoned = True
                self._put_back(later.entries)
            self._refuse(flight.entries, error)
        else:
            failpoints.reach("journal.after_commit")
            self._absolve(len(flight.entries))
            self.renewed_at = flight.begin
            committed = self._flusher.settle(flight.prepared, commit.result())
            self._deliver(flight.entries, flight.prepared.answers, committed)
        if not self._flying:
            self._apart = False
        self._schedule()

    def _put_back(self, entries: list[Entry]) -> None:
        """These come first again, in their order."""
        self._queue.extendleft(reversed(entries))
        self._queued_items += sum(size(entry.work) for entry in entries)

    def _refuse(self, entries: list[Entry], error: BaseException) -> None:
        """A flush that was not committed. If the data is at fault, each half is tried by itself: one fails alone."""
        if isinstance(error, TermLost):
            log.warning("term lost: another coordinator has taken over this database", error=str(error))
            self._abandon(entries, "this coordinator was superseded by another one")
        elif isinstance(error, WriterGone):
            # What it had may be written or not: nobody may be told either, so this coordinator has to begin anew.
            log.error("the writer has ended; this coordinator ends, too", error=str(error))
            self._abandon(entries, "this coordinator has to start again")
        elif isinstance(error, RequestsKnown):
            self._read_requests = True
            self._put_back(entries)
        elif isinstance(error, Conflict):
            self._conflicts += 1
            if self._conflicts >= CONFLICTS_MAX:  # the fewer rows, the less there is to lose against
                self._commands_max = max(1, len(entries) // 2)
            self._put_back(entries)
        elif isinstance(error, (WriteRefused, Unavailable)):
            log.warning("the database refused a flush", error=str(error), commands=len(entries))
            self._absolve(len(entries))
            self._answer(entries, [Unavailable(f"the database cannot be written now: {error}")] * len(entries))
        elif len(entries) == 1:
            log.error("a command could not be applied", command=type(entries[0].work).__name__, exc_info=error)
            self._absolve(1)
            self._answer(entries, [error])
            self._absolve(self._suspects)  # it was found: the others need not go one by one
        else:
            self._suspects = max(self._suspects, len(entries))
            self._commands_max = len(entries) // 2
            self._put_back(entries)

    def _absolve(self, count: int) -> None:
        """So many suspects are dealt with; after the last of them, and without conflicts, flushes are large again."""
        self._suspects = max(0, self._suspects - count)
        self._conflicts = 0
        if not self._suspects:
            self._commands_max = FLUSH_COMMANDS_MAX

    def _deliver(self, entries: Sequence[Entry], answers: Sequence[Any], committed: Committed) -> None:
        """Tells the listeners, then answers the callers."""
        if committed.events:
            for listener in self._listeners:
                listener(committed)
        self._answer(entries, answers)

    def _answer(self, entries: Sequence[Entry], answers: Sequence[Any]) -> None:
        for entry, answer in zip(entries, answers, strict=True):
            if not callable(entry.work):
                for herald in self._heralds:
                    herald.settle(entry.work, answer)
            if entry.future.done():
                continue  # the caller went away; what it asked for is done all the same
            if isinstance(answer, BaseException):
                entry.future.set_exception(answer)
            else:
                entry.future.set_result(answer)

    def _abandon(self, entries: list[Entry], why: str) -> None:
        """Nothing can be written any more: refuses everything, and says so to whoever waits for `lost`."""
        self.lost.set()
        refused = [*entries, *self._queue]
        self._queue.clear()
        self._queued_items = 0
        self._answer(refused, [Unavailable(why)] * len(refused))
