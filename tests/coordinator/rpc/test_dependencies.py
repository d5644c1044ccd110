"""Dependencies through the services: batches that name their own tasks, refusals, and what a task tells of itself."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2
from missioncontrol.v1 import queue_service_pb2, task_pb2
from missioncontrol.v1 import task_service_pb2 as wire

from services.coordinator import membership
from tests.coordinator.rpc.harness import Coordinator, refusal, submit

BLOCKED, PENDING = task_pb2.TASK_STATE_BLOCKED, task_pb2.TASK_STATE_PENDING
CANCEL = task_pb2.DEPENDENCY_POLICY_CANCEL


async def batch(coordinator: Coordinator, *requests: wire.CreateTaskRequest) -> list[Any]:
    response = await coordinator.tasks.BatchCreateTasks(wire.BatchCreateTasksRequest(requests=requests))
    return list(response.results)


async def get(coordinator: Coordinator, task_id: str) -> task_pb2.Task:
    response = await coordinator.tasks.GetTask(wire.GetTaskRequest(task_id=task_id))
    task: task_pb2.Task = response.task
    return task


async def test_a_batch_names_its_own_tasks_in_any_order(coordinator: Coordinator) -> None:
    last, middle, first = await batch(
        coordinator, submit(depends_on=["#1", "#2"]), submit(depends_on=["#2"]), submit(priority=1)
    )
    task = await get(coordinator, last.task_id)
    assert (task.state, task.blockers) == (BLOCKED, 2)
    assert list(task.spec.depends_on) == [middle.task_id, first.task_id]
    assert task.spec.payload.data == b"input"
    first_task = await get(coordinator, first.task_id)
    assert (first_task.state, first_task.version) == (PENDING, 1)


async def test_a_batch_that_is_repeated_gives_the_same_tasks(coordinator: Coordinator) -> None:
    requests = [submit("a"), submit("b", depends_on=["#0"])]
    before = await batch(coordinator, *requests)
    again = await batch(coordinator, *requests)
    assert [result.task_id for result in again] == [result.task_id for result in before]
    assert all(result.deduplicated for result in again)


async def test_what_was_accepted_before_keeps_its_id_for_those_that_name_it(coordinator: Coordinator) -> None:
    """As after a batch of which a part was refused."""
    [accepted] = await batch(coordinator, submit("a"))
    same, new = await batch(coordinator, submit("a"), submit("b", depends_on=["#0"]))
    assert same.task_id == accepted.task_id
    assert list((await get(coordinator, new.task_id)).spec.depends_on) == [accepted.task_id]


async def test_tasks_of_a_batch_that_wait_for_each_other_are_refused_and_the_others_are_not(
    coordinator: Coordinator,
) -> None:
    results = await batch(
        coordinator, submit(depends_on=["#1"]), submit(depends_on=["#0"]), submit(depends_on=["#1"]), submit()
    )
    assert [result.error.code for result in results] == [code_pb2.INVALID_ARGUMENT] * 3 + [code_pb2.OK]
    assert "tasks of the batch wait for each other: #0 → #1 → #0" in results[0].error.message
    assert "#1 → #0 → #1" in results[2].error.message


async def test_what_depends_on_a_task_that_was_refused_is_refused(coordinator: Coordinator) -> None:
    """Whether it was refused by itself, or by what the journal found."""
    results = await batch(
        coordinator,
        submit(kind=""),
        submit(depends_on=["#0"]),
        submit(depends_on=["no-such-task"]),
        submit(depends_on=["#2"]),
        submit(depends_on=["#3"]),
    )
    messages = [result.error.message for result in results]
    assert messages[1] == "spec.depends_on: task #0 of the batch was refused"
    assert "spec.depends_on[0]: there is no task no-such-task in namespace default" in messages[2]
    assert messages[3] == "spec.depends_on: task #2 of the batch was refused"
    assert messages[4] == "spec.depends_on: task #3 of the batch was refused"


@pytest.mark.parametrize("name", ["#2", "#-1", "#x", "#", "#01", "#99999999999"])
async def test_a_name_that_is_none_of_the_batch_is_refused(coordinator: Coordinator, name: str) -> None:
    results = await batch(coordinator, submit(), submit(depends_on=[name]))
    assert f"'{name}' names no task of the batch: they are #0 to #1" in results[1].error.message


async def test_a_task_of_a_batch_cannot_wait_for_one_of_another_namespace(coordinator: Coordinator) -> None:
    results = await batch(coordinator, submit(namespace="other"), submit(depends_on=["#0"]))
    assert [result.error.code for result in results] == [code_pb2.OK, code_pb2.INVALID_ARGUMENT]


async def test_a_submit_by_itself_names_no_task_of_a_batch(coordinator: Coordinator) -> None:
    refused = await refusal(coordinator.create(depends_on=["#0"]))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields == {"spec.depends_on[0]": "'#0' names a task of a batch, and this is none"}


async def test_an_unknown_dependency_is_refused_with_its_field(coordinator: Coordinator) -> None:
    refused = await refusal(coordinator.create(depends_on=["missing"]))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields == {"spec.depends_on[0]": "there is no task missing in namespace default, or not any more"}


async def test_a_task_whose_dependency_has_failed_is_answered_as_ended(coordinator: Coordinator) -> None:
    first = await coordinator.create()
    await coordinator.tasks.CancelTask(wire.CancelTaskRequest(task_id=first.id))
    failed = await coordinator.create(depends_on=[first.id])
    cancelled = await coordinator.create(depends_on=[first.id], dependency_policy=CANCEL)
    assert failed.state == task_pb2.TASK_STATE_FAILED
    assert failed.failure.reason == task_pb2.FAILURE_REASON_DEPENDENCY
    assert failed.failure.message == f"task {first.id}, which it depends on, is CANCELLED"
    assert cancelled.state == task_pb2.TASK_STATE_CANCELLED
    assert cancelled.failure == failed.failure


async def test_a_retry_depends_on_the_same_tasks(coordinator: Coordinator) -> None:
    first = await coordinator.create()
    second = await coordinator.create(depends_on=[first.id])
    await coordinator.tasks.CancelTask(wire.CancelTaskRequest(task_id=second.id))
    again = (await coordinator.tasks.RetryTask(wire.RetryTaskRequest(task_id=second.id))).task
    assert (again.state, list(again.spec.depends_on)) == (BLOCKED, [first.id])


async def test_a_watch_of_a_blocked_task_tells_when_it_is_ready_and_when_it_has_ended(coordinator: Coordinator) -> None:
    first = await coordinator.create()
    run = task_pb2.DEPENDENCY_POLICY_RUN
    second = await coordinator.create(depends_on=[first.id], dependency_policy=run)
    call = coordinator.tasks.WatchTask(wire.WatchTaskRequest(task_id=second.id))
    seen = [(await call.read()).task.state]
    await coordinator.tasks.CancelTask(wire.CancelTaskRequest(task_id=first.id))
    seen.append((await call.read()).task.state)
    await coordinator.tasks.CancelTask(wire.CancelTaskRequest(task_id=second.id))
    seen.append((await call.read()).task.state)
    assert seen == [BLOCKED, PENDING, task_pb2.TASK_STATE_CANCELLED]


async def test_blocked_tasks_are_listed_and_counted(coordinator: Coordinator) -> None:
    first = await coordinator.create()
    second = await coordinator.create(depends_on=[first.id])
    listed = await coordinator.tasks.ListTasks(wire.ListTasksRequest(states=[BLOCKED]))
    assert [(task.id, task.blockers) for task in listed.tasks] == [(second.id, 1)]
    stats = (await coordinator.queues.GetQueueStats(queue_service_pb2.GetQueueStatsRequest(name="default"))).stats
    assert (stats.blocked, stats.pending) == (1, 1)


async def test_what_a_flush_has_left_is_gone_on_with(coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.store.dependents.DEPENDENTS_MAX", 10)
    assert coordinator.parts.storage.membership.keeps_house
    assert coordinator.parts.storage.membership.program == membership.PROGRAM
    run = task_pb2.DEPENDENCY_POLICY_RUN
    names = [submit(depends_on=["#0"], dependency_policy=run) for _ in range(35)]
    first, *others = await batch(coordinator, submit(), *names)
    await coordinator.tasks.CancelTask(wire.CancelTaskRequest(task_id=first.task_id))
    steps = 0
    while any([(await get(coordinator, each.task_id)).state == BLOCKED for each in others]):
        await coordinator.parts.dependents.step()
        await asyncio.sleep(0)
        steps += 1
    assert steps == 3
