"""S1, S2: a COMMIT whose answer is lost, or that never arrives. Looked up, and written once."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest

from services.fleet.feed import FeedFollower
from services.fleet.launcher import COORDINATOR, Fleet
from services.fleet.postgres import PostgresServer
from tests.conftest import StartFleet, work_agent
from tests.e2e.waiting import eventually
from tests.faults.figures import SEED, record
from tests.faults.lost_answers import CommitProxy, Loss
from tests.faults.storm import Ledger, make_requests, rest, submit

pytestmark = pytest.mark.figures("commit_findings")
AGENTS = tuple(work_agent(f"agent-{number}") for number in (1, 2, 3))
TASKS_PER_LOSS = 20
LOSS_SECONDS = 0.7
# While there is work, the next COMMIT comes well within it.
COMMIT_SECONDS = 10.0


async def lose_commits(proxy: CommitProxy, losses: int, chance: random.Random) -> None:
    """One loss after another, each at whatever COMMIT comes next."""

    async def taken() -> bool:
        return proxy.next_loss is None

    for number in range(losses):
        proxy.next_loss = Loss(reaches_server=number % 2 == 0)
        await asyncio.sleep(chance.uniform(0.3, LOSS_SECONDS))
        with suppress(AssertionError):  # at the end there may be no other
            await eventually(taken, within=COMMIT_SECONDS)


async def judge_losses(start_fleet: StartFleet, server: PostgresServer, *, losses: int, seed: int) -> None:
    """Runs, records, asserts."""
    async with CommitProxy(server) as proxy:
        url = f"postgresql+psycopg://postgres@127.0.0.1:{proxy.port}/postgres?sslmode=disable&gssencmode=disable"
        fleet: Fleet = await start_fleet(agents=AGENTS, database_url=url)
        ledger, follower = Ledger(), FeedFollower(fleet.gateway_url)
        requests = make_requests(TASKS_PER_LOSS * losses, seed)
        async with asyncio.TaskGroup() as group:
            following = group.create_task(follower.run())
            losing = group.create_task(lose_commits(proxy, losses, random.Random(seed)))
            await submit(fleet.address, ledger, requests, over_seconds=losses * LOSS_SECONDS)
            await losing
            proxy.next_loss = None
            aftermath = await rest(fleet, follower, ledger)
            following.cancel()
        await fleet.stop()
    findings = aftermath.findings()
    record("commit_findings", len(findings), runs=proxy.losses, seed=seed)
    assert findings == []
    assert len(aftermath.tasks) == len(requests)
    assert proxy.losses >= losses * 0.8
    assert fleet.services[COORDINATOR].starts == 1


async def test_a_commit_whose_answer_is_lost_happened_once(
    private_postgres: PostgresServer, start_fleet: StartFleet
) -> None:
    await judge_losses(start_fleet, private_postgres, losses=6, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("offset", range(2))
async def test_many_commits_whose_answers_are_lost_happened_once(
    private_postgres: PostgresServer, start_fleet: StartFleet, offset: int
) -> None:
    await judge_losses(start_fleet, private_postgres, losses=60, seed=SEED + offset)
