"""The recent events, encoded, shared by all readers; each reader is only a number in it.

One writer (the feed) appends. Sequences of an epoch are dense, so an event's place is its sequence modulo the
capacity, and a reader that has seen everything up to `sequence` goes on with `sequence + 1`. What has been
overwritten is history, which the coordinator has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.domain.event import Position
from services.event_gateway import limits
from services.event_gateway.entry import Entry


class Ring:
    """Holds the events after `base` up to `head` of one epoch."""

    def __init__(self, *, events_max: int, bytes_max: int = limits.RING_BYTES_MAX) -> None:
        self._slots: list[Entry | None] = [None] * events_max
        self._bytes_max = bytes_max
        self._waiters: set[asyncio.Future[None]] = set()
        self._wake_handle: asyncio.TimerHandle | None = None
        self._woken_at = float("-inf")
        self.bytes_held = 0
        self.epoch = ""
        self.base = 0
        self.head = 0
        self.closed = False

    @property
    def position(self) -> Position | None:
        """The position of the head, or None before the first contact with a coordinator."""
        return Position(self.epoch, self.head) if self.epoch else None

    def __len__(self) -> int:
        return self.head - self.base

    def begin(self, position: Position) -> None:
        """Forgets everything and goes on after `position`."""
        self._slots = [None] * len(self._slots)
        self.bytes_held = 0
        self.epoch = position.epoch
        self.base = self.head = position.sequence
        self._wake_soon()

    def forget(self) -> None:
        """As before the first contact: whoever reads goes on from history until it begins anew."""
        self.begin(Position("", 0))

    def append(self, entries: Sequence[Entry]) -> None:
        """Adds the next events; the oldest give way."""
        assert self.epoch, "the ring has no beginning yet"
        for entry in entries:
            assert entry.sequence == self.head + 1, f"sequence {entry.sequence} does not follow {self.head}"
            if len(self) == len(self._slots):
                self._drop_oldest()
            self._slots[entry.sequence % len(self._slots)] = entry
            self.bytes_held += len(entry.frame)
            self.head = entry.sequence
        while self.bytes_held > self._bytes_max and len(self) > 1:
            self._drop_oldest()
        if entries:
            self._wake_soon()

    def covers(self, position: Position) -> bool:
        """Whether the ring has everything after `position`."""
        return position.epoch == self.epoch and self.base <= position.sequence <= self.head

    def after(self, sequence: int, count_max: int) -> list[Entry]:
        """Up to so many events after `sequence`, which the ring must cover."""
        assert self.base <= sequence <= self.head, f"{sequence} is not within {self.base} to {self.head}"
        size = len(self._slots)
        start = (sequence + 1) % size
        count = min(self.head - sequence, count_max)
        part = self._slots[start : start + count]
        if len(part) < count:
            part += self._slots[: count - len(part)]
        return [entry for entry in part if entry is not None]

    async def changed(self, timeout_seconds: float) -> bool:
        """Waits for the next change, or for its end; False if nothing changed for so long."""
        if self.closed:
            return True
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.add(waiter)
        timer = loop.call_later(timeout_seconds, waiter.cancel)
        try:
            await asyncio.wait((waiter,))
        finally:
            timer.cancel()
            self._waiters.discard(waiter)
        return not waiter.cancelled()

    def close(self) -> None:
        """Ends every reader's wait for good; the first step of a drain."""
        self.closed = True
        self._wake()

    def _drop_oldest(self) -> None:
        self.base += 1
        slot = self.base % len(self._slots)
        oldest = self._slots[slot]
        assert oldest is not None
        self.bytes_held -= len(oldest.frame)
        self._slots[slot] = None

    def _wake_soon(self) -> None:
        if self._wake_handle is not None:
            return
        loop = asyncio.get_running_loop()
        wait = self._woken_at + limits.WAKE_INTERVAL_SECONDS - loop.time()
        if wait <= 0:
            self._wake()
        else:
            self._wake_handle = loop.call_later(wait, self._wake)

    def _wake(self) -> None:
        if self._wake_handle is not None:
            self._wake_handle.cancel()
            self._wake_handle = None
        self._woken_at = asyncio.get_running_loop().time()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
