"""Live output on its way from agents to whoever looks: best effort, bounded, never stored.

Agents send output only while somebody follows it. A reader that is too slow loses the oldest pieces; the offsets tell.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from missioncontrol.v1.task_service_pb2 import OutputChunk

from services.coordinator.limits import OUTPUT_BYTES_MAX, OUTPUT_RECENT_BYTES_MAX

OutputKey = tuple[str, str]  # (namespace, task id)
Notify = Callable[[str, str], None]

# What a piece costs besides its data, so that empty ones are bounded, too.
_PIECE_BYTES = 128


def nobody_listens(namespace: str, task_id: str) -> None:
    """What is told before anybody wants to hear."""


class OutputBuffer:
    """Pieces of output, bounded: the oldest goes first."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._pieces: deque[OutputChunk] = deque()
        self._bytes = 0

    def put(self, piece: OutputChunk) -> None:
        """Adds a piece."""
        self._pieces.append(piece)
        self._bytes += len(piece.data) + _PIECE_BYTES
        while self._bytes > self._bytes_max:
            self._bytes -= len(self._pieces.popleft().data) + _PIECE_BYTES

    def take(self) -> list[OutputChunk]:
        """Takes all of them."""
        pieces = list(self._pieces)
        self._pieces.clear()
        self._bytes = 0
        return pieces

    def __iter__(self) -> Iterator[OutputChunk]:
        return iter(self._pieces)


class OutputFollower:
    """One reader of one task's output. `wake` is set when there is something to take."""

    def __init__(self, wake: asyncio.Event) -> None:
        self._wake = wake
        self._buffer = OutputBuffer(OUTPUT_BYTES_MAX)

    def put(self, piece: OutputChunk) -> None:
        """A piece came."""
        self._buffer.put(piece)
        self._wake.set()

    def take(self) -> list[OutputChunk]:
        """What came since the last time."""
        return self._buffer.take()


class _Topic:
    """One task's output while it is followed: its readers, and the latest pieces for those who come later."""

    def __init__(self) -> None:
        self.followers: list[OutputFollower] = []
        self.recent = OutputBuffer(OUTPUT_RECENT_BYTES_MAX)


class OutputRelay:
    """See the module. `on_first_follower` and `on_last_gone` tell whoever speaks with the agents what is wanted."""

    def __init__(self) -> None:
        self.on_first_follower: Notify = nobody_listens
        self.on_last_gone: Notify = nobody_listens
        self._topics: dict[OutputKey, _Topic] = {}

    def followed(self, namespace: str, task_id: str) -> bool:
        """Whether anybody wants this task's output."""
        return (namespace, task_id) in self._topics

    def publish(self, namespace: str, task_id: str, chunk: OutputChunk) -> None:
        """Hands a piece to all who follow the task; drops it if nobody does."""
        topic = self._topics.get((namespace, task_id))
        if topic is None:
            return
        topic.recent.put(chunk)
        for follower in topic.followers:
            follower.put(chunk)

    @contextmanager
    def follow(self, namespace: str, task_id: str, *, wake: asyncio.Event) -> Iterator[OutputFollower]:
        """Follows a task's output, beginning with what others have got lately."""
        key = (namespace, task_id)
        topic = self._topics.get(key)
        first = topic is None
        if topic is None:
            topic = self._topics[key] = _Topic()
        follower = OutputFollower(wake)
        for piece in topic.recent:
            follower.put(piece)
        topic.followers.append(follower)
        if first:
            self.on_first_follower(namespace, task_id)
        try:
            yield follower
        finally:
            topic.followers.remove(follower)
            if not topic.followers:
                del self._topics[key]
                self.on_last_gone(namespace, task_id)
