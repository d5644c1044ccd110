"""Schedules, which make tasks by the clock, and what has to be done about the instants that have come.

Values only. Whoever has a schedule's instants worked out says so in a FireSchedule, which `schedules.py` carries out.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import islice

import msgspec

from services.domain.cron import instants, next_instant

ScheduleKey = tuple[str, str]  # (namespace, name)

# So late an instant still counts as in time, whatever the policy: a coordinator is replaced within seconds.
IN_TIME_MICROS = 60_000_000
# How many missed firings ALL makes up for.
MADE_UP_MAX = 100
# Instants that one look goes through, a few microseconds each: an expression with seconds names 604,800 a week. The
# rest is for the next look. More than can be in time and made up for together.
LOOKED_AT_MAX = 10_000


class MissedPolicy(IntEnum):
    """What becomes of instants at which nobody could fire. The numbers are those of the wire."""

    SKIP = 1
    ONE = 2
    ALL = 3

    @property
    def made_up_max(self) -> int:
        """How many of them, the newest, are made up for."""
        return {MissedPolicy.SKIP: 0, MissedPolicy.ONE: 1, MissedPolicy.ALL: MADE_UP_MAX}[self]


class Schedule(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """One schedule, without the spec of its tasks. Instants are microseconds since 1970 UTC, 0 for "never".

    `next_time` is the first instant that nothing was done about; 0 while it is paused.
    """

    namespace: str
    name: str
    cron: str
    time_zone: str
    missed_policy: MissedPolicy
    paused: bool
    version: int
    create_time: int
    update_time: int
    next_time: int = 0
    last_time: int = 0
    last_task_id: str = ""
    missed: int = 0

    @property
    def key(self) -> ScheduleKey:
        """Namespace and name."""
        return (self.namespace, self.name)


class Due(msgspec.Struct, frozen=True):
    """What to do: the instants to fire for, oldest first, how many older ones are left out, and the next instant."""

    instants: tuple[int, ...]
    missed: int
    next_time: int


def next_time(schedule: Schedule, *, now: int) -> int:
    """When it fires next if it begins now."""
    return 0 if schedule.paused else next_instant(schedule.cron, schedule.time_zone, after=now)


def due(schedule: Schedule, *, now: int, firings_max: int) -> Due:
    """What to do about the instants up to `now`; what is beyond `firings_max` is left for the next look."""
    if not schedule.next_time or schedule.next_time > now:
        return Due((), 0, schedule.next_time)
    following = instants(schedule.cron, schedule.time_zone, after=schedule.next_time - 1)
    passed: list[int] = []
    upcoming = 0
    for instant in islice(following, LOOKED_AT_MAX + 1):
        if instant > now:
            upcoming = instant
            break
        passed.append(instant)
    late = sum(instant < now - IN_TIME_MICROS for instant in passed)
    missed = max(0, late - schedule.missed_policy.made_up_max)
    if len(passed) > LOOKED_AT_MAX:  # what comes behind them may leave nothing to be made up for
        missed = min(missed, LOOKED_AT_MAX)
        return Due((), missed, passed[missed])
    wanted = passed[missed:]
    fired = wanted[:firings_max]
    return Due(tuple(fired), missed, wanted[len(fired)] if len(wanted) > len(fired) else upcoming)
