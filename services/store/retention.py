"""Finds what is too old, a bounded part at a time: oldest first, by key."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, and_, bindparam, exists, select

from services.domain.commands import TrimmedChunk
from services.domain.task import TERMINAL
from services.store.feed import read_bounds
from services.store.schema import dependencies, event_chunks, tasks
from services.store.values import decode_events

# While others wait for a task that has ended, they were not told yet: it stays. Nobody begins to wait for it any more.
_WAITED_FOR = and_(tasks.c.has_dependents, exists().where(dependencies.c.depends_on == tasks.c.id))
_OLD_TASKS = (
    select(tasks.c.id, tasks.c.state, tasks.c.end_time, _WAITED_FOR.label("waited_for"))
    .where(tasks.c.id > bindparam("after"), tasks.c.id < bindparam("floor"))
    .order_by(tasks.c.id)
    .limit(bindparam("limit"))
)
_OLD_CHUNKS = select(event_chunks).order_by(event_chunks.c.last).limit(bindparam("limit"))


class OldTasks(msgspec.Struct, frozen=True):
    """Tasks that may be forgotten, and the id to go on after; empty at the end, where the next pass begins anew."""

    ids: list[str]
    after: str


def find_old_tasks(connection: Connection, *, ended_before: int, after: str, limit: int) -> OldTasks:
    """The next tasks after an id that ended before an instant, microseconds since 1970 UTC.

    An id begins with the time of its making, so what was made later than that instant is not looked at.
    """
    keys = {"after": after, "floor": id_made_at(ended_before), "limit": limit}
    rows = connection.execute(_OLD_TASKS, keys).all()
    old = [row for row in rows if row.state in TERMINAL and row.end_time < ended_before]
    ids = [row.id for row in old if not row.waited_for]
    return OldTasks(ids, rows[-1].id if len(rows) == limit else "")


def find_old_chunks(connection: Connection, *, told_before: int, events_max: int, limit: int) -> list[TrimmedChunk]:
    """The oldest chunks of the log whose events were told before an instant, or are more than are to be kept."""
    head = read_bounds(connection).head
    found: list[TrimmedChunk] = []
    for row in connection.execute(_OLD_CHUNKS, {"limit": limit}):
        if row.time >= told_before and row.last > head - events_max:
            break
        told_of = {event.task_id for event in decode_events(row.events) if event.task_id}
        found.append(TrimmedChunk(row.last, sorted(told_of)))
    return found


def id_made_at(instant: int) -> str:
    """The beginning that an id made at this instant has, as UUIDv7 has it: 48 bits of milliseconds."""
    digits = f"{max(instant, 0) // 1000:012x}"
    return f"{digits[:8]}-{digits[8:]}"
