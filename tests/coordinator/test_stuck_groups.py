"""Noting why tasks cannot be placed: when it is written, by whom, and when it is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from missioncontrol.v1 import scheduler_service_pb2 as wire
from missioncontrol.v1 import task_pb2

from services.coordinator.limits import STUCK_LOOK_SECONDS, STUCK_NOTE_SECONDS, STUCK_SETTLE_SECONDS
from services.coordinator.stuck_groups import StuckGroups
from services.coordinator.tail import Foreign
from services.coordinator.window import Window
from services.domain.commands import CancelTask, CreateTasks
from services.domain.event import Event, EventType
from services.domain.ledger import Rules
from services.domain.requirements import FilterReason, WaitReason
from services.domain.stuck_group import StuckGroup
from services.store.check import check
from services.store.database import open_database
from services.store.flush import Committed
from services.store.journal import Journal
from services.store.readers import Readers
from services.store.schema_check import prepare_schema
from services.store.waits import read_stuck
from tests.store.queries.store import Store
from tests.store.world import new_task

STUCK, UNSTUCK = EventType.QUEUE_STUCK, EventType.QUEUE_UNSTUCK


class Coordinator:
    """A journal, a window, and what notes why tasks wait, with a clock in the test's hand."""

    def __init__(self, url: str, name: str, shards: range) -> None:
        self.engine = open_database(url)
        prepare_schema(self.engine)
        self.readers = Readers(self.engine)
        self.journal = Journal(self.engine, name, Rules())
        self.store = Store(self.journal, self.readers)
        self.window = Window(lambda _group, _limit: None)
        self.window.look_after(frozenset(shards))
        self.time = 100.0
        self.stuck = StuckGroups(self.journal, self.readers, self.window, clock=lambda: self.time)
        self.events: list[Event] = []
        for listener in (self.window.on_committed, self.stuck.on_committed, self._keep):
            self.journal.subscribe(listener)

    def _keep(self, committed: Committed) -> None:
        self.events += [event for event in committed.events if event.data.stuck is not None]

    async def start(self) -> None:
        await self.journal.start()
        self.journal.use_shard(self.window.home)
        self.stuck.found(await self.readers.run(read_stuck))
        self.stuck.begin()

    async def stop(self) -> None:
        await self.journal.stop()
        self.readers.close()
        with self.engine.connect() as connection:
            assert check(connection) == []
        self.engine.dispose()

    async def submit(self, task_id: str, **fields: object) -> int:
        """The number of the task's group."""
        await self.journal.submit(CreateTasks([new_task(task_id, **fields)]))
        group = self.window.group_of(task_id)
        assert group is not None
        return group.number

    async def say(self, number: int, reason: FilterReason | None, subject: str = "", *, agents: int = 1) -> None:
        """The scheduler says why a group waits, or that it does not."""
        news = wire.Unplaceable(group_id=number)
        if reason is not None:
            news.reasons.add(reason=wire.FilterReason.ValueType(reason), subject=subject, agents=agents)
            news.never = reason is not FilterReason.SLOTS_FULL
            news.wait = task_pb2.WAIT_REASON_NO_AGENT if news.never else task_pb2.WAIT_REASON_SLOTS
        self.stuck.hear([news])
        await self.stuck.step()

    async def pass_time(self, seconds: float) -> None:
        self.time += seconds
        await self.stuck.step()

    async def noted(self) -> list[StuckGroup]:
        return await self.readers.run(read_stuck)

    @property
    def types(self) -> list[EventType]:
        return [event.type for event in self.events]


Start = Callable[..., Awaitable[Coordinator]]


@pytest.fixture
async def start(database_url: str) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def started(name: str = "coordinator-1", shards: range = range(64)) -> Coordinator:
            coordinator = Coordinator(database_url, name, shards)
            await coordinator.start()
            stack.push_async_callback(coordinator.stop)
            return coordinator

        yield started


async def test_a_reason_is_noted_once_for_all_tasks_with_the_same_needs(start: Start) -> None:
    coordinator = await start()
    one = await coordinator.submit("a")
    other = await coordinator.submit("b", fairness_key="team")
    for number in (one, other, one):
        await coordinator.say(number, FilterReason.KIND, "work")
        coordinator.time += STUCK_NOTE_SECONDS

    [group] = await coordinator.noted()
    assert (group.reason, group.never) == (WaitReason.NO_AGENT, True)
    assert group.message == "no agent has a handler for kind work"
    assert coordinator.types == [STUCK]
    assert one != other


async def test_counts_alone_are_no_news_and_another_reason_waits_for_a_second(start: Start) -> None:
    coordinator = await start()
    number = await coordinator.submit("a")
    await coordinator.say(number, FilterReason.KIND, "work", agents=1)
    await coordinator.say(number, FilterReason.KIND, "work", agents=2)
    await coordinator.say(number, FilterReason.CAPABILITY, "gpu")
    await coordinator.say(number, FilterReason.SLOTS_FULL)
    assert coordinator.types == [STUCK]

    await coordinator.pass_time(STUCK_NOTE_SECONDS)
    [group] = await coordinator.noted()
    assert group.reason is WaitReason.SLOTS
    assert [past.reason for past in group.history] == [WaitReason.NO_AGENT]
    assert coordinator.types == [STUCK, STUCK]


async def test_what_can_be_placed_again_is_over(start: Start) -> None:
    coordinator = await start()
    number = await coordinator.submit("a")
    await coordinator.say(number, FilterReason.KIND, "work")
    await coordinator.say(number, None)
    await coordinator.pass_time(STUCK_NOTE_SECONDS)
    assert await coordinator.noted() == []
    assert coordinator.types == [STUCK, UNSTUCK]


async def test_a_group_that_is_not_remembered_any_more_is_over(start: Start) -> None:
    coordinator = await start()
    await coordinator.say(await coordinator.submit("a"), FilterReason.KIND, "work")
    await coordinator.journal.submit(CancelTask("default", "a"))
    coordinator.window.look_after(frozenset())
    await coordinator.pass_time(STUCK_SETTLE_SECONDS)
    assert coordinator.types == [STUCK, UNSTUCK]


async def test_an_agent_that_is_away_and_could_run_it_makes_it_wait_for_that_one(start: Start) -> None:
    coordinator = await start()
    await coordinator.store.admit("gone", kinds=("work",))
    await coordinator.say(await coordinator.submit("a"), FilterReason.NO_AGENT)
    [group] = await coordinator.noted()
    assert (group.reason, group.never) == (WaitReason.AGENTS_NOT_ACCEPTING, False)
    assert "one that is away could" in group.message


async def test_an_agent_that_came_and_went_unnoticed_by_the_scheduler_makes_it_wait_for_that_one(start: Start) -> None:
    coordinator = await start()
    await coordinator.say(await coordinator.submit("a"), FilterReason.NO_AGENT)
    await coordinator.store.admit("gone", kinds=("work",))
    await coordinator.pass_time(STUCK_NOTE_SECONDS)
    [group] = await coordinator.noted()
    assert (group.reason, group.never) == (WaitReason.AGENTS_NOT_ACCEPTING, False)
    assert coordinator.types == [STUCK, STUCK]


async def test_without_a_scheduler_nothing_changes_and_with_the_next_nothing_is_noted_twice(start: Start) -> None:
    coordinator = await start()
    number = await coordinator.submit("a")
    await coordinator.say(number, FilterReason.KIND, "work")
    coordinator.stuck.end()
    await coordinator.pass_time(10 * STUCK_LOOK_SECONDS)
    coordinator.stuck.begin()
    await coordinator.say(number, FilterReason.KIND, "work")
    await coordinator.pass_time(STUCK_SETTLE_SECONDS)
    assert coordinator.types == [STUCK]


async def test_what_is_noted_and_not_said_after_a_start_is_over(start: Start, database_url: str) -> None:
    before = Coordinator(database_url, "coordinator-1", range(64))
    await before.start()
    await before.say(await before.submit("a"), FilterReason.KIND, "work")
    await before.journal.submit(CancelTask("default", "a"))
    await before.stop()

    after = await start()
    await after.stuck.step()
    assert len(await after.noted()) == 1
    await after.pass_time(STUCK_SETTLE_SECONDS)
    assert await after.noted() == []
    assert after.types == [UNSTUCK]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_coordinators_note_a_group_once_and_the_last_one_calls_it_over(start: Start) -> None:
    first, second = await start("coordinator-1", range(32)), await start("coordinator-2", range(32, 64))
    numbers = await first.submit("a"), await second.submit("b")
    await first.say(numbers[0], FilterReason.KIND, "work")
    await second.say(numbers[1], FilterReason.KIND, "work")
    second.stuck.on_foreign(Foreign(first.events, [], {}, [], []))
    assert (first.types, second.types) == ([STUCK], [])

    await first.journal.submit(CancelTask("default", "a"))
    await first.say(numbers[0], None)
    await first.pass_time(STUCK_NOTE_SECONDS)
    assert len(await first.noted()) == 1
    await second.journal.submit(CancelTask("default", "b"))
    await second.say(numbers[1], None)
    await second.pass_time(STUCK_NOTE_SECONDS)
    assert await first.noted() == []
    assert (first.types, second.types) == ([STUCK], [UNSTUCK])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_what_another_coordinator_calls_over_too_early_is_noted_again(start: Start) -> None:
    first, second = await start("coordinator-1", range(32)), await start("coordinator-2", range(32, 64))
    numbers = await first.submit("a"), await second.submit("b")
    await first.say(numbers[0], FilterReason.KIND, "work")
    await second.say(numbers[1], FilterReason.KIND, "work")
    await first.say(numbers[0], None)
    await first.pass_time(STUCK_NOTE_SECONDS)
    assert first.types == [STUCK, UNSTUCK]

    second.stuck.on_foreign(Foreign(first.events, [], {}, [], []))
    await second.pass_time(STUCK_NOTE_SECONDS)
    assert second.types == [STUCK]
