"""Flushes of a world that are prepared before the ones below them are written."""

from __future__ import annotations

import re
from collections import deque
from typing import Any

from services.domain.commands import Command
from services.store.flush import Committed, Prepared
from tests.store.world import World


class Ahead:
    """Flushes of a world that are prepared and not written yet."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.waiting: deque[Prepared] = deque()

    def prepare(self, *commands: Command) -> list[Any]:
        """The answers that will be given once it is written."""
        prepared = self.world.flusher.prepare(commands, read_requests=True)
        self.waiting.append(prepared)
        return prepared.answers

    def write(self) -> Committed:
        """The oldest goes to disk."""
        prepared = self.waiting.popleft()
        return self.world.flusher.settle(prepared, self.world.writer.write(prepared.batch))

    def write_all(self) -> list[Committed]:
        return [self.write() for _ in range(len(self.waiting))]

    def discard(self) -> None:
        """The oldest could not be written: none of them will be."""
        self.waiting.clear()
        self.world.flusher.discard()


def untimed(value: Any) -> str:
    """What a value says, apart from the time at which it was made."""
    return re.sub(r"\b(\w*_?time)=\d+", r"\1=", repr(value))
