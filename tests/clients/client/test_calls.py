"""Calls over a network that fails: retries, request ids, deadlines, typed errors, the next address."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from missioncontrol import errors
from missioncontrol.client import Client
from missioncontrol.command import CommandOutput
from missioncontrol.requests import task_request
from missioncontrol.tls import CA_FILE, CERTIFICATE_FILE, KEY_FILE
from missioncontrol.v1 import task_pb2, task_service_pb2

from services.transport.tls import server_credentials
from tests.certificates import Authority
from tests.clients.client.conftest import Conversation
from tests.clients.client.peer import (
    Answer,
    Peer,
    bad_field,
    created,
    error_info,
    refuse,
    reply,
    retry_after,
    serve,
)
from tests.e2e.waiting import until

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


async def test_a_submit_is_repeated_with_the_same_request_id_until_somebody_answers(conversation: Conversation) -> None:
    busy = refuse(UNAVAILABLE)
    conversation.peer.answers("CreateTask", *[busy] * 5, created())

    handle = await conversation.client.submit("build")

    assert handle.id == "t-1"
    assert len(conversation.peer.asked) == 6
    assert len({request.request_id for request in conversation.peer.asked}) == 1
    assert conversation.peer.asked[0].request_id


async def test_a_reply_that_is_lost_gives_the_task_that_was_made(conversation: Conversation) -> None:
    tasks: dict[str, str] = {}
    accepted = asyncio.Event()

    async def accept(request: Any, context: Any) -> Any:
        seen = request.request_id in tasks
        task_id = tasks.setdefault(request.request_id, f"t-{len(tasks) + 1}")
        if not seen:
            accepted.set()
            await asyncio.Event().wait()  # Done, and the connection goes before anybody hears of it.
        return task_service_pb2.CreateTaskResponse(task=task_pb2.Task(id=task_id), deduplicated=seen)

    conversation.peer.answers("CreateTask", accept)
    restarted = Peer()
    restarted.answers("CreateTask", accept)
    submitting = asyncio.create_task(conversation.client.submit("build"))
    await accepted.wait()
    await conversation.server.stop(0)
    server, _ = await serve(restarted, conversation.address)

    handle = await submitting

    assert handle.id == "t-1"
    assert len(tasks) == 1
    await server.stop(0)


async def test_two_submits_have_two_request_ids_and_the_clients_namespace(conversation: Conversation) -> None:
    conversation.peer.answers("CreateTask", created())

    await conversation.client.submit("build")
    await conversation.client.submit("build")

    first, second = conversation.peer.asked
    assert first.request_id != second.request_id
    assert first.spec.namespace == "team"


async def test_a_request_that_is_handed_in_is_not_changed(conversation: Conversation) -> None:
    conversation.peer.answers("CreateTask", created())
    request = task_request("build")

    await conversation.client.tasks.create(request)

    assert request == task_request("build")


async def test_a_refusal_is_told_at_once_with_all_that_the_service_said(conversation: Conversation) -> None:
    details = (error_info("INVALID_ARGUMENT", limit="262144"), bad_field("spec.payload", "too large"))
    conversation.peer.answers("CreateTask", refuse(grpc.StatusCode.INVALID_ARGUMENT, *details))

    with pytest.raises(errors.InvalidArgument, match=r"spec\.payload: too large") as caught:
        await conversation.client.submit("build")

    assert caught.value.reason == "INVALID_ARGUMENT"
    assert caught.value.metadata == {"limit": "262144"}
    assert caught.value.field_violations[0].field == "spec.payload"
    assert len(conversation.peer.asked) == 1


async def test_a_reused_request_id_names_the_task_that_has_it(conversation: Conversation) -> None:
    info = error_info("REQUEST_ID_REUSED", task_id="t-9")
    conversation.peer.answers("CreateTask", refuse(grpc.StatusCode.ALREADY_EXISTS, info))

    with pytest.raises(errors.AlreadyExists) as caught:
        await conversation.client.submit("build", request_id="r")

    assert caught.value.metadata["task_id"] == "t-9"


async def test_the_wait_that_the_service_asks_for_is_kept(conversation: Conversation) -> None:
    full = refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, error_info("RESOURCE_EXHAUSTED"), retry_after(0.3))
    conversation.peer.answers("CreateTask", full, created())
    begin = time.monotonic()

    await conversation.client.submit("build")

    assert time.monotonic() - begin >= 0.3


async def test_a_limit_without_a_wait_is_not_tried_again(conversation: Conversation) -> None:
    full = refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, error_info("RESOURCE_EXHAUSTED"))
    conversation.peer.answers("CreateTask", full)

    with pytest.raises(errors.ResourceExhausted):
        await conversation.client.submit("build")

    assert len(conversation.peer.asked) == 1


async def test_where_nobody_answers_the_error_says_where_and_comes_by_the_deadline() -> None:
    begin = time.monotonic()
    async with Client("127.0.0.1:1", call_seconds=2.0) as client:
        with pytest.raises(errors.Unavailable, match=r"no answer from 127\.0\.0\.1:1: .*refused"):
            await client.tasks.get("t-1")

    assert time.monotonic() - begin < 15.0, "without a deadline of its own it would be 30"


async def test_a_server_that_swallows_a_call_is_given_up_at_the_deadline(conversation: Conversation) -> None:
    async def never(request: Any, context: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    conversation.peer.answers("GetTask", never)
    async with Client(conversation.address, call_seconds=0.3) as client:
        with pytest.raises(errors.DeadlineExceeded):
            await client.tasks.get("t-1")


async def test_the_next_name_is_tried_where_the_first_does_not_answer(conversation: Conversation) -> None:
    conversation.peer.answers("CreateTask", created())
    port = conversation.address.rpartition(":")[2]

    async with Client(f"localhost:1,localhost:{port}", call_seconds=60) as client:
        assert (await client.submit("build")).id == "t-1"


async def test_many_submits_are_cut_into_batches_by_count_and_by_bytes(conversation: Conversation) -> None:
    async def accept(request: Any, context: Any) -> Any:
        results = [task_service_pb2.BatchCreateTasksResult(task_id=each.spec.kind) for each in request.requests]
        return task_service_pb2.BatchCreateTasksResponse(results=results)

    conversation.peer.answers("BatchCreateTasks", accept)
    small = [task_request(f"k{number}") for number in range(1001)]
    large = [task_request(f"l{number}", b"x" * 260_000) for number in range(13)]

    handles = await conversation.client.submit_many([*small, *large])

    assert [handle.id for handle in handles] == [request.spec.kind for request in [*small, *large]]
    assert [len(request.requests) for request in conversation.peer.asked] == [1000, 13, 1]
    assert all(each.request_id for request in conversation.peer.asked for each in request.requests)


async def test_names_of_other_requests_hold_across_batches(conversation: Conversation) -> None:
    async def accept(request: Any, context: Any) -> Any:
        refused = task_service_pb2.BatchCreateTasksResult()
        refused.error.code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
        results = [
            refused if each.spec.kind == "k1" else task_service_pb2.BatchCreateTasksResult(task_id=each.spec.kind)
            for each in request.requests
        ]
        return task_service_pb2.BatchCreateTasksResponse(results=results)

    conversation.peer.answers("BatchCreateTasks", accept)
    names = {999: ["#0"], 1000: ["#0", "#1", "an-id", "#x"], 1001: ["#1000"]}
    requests = [task_request(f"k{number}", depends_on=names.get(number, [])) for number in range(1002)]

    with pytest.raises(errors.BatchRefused):
        await conversation.client.submit_many(requests)

    first, second = [request.requests for request in conversation.peer.asked]
    assert list(first[999].spec.depends_on) == ["#0"]
    assert [list(each.spec.depends_on) for each in second] == [["k0", "#refused:1", "an-id", "#x"], ["#0"]]
    assert list(requests[1001].spec.depends_on) == ["#1000"], "the caller's own is left as it was"


async def test_a_bad_item_of_a_batch_is_named_and_the_others_have_handles(conversation: Conversation) -> None:
    refused = task_service_pb2.BatchCreateTasksResult()
    refused.error.code, refused.error.message = grpc.StatusCode.INVALID_ARGUMENT.value[0], "bad kind"
    results = [task_service_pb2.BatchCreateTasksResult(task_id="t-1"), refused]
    conversation.peer.answers("BatchCreateTasks", reply(task_service_pb2.BatchCreateTasksResponse(results=results)))

    with pytest.raises(errors.BatchRefused, match=r"1 of 2 .* number 1: bad kind") as caught:
        await conversation.client.submit_many([task_request("a"), task_request("b")])

    assert [handle and handle.id for handle in caught.value.handles] == ["t-1", None]
    assert isinstance(caught.value.errors[1], errors.InvalidArgument)


async def test_a_command_is_a_task_with_a_document_and_a_typed_result(conversation: Conversation) -> None:
    conversation.peer.answers("CreateTask", created())

    handle = await conversation.client.submit_command(["ls", "-l"], cwd="/tmp", run_time_limit=5, queue="q")

    spec = conversation.peer.asked[0].spec
    assert (spec.kind, spec.queue, spec.run_time_limit.seconds) == ("command", "q", 5)
    assert b'"argv":["ls","-l"]' in spec.payload.data
    assert b'"cwd":"/tmp"' in spec.payload.data
    assert handle._into is CommandOutput


async def test_all_pages_of_a_list_are_read(conversation: Conversation) -> None:
    async def page(request: Any, context: Any) -> Any:
        first = not request.page_token
        return task_service_pb2.ListTasksResponse(
            tasks=[task_pb2.Task(id="t-2" if first else "t-1")], next_page_token="next" if first else ""
        )

    conversation.peer.answers("ListTasks", page)

    assert [task.id async for task in conversation.client.tasks.list(queue="q")] == ["t-2", "t-1"]
    assert [request.queue for request in conversation.peer.asked] == ["q", "q"]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("the request is wrong", "the request is wrong [spec.kind: too long] (INVALID_ARGUMENT)"),
        ("too long", "too long [spec.kind] (INVALID_ARGUMENT)"),
        ("spec.kind: too long", "spec.kind: too long (INVALID_ARGUMENT)"),
    ],
)
def test_a_refused_field_is_named_once(message: str, sentence: str) -> None:
    violation = errors.FieldViolation(field="spec.kind", description="too long")
    code = grpc.StatusCode.INVALID_ARGUMENT
    status = errors.CallStatus(code=code, message=message, reason=code.name, field_violations=(violation,))

    assert str(errors.refusal(status)) == sentence


def without_room(seconds: float, reason: str = "QUEUE_FULL") -> Any:
    info = error_info(reason, queue="q", pending="7", limit="7")
    return refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, info, retry_after(seconds))


async def test_a_queue_without_room_is_told_at_once_with_the_time_to_come_back(conversation: Conversation) -> None:
    conversation.peer.answers("CreateTask", without_room(60.0))

    with pytest.raises(errors.QueueRefused) as caught:
        await conversation.client.submit("build")

    refused = caught.value
    assert (refused.reason, refused.queue, refused.pending) == ("QUEUE_FULL", "q", 7)
    assert refused.retry_after == timedelta(minutes=1)
    assert len(conversation.peer.asked) == 1


async def test_a_submit_that_waits_for_room_asks_again_with_the_same_request_id(conversation: Conversation) -> None:
    conversation.peer.answers("CreateTask", *[without_room(0.01, "QUEUE_THROTTLED")] * 3, created())

    handle = await conversation.client.submit("build", wait_for_room=timedelta(minutes=1))

    assert handle.id == "t-1"
    assert len({request.request_id for request in conversation.peer.asked}) == 1
    assert len(conversation.peer.asked) == 4


async def test_a_submit_waits_for_room_no_longer_than_it_says_and_asks_a_last_time(conversation: Conversation) -> None:
    conversation.peer.answers("CreateTask", without_room(600.0))
    with pytest.raises(errors.QueueRefused):
        await conversation.client.submit("build")  # now it is connected, and the next answer comes in no time

    with pytest.raises(errors.QueueRefused):
        await conversation.client.submit("build", wait_for_room=0.5)

    assert len(conversation.peer.asked) == 1 + 2


def filling_up(room: dict[str, list[bool]]) -> Answer:
    """Answers batches; says for each kind, time by time, whether there is room for it."""
    full = task_service_pb2.BatchCreateTasksResult()
    full.error.code = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    for detail in (error_info("QUEUE_FULL"), retry_after(0.01)):
        full.error.details.add().Pack(detail)

    async def answer(request: Any, context: Any) -> Any:
        results = [
            task_service_pb2.BatchCreateTasksResult(task_id=each.spec.kind) if room[each.spec.kind].pop(0) else full
            for each in request.requests
        ]
        return task_service_pb2.BatchCreateTasksResponse(results=results)

    return answer


async def test_of_a_batch_only_what_was_refused_for_want_of_room_comes_again(conversation: Conversation) -> None:
    room = {"a": [True], "b": [False, True], "c": [False, False, True]}
    conversation.peer.answers("BatchCreateTasks", filling_up(room))

    handles = await conversation.client.submit_many([task_request(kind) for kind in room], wait_for_room=60)

    assert [handle.id for handle in handles] == ["a", "b", "c"]
    assert [[each.spec.kind for each in batch.requests] for batch in conversation.peer.asked] == [
        ["a", "b", "c"], ["b", "c"], ["c"],
    ]  # fmt: skip


async def test_names_of_other_requests_hold_while_a_batch_waits_for_room(conversation: Conversation) -> None:
    room = {"a": [True, True], "b": [False, True], "c": [False, True]}
    conversation.peer.answers("BatchCreateTasks", filling_up(room))
    requests = [task_request("a"), task_request("b"), task_request("c", depends_on=["#0"])]

    handles = await conversation.client.submit_many(requests, wait_for_room=60)

    again = conversation.peer.asked[-1].requests
    named = {each.spec.kind: [again[int(name[1:])].spec.kind for name in each.spec.depends_on] for each in again}
    assert [handle.id for handle in handles] == ["a", "b", "c"]
    assert named["c"] == ["a"]


async def test_a_client_that_lives_long_shows_its_renewed_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    authority = Authority(tmp_path)
    files = authority.server("127.0.0.1", client_ca=authority.ca)
    shown = Authority(tmp_path / "gone").issue("client", "client")  # by somebody whom the coordinator does not know
    for variable, path in zip((CA_FILE, CERTIFICATE_FILE, KEY_FILE), (authority.ca, *shown), strict=True):
        monkeypatch.setenv(variable, str(path))
    peer = Peer()
    peer.answers("CreateTask", created())
    server, address = await serve(peer, credentials=server_credentials(files))
    async with Client(address, call_seconds=60) as client:
        refused = client._connection.stubs.channel
        submitting = asyncio.create_task(client.submit("build"))
        await until(lambda: refused.get_state() is grpc.ChannelConnectivity.TRANSIENT_FAILURE)

        for old, new in zip(shown, authority.issue("client", "client"), strict=True):
            old.write_bytes(new.read_bytes())

        assert (await submitting).id == "t-1"
    await server.stop(0)
