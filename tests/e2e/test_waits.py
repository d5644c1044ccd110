"""Why a task waits, with real processes: how soon it is told, and what becomes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import pairwise

import pytest
from missioncontrol import Client
from missioncontrol.client import Client as ClientType
from missioncontrol.v1 import event_pb2, routing_service_pb2, task_pb2

from services.fleet.launcher import COORDINATOR, SCHEDULER, Fleet, names_of
from tests.conftest import StartFleet, work_agent
from tests.e2e.waiting import eventually
from tests.faults.databases import database_findings

FIRST, SECOND = names_of(COORDINATOR, 2)
NO_AGENT, AWAY = task_pb2.WAIT_REASON_NO_AGENT, task_pb2.WAIT_REASON_AGENTS_NOT_ACCEPTING
# From the submit to the reason, by the coordinator's own clock. A busy machine may need more.
PROMISED_SECONDS = 1.0


@pytest.fixture
async def fleet(start_fleet: StartFleet, database_url: str) -> AsyncIterator[Fleet]:
    started = await start_fleet(database_url=database_url, agents=(work_agent("plain"),))
    yield started
    assert await database_findings(started) == []


async def waits_for(client: ClientType, task_id: str, reason: task_pb2.WaitReason.ValueType) -> task_pb2.Task:
    """The task, once it waits for that."""

    async def ask() -> task_pb2.Task | None:
        task = await client.handle(task_id).get()
        return task if task.waiting.reason == reason else None

    return await eventually(ask)


async def explained_by_scheduler(client: ClientType, task_id: str) -> routing_service_pb2.ExplainTaskResponse:
    """Why it waits, from a scheduler that was not too busy to say so in time."""

    async def ask() -> routing_service_pb2.ExplainTaskResponse | None:
        answer = await client.routing.explain(task_id)
        return answer if answer.explanation.reason != task_pb2.WAIT_REASON_NO_SCHEDULER else None

    return await eventually(ask)


async def events_of(client: ClientType) -> list[event_pb2.Event]:
    """What the feed says of tasks that cannot be placed."""
    async with aclosing(client.events(follow=False, types=["queue.stuck", "queue.unstuck"])) as events:
        return [event async for event in events if isinstance(event, event_pb2.Event)]


async def test_a_task_that_nobody_can_run_says_so_until_somebody_can(fleet: Fleet) -> None:
    async with Client(fleet.address) as client:
        handles = [await client.submit("echo", b"x", capabilities=["gpu"]) for _ in range(3)]
        task = await waits_for(client, handles[0].id, NO_AGENT)
        assert task.waiting.never
        assert task.waiting.message == "no agent has capability gpu"
        waited = task.waiting.since_time.ToMicroseconds() - task.queued_time.ToMicroseconds()
        print(f"told after {waited / 1e6:.3f} s; promised are {PROMISED_SECONDS:g} s")

        explained = await explained_by_scheduler(client, handles[2].id)
        assert (explained.explanation.reason, explained.explanation.never) == (NO_AGENT, True)
        assert explained.explanation.near_misses[0].agent_id == "plain"
        assert explained.explanation.message.endswith("nearest: plain lacks capability gpu")
        assert explained.position == 2

        fleet.start_agent(work_agent("fitting", capabilities=("gpu",)))
        ended = [await handle.wait() for handle in handles]
        assert {each.agent_id for each in ended} == {"fitting"}

        async def over() -> list[event_pb2.Event] | None:
            events = await events_of(client)
            return events if events and events[-1].type == event_pb2.EVENT_TYPE_QUEUE_UNSTUCK else None

        events = await eventually(over)
    *stuck, last = events
    assert {event.type for event in stuck} == {event_pb2.EVENT_TYPE_QUEUE_STUCK}
    assert last.type == event_pb2.EVENT_TYPE_QUEUE_UNSTUCK
    # One for all three, and one more whenever the reason changes: an agent that fits may be slow to take its work.
    said = [(event.waiting.reason, event.waiting.never, event.waiting.message) for event in stuck]
    assert said[0][:2] == (NO_AGENT, True)
    assert all(before != after for before, after in pairwise(said))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_of_what_two_coordinators_hear_there_is_one_event(start_fleet: StartFleet, database_url: str) -> None:
    fleet = await start_fleet(database_url=database_url, coordinators=2, agents=(work_agent("plain"),))
    async with Client(fleet.listening[FIRST].address) as first, Client(fleet.listening[SECOND].address) as second:
        handles = [await client.submit("echo", b"x", capabilities=["gpu"]) for client in (first, second) * 3]
        for client in (first, second):
            for handle in handles:
                assert (await waits_for(client, handle.id, NO_AGENT)).waiting.never
        assert [event.type for event in await events_of(first)] == [event_pb2.EVENT_TYPE_QUEUE_STUCK]
        for client, handle in zip((first, second) * 3, handles, strict=True):
            await client.handle(handle.id).cancel()

        async def over() -> bool:
            return (await events_of(first))[-1].type == event_pb2.EVENT_TYPE_QUEUE_UNSTUCK

        await eventually(over)
    assert await database_findings(fleet) == []


async def test_an_agent_that_is_offline_and_fits_makes_it_not_now_instead_of_never(fleet: Fleet) -> None:
    async with Client(fleet.address) as client:
        fleet.start_agent(work_agent("fitting", capabilities=("gpu",)))
        await (await client.submit("echo", b"x", capabilities=["gpu"])).wait()
        await fleet.agents["fitting"].stop()

        handle = await client.submit("echo", b"x", capabilities=["gpu"])
        task = await waits_for(client, handle.id, AWAY)
        assert not task.waiting.never
        explanation = (await explained_by_scheduler(client, handle.id)).explanation
        assert (explanation.reason, explanation.never) == (AWAY, False)
        assert explanation.message == "no agent that is connected can run it; fitting could, and is away"


async def test_without_a_scheduler_that_is_what_tasks_wait_for(fleet: Fleet) -> None:
    async with Client(fleet.address) as client:
        fleet.services[SCHEDULER].kill()
        handle = await client.submit("echo", b"x")
        await waits_for(client, handle.id, task_pb2.WAIT_REASON_NO_SCHEDULER)
        explained = await client.routing.explain(handle.id)
        assert explained.explanation.reason == task_pb2.WAIT_REASON_NO_SCHEDULER
        await fleet.restart(SCHEDULER)
        task = await handle.wait()
    assert task.state == task_pb2.TASK_STATE_SUCCEEDED
    assert not task.HasField("waiting")
