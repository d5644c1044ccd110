"""The feed over streams that break: it goes on where it was, or says that it cannot."""

from __future__ import annotations

import grpc
import pytest
from missioncontrol import errors
from missioncontrol.calls.events import FeedReset
from missioncontrol.event_names import event_name, event_type
from missioncontrol.v1 import event_pb2, event_service_pb2

from tests.clients.client.conftest import Conversation
from tests.clients.client.peer import error_info, feed, stream


def _sequences(items: list[event_pb2.Event | FeedReset]) -> list[int | str]:
    return [item.sequence if isinstance(item, event_pb2.Event) else item.reason for item in items]


async def test_a_broken_feed_goes_on_after_the_last_batch_that_arrived(conversation: Conversation) -> None:
    broken = stream(feed(1, 2), feed(3, position="e:5"), then=grpc.StatusCode.UNAVAILABLE)
    conversation.peer.answers("WatchEvents", broken, stream(feed(6)))

    items = [item async for item in conversation.client.events("e:0", follow=False)]

    assert _sequences(items) == [1, 2, 3, 6]
    assert [request.after for request in conversation.peer.asked] == ["e:0", "e:5"]


async def test_a_feed_from_the_head_goes_on_at_the_first_position_and_not_at_a_later_head(
    conversation: Conversation,
) -> None:
    first = event_service_pb2.WatchEventsResponse(position="e:9", caught_up=True)
    conversation.peer.answers("WatchEvents", stream(first, then=grpc.StatusCode.INTERNAL), stream(feed(10)))

    items = [item async for item in conversation.client.events("head", follow=False)]

    assert _sequences(items) == [10]
    assert [request.after for request in conversation.peer.asked] == ["head", "e:9"]


async def test_a_reader_that_was_too_slow_goes_on_where_it_was(conversation: Conversation) -> None:
    slow = stream(feed(1), then=grpc.StatusCode.RESOURCE_EXHAUSTED, details=[error_info("SLOW_READER")])
    conversation.peer.answers("WatchEvents", slow, stream(feed(2)))

    items = [item async for item in conversation.client.events("", follow=False)]

    assert _sequences(items) == [1, 2]


async def test_a_reset_is_handed_out_and_the_feed_goes_on_behind_it(conversation: Conversation) -> None:
    reset = event_service_pb2.Reset(reason=event_service_pb2.RESET_REASON_EPOCH, requested="old:7")
    message = event_service_pb2.WatchEventsResponse(reset=reset, position="e:0")
    conversation.peer.answers("WatchEvents", stream(message, feed(1)))

    items = [item async for item in conversation.client.events("old:7", follow=False)]

    assert items[0] == FeedReset(reason="EPOCH", requested="old:7", position="e:0")
    assert _sequences(items) == ["EPOCH", 1]


async def test_the_position_stands_after_what_was_handed_out(conversation: Conversation) -> None:
    conversation.peer.answers("WatchEvents", stream(feed(1, 2, position="e:7")))
    events = conversation.client.events("e:0", follow=False)
    positions = [events.position]

    async for _ in events:
        positions.append(events.position)

    assert positions == ["e:0", "e:1", "e:7"]


async def test_a_service_that_refuses_ends_the_feed(conversation: Conversation) -> None:
    refused = stream(then=grpc.StatusCode.INVALID_ARGUMENT, details=[error_info("INVALID_ARGUMENT")])
    conversation.peer.answers("WatchEvents", refused)

    with pytest.raises(errors.InvalidArgument):
        await anext(conversation.client.events("nonsense"))


async def test_filters_travel_with_the_request(conversation: Conversation) -> None:
    conversation.peer.answers("WatchEvents", stream(feed(1)))

    events = conversation.client.events(types=["task.failed"], queue="q", agent_id="a", follow=False)
    assert [item async for item in events]

    wanted = conversation.peer.asked[0].filter
    assert (wanted.namespace, wanted.queue, wanted.agent_id) == ("team", "q", "a")
    assert list(wanted.types) == [event_pb2.EVENT_TYPE_TASK_FAILED]


def test_events_have_the_names_of_the_contract() -> None:
    assert event_name(event_pb2.EVENT_TYPE_TASK_CANCEL_REQUESTED) == "task.cancel_requested"
    assert event_type("queue.paused") == event_pb2.EVENT_TYPE_QUEUE_PAUSED
    with pytest.raises(ValueError, match=r"task\.flown.*task\.created"):
        event_type("task.flown")
