"""What the tail tells of the others: each of their commits, once, whatever comes in between."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.coordinator.feed import Feed
from services.coordinator.tail import Foreign, Tail
from services.domain.commands import CreateTasks
from services.domain.errors import ResourceExhausted
from services.domain.ledger import Rules
from services.store import journal as module
from services.store.database import open_database
from services.store.feed import read_position
from services.store.journal import Journal
from services.store.readers import Readers
from services.store.schema_check import prepare_schema
from tests.store.world import new_task

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class Pair:
    """Two coordinators' journals on one database, and the tail of the first."""

    def __init__(self, url: str) -> None:
        self.engine = open_database(url)
        prepare_schema(self.engine)
        self.readers = Readers(self.engine)
        self.ours = Journal(self.engine, "coordinator-1", Rules())
        self.theirs = Journal(self.engine, "coordinator-2", Rules())
        self.heard: list[Foreign] = []

    async def start(self) -> None:
        await self.ours.start()
        await self.theirs.start()
        feed = Feed(await self.readers.run(read_position))
        self.tail = Tail(self.ours, self.readers, feed, knows=lambda _key: False, others=lambda: True)
        self.tail.subscribe(self.heard.append)

    async def stop(self) -> None:
        await self.ours.stop()
        await self.theirs.stop()
        self.readers.close()
        self.engine.dispose()

    def ready(self) -> list[str]:
        return [task.id for foreign in self.heard for task in foreign.ready]


@pytest.fixture
async def pair(database_url: str) -> AsyncIterator[Pair]:
    made = Pair(database_url)
    await made.start()
    yield made
    await made.stop()


async def test_what_another_coordinator_made_ready_is_told_once(pair: Pair) -> None:
    await pair.theirs.submit(CreateTasks([new_task("t")]))
    await pair.tail.step()
    await pair.tail.step()
    assert pair.ready() == ["t"]


async def test_what_could_not_be_told_while_the_journal_was_full_is_told_then(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pair.theirs.submit(CreateTasks([new_task("t1")]))
    monkeypatch.setattr(module, "JOURNAL_QUEUE_MAX", 0)
    with pytest.raises(ResourceExhausted):
        await pair.tail.step()
    monkeypatch.undo()
    await pair.theirs.submit(CreateTasks([new_task("t2")]))
    await pair.tail.step()
    assert pair.ready() == ["t1", "t2"]
    assert len(pair.heard[0].events) == 1
