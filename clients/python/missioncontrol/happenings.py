"""What happens in the agent's handlers, on its way to the session's thread: a mailbox that many threads fill and one
empties.

A wake-up is a system call and a turn of the interpreter's lock, so a burst of happenings costs one, not one each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any

from missioncontrol.session_effects import LeaseKey


class HappeningKind(IntEnum):
    """What happened to a lease; in brackets what the happening carries."""

    CLAIMED = 1
    """A handler took it."""
    ENDED = 2
    """Its work ended (the outcome)."""
    PROGRESS = 3
    """It got further (Progress)."""
    CHECKPOINT = 4
    """It has a state to go on from (Payload)."""
    OUTPUT = 5
    """It wrote output that somebody follows."""


Happening = tuple[HappeningKind, LeaseKey, Any]


class Mailbox:
    """Happenings in order. `wake` is called, from the thread that puts, when the mailbox was empty or was being
    emptied.

    Bounded by what puts: a lease claims and ends once; progress, checkpoints and output of a handler are folded as
    soon as the session's thread comes to it, and that thread depends on no handler.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._items: deque[Happening] = deque()
        self._awake = False

    def put(self, happening: Happening) -> None:
        """Adds a happening. Any thread."""
        self._items.append(happening)
        if not self._awake:
            self._awake = True
            self._wake()

    def take(self) -> Iterator[Happening]:
        """Takes out what there is. Only the thread that was woken."""
        # Cleared before the deque is looked at: whoever puts after that wakes again, so nothing is left lying.
        self._awake = False
        for _ in range(len(self._items)):
            yield self._items.popleft()
