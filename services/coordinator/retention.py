"""Forgets what is too old, a little at a time, through the journal like every other change."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from services.coordinator.limits import (
    RETENTION_CHUNKS_MAX,
    RETENTION_PAUSE_SECONDS,
    RETENTION_POLL_SECONDS,
    RETENTION_TASKS_MAX,
)
from services.coordinator.membership import Membership
from services.domain.commands import Forget
from services.domain.errors import MissionControlError
from services.store.journal import Journal
from services.store.readers import Readers
from services.store.retention import find_old_chunks, find_old_tasks

log = structlog.get_logger(__name__)

DAY_MICROS = 24 * 3600 * 1_000_000


class Keep(msgspec.Struct, frozen=True):
    """For how long what is kept. Days; 0 keeps tasks or events whatever their age."""

    task_days: float
    event_days: float
    events_max: int


class Retention:
    """See the module. `step` is one bounded pass."""

    def __init__(self, journal: Journal, readers: Readers, membership: Membership, keep: Keep) -> None:
        self._journal = journal
        self._membership = membership
        self._readers = readers
        self._keep = keep
        self._after = ""  # tasks up to this id have been looked at in this round

    async def run(self) -> None:
        """Looks now and again, until cancelled."""
        while True:
            more = False
            try:
                more = self._membership.keeps_house and await self.step(time.time_ns() // 1000)
            except (MissionControlError, SQLAlchemyError) as error:
                log.warning("what is old could not be forgotten; the next pass tries again", error=str(error))
            await asyncio.sleep(RETENTION_PAUSE_SECONDS if more else RETENTION_POLL_SECONDS)

    async def step(self, now: int) -> bool:
        """One bounded pass at `now`, microseconds since 1970 UTC. Whether there may be more to do at once."""
        ended_before = instant_before(now, self._keep.task_days)
        told_before = instant_before(now, self._keep.event_days)
        tasks = await self._readers.run(
            partial(find_old_tasks, ended_before=ended_before, after=self._after, limit=RETENTION_TASKS_MAX)
        )
        chunks = await self._readers.run(
            partial(
                find_old_chunks,
                told_before=told_before,
                events_max=self._keep.events_max,
                limit=RETENTION_CHUNKS_MAX,
            )
        )
        self._after = tasks.after
        if tasks.ids or chunks:
            await self._journal.submit(Forget(tasks.ids, ended_before, chunks))
        return bool(tasks.after) or len(chunks) == RETENTION_CHUNKS_MAX


def instant_before(now: int, days: float) -> int:
    """So many days before now; the beginning of time for 0."""
    return now - int(days * DAY_MICROS) if days else 0
