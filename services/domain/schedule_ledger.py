"""The part of a flush's ledger that is about schedules. Nothing changes without the event of the change."""

from __future__ import annotations

from services.domain.cron_schedule import Schedule, ScheduleKey
from services.domain.errors import NotFound
from services.domain.event import Event, EventData, EventType
from services.domain.task import Task


class ScheduleLedger:
    """`rows` are those that were read, None for one that is not there, or not any more; `documents` of those that were
    put.
    """

    __slots__ = ("_events", "_now", "changed", "documents", "rows")

    def __init__(self, now: int, events: list[Event]) -> None:
        self._now = now
        self._events = events
        self.rows: dict[ScheduleKey, Schedule | None] = {}
        self.changed: dict[ScheduleKey, None] = {}
        self.documents: dict[ScheduleKey, bytes] = {}

    def find(self, key: ScheduleKey) -> Schedule:
        """The schedule. Raises NotFound."""
        schedule = self.rows.get(key)
        if schedule is None:
            raise NotFound(f"there is no schedule {key[1]} in namespace {key[0]}", schedule=key[1])
        return schedule

    def put(
        self, after: Schedule, type_: EventType, *, message: str = "", instant: int = 0, task: Task | None = None
    ) -> None:
        """Changes a schedule and records the event of the change; of a firing, with its instant and its task."""
        self.rows[after.key] = after
        self.changed[after.key] = None
        data = EventData(version=after.version, schedule=after.name, schedule_time=instant, message=message)
        queue, task_id = (task.queue, task.id) if task is not None else ("", "")
        self._events.append(Event(type_, self._now, after.namespace, queue, task_id, "", data))

    def delete(self, schedule: Schedule) -> None:
        """Takes a schedule away and records that."""
        self.rows[schedule.key] = None
        self.changed[schedule.key] = None
        data = EventData(version=schedule.version + 1, schedule=schedule.name)
        self._events.append(Event(EventType.SCHEDULE_DELETED, self._now, schedule.namespace, "", "", "", data))
