"""The rules of schedules: made, changed, deleted, and fired exactly once for each instant.

A firing is one change: its task, the events, and the schedule's next instant are written together, and only on top of
the version that was read. Whoever fires a second time, on whatever coordinator, finds another version. The request id
says the same once more, beyond the schedule's own life: one (name, instant) has one task.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from services.domain.commands import Created
from services.domain.cron_schedule import Schedule, next_time
from services.domain.errors import AlreadyExists
from services.domain.event import EventType
from services.domain.ledger import Ledger, Touches
from services.domain.schedule_commands import (
    DeleteSchedule,
    FireSchedule,
    Firing,
    PauseSchedule,
    PutSchedule,
)
from services.domain.submit import create_task

# Request ids that begin with this are those of firings; the API refuses them from anybody else.
REQUEST_ID_PREFIX = "schedule/"


def request_id_of(name: str, instant: int) -> str:
    """The request id of a firing, such as "schedule/nightly/2026-03-29T01:00:00Z"."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)
    return f"{REQUEST_ID_PREFIX}{name}/{moment:%Y-%m-%dT%H:%M:%SZ}"


def touch_schedule(command: PutSchedule | PauseSchedule | DeleteSchedule, touches: Touches) -> None:
    """What a change reads."""
    touches.schedules.add(command.schedule)


def touch_fire(command: FireSchedule, touches: Touches) -> None:
    """What a firing reads: the schedule, and what a submit of its tasks reads."""
    touches.schedules.add(command.schedule)
    for firing in command.firings:
        task = firing.task
        touches.created.add(task.id)
        touches.queues.add((task.namespace, task.queue))
        touches.requests.add((task.namespace, task.request_id))


def put_schedule(ledger: Ledger, command: PutSchedule) -> Schedule:
    """Makes it, or replaces what it does and when. With the same times, what is due already stays due."""
    before = ledger.schedules.rows.get(command.schedule)
    if before is None:
        after = Schedule(
            namespace=command.schedule[0],
            name=command.schedule[1],
            cron=command.cron,
            time_zone=command.time_zone,
            missed_policy=command.missed_policy,
            paused=command.paused,
            version=1,
            create_time=ledger.now,
            update_time=ledger.now,
        )
        after = replace(after, next_time=next_time(after, now=ledger.now))
    else:
        after = changed(
            ledger,
            before,
            cron=command.cron,
            time_zone=command.time_zone,
            missed_policy=command.missed_policy,
        )
    ledger.schedules.documents[after.key] = command.document
    ledger.schedules.put(after, EventType.SCHEDULE_UPDATED)
    return after


def changed(ledger: Ledger, before: Schedule, **changes: Any) -> Schedule:
    """The schedule after a change by somebody; if its times change, it begins anew."""
    after = replace(before, version=before.version + 1, update_time=ledger.now, **changes)
    if (after.cron, after.time_zone, after.paused) == (before.cron, before.time_zone, before.paused):
        return after
    return replace(after, next_time=next_time(after, now=ledger.now))


def pause_schedule(ledger: Ledger, command: PauseSchedule) -> Schedule:
    """Stops it, or lets it begin with the next instant. What is so already records no event."""
    before = ledger.schedules.find(command.schedule)
    if before.paused == command.paused:
        return before
    after = changed(ledger, before, paused=command.paused)
    ledger.schedules.put(after, EventType.SCHEDULE_UPDATED, message="paused" if after.paused else "resumed")
    return after


def delete_schedule(ledger: Ledger, command: DeleteSchedule) -> None:
    """Deletes it. Its tasks stay."""
    ledger.schedules.delete(ledger.schedules.find(command.schedule))


def fire_schedule(ledger: Ledger, command: FireSchedule) -> bool:
    """Makes the tasks of some instants, and goes on to the next one."""
    schedule = ledger.schedules.rows.get(command.schedule)
    if schedule is None or (schedule.version, schedule.create_time) != (command.version, command.create_time):
        return False
    schedule = replace(schedule, next_time=command.next_time)
    if command.missed:
        schedule = step(schedule, missed=schedule.missed + command.missed)
        words = f"{command.missed} firings were missed" if command.missed > 1 else "1 firing was missed"
        ledger.schedules.put(schedule, EventType.SCHEDULE_MISSED, message=words)
    for firing in command.firings:
        schedule = fire(ledger, schedule, firing)
    if schedule.version == command.version:  # nothing was due: the rules of its time zone have changed
        schedule = step(schedule)
        ledger.schedules.put(schedule, EventType.SCHEDULE_UPDATED, message="its time zone has new rules")
    return True


def fire(ledger: Ledger, schedule: Schedule, firing: Firing) -> Schedule:
    """Makes the task of one instant. It is there already if the clock was put back and the schedule made anew."""
    answer = create_task(ledger, firing.task, None, {})
    if isinstance(answer, Created) and answer.task is not None:
        schedule = step(schedule, last_time=firing.instant, last_task_id=answer.task_id)
        ledger.schedules.put(schedule, EventType.SCHEDULE_FIRED, instant=firing.instant, task=answer.task)
        return schedule
    # A queue may refuse new tasks of anybody else.
    assert isinstance(answer, (Created, AlreadyExists)), f"a firing was refused: {answer}"
    schedule = step(schedule)
    words = f"had fired before: {firing.task.request_id}"
    ledger.schedules.put(schedule, EventType.SCHEDULE_UPDATED, message=words)
    return schedule


def step(schedule: Schedule, **changes: Any) -> Schedule:
    """One version further. Nobody has changed it, so `update_time` stays."""
    return replace(schedule, version=schedule.version + 1, **changes)
