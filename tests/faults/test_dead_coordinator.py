"""A coordinator is killed under many agents at work: how long until all are back, and what it costs their work."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest
from missioncontrol import Client
from missioncontrol.v1 import agent_pb2

from services.fleet.audit import Finding
from services.fleet.launcher import COORDINATOR, AgentPlan, Fleet, names_of
from tests.conftest import StartFleet
from tests.faults.databases import database_findings
from tests.faults.figures import FIGURES, SEED, record
from tests.faults.many_agents import COUNT

PROGRAM = str(Path(__file__).with_name("many_agents.py"))
PATIENCE_SECONDS = 60.0
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class Crowd:
    """Agents, where each of them is connected, and what the feed says of their leases."""

    def __init__(self, fleet: Fleet, processes: int) -> None:
        self.fleet = fleet
        self.ids = [f"crowd{p}-{n}" for p in range(processes) for n in range(COUNT)]
        self.processes = processes

    async def gather(self) -> None:
        """Starts them, and waits until all are there."""
        for number in range(self.processes):
            self.fleet.start_agent(AgentPlan(f"crowd{number}", arguments=(PROGRAM,)))
        await self.fleet.wait_agents_ready(self.ids, PATIENCE_SECONDS)

    async def homes(self, address: str) -> dict[str, str]:
        """The coordinator of each READY agent."""
        async with Client(address) as client:
            ready = [each async for each in client.agents.list() if each.state == agent_pb2.AGENT_STATE_READY]
        return {agent.id: agent.coordinator_id for agent in ready}


async def kill_under(fleet: Fleet, crowd: Crowd, *, rounds: int, seed: int) -> tuple[list[float], int, list[Finding]]:
    """Kills the coordinator that most agents are at, again and again.

    Seconds until all of them are back, leases requeued, findings.
    """
    chance, took, requeued = random.Random(seed), list[float](), 0
    names = names_of(COORDINATOR, 2)
    for _ in range(rounds):
        async with Client(fleet.addresses) as client:
            handles = [await client.submit("nap", 30.0) for _ in crowd.ids]
            ids = {handle.id for handle in handles}

            async def started() -> int:
                count = 0
                async for agent in client.agents.list():
                    count += agent.slots_used
                return count

            deadline = time.monotonic() + PATIENCE_SECONDS
            while await started() < len(crowd.ids):
                assert time.monotonic() < deadline, "not every agent has work"
            homes = await crowd.homes(fleet.addresses)
            dead = max(names, key=lambda name: list(homes.values()).count(f"coordinator-{names.index(name) + 1}"))
            await asyncio.sleep(chance.uniform(0, 1))
            other = next(name for name in names if name != dead)
            fleet.services[dead].kill()
            killed = time.monotonic()
            while True:
                homes = await crowd.homes(fleet.listening[other].address)
                if len(homes) == len(crowd.ids) and set(homes.values()) == {f"coordinator-{names.index(other) + 1}"}:
                    break
                assert time.monotonic() - killed < PATIENCE_SECONDS, f"{len(homes)} of {len(crowd.ids)} are back"
            took.append(time.monotonic() - killed)
            print(f"all agents were back {took[-1]:.2f} s after {dead} was killed")
            await fleet.restart(dead)
            tasks = [await handle.wait() for handle in handles]
            requeued += sum(task.token != 1 for task in tasks if task.id in ids)
    return took, requeued, list(await database_findings(fleet))


@pytest.mark.figures("coordinator_agents", "coordinator_requeued")
async def test_a_coordinator_that_is_killed_under_fifty_agents_costs_no_lease(
    start_fleet: StartFleet, database_url: str
) -> None:
    """L2."""
    fleet = await start_fleet(database_url=database_url, coordinators=2, agents=(), lease_ttl_seconds=60.0)
    crowd = Crowd(fleet, processes=1)
    await crowd.gather()

    _, requeued, findings = await kill_under(fleet, crowd, rounds=1, seed=1)

    assert findings == []
    assert requeued == 0


@pytest.mark.figures("coordinator_agents", "coordinator_requeued")
@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_coordinator_that_is_killed_under_two_hundred_agents_costs_no_lease(
    start_fleet: StartFleet, database_url: str
) -> None:
    """L2."""
    fleet = await start_fleet(database_url=database_url, coordinators=2, agents=(), lease_ttl_seconds=60.0)
    crowd = Crowd(fleet, processes=4)
    await crowd.gather()

    took, requeued, findings = await kill_under(fleet, crowd, rounds=5, seed=SEED)

    record("coordinator_agents", max(took), runs=len(took), seed=SEED)
    record("coordinator_requeued", requeued, runs=len(took), seed=SEED)
    assert findings == []
    assert requeued == 0
    assert max(took) <= FIGURES["coordinator_agents"].goal
