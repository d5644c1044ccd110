"""One reader's way through the feed: history from the coordinator until the ring has the rest, then the ring.

A reader is a position and nothing else that grows. What it yields is to be written before it is asked for more, so a
reader that cannot keep up stays where it is, and once the ring has moved past it, it is ended: the ids that it has
seen tell it where to go on. Whether a position can be continued is for the coordinator to say; the ring is only asked
for what it surely has.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from enum import Enum

from services.domain.event import Position
from services.event_gateway import limits
from services.event_gateway.entry import Entry
from services.event_gateway.event_filter import EventFilter
from services.event_gateway.history import History, HistoryUnavailableError, Reset
from services.event_gateway.ring import Ring


class Idle(Enum):
    """Yielded when nothing was for so long that a sign of life is due."""

    KEEP_ALIVE = "keep-alive"


Item = Sequence[Entry] | Reset | Idle


class FellBehindError(Exception):
    """The ring has moved past this reader."""


class Reader:
    """Yields what comes after a position. `follow` goes on for ever, `until_head` ends where the feed's head was."""

    def __init__(
        self, ring: Ring, history: History, wanted: EventFilter, *, after: Position | None, keepalive_seconds: float
    ) -> None:
        self._ring = ring
        self._history = history
        self._wanted = wanted
        self._keepalive_seconds = keepalive_seconds
        self._due = asyncio.get_running_loop().time() + keepalive_seconds
        self.position = after

    @property
    def lag(self) -> int:
        """How many events of the ring are still to come; 0 while the reader is in history."""
        if self.position is None or not self._ring.covers(self.position):
            return 0
        return self._ring.head - self.position.sequence

    async def follow(self) -> AsyncGenerator[Item]:
        """Until the ring is closed. Raises FellBehindError."""
        while not self._ring.closed:
            follows_ring = self.position is not None and self._ring.covers(self.position)
            async with aclosing(self._live() if follows_ring else self._catch_up()) as items:
                async for item in items:
                    self._due = asyncio.get_running_loop().time() + self._keepalive_seconds
                    yield item

    async def until_head(self) -> AsyncGenerator[Item]:
        """Up to the head that the feed had at the beginning. Raises HistoryUnavailableError."""
        head: Position | None = None
        while True:
            page = await self._history.page(self.position, self._wanted, count_max=limits.PAGE_EVENTS_MAX)
            self.position = page.next_position
            if page.reset:
                head = page.head
                yield page.reset
            else:
                yield page.entries  # also without any: whoever is gone is noticed between two pages
            if self._time_left() <= 0:
                yield Idle.KEEP_ALIVE
                self._due = asyncio.get_running_loop().time() + self._keepalive_seconds
            head = head or page.head
            if self.position.sequence >= head.sequence or self.position == page.head:
                return

    async def _live(self) -> AsyncGenerator[Item]:
        """From the ring, as long as it covers the position."""
        ring, position = self._ring, self.position
        assert position is not None
        while not ring.closed and ring.covers(position):
            entries = ring.after(position.sequence, limits.CHUNK_EVENTS_MAX)
            if entries:
                self.position = position = Position(position.epoch, entries[-1].sequence)
                if selected := self._wanted.select(entries):
                    yield selected
                else:
                    await asyncio.sleep(0)
            else:
                await ring.changed(self._time_left())
            if self._time_left() <= 0:
                yield Idle.KEEP_ALIVE
        if position.epoch == ring.epoch and position.sequence < ring.base:
            raise FellBehindError

    async def _catch_up(self) -> AsyncGenerator[Item]:
        """One page of history, or a wait for the ring where history has no more."""
        ring = self._ring
        try:
            page = await self._history.page(self.position, self._wanted, count_max=limits.PAGE_EVENTS_MAX)
        except HistoryUnavailableError:
            await ring.changed(min(limits.HISTORY_RETRY_SECONDS, self._time_left()))
        else:
            self.position = page.next_position
            if page.reset:
                yield page.reset
            elif page.entries:
                yield page.entries
            if self.position == page.head:
                await self._until_covered(min(limits.HISTORY_RETRY_SECONDS, self._time_left()))
        if self._time_left() <= 0:
            yield Idle.KEEP_ALIVE

    async def _until_covered(self, seconds: float) -> None:
        """Waits for the ring to reach the position. It may change many times until then, and history has no more."""
        loop, ring, position = asyncio.get_running_loop(), self._ring, self.position
        end = loop.time() + seconds
        while position is not None and not ring.covers(position) and not ring.closed and loop.time() < end:
            await ring.changed(end - loop.time())

    def _time_left(self) -> float:
        return max(0.0, self._due - asyncio.get_running_loop().time())
