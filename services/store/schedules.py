"""Reading schedules: one, a page of them, and those whose time has come."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select, text

from services.domain.cron_schedule import Schedule, ScheduleKey
from services.domain.errors import NotFound
from services.domain.event import Position
from services.store import values
from services.store.feed import read_position
from services.store.schema import schedules

# Written out, as the condition of the partial index has it.
_HAS_NEXT = text("schedules.next_time > 0")


class StoredSchedule(msgspec.Struct, frozen=True):
    """A schedule, and the spec of its tasks as the wire carries it."""

    schedule: Schedule
    document: bytes


class SchedulePage(msgspec.Struct, frozen=True):
    """Schedules by name. `after` is where to go on, None at the end."""

    schedules: list[StoredSchedule]
    after: str | None
    position: Position


class DueSchedules(msgspec.Struct, frozen=True):
    """Schedules whose time has come, the longest due first, and the next instant of any other, 0 for none."""

    due: list[StoredSchedule]
    next_time: int


def find_schedule(connection: Connection, key: ScheduleKey) -> StoredSchedule | None:
    """One schedule, if it is there."""
    query = select(schedules).where(schedules.c.namespace == key[0], schedules.c.name == key[1])
    row = connection.execute(query).one_or_none()
    return None if row is None else stored(row)


def get_schedule(connection: Connection, key: ScheduleKey) -> tuple[StoredSchedule, Position]:
    """One schedule. Raises NotFound."""
    found = find_schedule(connection, key)
    if found is None:
        raise NotFound(f"there is no schedule {key[1]} in namespace {key[0]}", schedule=key[1])
    return found, read_position(connection)


def list_schedules(connection: Connection, namespace: str, *, after: str, limit: int) -> SchedulePage:
    """A namespace's schedules behind a name."""
    query = select(schedules).where(schedules.c.namespace == namespace, schedules.c.name > after)
    found = [stored(row) for row in connection.execute(query.order_by(schedules.c.name).limit(limit + 1))]
    page = found[:limit]
    more = page[-1].schedule.name if len(found) > limit else None
    return SchedulePage(page, more, read_position(connection))


def read_due_schedules(connection: Connection, now: int, *, limit: int, skip: int = 0) -> DueSchedules:
    """What is due at `now`, of all namespaces, longest first; at most `limit` of it, behind the first `skip`."""
    column = schedules.c
    order = (column.next_time, column.namespace, column.name)
    query = select(schedules).where(_HAS_NEXT, column.next_time <= now).order_by(*order).limit(limit).offset(skip)
    later = select(column.next_time).where(_HAS_NEXT, column.next_time > now).order_by(column.next_time).limit(1)
    return DueSchedules([stored(row) for row in connection.execute(query)], connection.scalar(later) or 0)


def stored(row: Row[Any]) -> StoredSchedule:
    """A row of `schedules`."""
    return StoredSchedule(values.schedule(row), row.document)
