"""The transaction: fenced, whole or not at all, and honest about a COMMIT whose answer was an error."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from services.domain.commands import CreateTasks
from services.store.coordinators import claim_term
from services.store.database import prepare_sqlite
from services.store.flush import Prepared
from services.store.sqlite_writer import SqliteWriter
from services.store.writer import Identity, OutcomeUnknown, RowsRefused, TermLost, WriteRefused
from services.store.writer_process import open_writer
from tests.store.world import World, new_task

# SQLite's own: its lock, and its COMMIT that answers with an error.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Disk(sqlite3.Connection):
    """A connection whose disk fails at a COMMIT: before it happened, or before that was said."""

    fails = ""
    reads = True

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql == "COMMIT" and self.fails:
            if self.fails == "after":
                super().execute(sql)
            raise sqlite3.OperationalError("disk I/O error")
        if sql.startswith("SELECT") and not self.reads:
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, parameters)


@pytest.fixture
def disk(world: World, tmp_path: Path) -> Iterator[Disk]:
    """The world's writer on a disk of its own."""
    connection = sqlite3.connect(tmp_path / "missioncontrol.db", timeout=0, isolation_level=None, factory=Disk)
    prepare_sqlite(connection, None)
    world.writer = SqliteWriter(connection, claim_term(world.connection, "coordinator-1"))
    yield connection
    connection.close()


def prepared(world: World, task_id: str, **fields: Any) -> Prepared:
    return world.flusher.prepare([CreateTasks([new_task(task_id, **fields)])])


def tasks(world: World) -> list[str]:
    return [row[0] for row in world.connection.exec_driver_sql("SELECT id FROM tasks ORDER BY id")]


def can_be_written(world: World) -> bool:
    """Whether nobody holds the write lock. Asked without waiting."""
    with closing(sqlite3.connect(world.engine.url.database or "", timeout=0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
    return True


def test_a_writer_whose_term_was_raised_writes_nothing(world: World) -> None:
    flush = prepared(world, "t")
    claim_term(world.connection, "another")
    with pytest.raises(TermLost):
        world.writer.write(flush.batch)
    assert tasks(world) == []
    assert can_be_written(world)


def test_a_coordinator_of_the_same_id_ends_the_one_before_it(world: World) -> None:
    flush = prepared(world, "t")
    claim_term(world.connection, "coordinator-1")
    with pytest.raises(TermLost):
        world.writer.write(flush.batch)
    assert tasks(world) == []


def test_a_commit_that_happened_is_written_although_it_answered_with_an_error(world: World, disk: Disk) -> None:
    flush = prepared(world, "t")
    disk.fails = "after"
    world.flusher.settle(flush, world.writer.write(flush.batch))
    assert tasks(world) == ["t"]


def test_a_commit_that_did_not_happen_is_refused_and_can_be_tried_again(world: World, disk: Disk) -> None:
    flush = prepared(world, "t")
    disk.fails = "before"
    with pytest.raises(WriteRefused):
        world.writer.write(flush.batch)
    world.flusher.discard()
    assert tasks(world) == []
    assert can_be_written(world)
    disk.fails = ""
    world.submit("t")
    assert tasks(world) == ["t"]


@pytest.mark.parametrize("fails", ["before", "after"])
def test_where_not_even_the_row_can_be_read_nothing_is_claimed(world: World, disk: Disk, fails: str) -> None:
    flush = prepared(world, "t")
    disk.fails, disk.reads = fails, False
    with pytest.raises(OutcomeUnknown):
        world.writer.write(flush.batch)
    disk.reads = True


def test_rows_that_the_database_does_not_take_leave_nothing_of_their_batch(world: World) -> None:
    world.submit("t")
    flush = world.flusher.prepare([CreateTasks([new_task("other"), new_task("t", request_id="r")])])
    with pytest.raises(RowsRefused):
        world.writer.write(flush.batch)
    world.flusher.discard()
    assert tasks(world) == ["t"]
    assert can_be_written(world)


def test_a_number_beyond_64_bits_keeps_no_lock(world: World) -> None:
    flush = prepared(world, "t", run_limit_micros=2**63)
    with pytest.raises(RowsRefused):
        world.writer.write(flush.batch)
    world.flusher.discard()
    assert can_be_written(world)


def test_a_transaction_that_is_open_in_another_process_is_waited_for_and_then_refused(world: World, disk: Disk) -> None:
    flush = prepared(world, "t")
    world.connection.exec_driver_sql("BEGIN IMMEDIATE")
    with pytest.raises(WriteRefused):
        world.writer.write(flush.batch)
    world.connection.exec_driver_sql("ROLLBACK")
    world.flusher.settle(flush, world.writer.write(flush.batch))
    assert tasks(world) == ["t"]


def test_what_is_committed_is_synced_before_it_is_answered(world: World) -> None:
    """S1: with less than FULL a power cut takes acknowledged commits back."""
    with closing(open_writer(world.engine.url, Identity("coordinator-1", 1))) as writer:
        assert isinstance(writer, SqliteWriter)
        settings = [
            writer._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
        ]
    assert settings == ["wal", 2]
