"""A run under fire: tasks are submitted without pause while things are taken away and brought back; see `weather`."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
from missioncontrol.channel import open_channel
from missioncontrol.v1 import task_pb2, task_service_pb2, task_service_pb2_grpc

from services.fleet.audit import LOST, Acknowledged, Finding, SeenEvent, audit, unaccounted
from services.fleet.feed import FeedFollower
from services.fleet.launcher import COORDINATOR, Fleet, names_of
from services.fleet.observe import Observer, seen_task
from tests.faults.databases import database_findings
from tests.faults.weather import Kill, Strike

Answer = TypeVar("Answer")
# What a client sees of a server that is gone or going: the same request is sent again.
_AGAIN = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
}
SUBMIT_BATCH = 10
CALL_SECONDS = 5.0
AGAIN_SECONDS = 0.1
# More than any storm has kills of agents: here nothing may become a dead letter.
REDELIVERIES_MAX = 1000
TASK_SECONDS_MAX = 0.2
# One kill with its waits and the start of the process, about: the submits are spread over all of them.
KILL_SECONDS = 1.5
SETTLE_SECONDS = 90.0
# A kind of finding beside those of `audit`.
WRONG_ATTEMPTS = "attempts"


@dataclass
class Ledger:
    """What the submitter knows: every OK that it got, and every call whose answer it did not get."""

    acknowledged: list[Acknowledged] = field(default_factory=list)
    unanswered: int = 0


@dataclass(frozen=True)
class Aftermath:
    """All that there is to judge when everything has come to rest."""

    ledger: Ledger
    tasks: Sequence[task_pb2.Task]
    attempts: dict[str, list[task_pb2.Attempt]]
    events: Sequence[SeenEvent]
    database: Sequence[Finding] = ()

    @property
    def lost(self) -> int:
        """How many acknowledged tasks are not there."""
        return sum(finding.kind == LOST for finding in self.findings())

    def findings(self) -> list[Finding]:
        """What is wrong."""
        seen = [seen_task(task) for task in self.tasks]
        acknowledged = self.ledger.acknowledged
        return [
            *self.database,
            *audit(acknowledged, seen, self.events),
            *unaccounted(acknowledged, seen, ()),
            *(Finding(WRONG_ATTEMPTS, task.id, wrong) for task in self.tasks if (wrong := self._wrong_attempts(task))),
        ]

    def _wrong_attempts(self, task: task_pb2.Task) -> str:
        """Every task here succeeds, once, and its attempts are numbered without gaps."""
        attempts = self.attempts[task.id]
        tokens = [attempt.token for attempt in attempts]
        succeeded = [each.token for each in attempts if each.outcome == task_pb2.ATTEMPT_OUTCOME_SUCCEEDED]
        right = tokens == list(range(1, task.token + 1)) and succeeded == [task.token]
        return "" if right else f"tokens {tokens}, of which {succeeded} succeeded; the task has {task.token}"


async def run_storm(
    fleet: Fleet,
    kills: Sequence[Kill],
    *,
    tasks: int,
    seed: int,
    strikes: Mapping[str, Strike] | None = None,
    kill_seconds: float = KILL_SECONDS,
) -> Aftermath:
    """Submits and kills at the same time, then waits for rest. Raises TimeoutError if tasks are stuck."""
    follower = FeedFollower(fleet.gateway_url)
    ledger = Ledger()
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follower.run())
        requests = make_requests(tasks, seed)
        submitting = group.create_task(
            submit(fleet.addresses, ledger, requests, over_seconds=len(kills) * kill_seconds)
        )
        for kill in kills:
            await asyncio.sleep(kill.after_seconds)
            strike = (strikes or {}).get(kill.name)
            await (strike(kill.down_seconds) if strike else kill_process(fleet, kill))
        await submitting
        aftermath = await rest(fleet, follower, ledger)
        following.cancel()
    return aftermath


async def kill_process(fleet: Fleet, kill: Kill) -> None:
    """One kill of a process of the fleet."""
    process = fleet.services.get(kill.name) or fleet.agents[kill.name]
    # One coordinator of several ends by itself when it was stopped for so long that the others ended its term.
    if fleet.plan.coordinators == 1 or kill.name not in names_of(COORDINATOR, fleet.plan.coordinators):
        process.assert_running()
    process.kill()
    await asyncio.sleep(kill.down_seconds)
    await fleet.restart(kill.name)


def make_requests(
    tasks: int, seed: int, *, first: int = 0, seconds: tuple[float, float] = (0, TASK_SECONDS_MAX)
) -> list[task_service_pb2.CreateTaskRequest]:
    """Naps of random length on two priorities, numbered from `first`."""
    chance = random.Random(seed)
    return [_request(number, chance, seconds) for number in range(first, first + tasks)]


async def submit(
    address: str, ledger: Ledger, requests: Sequence[task_service_pb2.CreateTaskRequest], *, over_seconds: float
) -> None:
    """Submits in small batches at an even pace, each repeated with the same request ids until it is answered."""
    pause = over_seconds * SUBMIT_BATCH / len(requests)
    async with open_channel(address) as channel:
        stub = task_service_pb2_grpc.TaskServiceStub(channel)
        for start in range(0, len(requests), SUBMIT_BATCH):
            batch = task_service_pb2.BatchCreateTasksRequest(requests=requests[start : start + SUBMIT_BATCH])
            while not await _submit_once(stub, batch, ledger):
                await asyncio.sleep(AGAIN_SECONDS)
            await asyncio.sleep(pause)


async def rest(fleet: Fleet, follower: FeedFollower, ledger: Ledger) -> Aftermath:
    """Waits until every task is terminal and the feed has told all of it, then reads everything."""
    observer = Observer(fleet.address)
    try:
        tasks, sequence = await _all_terminal(observer)
        attempts = await patiently(lambda: observer.attempts(task.id for task in tasks))
        async with asyncio.timeout(SETTLE_SECONDS):
            await follower.wait_sequence(sequence)
    finally:
        await observer.close()
    database = await database_findings(fleet)
    return Aftermath(ledger, tasks, attempts, tuple(follower.events), database)


async def _all_terminal(observer: Observer) -> tuple[list[task_pb2.Task], int]:
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        tasks, sequence = await patiently(observer.tasks)
        # At the deadline the open ones are left to the checkers, which name them.
        if all(task.state >= task_pb2.TASK_STATE_SUCCEEDED for task in tasks) or time.monotonic() > deadline:
            return tasks, sequence
        await asyncio.sleep(AGAIN_SECONDS)


async def patiently(read: Callable[[], Awaitable[Answer]]) -> Answer:
    """What a read says, once it says something: the last strike may have hit what it needs."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            return await read()
        except grpc.aio.AioRpcError as error:
            if error.code() not in _AGAIN or time.monotonic() > deadline:
                raise
            await asyncio.sleep(AGAIN_SECONDS)


async def _submit_once(
    stub: task_service_pb2_grpc.TaskServiceAsyncStub, batch: task_service_pb2.BatchCreateTasksRequest, ledger: Ledger
) -> bool:
    try:
        answer = await stub.BatchCreateTasks(batch, timeout=CALL_SECONDS)
    except grpc.aio.AioRpcError as error:
        if error.code() not in _AGAIN:
            raise
        ledger.unanswered += 1
        return False
    for request, result in zip(batch.requests, answer.results, strict=True):
        assert result.task_id, result.error
        ledger.acknowledged.append(Acknowledged(request.request_id, result.task_id))
    return True


def _request(number: int, chance: random.Random, seconds: tuple[float, float]) -> task_service_pb2.CreateTaskRequest:
    length = chance.uniform(*seconds)
    spec = task_pb2.TaskSpec(
        kind="nap",
        payload=task_pb2.Payload(data=f"{length:.3f}".encode(), content_type="application/json"),
        priority=chance.choice((0, 10)),
        retry_policy=task_pb2.RetryPolicy(redeliveries_max=REDELIVERIES_MAX),
    )
    return task_service_pb2.CreateTaskRequest(spec=spec, request_id=f"storm-{number}")
