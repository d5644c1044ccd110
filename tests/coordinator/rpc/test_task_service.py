from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import grpc
import pytest
from missioncontrol.v1 import task_pb2
from missioncontrol.v1 import task_service_pb2 as wire

from services.coordinator import pages
from services.domain.commands import CancelTask, ReportKind, WakeTasks
from services.domain.failure import Failure, FailureReason, Progress
from services.store import tasks as stored_tasks
from services.store.tasks import get_task
from services.transport.convert_task import spec_of
from tests.coordinator.rpc.harness import Coordinator, reading, refusal, submit

FOREVER = 60.0


async def row_of(coordinator: Coordinator, task: task_pb2.Task) -> Any:
    """The task's row, for what agents do with it."""
    stored, _ = await coordinator.store.read(partial(get_task, namespace=task.spec.namespace, task_id=task.id))
    return stored.row


async def run_to(coordinator: Coordinator, task: task_pb2.Task, kind: ReportKind, **said: Any) -> None:
    """Grants the task to an agent, starts it, and ends it as told."""
    store = coordinator.store
    await store.admit()
    row = await row_of(coordinator, task)
    await store.grant(row)
    await store.report(row, ReportKind.STARTED)
    await store.report(row, kind, digest="d", **said)


async def test_a_created_task_is_answered_without_its_payload_and_read_with_it(coordinator: Coordinator) -> None:
    created = await coordinator.create(priority=5, labels={"team": "a"})
    read = await coordinator.tasks.GetTask(wire.GetTaskRequest(task_id=created.id))

    assert created.state == task_pb2.TASK_STATE_PENDING
    assert (created.spec.namespace, created.spec.queue, created.version) == ("default", "default", 1)
    assert not created.spec.HasField("payload")
    assert read.task.spec.payload.data == b"input"
    assert read.task.spec.labels == {"team": "a"}
    assert read.position == str(coordinator.parts.feed.position)


async def test_a_repeated_submit_gives_the_same_task(coordinator: Coordinator) -> None:
    first = await coordinator.tasks.CreateTask(submit("key"))
    again = await coordinator.tasks.CreateTask(submit("key"))

    assert not first.deduplicated
    assert again.deduplicated
    assert again.task == first.task


async def test_a_request_id_with_another_body_names_the_task_that_has_it(coordinator: Coordinator) -> None:
    first = await coordinator.tasks.CreateTask(submit("key"))

    refused = await refusal(coordinator.tasks.CreateTask(submit("key", priority=1)))

    assert refused.code is grpc.StatusCode.ALREADY_EXISTS
    assert refused.metadata["task_id"] == first.task.id


async def test_fifty_concurrent_submits_of_each_key_make_one_task_of_each(coordinator: Coordinator) -> None:
    """S2."""
    keys = [f"key-{number}" for number in range(4)]
    calls = [coordinator.tasks.CreateTask(submit(key)) for _ in range(50) for key in keys]

    answers = await asyncio.gather(*calls)

    ids = {key: {answer.task.id for answer in answers[index::4]} for index, key in enumerate(keys)}
    assert all(len(found) == 1 for found in ids.values()), ids
    assert sum(not answer.deduplicated for answer in answers) == 4
    listed = await coordinator.tasks.ListTasks(wire.ListTasksRequest())
    assert {task.id for task in listed.tasks} == set().union(*ids.values())


async def test_a_batch_answers_each_item_in_order_and_a_bad_one_fails_alone(coordinator: Coordinator) -> None:
    bad_selector = task_pb2.LabelSelector(key="k", operator=task_pb2.SELECTOR_OPERATOR_GREATER, values=["many"])
    items = [
        submit("a"),
        submit("b", kind=""),
        submit("c", payload=task_pb2.Payload(data=b"x" * 262_145)),
        submit("d", requirements=task_pb2.Requirements(selectors=[bad_selector])),
        submit("a"),
        submit("a", priority=3),
    ]

    response = await coordinator.tasks.BatchCreateTasks(wire.BatchCreateTasksRequest(requests=items))

    results = list(response.results)
    assert [result.WhichOneof("result") for result in results] == [
        "task_id",
        "error",
        "error",
        "error",
        "task_id",
        "error",
    ]
    assert results[4].task_id == results[0].task_id
    assert results[4].deduplicated
    messages = [result.error.message for result in results if result.HasField("error")]
    assert messages[0].startswith("spec.kind: ")
    assert messages[1].startswith("spec.payload.data: ")
    assert "262144" in messages[1]
    assert messages[2].startswith("spec.requirements.selectors[0].values: GREATER needs exactly one decimal number")
    assert results[5].error.code == grpc.StatusCode.ALREADY_EXISTS.value[0]


async def test_an_empty_batch_is_refused(coordinator: Coordinator) -> None:
    refused = await refusal(coordinator.tasks.BatchCreateTasks(wire.BatchCreateTasksRequest()))

    assert refused.fields.keys() == {"requests"}


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"payload": task_pb2.Payload(data=b"x" * 262_145)}, "spec.payload.data", "262144"),
        ({"labels": {"a": "b\0"}}, 'spec.labels["a"]', "NUL"),
        ({"kind": "no\0op"}, "spec.kind", "NUL"),
        ({"priority": 101}, "spec.priority", "100"),
        ({"queue": "-bad"}, "spec.queue", ""),
        ({"namespace": "Bad"}, "spec.namespace", ""),
        ({"not_before_time": {"seconds": -1}}, "spec.not_before_time", ""),
        ({"not_before_time": {"seconds": 2**60}}, "spec.not_before_time", "9999"),
        ({"not_before_time": {"seconds": 1, "nanos": -5}}, "spec.not_before_time", ""),
        ({"queue_time_limit": {"seconds": -3}}, "spec.queue_time_limit", ""),
        ({"run_time_limit": {"seconds": 0}}, "spec.run_time_limit", ""),
        ({"requirements": {"resources": {"gpu": -1.0}}}, 'spec.requirements.resources["gpu"]', ""),
        ({"requirements": {"resources": {"gpu": float("nan")}}}, 'spec.requirements.resources["gpu"]', ""),
        ({"retry_policy": {"retry_reasons": [99]}}, "spec.retry_policy.retry_reasons[0]", ""),
    ],
)
async def test_bad_input_is_refused_with_the_field_and_the_reason(
    coordinator: Coordinator, fields: dict[str, Any], field: str, words: str
) -> None:
    refused = await refusal(coordinator.tasks.CreateTask(submit(**fields)))

    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert field in refused.fields
    assert words in refused.fields[field]
    assert (await coordinator.tasks.ListTasks(wire.ListTasksRequest())).tasks == []


async def test_bad_utf8_is_refused_with_the_field(coordinator: Coordinator) -> None:
    content = submit(kind="noop").SerializeToString().replace(b"noop", b"no\xff\xfe")

    refused = await refusal(coordinator.raw("CreateTask", content))

    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "spec.kind" in refused.fields


async def test_foreign_and_missing_tasks_give_the_same_refusal(coordinator: Coordinator) -> None:
    foreign = await coordinator.create(namespace="theirs")
    missing = "0" * len(foreign.id)
    calls = {
        "GetTask": wire.GetTaskRequest,
        "CancelTask": wire.CancelTaskRequest,
        "RetryTask": wire.RetryTaskRequest,
        "ListAttempts": wire.ListAttemptsRequest,
    }

    for name, request in calls.items():
        method = getattr(coordinator.tasks, name)
        refused = [await refusal(method(request(task_id=task_id))) for task_id in (foreign.id, missing)]
        assert {found.code for found in refused} == {grpc.StatusCode.NOT_FOUND}, name
        assert refused[0].message.replace(foreign.id, missing) == refused[1].message, name


async def test_a_list_names_the_position_that_it_is_consistent_with(coordinator: Coordinator) -> None:
    """Listing again and again while tasks come: each page shows exactly what the feed said up to its position."""
    await coordinator.create()
    submits = asyncio.gather(*[coordinator.create() for _ in range(40)])
    pages = [await coordinator.tasks.ListTasks(wire.ListTasksRequest(page_size=1000)) for _ in range(10)]
    await submits

    for page in pages:
        assert len(page.tasks) == int(page.position.partition(":")[2])


async def test_pages_go_on_where_the_one_before_ended(coordinator: Coordinator) -> None:
    created = [(await coordinator.create()).id for _ in range(5)]
    seen, token = [], ""
    while True:
        page = await coordinator.tasks.ListTasks(wire.ListTasksRequest(page_size=2, page_token=token))
        seen += [task.id for task in page.tasks]
        token = page.next_page_token
        if not token:
            break

    assert seen == created[::-1]


async def test_pages_of_large_tasks_are_cut_and_nothing_is_left_out(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_tasks, "PAGE_DOCUMENT_BYTES_MAX", 500)
    monkeypatch.setattr(pages, "PAGE_BYTES_MAX", 1_000)
    created = [(await coordinator.create(payload={"data": b"x" * 100})).id for _ in range(10)]
    created += [(await coordinator.create(labels={"long": "x" * 250})).id for _ in range(10)]
    seen: list[str] = []
    sizes: list[int] = []
    token = ""
    while not sizes or token:
        page = await coordinator.tasks.ListTasks(wire.ListTasksRequest(page_token=token))
        seen += [task.id for task in page.tasks]
        sizes.append(len(page.tasks))
        token = page.next_page_token

    assert seen == created[::-1]
    assert 1 < max(sizes) < 10


async def test_pages_of_large_attempts_are_cut_and_nothing_is_left_out(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_tasks, "PAGE_DOCUMENT_BYTES_MAX", 500)
    store = coordinator.store
    created = await coordinator.create(retry_policy={"attempts_max": 9, "initial_backoff": {}})
    await store.admit()
    output = task_pb2.Payload(data=b"x" * 300).SerializeToString()
    for token in range(1, 6):
        row = await row_of(coordinator, created)
        if row.state == task_pb2.TASK_STATE_SCHEDULED:
            await store.journal.submit(WakeTasks([created.id]))
        await store.grant(row)
        await store.report(row, ReportKind.FAILED, token=token, failure=Failure(1), document=output, digest="d")
    seen, page_token, pages_read = [], "", 0
    while not pages_read or page_token:
        page = await coordinator.tasks.ListAttempts(wire.ListAttemptsRequest(task_id=created.id, page_token=page_token))
        seen += [attempt.token for attempt in page.attempts]
        page_token = page.next_page_token
        pages_read += 1

    assert seen == [1, 2, 3, 4, 5]
    assert pages_read == 3


@pytest.mark.parametrize("token", ["garbage", "e30", "WzEsIngiLCJ5Il0", "WzEsIngiLDVd", "💥"])
async def test_an_unknown_page_token_is_refused(coordinator: Coordinator, token: str) -> None:
    refused = await refusal(coordinator.tasks.ListTasks(wire.ListTasksRequest(page_token=token)))

    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields.keys() == {"page_token"}


async def test_a_page_token_is_good_only_for_its_own_list(coordinator: Coordinator) -> None:
    for _ in range(2):
        await coordinator.create()
    page = await coordinator.tasks.ListTasks(wire.ListTasksRequest(page_size=1))
    token = page.next_page_token

    refused = [
        await refusal(coordinator.tasks.ListTasks(wire.ListTasksRequest(queue="other", page_token=token))),
        await refusal(coordinator.tasks.ListTasks(wire.ListTasksRequest(namespace="theirs", page_token=token))),
        await refusal(
            coordinator.tasks.ListAttempts(wire.ListAttemptsRequest(task_id=page.tasks[0].id, page_token=token))
        ),
    ]

    assert [found.fields.keys() for found in refused] == [{"page_token"}] * 3


async def test_a_pending_task_is_cancelled_at_once_and_again_without_effect(coordinator: Coordinator) -> None:
    created = await coordinator.create()
    request = wire.CancelTaskRequest(task_id=created.id, reason="no need")

    first = await coordinator.tasks.CancelTask(request)
    again = await coordinator.tasks.CancelTask(request)

    assert first.task.state == task_pb2.TASK_STATE_CANCELLED
    assert first.task.HasField("cancel_request_time")
    assert first.task.agent_id == ""
    assert again.task == first.task


async def test_only_a_terminal_task_can_be_retried(coordinator: Coordinator) -> None:
    created = await coordinator.create()

    refused = await refusal(coordinator.tasks.RetryTask(wire.RetryTaskRequest(task_id=created.id)))

    assert refused.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refused.metadata["state"] == "PENDING"


async def test_a_retry_is_a_new_task_and_the_old_one_stays_as_it_is(coordinator: Coordinator) -> None:
    created = await coordinator.create(labels={"a": "b"})
    await coordinator.tasks.CancelTask(wire.CancelTaskRequest(task_id=created.id))
    request = wire.RetryTaskRequest(task_id=created.id, request_id="retry")

    first = await coordinator.tasks.RetryTask(request)
    again = await coordinator.tasks.RetryTask(request)
    stored = await coordinator.tasks.GetTask(wire.GetTaskRequest(task_id=first.task.id))
    old = await coordinator.tasks.GetTask(wire.GetTaskRequest(task_id=created.id))

    assert first.task.id != created.id
    assert stored.task.retry_of == created.id
    assert stored.task.spec.payload.data == b"input"
    assert (first.deduplicated, again.deduplicated) == (False, True)
    assert again.task.id == first.task.id
    assert old.task.state == task_pb2.TASK_STATE_CANCELLED


async def test_the_request_id_of_a_retry_belongs_to_the_task_that_it_retries(coordinator: Coordinator) -> None:
    ids = [(await coordinator.create()).id for _ in range(2)]
    for task_id in ids:
        await coordinator.tasks.CancelTask(wire.CancelTaskRequest(task_id=task_id))
    await coordinator.tasks.RetryTask(wire.RetryTaskRequest(task_id=ids[0], request_id="retry"))

    refused = await refusal(coordinator.tasks.RetryTask(wire.RetryTaskRequest(task_id=ids[1], request_id="retry")))

    assert refused.code is grpc.StatusCode.ALREADY_EXISTS


async def test_a_task_that_succeeded_has_its_output_and_usage(coordinator: Coordinator) -> None:
    created = await coordinator.create()
    output = task_pb2.Payload(data=b"done", content_type="text/plain")
    usage = task_pb2.Usage(input_tokens=7)
    await run_to(
        coordinator,
        created,
        ReportKind.SUCCEEDED,
        document=output.SerializeToString(),
        usage=usage.SerializeToString(),
    )

    whole = (await coordinator.tasks.GetTask(wire.GetTaskRequest(task_id=created.id))).task
    [listed] = (await coordinator.tasks.ListTasks(wire.ListTasksRequest())).tasks

    assert whole.state == task_pb2.TASK_STATE_SUCCEEDED
    assert (whole.output, whole.usage) == (output, usage)
    assert (whole.agent_id, whole.token) == ("agent-1", 1)
    assert whole.HasField("start_time")
    assert whole.HasField("end_time")
    assert not listed.HasField("output")
    assert not listed.HasField("usage")
    assert not listed.spec.HasField("payload")


async def test_a_failed_attempt_shows_on_the_task_that_waits_for_the_next(coordinator: Coordinator) -> None:
    created = await coordinator.create()
    await run_to(coordinator, created, ReportKind.FAILED, failure=Failure(FailureReason.ERROR, "boom", "X"))

    task = (await coordinator.tasks.GetTask(wire.GetTaskRequest(task_id=created.id))).task
    attempts = await coordinator.tasks.ListAttempts(wire.ListAttemptsRequest(task_id=created.id))

    assert task.state == task_pb2.TASK_STATE_SCHEDULED
    assert task.HasField("schedule_time")
    assert (task.failure.message, task.failure.code, task.failures) == ("boom", "X", 1)
    assert task.agent_id == ""
    assert [a.outcome for a in attempts.attempts] == [task_pb2.ATTEMPT_OUTCOME_FAILED]
    assert attempts.attempts[0].failure == task.failure


async def test_the_current_attempt_is_the_last_of_the_list(coordinator: Coordinator) -> None:
    created = await coordinator.create()
    await run_to(coordinator, created, ReportKind.PROGRESS, progress=Progress(0.25, "a quarter"))

    [attempt] = (await coordinator.tasks.ListAttempts(wire.ListAttemptsRequest(task_id=created.id))).attempts
    task = (await coordinator.tasks.GetTask(wire.GetTaskRequest(task_id=created.id))).task

    assert attempt.outcome == task_pb2.ATTEMPT_OUTCOME_UNSPECIFIED
    assert not attempt.HasField("end_time")
    assert attempt.progress.fraction == 0.25
    assert task.progress.message == "a quarter"


async def test_a_watch_sends_the_task_now_when_it_changed_and_at_its_end(coordinator: Coordinator) -> None:
    created = await coordinator.create()
    async with reading(coordinator.tasks.WatchTask(wire.WatchTaskRequest(task_id=created.id))) as call:
        first = await anext(aiter(call))
        await run_to(coordinator, created, ReportKind.SUCCEEDED)
        rest = [update.task async for update in call]

        assert first.task.state == task_pb2.TASK_STATE_PENDING
        assert rest[-1].state == task_pb2.TASK_STATE_SUCCEEDED
        versions = [first.task.version, *[task.version for task in rest]]
        assert versions == sorted(set(versions))
        assert await call.code() is grpc.StatusCode.OK


async def test_a_watch_of_a_terminal_task_sends_it_and_ends(coordinator: Coordinator) -> None:
    created = await coordinator.create()
    await coordinator.store.journal.submit(CancelTask("default", created.id))

    updates = [u async for u in coordinator.tasks.WatchTask(wire.WatchTaskRequest(task_id=created.id))]

    assert [update.task.state for update in updates] == [task_pb2.TASK_STATE_CANCELLED]


async def test_a_watch_of_a_missing_task_is_refused(coordinator: Coordinator) -> None:
    call = coordinator.tasks.WatchTask(wire.WatchTaskRequest(task_id="missing"))

    assert (await refusal(anext(aiter(call)))).code is grpc.StatusCode.NOT_FOUND


async def test_a_watch_ends_as_unavailable_when_the_coordinator_stops(coordinator: Coordinator) -> None:
    created = await coordinator.create()
    async with reading(coordinator.tasks.WatchTask(wire.WatchTaskRequest(task_id=created.id))) as call:
        await anext(aiter(call))
        coordinator.parts.watchers.close()
        refused = await refusal(anext(aiter(call)))

    late = await refusal(anext(aiter(watch_further(coordinator, created))))
    assert refused.code is late.code is grpc.StatusCode.UNAVAILABLE


async def watch_further(coordinator: Coordinator, task: task_pb2.Task) -> AsyncGenerator[Any, None]:
    """What a watch sends after the first message."""
    first = True
    async for update in coordinator.tasks.WatchTask(wire.WatchTaskRequest(task_id=task.id)):
        if not first:
            yield update
        first = False


async def test_no_end_is_missed_however_the_watch_and_the_change_meet(coordinator: Coordinator) -> None:
    async def watched(task: task_pb2.Task) -> int:
        last = 0
        async for update in coordinator.tasks.WatchTask(wire.WatchTaskRequest(task_id=task.id)):
            last = update.task.state
        return last

    created = [await coordinator.create() for _ in range(20)]
    async with asyncio.timeout(FOREVER):
        cancels = [coordinator.tasks.CancelTask(wire.CancelTaskRequest(task_id=task.id)) for task in created]
        states = await asyncio.gather(*map(watched, created), *cancels)

    assert set(states[:20]) == {task_pb2.TASK_STATE_CANCELLED}


async def test_live_output_comes_between_the_tasks_and_only_while_it_is_followed(coordinator: Coordinator) -> None:
    told: list[tuple[str, str]] = []
    relay = coordinator.parts.relay
    relay.on_first_follower = lambda *key: told.append(("first", key[1]))
    relay.on_last_gone = lambda *key: told.append(("gone", key[1]))
    created = await coordinator.create()
    request = wire.WatchTaskRequest(task_id=created.id, follow_output=True)
    async with reading(coordinator.tasks.WatchTask(request)) as call:
        await anext(aiter(call))
        chunk = wire.OutputChunk(token=1, stream=wire.OUTPUT_STREAM_STDOUT, data=b"hello")
        relay.publish("theirs", created.id, chunk)
        while not relay.followed("default", created.id):
            await asyncio.sleep(0)
        relay.publish("default", created.id, chunk)
        update = await anext(aiter(call))
        await coordinator.store.journal.submit(CancelTask("default", created.id))
        rest = [u async for u in call]

    assert update.output == chunk
    assert [u.task.state for u in rest] == [task_pb2.TASK_STATE_CANCELLED]
    assert told == [("first", created.id), ("gone", created.id)]


async def test_the_document_is_the_spec_with_its_defaults(coordinator: Coordinator) -> None:
    created = await coordinator.create()
    stored, _ = await coordinator.store.read(partial(get_task, namespace="default", task_id=created.id))

    assert spec_of(stored.document).queue == "default"
