"""Fires schedules: on the coordinator that keeps house, when their time comes.

What is decided rests on the version of the schedule that was read, and the transaction looks at it again. So it does
no harm if two coordinators believe that they keep house, if one was stopped in mid-firing, or if an answer got lost:
whoever comes second finds another version. What is kept here is only when to look next.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from services.coordinator.limits import (
    FIRINGS_BYTES_MAX,
    FIRINGS_MAX,
    SCHEDULE_CLOCK_SECONDS,
    SCHEDULE_POLL_SECONDS,
    SCHEDULES_MAX,
)
from services.coordinator.membership import Membership
from services.coordinator.tail import Foreign
from services.domain.cron_schedule import due
from services.domain.errors import MissionControlError
from services.domain.membership import ROUTING_PROGRAM
from services.domain.schedule_commands import FireSchedule, Firing
from services.store.flush import Committed
from services.store.journal import Journal
from services.store.readers import Readers
from services.store.schedules import StoredSchedule, read_due_schedules
from services.transport.convert_cron import firing_task

log = structlog.get_logger(__name__)

# Later than any instant that a schedule may name.
NEVER = 1 << 62


class Schedules:
    """See the module. Listens to the journal and to the tail to know of instants nearer than the next one."""

    def __init__(self, journal: Journal, readers: Readers, membership: Membership) -> None:
        self._journal = journal
        self._readers = readers
        self._membership = membership
        self._next = 0
        self._sooner = asyncio.Event()
        self._skip = 0  # how many at the head of what is due could not fire in this round

    def on_committed(self, committed: Committed) -> None:
        """Notes the nearest instant."""
        for schedule in committed.schedules:
            if schedule.next_time:
                self._look_at(schedule.next_time)

    def on_foreign(self, foreign: Foreign) -> None:
        """Looks again if another coordinator has changed a schedule."""
        if any(event.data.schedule for event in foreign.events):
            self._look_at(0)

    def look_after(self, _shards: frozenset[int]) -> None:
        """Looks again: this coordinator may be the one that fires from now on."""
        self._look_at(0)

    def _look_at(self, instant: int) -> None:
        if instant < self._next:
            self._next = instant
            self._sooner.set()

    async def run(self) -> None:
        """Fires what is due, until cancelled."""
        while True:
            try:
                await self.step(time.time_ns() // 1000)
            except (MissionControlError, SQLAlchemyError) as error:
                log.warning("schedules could not be looked at; the next look tries again", error=str(error))
            await self._wait()

    async def step(self, now: int) -> None:
        """One bounded pass over what is due at `now`, microseconds since 1970 UTC.

        What cannot fire stays due, and is passed over until the next round: it must not hide what comes behind it.
        """
        self._next = NEVER
        if not self._membership.keeps_house or self._membership.program < ROUTING_PROGRAM:
            return
        found = await self._readers.run(partial(read_due_schedules, now=now, limit=SCHEDULES_MAX, skip=self._skip))
        self._look_at(found.next_time or NEVER)
        full = len(found.due) == SCHEDULES_MAX
        if not full:
            self._skip = 0
        if not found.due:
            return
        commands = await asyncio.to_thread(decide, found.due, now=now)
        # All at once: the journal writes them together. Each fails alone.
        answers = await asyncio.gather(*map(self._journal.submit, commands), return_exceptions=True)
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, BaseException):
                log.error("a schedule could not fire; trying again", schedule=command.schedule, error=str(answer))
            elif not answer:
                self._look_at(0)  # it was changed meanwhile
        if full:
            self._skip += len(found.due) - len(commands) + sum(isinstance(answer, BaseException) for answer in answers)
            self._look_at(0)

    async def _wait(self) -> None:
        """Waits for the next instant by the clock on the wall, which may be put forward or back meanwhile.

        A wake-up that got lost, and a firing that failed, cost no more than one poll.
        """
        poll = time.monotonic() + SCHEDULE_POLL_SECONDS
        while True:
            self._sooner.clear()
            wait = min((self._next - time.time_ns() // 1000) / 1e6, poll - time.monotonic(), SCHEDULE_CLOCK_SECONDS)
            if wait <= 0:
                return
            try:
                async with asyncio.timeout(wait):
                    await self._sooner.wait()
            except TimeoutError:
                continue


def decide(schedules: list[StoredSchedule], *, now: int) -> list[FireSchedule]:
    """What has to be done about schedules whose time has come. One that cannot be understood stops no other."""
    commands = []
    for each in schedules:
        try:
            commands.append(decide_one(each, now=now))
        except Exception:  # such as a time zone that this machine does not have any more
            log.exception("a schedule cannot fire as it is", schedule=each.schedule.key)
    return commands


def decide_one(stored: StoredSchedule, *, now: int) -> FireSchedule:
    """The same for one. What does not fit into one command is for the next look."""
    schedule = stored.schedule
    fitting = max(1, FIRINGS_BYTES_MAX // max(1, len(stored.document)))
    found = due(schedule, now=now, firings_max=min(FIRINGS_MAX, fitting))
    return FireSchedule(
        schedule=schedule.key,
        create_time=schedule.create_time,
        version=schedule.version,
        firings=[Firing(each, firing_task(schedule, stored.document, instant=each)) for each in found.instants],
        missed=found.missed,
        next_time=found.next_time,
    )
