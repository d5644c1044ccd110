"""The whole path with real processes: submit, journal, scheduler, lease, agent, outcome, event, SSE."""

from __future__ import annotations

import asyncio

import pytest
from missioncontrol import Client, task_request
from missioncontrol.cli.events import verified
from missioncontrol.command import CommandInput, CommandOutput
from missioncontrol.v1 import task_pb2

from services.domain.event import EventType
from services.fleet.audit import Acknowledged, audit
from services.fleet.feed import FeedFollower
from services.fleet.observe import Observer, seen_task
from tests.conftest import StartFleet

pytestmark = pytest.mark.short


async def test_a_task_goes_from_submit_to_its_result_and_into_the_feed(start_fleet: StartFleet) -> None:
    fleet = await start_fleet()
    follower = FeedFollower(fleet.gateway_url)
    async with asyncio.TaskGroup() as group, Client(fleet.address) as client:
        following = group.create_task(follower.run())

        handle = await client.submit("echo", b"hello", request_id="one")
        result = await handle.result(bytes)

        observer = Observer(fleet.address)
        tasks, sequence = await observer.tasks()
        await observer.close()
        await asyncio.wait_for(follower.wait_sequence(sequence), 60)
        following.cancel()
    assert result == b"hello"
    assert audit([Acknowledged("one", handle.id)], list(map(seen_task, tasks)), follower.events) == []
    assert [event.type for event in follower.events if event.task_id == handle.id] == [
        EventType.TASK_CREATED,
        EventType.TASK_LEASED,
        EventType.TASK_STARTED,
        EventType.TASK_SUCCEEDED,
    ]


async def test_the_feed_that_is_read_while_tasks_run_agrees_with_the_list(start_fleet: StartFleet) -> None:
    """S9, S10: from the outside, page by page, while both change."""
    fleet = await start_fleet()
    async with asyncio.TaskGroup() as group, Client(fleet.address) as client:
        handles = await client.submit_many(task_request("echo", number) for number in range(2000))
        ending = group.create_task(handles[-1].result())
        during, _ = await verified(client)
        await ending
        after, tasks = await verified(client)
    assert (during.findings, after.findings) == ([], [])
    assert (tasks, after.whole) == (2000, True)


async def test_a_command_runs_on_an_agent_and_its_output_comes_back(start_fleet: StartFleet) -> None:
    fleet = await start_fleet()
    async with Client(fleet.address) as client:
        handle = await client.submit("command", CommandInput(argv=("sh", "-c", "echo out; echo err >&2; exit 0")))

        result = await handle.result(CommandOutput)

    assert (result.exit_code, result.stdout, result.stderr) == (0, "out\n", "err\n")


async def test_a_fleet_that_is_asked_to_stop_stops_in_order_with_exit_code_zero(start_fleet: StartFleet) -> None:
    fleet = await start_fleet()
    async with Client(fleet.address) as client:
        await (await client.submit("echo", b"")).result()

    await fleet.stop()

    assert {process.name: process.exit_code for process in fleet.processes} == dict.fromkeys(
        ["scheduler", "coordinator", "event-gateway", "agent-1", "agent-2"], 0
    )


async def test_state_survives_a_restart_of_everything(start_fleet: StartFleet) -> None:
    fleet = await start_fleet()
    async with Client(fleet.address) as client:
        done = await client.submit("echo", b"kept")
        await done.result()
    for process in fleet.processes:
        process.kill()

    for name in [*fleet.services, *fleet.agents]:
        await fleet.restart(name)

    async with Client(fleet.address) as client:
        task = await client.handle(done.id).get()
        fresh = await (await client.submit("echo", b"fresh")).result(bytes)
    assert (task.state, task.output.data) == (task_pb2.TASK_STATE_SUCCEEDED, b"kept")
    assert fresh == b"fresh"
