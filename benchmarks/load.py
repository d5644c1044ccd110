"""The loads: batches of 100 with 16 in flight, one task a call with 8 in flight, and 50 single tasks a second with
their start latency.

Each is measured from the first submit to the last outcome that the follower of the feed was told of, so a rate here is
that of whole tasks: submitted, leased, started, succeeded, committed and told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc
from missioncontrol.v1 import task_pb2, task_service_pb2, task_service_pb2_grpc

from benchmarks.follower import Counter

KIND = "noop"
PAYLOAD_BYTES = 200
BATCH_TASKS, BATCHES_IN_FLIGHT = 100, 16
CALLS_IN_FLIGHT = 8
CALL_SECONDS = 60.0
OUTCOME_POLL_SECONDS = 0.002
LOAD_SECONDS_MAX = 120.0

Request = TypeVar("Request")


@dataclass(frozen=True)
class Measured:
    """A load that is over."""

    tasks: int
    seconds: float

    @property
    def tasks_per_second(self) -> float:
        """Whole tasks a second."""
        return self.tasks / self.seconds


class Loader:
    """Submits to one coordinator, and waits for outcomes on the shared count."""

    def __init__(self, channel: grpc.aio.Channel, counter: Counter) -> None:
        self._tasks = task_service_pb2_grpc.TaskServiceStub(channel)
        self._counter = counter
        self._number = 0

    async def batches(self, tasks: int) -> Measured:
        """BatchCreateTasks with 100 tasks a call. The requests are made before the clock starts."""
        requests = self._batches(tasks)
        return await self._timed(self._submit_batch, requests, in_flight=BATCHES_IN_FLIGHT, tasks=tasks)

    async def submit(self, tasks: int) -> None:
        """The same, without waiting for what becomes of them."""
        await self._all(self._submit_batch, self._batches(tasks), in_flight=BATCHES_IN_FLIGHT)

    async def singles(self, tasks: int) -> Measured:
        """CreateTask, 8 calls in flight."""
        requests = list(self._requests(tasks))

        async def submit(request: task_service_pb2.CreateTaskRequest) -> None:
            await self._tasks.CreateTask(request, timeout=CALL_SECONDS)

        return await self._timed(submit, requests, in_flight=CALLS_IN_FLIGHT, tasks=tasks)

    async def start_latencies(self, tasks: int, *, per_second: float) -> list[float]:
        """Seconds from before the call of CreateTask to the start of the handler, for tasks at an even rate.

        The rate does not wait for answers. The payload carries the time before the call, the output that of the start,
        both of the machine's monotonic clock.
        """
        begin = time.monotonic()
        calls = []
        async with asyncio.TaskGroup() as group:
            for number, request in enumerate(self._requests(tasks)):
                await asyncio.sleep(begin + number / per_second - time.monotonic())
                calls.append(group.create_task(self._stamped(request)))
        await self.outcomes(self._number)
        return [await self._latency(call.result()) for call in calls]

    def _batches(self, tasks: int) -> list[task_service_pb2.BatchCreateTasksRequest]:
        assert tasks % BATCH_TASKS == 0, "whole batches"
        make = task_service_pb2.BatchCreateTasksRequest
        return [make(requests=list(self._requests(BATCH_TASKS))) for _ in range(tasks // BATCH_TASKS)]

    async def _submit_batch(self, request: task_service_pb2.BatchCreateTasksRequest) -> None:
        answer = await self._tasks.BatchCreateTasks(request, timeout=CALL_SECONDS)
        assert all(result.task_id for result in answer.results), answer

    async def _stamped(self, request: task_service_pb2.CreateTaskRequest) -> str:
        request.spec.payload.data = str(time.monotonic_ns()).encode().ljust(PAYLOAD_BYTES)
        return (await self._tasks.CreateTask(request, timeout=CALL_SECONDS)).task.id

    async def _latency(self, task_id: str) -> float:
        request = task_service_pb2.GetTaskRequest(task_id=task_id)
        task = (await self._tasks.GetTask(request, timeout=CALL_SECONDS)).task
        return (int(task.output.data) - int(task.spec.payload.data)) / 1e9

    def _requests(self, tasks: int) -> Iterator[task_service_pb2.CreateTaskRequest]:
        payload = task_pb2.Payload(data=bytes(PAYLOAD_BYTES), content_type="application/octet-stream")
        spec = task_pb2.TaskSpec(kind=KIND, payload=payload)
        for _ in range(tasks):
            self._number += 1
            yield task_service_pb2.CreateTaskRequest(spec=spec, request_id=f"bench-{self._number}")

    async def _timed(
        self, submit: Callable[[Request], Awaitable[None]], requests: Sequence[Request], *, in_flight: int, tasks: int
    ) -> Measured:
        begin = time.monotonic_ns()
        await self._all(submit, requests, in_flight=in_flight)
        end = await self.outcomes(self._number)
        return Measured(tasks, (end - begin) / 1e9)

    async def _all(
        self, submit: Callable[[Request], Awaitable[None]], requests: Sequence[Request], *, in_flight: int
    ) -> None:
        waiting = iter(requests)

        async def work() -> None:
            for request in waiting:
                await submit(request)

        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(work())

    async def outcomes(self, number: int) -> int:
        """When the last of so many outcomes was told, by the monotonic clock in nanoseconds."""
        async with asyncio.timeout(LOAD_SECONDS_MAX):
            # Another process stores the count: there is nothing to wait on.
            while (count := self._counter.load()).outcomes < number:  # noqa: ASYNC110
                await asyncio.sleep(OUTCOME_POLL_SECONDS)
        assert not count.gaps, f"{count.gaps} gaps in the feed"
        return count.outcome_time_ns
