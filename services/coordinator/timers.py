"""Timers: wakes the tasks of its shards whose time has come, ends sessions that nobody vouched for, and shows that
this coordinator still writes.

Timers are rows, so they survive anything; what is kept here is only when to look next. A look that was missed costs
one poll.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from services.coordinator.limits import RENEW_SECONDS, TIMER_POLL_SECONDS, TIMERS_MAX
from services.coordinator.membership import Membership
from services.domain.commands import ExpireAgent, Renew, WakeTasks
from services.domain.errors import MissionControlError
from services.store.flush import Committed
from services.store.journal import Journal
from services.store.readers import Readers
from services.store.timers import Due, read_due

log = structlog.get_logger(__name__)


class Timers:
    """See the module. Listens to the journal to know of timers nearer than the next poll."""

    def __init__(self, journal: Journal, readers: Readers, membership: Membership, *, lease_ttl_seconds: float) -> None:
        self._journal = journal
        self._membership = membership
        # Agents are vouched for during two thirds of a time to live after a renewal: several have to fit into it.
        self._renew_seconds = min(RENEW_SECONDS, lease_ttl_seconds / 6)
        self._readers = readers
        self._next = 0
        self._sooner = asyncio.Event()

    def on_committed(self, committed: Committed) -> None:
        """Notes the nearest timer."""
        for task in committed.tasks.values():
            if task.wake_time and task.wake_time < self._next:
                self._next = task.wake_time
                self._sooner.set()

    async def run(self) -> None:
        """Looks when something is due, and at least once a poll, until cancelled."""
        while True:
            try:
                await self.step(time.time_ns() // 1000)
            except (MissionControlError, SQLAlchemyError) as error:
                log.warning("timers could not be worked off; the next look tries again", error=str(error))
            wait = min((self._next - time.time_ns() // 1000) / 1e6, TIMER_POLL_SECONDS, self._renew_seconds)
            self._sooner.clear()
            if wait > 0:
                try:
                    async with asyncio.timeout(wait):
                        await self._sooner.wait()
                except TimeoutError:
                    continue

    async def step(self, now: int) -> None:
        """One bounded pass over what is due at `now`, microseconds since 1970 UTC."""
        self._next = now + int(TIMER_POLL_SECONDS * 1e6)
        members = self._membership
        read = partial(read_due, now=now, shards=members.shards, sessions=members.keeps_house, limit=TIMERS_MAX)
        due: Due = await self._readers.run(read)
        if due.next_wake_time:
            self._next = min(self._next, due.next_wake_time)
        if due.task_ids:
            await self._journal.submit(WakeTasks(due.task_ids))
        # All at once: the journal writes them together, also when a whole rack is gone.
        await asyncio.gather(*[self._journal.submit(ExpireAgent(agent, session)) for agent, session in due.agents])
        if len(due.task_ids) == TIMERS_MAX:
            self._next = now
        if time.monotonic() - self._journal.renewed_at >= self._renew_seconds:
            await self._journal.submit(Renew())
