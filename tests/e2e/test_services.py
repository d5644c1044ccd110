"""Services that are killed and come back: what it costs, and what it does not."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

from missioncontrol import Client
from missioncontrol.requests import task_request
from missioncontrol.v1 import task_pb2

from services.fleet.audit import gaps, redelivered
from services.fleet.feed import FeedFollower
from services.fleet.launcher import COORDINATOR, GATEWAY, SCHEDULER
from services.fleet.observe import Observer
from tests.conftest import StartFleet
from tests.e2e.waiting import Gate, until


async def test_a_killed_scheduler_costs_a_pause_and_nothing_else(start_fleet: StartFleet, tmp_path: Path) -> None:
    fleet, gate = await start_fleet(lease_ttl_seconds=30.0), Gate(tmp_path / "gate")
    follower = FeedFollower(fleet.gateway_url)
    async with asyncio.TaskGroup() as group, Client(fleet.address) as client:
        following = group.create_task(follower.run())
        running = await client.submit_command(gate.argv)
        async for task in running.updates():  # later nobody would place it
            if task.state == task_pb2.TASK_STATE_RUNNING:
                break
        first = await client.submit_many(task_request("nap", 0.05) for _ in range(50))

        fleet.services[SCHEDULER].kill()
        second = await client.submit_many(task_request("nap", 0.01) for _ in range(50))
        gate.open()
        alone = await running.wait()
        await fleet.restart(SCHEDULER)
        tasks = [await handle.wait() for handle in [*first, *second]]

        following.cancel()
    assert alone.state == task_pb2.TASK_STATE_SUCCEEDED
    assert {(task.state, task.token) for task in tasks} == {(task_pb2.TASK_STATE_SUCCEEDED, 1)}
    assert redelivered(follower.events) == set()


async def test_a_killed_gateway_costs_its_followers_no_event(start_fleet: StartFleet) -> None:
    fleet = await start_fleet()
    follower = FeedFollower(fleet.gateway_url)
    async with asyncio.TaskGroup() as group, Client(fleet.address) as client:
        following = group.create_task(follower.run())
        await asyncio.wait_for(follower.wait_sequence(await head(fleet.address)), 60)
        for _ in range(3):
            handles = await client.submit_many(task_request("nap", 0.01) for _ in range(30))
            before = follower.connections
            fleet.services[GATEWAY].kill()
            for handle in handles:
                await handle.wait()
            await fleet.restart(GATEWAY)
            await until(partial(connected_again, follower, before))
            await asyncio.wait_for(follower.wait_sequence(await head(fleet.address)), 60)
        following.cancel()
    assert gaps(follower.events) == []
    assert follower.connections >= 4


async def test_a_killed_coordinator_costs_a_running_task_nothing(start_fleet: StartFleet, tmp_path: Path) -> None:
    """L2, on one coordinator: the agents work on and come back with what they hold."""
    fleet, gate = await start_fleet(), Gate(tmp_path / "gate")
    async with Client(fleet.address) as client:
        handles = [await client.submit_command(gate.argv) for _ in range(4)]
        for handle in handles:
            async for task in handle.updates():
                if task.state == task_pb2.TASK_STATE_RUNNING:
                    break

        fleet.services[COORDINATOR].kill()
        await fleet.restart(COORDINATOR)
        gate.open()
        tasks = [await handle.wait() for handle in handles]

    assert {(task.state, task.token, task.redeliveries) for task in tasks} == {(task_pb2.TASK_STATE_SUCCEEDED, 1, 0)}


def connected_again(follower: FeedFollower, before: int) -> bool:
    """Whether it has connected more often than before."""
    return follower.connections > before


async def head(address: str) -> int:
    """The feed's head."""
    observer = Observer(address)
    try:
        return (await observer.tasks())[1]
    finally:
        await observer.close()


async def test_a_coordinator_that_cannot_listen_leaves_the_running_one_alone(start_fleet: StartFleet) -> None:
    fleet = await start_fleet()
    running = fleet.services[COORDINATOR]
    settings = {**os.environ, **running.spec.environment}
    settings["MISSIONCONTROL_COORDINATOR_LISTEN"] = fleet.address
    settings.pop("MISSIONCONTROL_ADDRESS_FILE", None)
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.coordinator", env=settings, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(second.communicate(), 60)
    assert second.returncode == 1
    assert b"cannot listen" in said
    async with Client(fleet.address) as client:
        handle = await client.submit("echo", b"still there")
        assert await handle.result() == b"still there"
