"""The part of the check that is about schedules: they are as their events left them, and fired once for each instant.

It reads `event_rows`, which `check.py` makes of the log.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from sqlalchemy import Connection, text

from services.domain.event import EventType

SCHEDULE_EVENTS = """
SELECT sequence, type, namespace, schedule, version, task_id, schedule_time FROM event_rows
WHERE schedule <> '' ORDER BY sequence
"""
SCHEDULES = "SELECT namespace, name, version, last_time, last_task_id FROM schedules"

# Firings whose task was not made before, in the very same write.
FIRINGS_WITHOUT_TASK = f"""
SELECT e.sequence, e.schedule, e.task_id FROM event_rows AS e
WHERE e.type = {int(EventType.SCHEDULE_FIRED)} AND NOT EXISTS (
  SELECT 1 FROM event_rows AS made WHERE made.task_id = e.task_id AND made.sequence < e.sequence
     AND made.type = {int(EventType.TASK_CREATED)})
LIMIT 20
"""


class ToldSchedule(msgspec.Struct):
    """A schedule as the log tells of it."""

    version: int = 0
    last_time: int = 0
    last_task_id: str = ""
    deleted: bool = False


def schedule_faults(connection: Connection) -> Iterator[str]:
    """What is not as it must be. Of a log that was trimmed, nothing can be said."""
    if connection.execute(text("SELECT first FROM feed")).scalar_one() != 1:
        return
    told: dict[tuple[str, str], ToldSchedule] = {}
    fired: set[tuple[str, str, int]] = set()
    for row in connection.execute(text(SCHEDULE_EVENTS)):
        key = (row.namespace, row.schedule)
        schedule = told.get(key)
        if schedule is None or schedule.deleted:
            schedule = told[key] = ToldSchedule()
        if row.version != schedule.version + 1:
            yield f"schedule {row.schedule}: version {row.version} after {schedule.version} at sequence {row.sequence}"
        schedule.version = row.version
        schedule.deleted = row.type == EventType.SCHEDULE_DELETED
        if row.type == EventType.SCHEDULE_FIRED:
            schedule.last_time, schedule.last_task_id = row.schedule_time, row.task_id
            if (*key, row.schedule_time) in fired:
                yield f"schedule {row.schedule}: fired twice for one instant, again at sequence {row.sequence}"
            fired.add((*key, row.schedule_time))
    kept = {(row[0], row[1]): ToldSchedule(*row[2:]) for row in connection.execute(text(SCHEDULES))}
    alive = {key: schedule for key, schedule in told.items() if not schedule.deleted}
    for key in sorted({*kept, *alive}):
        if kept.get(key) != alive.get(key):
            yield f"schedule {key[1]}: {kept.get(key)} in the table, {alive.get(key)} in the log"
    for row in connection.execute(text(FIRINGS_WITHOUT_TASK)):
        yield f"schedule {row.schedule}: fired {row.task_id} at sequence {row.sequence}, which was not created before"
