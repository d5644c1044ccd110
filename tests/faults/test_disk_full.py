"""The disk is full: submits are refused in so many words, nothing acknowledged is lost, and work goes on afterwards."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from missioncontrol.v1 import task_pb2, task_service_pb2_grpc

from services.fleet.audit import Acknowledged
from services.fleet.feed import FeedFollower
from services.fleet.launcher import COORDINATOR, Fleet
from services.fleet.observe import Observer
from services.transport.status import DETAILS_KEY
from tests.conftest import StartFleet, work_agent
from tests.faults.disks import DiskImpossible, small_disk
from tests.faults.figures import SEED, record
from tests.faults.storm import CALL_SECONDS, Ledger, make_requests, rest, submit

Answer = TypeVar("Answer")

pytestmark = pytest.mark.figures("full_lost", "full_findings")
AGENTS = (work_agent("agent-1"), work_agent("agent-2"))
DISK_BYTES = 48 << 20
# Taken away to make room.
BALLAST_BYTES = 24 << 20
# Spaces behind the payload's number: some hundred tasks fill the disk.
PADDING_BYTES_MIN, PADDING_BYTES_MAX = 20_000, 60_000
TASKS_MAX = 5000


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the database is, with a ballast."""
    small = tmp_path / "small"
    try:
        with small_disk(small, DISK_BYTES):
            yield small
    except DiskImpossible as error:
        pytest.skip(f"NO FULL DISKS: {error}")


async def fill_and_make_room(fleet: Fleet, ballast: Path, ledger: Ledger, chance: random.Random) -> None:
    """Submits until the disk is full, stays with that for a moment, makes room, and waits until submits are taken."""
    ballast.write_bytes(b"\0" * BALLAST_BYTES)
    error = await submit_until_refused(fleet, ledger, chance.randint(PADDING_BYTES_MIN, PADDING_BYTES_MAX))
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert "the database cannot be written now: database or disk is full" in (error.details() or "")
    assert retry_seconds(error) > 0
    await asyncio.sleep(chance.uniform(0, 1.0))
    # Who only reads is not disturbed.
    observer = Observer(fleet.address)
    present = {task.id for task in (await observer.tasks())[0]}
    await observer.close()
    assert {entry.task_id for entry in ledger.acknowledged} <= present
    fleet.services[COORDINATOR].assert_running()
    ballast.unlink()
    requests = make_requests(20, seed=1, first=len(ledger.acknowledged))
    async with asyncio.timeout(60):
        await submit(fleet.address, ledger, requests, over_seconds=0)


async def submit_until_refused(fleet: Fleet, ledger: Ledger, padding_bytes: int) -> grpc.aio.AioRpcError:
    """The first refusal. Tasks of the agents end meanwhile, so they need room, too."""
    async with grpc.aio.insecure_channel(fleet.address) as channel:
        stub = task_service_pb2_grpc.TaskServiceStub(channel)
        for request in make_requests(TASKS_MAX, seed=2, first=len(ledger.acknowledged), seconds=(0, 0.01)):
            request.spec.payload.data += b" " * padding_bytes
            try:
                answer = await until_answered(partial(stub.CreateTask, request, timeout=CALL_SECONDS))
            except grpc.aio.AioRpcError as error:
                return error
            ledger.acknowledged.append(Acknowledged(request.request_id, answer.task.id))
    raise AssertionError(f"{TASKS_MAX} tasks did not fill the disk")


async def until_answered(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer of a call that is made again while a busy machine has none in time. Raises a refusal."""
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise


def retry_seconds(error: grpc.aio.AioRpcError) -> float:
    """After how long the status says to try again."""
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())[DETAILS_KEY])
    info = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(info) for detail in status.details), status
    return float(info.retry_delay.ToTimedelta().total_seconds())


async def judge_fillings(fleet: Fleet, folder: Path, *, fillings: int, seed: int) -> None:
    """Runs, records, asserts."""
    ledger, chance, follower = Ledger(), random.Random(seed), FeedFollower(fleet.gateway_url)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follower.run())
        for _ in range(fillings):
            await fill_and_make_room(fleet, folder / "ballast", ledger, chance)
        aftermath = await rest(fleet, follower, ledger)
        following.cancel()
    findings = aftermath.findings()
    record("full_lost", aftermath.lost, runs=fillings, seed=seed)
    record("full_findings", len(findings) - aftermath.lost, runs=fillings, seed=seed)
    assert findings == []
    assert {task.state for task in aftermath.tasks} == {task_pb2.TASK_STATE_SUCCEEDED}
    assert fleet.services[COORDINATOR].starts == 1


async def test_a_full_disk_refuses_submits_and_loses_nothing(folder: Path, start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=AGENTS, database_url=f"sqlite:///{folder}/missioncontrol.db")

    await judge_fillings(fleet, folder, fillings=1, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("offset", range(5))
async def test_a_disk_that_is_full_again_and_again_loses_nothing(
    folder: Path, start_fleet: StartFleet, offset: int
) -> None:
    fleet = await start_fleet(agents=AGENTS, database_url=f"sqlite:///{folder}/missioncontrol.db")

    await judge_fillings(fleet, folder, fillings=1, seed=SEED + offset)
