"""Real journals on one database, driven from a test that has no event loop of its own: command in, answer out."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Engine

from services.domain.commands import Command
from services.domain.event import Event
from services.domain.event_filter import EventFilter
from services.domain.ledger import Rules
from services.store.check import check
from services.store.database import open_database
from services.store.feed import list_events, read_position
from services.store.flush import Committed
from services.store.journal import Journal
from services.store.schema_check import prepare_schema

# An answer that takes longer is not coming any more.
ANSWER_SECONDS = 60.0
PAGE = 1_000

StartJournal = Callable[[Engine, int], Journal]
# Where a command goes (the number of a journal), and what it is.
Sent = tuple[int, Command]


def new_journal(engine: Engine, number: int) -> Journal:
    """The journal of one coordinator."""
    return Journal(engine, f"coordinator-{number}", Rules())


class Journals:
    """Some journals on one database, each with its writer's process. `make` makes one that is not started."""

    def __init__(self, url: str, *, count: int = 1, make: StartJournal = new_journal) -> None:
        self.count = count
        self.engine = open_database(url)
        prepare_schema(self.engine)
        self._make = make
        self._runner = asyncio.Runner()
        self._connection = self.engine.connect()
        self.heard: list[Committed] = []  # by the first journal, in the order of commits
        self._journals = [self._runner.run(self._start(number)) for number in range(count)]
        self._namespaces = itertools.count()

    async def _start(self, number: int) -> Journal:
        journal = self._make(self.engine, number)
        await journal.start()
        if number == 0:
            journal.subscribe(self.heard.append)
        return journal

    def new_namespace(self) -> str:
        """Where nothing is yet. What it holds is named after it."""
        self.heard.clear()
        return f"n{next(self._namespaces)}"

    def ask(self, sent: Sequence[Sent], *, turns: int = 0, gone: int | None = None) -> list[Any]:
        """Has these commands done; their answers, an error as a value.

        They are submitted at once, or so many turns of the loop apart: then several flushes are on their way.
        Nobody waits for the answer of number `gone`.
        """
        try:
            return self._runner.run(self._ask(sent, turns, gone))
        except TimeoutError:
            for number in range(self.count):  # it answers nobody any more
                self.restart(number)
            raise

    async def _ask(self, sent: Sequence[Sent], turns: int, gone: int | None) -> list[Any]:
        answers = []
        for place, (number, command) in enumerate(sent):
            answers.append(self._journals[number].submit(command))
            if place == gone:
                answers[-1].cancel()
            for _ in range(turns):
                await asyncio.sleep(0)
        async with asyncio.timeout(ANSWER_SECONDS):
            found = await asyncio.gather(*answers, return_exceptions=True)
            # A read waits for all that was queued before it, also for what nobody else waits for.
            await asyncio.gather(*(journal.read(read_position) for journal in self._journals))
        return found

    def restart(self, number: int) -> None:
        """Stops a journal and starts another one in its place, which remembers nothing."""

        async def restart() -> None:
            await self._journals[number].stop()
            self._journals[number] = await self._start(number)

        self._runner.run(restart())

    def read(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What is on disk."""
        return function(self._connection, *arguments, **options)

    def log(self, namespace: str) -> list[tuple[int, Event]]:
        """All of a namespace's events, with their numbers."""
        found: list[tuple[int, Event]] = []
        after = self.heard[0].first_sequence - 1 if self.heard else 0
        while True:
            page = self.read(list_events, EventFilter(namespace=namespace), after=after, limit=PAGE)
            found += page.events
            if page.reached >= page.bounds.head:
                return found
            after = page.reached

    def findings(self, namespace: str) -> list[Any]:
        """What the checker finds wrong with this namespace, or with the log as a whole."""
        return [found for found in self.read(check) if f"{namespace}." in found.message or found.check == "sequence"]

    def close(self) -> None:
        for journal in self._journals:
            self._runner.run(journal.stop())
        self._runner.close()
        self._connection.close()
        self.engine.dispose()
