"""Why tasks wait and how deep the queues are, as a coordinator without a scheduler tells it."""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc
from missioncontrol.v1 import queue_pb2, queue_service_pb2, routing_service_pb2_grpc, task_pb2, task_service_pb2
from missioncontrol.v1 import routing_service_pb2 as wire

from services.domain.commands import NoteStuck, ReportKind, StuckNote
from services.domain.requirements import WaitReason
from services.store.tasks import get_task
from tests.coordinator.rpc.harness import Coordinator, reading, refusal


def routing(coordinator: Coordinator) -> Any:
    return routing_service_pb2_grpc.RoutingServiceStub(coordinator.channel)


async def explained(coordinator: Coordinator, task_id: str) -> wire.ExplainTaskResponse:
    response: wire.ExplainTaskResponse = await routing(coordinator).ExplainTask(
        wire.ExplainTaskRequest(task_id=task_id)
    )
    return response


async def note(coordinator: Coordinator, task: task_pb2.Task, reason: WaitReason, *, message: str = "no gpu") -> None:
    """Notes why tasks like this one wait."""
    row = await row_of(coordinator, task)
    key = (row.namespace, row.queue, row.priority, row.needs_id)
    await coordinator.store.journal.submit(NoteStuck([StuckNote(key, row.kind, reason, bool(reason), message)]))


async def row_of(coordinator: Coordinator, task: task_pb2.Task) -> Any:
    stored, _ = await coordinator.store.read(partial(get_task, namespace="default", task_id=task.id))
    return stored.row


async def test_a_scheduled_task_waits_for_its_time(coordinator: Coordinator) -> None:
    later = task_pb2.TaskSpec(kind="noop")
    later.not_before_time.FromJsonString("2100-01-01T00:00:00Z")
    task = await coordinator.create(not_before_time=later.not_before_time)
    response = await explained(coordinator, task.id)
    assert response.explanation.reason == task_pb2.WAIT_REASON_TIME
    assert response.explanation.message == "it waits until 2100-01-01T00:00:00Z, when its time has come"
    assert response.since_time == task.create_time


async def test_a_blocked_task_waits_for_those_that_it_depends_on_and_have_not_ended(coordinator: Coordinator) -> None:
    first, second = await coordinator.create(), await coordinator.create()
    depends = {"depends_on": [first.id, second.id], "dependency_policy": task_pb2.DEPENDENCY_POLICY_RUN}
    task = await coordinator.create(**depends)
    await coordinator.tasks.CancelTask(task_service_pb2.CancelTaskRequest(task_id=first.id))
    response = await explained(coordinator, task.id)
    assert response.explanation.reason == task_pb2.WAIT_REASON_DEPENDENCIES
    assert response.explanation.message == f"it waits for 1 of the tasks that it depends on: {second.id}"
    assert list(response.blocked_by) == [second.id]
    assert response.since_time == task.create_time


async def test_a_task_of_a_paused_queue_waits_for_that_whatever_else(coordinator: Coordinator) -> None:
    task = await coordinator.create(queue="q")
    await coordinator.queues.PauseQueue(queue_service_pb2.PauseQueueRequest(name="q"))
    response = await explained(coordinator, task.id)
    assert response.explanation.reason == task_pb2.WAIT_REASON_QUEUE_PAUSED
    assert response.explanation.message == "queue q is paused: resume it"


async def test_without_a_scheduler_that_is_the_answer_and_how_many_go_first(coordinator: Coordinator) -> None:
    tasks = [
        await coordinator.create(priority=priority, kind=kind) for priority, kind in ((0, "a"), (5, "a"), (0, "b"))
    ]
    await coordinator.create(priority=-1)
    await coordinator.create(queue="other", priority=9)
    last = await coordinator.create(priority=0, kind="a")
    assert (await explained(coordinator, last.id)).position == 3
    response = await explained(coordinator, tasks[1].id)
    assert response.position == 0
    assert response.explanation.reason == task_pb2.WAIT_REASON_NO_SCHEDULER
    refused = await refusal(
        routing(coordinator).SimulatePlacement(wire.SimulatePlacementRequest(spec=task_pb2.TaskSpec(kind="a")))
    )
    assert refused.code is grpc.StatusCode.UNAVAILABLE


async def test_a_task_that_does_not_wait_says_so_and_a_missing_one_is_refused(coordinator: Coordinator) -> None:
    task = await coordinator.create()
    await coordinator.tasks.CancelTask(task_service_pb2.CancelTaskRequest(task_id=task.id))
    response = await explained(coordinator, task.id)
    assert response.explanation.reason == task_pb2.WAIT_REASON_UNSPECIFIED
    assert response.explanation.message == "it does not wait: it is CANCELLED"
    refused = await refusal(explained(coordinator, "nope"))
    assert refused.code is grpc.StatusCode.NOT_FOUND


async def test_what_is_noted_is_on_the_task_in_lists_and_in_its_history(coordinator: Coordinator) -> None:
    task = await coordinator.create()
    await note(coordinator, task, WaitReason.NO_AGENT)
    await note(coordinator, task, WaitReason.SLOTS, message="full")
    read = (await coordinator.tasks.GetTask(task_service_pb2.GetTaskRequest(task_id=task.id))).task
    [listed] = (await coordinator.tasks.ListTasks(task_service_pb2.ListTasksRequest())).tasks
    assert (read.waiting.reason, read.waiting.message) == (task_pb2.WAIT_REASON_SLOTS, "full")
    assert listed.waiting == read.waiting
    [past] = (await explained(coordinator, task.id)).history
    assert (past.reason, past.never, past.message) == (task_pb2.WAIT_REASON_NO_AGENT, True, "no gpu")


async def test_a_watch_hears_of_it_and_of_its_end(coordinator: Coordinator) -> None:
    task = await coordinator.create()
    async with reading(coordinator.tasks.WatchTask(task_service_pb2.WatchTaskRequest(task_id=task.id))) as watch:
        assert not (await watch.read()).task.HasField("waiting")
        await note(coordinator, task, WaitReason.NO_AGENT)
        assert (await watch.read()).task.waiting.reason == task_pb2.WAIT_REASON_NO_AGENT
        await note(coordinator, task, WaitReason.NONE)
        assert not (await watch.read()).task.HasField("waiting")


async def test_the_depths_by_lane_capability_and_agent(coordinator: Coordinator) -> None:
    lanes = [queue_pb2.Lane(name="high", priority_min=10), queue_pb2.Lane(name="low", priority_min=-100)]
    policy = queue_pb2.QueuePolicy(lanes=lanes)
    await coordinator.queues.UpdateQueue(queue_service_pb2.UpdateQueueRequest(name="q", policy=policy))
    gpu = task_pb2.Requirements(capabilities=["gpu"])
    for priority in (20, 10, 0):
        await coordinator.create(queue="q", priority=priority, requirements=gpu)
    await coordinator.store.admit("a", kinds=("noop",), slots=3, capabilities=("gpu", "cpu"))
    leased, running = await coordinator.create(), await coordinator.create()
    for task in (leased, running):
        await coordinator.store.grant(await row_of(coordinator, task), "a")
    await coordinator.store.report(await row_of(coordinator, running), ReportKind.STARTED, agent_id="a")

    found = await routing(coordinator).GetDepths(wire.GetDepthsRequest())
    only = await routing(coordinator).GetDepths(wire.GetDepthsRequest(queue="q"))

    depths = [(each.queue, each.lane, each.pending, each.leased, each.running) for each in found.lanes]
    assert depths == [("default", "", 0, 1, 1), ("q", "high", 2, 0, 0), ("q", "low", 1, 0, 0)]
    assert [(each.lane, each.pending) for each in only.lanes] == [("high", 2), ("low", 1)]
    assert [
        (each.capability, each.agents, each.slots, each.slots_used, each.pending) for each in found.capabilities
    ] == [
        ("cpu", 1, 3, 2, 0),
        ("gpu", 1, 3, 2, 3),
    ]
    assert [(each.agent_id, each.slots, each.running, each.leased) for each in found.agents] == [("a", 3, 1, 1)]
    assert found.position == str(coordinator.parts.feed.position)
