"""One call of WatchEvents: history from the database, page by page, then the live ring, joined without gap or doubling.

Both are read behind one number, the sequence that was reached: as long as the ring does not reach back to it, the next
page comes from the database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from missioncontrol.v1 import event_service_pb2 as wire

from services.coordinator.feed import Chunk, Feed, Tail, chunks_of
from services.coordinator.limits import POSITION_SECONDS, WATCH_EVENTS_MAX, WATCH_PAUSE_SECONDS, WATCH_WRITE_SECONDS
from services.domain.errors import SlowReader, Unavailable
from services.domain.event import Event, Position, parse_position
from services.domain.event_filter import EventFilter
from services.store.feed import FeedBounds, list_events, read_bounds
from services.store.readers import Readers
from services.transport.convert_event import CAUGHT_UP, encoded_events

Write = Callable[[bytes], Awaitable[None]]
HEAD = "head"


def start_of(after: str, bounds: FeedBounds) -> tuple[int, wire.Reset | None]:
    """The sequence behind which a reader begins, and a reset if it is not the one asked for. Raises InvalidArgument."""
    if not after:
        return bounds.beginning.sequence, None
    if after == HEAD:
        return bounds.head, None
    position = parse_position(after)
    reason = reset_reason(position, bounds)
    if reason is None:
        return position.sequence, None
    return bounds.beginning.sequence, wire.Reset(reason=reason, requested=after)


def reset_reason(position: Position, bounds: FeedBounds) -> wire.ResetReason.ValueType | None:
    """Why this position cannot be continued; None if it can."""
    if position.epoch != bounds.epoch:
        return wire.RESET_REASON_EPOCH
    if position.sequence > bounds.head:
        return wire.RESET_REASON_AHEAD
    if position.sequence < bounds.beginning.sequence:
        return wire.RESET_REASON_TRIMMED
    return None


class EventWatch:
    """See the module. `write` takes serialized messages and waits while the reader does not read."""

    def __init__(self, feed: Feed, readers: Readers, wanted: EventFilter, *, follow: bool, write: Write) -> None:
        self._feed = feed
        self._readers = readers
        self._wanted = wanted
        self._follow = follow
        self._write = write
        self._sequence = 0  # everything up to here was sent, or is not wanted
        self._target = 0  # without `follow`: where the stream ends
        self._said = -1  # the sequence in the last message
        self._said_at = 0.0
        self._said_caught_up = False

    async def run(self, after: str) -> None:
        """Sends everything after a position. Raises SlowReader, and InvalidArgument for what is no position."""
        await self._begin(after)
        while (tail := self._feed.tail(self._sequence)) is None:
            self._feed.check_open()
            await self._send_page()
            if self._finished():
                return
        await self._send_live(tail)

    async def _begin(self, after: str) -> None:
        bounds = await self._readers.run(read_bounds)
        self._require_epoch(bounds)
        self._target = bounds.head
        self._sequence, reset = start_of(after, bounds)
        if reset is not None:
            await self._send_reset(reset)

    def _require_epoch(self, bounds: FeedBounds) -> None:
        """Raises Unavailable if the database is another one by now: its numbers mean other events than the ring's."""
        if bounds.epoch != self._feed.epoch:
            raise Unavailable("the feed has begun another epoch, and this coordinator ends: connect to another")

    def _finished(self) -> bool:
        return not self._follow and self._said_caught_up and self._sequence >= self._target

    # History.

    async def _send_page(self) -> None:
        read = partial(list_events, filter_=self._wanted, after=self._sequence, limit=WATCH_EVENTS_MAX)
        page = await self._readers.run(read)
        self._require_epoch(page.bounds)
        beginning = page.bounds.beginning
        if beginning.sequence > self._sequence:  # trimmed while it was read
            self._sequence = beginning.sequence
            requested = str(Position(self._feed.epoch, max(self._said, 0)))
            await self._send_reset(wire.Reset(reason=wire.RESET_REASON_TRIMMED, requested=requested))
            return
        sequences = [sequence for sequence, _ in page.events]
        start = 0
        for part in chunks_of(0, [event for _, event in page.events]) if page.events else ():
            end = start + len(part.events)
            reached = sequences[end - 1] if end < len(sequences) else page.reached
            await self._send_events(page.events[start:end], reached)
            start = end
        self._sequence = max(self._sequence, page.reached)
        await self._move_position()

    # The live ring.

    async def _send_live(self, tail: Tail) -> None:
        while not tail.fallen:
            chunks = tail.take()
            if chunks:
                await self._send_chunks(chunks)
                await self._pause()
            elif not tail.fallen:
                await self._move_position()
            if self._finished():
                return
            if not chunks:
                await self._feed.wait(beyond=tail.sequence, seconds=self._position_due())
        raise self._slow_reader()

    async def _pause(self) -> None:
        """Lets a busy feed gather: the first event after a quiet time goes at once, later messages hold what came."""
        if self._follow:
            await asyncio.sleep(max(0.0, self._said_at + WATCH_PAUSE_SECONDS - time.monotonic()))

    async def _send_chunks(self, chunks: list[Chunk]) -> None:
        self._feed.check_open()
        last = chunks[-1].last
        if all(self._wants_whole(chunk) for chunk in chunks):
            self._sequence = last
            await self._send(b"".join([chunk.encoded(self._feed.epoch) for chunk in chunks]))
            return
        wants = self._wanted.wants
        found = [(n, event) for chunk in chunks for n, event in enumerate(chunk.events, chunk.first) if wants(event)]
        if found:
            await self._send_events(found, last)
        else:
            self._sequence = last
            await self._move_position()

    def _wants_whole(self, chunk: Chunk) -> bool:
        wanted = self._wanted
        return not wanted.narrows and (not wanted.namespace or chunk.lies_in(wanted.namespace))

    # Messages.

    async def _send_events(self, events: list[tuple[int, Event]], reached: int) -> None:
        self._sequence = reached
        await self._send(encoded_events(events, f"{self._feed.epoch}:{reached}"))

    async def _move_position(self) -> None:
        """Says where the reader is: when it has caught up for the first time, then now and again while it moves."""
        first_time = self._is_caught_up() and not self._said_caught_up
        if first_time or self._position_due() == 0:
            await self._send(encoded_events((), f"{self._feed.epoch}:{self._sequence}"))

    def _position_due(self) -> float | None:
        """Seconds until the position has to be said; None if it was."""
        if self._said == self._sequence:
            return None
        return max(0.0, self._said_at + POSITION_SECONDS - time.monotonic())

    async def _send_reset(self, reset: wire.Reset) -> None:
        position = f"{self._feed.epoch}:{self._sequence}"
        await self._put(wire.WatchEventsResponse(reset=reset, position=position).SerializeToString())

    async def _send(self, message: bytes) -> None:
        caught_up = self._is_caught_up()
        await self._put(message + CAUGHT_UP if caught_up else message)
        self._said_caught_up = self._said_caught_up or caught_up

    def _is_caught_up(self) -> bool:
        return self._sequence >= (self._feed.head if self._follow else self._target)

    async def _put(self, message: bytes) -> None:
        self._said, self._said_at = self._sequence, time.monotonic()
        try:
            async with asyncio.timeout(WATCH_WRITE_SECONDS):
                await self._write(message)
        except TimeoutError:
            raise self._slow_reader() from None

    def _slow_reader(self) -> SlowReader:
        return SlowReader("the reader fell too far behind: connect again after the last position that was received")
