"""Who may do what to a task, with real processes: two agents with one identity, drains, cancels."""

from __future__ import annotations

import signal
from pathlib import Path

from missioncontrol import Client
from missioncontrol.client import Client as ClientType
from missioncontrol.command import CommandInput
from missioncontrol.v1 import agent_pb2, task_pb2

from tests.conftest import StartFleet, work_agent
from tests.e2e.waiting import Gate, eventually, file_content, process_gone


async def state_reached(client: ClientType, task_id: str, state: task_pb2.TaskState.ValueType) -> task_pb2.Task:
    """The task, once it is in that state."""

    async def ask() -> task_pb2.Task | None:
        task = await client.handle(task_id).get()
        return task if task.state == state else None

    return await eventually(ask)


async def test_of_two_processes_with_one_identity_the_later_one_wins_for_good(
    start_fleet: StartFleet, tmp_path: Path
) -> None:
    """S17."""
    fleet, gate = await start_fleet(agents=(work_agent("agent-1"),)), Gate(tmp_path / "gate")
    async with Client(fleet.address) as client:
        held = await client.submit_command(gate.argv)
        await state_reached(client, held.id, task_pb2.TASK_STATE_RUNNING)

        fleet.start_agent(work_agent("agent-1"), name="twin")

        code = await fleet.agents["agent-1"].wait_exit(60)
        gate.open()
        task = await held.wait()
        fresh = await (await client.submit("echo", b"twin")).result(bytes)
        agents = [agent.id async for agent in client.agents.list()]
    assert code != 0
    assert 'a newer process has the agent id "agent-1"' in fleet.agents["agent-1"].log_tail()
    assert task.state == task_pb2.TASK_STATE_SUCCEEDED
    assert fresh == b"twin"
    assert agents == ["agent-1"]
    assert fleet.agents["twin"].running


async def test_a_cancel_kills_the_command_and_its_children(start_fleet: StartFleet, tmp_path: Path) -> None:
    """S16."""
    fleet = await start_fleet()
    pids = tmp_path / "pids"
    script = f'sleep 300 & echo "$$ $!" > "{pids}.new"; mv "{pids}.new" "{pids}"; wait'
    async with Client(fleet.address) as client:
        handle = await client.submit("command", CommandInput(argv=("sh", "-c", script)))
        parent, child = map(int, (await file_content(pids)).split())

        await handle.cancel(reason="not needed")
        task = await handle.wait()

    assert task.state == task_pb2.TASK_STATE_CANCELLED
    await process_gone(parent)
    await process_gone(child)


async def test_a_killed_agent_leaves_no_command_behind_for_long(start_fleet: StartFleet, tmp_path: Path) -> None:
    fleet = await start_fleet(agents=(work_agent("agent-1"),), lease_ttl_seconds=3.0)
    pid_file = tmp_path / "pid"
    script = f'echo $$ > "{pid_file}.new"; mv "{pid_file}.new" "{pid_file}"; exec sleep 300'
    async with Client(fleet.address) as client:
        handle = await client.submit("command", CommandInput(argv=("sh", "-c", script)))
        pid = int(await file_content(pid_file))

        fleet.agents["agent-1"].kill()
        await handle.cancel()
        task = await handle.wait()

    assert task.state == task_pb2.TASK_STATE_CANCELLED
    await process_gone(pid)


async def test_an_agent_that_is_asked_to_stop_finishes_what_runs_and_returns_the_rest(
    start_fleet: StartFleet, tmp_path: Path
) -> None:
    fleet = await start_fleet(agents=(work_agent("agent-1", slots=2),), lease_ttl_seconds=30.0)
    gate = Gate(tmp_path / "gate")
    async with Client(fleet.address) as client:
        handles = [await client.submit_command(gate.argv) for _ in range(8)]
        await state_reached(client, handles[0].id, task_pb2.TASK_STATE_RUNNING)

        async def stopping() -> bool:
            return (await client.agents.get("agent-1")).agent.state == agent_pb2.AGENT_STATE_DRAINING

        fleet.agents["agent-1"].signal(signal.SIGTERM)
        await eventually(stopping)
        gate.open()
        code = await fleet.agents["agent-1"].wait_exit(60)
        fleet.start_agent(work_agent("agent-2"))
        tasks = [await handle.wait() for handle in handles]
        attempts = [attempt for handle in handles for attempt in await handle.attempts()]

    assert code == 0
    assert {task.state for task in tasks} == {task_pb2.TASK_STATE_SUCCEEDED}
    assert {(task.failures, task.redeliveries) for task in tasks} == {(0, 0)}
    assert {attempt.outcome for attempt in attempts} <= {
        task_pb2.ATTEMPT_OUTCOME_SUCCEEDED,
        task_pb2.ATTEMPT_OUTCOME_RETURNED,
    }
    assert {task.agent_id for task in tasks} == {"agent-1", "agent-2"}


async def test_a_blocked_handler_does_not_lose_its_lease(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(lease_ttl_seconds=20.0)
    async with Client(fleet.address) as client:
        handle = await client.submit("block", 22.0)

        task = await handle.wait()

    assert task.state == task_pb2.TASK_STATE_SUCCEEDED
    assert (task.token, task.redeliveries) == (1, 0)
