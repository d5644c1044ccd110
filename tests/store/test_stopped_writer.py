"""S18: a writer that is stopped at any point of its transaction stops a new coordinator for no more than a second."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

import pytest

from services.domain.commands import CreateTasks
from services.failpoints import VARIABLE
from services.store.coordinators import claim_term
from services.store.writer import TermLost
from services.store.writer_process import WriterGone, start_writer
from tests.e2e.waiting import eventually, process_stopped
from tests.faults.figures import FIGURES, SEED, record
from tests.store.world import World, new_task

# The second of `idle_in_transaction_session_timeout`, on a machine that does other things, too.
TAKEOVER_SECONDS = 5.0


async def go_on(pid: int, written: asyncio.Future[Any]) -> None:
    """Wakes a stopped writer until it is through: it passes its failpoint again with each attempt."""

    async def through() -> bool:
        if not written.done():
            os.kill(pid, signal.SIGCONT)
        return written.done()

    await eventually(through)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("point", ["writer.before_begin", "writer.before_commit", "writer.after_commit"])
async def test_a_writer_that_is_stopped_stops_no_takeover(
    world: World, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    identity = claim_term(world.connection, "coordinator-1")
    monkeypatch.setenv(VARIABLE, f"{point}=stop")
    writer = await start_writer(world.engine.url, identity)
    batch = world.flusher.prepare([CreateTasks([new_task("t")])]).batch
    written = writer.commit(batch)
    pid = writer._child.pid
    await process_stopped(pid)

    began = time.monotonic()
    await asyncio.to_thread(claim_term, world.connection, "coordinator-1")
    took = time.monotonic() - began

    await go_on(pid, written)
    if point == "writer.after_commit":
        await written
    else:
        with pytest.raises((TermLost, WriterGone)):
            await written
    monkeypatch.delenv(VARIABLE)
    await writer.stop()
    print(f"{point}: {took:.2f} s")
    assert took < TAKEOVER_SECONDS


async def another_writes_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> float:
    """Stops a writer that has the feed's counter; the seconds until another has written. It must never commit."""
    identity = claim_term(world.connection, "coordinator-1")
    monkeypatch.setenv(VARIABLE, "writer.before_commit=stop")
    writer = await start_writer(world.engine.url, identity)
    monkeypatch.delenv(VARIABLE)
    written = writer.commit(world.flusher.prepare([CreateTasks([new_task("t")])]).batch)
    pid = writer._child.pid
    await process_stopped(pid)

    flusher, other = world.new_flusher("coordinator-2")
    began = time.monotonic()
    prepared = flusher.prepare([CreateTasks([new_task("other")])])
    flusher.settle(prepared, await asyncio.to_thread(other.write, prepared.batch))
    took = time.monotonic() - began

    claim_term(world.connection, "coordinator-1")  # whoever takes over
    await go_on(pid, written)
    with pytest.raises((TermLost, WriterGone)):
        await written
    await writer.stop()
    world.flusher.discard()
    with pytest.raises(KeyError):
        world.task("t")
    return took


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_writer_that_is_stopped_with_the_feed_s_counter_stops_no_other_coordinator(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others end its session, and what it had is not written before it is awake and has its term still."""
    assert await another_writes_meanwhile(world, monkeypatch) < TAKEOVER_SECONDS


@pytest.mark.slow
@pytest.mark.figures("writer_stopped")
@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_writer_that_is_stopped_stops_the_others_for_a_second_however_often(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    took = await another_writes_meanwhile(world, monkeypatch)

    record("writer_stopped", took, runs=1, seed=SEED)
    assert took <= FIGURES["writer_stopped"].goal
