"""S4: agents that sleep beyond their leases and wake up when others have their tasks. Nothing that they say counts."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.domain.event import EventType
from services.fleet.audit import ACCEPTED_TWICE, ILLEGAL_EDGE
from services.fleet.feed import FeedFollower
from services.fleet.launcher import AgentPlan, Fleet
from services.fleet.process import DeadlineError, wait_until
from tests.conftest import StartFleet, work_agent
from tests.faults.figures import SEED, record
from tests.faults.leases import Lease, Leases
from tests.faults.storm import WRONG_ATTEMPTS, Aftermath, Ledger, make_requests, rest, submit

pytestmark = pytest.mark.figures("zombie_outcomes")
STUBBORN_AGENT = Path(__file__).with_name("stubborn_agent.py")
STUBBORN = "stubborn"
TTL_SECONDS = 2.0
STEADY = (work_agent("steady-1", slots=10), work_agent("steady-2", slots=10))
# What the stopped ones had is over, and given to others, well within this time.
ROUND_SECONDS = 60.0
# If not all of them are at work by then, what there was is done, and there has to be more.
WAVE, WAVE_SECONDS = 50, 3.0


@dataclass
class Sleepers:
    """How many woke up as zombies, and which leases they had lost by then; `stubborn` are those of stubborn agents."""

    zombies: int = 0
    lost: set[Lease] = field(default_factory=set)
    stubborn: set[Lease] = field(default_factory=set)


def sleepers(count: int) -> tuple[AgentPlan, ...]:
    """The agents that will be stopped: one half of the SDK's, which give up by themselves, one half stubborn ones."""
    sdk = [work_agent(f"sdk-{number}", slots=2) for number in range(count // 2)]
    stubborn = [
        AgentPlan(f"{STUBBORN}-{number}", slots=2, arguments=(str(STUBBORN_AGENT),))
        for number in range(count - len(sdk))
    ]
    return (*sdk, *stubborn)


async def sleep_and_wake(
    fleet: Fleet, plans: Sequence[AgentPlan], leases: Leases, chance: random.Random, woken: Sleepers
) -> None:
    """One round: all of them are stopped at work, lose it to others, and wake up."""
    ids = [plan.id for plan in plans]
    chance.shuffle(ids)
    for agent in ids:
        await asyncio.sleep(chance.uniform(0, 0.05))
        fleet.agents[agent].signal(signal.SIGSTOP)
    # What one of them had said just before it was stopped may still be on its way: only what is lost counts.
    held = {agent: leases.running(agent) for agent in ids}
    await wait_until(lambda: not any(map(leases.running, ids)), ROUND_SECONDS, "the stopped agents' leases to end")
    lost = {agent: {lease for lease in held[agent] if leases.requeued(lease)} for agent in ids}
    again = [lease for of_agent in lost.values() for lease in of_agent]
    await wait_until(lambda: all(map(leases.granted_again, again)), ROUND_SECONDS, "their tasks to be leased again")
    for agent in ids:
        fleet.agents[agent].signal(signal.SIGCONT)
        await asyncio.sleep(chance.uniform(0, 0.05))
    woken.zombies += sum(map(bool, lost.values()))
    woken.lost.update(again)
    woken.stubborn.update(lease for lease in again if leases.holder(lease).startswith(STUBBORN))
    await fleet.wait_agents_ready(ids)


async def submit_until_running(fleet: Fleet, agents: Sequence[str], leases: Leases, ledger: Ledger, seed: int) -> None:
    """Wave after wave, until all of these agents are at work."""

    def all_run() -> bool:
        return all(map(leases.running, agents))

    while not all_run():
        first = len(ledger.acknowledged)
        wave = make_requests(WAVE, seed=first + seed, first=first, seconds=(1.0, 2.0))
        await submit(fleet.address, ledger, wave, over_seconds=0)
        with suppress(DeadlineError):
            await wait_until(all_run, WAVE_SECONDS, "work for every agent")


async def run_zombies(
    fleet: Fleet, plans: Sequence[AgentPlan], *, zombies: int, seed: int
) -> tuple[Sleepers, Aftermath]:
    """Rounds, until so many have woken up; then everything comes to rest, also what the zombies have to say."""
    chance, leases, woken, ledger = random.Random(seed), Leases(), Sleepers(), Ledger()
    follower = FeedFollower(fleet.gateway_url, on_event=leases.on_event)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follower.run())
        while woken.zombies < zombies:
            await submit_until_running(fleet, [plan.id for plan in plans], leases, ledger, seed)
            await sleep_and_wake(fleet, plans, leases, chance, woken)
        await wait_until(
            lambda: woken.stubborn <= said(fleet, "refused") | said(fleet, "accepted"), ROUND_SECONDS, "the last words"
        )
        aftermath = await rest(fleet, follower, ledger)
        following.cancel()
    return woken, aftermath


def said(fleet: Fleet, verdict: str) -> set[Lease]:
    """The leases whose outcome a stubborn agent got this verdict for."""
    lines = [line.split() for agent in fleet.agents.values() for line in agent.log_file.read_text().splitlines()]
    return {(line[1], int(line[2])) for line in lines if line and line[0] == verdict}


async def judge_zombies(fleet: Fleet, plans: Sequence[AgentPlan], *, zombies: int, seed: int) -> None:
    """Runs, records, asserts."""
    woken, aftermath = await run_zombies(fleet, plans, zombies=zombies, seed=seed)
    requeued = {(event.task_id, event.token) for event in aftermath.events if event.type is EventType.TASK_REQUEUED}
    stale_accepted = said(fleet, "accepted") & requeued
    findings = aftermath.findings()
    wrong = [each for each in findings if each.kind in (ACCEPTED_TWICE, ILLEGAL_EDGE, WRONG_ATTEMPTS)]
    record("zombie_outcomes", len(stale_accepted) + len(wrong), runs=woken.zombies, seed=seed)
    refused = said(fleet, "refused")
    print(f"{len(woken.lost)} leases lost, {len(refused)} stale outcomes of stubborn agents refused")
    assert stale_accepted == set()
    assert findings == []
    assert woken.stubborn
    assert woken.stubborn <= refused


async def test_agents_that_slept_beyond_their_leases_are_refused(start_fleet: StartFleet) -> None:
    plans = sleepers(4)
    fleet = await start_fleet(agents=(*STEADY, *plans), lease_ttl_seconds=TTL_SECONDS)

    await judge_zombies(fleet, plans, zombies=4, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_many_agents_that_slept_beyond_their_leases_are_refused(start_fleet: StartFleet) -> None:
    plans = sleepers(8)
    fleet = await start_fleet(agents=(*STEADY, *plans), lease_ttl_seconds=TTL_SECONDS)

    await judge_zombies(fleet, plans, zombies=200, seed=SEED)
