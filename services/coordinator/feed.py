"""The live end of the feed: a bounded ring of the latest events, which all followers share.

Nothing is kept per follower but its place, so a slow one costs no memory: when the ring has moved past its place, it
has fallen out. Events are encoded once, when the first follower wants them, and not at all as long as there is none.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress

from services.coordinator.limits import RING_BYTES_MAX, RING_EVENTS_MAX, WATCH_BYTES_MAX, WATCH_EVENTS_MAX
from services.domain.errors import Unavailable
from services.domain.event import Event, Position
from services.transport.convert_event import encoded_events

# About what an event takes without its words, bytes.
_EVENT_BYTES = 256
# The place of a follower that missed something: before every chunk.
_GONE = -1


class Chunk:
    """Events of one commit, as many as fit into one message."""

    __slots__ = ("_encoded", "_namespaces", "events", "first", "last", "weight")

    def __init__(self, first: int, events: Sequence[Event], weight: int) -> None:
        self.first = first
        self.last = first + len(events) - 1
        self.events = events
        self.weight = weight
        self._encoded: bytes | None = None
        self._namespaces: frozenset[str] | None = None

    def encoded(self, epoch: str) -> bytes:
        """The message of WatchEvents with all these events."""
        if self._encoded is None:
            self._encoded = encoded_events(enumerate(self.events, self.first), f"{epoch}:{self.last}")
        return self._encoded

    def lies_in(self, namespace: str) -> bool:
        """Whether all events are of this namespace."""
        if self._namespaces is None:
            self._namespaces = frozenset(event.namespace for event in self.events)
        return self._namespaces == {namespace}

    def after(self, sequence: int) -> Chunk:
        """The part of it after a sequence."""
        if sequence < self.first:
            return self
        rest = self.events[sequence + 1 - self.first :]
        return Chunk(sequence + 1, rest, weight_of(rest))


class Feed:
    """See the module. `append` takes the events in their order; `position` is where the feed stood before the first."""

    def __init__(self, position: Position) -> None:
        self.epoch = position.epoch
        self.head = position.sequence
        self.followers = 0
        self._chunks: deque[Chunk] = deque()
        self._dropped = 0  # chunks that have left the ring: the number of the first one in it
        self._events = 0
        self._bytes = 0
        self._moved = asyncio.Event()
        self._closed = False

    @property
    def position(self) -> Position:
        """The last event that this process has heard of."""
        return Position(self.epoch, self.head)

    def append(self, first: int, events: Sequence[Event]) -> None:
        """Appends what was committed, and wakes the followers."""
        if first != self.head + 1:
            self._forget()  # what is missing is in the database
        for chunk in chunks_of(first, events):
            self._chunks.append(chunk)
            self._events += len(chunk.events)
            self._bytes += chunk.weight
        self.head = first + len(events) - 1
        while self._events > RING_EVENTS_MAX or self._bytes > RING_BYTES_MAX:
            self._drop_oldest()
        self._wake()

    def tail(self, after: int) -> Tail | None:
        """A place behind this sequence; None if the ring does not reach back so far."""
        if after >= self.head:
            return Tail(self, after, self._dropped + len(self._chunks))
        index = bisect_left(self._chunks, after + 1, key=lambda chunk: chunk.last)
        if index == len(self._chunks) or self._chunks[index].first > after + 1:
            return None
        return Tail(self, after, self._dropped + index)

    def chunk(self, number: int) -> Chunk | None:
        """The chunk with this number, None if it is to come."""
        index = number - self._dropped
        return self._chunks[index] if index < len(self._chunks) else None

    def has_dropped(self, number: int) -> bool:
        """Whether this chunk has left the ring."""
        return number < self._dropped

    async def wait(self, *, beyond: int, seconds: float | None) -> None:
        """Returns when there is more than this sequence, or after so long. Raises Unavailable if the feed is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.head <= beyond and not self._closed:
                    await self._moved.wait()
        self.check_open()

    def check_open(self) -> None:
        """Raises Unavailable when the feed is closed."""
        if self._closed:
            raise Unavailable("this coordinator is stopping; connect again after your last position")

    def close(self) -> None:
        """Ends all followers."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def _drop_oldest(self) -> None:
        chunk = self._chunks.popleft()
        self._dropped += 1
        self._events -= len(chunk.events)
        self._bytes -= chunk.weight

    def _forget(self) -> None:
        while self._chunks:
            self._drop_oldest()


class Tail:
    """A follower's place in the ring: everything up to `sequence` was taken."""

    __slots__ = ("_feed", "_number", "sequence")

    def __init__(self, feed: Feed, sequence: int, number: int) -> None:
        self._feed = feed
        self._number = number
        self.sequence = sequence

    @property
    def fallen(self) -> bool:
        """Whether the ring has moved past this place."""
        return self._feed.has_dropped(self._number)

    def take(self) -> list[Chunk]:
        """What comes next, as far as it fits into one message. Empty at the head."""
        taken: list[Chunk] = []
        events = weight = 0
        while (chunk := self._feed.chunk(self._number)) is not None:
            if chunk.first > self.sequence + 1:
                self._number = _GONE
                break
            if taken and (events + len(chunk.events) > WATCH_EVENTS_MAX or weight + chunk.weight > WATCH_BYTES_MAX):
                break
            self._number += 1
            if chunk.last <= self.sequence:
                continue  # the database was ahead of what this process had heard
            taken.append(chunk.after(self.sequence))
            self.sequence = chunk.last
            events += len(chunk.events)
            weight += chunk.weight
        return taken


def chunks_of(first: int, events: Sequence[Event]) -> Iterator[Chunk]:
    """Cuts the events of a commit so that each part fits into one message."""
    start = weight = 0
    for index, event in enumerate(events):
        added = weight_of_one(event)
        if index > start and (index - start == WATCH_EVENTS_MAX or weight + added > WATCH_BYTES_MAX):
            yield Chunk(first + start, events[start:index], weight)
            start, weight = index, 0
        weight += added
    if start == 0:
        yield Chunk(first, events, weight)
    else:
        yield Chunk(first + start, events[start:], weight)


def weight_of(events: Sequence[Event]) -> int:
    """About how many bytes these events take."""
    return sum(map(weight_of_one, events))


def weight_of_one(event: Event) -> int:
    """About how many bytes an event takes. Only its words can be long."""
    data = event.data
    weight = _EVENT_BYTES
    if data.message:
        weight += len(data.message)
    if data.failure is not None:
        weight += len(data.failure.message)
    if data.progress is not None:
        weight += len(data.progress.message)
    return weight
