"""Ends the drains of agents that do not: what they hold when the deadline and its grace are over is taken back.

The deadline is in the agent's row, so any coordinator can do it, also one that takes over. One does: the owner of the
first shard.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from services.coordinator.limits import DRAIN_POLL_SECONDS, OVERDUE_DRAINS_MAX
from services.coordinator.membership import Membership
from services.domain.commands import EnforceDrain
from services.domain.errors import MissionControlError
from services.domain.limits import DRAIN_GRACE_MICROS
from services.store.drains import read_overdue_drains
from services.store.journal import Journal
from services.store.readers import Readers

log = structlog.get_logger(__name__)


class Drains:
    """See the module."""

    def __init__(self, journal: Journal, readers: Readers, membership: Membership) -> None:
        self._journal = journal
        self._readers = readers
        self._membership = membership

    async def run(self) -> None:
        """Looks now and then, until cancelled."""
        while True:
            await asyncio.sleep(DRAIN_POLL_SECONDS)
            try:
                await self.step(time.time_ns() // 1000)
            except (MissionControlError, SQLAlchemyError) as error:
                log.warning("overdue drains could not be ended; the next look tries again", error=str(error))

    async def step(self, now: int) -> None:
        """One bounded pass over what is overdue at `now`, microseconds since 1970 UTC."""
        if not self._membership.keeps_house:
            return
        read = partial(read_overdue_drains, deadline=now - DRAIN_GRACE_MICROS, limit=OVERDUE_DRAINS_MAX)
        agents = await self._readers.run(read)
        for key in agents:
            log.warning("an agent did not end its drain in time; its leases are taken back", agent_id=key[1])
        await asyncio.gather(*[self._journal.submit(EnforceDrain(key)) for key in agents])
