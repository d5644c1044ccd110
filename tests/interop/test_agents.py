"""The agent of every language: cancel and drain reach it, two of one id do not fight, a refusal ends it."""

from __future__ import annotations

import asyncio
import signal

from missioncontrol.client import Client
from missioncontrol.v1 import task_pb2
from missioncontrol.v1.agent_pb2 import AGENT_STATE_OFFLINE
from missioncontrol.v1.agent_service_pb2 import DRAIN_MODE_RETURN

from demo.languages import Language
from services.fleet.launcher import Fleet
from services.fleet.observe import Observer
from services.fleet.process import wait_until
from tests.conftest import StartFleet
from tests.e2e.waiting import eventually
from tests.interop.conftest import StartWithAgent, agent_plan
from tests.interop.programs import KIND

SUPERSEDED, REFUSED = 70, 78
SECONDS_MAX = 60.0


async def running(client: Client, seconds: float, **work: object) -> str:
    """The id of a task that has just started."""
    handle = await client.submit(KIND, {"text": "x", "seconds": seconds, **work})
    await in_state(client, handle.id, task_pb2.TASK_STATE_RUNNING)
    return handle.id


async def in_state(client: Client, task_id: str, state: task_pb2.TaskState.ValueType) -> None:
    """Returns once the task is in this state, or has ended."""
    async for task in client.handle(task_id).updates():
        if task.state == state:
            break


async def ended(client: Client, task_id: str) -> task_pb2.Task:
    """The task, once it has ended."""
    async with asyncio.timeout(SECONDS_MAX):
        return await client.handle(task_id).wait()


async def exit_code(fleet: Fleet, name: str = "agent-1") -> int | None:
    """With what an agent ended."""
    process = fleet.agents[name]
    await wait_until(lambda: not process.running, SECONDS_MAX, f"the end of {name}")
    return process.exit_code


async def test_a_cancel_stops_the_work_at_once(start_with_agent: StartWithAgent) -> None:
    fleet = await start_with_agent()
    async with Client(fleet.address) as client:
        task_id = await running(client, 600)

        await client.handle(task_id).cancel()

        assert (await ended(client, task_id)).state == task_pb2.TASK_STATE_CANCELLED


async def test_a_failure_has_the_message_and_the_code(start_with_agent: StartWithAgent) -> None:
    fleet = await start_with_agent()
    async with Client(fleet.address) as client:
        handle = await client.submit(KIND, {"text": "x", "fail": "told to"})
        unread = await client.submit(KIND, {"words": "no text"})

        failure = (await ended(client, handle.id)).failure
        unreadable = (await ended(client, unread.id)).failure

    assert (failure.message, failure.code) == ("told to", "asked-for")
    assert unreadable.code == "bad-input"


async def test_a_run_time_limit_ends_the_work(start_with_agent: StartWithAgent) -> None:
    fleet = await start_with_agent()
    async with Client(fleet.address) as client:
        handle = await client.submit(KIND, {"text": "x", "seconds": 600}, run_time_limit=0.5)

        failure = (await ended(client, handle.id)).failure

    assert failure.reason == task_pb2.FAILURE_REASON_TIMEOUT


async def test_sigterm_lets_what_has_started_finish_and_ends_with_zero(start_with_agent: StartWithAgent) -> None:
    fleet = await start_with_agent()
    async with Client(fleet.address) as client:
        task_id = await running(client, 2)

        fleet.agents["agent-1"].signal(signal.SIGTERM)

        assert (await ended(client, task_id)).state == task_pb2.TASK_STATE_SUCCEEDED
        assert await exit_code(fleet) == 0
        attempts = await client.handle(task_id).attempts()
    assert [attempt.outcome for attempt in attempts] == [task_pb2.ATTEMPT_OUTCOME_SUCCEEDED]
    observer = Observer(fleet.address)

    async def offline() -> bool:
        """The end of a session is recorded after its stream has ended."""
        return [agent.state for agent in await observer.agents()] == [AGENT_STATE_OFFLINE]

    await eventually(offline)
    await observer.close()


async def test_a_drain_that_an_operator_orders_returns_the_work_and_can_be_taken_off(
    start_with_agent: StartWithAgent, language: Language
) -> None:
    fleet = await start_with_agent()
    async with Client(fleet.address) as client:
        task_id = await running(client, 600)
        await client.agents.drain("agent-1", mode=DRAIN_MODE_RETURN)
        await in_state(client, task_id, task_pb2.TASK_STATE_PENDING)

        await client.agents.uncordon("agent-1")

        await in_state(client, task_id, task_pb2.TASK_STATE_RUNNING)
        await client.handle(task_id).cancel()
        await ended(client, task_id)
        outcomes = [attempt.outcome for attempt in await client.handle(task_id).attempts()]
    assert outcomes == [task_pb2.ATTEMPT_OUTCOME_RETURNED, task_pb2.ATTEMPT_OUTCOME_CANCELLED]


async def test_a_newer_process_with_the_same_id_ends_the_older_one(
    start_with_agent: StartWithAgent, language: Language
) -> None:
    fleet = await start_with_agent()

    fleet.start_agent(agent_plan(language), name="agent-1-again")

    assert await exit_code(fleet) == SUPERSEDED
    assert fleet.agents["agent-1-again"].running


async def test_an_agent_that_is_refused_ends_and_says_why(start_fleet: StartFleet, language: Language) -> None:
    fleet = await start_fleet(agents=())

    process = fleet.start_agent(agent_plan(language, "no/such id"), name="refused")

    assert await exit_code(fleet, "refused") == REFUSED
    assert "agent_id" in process.log_file.read_text()
