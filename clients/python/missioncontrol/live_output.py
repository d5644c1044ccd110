"""The live output of a lease while it runs: its newest bytes, by stream, for whoever follows.

Written by handlers from any thread, read by the session's thread. What is older than the bound is gone; offsets tell.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from missioncontrol import agent_limits as limits
from missioncontrol.v1 import task_service_pb2

STDOUT = task_service_pb2.OUTPUT_STREAM_STDOUT
STDERR = task_service_pb2.OUTPUT_STREAM_STDERR
LOG = task_service_pb2.OUTPUT_STREAM_LOG
STREAMS = (STDOUT, STDERR, LOG)


class LiveStream:
    """The last bytes of one stream, with their offsets in it."""

    __slots__ = ("_kept", "_lock", "_notify", "_start", "bytes_max")

    def __init__(self, bytes_max: int, notify: Callable[[], None]) -> None:
        self.bytes_max = bytes_max
        self._notify = notify
        self._kept = bytearray()
        self._start = 0
        self._lock = threading.Lock()

    @property
    def end(self) -> int:
        """How many bytes were written in all."""
        return self._start + len(self._kept)

    def append(self, data: bytes) -> None:
        """Writes, and lets the oldest bytes go."""
        with self._lock:
            self._kept += data
            excess = len(self._kept) - self.bytes_max
            if excess > 0:
                del self._kept[:excess]
                self._start += excess
        self._notify()

    def read(self, offset: int, bytes_max: int) -> tuple[int, bytes]:
        """What is kept from this offset on, or from the oldest byte kept, with the offset of its first byte."""
        with self._lock:
            first = max(offset, self._start)
            start = first - self._start
            return first, bytes(self._kept[start : start + bytes_max])


class LiveOutput:
    """The streams of one lease, made when they are first written. `notify` is called after writes while `followed`."""

    __slots__ = ("_lock", "_notify", "_streams", "followed")

    def __init__(self, notify: Callable[[], None]) -> None:
        self.followed = False
        self._notify = notify
        self._streams: dict[int, LiveStream] = {}
        self._lock = threading.Lock()

    def stream(self, number: int) -> LiveStream:
        """The stream of this number."""
        with self._lock:
            if number not in self._streams:
                size = limits.LOG_BYTES_MAX if number == LOG else limits.LIVE_BYTES_MAX
                self._streams[number] = LiveStream(size, self._written)
            return self._streams[number]

    def existing(self, number: int) -> LiveStream | None:
        """The stream of this number, if anything was written to it."""
        return self._streams.get(number)

    def _written(self) -> None:
        if self.followed:
            self._notify()
