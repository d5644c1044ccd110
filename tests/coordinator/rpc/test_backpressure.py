"""What a client sees of a queue that takes no more, and what an operator sees of it."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from missioncontrol.v1 import queue_pb2, task_service_pb2
from missioncontrol.v1 import queue_service_pb2 as wire
from prometheus_client import generate_latest

from services.domain.errors import QueueFull
from services.domain.policy import AdmissionPolicy
from services.store.queues import count_pending
from tests.coordinator.rpc.harness import Coordinator, refusal, submit


async def configure(coordinator: Coordinator, **admission: Any) -> None:
    policy = queue_pb2.QueuePolicy(admission=queue_pb2.AdmissionPolicy(**admission))
    await coordinator.queues.UpdateQueue(wire.UpdateQueueRequest(name="q", policy=policy))


async def stats_of(coordinator: Coordinator) -> queue_pb2.QueueStats:
    response = await coordinator.queues.GetQueueStats(wire.GetQueueStatsRequest(name="q"))
    stats: queue_pb2.QueueStats = response.stats
    return stats


def retry_seconds(status: status_pb2.Status) -> float:
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in status.details)
    return retry.retry_delay.ToTimedelta().total_seconds()


async def test_a_full_queue_refuses_with_reason_figures_and_a_time_to_come_back(coordinator: Coordinator) -> None:
    await configure(coordinator, pending_max=1)
    await coordinator.create(queue="q", request_id="r")

    refused = await refusal(coordinator.create(queue="q", request_id="s"))
    repeated = await coordinator.tasks.CreateTask(submit(queue="q", request_id="r"))

    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.reason == "QUEUE_FULL"
    assert refused.metadata == {"queue": "q", "pending": "1", "limit": "1"}
    assert refused.message == "queue q is full: 1 pending, and its limit is 1"
    assert repeated.deduplicated


async def test_each_item_of_a_batch_is_taken_or_refused_by_itself(coordinator: Coordinator) -> None:
    await configure(coordinator, pending_max=2)
    requests = [submit(queue="q"), submit(queue="other"), submit(queue="q"), submit(queue="q")]

    response = await coordinator.tasks.BatchCreateTasks(task_service_pb2.BatchCreateTasksRequest(requests=requests))

    assert [result.WhichOneof("result") for result in response.results] == ["task_id"] * 3 + ["error"]
    assert 1.0 <= retry_seconds(response.results[3].error) <= 2.0


async def test_a_retry_by_hand_is_a_submit(coordinator: Coordinator) -> None:
    task = await coordinator.create(queue="q")
    await coordinator.tasks.CancelTask(task_service_pb2.CancelTaskRequest(task_id=task.id))
    await configure(coordinator, state=queue_pb2.ADMISSION_STATE_SHED)

    refused = await refusal(coordinator.tasks.RetryTask(task_service_pb2.RetryTaskRequest(task_id=task.id)))

    assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_SHEDDING")


async def test_the_state_is_in_the_stats_also_when_nobody_submits_any_more(coordinator: Coordinator) -> None:
    await configure(coordinator, throttle_pending=1, submits_per_second=100.0, shed_pending=3)
    tasks = [await coordinator.create(queue="q") for _ in range(3)]
    await refusal(coordinator.create(queue="q"))
    assert (await stats_of(coordinator)).admission == queue_pb2.ADMISSION_STATE_SHED

    for task in tasks[1:]:
        await coordinator.tasks.CancelTask(task_service_pb2.CancelTaskRequest(task_id=task.id))
    await coordinator.parts.backpressure.step(0.0)
    assert (await stats_of(coordinator)).admission == queue_pb2.ADMISSION_STATE_THROTTLE

    await configure(coordinator)
    assert (await stats_of(coordinator)).admission == queue_pb2.ADMISSION_STATE_NORMAL


async def test_a_depth_that_went_wrong_is_put_right_by_the_next_count(coordinator: Coordinator) -> None:
    await configure(coordinator, pending_max=5)
    await coordinator.create(queue="q")
    depths = coordinator.parts.storage.journal.gates.depths
    depths.hear({("default", "q"): 10}, sequence=1_000_000)
    await coordinator.parts.backpressure.step(0.0)

    counted, _ = await coordinator.parts.storage.readers.run(lambda each: count_pending(each, ("default", "q")))

    assert (depths.of(("default", "q")), counted) == (1, 1)


@pytest.mark.parametrize(
    ("admission", "field"),
    [
        ({"throttle_pending": 10}, "policy.admission.submits_per_second"),
        ({"submits_per_second": 1.0}, "policy.admission.submits_per_second"),
        ({"throttle_pending": 10, "submits_per_second": 1.0, "shed_pending": 10}, "policy.admission.shed_pending"),
    ],
)
async def test_a_policy_that_cannot_be_carried_out_is_refused_and_the_old_one_stays(
    coordinator: Coordinator, admission: dict[str, Any], field: str
) -> None:
    await configure(coordinator, pending_max=1)
    policy = queue_pb2.QueuePolicy(admission=queue_pb2.AdmissionPolicy(**admission))

    refused = await refusal(coordinator.queues.UpdateQueue(wire.UpdateQueueRequest(name="q", policy=policy)))
    kept = await coordinator.queues.GetQueue(wire.GetQueueRequest(name="q"))

    assert refused.fields.keys() == {field}
    assert kept.queue.policy.admission.pending_max == 1


async def test_refused_submits_are_counted_by_reason(coordinator: Coordinator) -> None:
    await configure(coordinator, pending_max=1)
    for _ in range(3):
        await coordinator.tasks.BatchCreateTasks(task_service_pb2.BatchCreateTasksRequest(requests=[submit(queue="q")]))

    text = generate_latest(coordinator.registry).decode()

    assert f'missioncontrol_submits_refused_total{{reason="{QueueFull.reason.lower()}"}} 2.0' in text


async def test_a_queue_is_counted_beside_everything_else_before_it_gets_a_limit(coordinator: Coordinator) -> None:
    """And stays known while the change is on its way, whatever is looked at meanwhile."""
    key, backpressure = ("default", "q"), coordinator.parts.backpressure
    depths = coordinator.parts.storage.journal.gates.depths
    await coordinator.create(queue="q")
    async with backpressure.counted(key, AdmissionPolicy(pending_max=1)):
        await coordinator.create(queue="q")
        await backpressure.step(0.0)
        assert depths.of(key) == 2
    await backpressure.step(0.0)
    assert depths.of(key) is None


async def test_counts_in_the_middle_of_a_flood_change_nothing_about_the_limit(coordinator: Coordinator) -> None:
    """Flushes are on their way to the disk whenever a count looks, and in it or not."""
    await configure(coordinator, pending_max=5_000)
    depths = coordinator.parts.storage.journal.gates.depths
    flooding = True

    async def count() -> None:
        while flooding:
            depths.make_stale()
            await coordinator.parts.backpressure.step(0.0)

    async def flood() -> int:
        requests = [submit(queue="q") for _ in range(400)]
        batch = task_service_pb2.BatchCreateTasksRequest(requests=requests)
        response = await coordinator.tasks.BatchCreateTasks(batch)
        return sum(result.WhichOneof("result") == "task_id" for result in response.results)

    counting = asyncio.ensure_future(count())
    accepted = sum(await asyncio.gather(*[flood() for _ in range(15)]))
    flooding = False
    await counting

    assert (accepted, (await stats_of(coordinator)).pending) == (5_000, 5_000)
