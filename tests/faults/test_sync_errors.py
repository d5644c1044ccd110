"""S1: writes and syncs of SQLite fail now and then (libfiu). Nothing acknowledged is lost, nothing is half written."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from services.fleet.feed import FeedFollower
from services.fleet.launcher import COORDINATOR, Fleet
from services.fleet.process import ManagedProcess
from tests.conftest import StartFleet, work_agent
from tests.faults.figures import SEED, record
from tests.faults.storm import Ledger, make_requests, rest, submit

pytestmark = pytest.mark.figures("sync_findings")
LIBRARIES = ("fiu_run_preload.so", "fiu_posix_preload.so")
AGENTS = (work_agent("agent-1"), work_agent("agent-2"))
IO_ERROR = 5
# So long it may take on a busy machine until there was an error.
PATIENCE_SECONDS = 60.0
POINTS = ("posix/io/sync/fdatasync", "posix/io/rw/pwrite")
CHANCE = 0.02


async def judge_errors(fleet: Fleet, *, seconds: float, tasks: int, seed: int) -> None:
    """Has the coordinator and its writer run with such errors, then without; records and asserts."""
    found = [path for name in LIBRARIES if (path := next(Path("/usr/lib").glob(f"**/fiu/{name}"), None))]
    if len(found) != len(LIBRARIES):
        assert not os.environ.get("CI"), "CI must have libfiu (Debian: fiu-utils)"
        pytest.skip("NO ERRORS OF DISKS: there is no libfiu (Debian: fiu-utils)")
    coordinator = fleet.services[COORDINATOR]
    spec = coordinator.spec
    errors = "\n".join(f"enable_random name={point},probability={CHANCE},failinfo={IO_ERROR}" for point in POINTS)
    faulty = {"LD_PRELOAD": " ".join(map(str, found)), "FIU_ENABLE": errors}
    coordinator.kill()
    coordinator.spec = replace(spec, environment={**spec.environment, **faulty})
    coordinator.start()
    ledger, follower = Ledger(), FeedFollower(fleet.gateway_url)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follower.run())
        requests = make_requests(tasks, seed)
        submitting = group.create_task(submit(fleet.address, ledger, requests, over_seconds=seconds))
        end = asyncio.get_running_loop().time() + seconds
        async with asyncio.timeout(seconds + PATIENCE_SECONDS):
            while asyncio.get_running_loop().time() < end or not errors_of(coordinator):
                await asyncio.sleep(0.05)
                if not coordinator.running:  # it ends when it cannot know what became of a flush
                    coordinator.start()
        coordinator.kill()
        coordinator.spec = spec
        await fleet.restart(COORDINATOR)
        await submitting
        aftermath = await rest(fleet, follower, ledger)
        following.cancel()
    errors_seen = errors_of(coordinator)
    findings = aftermath.findings()
    record("sync_findings", len(findings), runs=errors_seen, seed=seed)
    assert findings == []
    assert len(aftermath.tasks) == tasks


def errors_of(coordinator: ManagedProcess) -> int:
    """How many errors it has told of."""
    said = coordinator.log_file.read_text()
    return said.count("disk I/O error") + said.count("the writer has ended")


async def test_errors_of_writes_and_syncs_lose_nothing(start_fleet: StartFleet) -> None:
    await judge_errors(await start_fleet(agents=AGENTS), seconds=8, tasks=150, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_many_errors_of_writes_and_syncs_lose_nothing(start_fleet: StartFleet) -> None:
    await judge_errors(await start_fleet(agents=AGENTS), seconds=60, tasks=1500, seed=SEED)
