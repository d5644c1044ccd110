"""S1, S5, S9: processes die, stop, wait and fail just before and after each commit, each send, and the end of work."""

from __future__ import annotations

import asyncio

import pytest

from services.fleet.feed import FeedFollower
from services.fleet.launcher import Fleet
from tests.conftest import StartFleet, work_agent
from tests.faults.deaths import Storm
from tests.faults.figures import SEED, record
from tests.faults.storm import Ledger, make_requests, rest, submit

pytestmark = pytest.mark.figures("failpoint_findings")
AGENTS = tuple(work_agent(f"agent-{number}") for number in (1, 2, 3))
DEATH_SECONDS = 1.5
STORM_SECONDS = 900.0


async def judge_storm(fleet: Fleet, *, deaths: int, tasks: int, seed: int) -> None:
    """Runs, records, asserts."""
    storm, ledger, follower = Storm(fleet, seed), Ledger(), FeedFollower(fleet.gateway_url)
    requests = make_requests(tasks, seed)
    async with asyncio.timeout(STORM_SECONDS), asyncio.TaskGroup() as group:
        following = group.create_task(follower.run())
        submitting = group.create_task(submit(fleet.address, ledger, requests, over_seconds=deaths * DEATH_SECONDS))
        await storm.run(deaths)
        await submitting
        aftermath = await rest(fleet, follower, ledger)
        following.cancel()
    findings = aftermath.findings()
    record("failpoint_findings", len(findings), runs=storm.deaths, seed=seed)
    print(f"{ledger.unanswered} unanswered submits, {storm.agent_deaths} of the deaths were agents'")
    assert findings == []
    assert len(aftermath.tasks) == tasks


async def test_nothing_is_lost_or_done_twice_by_deaths_around_commits_and_sends(
    database_url: str, start_fleet: StartFleet
) -> None:
    fleet = await start_fleet(agents=AGENTS, database_url=database_url)

    await judge_storm(fleet, deaths=8, tasks=200, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("offset", range(2))
async def test_nothing_is_lost_or_done_twice_by_many_deaths_around_commits_and_sends(
    database_url: str, start_fleet: StartFleet, offset: int
) -> None:
    fleet = await start_fleet(agents=AGENTS, database_url=database_url)

    await judge_storm(fleet, deaths=50, tasks=1500, seed=SEED + offset)
