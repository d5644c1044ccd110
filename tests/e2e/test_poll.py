"""Agents that make calls instead of holding a stream, with real processes: the promises are the same."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from missioncontrol import Client
from missioncontrol.client import Client as ClientType
from missioncontrol.command import CommandInput
from missioncontrol.transports import VARIABLE
from missioncontrol.v1 import agent_pb2, agent_service_pb2, task_pb2

from services.fleet.launcher import COORDINATOR, AgentPlan, Fleet, names_of
from tests.conftest import StartFleet, work_agent
from tests.e2e.waiting import Gate, eventually
from tests.faults.databases import database_findings
from tests.faults.proxy import Proxy

POLL = {VARIABLE: "poll"}
TTL_SECONDS, SHORT_TTL_SECONDS = 30.0, 3.0
# Leases end much later.
SOON_SECONDS = 20.0
CANCELLED_SECONDS = 3.0
RUNNING, SUCCEEDED, CANCELLED = (
    task_pb2.TASK_STATE_RUNNING,
    task_pb2.TASK_STATE_SUCCEEDED,
    task_pb2.TASK_STATE_CANCELLED,
)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


async def running(client: ClientType, task_id: str) -> task_pb2.Task:
    async def ask() -> task_pb2.Task | None:
        task = await client.handle(task_id).get()
        return task if task.state == RUNNING else None

    return await eventually(ask)


async def in_state(client: ClientType, agent_id: str, *states: agent_pb2.AgentState.ValueType) -> None:
    async def ask() -> bool:
        return (await client.agents.get(agent_id)).agent.state in states

    await eventually(ask)


async def test_an_agent_of_the_command_line_takes_work_by_calls_and_is_cancelled(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=(AgentPlan("agent-1", arguments=_command_line()),), lease_ttl_seconds=TTL_SECONDS)
    async with Client(fleet.address) as client:
        done = await client.submit("command", CommandInput(argv=("echo", "hello")))
        assert (await done.wait()).state == SUCCEEDED
        took = [await cancelled_seconds(client) for _ in range(3)]
        assert min(took) < CANCELLED_SECONDS
    assert await fleet.agents["agent-1"].stop(20) == 0


async def cancelled_seconds(client: ClientType) -> float:
    """How long it takes until a command that is cancelled has ended."""
    long = await client.submit("command", CommandInput(argv=("sleep", "300")))
    await running(client, long.id)
    begin = time.monotonic()
    await long.cancel()
    assert (await long.wait()).state == CANCELLED
    return time.monotonic() - begin


def _command_line() -> tuple[str, ...]:
    return ("-m", "missioncontrol.cli", "agent", "run", "--transport", "poll", "--slots", "2")


async def test_an_agent_that_is_killed_is_missed_and_its_work_goes_to_another(start_fleet: StartFleet) -> None:
    """L1, and the agent shows as gone although no connection of its own tells so."""
    fleet = await start_fleet(environment=POLL, lease_ttl_seconds=30.0)
    async with Client(fleet.address) as client:
        fleet.agents["agent-1"].kill()
        begin = time.monotonic()
        await in_state(client, "agent-1", agent_pb2.AGENT_STATE_DISCONNECTED, agent_pb2.AGENT_STATE_OFFLINE)
        seconds = time.monotonic() - begin
        print(f"after {seconds:.2f} s")
        handles = [await client.submit("echo", b"x") for _ in range(8)]
        tasks = [await handle.wait() for handle in handles]
    assert seconds < SOON_SECONDS
    assert {(task.state, task.agent_id) for task in tasks} == {(SUCCEEDED, "agent-2")}


async def test_the_work_of_a_killed_agent_is_leased_again_when_its_lease_ends(
    start_fleet: StartFleet, gate: Gate
) -> None:
    """L1."""
    fleet = await start_fleet(environment=POLL, agents=(work_agent("agent-1"),), lease_ttl_seconds=SHORT_TTL_SECONDS)
    async with Client(fleet.address) as client:
        handle = await client.submit_command(gate.argv)
        await running(client, handle.id)
        fleet.agents["agent-1"].kill()
        gate.open()
        fleet.start_agent(work_agent("agent-2"))
        task = await handle.wait()
    assert (task.state, task.agent_id) == (SUCCEEDED, "agent-2")


async def test_a_coordinator_that_is_killed_and_started_again_costs_running_work_nothing(
    start_fleet: StartFleet, gate: Gate
) -> None:
    fleet = await start_fleet(environment=POLL, lease_ttl_seconds=30.0)
    async with Client(fleet.address) as client:
        handles = [await client.submit_command(gate.argv) for _ in range(6)]
        for handle in handles:
            await running(client, handle.id)
        fleet.services[COORDINATOR].kill()
        await fleet.restart(COORDINATOR)
        gate.open()
        tasks = [await handle.wait() for handle in handles]
    assert {(task.state, task.token, task.redeliveries) for task in tasks} == {(SUCCEEDED, 1, 0)}
    assert await database_findings(fleet) == []


async def test_an_agent_that_is_stopped_beyond_its_lease_can_say_nothing_about_it(
    start_fleet: StartFleet, gate: Gate
) -> None:
    """S4."""
    fleet = await start_fleet(environment=POLL, lease_ttl_seconds=SHORT_TTL_SECONDS)
    async with Client(fleet.address) as client:
        handle = await client.submit_command(gate.argv)
        holder = (await running(client, handle.id)).agent_id
        pid = fleet.agents[holder].pid

        async def taken_over() -> bool:
            task = await handle.get()
            return (task.state, task.agent_id == holder) == (RUNNING, False)

        os.kill(pid, signal.SIGSTOP)
        await eventually(taken_over)
        gate.open()
        task = await handle.wait()
        os.kill(pid, signal.SIGCONT)
        await in_state(client, holder, agent_pb2.AGENT_STATE_READY)
        attempts = await handle.attempts()
    assert task.state == SUCCEEDED
    assert task.agent_id != holder
    ends = [(attempt.agent_id, attempt.outcome) for attempt in attempts]
    assert ends[-1] == (task.agent_id, task_pb2.ATTEMPT_OUTCOME_SUCCEEDED)
    assert holder in {agent for agent, _ in ends[:-1]}
    assert task_pb2.ATTEMPT_OUTCOME_SUCCEEDED not in {outcome for _, outcome in ends[:-1]}
    assert await database_findings(fleet) == []


async def test_a_drain_is_obeyed_and_called_off(start_fleet: StartFleet, gate: Gate) -> None:
    """S14."""
    fleet = await start_fleet(environment=POLL, lease_ttl_seconds=30.0)
    async with Client(fleet.address) as client:
        handles = [await client.submit_command(gate.argv) for _ in range(8)]
        for handle in handles:
            await running(client, handle.id)
        await client.agents.drain("agent-1")
        await client.agents.drain("agent-2", mode=agent_service_pb2.DRAIN_MODE_RETURN)
        await client.agents.uncordon("agent-2")
        gate.open()
        tasks = [await handle.wait() for handle in handles]
        after = [await (await client.submit("echo", b"x")).wait() for _ in range(4)]
    assert {(task.state, task.failures) for task in tasks} == {(SUCCEEDED, 0)}
    assert {task.agent_id for task in after} == {"agent-2"}


async def test_a_network_that_cuts_every_connection_again_and_again_costs_no_work(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(environment=POLL, agents=(), lease_ttl_seconds=30.0)
    async with Proxy(fleet.address) as proxy, Client(fleet.address) as client:
        fleet.start_agent(work_agent("agent-1"), address=proxy.address)
        await fleet.wait_agents_ready({"agent-1"})
        handles = [await client.submit("nap", 0.2) for _ in range(120)]
        ended = 0
        for _ in range(10):
            # With each cut a call is made again. If it were one and the same call each time, that would be given up.
            ended = await more_ended(client, ended, of=len(handles))
            proxy.cut()
        tasks = [await handle.wait() for handle in handles]
        agent = (await client.agents.get("agent-1")).agent
    assert {(task.state, task.token, task.redeliveries) for task in tasks} == {(SUCCEEDED, 1, 0)}
    assert agent.session < 5, "calls that broke were made again: not every cut needs a Hello"
    assert await database_findings(fleet) == []


async def more_ended(client: ClientType, before: int, *, of: int) -> int:
    """How many tasks have ended, once there are more than before."""

    async def ask() -> int:
        ended = len([task async for task in client.tasks.list(states=[SUCCEEDED])])
        return ended if ended > before or ended == of else 0

    return await eventually(ask)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_when_a_coordinator_is_killed_its_agents_go_to_another(
    start_fleet: StartFleet, database_url: str, gate: Gate
) -> None:
    """L2: the one that is killed is where an agent is."""
    fleet = await start_fleet(environment=POLL, database_url=database_url, coordinators=2, lease_ttl_seconds=30.0)
    names = dict(zip(("coordinator-1", "coordinator-2"), names_of(COORDINATOR, 2), strict=True))
    async with Client(fleet.address) as client:
        home = (await client.agents.get("agent-1")).agent.coordinator_id
    [other] = names.keys() - {home}
    async with Client(fleet.listening[names[other]].address) as client:
        handles = [await client.submit_command(gate.argv) for _ in range(8)]
        for handle in handles:
            await running(client, handle.id)
        fleet.services[names[home]].kill()
        begin = time.monotonic()
        await _all_at(client, other)
        seconds = time.monotonic() - begin
        print(f"after {seconds:.2f} s")
        gate.open()
        tasks = [await handle.wait() for handle in handles]
    assert seconds < SOON_SECONDS
    assert {(task.state, task.token, task.redeliveries) for task in tasks} == {(SUCCEEDED, 1, 0)}


async def _all_at(client: ClientType, coordinator_id: str) -> None:
    async def ask() -> bool:
        agents = [agent async for agent in client.agents.list()]
        return all(
            agent.state == agent_pb2.AGENT_STATE_READY and agent.coordinator_id == coordinator_id for agent in agents
        )

    await eventually(ask)


async def test_a_coordinator_that_stops_in_order_lets_its_agents_wait_for_the_next(
    fleet_by_calls: Fleet, gate: Gate
) -> None:
    async with Client(fleet_by_calls.address) as client:
        handles = [await client.submit_command(gate.argv) for _ in range(4)]
        for handle in handles:
            await running(client, handle.id)
        await fleet_by_calls.services[COORDINATOR].stop()
        await fleet_by_calls.restart(COORDINATOR)
        gate.open()
        tasks = [await handle.wait() for handle in handles]
    assert {(task.state, task.token) for task in tasks} == {(SUCCEEDED, 1)}


@pytest.fixture
async def fleet_by_calls(start_fleet: StartFleet) -> Fleet:
    return await start_fleet(environment=POLL, lease_ttl_seconds=30.0)
