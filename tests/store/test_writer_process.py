"""The writer's process: what it answers, and what happens when either side of it dies."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.domain.commands import CreateTasks
from services.store.coordinators import claim_term
from services.store.flush import Flusher
from services.store.row_reader import RowReader
from services.store.writer import RowsRefused, TermLost, WriteRefused
from services.store.writer_process import LeftOut, WriterGone, WriterProcess, start_writer
from tests.store.world import World, new_task


class Pair:
    """A world whose batches a process writes."""

    def __init__(self, world: World, writer: WriterProcess) -> None:
        self.world = world
        self.writer = writer

    async def submit(self, *task_ids: str, **fields: object) -> None:
        prepared = self.world.flusher.prepare([CreateTasks([new_task(task_id, **fields) for task_id in task_ids])])
        try:
            base = await self.writer.commit(prepared.batch)
        except BaseException:
            self.world.flusher.discard()
            raise
        self.world.flusher.settle(prepared, base)

    def forget(self) -> None:
        """Reads from the file from now on."""
        shared = self.world.engine.dialect.name == "postgresql"
        self.world.flusher = Flusher(RowReader(self.world.readers[0]), self.world.rules, shared=shared)


@pytest.fixture
async def pair(world: World, tmp_path: Path) -> AsyncIterator[Pair]:
    identity = claim_term(world.connection, "coordinator-1")
    writer = await start_writer(world.engine.url, identity)
    yield Pair(world, writer)
    await writer.stop()


async def test_a_batch_of_many_times_the_sockets_buffers_is_written(pair: Pair) -> None:
    """Both sockets': the one to the writer, and the one from it to the server, which once waited for each other."""
    names = [f"t{number:03}" for number in range(100)]
    await pair.submit(*names, document=bytes(200_000))
    pair.forget()
    assert pair.world.task("t099").id == "t099"


async def test_a_term_that_was_lost_is_told(pair: Pair) -> None:
    """S18."""
    await pair.submit("t1")
    claim_term(pair.world.connection, "coordinator-1")
    with pytest.raises(TermLost):
        await pair.submit("t2")


async def test_rows_that_the_database_does_not_take_are_told_and_leave_nothing_behind(pair: Pair) -> None:
    with pytest.raises(RowsRefused, match=r"(?i)not.null"):
        await pair.submit("t", queue=None)
    with pytest.raises(RowsRefused, match="OverflowError"):
        await pair.submit("t", priority=1 << 70)
    await pair.submit("t")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_database_that_is_locked_for_long_refuses_and_takes_the_next_batch(pair: Pair, tmp_path: Path) -> None:
    """SQLite waits for five seconds before it gives up."""
    other = sqlite3.connect(tmp_path / "missioncontrol.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(WriteRefused, match="locked"):
        await pair.submit("t1")
    other.execute("ROLLBACK")
    other.close()
    await pair.submit("t1")


async def test_a_writer_that_is_killed_is_missed_at_once(pair: Pair) -> None:
    await pair.submit("t1")
    pair.writer._child.send_signal(signal.SIGSTOP)
    written = asyncio.ensure_future(pair.submit("t2"))
    await asyncio.sleep(0)
    pair.writer._child.kill()
    with pytest.raises(WriterGone):
        await written
    with pytest.raises(WriterGone):
        await pair.submit("t3")


PARENT = """
import asyncio, sys
from sqlalchemy.engine import make_url
from services.store.writer import Identity
from services.store.writer_process import start_writer

async def main():
    writer = await start_writer(make_url(sys.argv[1]), Identity("coordinator-1", 1))
    print(writer._child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_writer_ends_with_its_parent_and_not_with_ctrl_c(tmp_path: Path, world: World) -> None:
    url = str(world.engine.url)
    with subprocess.Popen([sys.executable, "-c", PARENT, url], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        descriptor = os.pidfd_open(child)
        os.kill(child, signal.SIGINT)
        os.kill(child, signal.SIGTERM)
        survived = not ended(descriptor, seconds=0.2)
        parent.kill()
        assert survived
        assert ended(descriptor, seconds=20.0)
    os.close(descriptor)


def ended(descriptor: int, *, seconds: float) -> bool:
    """Whether the process ends within so long."""
    return bool(select.select([descriptor], [], [], seconds)[0])


async def test_what_stands_on_a_batch_that_failed_is_left_out(pair: Pair) -> None:
    """Whichever of the two could not be written: the database did not take it, or it could not even be sent."""
    for bad in ({"queue": None}, {"priority": 1 << 70}):
        prepared = [
            pair.world.flusher.prepare([CreateTasks([new_task(task_id, **fields)])])
            for task_id, fields in (("bad", bad), ("t1", {}), ("t2", {}))
        ]
        answers = await asyncio.gather(*(pair.writer.commit(one.batch) for one in prepared), return_exceptions=True)
        assert [type(answer) for answer in answers] == [RowsRefused, LeftOut, LeftOut]
        pair.world.flusher.discard()
    await pair.submit("t1")
    pair.forget()
    assert pair.world.task("t1").id == "t1"


async def test_batches_that_stand_on_each_other_are_written_in_order(pair: Pair) -> None:
    prepared = [pair.world.flusher.prepare([CreateTasks([new_task(f"t{number}")])]) for number in range(5)]
    bases = await asyncio.gather(*(pair.writer.commit(one.batch) for one in prepared))
    for one, base in zip(prepared, bases, strict=True):
        pair.world.flusher.settle(one, base)
    pair.forget()
    assert pair.world.task("t4").id == "t4"
