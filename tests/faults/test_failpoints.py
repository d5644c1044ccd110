"""S1, S5, S9: processes die, stop, wait and fail just before and after each commit and each send."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from services.failpoints import POINTS, VARIABLE
from services.fleet.feed import FeedFollower
from services.fleet.launcher import COORDINATOR, GATEWAY, SCHEDULER, Fleet
from tests.conftest import StartFleet, work_agent
from tests.e2e.waiting import process_state
from tests.faults.figures import SEED, record
from tests.faults.storm import Ledger, make_requests, rest, submit

pytestmark = pytest.mark.figures("failpoint_findings")
AGENTS = tuple(work_agent(f"agent-{number}") for number in (1, 2, 3))
SERVICES = (COORDINATOR, SCHEDULER, GATEWAY)
# So many passes of a point, about, until something happens there.
CHANCES = {"kill": 0.02, "stop": 0.005, "error": 0.005, "delay": 0.01}
LOOK_SECONDS = 0.05
DEATH_SECONDS = 1.5
STORM_SECONDS = 900.0


def switched(seed: int) -> str:
    """Every point with an action; the next seed has other ones."""
    parts = []
    for number, (point, may_fail) in enumerate(POINTS.items()):
        actions = [action for action in CHANCES if may_fail or action != "error"]
        action = "kill" if (seed + number) % 2 else actions[(seed + number) // 2 % len(actions)]
        parts.append(f"{point}={action}:{seed}:{CHANCES[action]}")
    return ";".join(parts)


class Storm:
    """Starts again what died at a failpoint, with another seed, and wakes what was stopped."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self._fleet = fleet
        self._seed = seed
        self.deaths = 0

    async def restart(self, name: str, failpoints: str) -> None:
        """The process with these failpoints."""
        process = self._fleet.services[name]
        process.kill()
        process.spec = replace(process.spec, environment={**process.spec.environment, VARIABLE: failpoints})
        await self._start(name)

    async def _start(self, name: str) -> None:
        process = self._fleet.services[name]
        process.start()
        assert process.spec.address_file is not None
        # It may die before it listens: then it is started once more by the next look.
        while process.running and not process.spec.address_file.exists():
            wake(process.pid)
            await asyncio.sleep(LOOK_SECONDS)

    async def run(self, deaths: int) -> None:
        """Until so many have died; afterwards there are no failpoints."""
        for name in SERVICES:
            await self.restart(name, switched(self._seed))
        while self.deaths < deaths:
            await asyncio.sleep(LOOK_SECONDS)
            for name in SERVICES:
                process = self._fleet.services[name]
                if not process.running:
                    self.deaths += 1
                    await self.restart(name, switched(self._seed + 7919 * self.deaths))
                else:
                    wake(process.pid)
        for name in SERVICES:
            await self.restart(name, "")


def wake(pid: int) -> None:
    """Sends SIGCONT to this process and its children if they are stopped."""
    children = [int(pid) for file in Path(f"/proc/{pid}/task").glob("*/children") for pid in read(file).split()]
    for each in (pid, *children):
        if process_state(each) == "T":
            os.kill(each, signal.SIGCONT)


def read(file: Path) -> str:
    """What is in a file of a process that may be gone."""
    try:
        return file.read_text()
    except OSError:
        return ""


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
    print(f"{ledger.unanswered} unanswered submits")
    assert findings == []
    assert len(aftermath.tasks) == tasks


async def test_nothing_is_lost_or_done_twice_by_deaths_around_commits_and_sends(
    database_url: str, start_fleet: StartFleet
) -> None:
    fleet = await start_fleet(agents=AGENTS, database_url=database_url)

    await judge_storm(fleet, deaths=6, tasks=200, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("offset", range(2))
async def test_nothing_is_lost_or_done_twice_by_many_deaths_around_commits_and_sends(
    database_url: str, start_fleet: StartFleet, offset: int
) -> None:
    fleet = await start_fleet(agents=AGENTS, database_url=database_url)

    await judge_storm(fleet, deaths=50, tasks=1500, seed=SEED + offset)
