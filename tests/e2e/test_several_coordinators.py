"""Two coordinators on one PostgreSQL: any of them takes any request and any agent, and one's death costs no work."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from missioncontrol import Client
from missioncontrol.client import Client as ClientType
from missioncontrol.v1 import agent_pb2, event_pb2, task_pb2

from services.fleet.launcher import COORDINATOR, Fleet, names_of
from tests.conftest import StartFleet, work_agent
from tests.e2e.waiting import Gate, coordinators_met, eventually
from tests.faults.databases import database_findings

FIRST, SECOND = names_of(COORDINATOR, 2)
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
async def fleet(start_fleet: StartFleet, database_url: str) -> AsyncIterator[Fleet]:
    """Two coordinators, each with an agent that connected to it."""
    started = await start_fleet(database_url=database_url, coordinators=2, agents=(), lease_ttl_seconds=30.0)
    await coordinators_met(started)
    for number, name in enumerate((FIRST, SECOND), 1):
        started.start_agent(work_agent(f"agent-{number}"), address=started.listening[name].address)
    await started.wait_agents_ready({"agent-1", "agent-2"})
    yield started
    assert await database_findings(started) == []


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


def client_of(fleet: Fleet, name: str) -> ClientType:
    return Client(fleet.listening[name].address)


async def running(client: ClientType, task_id: str) -> task_pb2.Task:
    async def ask() -> task_pb2.Task | None:
        task = await client.handle(task_id).get()
        return task if task.state == task_pb2.TASK_STATE_RUNNING else None

    return await eventually(ask)


async def coordinators_of(client: ClientType) -> dict[str, str]:
    """Which coordinator each READY agent is connected to."""
    return {
        agent.id: agent.coordinator_id
        async for agent in client.agents.list()
        if agent.state == agent_pb2.AGENT_STATE_READY
    }


async def test_what_one_takes_any_agent_does(fleet: Fleet, tmp_path: Path) -> None:
    """Eight commands at once need the slots of both agents, whichever coordinator has taken them."""
    for name in (FIRST, SECOND):
        gate = Gate(tmp_path / name)
        async with client_of(fleet, name) as client:
            handles = [await client.submit_command(gate.argv) for _ in range(8)]
            for handle in handles:
                await running(client, handle.id)
            gate.open()
            tasks = [await handle.wait() for handle in handles]
        assert {task.state for task in tasks} == {task_pb2.TASK_STATE_SUCCEEDED}
        assert {task.agent_id for task in tasks} == {"agent-1", "agent-2"}


async def test_followers_of_both_see_one_sequence(fleet: Fleet) -> None:
    """S10: live, while both write."""
    seen: list[list[tuple[int, int, str]]] = [[], []]

    async def follow(client: ClientType, into: list[tuple[int, int, str]]) -> None:
        async with aclosing(client.events()) as events:
            async for event in events:
                assert isinstance(event, event_pb2.Event), "nothing was trimmed or restored"
                into.append((event.sequence, event.type, event.task_id))

    async with client_of(fleet, FIRST) as first, client_of(fleet, SECOND) as second:
        following = [asyncio.ensure_future(follow(*each)) for each in zip((first, second), seen, strict=True)]
        handles = [await client.submit("echo", b"x") for _ in range(30) for client in (first, second)]
        for handle in handles:
            await handle.wait()
        head = int((await first.feed.list_page(page_size=1)).position.rpartition(":")[2])

        async def caught_up() -> bool:
            return all(events and events[-1][0] >= head for events in seen)

        await eventually(caught_up)
        for each in following:
            each.cancel()
        await asyncio.gather(*following, return_exceptions=True)
    assert [sequence for sequence, _, _ in seen[0][:head]] == list(range(1, head + 1))
    assert seen[0][:head] == seen[1][:head]


async def test_a_cancel_through_the_other_reaches_the_agent(fleet: Fleet) -> None:
    """S16."""
    async with client_of(fleet, FIRST) as first, client_of(fleet, SECOND) as second:
        for submitter, canceller in ((first, second), (second, first)):
            handles = [await submitter.submit("nap", 60.0) for _ in range(2)]
            for handle in handles:
                await running(submitter, handle.id)
                await canceller.handle(handle.id).cancel()
            states = {(await handle.wait()).state for handle in handles}
            assert states == {task_pb2.TASK_STATE_CANCELLED}


async def test_a_drain_through_the_other_reaches_the_agent(fleet: Fleet) -> None:
    """S14."""
    async with client_of(fleet, SECOND) as second:
        await second.agents.drain("agent-1")
        handles = [await second.submit("echo", b"x") for _ in range(8)]
        tasks = [await handle.wait() for handle in handles]
    assert {task.agent_id for task in tasks} == {"agent-2"}


async def test_when_a_coordinator_is_killed_its_agents_work_on_and_nothing_is_done_twice(
    fleet: Fleet, gate: Gate
) -> None:
    """L2."""
    async with client_of(fleet, SECOND) as second:
        handles = [await second.submit_command(gate.argv) for _ in range(8)]
        for handle in handles:
            await running(second, handle.id)
        fleet.services[FIRST].kill()
        killed = time.monotonic()

        async def both() -> bool:
            return (
                set((await coordinators_of(second)).values()) == {"coordinator-2"}
                and len(await coordinators_of(second)) == 2
            )

        await eventually(both)
        back = time.monotonic() - killed
        gate.open()
        tasks = [await handle.wait() for handle in handles]
        waiting = [await second.submit("echo", b"x") for _ in range(8)]
        after = [await handle.wait() for handle in waiting]
    print(f"agents back after {back:.2f} s")
    assert {(task.state, task.redeliveries, task.token) for task in tasks} == {(task_pb2.TASK_STATE_SUCCEEDED, 0, 1)}
    assert {task.agent_id for task in tasks} == {"agent-1", "agent-2"}
    assert {task.state for task in after} == {task_pb2.TASK_STATE_SUCCEEDED}


async def test_what_waited_at_a_dead_coordinator_is_taken_over(fleet: Fleet, gate: Gate) -> None:
    """Its tasks go to the scheduler through the other one."""
    async with client_of(fleet, FIRST) as first, client_of(fleet, SECOND) as second:
        busy = [await second.submit_command(gate.argv) for _ in range(8)]
        for handle in busy:
            await running(second, handle.id)
        waiting = [await first.submit("echo", b"x") for _ in range(8)]
        fleet.services[FIRST].kill()
        gate.open()
        tasks = [await second.handle(handle.id).wait() for handle in waiting]
    assert {task.state for task in tasks} == {task_pb2.TASK_STATE_SUCCEEDED}


async def test_one_that_was_stopped_for_long_is_superseded_and_ends(fleet: Fleet) -> None:
    """S18."""
    process = fleet.services[FIRST]
    pid = fleet.listening[FIRST].pid
    async with client_of(fleet, SECOND) as second:
        os.kill(pid, signal.SIGSTOP)

        async def moved() -> bool:
            return await coordinators_of(second) == {"agent-1": "coordinator-2", "agent-2": "coordinator-2"}

        await eventually(moved)
        handles = [await second.submit("echo", b"x") for _ in range(8)]
        states = {(await handle.wait()).state for handle in handles}
        os.kill(pid, signal.SIGCONT)
        code = await process.wait_exit(60)
    assert states == {task_pb2.TASK_STATE_SUCCEEDED}
    assert code == 1


async def test_one_that_stops_in_order_leaves_its_work_to_the_other_at_once(fleet: Fleet) -> None:
    """A lease that was granted and not delivered any more goes back, uncounted; no work is lost."""
    async with client_of(fleet, FIRST) as first, client_of(fleet, SECOND) as second:
        busy = [await first.submit("nap", 2.0) for _ in range(8)]
        waiting = [await first.submit("echo", b"x") for _ in range(8)]
        await fleet.services[FIRST].stop()
        tasks = [await second.handle(handle.id).wait() for handle in (*busy, *waiting)]
        await fleet.restart(FIRST)
        again = [await (await first.submit("echo", b"x")).wait() for _ in range(4)]
    assert {(task.state, task.redeliveries) for task in tasks} == {(task_pb2.TASK_STATE_SUCCEEDED, 0)}
    assert {task.state for task in again} == {task_pb2.TASK_STATE_SUCCEEDED}


async def test_both_killed_at_once_and_started_again_go_on(fleet: Fleet, tmp_path: Path) -> None:
    """S1."""
    async with Client(fleet.addresses) as client:
        handles = [await client.submit("nap", 2.0) for _ in range(12)]
        for name in (FIRST, SECOND):
            fleet.services[name].kill()
        await asyncio.gather(*(fleet.restart(name) for name in (FIRST, SECOND)))
        tasks = [await handle.wait() for handle in handles]
    assert {task.state for task in tasks} == {task_pb2.TASK_STATE_SUCCEEDED}
