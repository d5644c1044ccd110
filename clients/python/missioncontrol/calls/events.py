"""EventService as Python calls: pages, and a feed that goes on at its position when the stream breaks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from missioncontrol import limits
from missioncontrol.calls.connection import Backoff, Connection
from missioncontrol.v1 import event_pb2, event_service_pb2


@dataclass(frozen=True)
class FeedReset:
    """The position that was asked for cannot be continued: what the reader knows must be read anew.

    `reason` is TRIMMED, EPOCH or AHEAD. The feed goes on after `position`, the beginning of what is kept.
    """

    reason: str
    requested: str
    position: str


@dataclass(frozen=True)
class FeedBatch:
    """Events that arrived together, in order. `position` stands after the last of them, and may move without any."""

    events: Sequence[event_pb2.Event]
    position: str
    caught_up: bool
    reset: FeedReset | None = None


class EventCalls:
    """The calls of EventService. The filter's namespace is the client's if it is left empty. All raise CallError."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    async def list_page(
        self,
        after: str = "",
        *,
        filter: event_service_pb2.EventFilter | None = None,  # noqa: A002 -- the contract's word
        page_size: int = limits.PAGE_SIZE_MAX,
    ) -> event_service_pb2.ListEventsResponse:
        """One page of events after a position, oldest first; the next begins after its `next_position`."""
        request = event_service_pb2.ListEventsRequest(after=after, filter=self._completed(filter), page_size=page_size)
        return await self._connection.call(lambda stubs: stubs.events.ListEvents, request)

    async def batches(
        self,
        after: str = "",
        *,
        filter: event_service_pb2.EventFilter | None = None,  # noqa: A002 -- the contract's word
        follow: bool = True,
    ) -> AsyncGenerator[FeedBatch, None]:
        """Events as they arrive, from a position on. A broken stream goes on after the last batch that arrived.

        Without `follow` it ends at the head. A batch with `reset` set has no events.
        """
        request = event_service_pb2.WatchEventsRequest(after=after, filter=self._completed(filter), follow=follow)
        pause = Backoff()
        while True:
            async with aclosing(self._connection.stream(lambda stubs: stubs.events.WatchEvents(request))) as messages:
                async for message in messages:
                    request.after = message.position or request.after
                    pause.reset()
                    yield _batch(message)
            if not follow:
                return
            await pause.wait()  # A coordinator that stops, politely.

    def watch(
        self,
        after: str = "",
        *,
        filter: event_service_pb2.EventFilter | None = None,  # noqa: A002 -- the contract's word
        follow: bool = True,
    ) -> EventStream:
        """The same one by one."""
        return EventStream(self.batches(after, filter=filter, follow=follow), after)

    def _completed(self, asked: event_service_pb2.EventFilter | None) -> event_service_pb2.EventFilter:
        completed = event_service_pb2.EventFilter()
        if asked is not None:
            completed.CopyFrom(asked)
        completed.namespace = completed.namespace or self._namespace
        return completed


class EventStream(AsyncIterator[event_pb2.Event | FeedReset]):
    """Events one by one, and a FeedReset where the feed could not be continued.

    `position` stands after what was handed out last: to go on later, keep it once that has been dealt with.
    """

    def __init__(self, batches: AsyncGenerator[FeedBatch, None], after: str) -> None:
        self._batches = batches
        self._batch = FeedBatch(events=(), position=after, caught_up=False)
        self._index = 0
        self.position = after

    async def __anext__(self) -> event_pb2.Event | FeedReset:
        while self._index >= len(self._batch.events):
            self._batch = await anext(self._batches)
            self._index = 0
            if not self._batch.events:
                self.position = self._batch.position or self.position
            if self._batch.reset is not None:
                return self._batch.reset
        event = self._batch.events[self._index]
        self._index += 1
        last = self._index == len(self._batch.events)
        self.position = self._batch.position if last else position_of(event, self._batch.position)
        return event

    async def aclose(self) -> None:
        """Ends the stream."""
        await self._batches.aclose()


def position_of(event: event_pb2.Event, neighbour: str) -> str:
    """The position of an event, given any position of the same epoch."""
    return f"{neighbour.partition(':')[0]}:{event.sequence}"


def sequence_of(position: str) -> int:
    """The sequence in a position; 0 for the empty one."""
    return int(position.rpartition(":")[2] or 0)


def _batch(message: event_service_pb2.WatchEventsResponse) -> FeedBatch:
    reset = None
    if message.HasField("reset"):
        reason = event_service_pb2.ResetReason.Name(message.reset.reason).removeprefix("RESET_REASON_")
        reset = FeedReset(reason=reason, requested=message.reset.requested, position=message.position)
    return FeedBatch(events=message.events, position=message.position, caught_up=message.caught_up, reset=reset)
