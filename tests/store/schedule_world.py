"""Schedules in a world: short words for the commands, and firings with instants of the test's own."""

from __future__ import annotations

from typing import Any

from services.domain.cron_schedule import MissedPolicy, Schedule
from services.domain.schedule_commands import FireSchedule, Firing, PutSchedule
from services.domain.schedules import request_id_of
from services.store.schedules import StoredSchedule, find_schedule
from tests.store.world import NAMESPACE, World, new_task

HOUR = 3_600_000_000
NOON = 1_800_000_000_000_000  # a whole hour
KEY = (NAMESPACE, "s")


def put(name: str = "s", **fields: Any) -> PutSchedule:
    """A schedule with defaults."""
    values: dict[str, Any] = {
        "cron": "0 * * * *",
        "time_zone": "UTC",
        "missed_policy": MissedPolicy.ONE,
        "document": b"\x00spec",
        **fields,
    }
    return PutSchedule(schedule=(NAMESPACE, name), **values)


def fire(schedule: Schedule, *instants: int, missed: int = 0, by: str = "") -> FireSchedule:
    """What somebody who has read the schedule says. `by` tells the ids of its tasks from another's."""
    tasks = [
        new_task(f"{schedule.name}-{instant}{by}", request_id=request_id_of(schedule.name, instant))
        for instant in instants
    ]
    return FireSchedule(
        schedule=schedule.key,
        create_time=schedule.create_time,
        version=schedule.version,
        firings=[Firing(instant, task) for instant, task in zip(instants, tasks, strict=True)],
        missed=missed,
        next_time=max(instants, default=NOON) + HOUR,
    )


def kept(world: World, name: str = "s") -> StoredSchedule | None:
    """The schedule as it is on disk."""
    return find_schedule(world.connection, (NAMESPACE, name))
