"""How long it takes until work goes on after something died."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from functools import partial

import pytest

from services.fleet.feed import FeedFollower
from services.fleet.launcher import SCHEDULER, Fleet
from services.fleet.process import DeadlineError, wait_until
from tests.conftest import StartFleet, work_agent
from tests.faults.figures import FIGURES, SEED, record
from tests.faults.leases import Lease, Leases
from tests.faults.storm import Ledger, make_requests, rest, submit

TTL_SECONDS = 2.0
STEADY = (work_agent("steady-1", slots=12), work_agent("steady-2", slots=12))
VICTIMS = ("victim-1", "victim-2", "victim-3", "victim-4")
# What is waited for comes well within this time, or not at all. The short forms, which run beside other tests, ask for
# no more than that; how long it takes is measured by the long ones.
PATIENCE_SECONDS = 60.0
# If not all victims are at work by then, what there was is done, and there has to be more.
WAVE, WAVE_SECONDS = 32, 3.0


async def kill_agents(fleet: Fleet, rounds: int, seed: int) -> list[float]:
    """Kills agents at work; for each of them how long it took until the last of its leases was given to another.

    In so many rounds, and in more if no agent has lost anything in those.
    """
    chance, leases, ledger, took = random.Random(seed), Leases(), Ledger(), list[float]()
    follower = FeedFollower(fleet.gateway_url, on_event=leases.on_event)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follower.run())
        done = 0
        while done < rounds or not took:
            done += 1
            await submit_until_running(fleet, leases, ledger, seed)
            killing = [group.create_task(kill_agent(fleet, agent, leases, chance.uniform(0, 0.5))) for agent in VICTIMS]
            took += [seconds for each in killing if (seconds := await each)]
            for agent in VICTIMS:
                await fleet.restart(agent)
            await fleet.wait_agents_ready(VICTIMS)
        aftermath = await rest(fleet, follower, ledger)
        following.cancel()
    assert aftermath.findings() == []
    return took


async def submit_until_running(fleet: Fleet, leases: Leases, ledger: Ledger, seed: int) -> None:
    """Wave after wave, until all victims are at work."""

    def all_run() -> bool:
        return all(map(leases.running, VICTIMS))

    while not all_run():
        first = len(ledger.acknowledged)
        wave = make_requests(WAVE, seed=seed + first // WAVE, first=first, seconds=(1.0, 1.5))
        await submit(fleet.address, ledger, wave, over_seconds=0)
        with suppress(DeadlineError):
            await wait_until(all_run, WAVE_SECONDS, "work for every agent")


async def kill_agent(fleet: Fleet, agent: str, leases: Leases, after_seconds: float) -> float:
    """Kills one; how long it took. 0 if all that it had was done just then."""
    await asyncio.sleep(after_seconds)
    fleet.agents[agent].kill()
    killed, held = time.monotonic(), leases.held(agent)
    await wait_until(lambda: not leases.held(agent), PATIENCE_SECONDS, f"the leases of {agent} to end")
    lost: list[Lease] = list(filter(leases.requeued, held))
    await wait_until(lambda: all(map(leases.granted_again, lost)), PATIENCE_SECONDS, "their tasks to be leased again")
    return max((leases.granted_again(lease) - killed for lease in lost), default=0.0)


async def kill_scheduler(fleet: Fleet, kills: int, seed: int) -> list[float]:
    """Kills the scheduler; for each time how long it took from its start until all that had waited was placed."""
    chance, leases, ledger, took = random.Random(seed), Leases(), Ledger(), list[float]()
    follower = FeedFollower(fleet.gateway_url, on_event=leases.on_event)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follower.run())
        for number in range(kills):
            fleet.services[SCHEDULER].kill()
            # Long enough, now and then, for the coordinator to look for it seldom.
            await asyncio.sleep(chance.uniform(0.1, 4.0))
            requests = make_requests(8, seed=seed + number, first=8 * number)
            await submit(fleet.address, ledger, requests, over_seconds=0)
            waiting = [(entry.task_id, 1) for entry in ledger.acknowledged[-len(requests) :]]
            assert not leases.granted.keys() & set(waiting)
            started = time.monotonic()
            await fleet.restart(SCHEDULER)
            placed = partial(lambda waiting: leases.granted.keys() >= set(waiting), waiting)
            await wait_until(placed, PATIENCE_SECONDS, "placements")
            took.append(max(leases.granted[lease] for lease in waiting) - started)
        aftermath = await rest(fleet, follower, ledger)
        following.cancel()
    assert aftermath.findings() == []
    return took


@pytest.mark.figures("dead_agent")
async def test_a_dead_agents_tasks_are_leased_again_within_the_time_to_live_and_two_seconds(
    start_fleet: StartFleet,
) -> None:
    """L1."""
    victims = (work_agent(agent, slots=2) for agent in VICTIMS)
    fleet = await start_fleet(agents=(*STEADY, *victims), lease_ttl_seconds=TTL_SECONDS)

    took = await kill_agents(fleet, rounds=1, seed=1)

    assert max(took) > 0


@pytest.mark.figures("dead_agent")
@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_the_tasks_of_many_dead_agents_are_leased_again_in_time(start_fleet: StartFleet) -> None:
    victims = (work_agent(agent, slots=2) for agent in VICTIMS)
    fleet = await start_fleet(agents=(*STEADY, *victims), lease_ttl_seconds=TTL_SECONDS)

    took = await kill_agents(fleet, rounds=7, seed=SEED)

    record("dead_agent", max(took), runs=len(took), seed=SEED)
    assert len(took) >= 20
    assert max(took) <= FIGURES["dead_agent"].goal


@pytest.mark.figures("scheduler_back")
async def test_a_killed_scheduler_places_again_soon_after_its_start(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=STEADY, lease_ttl_seconds=30.0)

    took = await kill_scheduler(fleet, kills=1, seed=1)

    assert max(took) > 0


@pytest.mark.figures("scheduler_back")
@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_scheduler_that_is_killed_often_places_again_soon_after_each_start(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=STEADY, lease_ttl_seconds=30.0)

    took = await kill_scheduler(fleet, kills=25, seed=SEED)

    record("scheduler_back", max(took), runs=len(took), seed=SEED)
    assert max(took) <= FIGURES["scheduler_back"].goal
