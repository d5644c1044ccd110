"""When work that runs reaches its time limit. Times are monotonic seconds that the caller brings."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from missioncontrol.session_effects import LeaseKey

# Entries of work that ended early stay behind; they are cleared when they are the most, but not for a few.
_STALE_MIN = 64


@dataclass(slots=True)
class RunLimits:
    """The limits of what runs, the next one first."""

    _order: list[tuple[float, LeaseKey]] = field(default_factory=list)
    _running: set[LeaseKey] = field(default_factory=set)

    def add(self, key: LeaseKey, until: float) -> None:
        """This work must end by then."""
        if len(self._order) > _STALE_MIN + 2 * len(self._running):
            self._order = [each for each in self._order if each[1] in self._running]
            heapq.heapify(self._order)
        self._running.add(key)
        heapq.heappush(self._order, (until, key))

    def end(self, key: LeaseKey) -> None:
        """It has ended."""
        self._running.discard(key)

    def reached(self, now: float) -> Iterator[LeaseKey]:
        """The work that still runs at its limit; each is named once."""
        while self._order and now >= self._order[0][0]:
            key = heapq.heappop(self._order)[1]
            if key in self._running:
                self._running.discard(key)
                yield key

    @property
    def next_time(self) -> float:
        """When there may be some; not later than that."""
        return self._order[0][0] if self._order else inf
