"""The journal over a real writer: what is answered, in which order, and what becomes of those beside a bad one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.domain.commands import Created, CreateTasks, NewTask
from services.domain.errors import Unavailable
from services.domain.ledger import Rules
from services.store import gathering
from services.store import journal as module
from services.store.database import open_database
from services.store.feed import read_position
from services.store.flush import Committed
from services.store.journal import Journal
from services.store.schema_check import prepare_schema
from services.store.writer import RowsRefused
from tests.store.world import new_task


@pytest.fixture
async def journal(database_url: str) -> AsyncIterator[Journal]:
    engine = open_database(database_url)
    prepare_schema(engine)
    made = Journal(engine, "coordinator-1", Rules())
    await made.start()
    yield made
    await made.stop()
    engine.dispose()


def batch(start: int, count: int, **fields: Any) -> CreateTasks:
    return CreateTasks([new_task(f"t{number:05}", **fields) for number in range(start, start + count)])


def prepared_ahead(journal: Journal) -> bool:
    return len(journal._flying) > 1


async def test_much_that_has_gathered_is_prepared_while_the_flush_before_is_written(journal: Journal) -> None:
    heard: list[Committed] = []
    journal.subscribe(heard.append)
    first = journal.submit(batch(0, 10))
    while not journal._flying:
        await asyncio.sleep(0)
    rest = [journal.submit(batch(number * 1000, 400)) for number in range(1, 6)]
    while not prepared_ahead(journal):
        await asyncio.sleep(0)
    assert not first.done(), "it was prepared before the first was written"
    answers = await asyncio.gather(first, *rest)

    assert all(isinstance(result, Created) for answer in answers for result in answer)
    numbers = [committed.first_sequence + place for committed in heard for place in range(len(committed.events))]
    assert numbers == list(range(1, 2011))


async def test_what_stands_on_a_flush_that_fails_is_written_without_it(journal: Journal) -> None:
    heard: list[Committed] = []
    journal.subscribe(heard.append)
    bad = journal.submit(batch(0, 300, queue=None))
    while not journal._flying:
        await asyncio.sleep(0)
    good = [journal.submit(batch(number * 1000, 300)) for number in range(1, 4)]
    while not prepared_ahead(journal):
        await asyncio.sleep(0)
    with pytest.raises(RowsRefused):
        await bad
    answers = await asyncio.gather(*good)

    assert all(isinstance(result, Created) for answer in answers for result in answer)
    numbers = [committed.first_sequence + place for committed in heard for place in range(len(committed.events))]
    assert numbers == list(range(1, 901))


async def test_answers_come_in_the_order_of_the_commands_after_their_listeners(journal: Journal) -> None:
    order: list[str] = []
    journal.subscribe(lambda committed: order.append(f"heard {len(committed.events)}"))
    answers = [journal.submit(batch(number * 1000, 300)) for number in range(4)]
    for number, answer in enumerate(answers):
        answer.add_done_callback(lambda _, number=number: order.append(f"answered {number}"))
    await asyncio.gather(*answers)
    await asyncio.sleep(0)

    assert [entry for entry in order if entry.startswith("answered")] == [f"answered {n}" for n in range(4)]
    assert order[0].startswith("heard")


async def test_a_read_sees_just_what_was_queued_before_it(journal: Journal) -> None:
    before = [journal.submit(batch(number * 1000, 300)) for number in range(3)]
    position = journal.read(read_position)
    after = journal.submit(batch(9000, 300))

    assert (await position).sequence == 900
    assert all(answer.done() for answer in before)
    await after
    assert (await journal.read(read_position)).sequence == 1200


async def test_of_many_commands_only_the_bad_one_fails(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIPELINED_ITEMS_MIN", 1)
    bad: NewTask = new_task("bad", queue=None)
    answers: list[asyncio.Future[Any]] = []
    for number in range(40):
        answers.append(journal.submit(CreateTasks([bad]) if number == 17 else batch(number * 10, 3)))
        if number % 10 == 0:
            await asyncio.sleep(0)
    results = await asyncio.gather(*answers, return_exceptions=True)

    assert [number for number, result in enumerate(results) if isinstance(result, Exception)] == [17]
    assert (await journal.read(read_position)).sequence == 39 * 3


async def test_request_ids_of_an_earlier_life_give_the_same_tasks(database_url: str) -> None:
    """S2 over a restart, with new ones and old ones in the same flushes."""
    engine = open_database(database_url)
    prepare_schema(engine)
    first = Journal(engine, "coordinator-1", Rules())
    await first.start()
    await first.submit(CreateTasks([new_task(f"old{n}", request_id=f"r{n}") for n in range(5)]))
    await first.stop()
    second = Journal(engine, "coordinator-1", Rules())
    await second.start()
    submits = [second.submit(CreateTasks([new_task(f"new{n}", request_id=f"r{n}")])) for n in range(10)]
    answers = [(await submit)[0] for submit in submits]
    await second.stop()
    engine.dispose()

    assert [answer.task_id for answer in answers] == [f"old{n}" for n in range(5)] + [f"new{n}" for n in range(5, 10)]


async def test_without_its_writer_the_journal_answers_nobody_and_ends(journal: Journal) -> None:
    await journal.submit(batch(0, 1))
    assert journal._writer is not None
    journal._writer._child.send_signal(signal.SIGSTOP)
    unknown = journal.submit(batch(10, 1))
    while not journal._flying:
        await asyncio.sleep(0)
    queued = journal.submit(batch(20, 1))
    journal._writer._child.kill()

    for answer in (unknown, queued):
        with pytest.raises(Unavailable):
            await answer
    await journal.lost.wait()
    with pytest.raises(Unavailable):
        await journal.submit(batch(30, 1))


async def test_a_stop_writes_what_is_queued(journal: Journal) -> None:
    answers = [journal.submit(batch(number * 1000, 50)) for number in range(4)]
    await journal.stop()

    assert all(answer.done() and answer.exception() is None for answer in answers)


async def test_a_stop_does_not_wait_for_a_database_that_does_not_answer(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "JOURNAL_STOP_SECONDS", 0.05)
    assert journal._writer is not None
    journal._writer._child.send_signal(signal.SIGSTOP)
    written = journal.submit(batch(0, 1))
    while not journal._flying:
        await asyncio.sleep(0)
    queued = journal.submit(batch(10, 1))
    await journal.stop()

    for answer in (written, queued):
        with pytest.raises(Unavailable):
            await answer


async def test_a_flush_waits_for_as_many_commands_as_the_one_before_held(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "GATHER_SECONDS", 60.0)
    heard: list[int] = []
    journal.subscribe(lambda committed: heard.append(len(committed.created)))
    await asyncio.gather(*(journal.submit(batch(number, 1)) for number in range(3)))
    rest = []
    for number in range(3, 6):
        rest.append(journal.submit(batch(number, 1)))
        for _ in range(5):
            await asyncio.sleep(0)
    await asyncio.gather(*rest)
    assert heard == [3, 3]


async def test_a_flush_does_not_wait_for_long(journal: Journal) -> None:
    await asyncio.gather(*(journal.submit(batch(number, 1)) for number in range(3)))
    await journal.submit(batch(3, 1))
    await journal.submit(batch(4, 1))


async def test_a_flush_of_many_items_waits_for_nobody(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "GATHER_SECONDS", 60.0)
    await asyncio.gather(*(journal.submit(batch(number, 1)) for number in range(3)))
    await journal.submit(batch(10, module.PIPELINED_ITEMS_MIN))


async def test_a_stop_waits_for_nobody(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "GATHER_SECONDS", 60.0)
    monkeypatch.setattr(module, "JOURNAL_STOP_SECONDS", 60.0)
    await asyncio.gather(*(journal.submit(batch(number, 1)) for number in range(3)))
    last = journal.submit(batch(3, 1))
    await journal.stop()
    assert isinstance((await last)[0], Created)
