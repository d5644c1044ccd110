"""The journal: the one writer, and the group commit that makes it fast.

Callers put commands into a queue. Whatever is there (bounded) is run as one flush: read, folded and written on the
event loop, committed in a thread, since the COMMIT waits for the disk. While it does, the next flush gathers. No timer:
an idle journal commits at once, a busy one batches by itself. Listeners hear of each commit in the order of commits,
before the answers of that commit are given: whoever reads an answer finds the feed at least as far.

The statements run on the loop, not in the thread: between two threads the interpreter lock changed hands with every
statement, and both waited for it. ARCHITECTURE.md has the figures.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import Connection, Engine

from services.domain.commands import ApplyReports, Command, CreateTasks, GrantLeases
from services.domain.errors import MissionControlError, ResourceExhausted, Unavailable
from services.domain.ledger import Rules
from services.store.coordinators import claim_term
from services.store.flush import Committed, Flusher, Prepared, TermLost
from services.store.limits import FLUSH_COMMANDS_MAX, FLUSH_ITEMS_MAX, JOURNAL_QUEUE_MAX

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")
Read = Callable[[Connection], Any]
Listener = Callable[[Committed], None]


class Herald(Protocol):
    """Somebody who wants to know of commands before they are committed."""

    def foretell(self, command: Command) -> None:
        """The command was queued. Called on the event loop."""

    def settle(self, command: Command, answer: Any) -> None:
        """Its answer, or the error that it is, after the listeners were told. Called once for each one foretold."""


class Entry:
    """A command, or a read, with the future of whoever waits for it."""

    __slots__ = ("future", "work")

    def __init__(self, work: Command | Read, future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future


class Journal:
    """See the module. Made, started, used and stopped on one event loop."""

    def __init__(self, engine: Engine, coordinator_id: str, rules: Rules) -> None:
        self._engine = engine
        self._coordinator_id = coordinator_id
        self._rules = rules
        self._queue: deque[Entry] = deque()
        self._listeners: list[Listener] = []
        self._heralds: list[Herald] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Connection | None = None
        self._flusher: Flusher | None = None
        self._committing = False
        self._scheduled = False
        self._stopping = False
        self._idle = asyncio.Event()
        self._suspects = 0  # entries at the head of the queue, one of which broke a flush
        self._commands_max = FLUSH_COMMANDS_MAX
        self.lost: asyncio.Event = asyncio.Event()
        # When the last flush was committed, by the monotonic clock: what the coordinator's promises to its agents
        # rest on.
        self.renewed_at = 0.0

    async def start(self) -> None:
        """Claims the next term and opens the writer.

        From then on an earlier coordinator on this database cannot commit.
        """
        self._loop = asyncio.get_running_loop()
        await self._loop.run_in_executor(self._thread, self._open)
        self.renewed_at = time.monotonic()

    async def stop(self) -> None:
        """Flushes what is queued, and closes the writer."""
        self._stopping = True
        while self._committing or self._queue:
            self._idle.clear()
            self._schedule()
            await self._idle.wait()
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()

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
        """Queues a read on the writer's connection.

        It sees all earlier commits, and its answer comes before later ones are told.
        """
        return self._put(function)

    def _open(self) -> None:
        """Opens the connection that nobody else uses, and claims the term. In the thread."""
        self._connection = self._engine.connect()
        identity = claim_term(self._connection, self._coordinator_id)
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        self._flusher = Flusher(driver, identity, self._rules)

    def _put(self, work: Command | Read) -> asyncio.Future[Any]:
        assert self._loop is not None, "the journal was not started"
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._stopping or self.lost.is_set():
            future.set_exception(Unavailable("this coordinator is stopping"))
        elif len(self._queue) >= JOURNAL_QUEUE_MAX:
            future.set_exception(ResourceExhausted("too many changes wait to be written", retry_seconds=0.5))
        else:
            self._queue.append(Entry(work, future))
            self._schedule()
        return future

    def _schedule(self) -> None:
        """Has the queue looked at soon.

        What comes in this turn of the loop goes into one flush. It runs in the turn after the next: the heralds' words
        are then on their way while the flush keeps the loop busy.
        """
        if not self._scheduled and not self._committing:
            assert self._loop is not None
            self._scheduled = True
            self._loop.call_soon(self._loop.call_soon, self.step)

    def step(self) -> None:
        """One bounded pass: the reads at the head of the queue, then one flush up to its COMMIT."""
        self._scheduled = False
        if self._committing:
            return
        while self._queue and callable(self._queue[0].work):
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
        return entries

    def _read(self, entry: Entry) -> None:
        """Runs one read."""
        assert self._connection is not None
        try:
            answer = entry.work(self._connection)  # type: ignore[operator]  # it is a read
        except Exception as error:
            answer = error
        self._answer([entry], [answer])

    def _flush(self, entries: list[Entry]) -> None:
        """Prepares a flush and hands its COMMIT to the thread."""
        assert self._loop is not None
        assert self._flusher is not None
        try:
            prepared = self._flusher.prepare([entry.work for entry in entries])  # type: ignore[misc]  # no reads here
        except Exception as error:
            self._refuse(entries, error)
            self._schedule()
            return
        self._committing = True
        commit = self._loop.run_in_executor(self._thread, self._flusher.commit)
        commit.add_done_callback(partial(self._finish, entries, prepared))

    def _finish(self, entries: list[Entry], prepared: Prepared, commit: asyncio.Future[None]) -> None:
        """The COMMIT has returned: tells the listeners, answers, and looks at what has gathered."""
        assert self._flusher is not None
        self._committing = False
        error = commit.exception()
        if error is not None:
            self._refuse(entries, error)
        else:
            self._absolve(len(entries))
            self._deliver(entries, prepared.answers, self._flusher.settle(prepared))
        self._schedule()

    def _refuse(self, entries: list[Entry], error: BaseException) -> None:
        """A flush that was not committed. If the data is at fault, each half is tried by itself: one fails alone."""
        if isinstance(error, TermLost):
            log.warning("term lost: another coordinator has taken over this database", error=str(error))
            self._abandon(entries)
        elif isinstance(error, sqlite3.OperationalError):
            log.warning("the database refused a flush", error=str(error), commands=len(entries))
            self._absolve(len(entries))
            self._answer(entries, [Unavailable(f"the database cannot be written now: {error}")] * len(entries))
        elif len(entries) == 1:
            log.error("a command could not be applied", command=type(entries[0].work).__name__, exc_info=error)
            self._absolve(1)
            self._answer(entries, [error])
        else:
            self._suspects = max(self._suspects, len(entries))
            self._commands_max = len(entries) // 2
            self._queue.extendleft(reversed(entries))

    def _absolve(self, count: int) -> None:
        """So many suspects are dealt with; after the last of them flushes are large again."""
        if self._suspects:
            self._suspects = max(0, self._suspects - count)
            if not self._suspects:
                self._commands_max = FLUSH_COMMANDS_MAX

    def _deliver(self, entries: Sequence[Entry], answers: Sequence[Any], committed: Committed) -> None:
        """Tells the listeners, then answers the callers."""
        self.renewed_at = time.monotonic()
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

    def _abandon(self, entries: list[Entry]) -> None:
        """Nothing can be written any more: refuses everything, and says so to whoever waits for `lost`."""
        self.lost.set()
        refused = [*entries, *self._queue]
        self._queue.clear()
        self._answer(refused, [lost_term()] * len(refused))


def lost_term() -> MissionControlError:
    """The answer of a coordinator that may not write any more."""
    return Unavailable("this coordinator was superseded by another one")


def size(work: Command | Read) -> int:
    """How many items a command holds."""
    match work:
        case CreateTasks(tasks=items) | ApplyReports(reports=items) | GrantLeases(placements=items):
            return len(items)
        case _:
            return 1
