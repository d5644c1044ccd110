"""How long a flush waits for company.

A flush costs the same whether it holds one command or ten, and so do the messages that follow it. Callers that wait for
an answer before they ask again come back together: so the next flush waits until as many commands have come as the one
before held, but not for long. One caller after the other never waits, nor does the first after a quiet time.
"""

from __future__ import annotations

from services.store.limits import GATHER_SECONDS


class Gathering:
    """What the last flush tells about the next. Times are seconds of any monotonic clock."""

    def __init__(self) -> None:
        self._expected = 0
        self._until = 0.0

    def began(self, commands: int, *, now: float) -> None:
        """A flush of so many commands goes to the writer."""
        self._expected = commands
        self._until = now + GATHER_SECONDS

    def seconds_left(self, queued: int, *, now: float) -> float:
        """How long the commands that are queued still wait for others; 0.0 if they need not."""
        if queued >= self._expected:
            return 0.0
        return max(0.0, self._until - now)
