"""S1, S5, S9: kill -9 of every process at seeded points while work goes on. Each acknowledged task ends once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

import pytest

from services.domain.event import EventType
from services.fleet.audit import SeenEvent, redelivered
from services.fleet.feed import FeedFollower
from services.fleet.launcher import Fleet
from services.fleet.postgres import PostgresServer
from tests.conftest import StartFleet, work_agent
from tests.faults.databases import postgres_strikes
from tests.faults.figures import SEED, record
from tests.faults.proxy import Proxy
from tests.faults.storm import Aftermath, Ledger, make_requests, rest, run_storm, submit
from tests.faults.weather import every_process, weather

pytestmark = pytest.mark.figures("kill_lost", "kill_findings")
TWO_OF_EACH = {"coordinators": 2, "schedulers": 2, "gateways": 2}
DISCONNECTS_MIN = 10
AGENTS = tuple(work_agent(f"agent-{number}") for number in (1, 2, 3))


async def storm(fleet: Fleet, *, tasks: int, kills: int, seed: int, server: PostgresServer | None = None) -> Aftermath:
    """A storm over every process, and over those of the database's server if there is one. Records its figures."""
    strikes = postgres_strikes(server, seed) if server else {}
    plan = list(weather(seed, kills, [*every_process(fleet), *strikes]))
    aftermath = await run_storm(fleet, plan, tasks=tasks, seed=seed, strikes=strikes)
    record("kill_lost", aftermath.lost, runs=kills, seed=seed)
    record("kill_findings", len(aftermath.findings()) - aftermath.lost, runs=kills, seed=seed)
    print(f"{aftermath.ledger.unanswered} unanswered submits, {len(redelivered(aftermath.events))} redelivered")
    return aftermath


@pytest.mark.parametrize("seed", [pytest.param(1, marks=pytest.mark.short), 2])
async def test_nothing_is_lost_or_done_twice_while_processes_are_killed(start_fleet: StartFleet, seed: int) -> None:
    fleet = await start_fleet(agents=AGENTS)

    aftermath = await storm(fleet, tasks=300, kills=7, seed=seed)

    assert aftermath.findings() == []
    assert len(aftermath.tasks) == 300


@pytest.mark.parametrize("seed", [1])
async def test_nothing_is_lost_or_done_twice_while_the_database_server_is_killed_too(
    private_postgres: PostgresServer, start_fleet: StartFleet, seed: int
) -> None:
    fleet = await start_fleet(agents=AGENTS, database_url=private_postgres.url())

    aftermath = await storm(fleet, tasks=300, kills=10, seed=seed, server=private_postgres)

    assert aftermath.findings() == []
    assert len(aftermath.tasks) == 300


@pytest.mark.parametrize("seed", [1])
async def test_nothing_is_lost_or_done_twice_while_any_of_several_is_killed(
    private_postgres: PostgresServer, start_fleet: StartFleet, seed: int
) -> None:
    """Two coordinators, two schedulers, two gateways, and the server under them."""
    fleet = await start_fleet(agents=AGENTS, database_url=private_postgres.url(), **TWO_OF_EACH)

    aftermath = await storm(fleet, tasks=300, kills=10, seed=seed, server=private_postgres)

    assert aftermath.findings() == []
    assert len(aftermath.tasks) == 300


async def test_agents_whose_streams_are_cut_and_whose_acks_are_lost_do_everything_once(start_fleet: StartFleet) -> None:
    """S5: answers to reports are swallowed, then the streams are cut; the agents repeat themselves until heard."""
    # No lease may run out while the machine is busy: every repetition here is of a report.
    fleet = await start_fleet(agents=(), lease_ttl_seconds=30.0)
    chance = random.Random(5)
    async with Proxy(fleet.address) as proxy:
        for plan in AGENTS:
            fleet.start_agent(plan, address=proxy.address)
        await fleet.wait_agents_ready(plan.id for plan in AGENTS)
        follower, ledger = FeedFollower(fleet.gateway_url), Ledger()
        async with asyncio.TaskGroup() as group:
            following = group.create_task(follower.run())
            # Agents that come back slowly are cut less often: then there is more of the same.
            while disconnects(follower.events) <= DISCONNECTS_MIN:
                requests = make_requests(300, seed=5, first=len(ledger.acknowledged))
                submitting = group.create_task(submit(fleet.address, ledger, requests, over_seconds=6))
                while not submitting.done():
                    await proxy.cut_after_silence(chance, after_seconds=(0.1, 0.5))
            aftermath = await rest(fleet, follower, ledger)
            following.cancel()

    assert aftermath.findings() == []
    assert len(aftermath.tasks) == len(ledger.acknowledged)
    assert {task.redeliveries for task in aftermath.tasks} == {0}
    assert disconnects(aftermath.events) > DISCONNECTS_MIN


def disconnects(events: Iterable[SeenEvent]) -> int:
    """How often an agent's stream ended."""
    return sum(event.type is EventType.AGENT_DISCONNECTED for event in events)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("offset", range(3))
async def test_nothing_is_lost_or_done_twice_in_a_long_storm_on_postgresql(
    private_postgres: PostgresServer, start_fleet: StartFleet, offset: int
) -> None:
    fleet = await start_fleet(agents=AGENTS, database_url=private_postgres.url())

    aftermath = await storm(fleet, tasks=2000, kills=60, seed=SEED + offset, server=private_postgres)

    assert aftermath.findings() == []
    assert len(aftermath.tasks) == 2000


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("offset", range(3))
async def test_nothing_is_lost_or_done_twice_in_a_long_storm_over_two_of_each(
    private_postgres: PostgresServer, start_fleet: StartFleet, offset: int
) -> None:
    fleet = await start_fleet(agents=AGENTS, database_url=private_postgres.url(), **TWO_OF_EACH)

    aftermath = await storm(fleet, tasks=2000, kills=60, seed=SEED + offset, server=private_postgres)

    assert aftermath.findings() == []
    assert len(aftermath.tasks) == 2000


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("offset", range(3))
async def test_nothing_is_lost_or_done_twice_in_a_long_storm(start_fleet: StartFleet, offset: int) -> None:
    fleet = await start_fleet(agents=AGENTS)

    aftermath = await storm(fleet, tasks=2000, kills=60, seed=SEED + offset)

    assert aftermath.findings() == []
    assert len(aftermath.tasks) == 2000
