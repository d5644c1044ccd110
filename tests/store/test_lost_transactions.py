"""Transactions that lose against others, for real: deadlocks, serialization failures, rows that somebody holds.

S1, S9, S10: the flush is written again, so that every caller gets its answer, once, and the log has no gap and nothing
twice; or, if it loses for too long, nothing is written and the callers hear UNAVAILABLE.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine

from services.domain.commands import CancelTask, Created, CreateTasks
from services.domain.errors import Unavailable
from services.domain.ledger import Rules
from services.fleet.postgres import PostgresServer
from services.store.check import check
from services.store.database import open_database
from services.store.feed import read_position
from services.store.journal import Journal
from services.store.postgres_writer import APPLICATION_NAME, ATTEMPTS_MAX
from services.store.schema_check import prepare_schema
from services.store.writer import RowsRefused
from tests.store.world import new_task

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
Session = psycopg.Connection[tuple[Any, ...]]
WAIT_SECONDS = 20.0
# The writer looks for a deadlock once, so long after it began to wait; it waits a second for a lock.
DEADLOCK_TIMEOUT = "300ms"
COMMANDS = 30
DEADLOCKS = 3
DAWDLE_SECONDS, TURNS = 0.02, 30
# What the server's log says of each transaction that it has ended for that.
NOT_SERIALIZED = "could not serialize access"
# Where a transaction may be told that it has lost: at its first statement, at its last, in between, and at its COMMIT.
PLACES = {
    "fence": "BEFORE UPDATE ON coordinators FOR EACH STATEMENT",
    "rows": "BEFORE INSERT ON tasks FOR EACH STATEMENT",
    "counter": "BEFORE UPDATE ON feed FOR EACH STATEMENT",
    "commit": "AFTER INSERT ON tasks DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
}


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = open_database(database_url)
    prepare_schema(made)
    yield made
    made.dispose()


@pytest.fixture
def other(engine: Engine) -> Iterator[Session]:
    """A session that has nothing to do with us, and never looks for a deadlock."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET deadlock_timeout = '60s'")
        yield connection


@pytest.fixture
async def journal(engine: Engine, other: Session) -> AsyncIterator[Journal]:
    set_for_database(other, "deadlock_timeout", DEADLOCK_TIMEOUT)
    made = await start(engine, 1)
    yield made
    await made.stop()
    with engine.connect() as connection:
        assert list(check(connection)) == []


async def start(engine: Engine, number: int) -> Journal:
    journal = Journal(engine, f"coordinator-{number}", Rules())
    await journal.start()
    return journal


def set_for_database(session: Session, setting: LiteralString, value: str) -> None:
    """For every session that begins from now on."""
    database = sql.Identifier(session.info.dbname)
    session.execute(sql.SQL("ALTER DATABASE {} SET {} = {}").format(database, sql.Identifier(setting), value))


def submits(journal: Journal, *, first: int = 0, count: int = COMMANDS) -> list[asyncio.Future[Any]]:
    """So many callers, each with one task and a request id."""
    numbers = range(first, first + count)
    return [journal.submit(CreateTasks([new_task(f"t{n:04}", request_id=f"r{n}")])) for n in numbers]


def names(first: int = 0, count: int = COMMANDS) -> list[str]:
    """The tasks that `submits` makes."""
    return [f"t{n:04}" for n in range(first, first + count)]


def made(answers: Sequence[Any]) -> list[str]:
    """What the answers say was made, none of it by an earlier submit."""
    assert all(isinstance(answer, list) and isinstance(answer[0], Created) for answer in answers), answers
    assert not any(answer[0].deduplicated for answer in answers)
    return [answer[0].task_id for answer in answers]


async def answers_of(futures: Sequence[asyncio.Future[Any]]) -> list[Any]:
    async with asyncio.timeout(WAIT_SECONDS):
        return await asyncio.gather(*futures, return_exceptions=True)


async def until_waiting(other: Session, pid: int = 0) -> int:
    """The backend of the writer that waits for a lock, once it does: another one than `pid`'s transaction."""
    query = (
        "SELECT pid, extract(epoch FROM xact_start) * 1000000 FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database() AND application_name = %s"
    )
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            row = other.execute(query, (APPLICATION_NAME,)).fetchone()
            if row is not None and int(row[1]) != pid:
                return int(row[1])
            other.execute("SELECT pg_stat_clear_snapshot()")
            await asyncio.sleep(0.005)


def deadlocks(other: Session) -> int:
    """How many the server has ended, as far as it has counted: it does so with a delay."""
    other.execute("SELECT pg_stat_clear_snapshot()")
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    [found] = other.execute(query).fetchone() or (0,)
    return int(found)


def lose_first(session: Session, place: LiteralString, *, times: int, code: str) -> None:
    """The first so many transactions that come by there are told that they have lost."""
    kind = "CONSTRAINT TRIGGER" if "DEFERRABLE" in PLACES[place] else "TRIGGER"
    session.execute("CREATE SEQUENCE losses")
    session.execute(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF nextval('losses') <= {times} THEN RAISE EXCEPTION 'lost' USING ERRCODE = '{code}'; END IF; "
        "RETURN NULL; END $$"
    )
    session.execute(f"CREATE {kind} lose {PLACES[place]} EXECUTE FUNCTION lose()")


def dawdle(session: Session) -> None:
    """Each transaction takes its time between its snapshot and the counter, so that they are several at a time."""
    session.execute(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN PERFORM pg_sleep({DAWDLE_SECONDS}); RETURN NULL; END $$"
    )
    session.execute(f"CREATE TRIGGER dawdle {PLACES['rows']} EXECUTE FUNCTION dawdle()")


def losses(session: Session) -> int:
    [count] = session.execute("SELECT last_value FROM losses").fetchone() or (0,)
    return int(count)


async def sequence_of(journal: Journal) -> int:
    return (await journal.read(read_position)).sequence


async def test_a_writer_that_is_ended_by_a_deadlock_writes_again(journal: Journal, other: Session) -> None:
    """The server looks for deadlocks once in each wait: where we come too late for that, the time for its lock ends."""
    rounds = 0
    while deadlocks(other) < DEADLOCKS:
        assert rounds < 10 * DEADLOCKS
        other.execute("BEGIN")
        other.execute("SELECT FROM feed FOR UPDATE")
        callers = submits(journal, first=COMMANDS * rounds)
        await until_waiting(other)
        # It has its own row and wants the counter; we have the counter and want its row.
        await asyncio.to_thread(other.execute, "SELECT FROM coordinators FOR UPDATE")
        other.execute("COMMIT")
        answers = await answers_of(callers)
        assert made(answers) == names(COMMANDS * rounds)
        rounds += 1
    assert await sequence_of(journal) == rounds * COMMANDS


async def test_a_row_that_somebody_holds_for_longer_than_a_lock_is_waited_for_is_written_after_it(
    journal: Journal, other: Session
) -> None:
    await answers_of(submits(journal, count=2))
    other.execute("BEGIN")
    other.execute("SELECT FROM tasks WHERE id = 't0000' FOR UPDATE")
    cancel = journal.submit(CancelTask("default", "t0000", "because"))
    beside = submits(journal, first=10, count=3)
    first_attempt = await until_waiting(other)
    await until_waiting(other, first_attempt)
    assert not cancel.done()
    other.execute("COMMIT")

    answers = await answers_of([cancel, *beside])
    assert not any(isinstance(answer, Exception) for answer in answers), answers
    assert await sequence_of(journal) == 2 + 1 + 3


@pytest.mark.parametrize("code", ["40001", "40P01"])
@pytest.mark.parametrize("place", PLACES)
async def test_a_transaction_that_lost_is_written_again_wherever_it_was_told(
    journal: Journal, other: Session, place: LiteralString, code: str
) -> None:
    lose_first(other, place, times=ATTEMPTS_MAX - 1, code=code)

    answers = await answers_of(submits(journal))

    assert losses(other) >= ATTEMPTS_MAX
    assert made(answers) == names()
    assert await sequence_of(journal) == COMMANDS


async def test_a_transaction_that_always_loses_is_refused_and_may_be_sent_again(
    journal: Journal, other: Session
) -> None:
    lose_first(other, "commit", times=ATTEMPTS_MAX, code="40001")

    refused = await answers_of(submits(journal, count=1))
    assert isinstance(refused[0], Unavailable)
    assert await sequence_of(journal) == 0
    assert made(await answers_of(submits(journal))) == names()
    assert await sequence_of(journal) == COMMANDS


async def test_a_bad_row_fails_alone_among_transactions_that_lose(journal: Journal, other: Session) -> None:
    lose_first(other, "counter", times=ATTEMPTS_MAX - 1, code="40001")
    before, after = submits(journal, count=12), submits(journal, first=20, count=12)
    bad = journal.submit(CreateTasks([new_task("bad", queue=None)]))

    answers = await answers_of([*before, bad, *after])

    assert isinstance(answers.pop(12), RowsRefused)
    assert made(answers) == [*names(0, 12), *names(20, 12)]
    assert await sequence_of(journal) == 24


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_coordinators_whose_transactions_cannot_be_serialized_decide_again(
    engine: Engine, other: Session, postgres: PostgresServer, level: str
) -> None:
    """All of them want the feed's counter: whoever comes second finds it newer than its snapshot."""
    log = postgres.folder / "postgres.log"
    before = log.read_text(errors="replace").count(NOT_SERIALIZED)
    set_for_database(other, "default_transaction_isolation", level)
    dawdle(other)
    journals = [await start(engine, number) for number in (1, 2, 3)]
    made_tasks, unavailable = [], 0
    for turn in range(TURNS):
        waiting = [(journal, 1000 * place + turn) for place, journal in enumerate(journals)]
        while waiting:
            answers = await answers_of([submits(journal, first=n, count=1)[0] for journal, n in waiting])
            refused = [isinstance(answer, Unavailable) for answer in answers]
            made_tasks += made([answer for answer, again in zip(answers, refused, strict=True) if not again])
            waiting = [each for each, again in zip(waiting, refused, strict=True) if again]
            unavailable += len(waiting)
    head = (await journals[0].read(read_position)).sequence
    for journal in journals:
        await journal.stop()
    lost = log.read_text(errors="replace").count(NOT_SERIALIZED) - before
    print(f"{level}: {lost} transactions lost, {unavailable} answers were UNAVAILABLE")
    assert lost > 0
    assert len(set(made_tasks)) == len(made_tasks) == head == TURNS * len(journals)
    with engine.connect() as connection:
        assert list(check(connection)) == []
