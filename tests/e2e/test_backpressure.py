"""Queues that say no, with real processes: floods from many clients, and what the feed shows afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from missioncontrol import BatchRefused, Client, QueueRefused, task_request
from missioncontrol.v1 import event_pb2, queue_pb2, task_pb2

from services.fleet.launcher import COORDINATOR, Fleet, names_of
from tests.conftest import StartFleet
from tests.e2e.waiting import eventually
from tests.faults.databases import database_findings

QUEUE = "flooded"
LIMIT = 150
PENDING = task_pb2.TASK_STATE_PENDING


async def limit_queue(client: Client, **admission: int) -> None:
    await client.queues.update(QUEUE, queue_pb2.QueuePolicy(admission=queue_pb2.AdmissionPolicy(**admission)))


async def flood(client: Client, *, singles: int, batches: Iterable[int]) -> int:
    """Submits all at once; how many were accepted."""

    async def one() -> int:
        try:
            await client.submit("nothing", queue=QUEUE)
        except QueueRefused:
            return 0
        return 1

    async def many(count: int) -> int:
        try:
            return len(await client.submit_many(task_request("nothing", queue=QUEUE) for _ in range(count)))
        except BatchRefused as refused:
            assert all(isinstance(error, QueueRefused) for error in refused.errors.values())
            return count - len(refused.errors)

    return sum(await asyncio.gather(*[one() for _ in range(singles)], *map(many, batches)))


async def pending(client: Client) -> int:
    return (await client.queues.stats(QUEUE)).stats.pending


async def depths_told(client: Client) -> list[int]:
    """How deep the queue was after each event of the feed."""
    depths = [0]
    async for event in client.events(queue=QUEUE, follow=False):
        assert isinstance(event, event_pb2.Event), "nothing was trimmed"
        depths.append(depths[-1] + (event.to_state == PENDING) - (event.from_state == PENDING))
    return depths


async def test_a_flood_fills_a_queue_to_its_limit_and_not_by_one_more(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=())
    async with Client(fleet.address) as client:
        await limit_queue(client, pending_max=LIMIT)
        accepted = await flood(client, singles=200, batches=[40] * 5)

        assert (accepted, await pending(client)) == (LIMIT, LIMIT)
        assert max(await depths_told(client)) == LIMIT
    assert await database_findings(fleet) == []


async def test_what_waits_for_room_all_gets_in_while_agents_work_and_the_limit_holds(start_fleet: StartFleet) -> None:
    fleet = await start_fleet()
    async with Client(fleet.address) as client:
        await limit_queue(client, pending_max=20)
        requests = [task_request("echo", number, queue=QUEUE) for number in range(60)]
        handles = await client.submit_many(requests, into=int, wait_for_room=60.0)
        assert [await handle.result() for handle in handles] == list(range(60))
        assert max(await depths_told(client)) <= 20


async def test_the_limit_holds_behind_a_coordinator_that_was_killed(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=())
    async with Client(fleet.address) as client:
        await limit_queue(client, pending_max=LIMIT)
        before = await flood(client, singles=0, batches=[100])
        fleet.services[COORDINATOR].kill()
        await fleet.restart(COORDINATOR)
        after = await flood(client, singles=20, batches=[40] * 3)
        assert (before + after, await pending(client)) == (LIMIT, LIMIT)


async def test_the_states_are_told_in_the_feed_and_in_the_stats(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=())
    async with Client(fleet.address) as client:
        await limit_queue(client, shed_pending=10)
        handles = await client.submit_many(task_request("nothing", queue=QUEUE) for _ in range(10))
        with pytest.raises(QueueRefused, match="sheds load: 10 pending"):
            await client.submit("nothing", queue=QUEUE)
        for handle in handles[:2]:
            await handle.cancel()

        async def normal() -> bool:
            return (await client.queues.stats(QUEUE)).stats.admission == queue_pb2.ADMISSION_STATE_NORMAL

        await eventually(normal)
        told = [event async for event in client.events(types=["queue.admission"], follow=False)]
        assert [getattr(event, "message", "") for event in told] == ["shed: 10 pending", "normal: 8 pending"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_coordinators_see_the_whole_depth(start_fleet: StartFleet, database_url: str) -> None:
    """They may let in too many for as long as they have not heard of each other, and never count differently."""
    fleet: Fleet = await start_fleet(database_url=database_url, coordinators=2, agents=())
    first, second = (Client(fleet.listening[name].address) for name in names_of(COORDINATOR, 2))
    async with first, second:
        await limit_queue(first, pending_max=LIMIT)
        accepted = sum(await asyncio.gather(*[flood(each, singles=60, batches=[30] * 3) for each in (first, second)]))
        deep = await pending(first)
        assert accepted == deep >= LIMIT

        async def both_know() -> bool:
            return {await depth_that_refuses(each) for each in (first, second)} == {deep}

        await eventually(both_know)
        messages = [event async for event in first.events(types=["queue.admission"], follow=False)]
        assert messages == []
    assert await database_findings(fleet) == []


async def depth_that_refuses(client: Client) -> int | None:
    """How deep a coordinator says that the queue is, when it refuses."""
    try:
        await client.submit("nothing", queue=QUEUE)
    except QueueRefused as refused:
        return refused.pending
    return None
