"""The order in which waiting tasks are served.

Higher priority first, and then by the time at which a task was first ready. It is kept in three steps, so that no step
grows with the backlog: tasks in their group, groups in the line of their needs, needs in the line of all. A line
knows of each source only its first task. Which agents there are is no concern of this module.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from enum import IntEnum
from typing import Generic, Protocol, TypeVar

import msgspec

from services.domain.schedule import ReadyTask

# (rank, -priority, queued time, number of arrival) of the first task of a source: the smallest is served first. A rank
# is that of a fairness key, and 0 elsewhere.
Order = tuple[int, int, int, int]

# Lazily deleted entries are cleared out once they are more than half, but not before this many: clearing has a price.
STALE_ENTRIES_MIN = 64


class Place(IntEnum):
    """Where a task of the view is."""

    QUEUED = 1  # in its group's order
    ASIDE = 2  # avoids every agent that was free
    DELAYED = 3  # refused as not visible yet
    PLACED = 4  # proposed, and the result has not come
    GONE = 5  # not of this view any more; entries that remain are stale


class Waiting(msgspec.Struct, gc=False):
    """A task and where it is. `number` is the order of arrival; both decide its place in the order, for good."""

    task: ReadyTask
    number: int
    place: Place = Place.QUEUED
    early: int = 0  # how often it was refused as not visible, since it was last something else
    # While it is PLACED: it was said to be ready once more, so what the result tells is not its end.
    again: bool = False


Entry = tuple[int, int, Waiting]


class TaskOrder:
    """Tasks in the order of their queued times. Those that left their place are dropped when they are met."""

    __slots__ = ("_in_turn", "_late", "_place", "_stale")

    def __init__(self, place: Place) -> None:
        self._place = place
        # Tasks come in order nearly always; the few that do not, and those put back, are in the heap.
        self._in_turn: deque[Entry] = deque()
        self._late: list[Entry] = []
        self._stale = 0

    def push(self, waiting: Waiting) -> None:
        """Put a task in its proper position, whenever that is."""
        waiting.place = self._place
        entry = (waiting.task.queued_time, waiting.number, waiting)
        if not self._in_turn or entry > self._in_turn[-1]:
            self._in_turn.append(entry)
        else:
            heapq.heappush(self._late, entry)

    def first(self) -> Waiting | None:
        """Return the first task, None if there is none."""
        place = self._place
        while self._in_turn and self._in_turn[0][2].place is not place:
            self._in_turn.popleft()
            self._stale = max(0, self._stale - 1)
        if not self._late:
            return self._in_turn[0][2] if self._in_turn else None
        while self._late and self._late[0][2].place is not place:
            heapq.heappop(self._late)
            self._stale = max(0, self._stale - 1)
        if not self._late or (self._in_turn and self._in_turn[0] < self._late[0]):
            return self._in_turn[0][2] if self._in_turn else None
        return self._late[0][2]

    def pop(self) -> Waiting:
        """Take the first task out. There must be one."""
        waiting = self.first()
        assert waiting is not None, "pop of an empty order"
        if self._in_turn and self._in_turn[0][2] is waiting:
            self._in_turn.popleft()
        else:
            heapq.heappop(self._late)
        return waiting

    def note_left(self) -> None:
        """A task has changed its place from outside: its entry here is stale."""
        self._stale += 1
        if self._stale < STALE_ENTRIES_MIN or 2 * self._stale < len(self._in_turn) + len(self._late):
            return
        self._in_turn = deque(entry for entry in self._in_turn if entry[2].place is self._place)
        self._late = [entry for entry in self._late if entry[2].place is self._place]
        heapq.heapify(self._late)
        self._stale = 0

    def __iter__(self) -> Iterator[Waiting]:
        for entry in (*self._in_turn, *self._late):
            if entry[2].place is self._place:
                yield entry[2]


class Source(Protocol):
    """What can stand in a line: `listed` is the order under which it stands there, None if it does not."""

    listed: Order | None


SourceT = TypeVar("SourceT", bound=Source)


class Line(Generic[SourceT]):
    """Sources in the order of their first tasks. An entry whose order is not its source's is stale."""

    __slots__ = ("_heap", "_listed", "_serial")

    def __init__(self) -> None:
        # The serial number only keeps two entries of one source from being compared further.
        self._heap: list[tuple[Order, int, SourceT]] = []
        self._listed = 0
        self._serial = 0

    def put(self, source: SourceT, order: Order | None) -> None:
        """Move a source to where its first task belongs; None takes it out."""
        if source.listed == order:
            return
        self._listed += (order is not None) - (source.listed is not None)
        source.listed = order
        if order is None:
            return
        self._serial += 1
        heap = self._heap
        if heap and heap[0][2] is source:
            heapq.heapreplace(heap, (order, self._serial, source))
        else:
            heapq.heappush(heap, (order, self._serial, source))
            self._clear_out()

    def first(self) -> SourceT | None:
        """Return the source whose turn it is, None if none stands here."""
        heap = self._heap
        while heap:
            order, _, source = heap[0]
            if source.listed is order:
                return source
            heapq.heappop(heap)
        return None

    def __len__(self) -> int:
        return self._listed

    def _clear_out(self) -> None:
        if len(self._heap) > 2 * self._listed + STALE_ENTRIES_MIN:
            self._heap = [entry for entry in self._heap if entry[2].listed is entry[0]]
            heapq.heapify(self._heap)
