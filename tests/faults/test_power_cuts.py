"""S1: the power goes while tasks are submitted. What was acknowledged is there afterwards, and nothing is broken."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.fleet.audit import Finding
from services.fleet.launcher import COORDINATOR, Fleet
from services.fleet.process import wait_until
from tests.conftest import StartFleet, work_agent
from tests.e2e.waiting import process_gone
from tests.faults.deaths import read
from tests.faults.disks import DiskImpossible, PowerDisk, power_disk
from tests.faults.figures import SEED, record
from tests.faults.storm import run_storm
from tests.faults.weather import weather

pytestmark = pytest.mark.figures("power_lost", "power_findings")
POWER = "power"
AGENTS = tuple(work_agent(f"agent-{number}") for number in (1, 2, 3))
TASKS_PER_CUT = 150
# A cut with a check, a recovery and the start of the coordinator, about.
CUT_SECONDS = 3.0
STOP_SECONDS = 10.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[PowerDisk]:
    """Where the database is. It outlives the fleet that is started in the test."""
    try:
        with power_disk(tmp_path / "disk") as made:
            yield made
    except DiskImpossible as error:
        pytest.skip(f"NO POWER CUTS: {error}")


async def judge_cuts(fleet: Fleet, disk: PowerDisk, *, cuts: int, seed: int) -> None:
    """A storm of power cuts: runs, records, asserts."""
    broken: list[Finding] = []

    async def cut_power(down_seconds: float) -> None:
        coordinator = fleet.services[COORDINATOR]
        [writer] = children(coordinator.pid)
        await cut_between_calls(disk, writer)
        # The coordinator does not know yet. What it says now it must not have said without the disk.
        await asyncio.sleep(down_seconds)
        coordinator.kill()
        await process_gone(writer)
        disk.unmount()
        disk.mount()
        broken.extend(await check_database(fleet))
        await fleet.restart(COORDINATOR)

    plan = list(weather(seed, cuts, [POWER]))
    tasks = TASKS_PER_CUT * cuts
    aftermath = await run_storm(
        fleet, plan, tasks=tasks, seed=seed, strikes={POWER: cut_power}, kill_seconds=CUT_SECONDS
    )
    findings = [*broken, *aftermath.findings()]
    record("power_lost", aftermath.lost, runs=cuts, seed=seed)
    record("power_findings", len(findings) - aftermath.lost, runs=cuts, seed=seed)
    print(f"{aftermath.ledger.unanswered} unanswered submits")
    assert findings == []
    assert len(aftermath.tasks) == tasks


async def cut_between_calls(disk: PowerDisk, writer: int) -> None:
    """Cuts the power while the writer is in no system call, anywhere between two of them.

    With an fdatasync in flight the ioctl is no power cut: that one may return success and have synced nothing.
    """
    os.kill(writer, signal.SIGSTOP)
    try:
        await wait_until(lambda: stopped(writer), STOP_SECONDS, "the writer to stop")
        disk.cut()
    finally:
        os.kill(writer, signal.SIGCONT)


def stopped(pid: int) -> bool:
    """Whether every thread of the process is stopped: one that is in a sync stops when that is over."""
    stats = filter(None, map(read, Path(f"/proc/{pid}/task").glob("*/stat")))
    return {stat.rpartition(")")[2].split()[0] for stat in stats} == {"T"}


def children(pid: int) -> list[int]:
    """The processes that this one started and that are still there: the writer."""
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in read(file).split()]


async def check_database(fleet: Fleet) -> list[Finding]:
    """What `missionctl db check` says before anything else has touched the database."""
    url = fleet.services[COORDINATOR].spec.environment["MISSIONCONTROL_DATABASE_URL"]
    arguments = ("-m", "missioncontrol.cli", "db", "check", "--output", "json", "--database-url", url)
    checking = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    found, said = await checking.communicate()
    if checking.returncode not in (0, 1):
        return [Finding("database", url, said.decode())]
    return [Finding("database", each["check"], each["message"]) for each in json.loads(found)]


async def test_what_was_acknowledged_survives_the_loss_of_power(disk: PowerDisk, start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=AGENTS, database_url=f"sqlite:///{disk.folder}/missioncontrol.db")
    await judge_cuts(fleet, disk, cuts=2, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("offset", range(3))
async def test_what_was_acknowledged_survives_many_losses_of_power(
    disk: PowerDisk, start_fleet: StartFleet, offset: int
) -> None:
    fleet = await start_fleet(agents=AGENTS, database_url=f"sqlite:///{disk.folder}/missioncontrol.db")
    await judge_cuts(fleet, disk, cuts=10, seed=SEED + offset)
