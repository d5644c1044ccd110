"""The feed as it is stored: how far it goes, and its events.

Every answer about the tables names the position that it is consistent with: both are read in one transaction.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Select, select

from services.domain.event import Event, Position
from services.domain.event_filter import EventFilter
from services.store import values
from services.store.limits import EVENTS_SCAN_MAX
from services.store.schema import events, feed


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
    # A task's own history has an index; anything else is found by looking through the feed.
    end = bounds.head if filter_.task_id else min(bounds.head, after + EVENTS_SCAN_MAX)
    found = connection.execute(_matching(filter_, after=after, end=end).limit(limit)).all()
    page = [(row[0], values.event(row[1:])) for row in found]
    reached = page[-1][0] if len(page) == limit else max(end, after)
    return EventPage(page, reached, bounds)


def _matching(filter_: EventFilter, *, after: int, end: int) -> Select[Any]:
    """Events in (after, end] that the filter wants, oldest first."""
    statement = select(events).where(events.c.sequence > after, events.c.sequence <= end).order_by(events.c.sequence)
    if filter_.namespace:
        statement = statement.where(events.c.namespace == filter_.namespace)
    if filter_.types:
        statement = statement.where(events.c.type.in_(sorted(filter_.types)))
    if filter_.queue:
        statement = statement.where(events.c.queue == filter_.queue)
    if filter_.task_id:
        statement = statement.where(events.c.task_id == filter_.task_id, events.c.task_id != "")
    if filter_.agent_id:
        statement = statement.where(events.c.agent_id == filter_.agent_id)
    return statement
