"""S4, L1, L3: agents whose packets are lost, in one direction or both, beyond their leases, and come back."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from missioncontrol.v1 import task_pb2

from services.domain.event import EventType
from services.fleet.audit import Finding
from services.fleet.feed import FeedFollower
from services.fleet.launcher import AgentPlan, Fleet
from services.fleet.process import wait_until
from tests.conftest import StartFleet, work_agent
from tests.faults.figures import SEED, record
from tests.faults.leases import Lease, Leases
from tests.faults.network import Cut, Namespace
from tests.faults.storm import Aftermath, Ledger, make_requests, rest, submit

pytestmark = pytest.mark.figures("partition_findings")
HERE = Path(__file__).parent
TELLING, STUBBORN = "telling", "stubborn"
CUT_OFF = (TELLING, STUBBORN)
TTL_SECONDS = 2.0
# With room for everything: what is lost need not wait for a slot.
STEADY = (work_agent("steady-1", slots=50), work_agent("steady-2", slots=50))
# L1, from the last heartbeat that came through: an agent whose own packets arrive says some more before it notices.
LEASED_AGAIN_SECONDS = TTL_SECONDS + 2.0
NOTICE_SECONDS = TTL_SECONDS / 2
CONNECT_SECONDS = 60.0
WORK_SECONDS = (1.0, 2.0)
# Longer than any partition, and than what a busy machine is granted: work that is cut off never ends by itself before
# it is lost, and who goes on with it does so for much longer than BUSY_SECONDS.
LONG_SECONDS = (12.0, 14.0)
# The short form runs beside other tests: a process that does not run neither stops its work nor gives it to another.
BUSY_SECONDS = 4.0
ROUND_SECONDS = 60.0
WAVE = 30
LATE, DEAF, STALE = "leased again late", "worked on", "stale outcome accepted"


@dataclass
class Partitions:
    """What the test knows of its partitions: the leases lost in them, when those were given to others, and times."""

    lost: dict[Lease, float] = field(default_factory=dict)
    again_seconds: list[float] = field(default_factory=list)
    back_seconds: list[float] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


async def start(start_fleet: StartFleet, namespace: Namespace) -> Fleet:
    """A fleet on the host's end of the cable, with two steady agents there and two in the namespace."""
    programs = {TELLING: "telling_agent.py", STUBBORN: "stubborn_agent.py"}
    cut_off = [
        AgentPlan(agent, slots=2, arguments=namespace.arguments(str(HERE / programs[agent]))) for agent in CUT_OFF
    ]
    listen = f"{namespace.host_address}:0"
    return await start_fleet(
        agents=(*STEADY, *cut_off),
        lease_ttl_seconds=TTL_SECONDS,
        coordinator_listen=listen,
        scheduler_listen=listen,
        gateway_listen=listen,
    )


async def cut_and_heal(
    fleet: Fleet,
    namespace: Namespace,
    cut: Cut,
    leases: Leases,
    ledger: Ledger,
    chance: random.Random,
    seen: Partitions,
    busy_seconds: float,
) -> None:
    """One partition: both agents lose what they have at work to others, come back, and get work again."""
    await submit_until_running(fleet, leases, ledger, LONG_SECONDS)
    await asyncio.sleep(chance.uniform(0, TTL_SECONDS / 2))
    started = time.monotonic()
    namespace.cut(cut)
    try:
        # What was said just before may still be on its way: only what is lost counts.
        held = {lease for agent in CUT_OFF for lease in leases.running(agent)}
        await wait_until(lambda: not any(map(leases.running, CUT_OFF)), ROUND_SECONDS, "the leases cut off to end")
        lost = {lease for lease in held if leases.requeued(lease)}
        await wait_until(lambda: all(map(leases.granted_again, lost)), ROUND_SECONDS, "their tasks to be leased again")
        await asyncio.sleep(chance.uniform(0, TTL_SECONDS))
    finally:
        namespace.heal()
    healed = time.monotonic()
    allowed = LEASED_AGAIN_SECONDS + busy_seconds + (NOTICE_SECONDS if cut is Cut.INPUT else 0)
    for lease in lost:
        seen.lost[lease] = leases.granted_again(lease)
        seconds = seen.lost[lease] - started
        seen.again_seconds.append(seconds)
        if seconds > allowed:
            seen.findings.append(Finding(LATE, lease[0], f"{seconds:.2f} s after {cut.name} was cut"))
    async with asyncio.timeout(CONNECT_SECONDS):
        await submit_until_running(fleet, leases, ledger, WORK_SECONDS)
    seen.back_seconds.append(time.monotonic() - healed)


async def submit_until_running(fleet: Fleet, leases: Leases, ledger: Ledger, seconds: tuple[float, float]) -> None:
    """Submits again and again, until both agents of the namespace are at work on something new."""
    before = {lease for agent in CUT_OFF for lease in leases.running(agent)}
    while not all(leases.running(agent) - before for agent in CUT_OFF):
        first = len(ledger.acknowledged)
        await submit(
            fleet.address, ledger, make_requests(WAVE, seed=first, first=first, seconds=seconds), over_seconds=0.5
        )
        await asyncio.sleep(0.5)


async def run_partitions(
    fleet: Fleet, namespace: Namespace, cuts: Sequence[Cut], *, seed: int, busy_seconds: float
) -> tuple[Partitions, Aftermath]:
    """One partition after another; then everything comes to rest, also what the stubborn agent has to say."""
    chance, leases, ledger, seen = random.Random(seed), Leases(), Ledger(), Partitions()
    follower = FeedFollower(fleet.gateway_url, on_event=leases.on_event)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follower.run())
        for cut in cuts:
            await cut_and_heal(fleet, namespace, cut, leases, ledger, chance, seen, busy_seconds)
        stubborn = {lease for lease in seen.lost if leases.holder(lease) == STUBBORN}
        await wait_until(
            lambda: stubborn <= said(fleet, "refused").keys() | said(fleet, "accepted").keys(),
            ROUND_SECONDS,
            "the last words",
        )
        aftermath = await rest(fleet, follower, ledger)
        following.cancel()
    assert stubborn
    assert stubborn < seen.lost.keys()
    return seen, aftermath


def said(fleet: Fleet, word: str) -> dict[Lease, float]:
    """The leases that the agents of the namespace printed this of, with the time if they said one."""
    lines = [line.split() for agent in CUT_OFF for line in fleet.agents[agent].log_file.read_text().splitlines()]
    return {(line[1], int(line[2])): float(line[3]) if line[3:] else 0.0 for line in lines if line[:1] == [word]}


def stale_findings(fleet: Fleet, seen: Partitions, aftermath: Aftermath, busy_seconds: float) -> list[Finding]:
    """S4 and L3: what of a lease that was lost counted, and what work on it went on when others had it."""
    requeued = {(event.task_id, event.token) for event in aftermath.events if event.type is EventType.TASK_REQUEUED}
    ended = said(fleet, "ended")
    stale = [Finding(STALE, task, f"token {token}") for task, token in said(fleet, "accepted").keys() & requeued]
    deaf = [
        Finding(DEAF, lease[0], f"until {ended[lease] - again:.2f} s after it was leased again")
        for lease, again in seen.lost.items()
        if lease in ended and ended[lease] > again + busy_seconds
    ]
    return [*stale, *deaf]


async def judge_partitions(
    fleet: Fleet, namespace: Namespace, cuts: Sequence[Cut], *, seed: int, busy_seconds: float = 0.0
) -> None:
    """Runs, records, asserts. `busy_seconds` are granted to the machine."""
    seen, aftermath = await run_partitions(fleet, namespace, cuts, seed=seed, busy_seconds=busy_seconds)
    findings = [*seen.findings, *stale_findings(fleet, seen, aftermath, busy_seconds), *aftermath.findings()]
    record("partition_findings", len(findings), runs=len(cuts), seed=seed)
    ended = said(fleet, "ended")
    spare_seconds = [again - ended[lease] for lease, again in seen.lost.items() if lease in ended]
    print(
        f"{len(seen.lost)} leases lost, leased again after at most {max(seen.again_seconds):.2f} s, the work of "
        f"{len(spare_seconds)} stopped at least {min(spare_seconds, default=0):.2f} s before; "
        f"at work again after at most {max(seen.back_seconds):.2f} s"
    )
    assert findings == []
    assert {task.state for task in aftermath.tasks} == {task_pb2.TASK_STATE_SUCCEEDED}
    assert spare_seconds
    assert all(fleet.agents[agent].starts == 1 for agent in CUT_OFF)


@pytest.mark.parametrize("cut", [Cut.OUTPUT, Cut.INPUT])
async def test_an_agent_that_is_cut_off_loses_its_lease_and_comes_back(
    namespace: Namespace, start_fleet: StartFleet, cut: Cut
) -> None:
    fleet = await start(start_fleet, namespace)

    await judge_partitions(fleet, namespace, [cut], seed=1, busy_seconds=BUSY_SECONDS)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_agents_that_are_cut_off_again_and_again_lose_nothing(
    namespace: Namespace, start_fleet: StartFleet
) -> None:
    fleet = await start(start_fleet, namespace)
    cuts = list(Cut) * 6
    random.Random(SEED).shuffle(cuts)

    await judge_partitions(fleet, namespace, cuts, seed=SEED)
