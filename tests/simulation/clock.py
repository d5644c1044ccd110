"""Virtual time, chance and the trace of one run. What happens at the same instant happens in the order in which it was
planned.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable
from typing import Any

# The virtual clock starts here, microseconds since 1970 UTC: zero means "never" in the rows.
EPOCH_MICROS = 1_800_000_000_000_000


class Clock:
    """Seconds since the start are the monotonic clock of every process, `micros` is the database's."""

    def __init__(self, seed: int, *, tracing: bool = False) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.trace: list[str] = []
        self.tracing = tracing
        self._plans: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._planned = 0

    @property
    def micros(self) -> int:
        """The time of day."""
        return EPOCH_MICROS + round(self.now * 1e6)

    def later(self, delay: float, what: Callable[..., None], *arguments: Any) -> None:
        """Plans a call."""
        self.at(self.now + delay, what, *arguments)

    def at(self, time: float, what: Callable[..., None], *arguments: Any) -> None:
        """Plans a call at an instant, or now if that is past."""
        self._planned += 1
        heapq.heappush(self._plans, (max(time, self.now), self._planned, what, arguments))

    def run(self, until: float, *, done: Callable[[], bool]) -> bool:
        """Lets everything happen that is planned until then; stops when `done`, and says whether it was."""
        plans, steps = self._plans, 0
        while plans and plans[0][0] <= until:
            self.now, _, what, arguments = heapq.heappop(plans)
            what(*arguments)
            steps += 1
            if not steps & 31 and done():
                return True
        self.now = until
        return done()

    def note(self, who: str, *what: Any) -> None:
        """A line of the trace; nothing unless somebody wants to read it."""
        if self.tracing:
            self.trace.append(f"{self.now:9.4f} {who:12} {' '.join(' '.join(map(str, what)).split())}")

    def chance(self, part: float) -> bool:
        """True in this part of the cases."""
        return self.random.random() < part

    def digest(self) -> str:
        """Names the trace."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()[:16]
