"""The client against a real fleet: results, live output, events and waiting through a coordinator that is killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from missioncontrol import Client, NotFound, TaskCancelled, TaskFailed, TaskHandle
from missioncontrol.command import CommandOutput
from missioncontrol.event_names import event_name
from missioncontrol.payload import decode_payload
from missioncontrol.requests import task_request
from missioncontrol.v1 import event_pb2, task_pb2
from missioncontrol.v1.task_service_pb2 import OutputChunk

from services.fleet.launcher import COORDINATOR
from tests.conftest import StartFleet
from tests.e2e.waiting import Gate

# No lease ends here, however slow the machine is.
TTL_SECONDS = 60.0


@dataclass(frozen=True)
class Point:
    x: int


async def test_a_client_submits_follows_and_reads(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(lease_ttl_seconds=TTL_SECONDS)
    async with Client(fleet.address) as client:
        point = await client.submit("echo", Point(1), into=Point, labels={"a": "b"}, priority=3)
        assert await point.result() == Point(1)

        events = [event async for event in point.events()]
        assert [event_name(event.type) for event in events if isinstance(event, event_pb2.Event)] == [
            "task.created", "task.leased", "task.started", "task.succeeded",
        ]  # fmt: skip
        assert [attempt.outcome for attempt in await point.attempts()] == [task_pb2.ATTEMPT_OUTCOME_SUCCEEDED]

        many = await client.submit_many(task_request("echo", {"x": number}) for number in range(20))
        assert [await handle.result(Point) for handle in many] == [Point(number) for number in range(20)]
        assert len([task async for task in client.tasks.list(kind="echo")]) == 21

        with pytest.raises(NotFound):
            await client.handle("0198b7a0-0000-7000-8000-000000000000").result()


async def test_commands_are_followed_live_fail_with_their_code_and_are_cancelled(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(lease_ttl_seconds=TTL_SECONDS)
    async with Client(fleet.address) as client:
        # It ends only once somebody has seen its first line, so what is seen was live.
        talker = await client.submit_command(["echo first; sleep 600"], shell=True)
        await _running(talker)
        assert b"".join([chunk.data async for chunk in _cancelled_by_output(talker)]) == b"first\n"
        with pytest.raises(TaskCancelled):
            await talker.result()

        failing = await client.submit_command(["echo out; exit 3"], shell=True)
        with pytest.raises(TaskFailed) as caught:
            await failing.result()
        output = decode_payload(caught.value.task.output, CommandOutput)
        assert (output.exit_code, output.stdout) == (3, "out\n")


async def test_a_result_and_a_feed_are_followed_through_a_coordinator_that_is_killed(
    start_fleet: StartFleet, tmp_path: Path
) -> None:
    fleet = await start_fleet(lease_ttl_seconds=TTL_SECONDS)
    gate = Gate(tmp_path / "gate")
    async with Client(fleet.address) as client:
        before = await client.submit_command(gate.argv)
        waiting = asyncio.create_task(before.result())
        following = asyncio.create_task(_terminal_events(client, 2))
        async for task in before.updates():
            if task.state == task_pb2.TASK_STATE_RUNNING:
                break

        fleet.services[COORDINATOR].kill()
        submitting = asyncio.create_task(client.submit("echo", b"while it was away"))
        await fleet.restart(COORDINATOR)
        gate.open()
        after = await submitting

        assert (await waiting).exit_code == 0
        assert await after.result() == b"while it was away"
        assert sorted(await following) == sorted([before.id, after.id])


async def test_a_command_is_followed_live_from_its_submit(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(lease_ttl_seconds=TTL_SECONDS)
    async with Client(fleet.address) as client:
        await client.queues.pause("default")
        talker = await client.submit_command(["echo first; sleep 600"], shell=True)
        following = asyncio.create_task(_first_output(talker))
        await client.queues.resume("default")

        assert await asyncio.wait_for(following, 60) == b"first\n"
        await talker.cancel()
        await talker.wait()


async def _running(handle: TaskHandle[CommandOutput]) -> None:
    async for task in handle.updates():
        if task.state == task_pb2.TASK_STATE_RUNNING:
            return


async def _cancelled_by_output(handle: TaskHandle[CommandOutput]) -> AsyncIterator[OutputChunk]:
    async for chunk in handle.output():
        await handle.cancel(reason="seen")
        yield chunk


async def _first_output(handle: TaskHandle[CommandOutput]) -> bytes:
    async for chunk in handle.output():
        return chunk.data
    return b""


async def _terminal_events(client: Client, count: int) -> list[str]:
    ended: list[str] = []
    async for event in client.events(types=["task.succeeded"]):
        assert isinstance(event, event_pb2.Event)
        ended.append(event.task_id)
        if len(ended) == count:
            break
    return ended
