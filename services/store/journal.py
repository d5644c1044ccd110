"""The journal: the one writer, and the group commit that makes it fast.

Callers put commands into a queue. A thread with the only writing connection takes whatever is there (bounded), runs
it as one flush, and answers every caller after the commit. No timer: an idle journal commits at once, a busy one
batches by itself. Listeners hear of each commit on the event loop, in the order of commits, before the answers of
that commit are given: whoever reads an answer finds the feed at least as far.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import Connection, Engine

from services.domain.commands import ApplyReports, Command, CreateTasks, GrantLeases
from services.domain.errors import MissionControlError, ResourceExhausted, Unavailable
from services.domain.ledger import Rules
from services.store.coordinators import claim_term
from services.store.flush import Committed, Flusher, TermLost
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
        self._queue: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._listeners: list[Listener] = []
        self._heralds: list[Herald] = []
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._started: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        self.lost: asyncio.Event = asyncio.Event()
        # When the last flush was committed, by the monotonic clock: what the coordinator's promises to its agents
        # rest on.
        self.renewed_at = 0.0

    async def start(self) -> None:
        """Claims the next term and starts the writer.

        From then on an earlier coordinator on this database cannot commit.
        """
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.create_future()
        self._thread.start()
        await self._started

    async def stop(self) -> None:
        """Flushes what is queued, and ends the writer."""
        if self._thread.is_alive():
            self._stopping = True
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)

    def subscribe(self, listener: Listener) -> None:
        """Calls the listener after each commit, on the event loop, in the order of commits.

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

    def _put(self, work: Command | Read) -> asyncio.Future[Any]:
        assert self._loop is not None, "the journal was not started"
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._stopping or self.lost.is_set():
            future.set_exception(Unavailable("this coordinator is stopping"))
        elif self._queue.qsize() >= JOURNAL_QUEUE_MAX:
            future.set_exception(ResourceExhausted("too many changes wait to be written", retry_seconds=0.5))
        else:
            self._queue.put(Entry(work, future))
        return future

    # The writer's thread.

    def _run(self) -> None:
        """The life of the writer."""
        assert self._loop is not None
        try:
            connection = self._engine.connect()
            identity = claim_term(connection, self._coordinator_id)
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            flusher = Flusher(driver, identity, self._rules)
        except Exception as error:
            self._loop.call_soon_threadsafe(self._settle_start, error)
            return
        self._loop.call_soon_threadsafe(self._settle_start, None)
        try:
            while self.step(connection, flusher):
                pass
        except TermLost as error:
            log.warning("term lost: another coordinator has taken over this database", error=str(error))
            self._loop.call_soon_threadsafe(self._abandon)
        finally:
            connection.close()

    def step(self, connection: Connection, flusher: Flusher) -> bool:
        """Waits for work and does one bounded flush, or one read. False when it is time to stop."""
        entries, last = self._take()
        commands = [entry for entry in entries if not callable(entry.work)]
        if commands:
            self._flush(flusher, commands)
        for entry in entries:
            if callable(entry.work):
                self._read(connection, entry)
        return not last

    def _take(self) -> tuple[list[Entry], bool]:
        """What is queued, bounded; a read ends the batch, so that it sees just what was queued before it."""
        entries: list[Entry] = []
        items = 0
        entry = self._queue.get()
        while entry is not None:
            entries.append(entry)
            items += size(entry.work)
            full = len(entries) >= FLUSH_COMMANDS_MAX or items >= FLUSH_ITEMS_MAX
            if full or callable(entry.work):
                return entries, False
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                return entries, False
        return entries, True

    def _flush(self, flusher: Flusher, entries: Sequence[Entry]) -> None:
        """Flushes, and answers. If the data is at fault, each half is tried by itself: one bad command fails alone."""
        assert self._loop is not None
        try:
            answers, committed = flusher.flush([entry.work for entry in entries])  # type: ignore[misc]  # no reads among them
        except TermLost:
            self._loop.call_soon_threadsafe(self._deliver, entries, [lost_term()] * len(entries), None)
            raise
        except sqlite3.OperationalError as error:
            log.warning("the database refused a flush", error=str(error), commands=len(entries))
            unavailable = Unavailable(f"the database cannot be written now: {error}")
            self._loop.call_soon_threadsafe(self._deliver, entries, [unavailable] * len(entries), None)
        except Exception as error:
            if len(entries) == 1:
                log.exception("a command could not be applied", command=type(entries[0].work).__name__)
                self._loop.call_soon_threadsafe(self._deliver, entries, [error], None)
                return
            middle = len(entries) // 2
            self._flush(flusher, entries[:middle])
            self._flush(flusher, entries[middle:])
        else:
            self._loop.call_soon_threadsafe(self._deliver, entries, answers, committed)

    def _read(self, connection: Connection, entry: Entry) -> None:
        """Runs one read."""
        assert self._loop is not None
        try:
            answer = entry.work(connection)  # type: ignore[operator]  # it is a read
        except Exception as error:
            answer = error
        self._loop.call_soon_threadsafe(self._deliver, [entry], [answer], None)

    # On the event loop.

    def _settle_start(self, error: Exception | None) -> None:
        assert self._started is not None
        if error is None:
            self.renewed_at = time.monotonic()
            self._started.set_result(None)
        else:
            self._started.set_exception(error)

    def _deliver(self, entries: Sequence[Entry], answers: Sequence[Any], committed: Committed | None) -> None:
        """Tells the listeners, then answers the callers."""
        if committed is not None:
            self.renewed_at = time.monotonic()
        if committed is not None and committed.events:
            for listener in self._listeners:
                listener(committed)
        for entry, answer in zip(entries, answers, strict=True):
            if not callable(entry.work):
                for herald in self._heralds:
                    herald.settle(entry.work, answer)
            if entry.future.done():
                continue  # the caller went away; what it asked for is done all the same
            if isinstance(answer, Exception):
                entry.future.set_exception(answer)
            else:
                entry.future.set_result(answer)

    def _abandon(self) -> None:
        """Nothing can be written any more: refuses what is queued, and says so to whoever waits for `lost`."""
        self.lost.set()
        while True:
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                return
            if entry is not None and not entry.future.done():
                entry.future.set_exception(lost_term())


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
