"""Drains by selector, with real processes: deadlines, a coordinator that is killed, an agent that does not obey."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from missioncontrol import Client
from missioncontrol.client import Client as ClientType
from missioncontrol.handle import TaskHandle
from missioncontrol.selectors import parse_selector
from missioncontrol.times import to_duration
from missioncontrol.v1 import agent_pb2, task_pb2
from missioncontrol.v1 import agent_service_pb2 as pb

from services.domain.limits import DRAIN_GRACE_MICROS
from services.fleet.launcher import COORDINATOR, AgentPlan
from tests.clients.cli.conftest import CommandLine
from tests.clients.client.peer import Peer
from tests.conftest import StartFleet
from tests.e2e.waiting import eventually
from tests.faults.databases import database_findings

EU = "zone=eu"
AGENTS = tuple(AgentPlan(f"{zone}-{number}", labels={"zone": zone}) for zone in ("eu", "us") for number in (1, 2))
STUBBORN = Path(__file__).parents[1] / "faults" / "stubborn_agent.py"
RUNNING, SUCCEEDED = task_pb2.TASK_STATE_RUNNING, task_pb2.TASK_STATE_SUCCEEDED


async def change(client: ClientType, what: pb.AgentChange.ValueType, **fields: object) -> list[agent_pb2.Agent]:
    request = pb.ChangeAgentsRequest(selectors=[parse_selector(EU)], change=what, **fields)  # type: ignore[arg-type]
    return [agent async for page in client.agents.change(request) for agent in page.agents]


async def in_state(handles: Sequence[TaskHandle[object]], state: task_pb2.TaskState.ValueType) -> list[task_pb2.Task]:
    """The tasks, once all are in this state."""
    tasks: list[task_pb2.Task] = []

    async def ask() -> bool:
        tasks[:] = [await handle.get() for handle in handles]
        return {task.state for task in tasks} == {state}

    try:
        await eventually(ask, within=60.0)
    except AssertionError as error:
        error.add_note("\n".join(f"{task.id}: {task.state} {task.agent_id} {task.waiting.message}" for task in tasks))
        raise
    return tasks


async def drained(client: ClientType) -> list[agent_pb2.Agent]:
    """The agents of the zone, once each is drained."""

    async def ask() -> list[agent_pb2.Agent] | None:
        agents = await change(client, pb.AGENT_CHANGE_RESUME, preview=True)
        return agents if all(agent.drain.state == agent_pb2.DRAIN_STATE_DRAINED for agent in agents) else None

    return await eventually(ask, within=60.0)


@pytest.mark.timeout(240)
async def test_half_a_fleet_is_drained_while_its_coordinator_is_killed(
    start_fleet: StartFleet, database_url: str, tmp_path: Path
) -> None:
    """S14: what ends in time ends there, what does not is given back, and nothing new comes until they are resumed."""
    several = database_url.startswith("postgresql")
    let_go = tmp_path / "let_go"
    waits = f'while [ ! -e "{let_go}" ]; do sleep 0.1; done'
    fleet = await start_fleet(
        agents=AGENTS, database_url=database_url, coordinators=2 if several else 1, lease_ttl_seconds=30.0
    )
    async with Client(fleet.addresses) as client:
        long = [await client.submit_command(["sleep", "300"], selectors=[EU]) for _ in range(2)]
        short = [await client.submit_command(["sh", "-c", waits], selectors=[EU]) for _ in range(2)]
        await in_state([*long, *short], RUNNING)

        await change(client, pb.AGENT_CHANGE_DRAIN, mode=pb.DRAIN_MODE_FINISH, time_limit=to_duration(8.0))
        fleet.services[COORDINATOR].kill()
        let_go.touch()
        if not several:
            await fleet.restart(COORDINATOR)
        elsewhere = [await (await client.submit_command(["true"])).wait() for _ in range(8)]
        agents = await drained(client)

        returned = [await handle.get() for handle in long]
        finished = await in_state(short, SUCCEEDED)
        for zone in ("eu-1", "eu-2"):
            await client.agents.resume(zone)
        again = await in_state(long, RUNNING)
        for handle in long:
            await handle.cancel()
    assert [agent.id for agent in agents] == ["eu-1", "eu-2"]
    assert {task.agent_id for task in elsewhere} <= {"us-1", "us-2"}
    assert {(task.state, task.failures, task.redeliveries) for task in returned} == {
        (task_pb2.TASK_STATE_PENDING, 0, 0)
    }
    assert {(task.token, task.redeliveries) for task in finished} == {(1, 0)}
    assert {task.token for task in again} == {2}
    assert await database_findings(fleet) == []


@pytest.mark.timeout(120)
async def test_what_an_agent_does_not_return_is_taken_back_after_the_deadline(start_fleet: StartFleet) -> None:
    """It ignores every order."""
    plan = AgentPlan("stubborn", slots=1, arguments=(str(STUBBORN),))
    fleet = await start_fleet(agents=(plan,), gateway_listen="", lease_ttl_seconds=30.0)
    async with Client(fleet.address) as client:
        handle = await client.submit("nap", 600.0)
        await eventually(lambda: held_by(handle, "stubborn"))
        await client.agents.drain("stubborn", time_limit_seconds=0.5)

        async def returned() -> task_pb2.Task | None:
            task = await handle.get()
            return task if task.state == task_pb2.TASK_STATE_PENDING else None

        task = await eventually(returned, within=DRAIN_GRACE_MICROS / 1e6 + 30)
        [attempt] = await handle.attempts()
        agent = (await client.agents.get("stubborn")).agent
        await handle.cancel()
    assert (task.failures, task.redeliveries) == (0, 0)
    assert attempt.outcome == task_pb2.ATTEMPT_OUTCOME_RETURNED
    assert agent.drain.state == agent_pb2.DRAIN_STATE_DRAINED
    assert await database_findings(fleet) == []


async def held_by(handle: TaskHandle[object], agent_id: str) -> bool:
    task = await handle.get()
    return task.agent_id == agent_id


@pytest.mark.timeout(120)
async def test_an_operator_waits_for_a_drain_and_sees_how_far_it_is(start_fleet: StartFleet, tmp_path: Path) -> None:
    fleet = await start_fleet(agents=AGENTS[:3], gateway_listen="", lease_ttl_seconds=30.0)
    missionctl = CommandLine(Peer(), fleet.address)
    let_go = tmp_path / "let_go"
    script = f'while [ ! -e "{let_go}" ]; do sleep 0.1; done'
    async with Client(fleet.address) as client:
        handles = [await client.submit_command(["sh", "-c", script], selectors=[EU]) for _ in range(2)]
        await in_state(handles, RUNNING)

        preview = await missionctl("agents", "drain", "--selector", EU, "--preview", "-o", "json")
        order = ("agents", "drain", "--selector", EU, "--mode", "finish", "--deadline", "10m", "--wait", "-o", "json")
        waiting = await missionctl.start(*order)
        assert waiting.stderr is not None
        said = [(await waiting.stderr.readline()).decode() for _ in range(2)]
        let_go.touch()
        out, err = await waiting.communicate()
        states = [(await handle.get()).state for handle in handles]
        resumed = await missionctl("agents", "resume", "eu-1", "eu-2", "-o", "json")
    assert (preview.code, preview.err) == (0, "2 agents, 2 would change\n")
    assert said[0] == "2 agents, 2 changed\n"
    assert said[1].endswith("of 2 agents drained, 2 leases left\n")
    assert (waiting.returncode, err.decode().splitlines()[-1]) == (0, "2 of 2 agents drained, 0 leases left")
    assert [agent["drain"]["state"] for agent in json.loads(out)["agents"]] == ["DRAINED", "DRAINED"]
    assert states == [SUCCEEDED, SUCCEEDED]
    assert [(agent["id"], agent["state"]) for agent in resumed.json["agents"]] == [("eu-1", "READY"), ("eu-2", "READY")]
