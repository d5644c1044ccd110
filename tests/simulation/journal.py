"""The one writer, in virtual time: whatever has gathered is folded, and committed a while later, or not at all.

A model of `store/journal.py` with one flush at a time: the rules are real, the group commit is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from services.domain.commands import Command
from services.domain.errors import MissionControlError, Unavailable
from services.domain.fold import fold
from services.domain.ledger import Ledger
from services.store.flush import Committed
from tests.simulation.clock import Clock
from tests.simulation.tables import Tables

Answered = Callable[[Any], None]


class Herald(Protocol):
    """Somebody who hears of commands before and after they are written."""

    def foretell(self, command: Command) -> None: ...

    def settle(self, command: Command, answer: Any) -> None: ...


class Disk:
    """How the database is doing: seconds that a commit takes, and whether it fails, or leaves open how it went."""

    def __init__(self) -> None:
        self.seconds = 0.001
        self.failing = False
        self.silent = False


def nothing(_answer: Any) -> None:
    """Nobody waits for it."""


class Journal:
    """Answers are values or the domain errors that are answers, given to a callback."""

    def __init__(self, clock: Clock, tables: Tables, disk: Disk, on_commit: Callable[[Ledger], None]) -> None:
        self.renewed_at = clock.now
        self.listeners: list[Callable[[Committed], None]] = []
        self.heralds: list[Herald] = []
        self.lost: Callable[[], None] = lambda: None
        self.stopped = False
        self._clock = clock
        self._tables = tables
        self._disk = disk
        self._on_commit = on_commit
        self._queue: list[tuple[Command | None, Answered]] = []
        self._flying: Ledger | None = None
        self._planned = False

    def submit(self, command: Command, then: Answered = nothing) -> None:
        """Queues a command."""
        if self.stopped:
            then(Unavailable("this coordinator is stopping"))
            return
        self._put(command, then)
        for herald in self.heralds:
            herald.foretell(command)

    def read(self, then: Callable[[], None]) -> None:
        """Queues a read between two flushes."""
        if not self.stopped:
            self._put(None, lambda _answer: then())

    def stop(self) -> None:
        """The process is gone; a commit that was on its way may have got there."""
        self.stopped = True
        flying, self._flying = self._flying, None
        if flying is not None and self._clock.chance(0.5):
            self._clock.note("journal", "the last commit of a dead coordinator")
            self._commit(flying)

    def _put(self, command: Command | None, then: Answered) -> None:
        self._queue.append((command, then))
        self._plan()

    def _plan(self) -> None:
        if self._queue and self._flying is None and not self._planned:
            self._planned = True
            self._clock.later(0.0, self._step)

    def _step(self) -> None:
        self._planned = False
        if self.stopped:
            return
        while self._queue and self._queue[0][0] is None:
            self._queue.pop(0)[1](None)
        reads = [index for index, entry in enumerate(self._queue) if entry[0] is None]
        entries = self._queue[: reads[0] if reads else len(self._queue)]
        del self._queue[: len(entries)]
        if not entries:
            return
        commands: list[Any] = [command for command, _ in entries]
        ledger = self._tables.read(commands, self._clock.micros)
        answers = [fold(ledger, command) for command in commands]
        self._flying = ledger
        seconds = self._clock.random.uniform(0.5, 1.5) * self._disk.seconds
        self._clock.later(seconds, self._finish, ledger, entries, answers, self._clock.now)

    def _finish(
        self, ledger: Ledger, entries: list[tuple[Command, Answered]], answers: list[Any], begin: float
    ) -> None:
        if self.stopped:
            return
        if self._disk.silent:
            self._disk.silent = False
            self._clock.note("journal", "nobody knows how the commit went")
            self.lost()
            return
        self._flying = None
        if self._disk.failing:
            self._clock.note("journal", "a flush of", len(entries), "failed")
            self._answer(entries, [Unavailable("the database cannot be written now")] * len(entries))
        else:
            committed = self._commit(ledger)
            self.renewed_at = begin
            if committed.events:
                for listener in self.listeners:
                    listener(committed)
            self._answer(entries, answers)
        self._plan()

    def _commit(self, ledger: Ledger) -> Committed:
        committed = self._tables.apply(ledger)
        for event in ledger.events if self._clock.tracing else ():
            self._clock.note("commit", event.type.name, event.task_id or event.queue, event.agent_id, *said(event.data))
        self._on_commit(ledger)
        return committed

    def _answer(self, entries: list[tuple[Command, Answered]], answers: list[Any]) -> None:
        for (command, then), answer in zip(entries, answers, strict=True):
            for herald in self.heralds:
                herald.settle(command, answer)
            then(answer)


def said(data: Any) -> tuple[Any, ...]:
    """The part of an event that a trace shows."""
    return (f"version={data.version}", f"token={data.token}", f"outcome={int(data.outcome)}", data.message)


def failed(answer: Any) -> bool:
    """Whether an answer is an error."""
    return isinstance(answer, MissionControlError)
