"""S1, S2, S5, L2 for every language's agent: 500 tasks, two deaths of the coordinator, connections cut at random."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from functools import partial

from missioncontrol.client import Client
from missioncontrol.v1 import task_pb2

from demo.languages import Language
from services.fleet.feed import FeedFollower
from services.fleet.launcher import COORDINATOR, Fleet
from services.fleet.observe import Observer
from tests.conftest import StartFleet
from tests.faults.proxy import Proxy
from tests.faults.storm import Ledger, rest, submit
from tests.interop.conftest import agent_plan
from tests.interop.programs import digest, request, text

TASKS, DEATHS = 500, 2
OVER_SECONDS = 15.0
# Long enough for a coordinator to be back, also on a busy machine: what an agent holds must outlive both deaths.
LEASE_TTL_SECONDS = 60.0


async def test_nothing_is_lost_or_accepted_twice_while_the_coordinator_dies_and_connections_are_cut(
    start_fleet: StartFleet, language: Language
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    fleet = await start_fleet(agents=(), lease_ttl_seconds=LEASE_TTL_SECONDS)
    async with Proxy(fleet.address) as proxy:
        fleet.start_agent(agent_plan(language, slots=8), address=proxy.address)
        await fleet.wait_agents_ready(["agent-1"])
        follower, ledger, chance = FeedFollower(fleet.gateway_url), Ledger(), random.Random(seed)
        requests = [request(number, seconds=chance.uniform(0, 0.3)) for number in range(TASKS)]
        async with asyncio.TaskGroup() as group:
            following = group.create_task(follower.run())
            submitting = group.create_task(submit(fleet.address, ledger, requests, over_seconds=OVER_SECONDS))
            cutting = group.create_task(
                until(submitting, partial(proxy.cut_after_silence, chance, after_seconds=(0.5, 2.0)))
            )
            for _ in range(DEATHS):
                await asyncio.sleep(chance.uniform(2, OVER_SECONDS / DEATHS))
                await die(fleet)
            await cutting
            aftermath = await rest(fleet, follower, ledger)
            following.cancel()

    assert aftermath.findings() == []
    assert len(aftermath.tasks) == TASKS
    assert await outputs(fleet) == {f"interop-{number}": digest(text(number), language) for number in range(TASKS)}
    requeued = sum(task.redeliveries for task in aftermath.tasks)
    assert requeued == 0, f"{requeued} leases of a living agent were given to others"


async def test_a_cancel_reaches_an_agent_whose_stream_was_cut(start_fleet: StartFleet, language: Language) -> None:
    fleet = await start_fleet(agents=(), lease_ttl_seconds=LEASE_TTL_SECONDS)
    async with Proxy(fleet.address) as proxy, Client(fleet.address) as client:
        fleet.start_agent(agent_plan(language), address=proxy.address)
        handle = await client.submit("example.digest", {"text": "x", "seconds": 600})
        async for task in handle.updates():
            if task.state == task_pb2.TASK_STATE_RUNNING:
                break

        proxy.cut()
        await handle.cancel()

        async with asyncio.timeout(LEASE_TTL_SECONDS / 2):
            assert (await handle.wait()).state == task_pb2.TASK_STATE_CANCELLED


async def until(ending: asyncio.Task[None], act: Callable[[], Awaitable[None]]) -> None:
    """Again and again, until the other task has ended."""
    while not ending.done():
        await act()


async def die(fleet: Fleet) -> None:
    """kill -9 of the coordinator, and its start again."""
    fleet.services[COORDINATOR].kill()
    await fleet.restart(COORDINATOR)


async def outputs(fleet: Fleet) -> dict[str, object]:
    """What every task ended with, by its request id."""
    observer = Observer(fleet.address)
    try:
        listed, _ = await observer.tasks()
        whole = await observer.whole_tasks(task.id for task in listed)
    finally:
        await observer.close()
    return {task.request_id: json.loads(task.output.data) for task in whole.values()}
