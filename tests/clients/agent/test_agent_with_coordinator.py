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

from services.fleet.launcher import COORDINATOR, Fleet, FleetPlan

TTL_SECONDS = 6.0


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    plan = FleetPlan(tmp_path, agents=(), lease_ttl_seconds=TTL_SECONDS, gateway_listen="")
    async with Fleet(plan) as fleet:
        yield fleet


@pytest.fixture
async def agent(fleet: Fleet) -> AsyncIterator[Agent]:
    agent = Agent("a", address=fleet.address, slots=4)

    @agent.handler("spin")
    async def spin(seconds: float) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
        return "spun"

    @agent.handler("sleep")
    async def sleep(seconds: float, ctx: TaskContext) -> int:
        await asyncio.sleep(seconds)
        return ctx.attempt

    running = asyncio.create_task(agent.run())
    await fleet.wait_agents_ready(["a"])
    yield agent
    agent.drain(0.0)
    await running


@pytest.mark.usefixtures("agent")
async def test_a_handler_that_blocks_beyond_the_time_to_live_keeps_its_lease(fleet: Fleet) -> None:
    async with Client(fleet.address) as client:
        handle = await client.submit("spin", 2 * TTL_SECONDS)

        assert await handle.result() == "spun"
        assert (await handle.get()).token == 1


@pytest.mark.usefixtures("agent")
async def test_a_coordinator_that_is_killed_and_started_again_costs_running_work_nothing(fleet: Fleet) -> None:
    async with Client(fleet.address) as client:
        handle = await client.submit("sleep", 1.0)
        async with aclosing(handle.updates()) as updates:
            async for task in updates:
                if task.state == task_pb2.TASK_STATE_RUNNING:
                    break
        fleet.services[COORDINATOR].kill()
        await fleet.restart(COORDINATOR)

        assert await handle.result() == 1


@pytest.mark.usefixtures("agent")
async def test_a_cancel_ends_a_command(fleet: Fleet) -> None:
    async with Client(fleet.address) as client:
        handle = await client.submit("command", CommandInput(argv=["sleep", "600"]))
        await handle.cancel()

        with pytest.raises(TaskCancelled):
            await handle.result()
