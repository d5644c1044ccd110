"""The one follower of the full feed: a process of its own, a WatchEvents stream on the coordinator, without filters.

It counts the outcomes that the feed tells of and shares the count with the loader through a small memory-mapped file:
telling costs neither of them anything. Run as `python -m benchmarks.follower <address> <file>`.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import uvloop
from missioncontrol.v1 import event_pb2, event_service_pb2, event_service_pb2_grpc

_LAYOUT = struct.Struct("=QQQQ")
_FEED_BYTES_MAX = 64 << 20
_OUTCOMES = frozenset(
    {
        event_pb2.EVENT_TYPE_TASK_SUCCEEDED,
        event_pb2.EVENT_TYPE_TASK_FAILED,
        event_pb2.EVENT_TYPE_TASK_CANCELLED,
        event_pb2.EVENT_TYPE_TASK_EXPIRED,
    }
)


@dataclass(frozen=True)
class Count:
    """What the follower has seen: outcomes, when the last of them came (system-wide monotonic clock), events, gaps."""

    outcomes: int
    outcome_time_ns: int
    events: int
    gaps: int


class Counter:
    """The shared count. One process stores, another loads; a torn read is healed by the next."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(bytes(_LAYOUT.size))
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), _LAYOUT.size)

    def store(self, count: Count) -> None:
        """Shares a count."""
        _LAYOUT.pack_into(self._memory, 0, count.outcomes, count.outcome_time_ns, count.events, count.gaps)

    def load(self) -> Count:
        """The last count that was shared."""
        return Count(*_LAYOUT.unpack_from(self._memory, 0))


async def follow(address: str, counter: Counter) -> None:
    """Follows from the beginning, over restarts of the coordinator."""
    outcomes = outcome_time_ns = sequence = gaps = 0
    async for batch in batches(address):
        ended = sum(event.type in _OUTCOMES for event in batch.events)
        if ended:
            outcomes, outcome_time_ns = outcomes + ended, time.monotonic_ns()
        dense = batch.events[0].sequence == sequence + 1
        sequence = batch.events[-1].sequence
        gaps += not dense
        counter.store(Count(outcomes, outcome_time_ns, sequence, gaps))


async def batches(address: str) -> AsyncIterator[event_service_pb2.WatchEventsResponse]:
    """The messages that hold events."""
    position = ""
    options = [("grpc.max_receive_message_length", _FEED_BYTES_MAX), ("grpc.max_reconnect_backoff_ms", 200)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        events = event_service_pb2_grpc.EventServiceStub(channel)
        while True:
            request = event_service_pb2.WatchEventsRequest(after=position, follow=True)
            with suppress(grpc.aio.AioRpcError):
                async for batch in events.WatchEvents(request, wait_for_ready=True):
                    position = batch.position or position
                    if batch.events:
                        yield batch


if __name__ == "__main__":
    uvloop.run(follow(sys.argv[1], Counter(Path(sys.argv[2]))))
