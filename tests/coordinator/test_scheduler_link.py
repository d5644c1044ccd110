"""The link to the scheduler: a new task with an offer is leased without asking, any other goes the ordinary way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.coordinator.limits import SCHEDULER_RECONNECT_SECONDS_MAX
from services.coordinator.queue_book import QueueBook
from services.coordinator.scheduler_choice import SchedulerChoice
from services.coordinator.scheduler_link import SchedulerLink
from services.domain.agent import Declaration
from services.domain.commands import AdmitAgent, AgentAction, ChangeAgent, ChangeQueue, CreateTasks, NewTask
from services.domain.ledger import Rules
from services.domain.task import Task, TaskState
from services.store import journal as journal_module
from services.store.check import check
from services.store.database import open_database
from services.store.flush import Committed
from services.store.journal import Journal
from services.store.readers import Readers
from services.store.schema_check import prepare_schema
from tests.coordinator.scripted_scheduler import ScriptedScheduler
from tests.e2e.waiting import until
from tests.store.world import KIND, NAMESPACE, key, new_task

NOW = 1_000_000


class Coordinator:
    """A journal and its link to a scheduler that says what the test says."""

    def __init__(self, folder: Path, scheduler: ScriptedScheduler, address: str) -> None:
        self.scheduler = scheduler
        self.engine = open_database(f"sqlite:///{folder}/missioncontrol.db")
        prepare_schema(self.engine)
        self.journal = Journal(self.engine, "coordinator-1", Rules())
        queues = QueueBook(lease_ttl_micros=30_000_000)
        self.choice = SchedulerChoice(self.engine, Readers(self.engine), (address,))
        self.link = SchedulerLink(self.journal, queues, self.choice, coordinator_id="coordinator-1")
        self.commits: list[Committed] = []
        for listener in (queues.on_committed, self.link.on_committed, self.commits.append):
            self.journal.subscribe(listener)
        self.journal.foretell(self.link)

    async def start(self) -> None:
        await self.journal.start()
        self.running = asyncio.ensure_future(self.link.run())

    async def stop(self) -> None:
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.running
        await self.journal.stop()
        with self.engine.connect() as connection:
            assert check(connection) == []
        self.engine.dispose()

    async def admit(self, agent_id: str, *, slots: int = 1) -> int:
        declared = Declaration(kinds=(KIND,), slots=slots)
        admission = await self.journal.submit(AdmitAgent(key(agent_id), "one", declared, [], False, "coordinator-1"))
        return int(admission.session)

    def send(self, *tasks: NewTask) -> asyncio.Future[Any]:
        """What TaskService does."""
        return self.journal.submit(CreateTasks(tasks, self.link.standing.choose(tasks, NOW)))

    async def submit(self, *tasks: NewTask) -> list[Task]:
        return [answer.task for answer in await self.send(*tasks)]

    async def offered(self, *agents: tuple[str, int]) -> int:
        """The scheduler knows the group of plain tasks, none of which waits, and offers these agents."""
        first = new_task("first")
        await self.submit(first)
        await self.scheduler.until(lambda: "first" in self.scheduler.told())
        agent_id, session = agents[0]
        group_id = self.scheduler.group_ids()[-1]
        placement = {"number": 1, "task_id": "first", "agent_id": agent_id, "session": session}
        await self.scheduler.say(placements=[placement])
        await self.scheduler.offer(group_id, *agents)
        return group_id


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Coordinator]:
    scheduler = ScriptedScheduler()
    made = Coordinator(tmp_path, scheduler, await scheduler.start())
    await made.start()
    await scheduler.say()
    yield made
    assert not made.link.standing._chosen, "every slot that was held was given back"
    await made.stop()
    await scheduler.stop()


async def test_a_submit_with_an_offer_is_leased_in_one_commit_and_never_told_to_the_scheduler(
    coordinator: Coordinator,
) -> None:
    session = await coordinator.admit("a", slots=3)
    await coordinator.offered(("a", session))
    (task,) = await coordinator.submit(new_task("t"))
    assert (task.state, task.agent_id) == (TaskState.LEASED, "a")
    last = coordinator.commits[-1]
    assert list(last.created) == ["t"]
    assert [granted.task.id for granted in last.granted] == ["t"]
    await coordinator.scheduler.until(lambda: coordinator.scheduler.leases("a") == 2)
    await coordinator.scheduler.say()
    assert coordinator.scheduler.told() == ["first"]
    assert all("t" not in request.removed_task_ids for request in coordinator.scheduler.requests)


async def test_what_has_no_free_slot_any_more_goes_the_ordinary_way(coordinator: Coordinator) -> None:
    session = await coordinator.admit("a", slots=2)
    await coordinator.offered(("a", session))
    leased, waiting = await coordinator.submit(new_task("t1"), new_task("t2"))
    assert (leased.state, waiting.state) == (TaskState.LEASED, TaskState.PENDING)
    await coordinator.scheduler.until(lambda: "t2" in coordinator.scheduler.told())
    assert coordinator.scheduler.told() == ["first", "t2"]


@pytest.mark.parametrize("change", ["cordon", "pause", "reconnect"])
async def test_a_choice_that_the_transaction_refuses_goes_the_ordinary_way(
    coordinator: Coordinator, change: str
) -> None:
    """What refuses it is queued right before the submit: nobody could know when it was chosen."""
    session = await coordinator.admit("a", slots=3)
    await coordinator.offered(("a", session))
    if change == "cordon":
        coordinator.journal.submit(ChangeAgent(key("a"), AgentAction.CORDON))
    elif change == "pause":
        coordinator.journal.submit(ChangeQueue((NAMESPACE, "default"), paused=True))
    else:
        coordinator.journal.submit(AdmitAgent(key("a"), "one", Declaration(kinds=(KIND,)), [], False, "c1"))
    (task,) = await coordinator.submit(new_task("t"))
    assert task.state is TaskState.PENDING
    await coordinator.scheduler.until(lambda: "t" in coordinator.scheduler.told())


async def test_a_withdrawn_offer_is_not_used(coordinator: Coordinator) -> None:
    session = await coordinator.admit("a", slots=3)
    group_id = await coordinator.offered(("a", session))
    await coordinator.scheduler.offer(group_id)
    (task,) = await coordinator.submit(new_task("t"))
    assert task.state is TaskState.PENDING


async def test_an_offer_of_a_stream_that_ended_is_not_used(coordinator: Coordinator) -> None:
    session = await coordinator.admit("a", slots=3)
    await coordinator.offered(("a", session))
    coordinator.link.connected.clear()
    await coordinator.scheduler.end_stream()
    await coordinator.scheduler.say()  # on the next stream
    (task,) = await coordinator.submit(new_task("t"))
    assert task.state is TaskState.PENDING


async def test_a_task_that_is_made_and_granted_on_the_word_of_an_earlier_stream_is_taken_back(
    coordinator: Coordinator,
) -> None:
    """All in one flush, after the snapshot of the next stream has told of it."""
    session = await coordinator.admit("a")
    writer = coordinator.journal._writer
    assert writer is not None
    os.kill(writer._child.pid, signal.SIGSTOP)
    before = coordinator.send(new_task("before", not_before_time=1 << 60))
    await until(lambda: coordinator.journal._flying)
    scheduler = coordinator.scheduler
    made = coordinator.send(new_task("t"))
    await scheduler.until(lambda: "t" in scheduler.told())
    scheduler.place("t", "a", session)
    await until(lambda: "t" in coordinator.link._placed)
    await scheduler.end_stream()
    await scheduler.until(lambda: scheduler.told().count("t") == 2)
    os.kill(writer._child.pid, signal.SIGCONT)
    await asyncio.gather(before, made)
    await scheduler.until(lambda: any("t" in request.removed_task_ids for request in scheduler.requests))


async def test_an_offer_for_a_group_that_nobody_knows_is_passed_over(coordinator: Coordinator) -> None:
    session = await coordinator.admit("a", slots=3)
    await coordinator.scheduler.offer(999, ("a", session))
    (task,) = await coordinator.submit(new_task("t"))
    assert task.state is TaskState.PENDING


async def test_a_repeated_request_id_gives_its_slot_back(coordinator: Coordinator) -> None:
    session = await coordinator.admit("a", slots=3)
    await coordinator.offered(("a", session))
    (task,) = await coordinator.submit(new_task("t", request_id="r"))
    assert task.state is TaskState.LEASED
    assert await coordinator.submit(new_task("again", request_id="r")) == [None]
    (last,) = await coordinator.submit(new_task("last"))
    assert last.state is TaskState.LEASED


async def test_slots_are_not_lost_to_a_full_journal_or_a_caller_that_leaves(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await coordinator.admit("a", slots=3)
    await coordinator.offered(("a", session))
    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "JOURNAL_QUEUE_MAX", 0)
        refused = coordinator.send(new_task("refused"))
    assert refused.exception() is not None
    coordinator.send(new_task("left")).cancel()
    (task, none) = await coordinator.submit(new_task("t"), new_task("u"))
    assert (task.state, none.state) == (TaskState.LEASED, TaskState.PENDING)


async def test_a_scheduler_that_is_away_is_looked_for_about_once_a_second_however_long_it_takes(tmp_path: Path) -> None:
    """Not as seldom as gRPC would by itself: it waits 1, 1.6, 2.6, … up to 120 s, for all channels to one address.

    The seventh attempt would then come after 21 s or more; here it comes after 5.
    """
    attempts = asyncio.Semaphore(0)

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.release()
        writer.transport.abort()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    made = Coordinator(tmp_path, ScriptedScheduler(), f"{host}:{port}")
    await made.start()
    try:
        async with asyncio.timeout(20 * SCHEDULER_RECONNECT_SECONDS_MAX):
            for _ in range(7):
                await attempts.acquire()
    finally:
        await made.stop()
        server.close()
