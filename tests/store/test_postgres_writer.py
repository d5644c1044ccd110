"""PostgreSQL's own: what becomes of a transaction that breaks, and of a COMMIT that nobody answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import psycopg
import pytest

from services.domain.commands import CreateTasks
from services.store.postgres_writer import PostgresWriter
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


async def test_what_became_of_a_commit_is_not_said_while_its_session_may_be_committing(
    world: World, other: psycopg.Connection[tuple[object, ...]]
) -> None:
    """S1: the client's connection broke, the server works on: a look at the row would still find the flush before."""
    other.execute("BEGIN")
    other.execute("UPDATE coordinators SET flush = 77")
    told = asyncio.create_task(asyncio.to_thread(writer_of(world).written, 77))
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while other.execute(waiting).fetchone() is None:
        await asyncio.sleep(0)
        other.execute("SELECT pg_stat_clear_snapshot()")
    assert not told.done()
    other.execute("COMMIT")
    assert await told is not None


def test_a_server_that_goes_away_while_a_stopped_writer_is_ended_is_waited_for_like_any(
    world: World, other: psycopg.Connection[tuple[object, ...]]
) -> None:
    """The batch is not at fault."""
    writer = writer_of(world)
    other.execute("SELECT pg_terminate_backend(%s, 10000)", (writer._connection.info.backend_pid,))
    writer._end_stopped()
    world.submit("t")
    assert world.task("t").id == "t"
