"""What a coordinator leaves undone as long as one of an older version lives on its database."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from missioncontrol.v1 import event_service_pb2, queue_pb2, queue_service_pb2, schedule_service_pb2, task_pb2
from missioncontrol.v1 import task_service_pb2 as wire

from services.domain.event import EventType
from services.domain.membership import SHARDS, SHARING_PROGRAM, CoordinatorState
from services.domain.membership import Coordinator as Member
from tests.coordinator.rpc.harness import Coordinator, refusal

DAY = 24 * 3_600_000_000


@contextmanager
def older_one(coordinator: Coordinator) -> Iterator[None]:
    """Inside, this coordinator has seen another one, which is alone."""
    membership = coordinator.parts.storage.membership
    membership._note(
        [Member("coordinator-2", 1, 1, CoordinatorState.LIVE, "", tuple(range(SHARDS)), SHARING_PROGRAM)], ""
    )
    yield
    membership._note([], "")


async def depend(coordinator: Coordinator) -> None:
    await coordinator.create(depends_on=[(await coordinator.create()).id])


async def move(coordinator: Coordinator) -> None:
    await coordinator.create()
    request = wire.BulkChangeTasksRequest(filter=wire.TaskFilter(queue="default"), move={"queue": "other"})
    await coordinator.tasks.BulkChangeTasks(request)


async def shed(coordinator: Coordinator, state: Any = "ADMISSION_STATE_SHED", **limits: int) -> None:
    policy = queue_pb2.QueuePolicy(admission=queue_pb2.AdmissionPolicy(state=state, **limits))
    await coordinator.queues.UpdateQueue(queue_service_pb2.UpdateQueueRequest(name="default", policy=policy))


async def update_schedule(coordinator: Coordinator) -> None:
    schedule = schedule_service_pb2.Schedule(name="nightly", cron="0 3 * * *", spec=task_pb2.TaskSpec(kind="report"))
    await coordinator.schedules.UpdateSchedule(schedule_service_pb2.UpdateScheduleRequest(schedule=schedule))


@pytest.mark.parametrize("ask", [depend, move, shed, update_schedule])
async def test_what_the_older_one_would_not_know_of_is_refused_and_says_what_to_do(
    coordinator: Coordinator, ask: Callable[[Coordinator], Awaitable[None]]
) -> None:
    with older_one(coordinator):
        refused = await refusal(ask(coordinator))
        assert refused.code is grpc.StatusCode.FAILED_PRECONDITION
        assert refused.message.endswith(
            " as long as a coordinator of an older version runs on this database: replace it first"
        )
        assert (await coordinator.create()).state == task_pb2.TASK_STATE_PENDING
    await ask(coordinator)


async def test_schedules_do_not_fire_and_queues_stay_as_they_are_until_it_is_gone(coordinator: Coordinator) -> None:
    await update_schedule(coordinator)
    await shed(coordinator, state="ADMISSION_STATE_UNSPECIFIED", shed_pending=2)
    assert EventType.QUEUE_ADMISSION not in await events(coordinator)
    with older_one(coordinator):
        await step(coordinator)
        for _ in range(3):
            await coordinator.create()
        await step(coordinator)
        assert {EventType.QUEUE_ADMISSION, EventType.SCHEDULE_FIRED}.isdisjoint(await events(coordinator))
    await step(coordinator)
    assert {EventType.QUEUE_ADMISSION, EventType.SCHEDULE_FIRED} <= set(await events(coordinator))


async def step(coordinator: Coordinator) -> None:
    """A pass of the loops, a day later, by the one that keeps house."""
    coordinator.parts.storage.membership.shards = frozenset(range(SHARDS))
    await coordinator.parts.schedules.step(time.time_ns() // 1000 + DAY)
    await coordinator.parts.backpressure.step(time.monotonic())


async def events(coordinator: Coordinator) -> list[int]:
    response = await coordinator.events.ListEvents(event_service_pb2.ListEventsRequest(page_size=1000))
    return [event.type for event in response.events]
