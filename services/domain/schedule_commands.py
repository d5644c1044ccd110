"""What the journal is asked to do with schedules, as values; `schedules.py` carries it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from services.domain.cron_schedule import MissedPolicy, ScheduleKey

if TYPE_CHECKING:
    from services.domain.commands import NewTask  # which has these commands in its union


class PutSchedule(msgspec.Struct, frozen=True):
    """Make a schedule or replace it; one that is there stays paused or not. Answer: the schedule afterwards.

    `document` is the spec of its tasks as the wire carries it, opaque here.
    """

    schedule: ScheduleKey
    cron: str
    time_zone: str
    missed_policy: MissedPolicy
    document: bytes
    paused: bool = False


class PauseSchedule(msgspec.Struct, frozen=True):
    """Pause or resume. Answer: the schedule afterwards, or NotFound."""

    schedule: ScheduleKey
    paused: bool


class DeleteSchedule(msgspec.Struct, frozen=True):
    """Delete. Answer: None, or NotFound."""

    schedule: ScheduleKey


class Firing(msgspec.Struct, frozen=True):
    """An instant, and the task that it makes. The task's request id names the schedule and the instant."""

    instant: int
    task: NewTask


class FireSchedule(msgspec.Struct, frozen=True):
    """What `cron_schedule.due` said of a schedule at this version. Answer: whether it was done.

    It was not if the schedule has changed since then, or is another one of the same name.
    """

    schedule: ScheduleKey
    create_time: int
    version: int
    firings: Sequence[Firing]
    missed: int
    next_time: int


ScheduleCommand = PutSchedule | PauseSchedule | DeleteSchedule | FireSchedule
