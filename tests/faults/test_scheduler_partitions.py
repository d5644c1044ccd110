"""A scheduler whose packets are lost, in one direction or both: nothing is lost by that, and it is found again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from missioncontrol.v1 import task_pb2

from services.fleet.feed import FeedFollower
from services.fleet.launcher import COORDINATOR, SCHEDULER, Fleet
from services.fleet.process import ManagedProcess, wait_until
from tests.conftest import StartFleet, work_agent
from tests.faults.figures import SEED, record
from tests.faults.leases import Leases
from tests.faults.network import Cut, Namespace
from tests.faults.storm import Ledger, make_requests, rest, submit

pytestmark = pytest.mark.figures("partition_findings")
AGENTS = (work_agent("agent-1"), work_agent("agent-2"))
CUT_SECONDS = (3.0, 6.0)
BACK_SECONDS = 60.0
WAVE = 60


async def move_scheduler(fleet: Fleet, namespace: Namespace) -> None:
    """Starts the scheduler again in the namespace, and the coordinator with its new address."""
    scheduler, coordinator = fleet.services[SCHEDULER], fleet.services[COORDINATOR]
    address = f"{namespace.address}:{fleet.listening[SCHEDULER].address.rpartition(':')[2]}"
    await coordinator.stop()
    await scheduler.stop()
    scheduler.spec = replace(scheduler.spec, arguments=namespace.arguments(*scheduler.spec.arguments))
    set_variable(scheduler, "MISSIONCONTROL_SCHEDULER_LISTEN", address)
    set_variable(coordinator, "MISSIONCONTROL_SCHEDULER", address)
    await fleet.restart(SCHEDULER)
    await fleet.restart(COORDINATOR)
    await fleet.wait_agents_ready(agent.id for agent in fleet.plan.agents)


def set_variable(process: ManagedProcess, name: str, value: str) -> None:
    """A setting of the next start."""
    process.spec = replace(process.spec, environment={**process.spec.environment, name: value})


async def judge_partitions(fleet: Fleet, namespace: Namespace, cuts: Sequence[Cut], *, seed: int) -> None:
    """Cuts and heals while tasks are submitted, records and asserts."""
    await move_scheduler(fleet, namespace)
    chance, ledger, leases, back = random.Random(seed), Ledger(), Leases(), 0.0
    follower = FeedFollower(fleet.gateway_url, on_event=leases.on_event)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follower.run())
        for cut in cuts:
            await submit_wave(fleet, ledger, over_seconds=1.0)
            namespace.cut(cut)
            try:
                await submit_wave(fleet, ledger, over_seconds=chance.uniform(*CUT_SECONDS))
            finally:
                namespace.heal()
            healed = time.monotonic()
            await submit_wave(fleet, ledger, over_seconds=0)
            await wait_until(lambda: all_leased(leases, ledger), BACK_SECONDS, "placements")
            back = max(back, time.monotonic() - healed)
        aftermath = await rest(fleet, follower, ledger)
        following.cancel()
    findings = aftermath.findings()
    record("partition_findings", len(findings), runs=len(cuts), seed=seed)
    print(f"{len(aftermath.tasks)} tasks; all were leased at most {back:.2f} s after healing")
    assert findings == []
    assert {task.state for task in aftermath.tasks} == {task_pb2.TASK_STATE_SUCCEEDED}


def all_leased(leases: Leases, ledger: Ledger) -> bool:
    """Whether every task that was acknowledged was given to an agent."""
    return {entry.task_id for entry in ledger.acknowledged} <= {task_id for task_id, _ in leases.granted}


async def submit_wave(fleet: Fleet, ledger: Ledger, *, over_seconds: float) -> None:
    """Some more short tasks."""
    first = len(ledger.acknowledged)
    await submit(fleet.address, ledger, make_requests(WAVE, seed=first, first=first), over_seconds=over_seconds)


async def test_a_scheduler_that_is_cut_off_is_found_again(namespace: Namespace, start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=AGENTS)

    await judge_partitions(fleet, namespace, [Cut.OUTPUT, Cut.INPUT], seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_scheduler_that_is_cut_off_again_and_again_is_found_again(
    namespace: Namespace, start_fleet: StartFleet
) -> None:
    fleet = await start_fleet(agents=AGENTS)
    cuts = list(Cut) * 4
    random.Random(SEED).shuffle(cuts)

    await judge_partitions(fleet, namespace, cuts, seed=SEED)
