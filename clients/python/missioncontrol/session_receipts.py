"""Which batches of leases arrived and were not confirmed yet. Times are monotonic seconds the caller brings."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from missioncontrol import agent_limits as limits


@dataclass(slots=True)
class Receipts:
    """Of one stream. A receipt waits for a moment, so that reports that come anyway can say it."""

    due_time: float = inf
    """When it has to be said by itself."""
    _arrived: int = 0
    _confirmed: int = 0

    def arrived(self, batch: int, now: float) -> None:
        """The batch with this number is here, and so are all before it."""
        self._arrived = batch
        self.due_time = min(self.due_time, now + limits.RECEIPT_PAUSE_SECONDS)

    def take(self) -> int:
        """The newest batch, for the message that confirms it; 0 if there is nothing new to say."""
        self.due_time = inf
        if self._confirmed == self._arrived:
            return 0
        self._confirmed = self._arrived
        return self._confirmed
