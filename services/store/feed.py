"""The feed as it is stored: how far it goes, and its events.

Every answer about the tables names the position that it is consistent with: both are read in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from sqlalchemy import Connection, bindparam, select

from services.domain.event import Event, Position
from services.domain.event_filter import EventFilter
from services.store.limits import CHUNKS_READ, EVENTS_SCAN_MAX
from services.store.schema import event_chunks, event_tasks, feed
from services.store.values import decode_events


class FeedBounds(msgspec.Struct, frozen=True):
    """What is kept: events `first` to `head`. Without any, `first` is one more than `head`."""

    epoch: str
    first: int
    head: int

    @property
    def position(self) -> Position:
        """The head."""
        return Position(self.epoch, self.head)

    @property
    def beginning(self) -> Position:
        """The place before the first event that is kept."""
        return Position(self.epoch, self.first - 1)


class EventPage(msgspec.Struct, frozen=True):
    """Events with their numbers, oldest first: every one that the filter wants, up to the sequence `reached`."""

    events: list[tuple[int, Event]]
    reached: int
    bounds: FeedBounds


_column = event_chunks.c
_CHUNKS = (
    select(_column.last, _column.first, _column.events)
    .where(_column.last > bindparam("after"), _column.first <= bindparam("head"))
    .order_by(_column.last)
    .limit(bindparam("limit"))
)
_TASK_CHUNKS = (
    select(_column.last, _column.first, _column.events)
    .join(event_tasks, event_tasks.c.last == _column.last)
    .where(
        event_tasks.c.task_id == bindparam("task_id"),
        event_tasks.c.last > bindparam("after"),
        _column.first <= bindparam("head"),
    )
    .order_by(event_tasks.c.last)
    .limit(bindparam("limit"))
)
_STORED = select(_column.first, _column.coordinator_id, _column.events).where(_column.last > bindparam("after"))
_STORED = _STORED.order_by(_column.last).limit(bindparam("limit"))
_BOUNDS = select(feed.c.epoch, feed.c.first, feed.c.head)


def read_bounds(connection: Connection) -> FeedBounds:
    """How far the feed goes."""
    epoch, first, head = connection.execute(_BOUNDS).one()
    return FeedBounds(epoch, first, head)


def read_position(connection: Connection) -> Position:
    """The head of the feed."""
    return read_bounds(connection).position


def list_events(connection: Connection, filter_: EventFilter, *, after: int, limit: int) -> EventPage:
    """The next events after a sequence, at most `limit`. It looks at a bounded part: a page may be short."""
    bounds = read_bounds(connection)
    page: list[tuple[int, Event]] = []
    scanned = 0
    start = max(after, bounds.beginning.sequence)
    for first, events in _chunks(connection, filter_.task_id, after=start, head=bounds.head):
        for sequence, event in enumerate(events, first):
            if sequence > start and filter_.wants(event):
                page.append((sequence, event))
                if len(page) == limit:
                    return EventPage(page, sequence, bounds)
        scanned += len(events)
        if scanned >= EVENTS_SCAN_MAX:
            return EventPage(page, first + len(events) - 1, bounds)
    return EventPage(page, max(bounds.head, after), bounds)


class StoredChunk(msgspec.Struct, frozen=True):
    """Events of one flush as they lie in the log, the number of the first, and who wrote them."""

    first: int
    coordinator_id: str
    events: list[Event]


def read_chunks(connection: Connection, after: int, limit: int) -> list[StoredChunk]:
    """The next chunks of the log with events after a sequence, whole, oldest first."""
    found = connection.execute(_STORED, {"after": after, "limit": limit})
    return [StoredChunk(first, coordinator_id, decode_events(events)) for first, coordinator_id, events in found]


def read_log(connection: Connection, after: int, limit: int) -> tuple[str, list[StoredChunk]]:
    """The epoch of the log, and its next chunks as `read_chunks` has them."""
    return read_bounds(connection).epoch, read_chunks(connection, after, limit)


def _chunks(connection: Connection, task_id: str, *, after: int, head: int) -> Iterator[tuple[int, list[Event]]]:
    """The chunks with events in (after, head], oldest first, each with its first number. Of a task, only its own."""
    statement = _TASK_CHUNKS if task_id else _CHUNKS
    while after < head:
        arguments = {"after": after, "head": head, "task_id": task_id, "limit": CHUNKS_READ}
        found = connection.execute(statement, arguments).all()
        for row in found:
            yield row.first, decode_events(row.events)
        if len(found) < CHUNKS_READ:
            return
        after = found[-1].last
