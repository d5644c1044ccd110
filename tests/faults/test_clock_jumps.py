"""The coordinator's wall clock jumps by an hour, back and forth: no live lease is revoked, they have another clock."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from missioncontrol.v1 import task_service_pb2_grpc

from services.fleet.audit import Acknowledged, redelivered
from services.fleet.feed import FeedFollower
from services.fleet.launcher import COORDINATOR, Fleet
from tests.conftest import StartFleet, work_agent
from tests.faults.figures import SEED, record
from tests.faults.storm import CALL_SECONDS, Ledger, make_requests, rest

pytestmark = pytest.mark.figures("clock_revoked")
LIBRARIES = "lib/*/faketime/libfaketimeMT.so.1"
AGENTS = (work_agent("agent-1", slots=20), work_agent("agent-2", slots=20))
# Short against a jump, and long enough that a busy machine breaks no stream.
TTL_SECONDS = 30.0
OFFSETS_SECONDS = (3600, -3600, 0)
# The library looks at its file this often, whole seconds.
LOOK_SECONDS = 1
JUMP_SECONDS_MAX = 60.0
SUBMIT_PAUSE_SECONDS = 0.05


class Clock:
    """The wall clock of a coordinator, in the test's hands."""

    def __init__(self, library: Path, file: Path) -> None:
        self._library = library
        self._file = file
        self.set(0)

    def set(self, offset_seconds: int) -> None:
        """How far from the true time it is from now on, or a moment later. Replaced whole: never read half-written."""
        written = self._file.with_suffix(".new")
        written.write_text(f"{offset_seconds:+d}\n")
        written.rename(self._file)

    async def take_over(self, fleet: Fleet) -> None:
        """Starts the fleet's coordinator again, with this clock."""
        coordinator = fleet.services[COORDINATOR]
        # With this library `time.sleep` fails, so later on it does not stop without an error.
        await coordinator.stop()
        faked = {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(LOOK_SECONDS),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        coordinator.spec = replace(coordinator.spec, environment={**coordinator.spec.environment, **faked})
        await fleet.restart(COORDINATOR)
        await fleet.wait_agents_ready(agent.id for agent in fleet.plan.agents)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """A clock that can jump."""
    library = next(Path("/usr").glob(LIBRARIES), None)
    if library is None:
        pytest.skip("NO CLOCK JUMPS: there is no libfaketime (Debian: libfaketime)")
    return Clock(library, tmp_path / "clock")


async def judge_jumps(fleet: Fleet, clock: Clock, *, jumps: int, seed: int) -> None:
    """Jumps while tasks run, whose work takes longer than a jump; records and asserts."""
    await clock.take_over(fleet)
    chance, ledger, follower = random.Random(seed), Ledger(), FeedFollower(fleet.gateway_url)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follower.run())
        for number, offset in zip(range(jumps), itertools.cycle(OFFSETS_SECONDS), strict=False):
            clock.set(offset)
            await submit_until_jumped(fleet, ledger, offset, seed=seed + number)
            await asyncio.sleep(chance.uniform(0, 1.0))
        aftermath = await rest(fleet, follower, ledger)
        following.cancel()
    revoked = redelivered(aftermath.events)
    record("clock_revoked", len(revoked), runs=jumps, seed=seed)
    print(f"{len(aftermath.tasks)} tasks")
    assert revoked == set()
    assert aftermath.findings() == []


async def submit_until_jumped(fleet: Fleet, ledger: Ledger, offset: int, *, seed: int) -> None:
    """Submits at an even pace until a task was made at the time that the jump leads to."""
    async with grpc.aio.insecure_channel(fleet.address) as channel, asyncio.timeout(JUMP_SECONDS_MAX):
        stub = task_service_pb2_grpc.TaskServiceStub(channel)
        for request in make_requests(1000, seed=seed, first=len(ledger.acknowledged), seconds=(1.0, 2.0)):
            answer = await stub.CreateTask(request, timeout=CALL_SECONDS)
            ledger.acknowledged.append(Acknowledged(request.request_id, answer.task.id))
            if abs(answer.task.create_time.seconds - time.time() - offset) < JUMP_SECONDS_MAX:
                return
            await asyncio.sleep(SUBMIT_PAUSE_SECONDS)


async def test_no_live_lease_is_revoked_when_the_wall_clock_jumps(clock: Clock, start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=AGENTS, lease_ttl_seconds=TTL_SECONDS)

    await judge_jumps(fleet, clock, jumps=2, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_no_live_lease_is_revoked_when_the_wall_clock_jumps_often(clock: Clock, start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=AGENTS, lease_ttl_seconds=TTL_SECONDS)

    await judge_jumps(fleet, clock, jumps=60, seed=SEED)
