"""The agent against the real coordinator: what the peer of the other tests cannot judge, since it enforces nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from missioncontrol import Agent, Client, CommandInput, TaskCancelled
from missioncontrol.context import TaskContext
from missioncontrol.v1 import task_pb2

from services.fleet.launcher import COORDINATOR, SCHEDULER, Fleet, FleetPlan

# No lease ends by itself; but where one is outlived, it has to be shorter.
TTL_SECONDS, SHORT_TTL_SECONDS = 60.0, 8.0
outlived = pytest.mark.parametrize("fleet", [SHORT_TTL_SECONDS], indirect=True)


@pytest.fixture
async def fleet(tmp_path: Path, loopback: str, request: pytest.FixtureRequest) -> AsyncIterator[Fleet]:
    any_port = f"{loopback}:0"
    plan = FleetPlan(
        tmp_path,
        agents=(),
        lease_ttl_seconds=getattr(request, "param", TTL_SECONDS),
        gateway_listen="",
        coordinator_listen=any_port,
        scheduler_listen=any_port,
        metrics_listen=dict.fromkeys((COORDINATOR, SCHEDULER), any_port),
    )
    async with Fleet(plan) as fleet:
        yield fleet


@pytest.fixture
def let_go() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
async def agent(fleet: Fleet, let_go: asyncio.Event) -> AsyncIterator[Agent]:
    agent = Agent("a", address=fleet.address, slots=4)

    @agent.handler("spin")
    async def spin(seconds: float) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
        return "spun"

    @agent.handler("wait")
    async def wait(ctx: TaskContext) -> int:
        await let_go.wait()
        return ctx.attempt

    running = asyncio.create_task(agent.run())
    await fleet.wait_agents_ready(["a"])
    yield agent
    agent.drain(0.0)
    await running


@outlived
@pytest.mark.usefixtures("agent")
async def test_a_handler_that_blocks_beyond_the_time_to_live_keeps_its_lease(fleet: Fleet) -> None:
    async with Client(fleet.address) as client:
        handle = await client.submit("spin", 1.1 * SHORT_TTL_SECONDS)

        assert await handle.result() == "spun"
        assert (await handle.get()).token == 1


@pytest.mark.usefixtures("agent")
async def test_a_coordinator_that_is_killed_and_started_again_costs_running_work_nothing(
    fleet: Fleet, let_go: asyncio.Event
) -> None:
    async with Client(fleet.address) as client:
        handle = await client.submit("wait")
        async with aclosing(handle.updates()) as updates:
            async for task in updates:
                if task.state == task_pb2.TASK_STATE_RUNNING:
                    break
        fleet.services[COORDINATOR].kill()
        await fleet.restart(COORDINATOR)
        let_go.set()

        assert await handle.result() == 1


@pytest.mark.usefixtures("agent")
async def test_a_cancel_ends_a_command(fleet: Fleet) -> None:
    async with Client(fleet.address) as client:
        handle = await client.submit("command", CommandInput(argv=["sleep", "600"]))
        await handle.cancel()

        with pytest.raises(TaskCancelled):
            await handle.result()
