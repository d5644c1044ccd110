"""Waiting for a task and following it, over streams that break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from missioncontrol import errors
from missioncontrol.calls.events import FeedReset
from missioncontrol.client import Client
from missioncontrol.payload import encode_payload
from missioncontrol.v1 import event_pb2, event_service_pb2, task_pb2, task_service_pb2

from tests.clients.client.conftest import Conversation
from tests.clients.client.peer import abort, error_info, feed, output, refuse, reply, stream, task, update

PENDING, RUNNING = task_pb2.TASK_STATE_PENDING, task_pb2.TASK_STATE_RUNNING
SUCCEEDED = task_pb2.TASK_STATE_SUCCEEDED
SUCCESS = update(SUCCEEDED, output=encode_payload({"x": 1}))


@dataclass(frozen=True)
class Point:
    x: int


@pytest.mark.parametrize(
    "code",
    [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, None],
)
async def test_a_result_is_waited_for_over_streams_that_break_or_end_too_early(
    conversation: Conversation, code: grpc.StatusCode | None
) -> None:
    conversation.peer.answers(
        "WatchTask", stream(update(PENDING), then=code), stream(update(RUNNING), then=code), stream(SUCCESS)
    )

    assert await conversation.client.handle("t-1").result(Point) == Point(1)
    assert len(conversation.peer.asked) == 3


async def test_a_watch_that_was_quiet_for_longer_than_an_outage_may_be_survives_a_break(
    conversation: Conversation,
) -> None:
    outage_seconds = 0.1

    async def quiet(request: Any, context: Any) -> AsyncIterator[Any]:
        yield update(RUNNING)
        await asyncio.sleep(5 * outage_seconds)
        await abort(context, grpc.StatusCode.UNAVAILABLE)

    conversation.peer.answers("WatchTask", quiet, stream(SUCCESS))
    async with Client(conversation.address, outage_seconds=outage_seconds) as client:
        assert await client.handle("t-1").result(Point) == Point(1)


async def test_a_result_without_a_type_is_what_its_content_type_says(conversation: Conversation) -> None:
    conversation.peer.answers("WatchTask", stream(SUCCESS))

    assert await conversation.client.handle("t-1").result() == {"x": 1}


async def test_a_handle_knows_the_type_that_was_given_at_the_submit(conversation: Conversation) -> None:
    conversation.peer.answers("WatchTask", stream(SUCCESS))

    assert await conversation.client.handle("t-1", into=Point).result() == Point(1)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (task_pb2.TASK_STATE_FAILED, errors.TaskFailed),
        (task_pb2.TASK_STATE_CANCELLED, errors.TaskCancelled),
        (task_pb2.TASK_STATE_EXPIRED, errors.TaskExpired),
    ],
)
async def test_a_task_that_did_not_succeed_is_an_error_with_the_whole_task(
    conversation: Conversation, state: int, kind: type[errors.TaskError]
) -> None:
    failure = task_pb2.Failure(reason=task_pb2.FAILURE_REASON_ERROR, message="boom", code="exit:3")
    conversation.peer.answers("WatchTask", stream(update(state, failure=failure, output=encode_payload(b"log"))))

    with pytest.raises(kind, match=r"t-1 .*ERROR, exit:3.*boom") as caught:
        await conversation.client.handle("t-1").result()

    assert caught.value.reason == "ERROR"
    assert caught.value.task.output.data == b"log"


async def test_a_task_that_is_not_there_is_not_waited_for(conversation: Conversation) -> None:
    missing = stream(then=grpc.StatusCode.NOT_FOUND, details=[error_info("NOT_FOUND")])
    conversation.peer.answers("WatchTask", missing)

    with pytest.raises(errors.NotFound):
        await conversation.client.handle("t-9").wait()


async def test_live_output_comes_once_though_a_new_stream_sends_it_again(conversation: Conversation) -> None:
    broken = stream(update(RUNNING), output(0, b"one "), output(4, b"two "), then=grpc.StatusCode.UNAVAILABLE)
    conversation.peer.answers("WatchTask", broken, stream(update(RUNNING), output(0, b"one two three"), SUCCESS))

    chunks = [chunk async for chunk in conversation.client.handle("t-1").output()]

    assert b"".join(chunk.data for chunk in chunks) == b"one two three"
    assert [chunk.offset for chunk in chunks] == [0, 4, 8]
    assert conversation.peer.asked[0].follow_output


async def test_the_output_of_a_further_attempt_is_output_of_its_own(conversation: Conversation) -> None:
    messages = (update(RUNNING), output(0, b"first", token=1), output(0, b"again", token=2), SUCCESS)
    conversation.peer.answers("WatchTask", stream(*messages))

    chunks = [(chunk.token, chunk.data) async for chunk in conversation.client.handle("t-1").output()]

    assert chunks == [(1, b"first"), (2, b"again")]


async def test_a_cancel_carries_its_reason_and_a_request_id(conversation: Conversation) -> None:
    conversation.peer.answers("CancelTask", reply(task_service_pb2.CancelTaskResponse(task=task())))

    await conversation.client.handle("t-1").cancel(reason="not needed")

    asked = conversation.peer.asked[0]
    assert (asked.task_id, asked.namespace, asked.reason) == ("t-1", "team", "not needed")
    assert asked.request_id


async def test_a_tasks_events_end_with_its_terminal_one(conversation: Conversation) -> None:
    last = feed(1, 2, 3)
    last.events[1].type = event_pb2.EVENT_TYPE_TASK_SUCCEEDED
    conversation.peer.answers("WatchEvents", stream(last))

    events = [event async for event in conversation.client.handle("t-1").events()]

    assert [event.sequence for event in events if isinstance(event, event_pb2.Event)] == [1, 2]
    assert conversation.peer.asked[0].filter.task_id == "t-1"


async def test_the_events_of_a_task_that_ended_before_the_position_end_at_the_head(conversation: Conversation) -> None:
    head = event_service_pb2.WatchEventsResponse(position="e:9", caught_up=True)
    conversation.peer.answers("WatchEvents", stream(head, feed(10)))
    conversation.peer.answers("GetTask", reply(task_service_pb2.GetTaskResponse(task=task(SUCCEEDED), position="e:9")))

    assert [event async for event in conversation.client.handle("t-1").events("e:8")] == []


async def test_the_events_of_a_task_that_is_not_there_are_an_error(conversation: Conversation) -> None:
    conversation.peer.answers(
        "WatchEvents", stream(event_service_pb2.WatchEventsResponse(position="e:9", caught_up=True))
    )
    conversation.peer.answers("GetTask", refuse(grpc.StatusCode.NOT_FOUND, error_info("NOT_FOUND")))

    with pytest.raises(errors.NotFound):
        assert [event async for event in conversation.client.handle("t-9").events()] == []


async def test_a_reset_among_a_tasks_events_is_told(conversation: Conversation) -> None:
    reset = event_service_pb2.Reset(reason=event_service_pb2.RESET_REASON_TRIMMED, requested="e:1")
    end = feed(8)
    end.events[0].type = event_pb2.EVENT_TYPE_TASK_FAILED
    conversation.peer.answers(
        "WatchEvents", stream(event_service_pb2.WatchEventsResponse(reset=reset, position="e:7"), end)
    )

    events = [event async for event in conversation.client.handle("t-1").events("e:1")]

    assert events[0] == FeedReset(reason="TRIMMED", requested="e:1", position="e:7")
