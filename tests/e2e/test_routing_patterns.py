"""The ready queue files of examples/queues, each with agents at work: what the pattern promises is what happens."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path

from missioncontrol import Client
from missioncontrol.client import Client as ClientType
from missioncontrol.command import CommandInput
from missioncontrol.handle import TaskHandle
from missioncontrol.v1 import task_pb2

from services.fleet.launcher import AgentPlan, Fleet
from tests.conftest import StartFleet
from tests.e2e.waiting import eventually

EXAMPLES = Path(__file__).parents[2] / "examples" / "queues"
LEASED, RUNNING = task_pb2.TASK_STATE_LEASED, task_pb2.TASK_STATE_RUNNING
QUICK = CommandInput(argv=("true",))
LONG = CommandInput(argv=("sleep", "300"))
# No lease runs out while the machine is busy: its task would go elsewhere.
LEASE_SECONDS = 30.0


async def apply(fleet: Fleet, name: str) -> None:
    """Configures the queue of an example as its reader would."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "missioncontrol.cli", "queues", "apply", "-f", str(EXAMPLES / f"{name}.yaml")),
        env={**os.environ, "MISSIONCONTROL_ADDRESS": fleet.address},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def submitted(client: ClientType, queue: str, count: int, payload: CommandInput = LONG) -> list[TaskHandle]:
    """That many tasks, ready at once: the queue is paused meanwhile."""
    await client.queues.pause(queue)
    handles = [await client.submit("command", payload, queue=queue) for _ in range(count)]
    await client.queues.resume(queue)
    return handles


async def holders(handles: list[TaskHandle]) -> Counter[str]:
    """How many of these tasks each agent holds, once all are given away."""

    async def ask() -> Counter[str] | None:
        tasks = [await handle.get() for handle in handles]
        given = all(task.state in (LEASED, RUNNING) for task in tasks)
        return Counter(task.agent_id for task in tasks) if given else None

    return await eventually(ask)


async def test_a_central_queue_leaves_nobody_idle(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(
        agents=(AgentPlan("a", slots=1), AgentPlan("b", slots=3)), lease_ttl_seconds=LEASE_SECONDS
    )
    await apply(fleet, "central")
    async with Client(fleet.address) as client:
        first = await submitted(client, "central", 4)
        assert await holders(first) == {"a": 1, "b": 3}
        later = [await client.submit("command", QUICK, queue="central") for _ in range(6)]
        assert {(await handle.get()).state for handle in later} == {task_pb2.TASK_STATE_PENDING}
        for handle in first:
            await handle.cancel()
        assert {(await handle.wait()).state for handle in later} == {task_pb2.TASK_STATE_SUCCEEDED}


async def test_round_robin_gives_by_weight_into_the_agents_own_queues(start_fleet: StartFleet) -> None:
    heavy = AgentPlan("heavy", slots=1, queue_limit=20, labels={"weight": "3"})
    fleet = await start_fleet(
        agents=(heavy, AgentPlan("light", slots=4, queue_limit=20)), lease_ttl_seconds=LEASE_SECONDS
    )
    await apply(fleet, "round-robin")
    async with Client(fleet.address) as client:
        given = await holders(await submitted(client, "round-robin", 12))
    assert abs(given["heavy"] - 9) <= 1


async def test_the_shortest_queue_in_relation_to_the_slots_is_next_and_a_new_agent_gets_what_waits(
    start_fleet: StartFleet,
) -> None:
    agents = (AgentPlan("small", slots=1, queue_limit=20), AgentPlan("large", slots=3, queue_limit=20))
    fleet = await start_fleet(agents=agents, lease_ttl_seconds=LEASE_SECONDS)
    await apply(fleet, "shortest-queue")
    async with Client(fleet.address) as client:
        handles = await submitted(client, "shortest-queue", 12)
        assert await holders(handles) == {"small": 3, "large": 9}

        fleet.start_agent(AgentPlan("new", slots=4, queue_limit=0))

        async def moved() -> bool:
            return (await holders(handles))["new"] == 4

        await eventually(moved)
        tasks = [await handle.get() for handle in handles]
    assert all(task.redeliveries == task.failures == 0 for task in tasks)


async def test_two_choices_use_every_agent(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(
        agents=tuple(AgentPlan(f"a{number}", slots=2, queue_limit=9) for number in range(3)),
        lease_ttl_seconds=LEASE_SECONDS,
    )
    await apply(fleet, "two-choices")
    async with Client(fleet.address) as client:
        given = await holders(await submitted(client, "two-choices", 18))
    assert len(given) == 3
    assert max(given.values()) <= 9


async def test_what_a_task_requires_decides_and_what_it_prefers_after_that(start_fleet: StartFleet) -> None:
    plain = AgentPlan("plain", slots=4)
    gpu = {"gpu": 1.0}
    eu = AgentPlan("eu", slots=4, labels={"zone": "eu"}, capabilities=("docker",), resources=gpu)
    us = AgentPlan("us", slots=4, labels={"zone": "us"}, capabilities=("docker",), resources=gpu)
    fleet = await start_fleet(agents=(plain, eu, us), lease_ttl_seconds=LEASE_SECONDS)
    await apply(fleet, "capability")
    async with Client(fleet.address) as client:

        async def given(**options: object) -> TaskHandle:
            return await client.submit("command", LONG, queue="capability", **options)  # type: ignore[arg-type]  # options

        required = await given(selectors=["zone in (eu)"], capabilities=["docker"], resources={"gpu": 1})
        assert await holders([required]) == {"eu": 1}
        preferred = await given(preferences=["zone=eu:10"])
        assert await holders([preferred]) == {"eu": 1}
        elsewhere = await given(resources={"gpu": 1}, preferences=["zone=eu:10"])
        assert await holders([elsewhere]) == {"us": 1}
        nowhere = await given(resources={"gpu": 1})
        assert (await nowhere.get()).state == task_pb2.TASK_STATE_PENDING


async def test_work_goes_where_it_is_warm(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(
        agents=tuple(AgentPlan(f"a{number}", slots=2) for number in range(3)), lease_ttl_seconds=LEASE_SECONDS
    )
    await apply(fleet, "affinity")
    async with Client(fleet.address) as client:
        first = await client.submit("command", QUICK, queue="affinity", affinity_key="repository-42")
        warm = (await first.wait()).agent_id
        for _ in range(4):
            again = await client.submit("command", QUICK, queue="affinity", affinity_key="repository-42")
            assert (await again.wait()).agent_id == warm
        assert "repository-42" in (await client.agents.get(warm)).agent.warm_keys


async def test_a_reserved_pool_is_there_for_urgent_work_under_a_flood(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(
        agents=(AgentPlan("shared", slots=3, labels={"pool": "shared"}),), lease_ttl_seconds=LEASE_SECONDS
    )
    await apply(fleet, "lanes")
    async with Client(fleet.address) as client:
        flood = await submitted(client, "lanes", 5)
        short = await client.submit("command", LONG, queue="lanes", run_time_limit=60)

        urgent = await client.submit("command", QUICK, queue="lanes", priority=50)

        assert (await urgent.wait()).state == task_pb2.TASK_STATE_SUCCEEDED
        assert (await holders([short])) == {"shared": 1}  # what is idle is lent to it, being short
        states = Counter([(await handle.get()).state for handle in flood])
    assert states[RUNNING] + states[LEASED] == 1


async def test_keys_share_by_what_they_hold(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=(AgentPlan("a", slots=8),), lease_ttl_seconds=LEASE_SECONDS)
    await apply(fleet, "fairness")
    async with Client(fleet.address) as client:
        await client.queues.pause("fairness")
        first = [await client.submit("command", LONG, queue="fairness", fairness_key="globex") for _ in range(8)]
        second = [await client.submit("command", LONG, queue="fairness", fairness_key="acme") for _ in range(8)]
        await client.queues.resume("fairness")

        async def running() -> bool:
            agent = (await client.agents.get("a")).agent
            return agent.slots_used == 8

        await eventually(running)
        held = {
            key: sum([(await handle.get()).state == RUNNING for handle in handles])
            for key, handles in (("globex", first), ("acme", second))
        }
    assert held == {"globex": 2, "acme": 6}  # acme weighs three times as much
