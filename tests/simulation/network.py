"""One stream between two processes: what is said arrives in order, until the stream is cut.

After a cut what was on its way may still arrive, or not, each way by itself, and each side learns of it in its own
time.
A mute stream takes everything and delivers nothing: both sides believe in it until they miss the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulation.clock import Clock


class Way:
    """One direction. `receive` gets the messages, `ended` the error that the stream ended with (None: it broke)."""

    def __init__(self, clock: Clock, seconds: Callable[[], float]) -> None:
        self.receive: Callable[[Any], None] = lambda _message: None
        self.ended: Callable[[Any], None] = lambda _error: None
        self.mute = False
        self._clock = clock
        self._seconds = seconds
        self._last = 0.0
        self.closed = False
        self._broken = False

    def send(self, message: Any) -> None:
        """Puts a message on its way."""
        if self.closed or self.mute:
            return
        self._last = max(self._last, self._clock.now + self._seconds())
        self._clock.at(self._last, self._arrive, message)

    def close(self, error: Any, *, arriving: bool, delay: float = 0.0) -> None:
        """Nothing more is sent; the other side learns of it after what still arrives, if that does."""
        if self.closed:
            return
        self.closed = True
        self._broken = not arriving
        self._clock.at(max(self._last if arriving else 0.0, self._clock.now + delay), self._end, error)

    def _arrive(self, message: Any) -> None:
        if not self._broken and not self.mute:
            self.receive(message)

    def _end(self, error: Any) -> None:
        self._broken = True
        self.ended(error)


class Stream:
    """`up` from whoever opened it, `down` back."""

    def __init__(self, clock: Clock, seconds: Callable[[], float]) -> None:
        self.up, self.down = Way(clock, seconds), Way(clock, seconds)
        self._clock = clock

    def cut(self) -> None:
        """The network breaks it."""
        choose = self._clock.random
        for way in (self.up, self.down):
            way.close(None, arriving=self._clock.chance(0.5), delay=choose.choice((0.0, 0.0, 0.05, 0.5, 2.0)))

    agent_died = coordinator_died = cut

    def mute(self) -> None:
        """Nothing arrives any more, and nobody is told."""
        self.up.mute = self.down.mute = True

    def leave(self) -> None:
        """Whoever opened it drops it."""
        self.up.close(None, arriving=self._clock.chance(0.5))
        self.down.close(None, arriving=False)
        self.down.ended = lambda _error: None

    def end(self, error: Any) -> None:
        """The other side ends it with an error."""
        self.down.close(error, arriving=True)
        self.up.close(None, arriving=False)
        self.up.ended = lambda _error: None
