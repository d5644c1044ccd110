"""What a coordinator remembers of the queues that may refuse tasks: their depths, and what their rates have left.

A depth is a count of the database at one place in the log, and every change that the log tells of behind it: the own
ones when they are written, those of other coordinators when they are read. A count that runs beside both misses
nothing: what is heard meanwhile is kept until it is known how far the count had seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from services.domain.event import Event, EventType
from services.domain.gate import pending_changes
from services.domain.policy import AdmissionPolicy
from services.domain.queue import QueueKey
from services.domain.task import TaskState

# Changes of a depth, each with the number of the last event of its commit.
Heard = list[tuple[int, int]]


class Depth:
    """One queue's. `pending` None: not counted. `head` is the last event that the count had seen."""

    __slots__ = ("head", "heard", "pending", "stale")

    def __init__(self) -> None:
        self.pending: int | None = None
        self.head = 0
        self.heard: Heard | None = None  # since a count began
        self.stale = True

    def change(self, by: int, *, sequence: int) -> None:
        """Takes in a change, unless the count had seen it."""
        if self.heard is not None:
            self.heard.append((sequence, by))
        if self.pending is not None and sequence > self.head:
            self.pending += by


class Depths:
    """See the module. Only queues that somebody asked for are counted; without them it costs nothing."""

    def __init__(self) -> None:
        self._depths: dict[QueueKey, Depth] = {}

    @property
    def queues(self) -> Collection[QueueKey]:
        """The queues that are followed."""
        return self._depths.keys()

    def of(self, key: QueueKey) -> int | None:
        """A queue's depth; None if it was not counted yet."""
        depth = self._depths.get(key)
        return depth.pending if depth is not None else None

    def follow(self, keys: Collection[QueueKey]) -> None:
        """Follows these queues from now on, and no others."""
        self._depths = {key: self._depths.get(key) or Depth() for key in keys}

    def stale(self) -> list[QueueKey]:
        """The followed queues that have to be counted, as far as no count of them runs."""
        return [key for key, depth in self._depths.items() if depth.stale and depth.heard is None]

    def make_stale(self) -> None:
        """Has every queue counted again. Until then their depths are what they were."""
        for depth in self._depths.values():
            depth.stale = True

    def begin_count(self, key: QueueKey) -> Heard:
        """A count of this queue begins: what else is heard from now on is noted. One that began before is overtaken."""
        depth = self._depths.setdefault(key, Depth())
        depth.heard, depth.stale = [], False  # what makes it stale from now on, this count may not have seen
        return depth.heard

    def counted(self, key: QueueKey, count: Heard, pending: int, *, head: int) -> None:
        """A count found so many pending tasks, behind the event `head`. One that was overtaken does not matter.

        Whatever of the own commits the count had seen must have been told by now.
        """
        depth = self._depths.get(key)
        if depth is not None and depth.heard is count:
            depth.pending = pending + sum(change for sequence, change in count if sequence > head)
            depth.head, depth.heard = head, None

    def give_up_count(self, key: QueueKey, count: Heard) -> None:
        """A count could not be made."""
        depth = self._depths.get(key)
        if depth is not None and depth.heard is count:
            depth.heard, depth.stale = None, True

    def hear(self, changes: Mapping[QueueKey, int], *, sequence: int) -> None:
        """Takes in a commit: how much deeper it made queues, and the number of its last event."""
        for key, by in changes.items():
            if key in self._depths:
                self._depths[key].change(by, sequence=sequence)

    def hear_foreign(self, first: int, events: Sequence[Event]) -> None:
        """Takes in a commit of another coordinator, whose first event has this number."""
        if not self._depths:
            return
        self.hear(pending_changes(events, self._depths), sequence=first + len(events) - 1)
        self.note_moves(events)

    def note_moves(self, events: Iterable[Event]) -> None:
        """A pending task that was moved is told of by its new queue only: the namespace's queues are counted again."""
        for event in events:
            if event.type is EventType.TASK_CHANGED and event.data.to_state == TaskState.PENDING:
                for key, depth in self._depths.items():
                    depth.stale = depth.stale or key[0] == event.namespace

    def forget(self) -> None:
        """Nobody knows whether a commit happened: every depth is unknown, and counts that run are too old."""
        self._depths = {key: Depth() for key in self._depths}


class Bucket(msgspec.Struct):
    """The submits that a queue's rate has left at an instant, microseconds."""

    tokens: float
    time: int

    def tokens_at(self, now: int, *, rate: float) -> float:
        """What is left at another instant. A clock that was put back gives nothing and takes nothing."""
        return min(bucket_size(rate), self.tokens + max(0, now - self.time) * rate / 1e6)


def bucket_size(rate: float) -> float:
    """Submits that may come at once: those of a second, at least one."""
    return max(1.0, rate)


class Buckets:
    """The buckets of throttled queues. `coordinators` share each queue's rate evenly."""

    def __init__(self) -> None:
        self._buckets: dict[QueueKey, Bucket] = {}
        self.coordinators = 1

    def rate(self, policy: AdmissionPolicy) -> float:
        """Submits a second that this coordinator takes."""
        return policy.submits_per_second / self.coordinators

    def tokens(self, key: QueueKey, policy: AdmissionPolicy, *, now: int) -> float:
        """What is left. A queue that was never throttled has a full bucket."""
        rate = self.rate(policy)
        bucket = self._buckets.get(key)
        return bucket_size(rate) if bucket is None else bucket.tokens_at(now, rate=rate)

    def take(self, key: QueueKey, policy: AdmissionPolicy, *, taken: int, now: int) -> None:
        """So many submits were accepted."""
        self._buckets[key] = Bucket(self.tokens(key, policy, now=now) - taken, now)

    def keep(self, keys: Collection[QueueKey]) -> None:
        """Forgets the other queues."""
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if key in keys}
