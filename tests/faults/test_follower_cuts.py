"""S11: followers whose connections are cut in the middle of a frame, over and over, see the log and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import pairwise

import pytest

from services.fleet.audit import SeenEvent
from services.fleet.feed import FeedFollower
from services.fleet.launcher import Fleet
from tests.conftest import StartFleet, work_agent
from tests.faults.figures import SEED, record
from tests.faults.proxy import Proxy
from tests.faults.storm import Ledger, make_requests, rest, submit

pytestmark = pytest.mark.figures("follower_cuts")
AGENTS = (work_agent("agent-1"), work_agent("agent-2"))
# What a connection lets through before it is cut: less than one event, or a few of them. The response's head is 250.
BYTES_MIN, BYTES_MAX = 300, 4000
RECONNECT_SECONDS = 0.01
WAVE = 20
# More events than so many cuts need, by far: a run that is not cut any more ends.
WAVES_PER_CUT_MAX = 3


async def follow_and_cut(fleet: Fleet, *, followers: int, cuts: int, seed: int) -> int:
    """Cuts each follower so often while work goes on; records and judges. How many cuts there were."""
    direct, ledger = FeedFollower(fleet.gateway_url), Ledger()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        following = [group.create_task(direct.run())]
        proxies, cut = [], []
        for number in range(followers):
            chance = random.Random(seed * 1000 + number)
            proxy = Proxy(fleet.gateway_url.removeprefix("http://"))
            proxy.allowance = partial(chance.randint, BYTES_MIN, BYTES_MAX)
            proxies.append(await stack.enter_async_context(proxy))
            cut.append(FeedFollower(f"http://{proxy.address}", reconnect_seconds=RECONNECT_SECONDS))
            following.append(group.create_task(cut[-1].run()))
        await work_until_cut(fleet, proxies, ledger, cuts=cuts, seed=seed)
        for proxy in proxies:
            proxy.allowance = None
            proxy.cut()
        aftermath = await rest(fleet, direct, ledger)
        head = direct.sequence  # a slow machine's agents may lose their streams, and say more, at any time
        async with asyncio.timeout(60):
            for follower in cut:
                await follower.wait_sequence(head)
        for task in following:
            task.cancel()
    assert aftermath.findings() == []
    made = sum(proxy.cuts for proxy in proxies)
    expected, *seen = ([e for e in each.events if e.sequence <= head] for each in (direct, *cut))
    wrong = sum(differences(expected, each) for each in seen)
    record("follower_cuts", wrong, runs=made, seed=seed)
    print(f"{followers} followers, {len(direct.events)} events")
    assert wrong == 0
    assert all(each == expected for each in seen)
    return made


async def work_until_cut(fleet: Fleet, proxies: Sequence[Proxy], ledger: Ledger, *, cuts: int, seed: int) -> None:
    """Small waves of work, until each follower was cut so often."""
    for wave in range(cuts * WAVES_PER_CUT_MAX):
        if all(proxy.cuts >= cuts for proxy in proxies):
            return
        requests = make_requests(WAVE, seed=seed + wave, first=WAVE * wave, seconds=(0, 0.02))
        await submit(fleet.address, ledger, requests, over_seconds=0.2)
    raise AssertionError(f"only {[proxy.cuts for proxy in proxies]} cuts")


def differences(expected: Sequence[SeenEvent], seen: Sequence[SeenEvent]) -> int:
    """Events missing, doubled, and out of order."""
    sequences = [event.sequence for event in seen]
    missing = {event.sequence for event in expected} - set(sequences)
    doubled = len(sequences) - len(set(sequences))
    reordered = sum(after < before for before, after in pairwise(sequences))
    return len(missing) + doubled + reordered


async def test_followers_that_are_cut_in_mid_frame_see_every_event_once(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=AGENTS)

    assert await follow_and_cut(fleet, followers=5, cuts=20, seed=1) >= 5 * 20


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_many_followers_that_are_cut_very_often_see_every_event_once(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=AGENTS)

    assert await follow_and_cut(fleet, followers=50, cuts=200, seed=SEED) >= 50 * 200
