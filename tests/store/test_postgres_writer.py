"""PostgreSQL's own: what becomes of a transaction that breaks, and of a COMMIT that nobody answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import psycopg
import pytest

from services.domain.commands import CreateTasks
from services.store.feed import read_position
from services.store.origin import begin_epoch
from services.store.postgres_dialect import FENCE
from services.store.postgres_writer import PostgresWriter
from services.store.transactions import in_thread
from tests.e2e.waiting import until
from tests.store.world import World, new_task

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def other(world: World) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Another session on the same database."""
    url = world.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def writer_of(world: World) -> PostgresWriter:
    assert isinstance(world.writer, PostgresWriter)
    return world.writer


def test_a_batch_that_breaks_the_writer_itself_is_not_committed_with_the_next(world: World) -> None:
    """S9: an error that is none of the database's left the transaction open, with what was written until then."""
    batch = world.flusher.prepare([CreateTasks([new_task("broken")])]).batch
    world.flusher.discard()
    ragged = [*batch.writes, (batch.writes[0][0], [("one",), ("two", "more")], [])]
    with pytest.raises(ValueError, match="zip"):
        world.writer.write(msgspec.structs.replace(batch, writes=ragged))
    world.submit("t")
    with pytest.raises(KeyError):
        world.task("broken")
    assert world.task("t").id == "t"


def test_a_commit_behind_which_the_connection_came_apart_is_looked_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1, S9: while its server crashes a pipeline may end with an error, and libpq calls its connection sound."""
    connection = writer_of(world)._connection
    whole = connection.pipeline

    @contextmanager
    def torn() -> Iterator[None]:
        with whole():
            yield
        raise psycopg.OperationalError("cannot exit pipeline mode while busy")

    def impossible() -> None:
        raise psycopg.OperationalError("PQsendQuery not allowed in pipeline mode")

    monkeypatch.setattr(connection, "pipeline", torn)
    monkeypatch.setattr(connection, "rollback", impossible)

    world.submit("t")

    assert connection.closed
    assert world.task("t").id == "t"
    world.submit("next")


async def until_waiting(session: psycopg.Connection[tuple[object, ...]]) -> None:
    """Until somebody waits for a lock."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    def seen() -> bool:
        session.execute("SELECT pg_stat_clear_snapshot()")
        return session.execute(waiting).fetchone() is not None

    await until(seen)


async def test_what_became_of_a_commit_is_not_said_while_its_session_may_be_committing(
    world: World, other: psycopg.Connection[tuple[object, ...]]
) -> None:
    """S1: the client's connection broke, the server works on: a look at the row would still find the flush before."""
    other.execute("BEGIN")
    other.execute("UPDATE coordinators SET flush = 77")
    told = asyncio.create_task(asyncio.to_thread(writer_of(world).written, 77))
    await until_waiting(other)
    assert not told.done()
    other.execute("COMMIT")
    assert await told is not None


async def test_a_new_epoch_and_a_flush_do_not_wait_for_each_other(
    world: World, other: psycopg.Connection[tuple[object, ...]]
) -> None:
    """A flush has its fence first and the feed's counter last; whoever began the other way round ended one of them."""
    other.execute("BEGIN")
    other.execute(FENCE, (1, *writer_of(world)._own))
    begun = asyncio.create_task(in_thread(world.engine, begin_epoch))
    await until_waiting(other)

    other.execute("UPDATE feed SET head = head WHERE id = 1")
    other.execute("COMMIT")

    epoch = await begun
    assert read_position(world.connection).epoch == epoch


def test_a_server_that_goes_away_while_a_stopped_writer_is_ended_is_waited_for_like_any(
    world: World, other: psycopg.Connection[tuple[object, ...]]
) -> None:
    """The batch is not at fault."""
    writer = writer_of(world)
    other.execute("SELECT pg_terminate_backend(%s, 10000)", (writer._connection.info.backend_pid,))
    writer._end_stopped()
    world.submit("t")
    assert world.task("t").id == "t"
