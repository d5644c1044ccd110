"""BulkChangeTasks: many tasks, by a filter, page by page."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from missioncontrol.v1 import task_pb2
from missioncontrol.v1 import task_service_pb2 as pb

from tests.coordinator.rpc.harness import Coordinator, refusal

PENDING, CANCELLED = task_pb2.TASK_STATE_PENDING, task_pb2.TASK_STATE_CANCELLED
CHANGES: dict[str, Any] = {
    "cancel": pb.BulkCancel(reason="enough"),
    "retry": pb.BulkRetry(),
    "reprioritize": pb.BulkReprioritize(priority=9),
    "move": pb.BulkMove(queue="other"),
}


async def bulk(coordinator: Coordinator, change: str, *, filter_: Any = None, **fields: Any) -> Any:
    """All pages of one change."""
    request = pb.BulkChangeTasksRequest(filter=filter_ or pb.TaskFilter(queue="q"), **fields)
    getattr(request, change).CopyFrom(CHANGES[change])
    pages = []
    while True:
        pages.append(await coordinator.tasks.BulkChangeTasks(request))
        request.page_token = pages[-1].next_page_token
        if not request.page_token:
            return pages


async def listed(coordinator: Coordinator, **fields: Any) -> list[task_pb2.Task]:
    """Oldest first."""
    return list(reversed((await coordinator.tasks.ListTasks(pb.ListTasksRequest(page_size=1000, **fields))).tasks))


async def test_pages_are_oldest_first_and_each_task_is_changed_once(coordinator: Coordinator) -> None:
    ids = [(await coordinator.create(queue="q")).id for _ in range(5)]
    await coordinator.create(queue="another")
    pages = await bulk(coordinator, "reprioritize", page_size=2)
    again = await bulk(coordinator, "reprioritize", page_size=2)

    assert [list(page.task_ids) for page in pages] == [ids[:2], ids[2:4], ids[4:]]
    assert [(page.matched, page.changed, page.skipped) for page in pages] == [(2, 2, 0), (2, 2, 0), (1, 1, 0)]
    assert [(page.matched, page.changed, page.skipped) for page in again] == [(2, 0, 2), (2, 0, 2), (1, 0, 1)]
    assert {task.spec.priority for task in await listed(coordinator, queue="q")} == {9}


async def test_a_preview_changes_nothing(coordinator: Coordinator) -> None:
    task = await coordinator.create(queue="q")
    for change, wanted in (("cancel", [task.id]), ("move", [task.id]), ("retry", [])):
        [page] = await bulk(coordinator, change, preview=True)
        assert (list(page.task_ids), page.matched) == (wanted, 1)
    [same] = await listed(coordinator)
    assert (same.version, same.spec.queue) == (1, "q")


async def test_a_task_that_was_moved_says_so_wherever_it_is_seen(coordinator: Coordinator) -> None:
    """In its lists, in its spec, and in what becomes of it."""
    task = await coordinator.create(queue="q", priority=5, labels={"a": "b"})
    await bulk(coordinator, "move")
    request = pb.BulkChangeTasksRequest(filter=pb.TaskFilter(queue="other"), reprioritize=pb.BulkReprioritize())
    await coordinator.tasks.BulkChangeTasks(request)

    whole = (await coordinator.tasks.GetTask(pb.GetTaskRequest(task_id=task.id))).task
    [light] = await listed(coordinator, queue="other")
    await coordinator.tasks.CancelTask(pb.CancelTaskRequest(task_id=task.id))
    again = (await coordinator.tasks.RetryTask(pb.RetryTaskRequest(task_id=task.id))).task
    for seen in (whole, light, again):
        assert (seen.spec.queue, seen.spec.priority, dict(seen.spec.labels)) == ("other", 0, {"a": "b"})
    assert whole.spec.payload.data == b"input"
    assert await listed(coordinator, queue="q") == []


async def test_retries_make_one_task_of_each_however_often_it_is_asked(coordinator: Coordinator) -> None:
    """S2."""
    ended = [(await coordinator.create(queue="q")).id for _ in range(3)]
    await bulk(coordinator, "cancel")
    waiting = await coordinator.create(queue="q")
    for _ in range(2):
        pages = await bulk(coordinator, "retry", page_size=2, request_id="again")
        assert [task_id for page in pages for task_id in page.task_ids] == ended
    made = [task for task in await listed(coordinator, queue="q", states=[PENDING]) if task.id != waiting.id]
    assert [(task.retry_of, task.request_id) for task in made] == [(each, f"bulk/again/{each}") for each in ended]


async def test_a_retry_ends_although_what_it_makes_ends_at_once(coordinator: Coordinator) -> None:
    """Each page is as large as what it makes, which is cancelled before the next."""
    for _ in range(2):
        await coordinator.create(queue="q")
    await bulk(coordinator, "cancel")
    request = pb.BulkChangeTasksRequest(filter=pb.TaskFilter(queue="q"), retry=pb.BulkRetry(), page_size=1)
    pages = 0
    while True:
        answer = await coordinator.tasks.BulkChangeTasks(request)
        await bulk(coordinator, "cancel")
        pages += 1
        request.page_token = answer.next_page_token
        if not request.page_token:
            break
    assert (pages, len(await listed(coordinator, queue="q"))) == (2, 4)


async def test_tasks_are_found_by_state_kind_and_label(coordinator: Coordinator) -> None:
    for kind, label in (("x", "1"), ("y", "1"), ("x", "2")):
        await coordinator.create(queue="q", kind=kind, labels={"l": label})
    [page] = await bulk(coordinator, "cancel", filter_=pb.TaskFilter(states=[PENDING], kind="x", labels={"l": "1"}))

    assert page.changed == 1
    assert [task.state == CANCELLED for task in await listed(coordinator)] == [True, False, False]


async def test_a_filter_without_a_condition_is_refused(coordinator: Coordinator) -> None:
    task = await coordinator.create()
    for filter_ in (pb.TaskFilter(namespace="default"), pb.TaskFilter(states=[task_pb2.TASK_STATE_UNSPECIFIED])):
        refused = await refusal(bulk(coordinator, "cancel", filter_=filter_))
        assert (refused.code, refused.fields.keys()) == (grpc.StatusCode.INVALID_ARGUMENT, {"filter"})
    nothing = pb.BulkChangeTasksRequest(filter=pb.TaskFilter(queue="q"))
    assert (await refusal(coordinator.tasks.BulkChangeTasks(nothing))).code is grpc.StatusCode.INVALID_ARGUMENT
    assert (await coordinator.tasks.GetTask(pb.GetTaskRequest(task_id=task.id))).task.version == 1


async def test_a_token_of_another_change_is_refused(coordinator: Coordinator) -> None:
    for _ in range(2):
        await coordinator.create(queue="q")
    filter_ = pb.TaskFilter(queue="q")
    first = pb.BulkChangeTasksRequest(filter=filter_, cancel=pb.BulkCancel(), page_size=1, preview=True)
    token = (await coordinator.tasks.BulkChangeTasks(first)).next_page_token
    other = pb.BulkChangeTasksRequest(filter=filter_, retry=pb.BulkRetry(), page_token=token)

    assert (await refusal(coordinator.tasks.BulkChangeTasks(other))).fields.keys() == {"page_token"}


@pytest.mark.parametrize("change", CHANGES)
async def test_tasks_of_another_namespace_are_not_found(coordinator: Coordinator, change: str) -> None:
    """S12."""
    await coordinator.create(queue="q")
    [page] = await bulk(coordinator, change, filter_=pb.TaskFilter(namespace="theirs", queue="q"))

    assert page.matched == 0
